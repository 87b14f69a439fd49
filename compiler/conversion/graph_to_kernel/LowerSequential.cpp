//===- LowerSequential.cpp - Elements that are computed one after another become loops -----===//
//
// What is carried is a tensor of the kernel, updated where it is: slices are taken out, stages
// compute on them, and the results are put back. Loops whose iterations do not meet are marked as
// parallel.
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;
using Loop = llvm::function_ref<SmallVector<Value>(Value index, ValueRange carried)>;

static Type elementOf(Value graphValue) {
  return graph::getTensorType(graphValue).getElementType();
}

//===----------------------------------------------------------------------===//
// Loops and slices
//===----------------------------------------------------------------------===//

/// for (index = from; index < to; index += step) carried = body(index, carried)
static SmallVector<Value> forLoop(KernelEmitter &emitter, StringRef name, Value from, Value to,
                                  Value step, ValueRange carried, Loop body,
                                  bool isParallel = false) {
  OpBuilder &builder = emitter.getBuilder();
  auto loop = scf::ForOp::create(builder, emitter.getLoc(), from, to, step, carried);
  emitter.nameLoop(loop, name);
  if (isParallel)
    loop->setAttr(kernel::KernelDialect::kParallelAttr, builder.getUnitAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (carried.empty())
    builder.setInsertionPoint(loop.getBody()->getTerminator());
  else
    scf::YieldOp::create(builder, emitter.getLoc(), next);
  return SmallVector<Value>(loop.getResults());
}

/// One loop for each dim, outermost first; `body` takes all indices.
static SmallVector<Value>
forEach(KernelEmitter &emitter, StringRef name, ArrayRef<DimAttr> dims, ValueRange carried,
        bool isParallel, SmallVector<Value> indices,
        llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> body) {
  if (dims.empty())
    return body(indices, carried);
  return forLoop(
      emitter, name, emitter.constantIndex(0), emitter.extent(dims[0]), emitter.constantIndex(1),
      carried,
      [&](Value index, ValueRange inside) {
        SmallVector<Value> deeper(indices);
        deeper.push_back(index);
        return forEach(emitter, name, dims.drop_front(), inside, isParallel, deeper, body);
      },
      isParallel);
}

/// extent - 1 - index
static Value fromEnd(KernelEmitter &emitter, DimAttr extent, Value index) {
  return arith::SubIOp::create(emitter.getBuilder(), emitter.getLoc(),
                               emitter.extent(DimExpr(extent) - 1), index);
}

namespace {
/// The part of a tensor at `at` (an index where the dim disappears, null where all of it is taken).
struct Part {
  SmallVector<OpFoldResult> offsets, sizes, strides;
  RankedTensorType type;
  bool isWhole;

  Part(KernelEmitter &emitter, ArrayRef<DimAttr> dims, ArrayRef<Value> at, Type element)
      : isWhole(llvm::none_of(at, [](Value index) { return bool(index); })) {
    Builder &b = emitter.getBuilder();
    SmallVector<int64_t> shape;
    for (auto [dim, index] : llvm::zip(dims, at)) {
      offsets.push_back(index ? OpFoldResult(index) : OpFoldResult(b.getIndexAttr(0)));
      strides.push_back(b.getIndexAttr(1));
      if (index) {
        sizes.push_back(b.getIndexAttr(1));
        continue;
      }
      shape.push_back(dim.getShapeEntry());
      sizes.push_back(dim.isConstant() ? OpFoldResult(b.getIndexAttr(dim.getValue()))
                                       : OpFoldResult(emitter.extent(dim)));
    }
    type = RankedTensorType::get(shape, element);
  }
  Value take(KernelEmitter &emitter, Value from) const {
    if (isWhole)
      return from;
    return tensor::ExtractSliceOp::create(emitter.getBuilder(), emitter.getLoc(), type, from,
                                          offsets, sizes, strides);
  }
  Value put(KernelEmitter &emitter, Value part, Value into) const {
    if (isWhole)
      return part;
    return tensor::InsertSliceOp::create(emitter.getBuilder(), emitter.getLoc(), part, into,
                                         offsets, sizes, strides);
  }
};
} // namespace

static Type builtinElement(Value tensor) {
  return llvm::cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// A stage that writes where `into` is: element = body(element of from.., element of into).
static Value update(KernelEmitter &emitter, StringRef name, ValueRange from, Value into,
                    llvm::function_ref<Value(BodyBuilder &, ValueRange)> body) {
  unsigned rank = llvm::cast<RankedTensorType>(into.getType()).getRank();
  AffineMap identity = emitter.getBuilder().getMultiDimIdentityMap(rank);
  SmallVector<KernelEmitter::Read> reads;
  for (Value tensor : from)
    reads.push_back({tensor, identity});
  return emitter.reduce(name, rank, 0, reads, into, identity,
                        [&](BodyBuilder &b, ValueRange x, ValueRange old) {
                          SmallVector<Value> all(x);
                          llvm::append_range(all, old);
                          return SmallVector<Value>{body(b, all)};
                        })[0];
}
static Value copyInto(KernelEmitter &emitter, StringRef name, Value from, Value into) {
  return update(emitter, name, from, into, [](BodyBuilder &, ValueRange x) { return x[0]; });
}
static Value copyOf(KernelEmitter &emitter, StringRef name, Value from, ArrayRef<DimAttr> dims) {
  return copyInto(emitter, name, from, emitter.empty(dims, builtinElement(from)));
}

//===----------------------------------------------------------------------===//
// cumulative
//===----------------------------------------------------------------------===//

/// Loops over the dims before the axis (they do not meet), then along the axis; the dims after it
/// are a stage. The running values are kept apart, in the type they accumulate in.
static Tensors lowerCumulative(graph::CumulativeOp op, KernelEmitter &emitter) {
  StringRef kind = stringifyCumulativeKind(op.getKind());
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  ArrayRef<DimAttr> outer = dims.take_front(axis), inner = dims.drop_front(axis + 1);
  Type element = type.getElementType(), accumulator = accumulatorOf(kind, element);
  Type from = getKernelElementType(element);
  Value x = emitter.lookup(op.getX());
  auto combined = [&](BodyBuilder &b, ValueRange v) {
    return combineScalars(b, kind, accumulator, v[1], convertScalar(b, v[0], element, accumulator));
  };
  auto rounded = [&](BodyBuilder &b, ValueRange v) {
    return convertScalar(b, v[0], accumulator, element);
  };
  SmallVector<Value> result = forEach(
      emitter, kind, outer, emitter.empty(dims, from), true, {},
      [&](ArrayRef<Value> before, ValueRange carried) {
        Value start = emitter.fill("start", inner, neutralScalar(emitter, kind, accumulator));
        SmallVector<Value> row = forLoop(
            emitter, kind, emitter.constantIndex(0), emitter.extent(dims[axis]),
            emitter.constantIndex(1), {carried[0], start}, [&](Value step, ValueRange inside) {
              SmallVector<Value> at(before);
              at.push_back(op.getReverse() ? fromEnd(emitter, dims[axis], step) : step);
              at.resize(dims.size());
              Part here(emitter, dims, at, from);
              Value slice = here.take(emitter, x), out = here.take(emitter, inside[0]);
              Value sum = inside[1];
              if (op.getExclusive())
                out = update(emitter, "prefix", sum, out, rounded);
              Value next = update(emitter, "next", slice, sum, combined);
              if (!op.getExclusive())
                out = update(emitter, "prefix", next, out, rounded);
              return SmallVector<Value>{here.put(emitter, out, inside[0]), next};
            });
        return SmallVector<Value>{row[0]};
      });
  return result;
}

//===----------------------------------------------------------------------===//
// scan
//===----------------------------------------------------------------------===//

/// The ops of the region become stages of the loop's body. States change at the end of a step, when
/// all of the next ones are known.
static Tensors lowerScan(graph::ScanOp op, KernelEmitter &emitter) {
  size_t states = op.getStates().size();
  int64_t axis = op.getAxis();
  SmallVector<Value> carried;
  for (Value init : op.getStates())
    carried.push_back(
        copyOf(emitter, "state", emitter.lookup(init), graph::getTensorType(init).getDims()));
  for (Value output : op.getResults().drop_front(states))
    carried.push_back(emitter.empty(graph::getTensorType(output).getDims(),
                                    getKernelElementType(elementOf(output))));
  bool failed = false;
  auto partOf = [&](Value graphValue, Value index) {
    graph::TensorType type = graph::getTensorType(graphValue);
    SmallVector<Value> at(type.rank());
    at[axis] = index;
    return Part(emitter, type.getDims(), at, getKernelElementType(type.getElementType()));
  };
  SmallVector<Value> results = forLoop(
      emitter, "scan", emitter.constantIndex(0), emitter.extent(op.getExtent()),
      emitter.constantIndex(1), carried, [&](Value step, ValueRange inside) {
        Value index = op.getReverse() ? fromEnd(emitter, op.getExtent(), step) : step;
        Block &body = op.getBody().front();
        for (auto [argument, tensor] : llvm::zip(body.getArguments(), inside.take_front(states)))
          emitter.bind(argument, tensor);
        for (auto [argument, x] : llvm::zip(body.getArguments().drop_front(states), op.getXs()))
          emitter.bind(argument, partOf(x, index).take(emitter, emitter.lookup(x)));
        for (Operation &inner : body.without_terminator())
          if (!failed && mlir::failed(emitter.lower(&inner)))
            failed = true;
        SmallVector<Value> next;
        if (failed)
          return SmallVector<Value>(inside);
        for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
          Value computed = emitter.lookup(value);
          if (i < states)
            next.push_back(computed);
          else
            next.push_back(partOf(op.getResult(i), index).put(emitter, computed, inside[i]));
        }
        // A state that becomes another one is read before it is overwritten.
        for (size_t i = 0; i < states; ++i)
          if (next[i] != inside[i] && llvm::is_contained(inside, next[i]))
            next[i] = copyOf(emitter, "state", next[i],
                             graph::getTensorType(op.getStates()[i]).getDims());
        for (size_t i = 0; i < states; ++i)
          if (next[i] != inside[i])
            next[i] = copyInto(emitter, "state", next[i], inside[i]);
        return next;
      });
  if (failed)
    return failure();
  return results;
}

//===----------------------------------------------------------------------===//
// scatter
//===----------------------------------------------------------------------===//

static Value combineUpdate(BodyBuilder &b, graph::ScatterKind kind, Type element, Value old,
                           Value x) {
  switch (kind) {
  case graph::ScatterKind::replace: return x;
  case graph::ScatterKind::add: return combineScalars(b, "sum", element, old, x);
  case graph::ScatterKind::mul: return combineScalars(b, "prod", element, old, x);
  case graph::ScatterKind::max: return combineScalars(b, "max", element, old, x);
  case graph::ScatterKind::min: return combineScalars(b, "min", element, old, x);
  }
  return {};
}

/// Loops over the dims before the axis, then over the indices in order; the dims after the axis are
/// a stage.
static Tensors lowerScatter(graph::ScatterOp op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  graph::TensorType indexType = graph::getTensorType(op.getIndices());
  graph::TensorType updateType = graph::getTensorType(op.getUpdates());
  Type element = type.getElementType(), builtin = getKernelElementType(element);
  emitter.askForSumsIn(builtin); // It adds to the elements that are there.
  Value indices = emitter.lookup(op.getIndices()), updates = emitter.lookup(op.getUpdates());
  Value extent = emitter.extent(dims[axis]), zero = emitter.constantIndex(0);
  bool isUnsigned = indexType.getElementType().isUnsignedInteger();
  Value start = copyOf(emitter, "copy", emitter.lookup(op.getX()), dims);

  auto scatterOne = [&](ArrayRef<Value> before, ArrayRef<Value> at, Value result) -> Value {
    ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value number = tensor::ExtractOp::create(b, indices, at);
    Value index = isUnsigned ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), number))
                             : Value(arith::IndexCastOp::create(b, b.getIndexType(), number));
    using P = arith::CmpIPredicate;
    Value isNegative = arith::CmpIOp::create(b, P::slt, index, zero);
    index = arith::SelectOp::create(b, isNegative, arith::AddIOp::create(b, index, extent), index);
    // One comparison finds both: what is still negative is large without a sign.
    Value isInside = arith::CmpIOp::create(b, P::ult, index, extent);
    auto branch = scf::IfOp::create(b, TypeRange(result.getType()), isInside, /*withElse=*/true);
    OpBuilder &builder = emitter.getBuilder();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> target(before), source(before);
    target.push_back(index);
    target.resize(dims.size());
    llvm::append_range(source, at);
    source.resize(updateType.rank());
    Part here(emitter, dims, target, builtin),
        there(emitter, updateType.getDims(), source, builtin);
    Value part = update(emitter, stringifyScatterKind(op.getKind()), there.take(emitter, updates),
                        here.take(emitter, result), [&](BodyBuilder &inner, ValueRange x) {
                          return combineUpdate(inner, op.getKind(), element, x[1], x[0]);
                        });
    scf::YieldOp::create(builder, emitter.getLoc(), here.put(emitter, part, result));
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, emitter.getLoc(), result);
    return branch.getResult(0);
  };
  return forEach(emitter, "scatter", dims.take_front(axis), start, true, {},
                 [&](ArrayRef<Value> before, ValueRange carried) {
                   return forEach(emitter, "scatter", indexType.getDims(), carried, false, {},
                                  [&](ArrayRef<Value> at, ValueRange inside) {
                                    return SmallVector<Value>{scatterOne(before, at, inside[0])};
                                  });
                 });
}

