//===- MergeRows.cpp - Two axes that count rows are one ---------------------------------------===//
//
// A linear layer of [batch, sequence, features] has batch * sequence rows. Kernels cut the inner
// one of two axes into tiles, and read the weights again for each index of the outer one: many
// short sequences, or a step of many sequences with one token each, took 1.5 to 3 times as long.
//
// 1. Contractions of such a tensor with a matrix, and what is computed from their results row by
//    row, are candidates.
// 2. A view must not stand where a kernel would have gone on: candidates that nobody reads but what
//    knows the axes apart are none, nor is what only leads to them.
// 3. What is left is computed with one axis instead of two; views stand around it.
//
//===----------------------------------------------------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHMERGEROWS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

/// Inner axes of at least this many rows fill tiles well enough.
static constexpr int64_t kManyRows = 32;

static ArrayRef<DimAttr> dimsOf(Value value) { return graph::getTensorType(value).getDims(); }

/// The first two are one; empty when that is too large an expression.
static SmallVector<DimAttr> merge(ArrayRef<DimAttr> dims) {
  DimExpr rows = DimExpr(dims[0]) * DimExpr(dims[1]);
  if (!rows)
    return {};
  SmallVector<DimAttr> merged{rows.get()};
  merged.append(dims.begin() + 2, dims.end());
  return merged;
}

/// "abx,xz->abz", the matrix in either order, with an inner axis that may be short.
static bool isLinear(graph::ContractOp op) {
  StringRef x = op.getLhsLetters(), w = op.getRhsLetters(), y = op.getResultLetters();
  if (x.size() != 3 || w.size() != 2 || y.size() != 3 || x.take_front(2) != y.take_front(2) ||
      !w.contains(x[2]) || !w.contains(y[2]) || x[2] == y[2])
    return false;
  ArrayRef<DimAttr> dims = op.getType().getDims();
  std::optional<int64_t> outer = dims[0].getConstant(), inner = dims[1].getConstant();
  return outer != 1 && inner != 1 && !(inner && *inner >= kManyRows) && !merge(dims).empty();
}

/// Whether a broadcast has both axes of rows, as they are, or none of them.
static bool keepsRowsTogether(graph::BroadcastOp op) {
  ArrayRef<int64_t> places = op.getDims();
  bool hasNone = llvm::none_of(places, [](int64_t place) { return place < 2; });
  return hasNone || (places.size() >= 2 && places[0] == 0 && places[1] == 1 &&
                     dimsOf(op.getX()).take_front(2) == op.getType().getDims().take_front(2));
}

/// What stands in a kernel of what is before it, and knows axes apart.
static bool goesOn(Operation *op) {
  return op->hasTrait<graph::Elementwise>() ||
         llvm::isa<graph::BroadcastOp, graph::TransposeOp, graph::ConcatOp, graph::PadOp,
                   graph::SliceOp, graph::ReduceOp, graph::ArgReduceOp>(op);
}

namespace {
class RowMerger {
public:
  explicit RowMerger(Block &block) : block(block) {}

  unsigned run() {
    SmallVector<Operation *> ops;
    for (Operation &op : block)
      if (isCandidate(&op)) {
        candidates.insert(&op);
        ops.push_back(&op);
      }
    // What leads to a cut one is before it, what follows from one behind it.
    size_t before;
    do {
      before = candidates.size();
      for (Operation *op : llvm::reverse(ops))
        dropCut(op);
      for (Operation *op : ops)
        dropCut(op);
    } while (candidates.size() < before);
    llvm::erase_if(ops, [&](Operation *op) { return !candidates.contains(op); });
    for (Operation *op : ops)
      rewrite(op);
    for (Operation *op : llvm::reverse(ops)) {
      op->dropAllUses();
      op->erase();
    }
    return ops.size();
  }

private:
  bool isMerged(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && candidates.contains(op);
  }

  /// What has both axes together, or may have: what is stored gets a view.
  bool fits(Value operand) const {
    if (isMerged(operand) || graph::getSplat(operand))
      return true;
    if (auto broadcast = operand.getDefiningOp<graph::BroadcastOp>())
      return keepsRowsTogether(broadcast);
    // What a product alone is read by is part of its kernel, or of a stream that begins with it.
    Operation *op = operand.getDefiningOp();
    return !op || !operand.hasOneUse() || !(goesOn(op) || llvm::isa<graph::ContractOp>(op));
  }

