//===- SplitRows.cpp - Rows that never meet go through a loop on their own --------------===//
// A recurrence over a batch computes every sequence for itself. Threads that share a step wait for
// each other at its end, and hand each other what they wrote; threads that have sequences of their
// own do neither:
//
//   for %t { stages on N rows }
//   => if N >= 4 threads { for %block (parallel) { for %t { the same stages on rows of the block }
//   } }
//      else { for %t { stages on N rows, which threads share } }
//
// Rows are the first loop of every stage. What the loop writes is read at the same row only; then
// the order of the two loops does not matter, and every element is computed as before.
#include "compiler/codegen/loops/Parallel.h"
#include "compiler/codegen/loops/StageAccess.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace tessera::loops {

/// Rows of a tile, and the most that a block has: they share what is read of a weight.
static constexpr int64_t kTileRows = 4, kMostRows = 16;

namespace {
class RowSplitter {
public:
  RowSplitter(func::FuncOp function, scf::ForOp loop)
      : function(function), loop(loop), b(loop.getLoc(), loop) {}

  std::optional<SharedLoop> run() {
    if (loop.getNumResults() || loop->hasAttr(kernel::KernelDialect::kParallelAttr) || !collect() ||
        stages.empty() || !haveOneRowEach() || !findRowCount())
      return std::nullopt;
    return build();
  }

private:
  /// The stages; false where there is something else that matters.
  bool collect() {
    auto isOutside = [&](Value value) { return this->isOutside(value); };
    for (Operation &op : loop.getBody()->without_terminator()) {
      if (auto stage = dyn_cast<linalg::LinalgOp>(op))
        stages.push_back(stage);
      else if (isa<memref::AllocOp>(op) ? !llvm::all_of(op.getOperands(), isOutside) : !isPure(&op))
        return false;
    }
    for (linalg::LinalgOp stage : stages)
      for (OpOperand &init : stage.getDpsInitsMutable())
        written.push_back(init.get());
    return true;
  }

  bool isOutside(Value value) { return !loop->isAncestor(value.getParentBlock()->getParentOp()); }
  bool isWritten(Value buffer) {
    return llvm::any_of(written, [&](Value other) { return mayOverlap(other, buffer); });
  }

  /// The dimension of an operand that its stage's rows run along; nothing when it has none, -1 when
  /// it is reached in another way.
  static std::optional<int64_t> rowOf(AffineMap map) {
    std::optional<int64_t> row;
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      if (!expr.isFunctionOfDim(0))
        continue;
      if (row || !isa<AffineDimExpr>(expr))
        return -1;
      row = dim;
    }
    return row;
  }

  /// The same dimension of the buffer that a view looks at; -1 when that is cut.
  static int64_t throughViews(Value &buffer, int64_t dim) {
    while (auto view = buffer.getDefiningOp<memref::SubViewOp>()) {
      llvm::SmallBitVector dropped = view.getDroppedDims();
      int64_t outer = 0;
      for (int64_t left = dim; dropped.test(outer) || left-- > 0; ++outer)
        ;
      if (getConstantIntValue(view.getMixedOffsets()[outer]) != 0)
        return -1;
      buffer = view.getSource();
      dim = outer;
    }
    return dim;
  }

  bool haveOneRowEach() {
    DenseMap<Value, int64_t> rows; // of what the loop writes
    for (linalg::LinalgOp stage : stages) {
      if (stage.getNumLoops() < 2 ||
          stage.getIteratorTypesArray()[0] != utils::IteratorType::parallel)
        return false;
      for (OpOperand &operand : stage->getOpOperands()) {
        if (!isa<MemRefType>(operand.get().getType()))
          continue;
        std::optional<int64_t> row = rowOf(stage.getMatchingIndexingMap(&operand));
        if (row == -1)
          return false;
        if (!isWritten(operand.get()))
          continue;
        Value buffer = operand.get();
        const int64_t dim = row ? throughViews(buffer, *row) : -1;
        const bool isNamed = buffer.getDefiningOp<memref::AllocOp>() || isArgument(buffer);
        if (dim < 0 || !isNamed || rows.try_emplace(buffer, dim).first->second != dim)
          return false;
      }
      WalkResult walk = stage->walk([&](Operation *inner) {
        auto index = dyn_cast<linalg::IndexOp>(inner);
        auto load = dyn_cast<memref::LoadOp>(inner);
        const bool isBad = (index && index.getDim() == 0) || (load && isWritten(load.getMemRef()));
        return isBad ? WalkResult::interrupt() : WalkResult::advance();
      });
      if (walk.wasInterrupted())
        return false;
    }
    return true;
  }

