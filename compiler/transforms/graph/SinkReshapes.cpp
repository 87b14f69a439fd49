//===- SinkReshapes.cpp - Axes of extent 1 are added as late as possible ----------------------===//
// Models keep reduced axes with extent 1 and drop axes of extent 1 around convolutions. Kernels are
// formed between views, so a view that only adds such axes moves behind what works on elements, and
// one that only drops them before it; both vanish at broadcasts.

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSINKRESHAPES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

/// Where the first dims are among the others, when those have nothing more than dims of extent 1.
static std::optional<SmallVector<int64_t>> placesIn(ArrayRef<DimAttr> from, ArrayRef<DimAttr> to) {
  SmallVector<int64_t> places;
  for (auto [place, dim] : llvm::enumerate(to)) {
    if (places.size() < from.size() && dim == from[places.size()])
      places.push_back(place);
    else if (dim.getConstant() != 1)
      return std::nullopt;
  }
  if (places.size() != from.size() || from.size() == to.size())
    return std::nullopt;
  return places;
}

/// Of a view that adds dims of extent 1: where the others are in its result.
static std::optional<SmallVector<int64_t>> placesOf(graph::ReshapeOp op) {
  return placesIn(graph::getTensorType(op.getX()).getDims(), op.getType().getDims());
}

/// Of a view that drops dims of extent 1: where the others are in its operand.
static std::optional<SmallVector<int64_t>> keptBy(graph::ReshapeOp op) {
  return placesIn(op.getType().getDims(), graph::getTensorType(op.getX()).getDims());
}

/// op(reshape(x), reshape(y), 2.0)  =>  reshape(op(x, y, 2.0))
static LogicalResult sinkBelowMap(Operation *op, PatternRewriter &rewriter) {
  if (!op->hasTrait<graph::Elementwise>() || op->getNumResults() != 1)
    return failure();
  graph::TensorType source;
  for (Value operand : op->getOperands()) {
    if (graph::getSplat(operand))
      continue;
    auto reshape = operand.getDefiningOp<graph::ReshapeOp>();
    if (!reshape || !placesOf(reshape))
      return failure();
    graph::TensorType type = graph::getTensorType(reshape.getX());
    if (source && source.getDims() != type.getDims())
      return failure();
    source = type;
  }
  if (!source)
    return failure();
  graph::GraphBuilder b(rewriter, op->getLoc());
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Attribute splat = graph::getSplat(operand);
    if (!splat) {
      operands.push_back(operand.getDefiningOp<graph::ReshapeOp>().getX());
      continue;
    }
    auto scalar = graph::TensorType::getScalar(graph::getTensorType(operand).getElementType());
    Value constant = b.create<graph::ConstantOp>(
        scalar, DenseElementsAttr::get(llvm::cast<ShapedType>(scalar), splat));
    operands.push_back(b.broadcast(constant, {}, source.getDims()));
  }
  graph::TensorType type = graph::getTensorType(op->getResult(0));
  Operation *map = rewriter.clone(*op);
  map->setOperands(operands);
  map->getResult(0).setType(type.withDims(source.getDims()));
  rewriter.replaceOp(op, b.reshape(map->getResult(0), type.getDims()));
  return success();
}

/// broadcast(reshape(x))  =>  broadcast(x)
static LogicalResult foldIntoBroadcast(graph::BroadcastOp op, PatternRewriter &rewriter) {
  auto reshape = op.getX().getDefiningOp<graph::ReshapeOp>();
  std::optional<SmallVector<int64_t>> places;
  if (!reshape || !(places = placesOf(reshape)))
    return failure();
  SmallVector<int64_t> dims;
  for (int64_t place : *places)
    dims.push_back(op.getDims()[place]);
  rewriter.replaceOpWithNewOp<graph::BroadcastOp>(op, op.getType(), reshape.getX(), dims);
  return success();
}

/// Whether a view of the value costs no kernel its epilogue: what computes it is given, or a map.
static bool mayDropBefore(Value value, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (!op || op->hasTrait<OpTrait::ConstantLike>() ||
      llvm::isa<graph::BroadcastOp, graph::ReshapeOp>(op))
    return true;
  return depth > 0 && op->hasTrait<graph::Elementwise>() && op->getNumResults() == 1 &&
         op->hasOneUse() && llvm::all_of(op->getOperands(), [&](Value operand) {
           return mayDropBefore(operand, depth - 1);
         });
}

/// reshape(op(x, y))  =>  op(reshape(x), reshape(y))
static LogicalResult hoistAboveMap(graph::ReshapeOp op, PatternRewriter &rewriter) {
  Operation *map = op.getX().getDefiningOp();
  if (!map || !map->hasTrait<graph::Elementwise>() || !keptBy(op) || !mayDropBefore(op.getX()))
    return failure();
  graph::GraphBuilder b(rewriter, map->getLoc());
  SmallVector<Value> operands;
  for (Value operand : map->getOperands())
    operands.push_back(b.reshape(operand, op.getType().getDims()));
  Operation *copy = rewriter.clone(*map);
  copy->setOperands(operands);
  copy->getResult(0).setType(op.getType());
  rewriter.replaceOp(op, copy->getResults());
  rewriter.eraseOp(map);
  return success();
}

/// reshape(broadcast(x))  =>  broadcast(x), or broadcast(reshape(x)) where x has some of the dims
/// that are dropped
static LogicalResult dropFromBroadcast(graph::ReshapeOp op, PatternRewriter &rewriter) {
  auto broadcast = op.getX().getDefiningOp<graph::BroadcastOp>();
  std::optional<SmallVector<int64_t>> kept;
  if (!broadcast || !(kept = keptBy(op)))
    return failure();
  SmallVector<DimAttr> dims;
  SmallVector<int64_t> places;
  for (auto [dim, place] :
       llvm::zip(graph::getTensorType(broadcast.getX()).getDims(), broadcast.getDims()))
    if (auto at = llvm::find(*kept, place); at != kept->end()) {
      dims.push_back(dim);
      places.push_back(at - kept->begin());
    }
  graph::GraphBuilder b(rewriter, op.getLoc());
  Value x = broadcast.getX();
  if (dims.size() != broadcast.getDims().size())
    x = b.reshape(x, dims);
  rewriter.replaceOpWithNewOp<graph::BroadcastOp>(op, op.getType(), x, places);
  return success();
}

namespace {
struct SinkBelowMap : RewritePattern {
  explicit SinkBelowMap(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    return sinkBelowMap(op, rewriter);
  }
};

struct GraphSinkReshapes : transforms::impl::GraphSinkReshapesBase<GraphSinkReshapes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add(foldIntoBroadcast).add(hoistAboveMap).add(dropFromBroadcast);
    patterns.add<SinkBelowMap>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