//===----------------------------------------------------------------------===//
// sort
//===----------------------------------------------------------------------===//

/// Whether x must stand before y: strictly, so that equal elements keep their order.
static Value isBefore(BodyBuilder &b, Type element, bool descending, Value x, Value y) {
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
/// pairs of arrays: runs are merged from the first pair into the second one and copied back.
class RowSorter {
public:
  RowSorter(KernelEmitter &emitter, DimAttr extent, Type element, bool descending)
      : emitter(emitter), extent(extent), element(element), descending(descending),
        keyType(getKernelElementType(element)), count(emitter.extent(extent)),
        last(emitter.extent(DimExpr(extent) - 1)), zero(emitter.constantIndex(0)),
        one(emitter.constantIndex(1)) {}

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
    SmallVector<Value> merged = forLoop(
        emitter, "merges", zero, end, step, {arrays[2], arrays[3]}, [&](Value low, ValueRange to) {
          ImplicitLocOpBuilder inner(emitter.getLoc(), emitter.getBuilder());
          Value middle =
              arith::MinSIOp::create(inner, arith::AddIOp::create(inner, low, width), count);
          Value high =
              arith::MinSIOp::create(inner, arith::AddIOp::create(inner, low, step), count);
          return mergeTwo(low, middle, high, arrays, to);
        });
    SmallVector<Value> back = forLoop(emitter, "copy", zero, end, one, {arrays[0], arrays[1]},
                                      [&](Value i, ValueRange to) {
                                        return SmallVector<Value>{put(get(merged[0], i), to[0], i),
                                                                  put(get(merged[1], i), to[1], i)};
                                      });
    return {back[0], back[1], merged[0], merged[1]};
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
  Value count, last, zero, one;
};
} // namespace

