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

namespace {
/// The first k of a row are the first k of what is first in its parts: so many parts at most, and
/// such that none is shorter than that for being cut.
constexpr int64_t kParts = 64, kPartElements = 1024;

class Network {
public:
  /// `hasGaps`: a place below 0 means that there is no element, which comes last.
  Network(KernelEmitter &emitter, DimAttr extent, Type element, bool descending, bool hasGaps)
      : emitter(emitter), extent(extent), element(element), descending(descending),
        hasGaps(hasGaps), count(emitter.extent(extent)), zero(emitter.constantIndex(0)),
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
    Value otherFirst = comesFirst(b, otherKey, otherPlace, key, place);
    Value isWrong = arith::CmpIOp::create(b, P::eq, isLower, otherFirst);
    Value takes = arith::AndIOp::create(b, isThere, isWrong);
    return {arith::SelectOp::create(b, takes, otherKey, key),
            arith::SelectOp::create(b, takes, otherPlace, place)};
  }

  Value comesFirst(BodyBuilder &b, Value xKey, Value xPlace, Value yKey, Value yPlace) {
    using P = arith::CmpIPredicate;
    Value before = isBefore(b, element, descending, xKey, yKey);
    Value after = isBefore(b, element, descending, yKey, xKey);
    Value isEarlier = arith::CmpIOp::create(b, P::slt, xPlace, yPlace);
    Value result =
        arith::OrIOp::create(b, before, arith::AndIOp::create(b, isEarlier, negate(b, after)));
    if (!hasGaps)
      return result;
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(xPlace.getType()));
    Value isX = arith::CmpIOp::create(b, P::sge, xPlace, none);
    Value isGap = arith::CmpIOp::create(b, P::slt, yPlace, none);
    // Between two gaps anything goes that is an order: places are.
    return arith::AndIOp::create(
        b, arith::OrIOp::create(b, isX, arith::AndIOp::create(b, isGap, isEarlier)),
        arith::OrIOp::create(b, isGap, result));
  }

  static Value negate(BodyBuilder &b, Value condition) {
    return arith::XOrIOp::create(b, condition, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  }

  KernelEmitter &emitter;
  DimAttr extent;
  Type element;
  bool descending, hasGaps;
  Value count, zero, one;
};

/// Lowers one sort: rows, and parts of rows.
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
  }

  SmallVector<Value> run() {
    Value x = emitter.lookup(op.getX());
    if (op.getFirst())
      return selectFirst(x);
    return forEach(
        emitter, "rows", others, results(), true, {}, [&](ArrayRef<Value> row, ValueRange carried) {
          Value key =
              copyOf(emitter, "keys", partOf(dims, row, builtin).take(emitter, x), dims[axis]);
          return store(row, sort(dims[axis], key, numbers(dims[axis]), false), carried);
        });
  }

