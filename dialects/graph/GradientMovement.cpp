//===- GradientMovement.cpp - Derivatives of what moves elements ----------------------------===//
//
// An adjoint goes back to where the element came from; where elements were copied, all that come
// back are summed.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/GradientRules.h"

using namespace mlir;

namespace tessera::graph {
namespace {

using DimList = SmallVector<DimAttr>;

Type si64(Adjoints &a) {
  return IntegerType::get(a.getBuilder().getContext(), 64, IntegerType::Signed);
}
DimAttr constant(Adjoints &a, int64_t value) { return getDim(a.getBuilder().getContext(), value); }
Value extentLike(Adjoints &a, DimAttr extent, Value like) {
  return a.broadcast(a.create<DimValueOp>(extent), {}, getTensorType(like).getDims());
}
DimArrayAttr listOf(Adjoints &a, ArrayRef<DimAttr> dims) {
  return DimArrayAttr::get(a.getBuilder().getContext(), dims);
}

/// The part of x from `starts` on that has the given extents.
Value cut(Adjoints &a, Value x, ArrayRef<DimAttr> starts, ArrayRef<DimAttr> extents) {
  if (getTensorType(x).getDims() == extents)
    return x;
  DimList steps(starts.size(), constant(a, 1));
  return a.create<SliceOp>(x, starts, steps, extents);
}

/// x among zeros: `lo` of them before it, and so many behind that the extents are those given.
Value surround(Adjoints &a, Value x, ArrayRef<DimAttr> lo, ArrayRef<DimAttr> extents) {
  TensorType type = getTensorType(x);
  if (type.getDims() == extents)
    return x;
  DimList hi;
  for (auto [before, extent, whole] : llvm::zip(lo, type.getDims(), extents))
    hi.push_back(DimExpr(whole) - DimExpr(before) - DimExpr(extent));
  return a.create<PadOp>(PadMode::constant, x, a.scalar(type.getElementType(), 0), listOf(a, lo),
                         listOf(a, hi));
}

LogicalResult ofBroadcast(BroadcastOp op, Adjoints &a) {
  TensorType from = getTensorType(op.getX()), to = op.getType();
  DimAttr one = constant(a, 1);
  // The result's dims that hold one element of x each, in the order of x; all others are summed.
  SmallVector<int64_t> kept;
  DimList keptDims;
  for (auto [i, dim] : llvm::enumerate(op.getDims()))
    if (from.getDim(i) == to.getDim(dim) && from.getDim(i) != one) {
      kept.push_back(dim);
      keptDims.push_back(from.getDim(i));
    }
  SmallVector<int64_t> summed, sorted(kept), perm;
  for (int64_t dim = 0; dim < to.rank(); ++dim)
    if (!llvm::is_contained(kept, dim))
      summed.push_back(dim);
  llvm::sort(sorted);
  for (int64_t dim : kept)
    perm.push_back(llvm::find(sorted, dim) - sorted.begin());
  Value sum = a.reduce(ReduceKind::sum, a.of(op), summed);
  a.give(op.getX(), a.reshape(a.transpose(sum, perm), from.getDims()));
  return success();
}

LogicalResult ofReshape(ReshapeOp op, Adjoints &a) {
  a.give(op.getX(), a.reshape(a.of(op), getTensorType(op.getX()).getDims()));
  return success();
}

LogicalResult ofTranspose(TransposeOp op, Adjoints &a) {
  SmallVector<int64_t> inverse(op.getPerm().size());
  for (auto [i, dim] : llvm::enumerate(op.getPerm()))
    inverse[dim] = i;
  a.give(op.getX(), a.transpose(a.of(op), inverse));
  return success();
}

LogicalResult ofReverse(ReverseOp op, Adjoints &a) {
  a.give(op.getX(), a.create<ReverseOp>(a.of(op), op.getAxes()));
  return success();
}

LogicalResult ofSlice(SliceOp op, Adjoints &a) {
  a.give(op.getX(), placeAtSteps(a, a.of(op), op.getStarts().getDims(), op.getSteps().getDims(),
                                 getTensorType(op.getX()).getDims()));
  return success();
}

LogicalResult ofConcat(ConcatOp op, Adjoints &a) {
  DimList starts(op.getType().rank(), constant(a, 0));
  for (Value input : op.getInputs()) {
    ArrayRef<DimAttr> dims = getTensorType(input).getDims();
    if (a.wants(input))
      a.give(input, cut(a, a.of(op), starts, dims));
    DimAttr &start = starts[op.getAxis()];
    start = DimExpr(start) + DimExpr(dims[op.getAxis()]);
  }
  return success();
}

LogicalResult ofPad(PadOp op, Adjoints &a) {
  if (op.getMode() != PadMode::constant)
    return a.fail("has no rule for derivatives in mode '" + stringifyPadMode(op.getMode()) + "'");
  ArrayRef<DimAttr> dims = getTensorType(op.getX()).getDims();
  Value inner = cut(a, a.of(op), op.getLo().getDims(), dims);
  a.give(op.getX(), inner);
  if (a.wants(op.getValue())) {
    // All that is not x: no difference of sums, which would lose digits.
    Value around =
        a.sub(a.of(op), surround(a, inner, op.getLo().getDims(), op.getType().getDims()));
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, dims.size()));
    a.give(op.getValue(), a.reduce(ReduceKind::sum, around, axes));
  }
  return success();
}