  bool isArgument(Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &function.getBody().front();
  }

  /// How many rows there are: the same for all stages, known before the loop.
  bool findRowCount() {
    for (linalg::LinalgOp stage : stages) {
      OpFoldResult count = lengthOf(stage, 0);
      if (!count || (rowCount && count != rowCount))
        return false;
      rowCount = count;
    }
    auto value = dyn_cast<Value>(rowCount);
    return !value || isOutside(value);
  }

  SharedLoop build() {
    // Rows of all blocks lie side by side in what the loop allocates.
    for (Operation &op : llvm::make_early_inc_range(*loop.getBody()))
      if (isa<memref::AllocOp>(op))
        op.moveBefore(loop);
    Value rows = getValueOrCreateConstantIndexOp(b, b.getLoc(), rowCount);
    Value threads = threadCount(function, b);
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(b, value);
    };
    Value enough = arith::MulIOp::create(b, threads, constant(kTileRows));
    Value isWide = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, rows, enough);
    Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, threads, constant(1));
    Value isLarge =
        arith::CmpIOp::create(b, arith::CmpIPredicate::uge, work(rows), constant(kLeastSharedWork));
    Value isSplit = arith::AndIOp::create(b, arith::AndIOp::create(b, isWide, isShared), isLarge);
    auto branch = scf::IfOp::create(b, isSplit, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    // Whole tiles, one block for each thread or more.
    Value share = arith::CeilDivUIOp::create(b, rows, threads);
    Value tiles = arith::CeilDivUIOp::create(b, share, constant(kTileRows));
    Value size = arith::MinUIOp::create(b, arith::MulIOp::create(b, tiles, constant(kTileRows)),
                                        constant(kMostRows));
    Value count = arith::CeilDivUIOp::create(b, rows, size);
    auto blocks = scf::ForOp::create(b, constant(0), count, constant(1));
    b.setInsertionPointToStart(blocks.getBody());
    Value from = arith::MulIOp::create(b, blocks.getInductionVar(), size);
    Value left = arith::SubIOp::create(b, rows, from);
    Value number = arith::MinUIOp::create(b, size, left);
    auto copy = cast<scf::ForOp>(b.clone(*loop));
    for (auto stage : copy.getBody()->getOps<linalg::LinalgOp>())
      narrow(stage, from, number);
    loop->moveBefore(branch.elseBlock(), branch.elseBlock()->begin());
    OpBuilder outside(branch);
    Value always = arith::ConstantIntOp::create(outside, b.getLoc(), 1, 1);
    return {blocks, always};
  }

  /// Operations of all iterations, extents that are not known taken as 1.
  Value work(Value rows) {
    int64_t perRow = 0;
    for (linalg::LinalgOp stage : stages) {
      int64_t one = stage->getRegion(0).front().getOperations().size();
      for (int64_t extent : ArrayRef<int64_t>(stage.getStaticLoopRanges()).drop_front())
        one *= ShapedType::isDynamic(extent) ? 1 : extent;
      perRow += one;
    }
    Value steps = arith::SubIOp::create(b, loop.getUpperBound(), loop.getLowerBound()).getResult();
    Value all = arith::MulIOp::create(b, steps, rows);
    return arith::MulIOp::create(b, all, arith::ConstantIndexOp::create(b, perRow));
  }

  /// Makes a stage compute `number` rows from `from` on.
  static void narrow(linalg::LinalgOp stage, Value from, Value number) {
    ImplicitLocOpBuilder b(stage.getLoc(), stage);
    for (OpOperand &operand : stage->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      std::optional<int64_t> row =
          type ? rowOf(stage.getMatchingIndexingMap(&operand)) : std::nullopt;
      if (!row)
        continue;
      SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
      SmallVector<OpFoldResult> sizes = memref::getMixedSizes(b, b.getLoc(), operand.get());
      SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
      offsets[*row] = from;
      sizes[*row] = number;
      operand.set(memref::SubViewOp::create(b, operand.get(), offsets, sizes, strides));
    }
  }

  func::FuncOp function;
  scf::ForOp loop;
  ImplicitLocOpBuilder b;
  SmallVector<linalg::LinalgOp> stages;
  SmallVector<Value> written;
  OpFoldResult rowCount;
};
} // namespace

void splitRows(func::FuncOp function) {
  SmallVector<SharedLoop> split;
  for (auto loop : llvm::to_vector(function.getBody().front().getOps<scf::ForOp>()))
    if (std::optional<SharedLoop> blocks = RowSplitter(function, loop).run())
      split.push_back(*blocks);
  outlineSharedLoops(function, split);
}

} // namespace tessera::loops
