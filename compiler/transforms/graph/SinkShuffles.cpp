//===- SinkShuffles.cpp - Maps come before pixels are shuffled
//----------------------------------===//
// 1. What follows a pixel shuffle element by element is found: maps of its result, of numbers that
//    are everywhere the same, and of what varies along its channels only.
// 2. Where one of these values is all that others read, they are computed before the shuffle, so
//    that they are the epilogue of what computes its operand; the elements that are moved are fewer
//    bytes where the last of them is quantized.
// 3. Dims that stay neighbours while they are moved are one.

#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/graph/PixelShuffle.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSINKSHUFFLES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;
using graph::GraphBuilder;

/// broadcast(c) where c has a number for each channel of the result: that vector's operand.
static graph::BroadcastOp matchChannels(Value value, const PixelShuffle &shuffle) {
  auto broadcast = value.getDefiningOp<graph::BroadcastOp>();
  if (!broadcast)
    return {};
  for (auto [dim, place] :
       llvm::zip_equal(graph::getTensorType(broadcast.getX()).getDims(), broadcast.getDims()))
    if (place != shuffle.resultChannel && dim.getConstant() != 1)
      return {};
  return broadcast;
}

/// What a map of the shuffled elements reads, before they are shuffled.
static Value unshuffle(GraphBuilder &b, Value value, PixelShuffle &shuffle) {
  ArrayRef<DimAttr> dims = graph::getTensorType(shuffle.getX()).getDims();
  if (Attribute splat = graph::getSplat(value)) {
    auto scalar = graph::TensorType::getScalar(graph::getTensorType(value).getElementType());
    Value constant = b.create<graph::ConstantOp>(
        scalar, DenseElementsAttr::get(llvm::cast<ShapedType>(scalar), splat));
    return b.broadcast(constant, {}, dims);
  }
  graph::BroadcastOp broadcast = matchChannels(value, shuffle);
  bool varies = llvm::is_contained(broadcast.getDims(), shuffle.resultChannel);
  ArrayRef<DimAttr> split = shuffle.split.getType().getDims();
  if (!varies || graph::getTensorType(broadcast.getX()).getElementCount() == 1)
    return b.broadcast(b.reshape(broadcast.getX(), {}), {}, dims);
  Value vector = b.reshape(broadcast.getX(), {split[shuffle.kept]});
  Value tiled = b.broadcast(vector, {shuffle.kept - shuffle.channel},
                            split.slice(shuffle.channel, shuffle.factors));
  return b.broadcast(b.reshape(tiled, {dims[shuffle.channel]}), {shuffle.channel}, dims);
}

/// (1) and (2)
static void sink(PixelShuffle &shuffle) {
  Value root = shuffle.merge.getResult();
  ArrayRef<DimAttr> dims = shuffle.merge.getType().getDims();
  llvm::SetVector<Value> maps;
  maps.insert(root);
  for (Operation *op = shuffle.merge->getNextNode(); op; op = op->getNextNode()) {
    if (!op->hasTrait<graph::Elementwise>() || op->getNumResults() != 1 ||
        graph::getTensorType(op->getResult(0)).getDims() != dims)
      continue;
    bool fits = true, follows = false;
    for (Value operand : op->getOperands()) {
      follows |= maps.contains(operand);
      fits &= maps.contains(operand) || graph::getSplat(operand) || matchChannels(operand, shuffle);
    }
    if (fits && follows)
      maps.insert(op->getResult(0));
  }
  Value last;
  for (Value value : maps)
    for (Operation *user : value.getUsers())
      if (user->getNumResults() != 1 || !maps.contains(user->getResult(0))) {
        if (last && last != value)
          return;
        last = value;
      }
  if (!last || last == root)
    return;
  IRMapping before;
  before.map(root, shuffle.getX());
  graph::TensorType from = graph::getTensorType(shuffle.getX());
  Operation *end = last.getDefiningOp();
  OpBuilder builder(end);
  GraphBuilder b(builder, end->getLoc());
  for (Value value : maps) {
    if (value == root)
      continue;
    Operation *map = value.getDefiningOp();
    if (end->isBeforeInBlock(map))
      continue;
    for (Value operand : map->getOperands())
      if (!before.contains(operand))
        before.map(operand, unshuffle(b, operand, shuffle));
    Operation *copy = builder.clone(*map, before);
    copy->getResult(0).setType(from.withElementType(graph::getTensorType(value).getElementType()));
    before.map(value, copy->getResult(0));
  }
  Value moved = buildPixelShuffle(b, before.lookup(last), shuffle.split.getType().getDims(),
                                  shuffle.move.getPerm(), dims);
  last.replaceAllUsesWith(moved);
  for (Value value : llvm::reverse(maps))
    if (Operation *map = value.getDefiningOp(); map->use_empty())
      map->erase();
  for (Operation *op : {shuffle.move.getOperation(), shuffle.split.getOperation()})
    if (op->use_empty())
      op->erase();
}

/// (3)
static void joinDims(PixelShuffle &shuffle) {
  ArrayRef<int64_t> perm = shuffle.move.getPerm();
  ArrayRef<DimAttr> split = shuffle.split.getType().getDims();
  // First dims of pieces that move as a whole, in the order of the result.
  SmallVector<std::pair<int64_t, int64_t>> pieces; // first dim and count
  for (int64_t dim : perm) {
    if (!pieces.empty() && pieces.back().first + pieces.back().second == dim)
      ++pieces.back().second;
    else
      pieces.push_back({dim, 1});
  }
  if (pieces.size() == perm.size())
    return;
  SmallVector<std::pair<int64_t, int64_t>> sorted(pieces);
  llvm::sort(sorted);
  SmallVector<DimAttr> dims;
  for (auto [first, count] : sorted) {
    DimExpr extent(split[first]);
    for (DimAttr dim : split.slice(first + 1, count - 1))
      extent = extent * DimExpr(dim);
    dims.push_back(extent.get());
  }
  SmallVector<int64_t> order;
  for (auto piece : pieces)
    order.push_back(llvm::find(sorted, piece) - sorted.begin());
  OpBuilder builder(shuffle.split);
  GraphBuilder b(builder, shuffle.move.getLoc());
  Value moved = b.transpose(b.reshape(shuffle.getX(), dims), order);
  shuffle.merge.getXMutable().assign(moved);
  shuffle.move.erase();
  shuffle.split.erase();
}

namespace {
struct GraphSinkShuffles : transforms::impl::GraphSinkShufflesBase<GraphSinkShuffles> {
  void runOnOperation() override {
    SmallVector<graph::ReshapeOp> merges;
    getOperation().walk([&](graph::ReshapeOp op) {
      if (matchPixelShuffle(op))
        merges.push_back(op);
    });
    for (graph::ReshapeOp op : merges)
      if (std::optional<PixelShuffle> shuffle = matchPixelShuffle(op))
        sink(*shuffle);
    merges.clear();
    getOperation().walk([&](graph::ReshapeOp op) {
      if (matchPixelShuffle(op))
        merges.push_back(op);
    });
    for (graph::ReshapeOp op : merges)
      if (std::optional<PixelShuffle> shuffle = matchPixelShuffle(op))
        joinDims(*shuffle);
  }
};
} // namespace
