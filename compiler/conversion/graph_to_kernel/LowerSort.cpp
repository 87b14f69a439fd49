//===- LowerSort.cpp - Rows in order become loops ------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "compiler/conversion/graph_to_kernel/SortNetwork.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

Value lower::isBefore(BodyBuilder &b, Type element, bool descending, Value x, Value y) {
  if (descending)
    std::swap(x, y);
  if (!isFloat(element)) {
    bool isSigned = element.isSignedInteger();
    return arith::CmpIOp::create(
        b, isSigned ? arith::CmpIPredicate::slt : arith::CmpIPredicate::ult, x, y);
  }
  Value less = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  Value xIsNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  Value yIsNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, y, y);
  return arith::OrIOp::create(b, less, arith::AndIOp::create(b, xIsNumber, yIsNan));
}

namespace {
/// Merge sort of one row, from short runs to long ones (bottom-up). Keys and places lie in two
/// pairs of arrays: runs are merged from the first pair into the second one and copied back. Two
/// runs that are in order already stay where they are.
class RowSorter {
public:
  /// Rows of that extent, of which the first `count` are sorted.
  RowSorter(KernelEmitter &emitter, DimAttr extent, Value count, Type element, bool descending)
      : emitter(emitter), extent(extent), element(element), descending(descending),
        keyType(getKernelElementType(element)), count(count), zero(emitter.constantIndex(0)),
        one(emitter.constantIndex(1)),
        last(arith::SubIOp::create(emitter.getBuilder(), emitter.getLoc(), count, one)) {}

  /// keys, places: sorted in place.
  SmallVector<Value> sort(Value keys, Value places) {
    Value otherKeys = emitter.empty(extent, keyType);
    Value otherPlaces = emitter.empty(extent, emitter.getBuilder().getI64Type());
    // Extents are below 2^31: so many doublings reach every length.
    return forLoop(emitter, "runs", zero, emitter.constantIndex(31), one,
                   {keys, places, otherKeys, otherPlaces},
                   [&](Value doubling, ValueRange arrays) { return mergeRuns(doubling, arrays); });
  }

private:
  SmallVector<Value> mergeRuns(Value doubling, ValueRange arrays) {
    ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value width = arith::ShLIOp::create(b, one, doubling);
    Value isNeeded = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, width, count);
    Value end = arith::SelectOp::create(b, isNeeded, count, zero);
    Value step = arith::AddIOp::create(b, width, width);
    return forLoop(emitter, "merges", zero, end, step, arrays, [&](Value low, ValueRange inside) {
      ImplicitLocOpBuilder inner(emitter.getLoc(), emitter.getBuilder());
      Value middle = arith::MinSIOp::create(inner, arith::AddIOp::create(inner, low, width), count);
      Value high = arith::MinSIOp::create(inner, arith::AddIOp::create(inner, low, step), count);
      // Without a second run, its first element would be the last one of the first run.
      Value begin = arith::MinSIOp::create(inner, middle, last);
      Value before = arith::SubIOp::create(inner, middle, one);
      Value isMixed =
          isBefore(inner, element, descending, get(inside[0], begin), get(inside[0], before));
      Value until = arith::SelectOp::create(inner, isMixed, high, low);
      SmallVector<Value> merged =
          mergeTwo(low, middle, until, inside.take_front(2), inside.drop_front(2));
      SmallVector<Value> back = forLoop(
          emitter, "copy", low, until, one, {inside[0], inside[1]}, [&](Value i, ValueRange to) {
            return SmallVector<Value>{put(get(merged[0], i), to[0], i),
                                      put(get(merged[1], i), to[1], i)};
          });
      return SmallVector<Value>{back[0], back[1], merged[0], merged[1]};
    });
  }

  /// Merges [low, middle) and [middle, high) of `from`.
  SmallVector<Value> mergeTwo(Value low, Value middle, Value high, ValueRange from, ValueRange to) {
    SmallVector<Value> result = forLoop(
        emitter, "merge", low, high, one, {to[0], to[1], low, middle},
        [&](Value k, ValueRange carried) {
          ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
          using P = arith::CmpIPredicate;
          Value i = carried[2], j = carried[3];
          // Both are read, so both are kept inside.
          Value left = arith::MinSIOp::create(b, i, last),
                right = arith::MinSIOp::create(b, j, last);
          Value leftKey = get(from[0], left), rightKey = get(from[0], right);
          Value leftIsEmpty = arith::CmpIOp::create(b, P::sge, i, middle);
          Value hasRight = arith::CmpIOp::create(b, P::slt, j, high);
          Value rightFirst = isBefore(b, element, descending, rightKey, leftKey);
          Value takeRight =
              arith::AndIOp::create(b, hasRight, arith::OrIOp::create(b, leftIsEmpty, rightFirst));
          Value key = arith::SelectOp::create(b, takeRight, rightKey, leftKey);
          Value place =
              arith::SelectOp::create(b, takeRight, get(from[1], right), get(from[1], left));
          Value nextI = arith::SelectOp::create(b, takeRight, i, arith::AddIOp::create(b, i, one));
          Value nextJ = arith::SelectOp::create(b, takeRight, arith::AddIOp::create(b, j, one), j);
          return SmallVector<Value>{put(key, carried[0], k), put(place, carried[1], k), nextI,
                                    nextJ};
        });
    return {result[0], result[1]};
  }

