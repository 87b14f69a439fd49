//===- StageLoops.cpp - Stages on buffers become loops -----------------------------------===//
// A stage whose operands are contiguous along the last dimension of its result computes tiles of
// vectors: blocks of columns outside (they share what they read of a packed weight), rows inside,
// reductions around a tile, whose running values lie in registers. Every element still adds up in
// the order of the loops, so nothing is reassociated. Blocks are independent: Parallel.h shares
// them among threads where there is enough to do. Of other stages parallel loops lie outside in the
// order of the result's dimensions, and their innermost loops are left to LLVM's vectorizer, but
// for minima and maxima of neighbours, which are vectors of running values.
#include "compiler/codegen/loops/Parallel.h"
#include "compiler/codegen/loops/StageAccess.h"
#include "compiler/codegen/loops/StageTile.h"
#include "dialects/kernel/Combiner.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;

namespace tessera::loops {
namespace {

/// Rows of a block of a reduction: what they read of a weight is read once from afar.
constexpr int64_t kBlockRows = 16;
/// Bytes of a row of a block, as PackLoopOperands lays them side by side.
constexpr int64_t kBlockBytes = 256;
/// Vectors of so many bytes have 32 registers, others 16.
constexpr unsigned kWideVector = 64;
/// The least that is computed at a time, before single elements.
constexpr int64_t kFewestLanes = 4;

class StageEmitter : TileEmitter {
public:
  StageEmitter(linalg::GenericOp op, const VectorUnit &unit, std::optional<StageShare> share,
               SmallVectorImpl<SharedLoop> *shared)
      : TileEmitter(op, unit), share(share), shared(shared) {}

