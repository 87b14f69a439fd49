//===- SplitBatches.cpp - Products of a batch that a view takes apart afterwards --------------===//
//
// Attention is often written with products of [batch * heads, ...], whose scores get [batch, heads,
// ...] for the mask and go back for the second product. The views would keep kernels apart: the
// products have the axes of the view, and views of what is given cost nothing.
//
//===----------------------------------------------------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSPLITBATCHES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

static ArrayRef<DimAttr> dimsOf(Value value) { return graph::getTensorType(value).getDims(); }

namespace {
/// Computes what a view [b * h, ...] => [b, h, ...] reads with both axes.
class BatchSplitter {
public:
  BatchSplitter(graph::ReshapeOp view, PatternRewriter &rewriter)
      : view(view), rewriter(rewriter), b(rewriter, view.getLoc()) {}

  LogicalResult run() {
    ArrayRef<DimAttr> from = dimsOf(view.getX()), to = view.getType().getDims();
    if (from.size() < 2 || to.size() != from.size() + 1 || from.drop_front() != to.drop_front(2) ||
        DimExpr(to[0]) * DimExpr(to[1]) != DimExpr(from[0]) || !isSplit(view.getX(), kMostMaps))
      return failure();
    rewriter.replaceOp(view, split(view.getX()));
    return success();
  }

private:
  static constexpr int kMostMaps = 8;

  /// A product of each of the batch, or a map of one, that nobody else reads.
  bool isSplit(Value value, int depth) {
    if (!value.hasOneUse() || depth == 0)
      return false;
    if (auto contract = value.getDefiningOp<graph::ContractOp>()) {
      char batch = contract.getResultLetters().front();
      return contract.getLhsLetters().front() == batch &&
             contract.getRhsLetters().front() == batch &&
             contract.getLhsLetters().count(batch) == 1 &&
             contract.getRhsLetters().count(batch) == 1;
    }
    Operation *op = value.getDefiningOp();
    if (!op || !op->hasTrait<graph::Elementwise>() || op->getNumResults() != 1)
      return false;
    bool hasProduct = false;
    for (Value operand : op->getOperands()) {
      bool own = isSplit(operand, depth - 1);
      hasProduct |= own;
      if (!own && !isGiven(operand))
        return false;
    }
    return hasProduct;
  }

  /// What may get a view, or be repeated along both axes.
  bool isGiven(Value operand) {
    if (graph::getSplat(operand) || operand.getDefiningOp<graph::ReshapeOp>() ||
        !operand.getDefiningOp())
      return true;
    auto broadcast = operand.getDefiningOp<graph::BroadcastOp>();
    return broadcast &&
           (broadcast.getDims().empty() || !llvm::is_contained(broadcast.getDims(), 0) ||
            (broadcast.getDims()[0] == 0 &&
             dimsOf(broadcast.getX())[0] == broadcast.getType().getDim(0)));
  }

  SmallVector<DimAttr> splitDims(ArrayRef<DimAttr> dims) {
    SmallVector<DimAttr> both(view.getType().getDims().take_front(2));
    both.append(dims.begin() + 1, dims.end());
    return both;
  }

  Value split(Value value) {
    SmallVector<DimAttr> dims = splitDims(dimsOf(value));
    if (!isSplit(value, kMostMaps)) {
      auto broadcast = value.getDefiningOp<graph::BroadcastOp>();
      if (!broadcast)
        return b.reshape(value, dims);
      bool hasBatch = llvm::is_contained(broadcast.getDims(), 0);
      SmallVector<int64_t> places;
      for (int64_t place : broadcast.getDims()) {
        if (place == 0)
          places.push_back(0);
        places.push_back(place + 1);
      }
      Value x = broadcast.getX();
      return b.broadcast(hasBatch ? b.reshape(x, splitDims(dimsOf(x))) : x, places, dims);
    }
    Operation *op = value.getDefiningOp();
    graph::TensorType type = graph::getTensorType(value).withDims(dims);
    if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
      std::string letters[] = {contract.getLhsLetters().str(), contract.getRhsLetters().str(),
                               contract.getResultLetters().str()};
      char inner = 'a';
      while (contract.getEquation().contains(inner))
        ++inner;
      for (std::string &own : letters)
        own.insert(1, 1, inner);
      return b.create<graph::ContractOp>(
          type, letters[0] + "," + letters[1] + "->" + letters[2],
          b.reshape(contract.getLhs(), splitDims(dimsOf(contract.getLhs()))),
          b.reshape(contract.getRhs(), splitDims(dimsOf(contract.getRhs()))),
          contract.getAccAttr());
    }
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(split(operand));
    Operation *copy = rewriter.clone(*op);
    copy->setOperands(operands);
    copy->getResult(0).setType(type);
    return copy->getResult(0);
  }

  graph::ReshapeOp view;
  PatternRewriter &rewriter;
  graph::GraphBuilder b;
};

struct SplitBatch : OpRewritePattern<graph::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(graph::ReshapeOp op, PatternRewriter &rewriter) const override {
    return BatchSplitter(op, rewriter).run();
  }
};

struct GraphSplitBatches : transforms::impl::GraphSplitBatchesBase<GraphSplitBatches> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SplitBatch>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