/// Indices from the start, in si64: negative ones count from the end.
Value fromStart(Adjoints &a, Value indices, DimAttr extent) {
  Value index = a.convert(indices, si64(a));
  Value isNegative = a.compare(CompareKind::lt, index, a.zeros(index));
  return a.select(isNegative, a.add(index, extentLike(a, extent, index)), index);
}

LogicalResult ofGather(GatherOp op, Adjoints &a) {
  if (!a.wants(op.getX()))
    return success();
  DimAttr extent = getTensorType(op.getX()).getDim(op.getAxis());
  // As gather clamps.
  Value index = fromStart(a, op.getIndices(), extent);
  Value last = a.add(extentLike(a, extent, index), -1);
  index = a.min(a.max(index, 0), last);
  a.give(op.getX(),
         a.create<ScatterOp>(ScatterKind::add, a.zeros(op.getX()), index, a.of(op), op.getAxis()));
  return success();
}

LogicalResult ofScatter(ScatterOp op, Adjoints &a) {
  if (op.getKind() != ScatterKind::add && op.getKind() != ScatterKind::replace)
    return a.fail("has no rule for derivatives of kind '" + stringifyScatterKind(op.getKind()) +
                  "'");
  int64_t axis = op.getAxis();
  DimAttr extent = getTensorType(op.getX()).getDim(axis);
  Value adjoint = a.of(op), updates = op.getUpdates();
  const bool replaces = op.getKind() == ScatterKind::replace;
  if (a.wants(op.getX()))
    a.give(op.getX(), replaces ? a.create<ScatterOp>(ScatterKind::replace, adjoint, op.getIndices(),
                                                     a.zeros(updates), axis)
                               : adjoint);
  if (!a.wants(updates))
    return success();
  // What was left out, or replaced later on, gets nothing.
  Value index = fromStart(a, op.getIndices(), extent);
  Value counts = a.create<AndOp>(a.compare(CompareKind::ge, index, a.zeros(index)),
                                 a.compare(CompareKind::lt, index, extentLike(a, extent, index)));
  if (replaces) {
    ArrayRef<DimAttr> dims = getTensorType(index).getDims();
    DimExpr number = multiplyDims(a.getBuilder().getContext(), dims);
    if (!number)
      return a.fail("has too many indices");
    Value turn = a.create<IotaOp>(TensorType::get({number.get()}, si64(a)), 0);
    turn = a.reshape(turn, dims);
    Value last =
        a.create<ScatterOp>(ScatterKind::replace, a.fill(TensorType::get({extent}, si64(a)), -1),
                            op.getIndices(), turn, 0);
    Value isLast = a.compare(CompareKind::eq, turn, a.create<GatherOp>(last, op.getIndices(), 0));
    counts = a.create<AndOp>(counts, isLast);
  }
  Value read = a.create<GatherOp>(adjoint, op.getIndices(), axis);
  auto places =
      llvm::to_vector(llvm::seq<int64_t>(axis, axis + getTensorType(op.getIndices()).rank()));
  counts = a.broadcast(counts, places, getTensorType(updates).getDims());
  a.give(updates, a.select(counts, read, a.zeros(updates)));
  return success();
}

