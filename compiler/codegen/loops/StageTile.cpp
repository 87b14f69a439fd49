//===- StageTile.cpp - The elements of a stage that are computed at a time ------------------===//
#include "compiler/codegen/loops/StageTile.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::loops;

/// Bytes that a core's second cache keeps, and how far ahead of its use other memory is asked for.
static constexpr int64_t kCoreCache = 1 << 20, kStepsAhead = 16;

Value TileEmitter::constant(int64_t value) { return arith::ConstantIndexOp::create(b, value); }

void TileEmitter::emitTile(Tile tile) {
  SmallVector<Value> carried;
  for (int64_t row = 0; row < tile.rows; ++row)
    for (OpOperand &init : op.getDpsInitsMutable())
      carried.push_back(needsInit(init) ? start(init, row, tile) : Value());
  if (reductions.empty()) {
    storeAll(emitBodies(carried, tile), tile);
    return;
  }
  storeAll(emitReductions(0, carried, tile), tile);
}

Value TileEmitter::start(OpOperand &init, int64_t row, Tile tile) {
  Value value = starts[init.getOperandNumber() - op.getNumDpsInputs()];
  if (!value)
    return load(init, row, tile);
  return isVector(init, tile) ? widen(value, tile.lanes) : value;
}

bool TileEmitter::needsInit(OpOperand &init) {
  return !reductions.empty() || !op.getMatchingBlockArgument(&init).use_empty();
}

SmallVector<Value> TileEmitter::emitReductions(size_t depth, SmallVector<Value> carried,
                                               Tile tile) {
  if (depth == reductions.size())
    return emitBodies(carried, tile);
  if (groups && depth + 1 == reductions.size() && tile.lanes > 1)
    return emitGroups(carried, tile);
  if (across && depth + 1 == reductions.size())
    return emitLoop(depth, emitAcross(carried), tile, lanesEnd());
  return emitLoop(depth, std::move(carried), tile, zero);
}

SmallVector<Value> TileEmitter::emitLoop(size_t depth, SmallVector<Value> carried, Tile tile,
                                         Value from) {
  const unsigned loop = reductions[depth];
  auto nest = scf::ForOp::create(b, from, extents[loop], constant(1), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(nest.getBody());
  indices[loop] = nest.getInductionVar();
  SmallVector<Value> next = emitReductions(
      depth + 1,
      SmallVector<Value>(nest.getRegionIterArgs().begin(), nest.getRegionIterArgs().end()), tile);
  scf::YieldOp::create(b, next);
  return SmallVector<Value>(nest.getResults());
}

/// Where whole vectors along the innermost reduction end.
Value TileEmitter::lanesEnd() {
  Value extent = extents[reductions.back()];
  Value rest = b.createOrFold<arith::RemUIOp>(extent, constant(vectorLanes));
  return b.createOrFold<arith::SubIOp>(extent, rest);
}

/// The running value with what whole vectors hold. Each lane starts from it: it counts once.
SmallVector<Value> TileEmitter::emitAcross(ArrayRef<Value> carried) {
  auto nest = scf::ForOp::create(b, zero, lanesEnd(), constant(vectorLanes),
                                 widen(carried[0], vectorLanes));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(nest.getBody());
    indices[reductions.back()] = nest.getInductionVar();
    scf::YieldOp::create(b, emitBodies(nest.getRegionIterArg(0), {1, vectorLanes}));
  }
  return {vector::ReductionOp::create(b, *across, nest.getResult(0))};
}

SmallVector<Value> TileEmitter::emitBodies(ArrayRef<Value> carried, Tile tile) {
  SmallVector<Value> results;
  unsigned count = op.getNumDpsInits();
  for (int64_t row = 0; row < tile.rows; ++row)
    llvm::append_range(results, emitBody(carried.slice(row * count, count), row, tile));
  return results;
}

