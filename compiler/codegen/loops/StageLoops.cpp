//===- StageLoops.cpp - Stages on buffers become loops -----------------------------------===//
// Parallel loops lie outside in the order of the result's dimensions, reduction loops inside of
// them with their running values in registers. A reduction whose operands are contiguous along the
// last dimension of the result computes many of its elements at a time (a vector of them, of
// several rows): every element still sums in the order of the loops, so nothing is reassociated.
// Innermost loops of other stages are left to LLVM's vectorizer.
#include "compiler/codegen/loops/Loops.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <numeric>

using namespace mlir;

namespace tessera::loops {
namespace {

/// The elements that one step of the innermost parallel loops computes.
struct Tile {
  int64_t rows = 1, lanes = 1;
};

class StageEmitter {
public:
  StageEmitter(linalg::GenericOp op, unsigned vectorBytes, std::optional<StageShare> share)
      : op(op), b(op.getLoc(), op), vectorBytes(vectorBytes), share(share),
        indices(op.getNumLoops()) {}

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
    if (vectorBytes)
      chooseTiles();
    if (share)
      emitShare();
    else
      emitParallel(0, {});
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

  void chooseTiles() {
    if (reductions.empty() || parallel.empty() || !isContiguousIn(parallel.back()))
      return;
    unsigned bits = 8;
    for (OpOperand &init : op.getDpsInitsMutable())
      bits = std::max(bits, getElementTypeOrSelf(init.get().getType()).getIntOrFloatBitWidth());
    int64_t lanes = vectorBytes * 8 / bits;
    // Eight accumulators hide the latency of a multiply-add. A tile lies in one block of a packed
    // operand.
    for (Tile tile : {Tile{4, 2 * lanes}, Tile{1, 8 * lanes}, Tile{1, 4 * lanes}, Tile{1, lanes}})
      if (block % tile.lanes == 0 && (tile.rows == 1 || parallel.size() > 1))
        tiles.push_back(tile);
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
        bool isLast = dim + 1 == exprs.size();
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
    // Reads of the body, and operations that have no form on vectors.
    llvm::DenseSet<Value> varying;
    for (OpOperand &operand : op->getOpOperands())
      if (!isa<MemRefType>(operand.get().getType()) ||
          op.getMatchingIndexingMap(&operand).isFunctionOfDim(loop))
        varying.insert(op.getMatchingBlockArgument(&operand));
    for (Operation &inner : op.getRegion().front().without_terminator()) {
      auto index = dyn_cast<linalg::IndexOp>(inner);
      bool varies = index ? index.getDim() == loop
                          : llvm::any_of(inner.getOperands(),
                                         [&](Value value) { return varying.contains(value); });
      if (!varies)
        continue;
      if (!index && !OpTrait::hasElementwiseMappableTraits(&inner))
        return false;
      varying.insert(inner.result_begin(), inner.result_end());
    }
    return true;
  }

  /// Bools take a byte in memory but a bit in a vector.
  static bool isLoadable(MemRefType type) {
    SmallVector<int64_t> strides;
    int64_t offset;
    return succeeded(type.getStridesAndOffset(strides, offset)) && !strides.empty() &&
           strides.back() == 1 && type.getElementTypeBitWidth() >= 8;
  }

  //===-- Loops ---------------------------------------------------------------------===//

