//===- Elementwise.cpp - One result element from one element of each operand ------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Elementwise.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerElementwiseOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Elementwise.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

LogicalResult CompareOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                          SmallVectorImpl<Type> &inferred) {
  inferred.push_back(getBoolTensor(adaptor.getX().getType()));
  return success();
}

LogicalResult CompareOp::verify() {
  bool ordered = getKind() != CompareKind::eq && getKind() != CompareKind::ne;
  if (ordered && isBool(getTensorType(getX()).getElementType()))
    return emitOpError("(C2) bools are only compared with eq and ne");
  return success();
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                         SmallVectorImpl<Type> &inferred) {
  inferred.push_back(adaptor.getX().getType());
  return success();
}

void BitcastOp::build(OpBuilder &builder, OperationState &state, Value x, Type elementType) {
  build(builder, state, getTensorType(x).withElementType(elementType), x);
}

LogicalResult BitcastOp::verify() {
  if (!haveSameDims(getX().getType(), getResult().getType()))
    return emitOpError("(C1) changes the dims from ")
           << getX().getType() << " to " << getResult().getType();
  auto bitsOf = [](Value value) {
    Type element = getTensorType(value).getElementType();
    return isBool(element) ? 8 : element.getIntOrFloatBitWidth();
  };
  if (bitsOf(getX()) != bitsOf(getResult()))
    return emitOpError("(C2) makes ")
           << bitsOf(getResult()) << " bits of " << bitsOf(getX()) << ": from " << getX().getType()
           << " to " << getResult().getType();
  return success();
}

void ConvertOp::build(OpBuilder &builder, OperationState &state, Value x, Type elementType) {
  build(builder, state, getTensorType(x).withElementType(elementType), x);
}

LogicalResult ConvertOp::verify() {
  if (!haveSameDims(getX().getType(), getResult().getType()))
    return emitOpError("(C1) changes the dims from ")
           << getX().getType() << " to " << getResult().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Identities. Folding constants is the business of a pass with the reference interpreter.
//===----------------------------------------------------------------------===//

static bool isSplat(Value value, double number) {
  Attribute splat = getSplat(value);
  if (auto real = llvm::dyn_cast_or_null<FloatAttr>(splat)) {
    double element = real.getValueAsDouble();
    return element == number && std::signbit(element) == std::signbit(number);
  }
  auto integer = llvm::dyn_cast_or_null<IntegerAttr>(splat);
  return integer && !std::signbit(number) && integer.getValue() == uint64_t(number);
}
static bool isFloatOp(Value value) { return isFloat(getTensorType(value).getElementType()); }

OpFoldResult AddOp::fold(FoldAdaptor) {
  // x + -0 is x for every x; x + 0 turns -0 into 0.
  double zero = isFloatOp(getX()) ? -0.0 : 0.0;
  if (isSplat(getY(), zero))
    return getX();
  if (isSplat(getX(), zero))
    return getY();
  return {};
}

OpFoldResult SubOp::fold(FoldAdaptor) {
  if (isSplat(getY(), 0.0))
    return getX();
  return {};
}

OpFoldResult MulOp::fold(FoldAdaptor) {
  if (isSplat(getY(), 1.0))
    return getX();
  if (isSplat(getX(), 1.0))
    return getY();
  return {};
}

OpFoldResult DivOp::fold(FoldAdaptor) {
  if (isSplat(getY(), 1.0))
    return getX();
  return {};
}

OpFoldResult SelectOp::fold(FoldAdaptor) {
  if (getX() == getY())
    return getX();
  if (auto condition = llvm::dyn_cast_or_null<IntegerAttr>(getSplat(getCond())))
    return condition.getValue().isZero() ? getY() : getX();
  return {};
}

OpFoldResult BitcastOp::fold(FoldAdaptor) {
  if (getX().getType() == getResult().getType())
    return getX();
  return {};
}

OpFoldResult ConvertOp::fold(FoldAdaptor) {
  if (getX().getType() == getResult().getType())
    return getX();
  return {};
}

} // namespace tessera::graph
