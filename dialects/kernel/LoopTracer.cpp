//===- LoopTracer.cpp - Which loops of a stage the loops before it are ----------------------===//
#include "dialects/kernel/LoopTracer.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tessera::kernel;

AffineMap tessera::kernel::resultMap(linalg::GenericOp stage) {
  return stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
}

LoopTracer::Loops *LoopTracer::lookup(linalg::GenericOp stage) {
  auto found = loops.find(stage);
  return found == loops.end() ? nullptr : &found->second;
}

void LoopTracer::follow(linalg::GenericOp stage) {
  for (OpOperand &operand : stage->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    Loops place;
    for (AffineExpr expr : stage.getMatchingIndexingMap(&operand).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      place.push_back(dim ? loops[stage][dim.getPosition()] : kOther);
    }
    note(operand.get(), place);
  }
  stage.getRegion().walk([&](tensor::ExtractOp extract) {
    note(extract.getTensor(), Loops(extract.getIndices().size(), kOther));
  });
}

void LoopTracer::note(Value tensor, ArrayRef<int> place) {
  auto producer = tensor.getDefiningOp<linalg::GenericOp>();
  if (!producer)
    return;
  auto [entry, isNew] = loops.try_emplace(producer, Loops(producer.getNumLoops(), kOther));
  for (auto [expr, loop] : llvm::zip_equal(resultMap(producer).getResults(), place))
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      int &known = entry->second[dim.getPosition()];
      known = isNew || known == loop ? loop : kOther;
    }
}