/// Back to where they were, in rows along the axis that lie one after the other.
LogicalResult ofSort(SortOp op, Adjoints &a) {
  Value adjoint = a.of(op.getValues());
  if (!adjoint)
    return success();
  TensorType from = getTensorType(op.getX()), to = getTensorType(op.getValues());
  int64_t axis = op.getAxis();
  SmallVector<int64_t> perm, inverse(from.rank());
  for (int64_t dim = 0; dim < from.rank(); ++dim)
    if (dim != axis)
      perm.push_back(dim);
  perm.push_back(axis);
  DimList moved;
  for (auto [i, dim] : llvm::enumerate(perm)) {
    inverse[dim] = i;
    moved.push_back(from.getDim(dim));
  }
  DimExpr rows = multiplyDims(a.getBuilder().getContext(), ArrayRef(moved).drop_back());
  DimExpr taken = rows * DimExpr(to.getDim(axis)), all = rows * DimExpr(from.getDim(axis));
  if (!all || !taken)
    return a.fail("has too many elements");
  auto flatten = [&](Value x) { return a.reshape(a.transpose(x, perm), {taken.get()}); };
  TensorType table = TensorType::get({rows.get(), to.getDim(axis)}, si64(a));
  Value row = a.create<IotaOp>(table, 0);
  Value start = a.reshape(a.mul(row, extentLike(a, from.getDim(axis), row)), {taken.get()});
  Value places = a.add(start, flatten(op.getIndices()));
  Value back = a.create<ScatterOp>(ScatterKind::add, a.fill(from.withDims({all.get()}), 0), places,
                                   flatten(adjoint), 0);
  a.give(op.getX(), a.transpose(a.reshape(back, moved), inverse));
  return success();
}

} // namespace

/// Each element of one axis followed by step - 1 zeros, but the last.
static Value spread(Adjoints &a, Value x, int64_t axis, int64_t step) {
  TensorType type = getTensorType(x);
  DimAttr zero = constant(a, 0);
  DimList apart(type.getDims()), joined(type.getDims()), kept(type.getDims());
  apart.insert(apart.begin() + axis + 1, constant(a, 1));
  joined[axis] = DimExpr(type.getDim(axis)) * step;
  kept[axis] = (DimExpr(type.getDim(axis)) - 1) * step + 1;
  DimList wide(apart);
  wide[axis + 1] = constant(a, step);
  Value padded = surround(a, a.reshape(x, apart), DimList(apart.size(), zero), wide);
  return cut(a, a.reshape(padded, joined), DimList(joined.size(), zero), kept);
}

Value placeAtSteps(Adjoints &a, Value x, ArrayRef<DimAttr> starts, ArrayRef<DimAttr> steps,
                   ArrayRef<DimAttr> extents) {
  DimList lo;
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    lo.push_back(starts[axis]);
    if (steps[axis].getConstant() == 1)
      continue;
    TensorType type = getTensorType(x);
    if (steps[axis].isConstant() && isKnownPositive(type.getDim(axis))) {
      x = spread(a, x, axis, steps[axis].getValue());
      continue;
    }
    // There may be no element.
    Value places = a.create<IotaOp>(TensorType::get({type.getDim(axis)}, si64(a)), 0);
    places = a.add(a.mul(places, extentLike(a, steps[axis], places)),
                   extentLike(a, starts[axis], places));
    DimList dims(type.getDims());
    dims[axis] = extents[axis];
    lo.back() = constant(a, 0);
    x = a.create<ScatterOp>(ScatterKind::add, a.fill(type.withDims(dims), 0), places, x, axis);
  }
  return surround(a, x, lo, extents);
}

void addMovementRules(SmallVectorImpl<GradientRow> &rows) {
  addRules<ofBroadcast, ofReshape, ofTranspose, ofReverse, ofSlice, ofConcat, ofPad, ofGather,
           ofScatter, ofSort>(rows);
}

} // namespace tessera::graph
