//===- LaunchCost.cpp - What a launch computes and moves, over the model's symbols -----------===//

#include "compiler/conversion/graph_to_kernel/LaunchCost.h"

#include "dialects/kernel/Operations.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

/// An `index` value of a kernel as it was formed: a constant, an argument, or computed from them.
static DimExpr extentOf(Value index, kernel::LaunchOp launch, kernel::FuncOp kernel) {
  auto operand = [&](unsigned number) {
    return extentOf(index.getDefiningOp()->getOperand(number), launch, kernel);
  };
  if (index.getDefiningOp<arith::MulIOp>())
    return operand(0) * operand(1);
  if (index.getDefiningOp<arith::MinSIOp>())
    return DimExpr::min(operand(0), operand(1));
  if (auto constant = index.getDefiningOp<arith::ConstantIndexOp>())
    return DimExpr::constant(launch.getContext(), constant.value());
  auto argument = llvm::dyn_cast<BlockArgument>(index);
  unsigned first = kernel.getNumTensorArguments();
  if (!argument || argument.getOwner()->getParentOp() != kernel || argument.getArgNumber() < first)
    return {};
  return DimExpr(llvm::dyn_cast<DimAttr>(launch.getDims()[argument.getArgNumber() - first]));
}

static DimExpr extentOf(Value tensor, int64_t d, kernel::LaunchOp launch, kernel::FuncOp kernel) {
  auto type = llvm::cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(d))
    return DimExpr::constant(launch.getContext(), type.getDimSize(d));
  // A stage's result has the extents of what it writes over.
  while (auto stage = tensor.getDefiningOp<DestinationStyleOpInterface>())
    tensor = stage.getDpsInits()[llvm::cast<OpResult>(tensor).getResultNumber()];
  if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>())
    return extentOf(empty.getDynamicSize(d), launch, kernel);
  auto argument = llvm::dyn_cast<BlockArgument>(tensor);
  if (!argument || argument.getOwner()->getParentOp() != kernel)
    return {};
  return DimExpr(graph::getTensorType(launch.getOperands()[argument.getArgNumber()]).getDim(d));
}

/// Iterations of a stage: each loop's extent is that of a dimension it indexes alone.
static DimExpr iterationsOf(linalg::GenericOp stage, kernel::LaunchOp launch,
                            kernel::FuncOp kernel) {
  DimExpr product = DimExpr::constant(launch.getContext(), 1);
  for (unsigned loop = 0; loop < stage.getNumLoops(); ++loop) {
    DimExpr extent;
    for (OpOperand &operand : stage->getOpOperands()) {
      AffineMap map = stage.getMatchingIndexingMap(&operand);
      for (unsigned d = 0; d < map.getNumResults() && !extent; ++d)
        if (map.getResult(d) == getAffineDimExpr(loop, launch.getContext()))
          extent = extentOf(operand.get(), d, launch, kernel);
    }
    if (!extent)
      return {};
    product = product * extent;
  }
  return product;
}

static DimExpr bytesOf(graph::TensorType type) {
  if (!type.getElementType().isIntOrFloat())
    return {};
  int64_t bytes = (type.getElementType().getIntOrFloatBitWidth() + 7) / 8;
  return graph::multiplyDims(type.getContext(), type.getDims()) * bytes;
}

void tessera::annotateCost(kernel::LaunchOp launch, kernel::FuncOp kernel) {
  DimExpr operations = DimExpr::constant(launch.getContext(), 0), bytes = operations;
  for (Operation *stage : kernel.getStages())
    if (auto generic = llvm::dyn_cast<linalg::GenericOp>(stage))
      if (int64_t count = kernel::countOperations(generic))
        operations = operations + iterationsOf(generic, launch, kernel) * count;
  for (Value value : launch->getOperands())
    bytes = bytes + bytesOf(graph::getTensorType(value));
  for (Value value : launch->getResults())
    bytes = bytes + bytesOf(graph::getTensorType(value));
  if (operations)
    launch->setAttr(kOperationsAttr, operations.get());
  if (bytes)
    launch->setAttr(kBytesAttr, bytes.get());
}

void tessera::annotateSaved(kernel::LaunchOp launch, ArrayRef<graph::TensorType> kept) {
  DimExpr bytes = DimExpr::constant(launch.getContext(), 0);
  for (graph::TensorType type : kept)
    bytes = bytes + bytesOf(type) * 2;
  if (bytes && bytes.get().getConstant() != 0)
    launch->setAttr(kSavedAttr, bytes.get());
}
