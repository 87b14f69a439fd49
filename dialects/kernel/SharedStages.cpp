//===- SharedStages.cpp - Reductions that many elements of a result share -------------------===//
#include "dialects/kernel/SharedStages.h"

#include "dialects/kernel/Combiner.h"
#include "dialects/kernel/LoopTracer.h"

using namespace mlir;
using namespace tessera;

using kernel::LoopTracer, kernel::resultMap;

static bool isShared(linalg::GenericOp stage, const LoopTracer::Loops &loops) {
  if (stage.getNumReductionLoops() == 0)
    return false;
  for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
    if (stage.getMatchingIndexingMap(stage.getDpsInitOperand(i)) != resultMap(stage) ||
        !kernel::matchCombiner(stage, i))
      return false;
  return llvm::all_of(resultMap(stage).getResults(), [&](AffineExpr expr) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    return dim && loops[dim.getPosition()] != LoopTracer::kOther;
  });
}

SmallVector<kernel::SharedStage> kernel::findSharedStages(linalg::GenericOp output) {
  LoopTracer tracer;
  LoopTracer::Loops &own = tracer.begin(output);
  for (auto [loop, kind] : llvm::enumerate(output.getIteratorTypesArray()))
    own.push_back(kind == utils::IteratorType::parallel ? int(loop) : LoopTracer::kOther);
  SmallVector<SharedStage> found;
  for (Operation *op = output; op; op = op->getPrevNode()) {
    auto stage = dyn_cast<linalg::GenericOp>(op);
    const LoopTracer::Loops *loops = stage ? tracer.lookup(stage) : nullptr;
    if (!loops)
      continue;
    if (stage != output && isShared(stage, *loops))
      found.push_back(
          {stage, llvm::map_to_vector(resultMap(stage).getResults(), [&](AffineExpr expr) {
             return unsigned((*loops)[cast<AffineDimExpr>(expr).getPosition()]);
           })});
    tracer.follow(stage);
  }
  std::reverse(found.begin(), found.end());
  return found;
}
