//===- Composite.cpp - Types and constraints of composites ------------------------------===//

#include "dialects/graph/Axes.h"
#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Composite.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerCompositeOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Composite.cpp.inc"
      >();
}

using InferredTypes = SmallVectorImpl<Type>;

LogicalResult ClampOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor adaptor,
                                        InferredTypes &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  auto scalar = TensorType::getScalar(type.getElementType());
  if (adaptor.getLo().getType() != scalar || adaptor.getHi().getType() != scalar)
    return emitOptionalError(loc, "(C1) lo and hi need the type ", scalar);
  inferred.push_back(type);
  return success();
}

/// softmax and the like: axes, and the operand's type.
template <typename Adaptor>
static LogicalResult inferAlongAxes(std::optional<Location> loc, Adaptor adaptor,
                                    InferredTypes &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  inferred.push_back(type);
  return checkAxes(loc, type, adaptor.getAxes());
}
LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          Adaptor adaptor, InferredTypes &inferred) {
  return inferAlongAxes(loc, adaptor, inferred);
}
LogicalResult LogSoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                             Adaptor adaptor, InferredTypes &inferred) {
  return inferAlongAxes(loc, adaptor, inferred);
}
LogicalResult L2NormalizeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                              Adaptor adaptor, InferredTypes &inferred) {
  return inferAlongAxes(loc, adaptor, inferred);
}

template <typename Adaptor>
static LogicalResult inferReduction(std::optional<Location> loc, Adaptor adaptor,
                                    InferredTypes &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  if (failed(checkAxes(loc, type, adaptor.getAxes())))
    return failure();
  inferred.push_back(type.withDims(dropAxes(type, adaptor.getAxes())));
  return success();
}
LogicalResult MeanOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor adaptor,
                                       InferredTypes &inferred) {
  return inferReduction(loc, adaptor, inferred);
}
LogicalResult VarianceOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                           Adaptor adaptor, InferredTypes &inferred) {
  return inferReduction(loc, adaptor, inferred);
}
LogicalResult LogSumExpOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, InferredTypes &inferred) {
  return inferReduction(loc, adaptor, inferred);
}

/// Norms over the dims from an axis on: the parameters have those dims.
static LogicalResult inferTrailingNorm(std::optional<Location> loc, TensorType type, int64_t axis,
                                       ArrayRef<Value> parameters, InferredTypes &inferred) {
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  TensorType expected = type.withDims(type.getDims().drop_front(axis));
  for (Value parameter : parameters)
    if (parameter && parameter.getType() != expected)
      return emitOptionalError(loc, "(C2) scale and bias need the type ", expected, ", not ",
                               parameter.getType());
  inferred.push_back(type);
  return success();
}
LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, InferredTypes &inferred) {
  return inferTrailingNorm(loc, llvm::cast<TensorType>(adaptor.getX().getType()), adaptor.getAxis(),
                           {adaptor.getScale(), adaptor.getBias()}, inferred);
}
LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          Adaptor adaptor, InferredTypes &inferred) {
  return inferTrailingNorm(loc, llvm::cast<TensorType>(adaptor.getX().getType()), adaptor.getAxis(),
                           {adaptor.getScale()}, inferred);
}

/// Norms with parameters for each index of one axis.
static LogicalResult inferChannelNorm(std::optional<Location> loc, TensorType type, int64_t axis,
                                      ArrayRef<Value> parameters, InferredTypes &inferred) {
  TensorType expected = type.withDims(type.getDims().slice(axis, 1));
  for (Value parameter : parameters)
    if (parameter.getType() != expected)
      return emitOptionalError(loc, "(C2) the parameters need the type ", expected, ", not ",
                               parameter.getType());
  inferred.push_back(type);
  return success();
}
LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, InferredTypes &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  return inferChannelNorm(
      loc, type, axis,
      {adaptor.getScale(), adaptor.getBias(), adaptor.getMean(), adaptor.getVariance()}, inferred);
}
LogicalResult InstanceNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                               Adaptor adaptor, InferredTypes &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  if (type.rank() < 3)
    return emitOptionalError(loc, "(C1) the operand has rank ", type.rank(), ", not 3 or more");
  return inferChannelNorm(loc, type, 1, {adaptor.getScale(), adaptor.getBias()}, inferred);
}

} // namespace tessera::graph
