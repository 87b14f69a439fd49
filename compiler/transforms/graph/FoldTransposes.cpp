//===- FoldTransposes.cpp - Contractions read and write transposed ------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFOLDTRANSPOSES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

/// The letters of what a transpose reads, given those of what it gives.
static std::string lettersBefore(StringRef letters, ArrayRef<int64_t> perm) {
  std::string result(letters.size(), ' ');
  for (auto [i, dim] : llvm::enumerate(perm))
    result[dim] = letters[i];
  return result;
}

static LogicalResult foldOperands(graph::ContractOp op, PatternRewriter &rewriter) {
  std::string letters[] = {op.getLhsLetters().str(), op.getRhsLetters().str()};
  Value operands[] = {op.getLhs(), op.getRhs()};
  bool changed = false;
  for (int i = 0; i < 2; ++i)
    if (auto transpose = operands[i].getDefiningOp<graph::TransposeOp>()) {
      letters[i] = lettersBefore(letters[i], transpose.getPerm());
      operands[i] = transpose.getX();
      changed = true;
    }
  if (!changed)
    return failure();
  std::string equation = letters[0] + "," + letters[1] + "->" + op.getResultLetters().str();
  rewriter.modifyOpInPlace(op, [&] {
    op.setEquation(equation);
    op.getLhsMutable().assign(operands[0]);
    op.getRhsMutable().assign(operands[1]);
  });
  return success();
}

static LogicalResult foldResult(graph::TransposeOp op, PatternRewriter &rewriter) {
  auto contract = op.getX().getDefiningOp<graph::ContractOp>();
  if (!contract || !contract->hasOneUse())
    return failure();
  std::string letters;
  for (int64_t dim : op.getPerm())
    letters += contract.getResultLetters()[dim];
  std::string equation =
      (contract.getLhsLetters() + "," + contract.getRhsLetters() + "->" + letters).str();
  rewriter.replaceOpWithNewOp<graph::ContractOp>(op, op.getType(), equation, contract.getLhs(),
                                                 contract.getRhs(), contract.getAccAttr());
  return success();
}

namespace {
struct GraphFoldTransposes : transforms::impl::GraphFoldTransposesBase<GraphFoldTransposes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add(foldOperands).add(foldResult);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
