//===- SharedStages.cpp - Reductions that many elements of a result share -------------------===//
#include "dialects/kernel/SharedStages.h"

#include "dialects/kernel/Combiner.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace tessera;

namespace {
/// For each loop of a stage, the loop of the output that it is, or kOther.
constexpr int kOther = -1;
using Loops = SmallVector<int>;

class Tracer {
public:
  explicit Tracer(linalg::GenericOp output) : output(output) {
    Loops &own = loops[output];
    for (auto [loop, kind] : llvm::enumerate(output.getIteratorTypesArray()))
      own.push_back(kind == utils::IteratorType::parallel ? int(loop) : kOther);
  }

  /// Consumers come before their producers.
  SmallVector<kernel::SharedStage> run() {
    SmallVector<kernel::SharedStage> found;
    for (Operation *op = output; op; op = op->getPrevNode()) {
      auto stage = dyn_cast<linalg::GenericOp>(op);
      if (!stage || !loops.count(stage))
        continue;
      if (stage != output && isShared(stage))
        found.push_back({stage, resultLoops(stage)});
      follow(stage);
    }
    std::reverse(found.begin(), found.end());
    return found;
  }

private:
  static AffineMap resultMap(linalg::GenericOp stage) {
    return stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  }

  bool isShared(linalg::GenericOp stage) {
    if (stage.getNumReductionLoops() == 0)
      return false;
    for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
      if (stage.getMatchingIndexingMap(stage.getDpsInitOperand(i)) != resultMap(stage) ||
          !kernel::matchCombiner(stage, i))
        return false;
    return llvm::all_of(resultMap(stage).getResults(), [&](AffineExpr expr) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      return dim && loops[stage][dim.getPosition()] != kOther;
    });
  }

  SmallVector<unsigned> resultLoops(linalg::GenericOp stage) {
    return llvm::map_to_vector(resultMap(stage).getResults(), [&](AffineExpr expr) {
      return unsigned(loops[stage][cast<AffineDimExpr>(expr).getPosition()]);
    });
  }

  void follow(linalg::GenericOp stage) {
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

  /// A tensor is read at a place. Where several reads differ, nothing is known.
  void note(Value tensor, ArrayRef<int> place) {
    auto producer = tensor.getDefiningOp<linalg::GenericOp>();
    if (!producer)
      return;
    auto [entry, isNew] = loops.try_emplace(producer, Loops(producer.getNumLoops(), kOther));
    for (auto [expr, loop] : llvm::zip_equal(resultMap(producer).getResults(), place)) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        continue;
      int &known = entry->second[dim.getPosition()];
      known = isNew || known == loop ? loop : kOther;
    }
  }

  linalg::GenericOp output;
  llvm::DenseMap<Operation *, Loops> loops;
};
} // namespace

SmallVector<kernel::SharedStage> kernel::findSharedStages(linalg::GenericOp output) {
  return Tracer(output).run();
}
