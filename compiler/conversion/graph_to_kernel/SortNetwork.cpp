//===- SortNetwork.cpp - Rows in order, by many threads ------------------------------------===//
//
// A bitonic network in which the smaller element of every pair goes to the lower place: elements
// behind the end, which there are not, would be larger than all others and stay where they are, so
// rows of any length need no padding. Equal elements are told apart by their places.
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/SortNetwork.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

static Value negate(BodyBuilder &b, Value condition) {
  return arith::XOrIOp::create(b, condition, arith::ConstantOp::create(b, b.getBoolAttr(true)));
}

/// An element: its key, and its place in the row. A place below 0 means that there is none, which
/// comes last.
struct Entry {
  Value key, place;
};

static Value isThere(BodyBuilder &b, Entry x) {
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(x.place.getType()));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, x.place, zero);
}

static Value comesFirst(BodyBuilder &b, Type element, bool descending, Entry x, Entry y) {
  Value before = isBefore(b, element, descending, x.key, y.key);
  Value after = isBefore(b, element, descending, y.key, x.key);
  Value isEarlier = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x.place, y.place);
  Value result =
      arith::OrIOp::create(b, before, arith::AndIOp::create(b, isEarlier, negate(b, after)));
  Value hasX = isThere(b, x), hasNoY = negate(b, isThere(b, y));
  // Between two that are not there anything goes that is an order: places are.
  return arith::AndIOp::create(
      b, arith::OrIOp::create(b, hasX, arith::AndIOp::create(b, hasNoY, isEarlier)),
      arith::OrIOp::create(b, hasNoY, result));
}

namespace {
/// The first k of a row are the first k of what is first in its parts: so many parts at most, and
/// such that none is shorter than that for being cut.
constexpr int64_t kParts = 64, kPartElements = 1024;

class Network {
public:
  Network(KernelEmitter &emitter, DimAttr extent, Type element, bool descending)
      : emitter(emitter), extent(extent), element(element), descending(descending),
        count(emitter.extent(extent)), zero(emitter.constantIndex(0)),
        one(emitter.constantIndex(1)) {}

  /// Both in order.
  SmallVector<Value> sort(Value keys, Value places) {
    SmallVector<Value> start{keys, places, emitter.empty({extent}, builtinElement(keys)),
                             emitter.empty({extent}, builtinElement(places))};
    // Extents are below 2^31: so many doublings reach every length.
    return forLoop(
        emitter, "runs", zero, emitter.constantIndex(31), one, start,
        [&](Value doubling, ValueRange arrays) {
          BodyBuilder b(emitter.getLoc(), emitter.getBuilder());
          Value width = arith::ShLIOp::create(b, one, doubling);
          Value isNeeded = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, width, count);
          Value steps =
              arith::SelectOp::create(b, isNeeded, arith::AddIOp::create(b, doubling, one), zero);
          return forLoop(
              emitter, "distances", zero, steps, one, arrays,
              [&](Value step, ValueRange inner) { return exchange(width, step, inner); });
        });
  }

private:
  /// Runs of `width` are in order. First each is compared with its mirrored neighbour, then
  /// elements half a run apart, a quarter, ...
  SmallVector<Value> exchange(Value width, Value step, ValueRange arrays) {
    BodyBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value isMirror = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, step, zero);
    Value mirror = arith::SubIOp::create(b, arith::AddIOp::create(b, width, width), one);
    Value mask =
        arith::SelectOp::create(b, isMirror, mirror, arith::ShRUIOp::create(b, width, step));
    AffineMap identity = b.getMultiDimIdentityMap(1);
    const SmallVector<Value> current(arrays.take_front(2)), next(arrays.drop_front(2));
    SmallVector<Value> other =
        emitter.reduce("exchange", 1, 0, {{arrays[0], identity}, {arrays[1], identity}}, next,
                       identity, [&](BodyBuilder &inner, ValueRange x, ValueRange) {
                         return choose(inner, mask, arrays[0], arrays[1], x[0], x[1]);
                       });
    SmallVector<Value> back = emitter.reduce(
        "keep", 1, 0, {{other[0], identity}, {other[1], identity}}, current, identity,
        [&](BodyBuilder &, ValueRange x, ValueRange) { return SmallVector<Value>(x); });
    return {back[0], back[1], other[0], other[1]};
  }

  SmallVector<Value> choose(BodyBuilder &b, Value mask, Value keys, Value places, Value key,
                            Value place) {
    using P = arith::CmpIPredicate;
    Value at = linalg::IndexOp::create(b, 0);
    Value partner = arith::XOrIOp::create(b, at, mask);
    Value isThere = arith::CmpIOp::create(b, P::slt, partner, count);
    partner = arith::SelectOp::create(b, isThere, partner, at);
    Value otherKey = extract(b, keys, partner), otherPlace = extract(b, places, partner);
    Value isLower = arith::CmpIOp::create(b, P::slt, at, partner);
    Value otherFirst = comesFirst(b, element, descending, {otherKey, otherPlace}, {key, place});
    Value isWrong = arith::CmpIOp::create(b, P::eq, isLower, otherFirst);
    Value takes = arith::AndIOp::create(b, isThere, isWrong);
    return {arith::SelectOp::create(b, takes, otherKey, key),
            arith::SelectOp::create(b, takes, otherPlace, place)};
  }

  KernelEmitter &emitter;
  DimAttr extent;
  Type element;
  bool descending;
  Value count, zero, one;
};

