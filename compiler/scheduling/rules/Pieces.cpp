//===- Pieces.cpp - What was put side by side -------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include <numeric>

using namespace mlir;

namespace tessera::scheduling {

/// The numbers that a stage, or a map that it is computed from, compares the index of a loop with.
static void collectBounds(linalg::GenericOp stage, unsigned loop,
                          SmallVectorImpl<int64_t> &bounds) {
  for (auto compare : stage.getBody()->getOps<arith::CmpIOp>()) {
    auto index = compare.getLhs().getDefiningOp<linalg::IndexOp>();
    std::optional<int64_t> bound = getConstantIntValue(compare.getRhs());
    if (index && index.getDim() == loop && bound)
      bounds.push_back(*bound);
  }
  for (OpOperand *input : stage.getDpsInputOperands()) {
    auto producer = input->get().getDefiningOp<linalg::GenericOp>();
    if (!producer || producer.getNumReductionLoops())
      continue;
    AffineMap read = stage.getMatchingIndexingMap(input);
    AffineMap written = producer.getMatchingIndexingMap(producer.getDpsInitOperand(0));
    for (auto [from, to] : llvm::zip_equal(read.getResults(), written.getResults()))
      if (from == getAffineDimExpr(loop, stage.getContext()))
        collectBounds(producer, cast<AffineDimExpr>(to).getPosition(), bounds);
  }
}

int64_t pieceOf(const StageInfo &stage, unsigned loop) {
  constexpr int64_t kMostPieces = 16, kLeast = 8;
  if (ShapedType::isDynamic(stage.extents[loop]))
    return 0;
  SmallVector<int64_t> bounds;
  collectBounds(stage.op, loop, bounds);
  int64_t piece = stage.extents[loop];
  for (int64_t bound : bounds)
    piece = std::gcd(piece, bound);
  return piece >= kLeast && piece < stage.extents[loop] &&
                 stage.extents[loop] / piece <= kMostPieces
             ? piece
             : 0;
}

} // namespace tessera::scheduling