  Value get(Value array, Value index) {
    return tensor::ExtractOp::create(emitter.getBuilder(), emitter.getLoc(), array, index);
  }
  Value put(Value scalar, Value array, Value index) {
    return tensor::InsertOp::create(emitter.getBuilder(), emitter.getLoc(), scalar, array, index);
  }

  KernelEmitter &emitter;
  DimAttr extent;
  Type element;
  bool descending;
  Type keyType;
  Value count, zero, one, last;
};
} // namespace

namespace {
/// The first k elements of a row in order, in one read of it. Two arrays of 2 k hold what was among
/// the first when it came; when they are full they are sorted, and the later half is forgotten.
class RowSelector {
public:
  RowSelector(KernelEmitter &emitter, DimAttr extent, DimAttr first, Type element, bool descending)
      : emitter(emitter), extent(extent), first(first), room((DimExpr(first) * 2).get()),
        element(element), descending(descending), keyType(getKernelElementType(element)),
        placeType(emitter.getBuilder().getI64Type()), zero(emitter.constantIndex(0)),
        one(emitter.constantIndex(1)), wanted(emitter.extent(first)), full(emitter.extent(room)) {}

  /// Keys and places, of which the first k are those.
  SmallVector<Value> select(Value row) {
    ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
    // Nothing is wanted of nothing: there would be no room for a candidate either.
    Value isWanted = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, wanted, zero);
    Value end = arith::SelectOp::create(b, isWanted, emitter.extent(extent), zero);
    Value never = arith::ConstantOp::create(b, b.getBoolAttr(false));
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(keyType));
    SmallVector<Value> found =
        forLoop(emitter, "elements", zero, end, one,
                {emitter.empty(room, keyType), emitter.empty(room, placeType), zero, none, never},
                [&](Value i, ValueRange carried) { return consider(row, i, carried); });
    SmallVector<Value> sorted =
        RowSorter(emitter, room, found[2], element, descending).sort(found[0], found[1]);
    return {firstOf(sorted[0]), firstOf(sorted[1])};
  }

private:
  /// Carried: keys, places, how many there are, and the last one that counts, once there is one.
  SmallVector<Value> consider(Value row, Value i, ValueRange carried) {
    ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value key = tensor::ExtractOp::create(b, row, i);
    // Of equal elements the earlier one is there already.
    Value isAmong = arith::OrIOp::create(
        b, arith::XOrIOp::create(b, carried[4], arith::ConstantOp::create(b, b.getBoolAttr(true))),
        isBefore(b, element, descending, key, carried[3]));
    // Written in any case, and kept if the next one does not overwrite it.
    Value keys = tensor::InsertOp::create(b, key, carried[0], carried[2]);
    Value places = tensor::InsertOp::create(b, arith::IndexCastOp::create(b, placeType, i),
                                            carried[1], carried[2]);
    Value count =
        arith::SelectOp::create(b, isAmong, arith::AddIOp::create(b, carried[2], one), carried[2]);
    Value isFull = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, count, full);
    Value turns = arith::SelectOp::create(b, isFull, one, zero);
    return forLoop(
        emitter, "full", zero, turns, one, {keys, places, count, carried[3], carried[4]},
        [&](Value, ValueRange arrays) {
          ImplicitLocOpBuilder inner(emitter.getLoc(), emitter.getBuilder());
          SmallVector<Value> sorted =
              RowSorter(emitter, room, full, element, descending).sort(arrays[0], arrays[1]);
          Value last = arith::SubIOp::create(inner, wanted, one);
          return SmallVector<Value>{sorted[0], sorted[1], wanted,
                                    tensor::ExtractOp::create(inner, sorted[0], last),
                                    arith::ConstantOp::create(inner, inner.getBoolAttr(true))};
        });
  }

  Value firstOf(Value array) {
    return emitter.mapIndexed("first", first, builtinElement(array),
                              [&](BodyBuilder &b, ValueRange i) { return extract(b, array, i); });
  }

  KernelEmitter &emitter;
  DimAttr extent, first, room;
  Type element;
  bool descending;
  Type keyType, placeType;
  Value zero, one, wanted, full;
};
} // namespace

