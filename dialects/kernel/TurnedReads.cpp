//===- TurnedReads.cpp - Reads across the order in which a result is written ---------------===//
#include "dialects/kernel/TurnedReads.h"

#include "dialects/kernel/LoopTracer.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace tessera::kernel {

/// More ways to the arguments than a kernel of elementwise stages has.
static constexpr size_t kMostReads = 256;

SmallVector<TurnedRead> findTurnedReads(linalg::GenericOp output,
                                        llvm::function_ref<bool(Value)> isMemory) {
  const AffineMap result = resultMap(output);
  if (output.getNumReductionLoops() || !result.isPermutation())
    return {};
  struct Visit {
    linalg::GenericOp stage;
    AffineMap map; // from the loops of the output to its own
  };
  SmallVector<Visit> visits = {
      {output, AffineMap::getMultiDimIdentityMap(output.getNumLoops(), output.getContext())}};
  llvm::MapVector<OpOperand *, AffineMap> reads; // null: at several places
  for (size_t i = 0; i < visits.size() && visits.size() < kMostReads; ++i) {
    Visit at = visits[i];
    for (OpOperand &operand : at.stage->getOpOperands()) {
      Value tensor = operand.get();
      if (!isa<RankedTensorType>(tensor.getType()) ||
          at.stage.getMatchingBlockArgument(&operand).use_empty())
        continue;
      const AffineMap map = at.stage.getMatchingIndexingMap(&operand).compose(at.map);
      if (isMemory(tensor)) {
        auto [known, isNew] = reads.try_emplace(&operand, map);
        if (!isNew && known->second != map)
          known->second = AffineMap();
        continue;
      }
      auto producer = tensor.getDefiningOp<linalg::GenericOp>();
      if (producer && !producer.getNumReductionLoops() && resultMap(producer).isPermutation())
        visits.push_back({producer, inversePermutation(resultMap(producer)).compose(map)});
    }
  }
  SmallVector<TurnedRead> found;
  for (auto [operand, map] : reads) {
    if (!map || map.getNumResults() < 2)
      continue;
    auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
    if (!last)
      continue;
    const unsigned loop = last.getPosition();
    const unsigned place = *result.getResultPosition(last);
    bool isTurned = false;
    for (AffineExpr behind : result.getResults().drop_front(place + 1))
      for (AffineExpr other : map.getResults().drop_back())
        isTurned |= other.isFunctionOfDim(cast<AffineDimExpr>(behind).getPosition());
    if (isTurned && llvm::none_of(map.getResults().drop_back(),
                                  [&](AffineExpr other) { return other.isFunctionOfDim(loop); }))
      found.push_back({operand, map, loop});
  }
  return found;
}

} // namespace tessera::kernel
