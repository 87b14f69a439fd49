//===- Reduction.cpp - Many elements of an axis become one ------------------------===//

#include "dialects/graph/Axes.h"
#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Reduction.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerReductionOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Reduction.cpp.inc"
      >();
}

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  if (failed(checkAxes(loc, type, adaptor.getAxes())))
    return failure();
  bool logic = adaptor.getKind() == ReduceKind::and_ || adaptor.getKind() == ReduceKind::or_;
  Type element = type.getElementType();
  bool fits = logic ? isBool(element) || isInteger(element) : isNumber(element);
  if (!fits)
    return emitOptionalError(loc, "(C2) ", stringifyReduceKind(adaptor.getKind()), " of ", element);
  inferred.push_back(type.withDims(dropAxes(type, adaptor.getAxes())));
  return success();
}

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  if (type.getDim(axis).getConstant() == 0)
    return emitOptionalError(loc, "(C1) axis ", axis, " is empty");
  inferred.push_back(
      TensorType::get(dropAxes(type, axis), IntegerType::get(context, 64, IntegerType::Signed)));
  return success();
}

LogicalResult ArgReduceOp::verify() {
  Type element = getType().getElementType();
  if (!element.isSignedInteger(32) && !element.isSignedInteger(64))
    return emitOpError("(C2) gives si32 or si64, not ") << element;
  return success();
}

} // namespace tessera::graph
