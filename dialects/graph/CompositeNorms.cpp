//===- CompositeNorms.cpp - What softmax, means and norms are made of ---------------------===//

#include "dialects/graph/GraphBuilder.h"

using namespace mlir;

namespace tessera::graph {

using Values = FailureOr<SmallVector<Value>>;

static Values one(Value value) { return SmallVector<Value>{value}; }

/// Whether x is y - max y along the axes.
static bool isCentred(Value x, ArrayRef<int64_t> axes) {
  auto sub = x.getDefiningOp<SubOp>();
  auto broadcast = sub ? sub.getY().getDefiningOp<BroadcastOp>() : BroadcastOp();
  if (!broadcast)
    return false;
  TensorType type = getTensorType(x);
  SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(0, type.rank()));
  Value reduced = broadcast.getX();
  if (auto reshape = reduced.getDefiningOp<ReshapeOp>()) {
    SmallVector<DimAttr> kept(type.getDims());
    for (int64_t axis : axes)
      kept[axis] = getDim(x.getContext(), 1);
    if (reshape.getType().getDims() != ArrayRef(kept))
      return false;
    reduced = reshape.getX();
  } else {
    llvm::erase_if(places, [&](int64_t place) { return llvm::is_contained(axes, place); });
  }
  auto maximum = reduced.getDefiningOp<ReduceOp>();
  return maximum && maximum.getKind() == ReduceKind::max && maximum.getX() == sub.getX() &&
         maximum.getAxes() == axes && broadcast.getDims() == ArrayRef(places);
}

/// x - max x along the axes: what keeps e^x finite. Models that do so themselves have a maximum of
/// 0 then, or of NaN, where the sum of e^x is NaN, too.
static Value centre(GraphBuilder &b, Value x, ArrayRef<int64_t> axes) {
  if (isCentred(x, axes))
    return x;
  return b.sub(x, b.expand(b.reduce(ReduceKind::max, x, axes), axes, x));
}
static Value mean(GraphBuilder &b, Value x, ArrayRef<int64_t> axes) {
  Value sum = b.reduce(ReduceKind::sum, x, axes);
  return b.div(sum, b.countLike(sum, x, axes));
}
static Value square(GraphBuilder &b, Value x) { return b.mul(x, x); }

/// Small floats compute in f32.
static Type getComputeType(Value x) {
  return getDefaultAccumulator(getTensorType(x).getElementType());
}

Values SoftmaxOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  Value e = b.create<ExpOp>(centre(b, x, getAxes()));
  Value sum = b.expand(b.reduce(ReduceKind::sum, e, getAxes()), getAxes(), x);
  return one(b.convert(b.div(e, sum), getTensorType(getX()).getElementType()));
}
Values LogSoftmaxOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  Value shifted = centre(b, x, getAxes());
  Value sum = b.reduce(ReduceKind::sum, b.create<ExpOp>(shifted), getAxes());
  Value result = b.sub(shifted, b.expand(b.create<LogOp>(sum), getAxes(), x));
  return one(b.convert(result, getTensorType(getX()).getElementType()));
}
Values L2NormalizeOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  Value norm = b.create<SqrtOp>(b.reduce(ReduceKind::sum, square(b, x), getAxes()));
  Value bounded = b.max(norm, getEpsilon().convertToDouble());
  return one(
      b.convert(b.div(x, b.expand(bounded, getAxes(), x)), getTensorType(getX()).getElementType()));
}
Values MeanOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  return one(b.convert(mean(b, x, getAxes()), getTensorType(getX()).getElementType()));
}
Values VarianceOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  Value centred = b.sub(x, b.expand(mean(b, x, getAxes()), getAxes(), x));
  return one(
      b.convert(mean(b, square(b, centred), getAxes()), getTensorType(getX()).getElementType()));
}
Values LogSumExpOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  // An infinite maximum is left out of the shift: e^(inf - inf) would be NaN.
  Value top = b.reduce(ReduceKind::max, x, getAxes());
  Value zero = b.fillLike(top, 0);
  Value shift = b.create<SelectOp>(b.create<IsInfOp>(top), zero, top);
  Value e = b.create<ExpOp>(b.sub(x, b.expand(shift, getAxes(), x)));
  Value result = b.add(b.create<LogOp>(b.reduce(ReduceKind::sum, e, getAxes())), shift);
  return one(b.convert(result, getTensorType(getX()).getElementType()));
}

/// (x - mean) * rsqrt(variance + epsilon) over the axes, in the compute type.
static Value normalize(GraphBuilder &b, Value x, ArrayRef<int64_t> axes, double epsilon) {
  Value centred = b.sub(x, b.expand(mean(b, x, axes), axes, x));
  Value variance = mean(b, square(b, centred), axes);
  Value deviation = b.create<SqrtOp>(b.add(variance, epsilon));
  return b.div(centred, b.expand(deviation, axes, x));
}

/// A parameter at the dims of x, in x's element type.
static Value place(GraphBuilder &b, Value parameter, ArrayRef<int64_t> dims, Value x) {
  Value converted = b.convert(parameter, getTensorType(x).getElementType());
  return b.broadcast(converted, dims, getTensorType(x).getDims());
}

Values LayerNormOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(getAxis(), getTensorType(x).rank()));
  Value y = normalize(b, x, axes, getEpsilon().convertToDouble());
  y = b.mul(y, place(b, getScale(), axes, x));
  if (getBias())
    y = b.add(y, place(b, getBias(), axes, x));
  return one(b.convert(y, getTensorType(getX()).getElementType()));
}
Values RmsNormOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(getAxis(), getTensorType(x).rank()));
  Value deviation =
      b.create<SqrtOp>(b.add(mean(b, square(b, x), axes), getEpsilon().convertToDouble()));
  Value y = b.mul(b.div(x, b.expand(deviation, axes, x)), place(b, getScale(), axes, x));
  return one(b.convert(y, getTensorType(getX()).getElementType()));
}
Values BatchNormOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  // Per channel: factor = scale / sqrt(variance + epsilon), offset = bias - mean * factor. With
  // constant parameters both fold, and a convolution before takes the factor into its weights.
  Value deviation = b.create<SqrtOp>(b.add(getVariance(), getEpsilon().convertToDouble()));
  Value factor = b.div(getScale(), deviation);
  Value offset = b.sub(getBias(), b.mul(getMean(), factor));
  int64_t axis = getAxis();
  return one(b.add(b.mul(getX(), place(b, factor, axis, getX())), place(b, offset, axis, getX())));
}
Values InstanceNormOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Value x = b.convert(getX(), getComputeType(getX()));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, getTensorType(x).rank()));
  Value y = normalize(b, x, axes, getEpsilon().convertToDouble());
  y = b.add(b.mul(y, place(b, getScale(), 1, x)), place(b, getBias(), 1, x));
  return one(b.convert(y, getTensorType(getX()).getElementType()));
}

} // namespace tessera::graph