  /// `for (i = from; i + step <= to; i += step)`; gives where it ended, null when that is the end.
  Value steps(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
    Value end = to;
    std::optional<int64_t> first = getConstantIntValue(from), last = getConstantIntValue(to);
    bool isWhole = step == 1 || (first && last && (*last - *first) % step == 0);
    if (!isWhole) {
      Value width = arith::ConstantIndexOp::create(b, step);
      Value count = arith::SubIOp::create(b, to, from);
      Value rest = arith::RemUIOp::create(b, count, width);
      end = b.createOrFold<arith::SubIOp>(to, rest);
      if (first && last)
        end = arith::ConstantIndexOp::create(b, *first + (*last - *first) / step * step);
    }
    auto loop = scf::ForOp::create(b, from, end, arith::ConstantIndexOp::create(b, step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
    return isWhole ? Value() : end;
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

  void emitParallel(size_t depth, Tile tile) {
    size_t left = parallel.size() - depth;
    if (left == 0)
      return emitTile(tile);
    unsigned loop = parallel[depth];
    if (left > 2 || tiles.empty()) {
      steps(zero, extents[loop], 1, [&](Value index) {
        indices[loop] = index;
        emitParallel(depth + 1, tile);
      });
      return;
    }
    Value from = zero;
    if (left == 2) {
      // Rows: four at a time, then one.
      for (int64_t rows : {int64_t(4), int64_t(1)})
        if (from)
          from = steps(from, extents[loop], rows, [&](Value index) {
            indices[loop] = index;
            emitParallel(depth + 1, {rows, 1});
          });
      return;
    }
    for (const Tile &wanted : tiles)
      if (from && (wanted.rows == tile.rows || (tile.rows > 1 && wanted.rows == 1)))
        from = steps(from, extents[loop], wanted.lanes, [&](Value index) {
          indices[loop] = index;
          emitTile({tile.rows, wanted.lanes});
        });
    if (from)
      steps(from, extents[loop], 1, [&](Value index) {
        indices[loop] = index;
        emitTile({tile.rows, 1});
      });
  }

  /// All results of a tile: running values in registers, reduction loops around the body.
  void emitTile(Tile tile) {
    SmallVector<Value> carried;
    for (int64_t row = 0; row < tile.rows; ++row)
      for (OpOperand &init : op.getDpsInitsMutable())
        carried.push_back(needsInit(init) ? load(init, row, tile) : Value());
    if (reductions.empty()) {
      storeAll(emitBodies(carried, tile), tile);
      return;
    }
    storeAll(emitReductions(0, carried, tile), tile);
  }

  bool needsInit(OpOperand &init) {
    return !reductions.empty() || !op.getMatchingBlockArgument(&init).use_empty();
  }

  SmallVector<Value> emitReductions(size_t depth, SmallVector<Value> carried, Tile tile) {
    if (depth == reductions.size())
      return emitBodies(carried, tile);
    unsigned loop = reductions[depth];
    Value one = arith::ConstantIndexOp::create(b, 1);
    auto nest = scf::ForOp::create(b, zero, extents[loop], one, carried);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(nest.getBody());
    indices[loop] = nest.getInductionVar();
    SmallVector<Value> next = emitReductions(
        depth + 1,
        SmallVector<Value>(nest.getRegionIterArgs().begin(), nest.getRegionIterArgs().end()), tile);
    scf::YieldOp::create(b, next);
    return SmallVector<Value>(nest.getResults());
  }

  SmallVector<Value> emitBodies(ArrayRef<Value> carried, Tile tile) {
    SmallVector<Value> results;
    unsigned count = op.getNumDpsInits();
    for (int64_t row = 0; row < tile.rows; ++row)
      llvm::append_range(results, emitBody(carried.slice(row * count, count), row, tile));
    return results;
  }

  //===-- Elements --------------------------------------------------------------------===//

  /// The index of a loop for a row of the tile.
  Value indexOf(unsigned loop, int64_t row) {
    if (row == 0 || parallel.size() < 2 || loop != parallel[parallel.size() - 2])
      return indices[loop];
    return arith::AddIOp::create(b, indices[loop], arith::ConstantIndexOp::create(b, row));
  }

  SmallVector<Value> place(OpOperand &operand, int64_t row) {
    SmallVector<Value> loops, at;
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
      loops.push_back(indices[loop] ? indexOf(loop, row) : zero);
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (AffineExpr expr : map.getResults())
      at.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
    return at;
  }

  bool isVector(OpOperand &operand, Tile tile) {
    return tile.lanes > 1 && op.getMatchingIndexingMap(&operand).isFunctionOfDim(parallel.back());
  }

  Value load(OpOperand &operand, int64_t row, Tile tile) {
    SmallVector<Value> at = place(operand, row);
    Type element = getElementTypeOrSelf(operand.get().getType());
    if (isVector(operand, tile))
      return vector::LoadOp::create(b, VectorType::get({tile.lanes}, element), operand.get(), at);
    return memref::LoadOp::create(b, operand.get(), at);
  }

  void storeAll(ArrayRef<Value> values, Tile tile) {
    unsigned count = op.getNumDpsInits();
    for (auto [number, given] : llvm::enumerate(values)) {
      Value value = given;
      OpOperand &init = *op.getDpsInitOperand(number % count);
      SmallVector<Value> at = place(init, number / count);
      if (tile.lanes == 1) {
        memref::StoreOp::create(b, value, init.get(), at);
        continue;
      }
      vector::StoreOp::create(b, widen(value, tile.lanes), init.get(), at);
    }
  }

  Value widen(Value value, int64_t lanes) {
    if (isa<VectorType>(value.getType()))
      return value;
    return vector::BroadcastOp::create(b, VectorType::get({lanes}, value.getType()), value);
  }

  SmallVector<Value> emitBody(ArrayRef<Value> carried, int64_t row, Tile tile) {
    IRMapping mapping;
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      if (argument.use_empty())
        continue;
      bool isScalar = !isa<MemRefType>(input->get().getType());
      mapping.map(argument, isScalar ? input->get() : load(*input, row, tile));
    }
    for (auto [number, value] : llvm::enumerate(carried))
      if (value)
        mapping.map(op.getMatchingBlockArgument(op.getDpsInitOperand(number)), value);
    Block &body = op.getRegion().front();
    for (Operation &inner : body.without_terminator())
      emitScalar(inner, mapping, row, tile);
    SmallVector<Value> results;
    for (auto [yielded, init] :
         llvm::zip(body.getTerminator()->getOperands(), op.getDpsInitsMutable())) {
      Value result = mapping.lookupOrDefault(yielded);
      results.push_back(isVector(init, tile) ? widen(result, tile.lanes) : result);
    }
    return results;
  }

  void emitScalar(Operation &inner, IRMapping &mapping, int64_t row, Tile tile) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      Value value = indexOf(index.getDim(), row);
      if (tile.lanes > 1 && index.getDim() == parallel.back()) {
        auto type = VectorType::get({tile.lanes}, b.getIndexType());
        value = arith::AddIOp::create(b, widen(value, tile.lanes), vector::StepOp::create(b, type));
      }
      mapping.map(index, value);
      return;
    }
    bool onVectors = llvm::any_of(inner.getOperands(), [&](Value operand) {
      return isa<VectorType>(mapping.lookupOrDefault(operand).getType());
    });
    if (!onVectors) {
      b.clone(inner, mapping);
      return;
    }
    OperationState state(inner.getLoc(), inner.getName());
    for (Value operand : inner.getOperands())
      state.addOperands(widen(mapping.lookupOrDefault(operand), tile.lanes));
    for (Type type : inner.getResultTypes())
      state.addTypes(VectorType::get({tile.lanes}, type));
    state.addAttributes(inner.getAttrs());
    mapping.map(inner.getResults(), b.create(state)->getResults());
  }