/// Lowers one sort.
/// 1. Each part of each row is sorted, and gives its first k elements (all, where all are wanted).
/// 2. The place of one of them in the result is the number of those that come before it: its place
///    in its part, and what a search in each other part finds. Those below k are stored.
class RowLowering {
public:
  RowLowering(graph::SortOp op, KernelEmitter &emitter)
      : op(op), emitter(emitter), axis(op.getAxis()),
        dims(graph::getTensorType(op.getX()).getDims()),
        wanted(graph::getTensorType(op.getValues()).getDims()),
        element(graph::getTensorType(op.getX()).getElementType()),
        builtin(getKernelElementType(element)), place(emitter.getBuilder().getI64Type()),
        others(dims) {
    others.erase(others.begin() + axis);
    MLIRContext *context = op.getContext();
    const DimExpr extent(dims[axis]), one = DimExpr::constant(context, 1);
    // No row has no part, and where more is wanted than there is nothing lies outside of memory.
    const DimExpr taken =
        DimExpr::min(DimExpr::constant(context, kParts), extent.ceilDiv(kPartElements));
    const DimExpr atLeastOne = DimExpr::max(one, taken);
    const DimExpr each = DimExpr::max(one, extent.ceilDiv(atLeastOne));
    parts = taken.get();
    length = each.get();
    kept = op.getFirst() ? DimExpr::max(one, DimExpr::min(*op.getFirst(), each)).get() : length;
    candidates = others;
    candidates.push_back(atLeastOne.get());
    candidates.push_back(kept);
  }

  SmallVector<Value> run() {
    Value x = emitter.lookup(op.getX());
    SmallVector<DimAttr> loops(others);
    loops.push_back(parts);
    SmallVector<Value> found = forEach(
        emitter, "parts", loops,
        {emitter.empty(candidates, builtin), emitter.empty(candidates, place)}, true, {},
        [&](ArrayRef<Value> at, ValueRange carried) {
          SmallVector<Value> row(at.drop_back()), whole(at);
          row.insert(row.begin() + axis, Value());
          whole.push_back(Value());
          Value from = Part(emitter, dims, row, builtin).take(emitter, x);
          SmallVector<Value> sorted = sortPart(from, at.back());
          return SmallVector<Value>{
              Part(emitter, candidates, whole, builtin)
                  .put(emitter, firstOf(sorted[0]), carried[0]),
              Part(emitter, candidates, whole, place).put(emitter, firstOf(sorted[1]), carried[1])};
        });
    loops.push_back(kept);
    return forEach(
        emitter, "candidates", loops,
        {emitter.empty(wanted, builtin), emitter.empty(wanted, place)}, true, {},
        [&](ArrayRef<Value> at, ValueRange carried) { return store(found, at, carried); });
  }

private:
  /// The last part may have fewer elements than the others, or none.
  SmallVector<Value> sortPart(Value row, Value part) {
    BodyBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value begin = arith::MulIOp::create(b, part, emitter.extent(length));
    Value end = emitter.extent(dims[axis]);
    Value last = arith::SubIOp::create(b, end, emitter.constantIndex(1));
    Value keys = emitter.mapIndexed("keys", length, builtin, [&](BodyBuilder &in, ValueRange i) {
      Value at = arith::AddIOp::create(in, begin, i[0]);
      return extract(in, row, Value(arith::MinSIOp::create(in, at, last)));
    });
    Value places = emitter.mapIndexed("places", length, place, [&](BodyBuilder &in, ValueRange i) {
      Value at = arith::AddIOp::create(in, begin, i[0]);
      Value isInside = arith::CmpIOp::create(in, arith::CmpIPredicate::slt, at, end);
      Value gap = arith::ConstantOp::create(in, in.getI64IntegerAttr(-1));
      return arith::SelectOp::create(in, isInside, arith::IndexCastOp::create(in, place, at), gap);
    });
    return Network(emitter, length, element, op.getDescending()).sort(keys, places);
  }