static Tensors lowerSort(graph::SortOp op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  Type element = type.getElementType(), builtin = getKernelElementType(element);
  Type place = emitter.getBuilder().getI64Type();
  SmallVector<DimAttr> others(dims);
  others.erase(others.begin() + axis);
  Value x = emitter.lookup(op.getX());
  return forEach(
      emitter, "rows", others, {emitter.empty(dims, builtin), emitter.empty(dims, place)}, true, {},
      [&](ArrayRef<Value> row, ValueRange carried) {
        SmallVector<Value> at(row);
        at.insert(at.begin() + axis, Value());
        Part keys(emitter, dims, at, builtin), places(emitter, dims, at, place);
        Value key = copyOf(emitter, "keys", keys.take(emitter, x), dims[axis]);
        Value number =
            emitter.mapIndexed("places", dims[axis], place, [&](BodyBuilder &b, ValueRange i) {
              return arith::IndexCastOp::create(b, place, i[0]);
            });
        SmallVector<Value> sorted =
            RowSorter(emitter, dims[axis], element, op.getDescending()).sort(key, number);
        return SmallVector<Value>{keys.put(emitter, sorted[0], carried[0]),
                                  places.put(emitter, sorted[1], carried[1])};
      });
}

void tessera::lower::attachSequential(MLIRContext &context) {
  using namespace graph;
  constexpr FusionClass kClass = FusionClass::Sequential;
  CumulativeOp::attachInterface<Model<CumulativeOp, kClass, lowerCumulative>>(context);
  graph::ScanOp::attachInterface<Model<graph::ScanOp, kClass, lowerScan>>(context);
  graph::ScatterOp::attachInterface<Model<graph::ScatterOp, kClass, lowerScatter>>(context);
  SortOp::attachInterface<Model<SortOp, kClass, lowerSort>>(context);
}