  linalg::GenericOp op;
  ImplicitLocOpBuilder b;
  unsigned vectorBytes;
  std::optional<StageShare> share;
  Value zero;
  SmallVector<unsigned> parallel, reductions;
  SmallVector<Value> extents, indices;
  SmallVector<Tile> tiles;
  int64_t block = 0; ///< of elements that are contiguous in every operand; 0: all of them
};
} // namespace

LogicalResult emitStageLoops(ModuleOp module, unsigned vectorBytes,
                             llvm::function_ref<std::optional<StageShare>(Operation *)> share) {
  IRRewriter rewriter(module.getContext());
  SmallVector<linalg::LinalgOp> stages;
  module.walk([&](linalg::LinalgOp op) { stages.push_back(op); });
  for (linalg::LinalgOp stage : stages) {
    const std::optional<StageShare> part = share ? share(stage) : std::nullopt;
    auto generic = dyn_cast<linalg::GenericOp>(*stage);
    if (!generic) {
      rewriter.setInsertionPoint(stage);
      FailureOr<linalg::GenericOp> general = linalg::generalizeNamedOp(rewriter, stage);
      if (failed(general))
        return stage->emitOpError() << "has no general form";
      generic = *general;
    }
    if (failed(StageEmitter(generic, vectorBytes, part).run()))
      return failure();
  }
  return success();
}

} // namespace tessera::loops