private:
  SmallVector<Value> results() {
    return {emitter.empty(wanted, builtin), emitter.empty(wanted, place)};
  }

  Part partOf(ArrayRef<DimAttr> shape, ArrayRef<Value> row, Type type) {
    SmallVector<Value> at(row);
    at.insert(at.begin() + axis, Value());
    return Part(emitter, shape, at, type);
  }

  Value numbers(DimAttr extent) {
    return emitter.mapIndexed("places", extent, place, [&](BodyBuilder &b, ValueRange i) {
      return arith::IndexCastOp::create(b, place, i[0]);
    });
  }

  SmallVector<Value> sort(DimAttr extent, Value keys, Value places, bool hasGaps) {
    return Network(emitter, extent, element, op.getDescending(), hasGaps).sort(keys, places);
  }

  SmallVector<Value> store(ArrayRef<Value> row, ArrayRef<Value> sorted, ValueRange carried) {
    return {partOf(wanted, row, builtin).put(emitter, sorted[0], carried[0]),
            partOf(wanted, row, place).put(emitter, sorted[1], carried[1])};
  }

  Value firstOf(Value array, DimAttr extent, DimAttr count) {
    Value last = arith::SubIOp::create(emitter.getBuilder(), emitter.getLoc(),
                                       emitter.extent(extent), emitter.constantIndex(1));
    return emitter.mapIndexed(
        "first", count, builtinElement(array), [&](BodyBuilder &b, ValueRange i) {
          return extract(b, array, Value(arith::MinSIOp::create(b, i[0], last)));
        });
  }

  /// 1. Each part of each row is sorted, and gives its first k elements.
  /// 2. Those of a row are sorted; the first k of them are the result.
  SmallVector<Value> selectFirst(Value x) {
    MLIRContext *context = op.getContext();
    const DimExpr extent(dims[axis]), first(*op.getFirst()), one = DimExpr::constant(context, 1);
    // No row has no part, and where more is wanted than there is nothing lies outside of memory.
    const DimExpr taken =
        DimExpr::min(DimExpr::constant(context, kParts), extent.ceilDiv(kPartElements));
    const DimExpr parts = DimExpr::max(one, taken);
    const DimExpr length = DimExpr::max(one, extent.ceilDiv(parts));
    const DimExpr kept = DimExpr::max(one, DimExpr::min(first, length));
    SmallVector<DimAttr> candidates(others), loops(others);
    candidates.push_back(parts.get());
    candidates.push_back(kept.get());
    loops.push_back(taken.get());
    auto of = [&](ArrayRef<Value> row, Type type) {
      SmallVector<Value> at(row);
      at.resize(candidates.size());
      return Part(emitter, candidates, at, type);
    };
    SmallVector<Value> found = forEach(
        emitter, "parts", loops,
        {emitter.empty(candidates, builtin), emitter.empty(candidates, place)}, true, {},
        [&](ArrayRef<Value> at, ValueRange carried) {
          SmallVector<Value> sorted = sortPart(
              partOf(dims, at.drop_back(), builtin).take(emitter, x), at.back(), length.get());
          return SmallVector<Value>{
              of(at, builtin)
                  .put(emitter, firstOf(sorted[0], length.get(), kept.get()), carried[0]),
              of(at, place).put(emitter, firstOf(sorted[1], length.get(), kept.get()), carried[1])};
        });
    return forEach(
        emitter, "rows", others, results(), true, {}, [&](ArrayRef<Value> row, ValueRange carried) {
          DimAttr all = (parts * kept).get();
          Value keys = flatten(of(row, builtin).take(emitter, found[0]), all, kept.get());
          Value places = flatten(of(row, place).take(emitter, found[1]), all, kept.get());
          SmallVector<Value> sorted = sort(all, keys, places, true);
          return store(
              row,
              {firstOf(sorted[0], all, *op.getFirst()), firstOf(sorted[1], all, *op.getFirst())},
              carried);
        });
  }

  /// The last part may have fewer elements than the others, or none.
  SmallVector<Value> sortPart(Value row, Value part, DimAttr length) {
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
      Value isThere = arith::CmpIOp::create(in, arith::CmpIPredicate::slt, at, end);
      Value gap = arith::ConstantOp::create(in, in.getI64IntegerAttr(-1));
      return arith::SelectOp::create(in, isThere, arith::IndexCastOp::create(in, place, at), gap);
    });
    return sort(length, keys, places, true);
  }

  Value flatten(Value rows, DimAttr all, DimAttr columns) {
    Value width = emitter.extent(columns);
    return emitter.mapIndexed("candidates", all, builtinElement(rows),
                              [&](BodyBuilder &b, ValueRange i) {
                                Value row = arith::DivUIOp::create(b, i[0], width),
                                      column = arith::RemUIOp::create(b, i[0], width);
                                return extract(b, rows, {row, column});
                              });
  }

  graph::SortOp op;
  KernelEmitter &emitter;
  int64_t axis;
  ArrayRef<DimAttr> dims, wanted;
  Type element, builtin, place;
  SmallVector<DimAttr> others;
};
} // namespace

SmallVector<Value> lower::lowerSortByNetwork(graph::SortOp op, KernelEmitter &emitter) {
  return RowLowering(op, emitter).run();
}