/// The innermost loop of products of bytes, by an instruction for each row.
SmallVector<Value> TileEmitter::emitGroups(ArrayRef<Value> sums, Tile tile) {
  indices[groups->loop] = zero;
  if (tile.rows == 1)
    prefetch(*groups->weight, reductions[reductions.size() - 2], tile.lanes * groups->size);
  auto weight = cast<MemRefType>(groups->weight->get().getType());
  SmallVector<ReassociationIndices> together;
  for (int64_t dim = 0; dim + 1 < weight.getRank(); ++dim)
    together.push_back({dim});
  together.back().push_back(weight.getRank() - 1);
  Value flat = memref::CollapseShapeOp::create(b, groups->weight->get(), together);
  auto bytes = [&](int64_t count) { return VectorType::get({count}, b.getI8Type()); };
  SmallVector<Value> results;
  for (auto [row, sum] : llvm::enumerate(sums)) {
    SmallVector<Value> at = place(*groups->weight, row);
    at.pop_back();
    at.back() = arith::MulIOp::create(b, at.back(), constant(groups->size));
    Value columns = vector::LoadOp::create(b, bytes(tile.lanes * groups->size), flat, at);
    Value group = vector::LoadOp::create(b, bytes(groups->size), groups->other->get(),
                                         place(*groups->other, row));
    results.push_back(addGroups(b, *groups, unit, sum, columns, group));
  }
  return results;
}

/// The index of a loop for a row of the tile.
Value TileEmitter::indexOf(unsigned loop, int64_t row) {
  if (row == 0 || parallel.size() < 2 || loop != parallel[parallel.size() - 2])
    return indices[loop];
  return arith::AddIOp::create(b, indices[loop], arith::ConstantIndexOp::create(b, row));
}

SmallVector<Value> TileEmitter::place(OpOperand &operand, int64_t row) {
  SmallVector<Value> loops, at;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    loops.push_back(indices[loop] ? indexOf(loop, row) : zero);
  AffineMap map = op.getMatchingIndexingMap(&operand);
  for (AffineExpr expr : map.getResults())
    at.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
  return at;
}

bool TileEmitter::isVector(OpOperand &operand, Tile tile) {
  return tile.lanes > 1 && op.getMatchingIndexingMap(&operand).isFunctionOfDim(lanesLoop);
}

Value TileEmitter::load(OpOperand &operand, int64_t row, Tile tile) {
  SmallVector<Value> at = place(operand, row);
  Type element = getElementTypeOrSelf(operand.get().getType());
  if (isVector(operand, tile))
    return vector::LoadOp::create(b, VectorType::get({tile.lanes}, element), operand.get(), at);
  return memref::LoadOp::create(b, operand.get(), at);
}

/// A row alone waits for what it reads of a weight that is larger than a core's own cache: that
/// is fetched some steps ahead.
void TileEmitter::prefetch(OpOperand &operand, unsigned loop, int64_t elements) {
  auto type = cast<MemRefType>(operand.get().getType());
  const int64_t bits = type.getElementTypeBitWidth(), line = 64 * 8 / bits;
  if (!type.hasStaticShape() || type.getNumElements() * bits / 8 <= kCoreCache ||
      !op.getMatchingIndexingMap(&operand).isFunctionOfDim(loop))
    return;
  Value here = indices[loop];
  indices[loop] = arith::AddIOp::create(b, here, constant(kStepsAhead));
  SmallVector<Value> at = place(operand, 0);
  indices[loop] = here;
  for (int64_t column = 0; column < elements; column += line) {
    SmallVector<Value> next(at);
    // Of a weight in groups the last dimension is the group.
    Value &last = groups ? next[next.size() - 2] : next.back();
    last = arith::AddIOp::create(b, last, constant(groups ? column / groups->size : column));
    memref::PrefetchOp::create(b, operand.get(), next, /*isWrite=*/false, /*localityHint=*/3,
                               /*isDataCache=*/true);
  }
}

void TileEmitter::storeAll(ArrayRef<Value> values, Tile tile) {
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

Value TileEmitter::widen(Value value, int64_t lanes) {
  if (isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(b, VectorType::get({lanes}, value.getType()), value);
}

SmallVector<Value> TileEmitter::emitBody(ArrayRef<Value> carried, int64_t row, Tile tile) {
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty())
      continue;
    bool isScalar = !isa<MemRefType>(input->get().getType());
    if (!isScalar && tile.rows == 1 && !reductions.empty() && isVector(*input, tile))
      prefetch(*input, reductions.back(), tile.lanes);
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

void TileEmitter::emitScalar(Operation &inner, IRMapping &mapping, int64_t row, Tile tile) {
  if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
    Value value = indexOf(index.getDim(), row);
    if (tile.lanes > 1 && index.getDim() == lanesLoop) {
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