  LogicalResult run() {
    AffineMap result = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
    for (AffineExpr expr : result.getResults())
      parallel.push_back(cast<AffineDimExpr>(expr).getPosition());
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
      if (op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction)
        reductions.push_back(loop);
      else if (!llvm::is_contained(parallel, loop))
        return op.emitOpError() << "the parallel loop " << loop << " is no dimension of the result";
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
      Value extent = extentOf(loop);
      if (!extent)
        return op.emitOpError() << "no operand tells the extent of loop " << loop;
      extents.push_back(extent);
    }
    zero = arith::ConstantIndexOp::create(b, 0);
    if (share) {
      emitShare();
    } else if (unit.bytes && chooseLanes()) {
      emitBlocks();
    } else {
      if (unit.bytes)
        chooseLanesAcross();
      emitParallel(0);
    }
    op.erase();
    return success();
  }

private:
  Value extentOf(unsigned loop) {
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<MemRefType>(operand.get().getType()))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [dim, expr] : llvm::enumerate(map.getResults()))
        if (auto plain = dyn_cast<AffineDimExpr>(expr); plain && plain.getPosition() == loop)
          return b.createOrFold<memref::DimOp>(operand.get(), dim);
    }
    return {};
  }

  //===-- What can be computed side by side -------------------------------------------===//

  /// Whether vectors of elements are computed, and how many elements they have.
  bool chooseLanes() {
    if (parallel.empty())
      return false;
    groups = findByteGroups(op, parallel.back(), unit);
    if (!isContiguousIn(parallel.back()))
      return false;
    lanesLoop = parallel.back();
    const unsigned bits = bitsOfLane();
    vectorLanes = unit.bytes * 8 / bits;
    blockColumns = block ? block : kBlockBytes * 8 / bits;
    if (blockColumns % kFewestLanes != 0)
      return false;
    if (!reductions.empty())
      takeStarts();
    return true;
  }

  unsigned bitsOfLane() {
    unsigned bits = 32; // Narrower elements are computed in f32.
    for (OpOperand &operand : op->getOpOperands())
      if (Type type = getElementTypeOrSelf(operand.get().getType()); type.isIntOrFloat())
        bits = std::max(bits, type.getIntOrFloatBitWidth());
    return bits;
  }

  /// Whether the innermost reduction takes minima or maxima of neighbours, which are the same in
  /// any order: it goes along in vectors, as its results do not.
  void chooseLanesAcross() {
    std::optional<kernel::Combiner> combiner;
    if (!reductions.empty() && op.getNumDpsInits() == 1)
      combiner = kernel::matchCombiner(op, 0);
    using vector::CombiningKind;
    const std::optional<CombiningKind> kind =
        combiner ? linalg::getCombinerOpKind(combiner->op) : std::nullopt;
    if (!kind ||
        !llvm::is_contained({CombiningKind::MAXIMUMF, CombiningKind::MINIMUMF, CombiningKind::MAXSI,
                             CombiningKind::MINSI, CombiningKind::MAXUI, CombiningKind::MINUI},
                            *kind))
      return;
    Type type = combiner->op->getResult(0).getType();
    if ((!type.isInteger() && !type.isF32() && !type.isF64()) ||
        !isContiguousIn(reductions.back()) || block)
      return;
    across = kind;
    lanesLoop = reductions.back();
    vectorLanes = unit.bytes * 8 / bitsOfLane();
  }

  /// Registers for running values: as many as hide the latency of a multiply-add, and no more than
  /// leave some for what is read.
  int64_t lanesOf(int64_t rows) {
    int64_t vectors = 1;
    if (!reductions.empty())
      vectors =
          std::max<int64_t>((unit.bytes == kWideVector ? 4 : 8 / rows) / op.getNumDpsInits(), 1);
    int64_t lanes = vectors * vectorLanes;
    while (blockColumns % lanes != 0)
      lanes /= 2;
    return lanes;
  }

  /// A result that is filled right before its reduction starts from the value, not from memory.
  void takeStarts() {
    Operation *before = op->getPrevNode();
    while (before) {
      Operation *next = before->getPrevNode();
      if (auto fill = dyn_cast<linalg::FillOp>(before)) {
        auto init = llvm::find_if(op.getDpsInitsMutable(), [&](OpOperand &operand) {
          return operand.get() == fill.getOutputs()[0];
        });
        if (init == op.getDpsInitsMutable().end())
          return;
        starts[init - op.getDpsInitsMutable().begin()] = fill.getInputs()[0];
        fill.erase();
      } else if (!isPure(before)) {
        return;
      }
      before = next;
    }
  }

  /// Whether every access is uniform along the loop or moves from one element to the next.
  bool isContiguousIn(unsigned loop) {
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      if (!type)
        continue;
      ArrayRef<AffineExpr> exprs = op.getMatchingIndexingMap(&operand).getResults();
      for (auto [dim, expr] : llvm::enumerate(exprs)) {
        if (!expr.isFunctionOfDim(loop))
          continue;
        // Of a weight in groups what is contiguous are the groups.
        bool isLast = dim + (groups && groups->weight == &operand ? 2 : 1) == exprs.size();
        // (.., i floordiv n, .., i mod n): contiguous within blocks of n.
        auto parts = dyn_cast<AffineBinaryOpExpr>(expr);
        bool isBlocked =
            parts && isa<AffineDimExpr>(parts.getLHS()) &&
            isa<AffineConstantExpr>(parts.getRHS()) &&
            expr.getKind() == (isLast ? AffineExprKind::Mod : AffineExprKind::FloorDiv);
        if (isBlocked)
          block = std::gcd(block, cast<AffineConstantExpr>(parts.getRHS()).getValue());
        else if (!isa<AffineDimExpr>(expr) || !isLast)
          return false;
        if (!isLoadable(type))
          return false;
      }
    }
    return hasVectorForm(op, loop);
  }

  /// Bools take a byte in memory but a bit in a vector.
  static bool isLoadable(MemRefType type) {
    SmallVector<int64_t> strides;
    int64_t offset;
    return succeeded(type.getStridesAndOffset(strides, offset)) && !strides.empty() &&
           strides.back() == 1 && type.getElementTypeBitWidth() >= 8;
  }

  //===-- Loops ---------------------------------------------------------------------===//

  /// `for (i = from; i + step <= to; i += step)`; gives where it ended. `isWhole`: that is the end.
  Value steps(Value from, Value to, int64_t step, bool isWhole,
              llvm::function_ref<void(Value)> body) {
    Value end = to;
    if (!isWhole) {
      Value width = arith::ConstantIndexOp::create(b, step);
      Value count = arith::SubIOp::create(b, to, from);
      Value rest = arith::RemUIOp::create(b, count, width);
      end = arith::SubIOp::create(b, to, rest);
    }
    auto loop = scf::ForOp::create(b, from, end, arith::ConstantIndexOp::create(b, step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
    return end;
  }

  /// Elements by their number, in the order of the loops.
  void emitShare() {
    Value one = arith::ConstantIndexOp::create(b, 1), count = one;
    for (unsigned loop : parallel)
      count = b.createOrFold<arith::MulIOp>(count, extents[loop]);
    auto loop = scf::ForOp::create(b, share->first, count, share->step);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value left = loop.getInductionVar();
    for (unsigned inner : llvm::reverse(parallel)) {
      indices[inner] = b.createOrFold<arith::RemUIOp>(left, extents[inner]);
      left = b.createOrFold<arith::DivUIOp>(left, extents[inner]);
    }
    emitTile({});
  }

  void emitParallel(size_t depth) {
    if (depth == parallel.size())
      return emitTile({});
    unsigned loop = parallel[depth];
    steps(zero, extents[loop], 1, /*isWhole=*/true, [&](Value index) {
      indices[loop] = index;
      emitParallel(depth + 1);
    });
  }

  //===-- Blocks --------------------------------------------------------------------===//

  Value blocksOf(Value extent, int64_t size) {
    if (std::optional<int64_t> known = getConstantIntValue(extent))
      return constant(llvm::divideCeil(*known, size));
    Value up = arith::AddIOp::create(b, extent, constant(size - 1));
    return arith::DivUIOp::create(b, up, constant(size));
  }
  Value endOf(Value from, int64_t size, Value extent) {
    std::optional<int64_t> known = getConstantIntValue(extent);
    Value end = arith::AddIOp::create(b, from, constant(size));
    return known && *known % size == 0 ? end : arith::MinUIOp::create(b, end, extent);
  }

  /// One loop over all blocks; those that read the same part of a weight follow each other.
  void emitBlocks() {
    const unsigned column = parallel.back();
    const size_t rank = parallel.size();
    const int64_t blockRows = reductions.empty() ? 1 : kBlockRows;
    SmallVector<Value> counts; // of blocks: outer dimensions, columns, rows
    for (size_t d = 0; d + 2 < rank; ++d)
      counts.push_back(extents[parallel[d]]);
    const size_t columnPlace = counts.size();
    counts.push_back(blocksOf(extents[column], blockColumns));
    size_t rowPlace = counts.size();
    if (rank > 1)
      counts.push_back(blocksOf(extents[parallel[rank - 2]], blockRows));
    // Without a weight to share, blocks lie as the elements do.
    size_t first = columnPlace;
    if (reductions.empty() && rank > 1) {
      std::swap(counts[columnPlace], counts[rowPlace]);
      first = rowPlace;
      rowPlace = columnPlace;
    }
    Value count = constant(1);
    for (Value each : counts)
      count = b.createOrFold<arith::MulIOp>(count, each);
    Value isLarge = shared ? isWorthSharing() : Value();
    auto loop = scf::ForOp::create(b, zero, count, constant(1));
    if (shared && getConstantIntValue(count) != 1)
      shared->push_back({loop, isLarge});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    SmallVector<Value> numbers(counts.size());
    Value left = loop.getInductionVar();
    for (size_t place = counts.size(); place-- > 0;) {
      if (place == 0) {
        numbers[place] = left;
      } else if (getConstantIntValue(counts[place]) == 1) {
        numbers[place] = zero;
      } else {
        numbers[place] = arith::RemUIOp::create(b, left, counts[place]);
        left = arith::DivUIOp::create(b, left, counts[place]);
      }
    }
    for (size_t d = 0; d + 2 < rank; ++d)
      indices[parallel[d]] = numbers[d];
    Value from = arith::MulIOp::create(b, numbers[first], constant(blockColumns));
    Value to = endOf(from, blockColumns, extents[column]);
    if (rank == 1)
      return emitColumns(1, from, to);
    const unsigned row = parallel[rank - 2];
    Value start = arith::MulIOp::create(b, numbers[rowPlace], constant(blockRows));
    if (blockRows == 1) {
      indices[row] = start;
      return emitColumns(1, from, to);
    }
    Value end = endOf(start, blockRows, extents[row]);
    forSizes(extents[row], blockRows, {4, 2, 1}, start, end, [&](int64_t rows, Value index) {
      indices[row] = index;
      emitColumns(rows, from, to);
    });
  }

  /// The columns of a block: whole tiles, then narrower ones for what the last block has left.
  void emitColumns(int64_t rows, Value from, Value to) {
    SmallVector<int64_t> widths;
    for (int64_t width : {lanesOf(rows), vectorLanes, kFewestLanes, int64_t(1)})
      if (widths.empty() || width < widths.back())
        widths.push_back(width);
    forSizes(extents[parallel.back()], blockColumns, widths, from, to,
             [&](int64_t width, Value index) {
               indices[parallel.back()] = index;
               emitTile({rows, width});
             });
  }

  /// Goes from `from` to `to` in steps of the first size, the rest in steps of the next, and so on:
  /// the bounds are those of a block of `blockSize` out of `extent`.
  void forSizes(Value extent, int64_t blockSize, ArrayRef<int64_t> sizes, Value from, Value to,
                llvm::function_ref<void(int64_t, Value)> body) {
    std::optional<int64_t> known = getConstantIntValue(extent);
    bool isWhole = !known || *known >= blockSize; // Some block is.
    int64_t rest = known ? *known % blockSize : blockSize - 1;
    for (int64_t size : sizes) {
      if ((isWhole && size == sizes.front()) || rest >= size) {
        const bool isEnd = size == 1 || (known && rest % size == 0);
        from = steps(from, to, size, isEnd, [&](Value index) { body(size, index); });
        if (isEnd)
          return;
      }
      if (known)
        rest %= size;
    }
  }

  /// Whether what the stage does takes longer than waking other threads.
  Value isWorthSharing() {
    int64_t operations = reductions.empty() ? op.getBody()->getOperations().size() - 1 : 2;
    Value work = constant(std::max<int64_t>(operations, 1));
    for (Value extent : extents)
      work = b.createOrFold<arith::MulIOp>(work, extent);
    return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::uge, work,
                                         constant(kLeastSharedWork));
  }

  std::optional<StageShare> share;
  SmallVectorImpl<SharedLoop> *shared;
  int64_t block = 0; ///< of elements that are contiguous in every operand; 0: all of them
  int64_t blockColumns = 1;
};
} // namespace

LogicalResult emitStageLoops(ModuleOp module, const VectorUnit &unit,
                             llvm::function_ref<std::optional<StageShare>(Operation *)> share,
                             SmallVectorImpl<SharedLoop> *shared) {
  IRRewriter rewriter(module.getContext());
  SmallVector<linalg::LinalgOp> stages;
  module.walk([&](linalg::GenericOp op) { stages.push_back(op); });
  for (linalg::LinalgOp stage : stages)
    if (failed(StageEmitter(cast<linalg::GenericOp>(*stage), unit,
                            share ? share(stage) : std::nullopt, shared)
                   .run()))
      return failure();
  // Now that reductions have taken the fills that they start from.
  stages.clear();
  module.walk([&](linalg::LinalgOp op) { stages.push_back(op); });
  for (linalg::LinalgOp stage : stages) {
    const std::optional<StageShare> part = share ? share(stage) : std::nullopt;
    rewriter.setInsertionPoint(stage);
    FailureOr<linalg::GenericOp> general = linalg::generalizeNamedOp(rewriter, stage);
    if (failed(general))
      return stage->emitOpError() << "has no general form";
    if (failed(StageEmitter(*general, unit, part, shared).run()))
      return failure();
  }
  return success();
}

} // namespace tessera::loops