  /// (1)
  bool isCandidate(Operation *op) const {
    if (auto contract = llvm::dyn_cast<graph::ContractOp>(op))
      return isLinear(contract);
    if (op->getNumResults() != 1 || llvm::none_of(op->getOperands(), [&](Value x) {
          return isMerged(x) && graph::getTensorType(x).rank() >= 2;
        }))
      return false;
    if (op->hasTrait<graph::Elementwise>())
      return llvm::all_of(op->getOperands(), [&](Value x) { return fits(x); });
    if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op))
      return llvm::all_of(reduce.getAxes(), [](int64_t axis) { return axis >= 2; });
    if (auto place = llvm::dyn_cast<graph::ArgReduceOp>(op))
      return place.getAxis() >= 2;
    if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(op))
      return broadcast.getDims().size() >= 2 && broadcast.getDims()[0] == 0 &&
             keepsRowsTogether(broadcast);
    return false;
  }

  /// (2)
  void dropCut(Operation *op) {
    if (!candidates.contains(op))
      return;
    bool isCut = !op->use_empty() && llvm::all_of(op->getUsers(), [&](Operation *reader) {
      return !candidates.contains(reader) && goesOn(reader);
    });
    if (isCut || !isCandidate(op))
      candidates.erase(op);
  }

  /// An operand with one axis of rows.
  Value find(graph::GraphBuilder &b, Value operand) {
    if (Value known = merged.lookup(operand))
      return known;
    SmallVector<DimAttr> dims = merge(dimsOf(operand));
    auto broadcast = operand.getDefiningOp<graph::BroadcastOp>();
    // One that has one of both axes (queries for each sample) is stored, and gets a view.
    if (!broadcast || !keepsRowsTogether(broadcast))
      return b.reshape(operand, dims);
    return repeat(b, broadcast, broadcast.getX(), dims);
  }
  Value repeat(graph::GraphBuilder &b, graph::BroadcastOp op, Value x, ArrayRef<DimAttr> dims) {
    SmallVector<int64_t> places;
    bool hasRows = !op.getDims().empty() && op.getDims()[0] == 0;
    for (int64_t place : op.getDims().drop_front(hasRows ? 1 : 0))
      places.push_back(place - 1);
    if (hasRows && !merged.lookup(x))
      x = b.reshape(x, merge(dimsOf(x)));
    else if (hasRows)
      x = merged.lookup(x);
    return b.broadcast(x, places, dims);
  }

  /// (3)
  void rewrite(Operation *op) {
    OpBuilder builder(op);
    graph::GraphBuilder b(builder, op->getLoc());
    graph::TensorType type = graph::getTensorType(op->getResult(0));
    SmallVector<DimAttr> dims = merge(type.getDims());
    Value result;
    if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
      std::string equation =
          (contract.getLhsLetters().drop_front() + "," + contract.getRhsLetters() + "->" +
           contract.getResultLetters().drop_front())
              .str();
      result =
          b.create<graph::ContractOp>(type.withDims(dims), equation, find(b, contract.getLhs()),
                                      contract.getRhs(), contract.getAccAttr());
    } else if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(op)) {
      result = repeat(b, broadcast, broadcast.getX(), dims);
    } else {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands())
        operands.push_back(find(b, operand));
      Operation *copy = builder.clone(*op);
      copy->setOperands(operands);
      copy->getResult(0).setType(type.withDims(dims));
      if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(copy))
        reduce.setAxes(
            llvm::map_to_vector(reduce.getAxes(), [](int64_t axis) { return axis - 1; }));
      if (auto place = llvm::dyn_cast<graph::ArgReduceOp>(copy))
        place.setAxis(place.getAxis() - 1);
      result = copy->getResult(0);
    }
    merged[op->getResult(0)] = result;
    auto isOutside = [&](OpOperand &use) { return !candidates.contains(use.getOwner()); };
    if (llvm::any_of(op->getUses(), isOutside))
      op->getResult(0).replaceUsesWithIf(b.reshape(result, type.getDims()), isOutside);
  }

  Block &block;
  llvm::DenseSet<Operation *> candidates;
  llvm::DenseMap<Value, Value> merged;
};

struct GraphMergeRows : transforms::impl::GraphMergeRowsBase<GraphMergeRows> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks)
      numMerged += RowMerger(*block).run();
  }
};
} // namespace