  Value firstOf(Value array) {
    return emitter.mapIndexed("first", kept, builtinElement(array),
                              [&](BodyBuilder &b, ValueRange i) { return extract(b, array, i); });
  }

  /// One candidate to where it belongs.
  SmallVector<Value> store(ArrayRef<Value> found, ArrayRef<Value> at, ValueRange carried) {
    BodyBuilder b(emitter.getLoc(), emitter.getBuilder());
    using P = arith::CmpIPredicate;
    const Entry own = entry(b, found, at);
    Value part = at[at.size() - 2];
    Value rank =
        forLoop(emitter, "others", emitter.constantIndex(0), emitter.extent(parts),
                emitter.constantIndex(1), {at.back()}, [&](Value other, ValueRange sum) {
                  Value before = countBefore(found, at.drop_back(2), other, own);
                  BodyBuilder in(emitter.getLoc(), emitter.getBuilder());
                  Value isOwn = arith::CmpIOp::create(in, P::eq, other, part);
                  Value next = arith::AddIOp::create(in, sum[0], before);
                  return SmallVector<Value>{arith::SelectOp::create(in, isOwn, sum[0], next)};
                })[0];
    Value isWanted = isThere(b, own);
    Value isFirst = arith::CmpIOp::create(b, P::slt, rank, emitter.extent(wanted[axis]));
    isWanted = arith::AndIOp::create(b, isWanted, isFirst);
    SmallVector<Value> target(at.drop_back(2));
    target.insert(target.begin() + axis, rank);
    auto branch = scf::IfOp::create(b, carried.getTypes(), isWanted, /*withElse=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    Value keys = tensor::InsertOp::create(b, own.key, carried[0], target);
    Value places = tensor::InsertOp::create(b, own.place, carried[1], target);
    scf::YieldOp::create(b, ValueRange{keys, places});
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, carried);
    return SmallVector<Value>(branch.getResults());
  }

  Entry entry(BodyBuilder &b, ArrayRef<Value> found, ArrayRef<Value> at) {
    return {extract(b, found[0], at), extract(b, found[1], at)};
  }

  /// How many of another part come before an element.
  Value countBefore(ArrayRef<Value> found, ArrayRef<Value> row, Value part, Entry own) {
    Value zero = emitter.constantIndex(0), one = emitter.constantIndex(1);
    Value end = emitter.extent(kept);
    // Extents are below 2^31: so many halves leave one.
    return forLoop(
        emitter, "halves", zero, emitter.constantIndex(31), one, {zero, end},
        [&](Value, ValueRange bounds) {
          BodyBuilder b(emitter.getLoc(), emitter.getBuilder());
          Value isOpen = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bounds[0], bounds[1]);
          Value turns = arith::SelectOp::create(b, isOpen, one, zero);
          return forLoop(emitter, "open", zero, turns, one, bounds, [&](Value, ValueRange inner) {
            BodyBuilder in(emitter.getLoc(), emitter.getBuilder());
            Value sum = arith::AddIOp::create(in, inner[0], inner[1]);
            Value middle = arith::ShRUIOp::create(in, sum, one);
            SmallVector<Value> at(row);
            at.append({part, middle});
            Value isFirst = comesFirst(in, element, op.getDescending(), entry(in, found, at), own);
            Value next = arith::AddIOp::create(in, middle, one);
            return SmallVector<Value>{arith::SelectOp::create(in, isFirst, next, inner[0]),
                                      arith::SelectOp::create(in, isFirst, inner[1], middle)};
          });
        })[0];
  }

  graph::SortOp op;
  KernelEmitter &emitter;
  int64_t axis;
  ArrayRef<DimAttr> dims, wanted;
  Type element, builtin, place;
  DimAttr parts, length, kept;
  SmallVector<DimAttr> others, candidates;
};
} // namespace

SmallVector<Value> lower::lowerSortByNetwork(graph::SortOp op, KernelEmitter &emitter) {
  return RowLowering(op, emitter).run();
}
