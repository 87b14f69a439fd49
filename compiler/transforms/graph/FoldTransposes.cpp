//===- FoldTransposes.cpp - Contractions read and write transposed ------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFOLDTRANSPOSES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

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

/// For each dim, how many of the parts it is split into; nothing when some are not split, but
/// merged.
static std::optional<SmallVector<int64_t>> splitInto(ArrayRef<DimAttr> dims,
                                                     ArrayRef<DimAttr> parts) {
  SmallVector<int64_t> counts;
  for (DimAttr dim : dims) {
    size_t count = 0;
    for (DimExpr product = graph::getDim(dim.getContext(), 1); product.get() != dim; ++count) {
      if (count == parts.size())
        return std::nullopt;
      product = product * parts[count];
      if (!product)
        return std::nullopt;
    }
    parts = parts.drop_front(count);
    counts.push_back(count);
  }
  // What is left over adds no elements.
  if (!llvm::all_of(parts, [](DimAttr part) { return part.getConstant() == 1; }) || counts.empty())
    return std::nullopt;
  counts.back() += parts.size();
  return counts;
}

/// reshape(transpose(reshape(x)))  =>  transpose(reshape(x)), where the last view splits axes.
static LogicalResult moveBehindView(graph::ReshapeOp op, PatternRewriter &rewriter) {
  auto transpose = op.getX().getDefiningOp<graph::TransposeOp>();
  if (!transpose || !transpose->hasOneUse() || !transpose.getX().getDefiningOp<graph::ReshapeOp>())
    return failure();
  ArrayRef<DimAttr> parts = op.getType().getDims();
  std::optional<SmallVector<int64_t>> counts = splitInto(transpose.getType().getDims(), parts);
  if (!counts)
    return failure();
  // Where the parts of each of the operand's dims are in the result.
  ArrayRef<int64_t> perm = transpose.getPerm();
  SmallVector<SmallVector<int64_t>> places(perm.size());
  int64_t place = 0;
  for (auto [count, dim] : llvm::zip_equal(*counts, perm))
    for (int64_t part = 0; part < count; ++part)
      places[dim].push_back(place++);
  SmallVector<DimAttr> dims;
  SmallVector<int64_t> moved(parts.size());
  for (ArrayRef<int64_t> own : places)
    for (int64_t from : own) {
      moved[from] = dims.size();
      dims.push_back(parts[from]);
    }
  graph::GraphBuilder b(rewriter, op.getLoc());
  rewriter.replaceOp(op, b.transpose(b.reshape(transpose.getX(), dims), moved));
  return success();
}

namespace {
struct GraphFoldTransposes : transforms::impl::GraphFoldTransposesBase<GraphFoldTransposes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add(foldOperands).add(foldResult).add(moveBehindView);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
