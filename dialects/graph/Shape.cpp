//===- Shape.cpp - Constants and extents as values ---------------------------------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Shape.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerShapeOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Shape.cpp.inc"
      >();
}

static IntegerType getIndexElement(MLIRContext *context) {
  return IntegerType::get(context, 64, IntegerType::Signed);
}

LogicalResult ConstantOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                           Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::dyn_cast<TensorType>(adaptor.getValue().getType());
  if (!type)
    return emitOptionalError(loc, "(C1) the value is no graph tensor but ",
                             adaptor.getValue().getType());
  inferred.push_back(type);
  return success();
}

LogicalResult ConstantOp::verify() {
  if (!llvm::isa<DenseElementsAttr, WeightAttr>(getValue()))
    return emitOpError("(C1) the value is neither dense nor #graph.weight");
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult DimValueOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor,
                                           SmallVectorImpl<Type> &inferred) {
  inferred.push_back(TensorType::getScalar(getIndexElement(context)));
  return success();
}

OpFoldResult DimValueOp::fold(FoldAdaptor) {
  if (std::optional<int64_t> value = getDim().getConstant())
    return DenseElementsAttr::get(llvm::cast<ShapedType>(getType()), *value);
  return {};
}

LogicalResult ShapeOfOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                          Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  int64_t rank = llvm::cast<TensorType>(adaptor.getX().getType()).rank();
  inferred.push_back(TensorType::get(ArrayRef<int64_t>{rank}, getIndexElement(context)));
  return success();
}

OpFoldResult ShapeOfOp::fold(FoldAdaptor) {
  TensorType type = getTensorType(getX());
  if (!type.hasStaticShape())
    return {};
  return DenseElementsAttr::get(llvm::cast<ShapedType>(getType()), type.getShape());
}

LogicalResult BindDimOp::verify() {
  TensorType type = getTensorType(getValue());
  if (type.rank() != 0 || type.getElementType() != getIndexElement(getContext()))
    return emitOpError("(C1) the value is ") << type << ", not an si64 scalar";
  return success();
}

Attribute getSplat(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && llvm::isa<BroadcastOp, ReshapeOp, TransposeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  auto constant = llvm::dyn_cast_or_null<ConstantOp>(op);
  auto dense =
      constant ? llvm::dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!dense || !dense.isSplat())
    return {};
  return dense.getSplatValue<Attribute>();
}

} // namespace tessera::graph
