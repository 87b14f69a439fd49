//===- CompositeActivations.cpp - What activations are made of ---------------------------===//

#include "dialects/graph/GraphBuilder.h"

using namespace mlir;

namespace tessera::graph {

using Values = FailureOr<SmallVector<Value>>;

static Values one(Value value) { return SmallVector<Value>{value}; }

/// A tensor of bools: x < 0.
static Value isNegative(GraphBuilder &b, Value x) {
  return b.compare(CompareKind::lt, x, b.fillLike(x, 0));
}
static Value sigmoid(GraphBuilder &b, Value x) {
  Value e = b.create<ExpOp>(b.create<NegOp>(x));
  return b.div(b.fillLike(x, 1), b.add(e, 1));
}
static Value elu(GraphBuilder &b, Value x, double alpha) {
  return b.create<SelectOp>(isNegative(b, x), b.mul(b.create<Expm1Op>(x), alpha), x);
}
static Value softplus(GraphBuilder &b, Value x) {
  Value e = b.create<ExpOp>(b.create<NegOp>(b.create<AbsOp>(x)));
  return b.add(b.max(x, 0), b.create<Log1pOp>(e));
}
static Value hardSigmoid(GraphBuilder &b, Value x, double alpha, double beta) {
  return b.min(b.max(b.add(b.mul(x, alpha), beta), 0), 1);
}

Values ReluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.max(getX(), 0));
}
Values SigmoidOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(sigmoid(b, getX()));
}
Values SiluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.mul(getX(), sigmoid(b, getX())));
}
Values SoftplusOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(softplus(b, getX()));
}
Values SoftsignOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.div(getX(), b.add(b.create<AbsOp>(getX()), 1)));
}
Values MishOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.mul(getX(), b.create<TanhOp>(softplus(b, getX()))));
}
Values HardSwishOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.mul(getX(), hardSigmoid(b, getX(), 1.0 / 6.0, 0.5)));
}
Values ReciprocalOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.div(b.fillLike(getX(), 1), getX()));
}
Values LeakyReluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value scaled = b.mul(getX(), getAlpha().convertToDouble());
  return one(b.create<SelectOp>(isNegative(b, getX()), scaled, getX()));
}
Values EluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(elu(b, getX(), getAlpha().convertToDouble()));
}
Values SeluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.mul(elu(b, getX(), getAlpha().convertToDouble()), getGamma().convertToDouble()));
}
Values HardSigmoidOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(hardSigmoid(b, getX(), getAlpha().convertToDouble(), getBeta().convertToDouble()));
}
Values GeluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = getX(), inner;
  if (getTanh()) {
    // Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016): sqrt(2 / pi) (x + 0.044715 x^3).
    Value cube = b.mul(b.mul(x, x), x);
    inner = b.create<TanhOp>(b.mul(b.add(x, b.mul(cube, 0.044715)), 0.79788456080286535588));
  } else {
    inner = b.create<ErfOp>(b.mul(x, 0.70710678118654752440));
  }
  return one(b.mul(b.mul(x, 0.5), b.add(inner, 1)));
}
Values ClampOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  ArrayRef<DimAttr> dims = getTensorType(getX()).getDims();
  return one(b.min(b.max(getX(), b.broadcast(getLo(), {}, dims)), b.broadcast(getHi(), {}, dims)));
}
Values PreluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.create<SelectOp>(isNegative(b, getX()), b.mul(getX(), getSlope()), getX()));
}
Values SwigluOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  return one(b.mul(b.mul(getX(), sigmoid(b, getX())), getY()));
}

} // namespace tessera::graph