/// The value that comes last of all; null for types without one that all share.
static TypedAttr lastOfAll(Type element, bool descending) {
  Type type = getKernelElementType(element);
  if (auto floating = llvm::dyn_cast<FloatType>(type)) {
    if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
      return {};
    const llvm::fltSemantics &semantics = floating.getFloatSemantics();
    return FloatAttr::get(type, descending ? APFloat::getInf(semantics, /*Negative=*/true)
                                           : APFloat::getNaN(semantics));
  }
  const unsigned width = type.getIntOrFloatBitWidth();
  const bool isSigned = element.isSignedInteger();
  APInt last = descending ? (isSigned ? APInt::getSignedMinValue(width) : APInt::getZero(width))
                          : (isSigned ? APInt::getSignedMaxValue(width) : APInt::getAllOnes(width));
  return IntegerAttr::get(type, last);
}

namespace {
/// Keys and places of a row, the first `count` of which are to be sorted.
struct RowParts {
  Value keys, places, count;
};
} // namespace

/// What comes last of all (what a mask made -inf) is equal, so it stays in its order, behind the
/// rest: only that is sorted.
static RowParts splitRow(KernelEmitter &emitter, Value row, DimAttr extent, Type element,
                         bool descending) {
  Type keyType = getKernelElementType(element), placeType = emitter.getBuilder().getI64Type();
  TypedAttr last = lastOfAll(element, descending);
  Value zero = emitter.constantIndex(0), one = emitter.constantIndex(1);
  Value all = emitter.extent(extent);
  if (!last) {
    Value places =
        emitter.mapIndexed("places", extent, placeType, [&](BodyBuilder &b, ValueRange i) {
          return arith::IndexCastOp::create(b, placeType, i[0]);
        });
    return {copyOf(emitter, "keys", row, extent), places, all};
  }
  Value limit = emitter.constant(last);
  // An element is written behind both parts, and counted in one.
  SmallVector<Value> parts = forLoop(
      emitter, "elements", zero, all, one,
      {emitter.empty(extent, keyType), emitter.empty(extent, placeType),
       emitter.empty(extent, keyType), emitter.empty(extent, placeType), zero},
      [&](Value i, ValueRange carried) {
        ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
        Value key = tensor::ExtractOp::create(b, row, i);
        Value place = arith::IndexCastOp::create(b, placeType, i), count = carried[4];
        Value rest = arith::SubIOp::create(b, i, count);
        Value isSorted = isBefore(b, element, descending, key, limit);
        Value next =
            arith::SelectOp::create(b, isSorted, arith::AddIOp::create(b, count, one), count);
        return SmallVector<Value>{tensor::InsertOp::create(b, key, carried[0], count),
                                  tensor::InsertOp::create(b, place, carried[1], count),
                                  tensor::InsertOp::create(b, key, carried[2], rest),
                                  tensor::InsertOp::create(b, place, carried[3], rest), next};
      });
  SmallVector<Value> joined = forLoop(
      emitter, "last", parts[4], all, one, {parts[0], parts[1]}, [&](Value i, ValueRange carried) {
        ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
        Value from = arith::SubIOp::create(b, i, parts[4]);
        Value key = tensor::ExtractOp::create(b, parts[2], from);
        Value place = tensor::ExtractOp::create(b, parts[3], from);
        return SmallVector<Value>{tensor::InsertOp::create(b, key, carried[0], i),
                                  tensor::InsertOp::create(b, place, carried[1], i)};
      });
  return {joined[0], joined[1], parts[4]};
}

static Tensors lowerSort(graph::SortOp op, KernelEmitter &emitter) {
  if (emitter.isForGpu())
    return lowerSortByNetwork(op, emitter);
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  Type element = type.getElementType(), builtin = getKernelElementType(element);
  Type place = emitter.getBuilder().getI64Type();
  SmallVector<DimAttr> others(dims), wanted(graph::getTensorType(op.getValues()).getDims());
  others.erase(others.begin() + axis);
  Value x = emitter.lookup(op.getX());
  return forEach(
      emitter, "rows", others, {emitter.empty(wanted, builtin), emitter.empty(wanted, place)}, true,
      {}, [&](ArrayRef<Value> row, ValueRange carried) {
        SmallVector<Value> at(row);
        at.insert(at.begin() + axis, Value());
        Part given(emitter, dims, at, builtin), keys(emitter, wanted, at, builtin),
            places(emitter, wanted, at, place);
        SmallVector<Value> sorted;
        if (op.getFirst()) {
          RowSelector selector(emitter, dims[axis], *op.getFirst(), element, op.getDescending());
          sorted = selector.select(given.take(emitter, x));
        } else {
          RowParts parts =
              splitRow(emitter, given.take(emitter, x), dims[axis], element, op.getDescending());
          sorted = RowSorter(emitter, dims[axis], parts.count, element, op.getDescending())
                       .sort(parts.keys, parts.places);
        }
        return SmallVector<Value>{keys.put(emitter, sorted[0], carried[0]),
                                  places.put(emitter, sorted[1], carried[1])};
      });
}

void tessera::lower::attachSorting(MLIRContext &context) {
  graph::SortOp::attachInterface<Model<graph::SortOp, FusionClass::Sequential, lowerSort>>(context);
}
