//===- GradientElementwise.cpp - Derivatives of elementwise ops ----------------------------===//

#include "dialects/graph/GradientRules.h"

using namespace mlir;

namespace tessera::graph {
namespace {

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

LogicalResult ofAdd(AddOp op, Adjoints &a) {
  a.give(op.getX(), a.of(op));
  a.give(op.getY(), a.of(op));
  return success();
}
LogicalResult ofSub(SubOp op, Adjoints &a) {
  a.give(op.getX(), a.of(op));
  a.give(op.getY(), a.neg(a.of(op)));
  return success();
}
LogicalResult ofMul(MulOp op, Adjoints &a) {
  a.give(op.getX(), a.mul(a.of(op), op.getY()));
  a.give(op.getY(), a.mul(a.of(op), op.getX()));
  return success();
}
LogicalResult ofDiv(DivOp op, Adjoints &a) {
  Value share = a.div(a.of(op), op.getY());
  a.give(op.getX(), share);
  a.give(op.getY(), a.neg(a.mul(share, op.getResult())));
  return success();
}
/// x - y * q with a quotient q that is constant nearly everywhere.
template <typename OpType, typename RoundOp> LogicalResult ofRest(OpType op, Adjoints &a) {
  a.give(op.getX(), a.of(op));
  Value quotient = a.create<RoundOp>(a.div(op.getX(), op.getY()));
  a.give(op.getY(), a.neg(a.mul(a.of(op), quotient)));
  return success();
}
LogicalResult ofPow(PowOp op, Adjoints &a) {
  Value x = op.getX(), y = op.getY(), zero = a.zeros(x);
  // x^0 is 1 and 0^y is 0 whatever the other one is; the formulas give 0 * inf there.
  if (a.wants(x)) {
    Value slope = a.mul(y, a.create<PowOp>(x, a.sub(y, a.ones(y))));
    a.give(x, a.mul(a.of(op), a.select(a.compare(CompareKind::eq, y, zero), zero, slope)));
  }
  if (a.wants(y)) {
    Value slope = a.mul(op.getResult(), a.create<LogOp>(x));
    a.give(y, a.mul(a.of(op), a.select(a.compare(CompareKind::eq, x, zero), zero, slope)));
  }
  return success();
}
/// The chosen one takes all. Of equal ones each takes half, but nothing where the other one is a
/// constant: relu stays at 0 for 0.
LogicalResult ofChoice(Operation *op, CompareKind kind, Adjoints &a) {
  Value x = op->getOperand(0), y = op->getOperand(1), adjoint = a.of(op->getResult(0));
  Value zero = a.zeros(x), half = zero;
  if (a.wants(x) && a.wants(y))
    half = a.select(a.compare(CompareKind::eq, x, y), a.mul(adjoint, 0.5), zero);
  a.give(x, a.select(a.compare(kind, x, y), adjoint, half));
  a.give(y, a.select(a.compare(kind, y, x), adjoint, half));
  return success();
}
LogicalResult ofMin(MinOp op, Adjoints &a) { return ofChoice(op, CompareKind::lt, a); }
LogicalResult ofMax(MaxOp op, Adjoints &a) { return ofChoice(op, CompareKind::gt, a); }
LogicalResult ofAtan2(Atan2Op op, Adjoints &a) {
  Value share = a.div(a.of(op), a.add(a.square(op.getX()), a.square(op.getY())));
  a.give(op.getX(), a.mul(share, op.getY()));
  a.give(op.getY(), a.neg(a.mul(share, op.getX())));
  return success();
}
LogicalResult ofSelect(SelectOp op, Adjoints &a) {
  Value zero = a.zeros(op.getX());
  a.give(op.getX(), a.select(op.getCond(), a.of(op), zero));
  a.give(op.getY(), a.select(op.getCond(), zero, a.of(op)));
  return success();
}
LogicalResult ofConvert(ConvertOp op, Adjoints &a) {
  if (a.wants(op.getX()))
    a.give(op.getX(), a.convert(a.of(op), getTensorType(op.getX()).getElementType()));
  return success();
}

//===----------------------------------------------------------------------===//
// Functions of one element
//===----------------------------------------------------------------------===//

/// The adjoint times a slope that depends on x and the result r.
using Slope = Value (*)(Adjoints &a, Value x, Value r);
template <typename OpType, Slope slope> LogicalResult ofUnary(OpType op, Adjoints &a) {
  a.give(op.getX(), a.mul(a.of(op), slope(a, op.getX(), op.getResult())));
  return success();
}
/// The adjoint divided by something that depends on x and the result r.
template <typename OpType, Slope divisor> LogicalResult ofQuotient(OpType op, Adjoints &a) {
  a.give(op.getX(), a.div(a.of(op), divisor(a, op.getX(), op.getResult())));
  return success();
}
/// Constant nearly everywhere.
template <typename OpType> LogicalResult ofSteps(OpType, Adjoints &) { return success(); }

LogicalResult ofNeg(NegOp op, Adjoints &a) {
  a.give(op.getX(), a.neg(a.of(op)));
  return success();
}

Value one(Adjoints &a, Value x) { return a.ones(x); }
/// 1 - x^2 and x^2 - 1 as products: no digits are lost near 1.
Value oneMinusSquare(Adjoints &a, Value x) { return a.mul(a.sub(one(a, x), x), a.add(x, 1)); }
Value squareMinusOne(Adjoints &a, Value x) { return a.mul(a.sub(x, one(a, x)), a.add(x, 1)); }

Value absSlope(Adjoints &a, Value x, Value) { return a.create<SignOp>(x); }
Value sqrtDivisor(Adjoints &a, Value, Value r) { return a.mul(r, 2); }
Value rsqrtDivisor(Adjoints &a, Value x, Value r) { return a.mul(a.div(x, r), -2); }
Value expSlope(Adjoints &, Value, Value r) { return r; }
Value exp2Slope(Adjoints &a, Value, Value r) { return a.mul(r, 0.69314718055994530942); }
Value expm1Slope(Adjoints &a, Value, Value r) { return a.add(r, 1); }
Value logDivisor(Adjoints &, Value x, Value) { return x; }
Value log1pDivisor(Adjoints &a, Value x, Value) { return a.add(x, 1); }
Value sinSlope(Adjoints &a, Value x, Value) { return a.create<CosOp>(x); }
Value cosSlope(Adjoints &a, Value x, Value) { return a.neg(a.create<SinOp>(x)); }
Value tanSlope(Adjoints &a, Value, Value r) { return a.add(a.square(r), 1); }
Value asinDivisor(Adjoints &a, Value x, Value) { return a.create<SqrtOp>(oneMinusSquare(a, x)); }
Value acosDivisor(Adjoints &a, Value x, Value r) { return a.neg(asinDivisor(a, x, r)); }
Value atanDivisor(Adjoints &a, Value x, Value) { return a.add(a.square(x), 1); }
Value sinhSlope(Adjoints &a, Value x, Value) { return a.create<CoshOp>(x); }
Value coshSlope(Adjoints &a, Value x, Value) { return a.create<SinhOp>(x); }
Value tanhSlope(Adjoints &a, Value, Value r) { return oneMinusSquare(a, r); }
Value asinhDivisor(Adjoints &a, Value x, Value) { return a.create<SqrtOp>(a.add(a.square(x), 1)); }
Value acoshDivisor(Adjoints &a, Value x, Value) { return a.create<SqrtOp>(squareMinusOne(a, x)); }
Value atanhDivisor(Adjoints &a, Value x, Value) { return oneMinusSquare(a, x); }
Value erfSlope(Adjoints &a, Value x, Value) {
  Value bell = a.create<ExpOp>(a.neg(a.square(x)));
  return a.mul(bell, 1.12837916709551257390); // 2 / sqrt(pi)
}

} // namespace

void addElementwiseRules(SmallVectorImpl<GradientRow> &rows) {
  addRules<ofAdd, ofSub, ofMul, ofDiv, ofRest<RemOp, TruncOp>, ofRest<ModOp, FloorOp>, ofPow, ofMin,
           ofMax, ofAtan2, ofSelect, ofConvert, ofNeg>(rows);
  addRules<ofUnary<AbsOp, absSlope>, ofQuotient<SqrtOp, sqrtDivisor>,
           ofQuotient<RsqrtOp, rsqrtDivisor>, ofUnary<ExpOp, expSlope>, ofUnary<Exp2Op, exp2Slope>,
           ofUnary<Expm1Op, expm1Slope>, ofQuotient<LogOp, logDivisor>,
           ofQuotient<Log1pOp, log1pDivisor>, ofUnary<SinOp, sinSlope>, ofUnary<CosOp, cosSlope>,
           ofUnary<TanOp, tanSlope>, ofQuotient<AsinOp, asinDivisor>,
           ofQuotient<AcosOp, acosDivisor>, ofQuotient<AtanOp, atanDivisor>,
           ofUnary<SinhOp, sinhSlope>, ofUnary<CoshOp, coshSlope>, ofUnary<TanhOp, tanhSlope>,
           ofQuotient<AsinhOp, asinhDivisor>, ofQuotient<AcoshOp, acoshDivisor>,
           ofQuotient<AtanhOp, atanhDivisor>, ofUnary<ErfOp, erfSlope>>(rows);
  addRules<ofSteps<SignOp>, ofSteps<FloorOp>, ofSteps<CeilOp>, ofSteps<RoundOp>, ofSteps<TruncOp>>(
      rows);
}

} // namespace tessera::graph
