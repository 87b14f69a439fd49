//===- Shape.cpp - Constants and extents as values ------------------------===//
#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static Tensors evaluateConstant(graph::ConstantOp op, Operands, Evaluation &evaluation) {
  llvm::Expected<Tensor> tensor = toTensor(op.getValue());
  if (!tensor)
    return evaluation.fail(llvm::toString(tensor.takeError()));
  return single(*tensor);
}

static Tensors evaluateDimValue(graph::DimValueOp op, Operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  FailureOr<int64_t> extent = evaluation.extent(op.getDim());
  if (failed(result) || failed(extent))
    return failure();
  result->set(0, *extent);
  return single(*result);
}

static Tensors evaluateShapeOf(graph::ShapeOfOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  for (auto [i, extent] : llvm::enumerate(operands[0].getShape()))
    result->set(i, extent);
  return single(*result);
}

static Tensors evaluateBindDim(graph::BindDimOp op, Operands operands, Evaluation &evaluation) {
  int64_t value = operands[0].integer(0);
  graph::RangeAttr range = op->getParentOfType<graph::FuncOp>().getRange(op.getSymbol());
  if (value < range.getLo() || (range.getHi() && value > *range.getHi()))
    return evaluation.fail("symbol '" + op.getSymbol() + "' would be " + llvm::Twine(value) +
                           ", outside its range");
  evaluation.bind(op.getSymbol(), value);
  return SmallVector<Tensor>{};
}

void reference::attachShape(MLIRContext &context) {
  attach<evaluateBindDim, evaluateConstant, evaluateDimValue, evaluateShapeOf>(context);
}
