//===- LowerMovement.cpp - Elements change place: reads at computed indices ----------------===//
//
// Broadcasts and transposes are affine reads; what depends on symbols, bounds or data is a read
// with `tensor.extract` at indices that are clamped into the tensor first.
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

#include "dialects/common/NarrowElements.h"
#include "dialects/graph/ShapeContents.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

static Type kernelElement(Value graphValue) {
  return getKernelElementType(graph::getTensorType(graphValue).getElementType());
}
static ArrayRef<DimAttr> dimsOf(Value graphValue) {
  return graph::getTensorType(graphValue).getDims();
}

//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

static Value addIndex(BodyBuilder &b, Value x, Value y) { return arith::AddIOp::create(b, x, y); }
static Value subIndex(BodyBuilder &b, Value x, Value y) { return arith::SubIOp::create(b, x, y); }
static Value mulIndex(BodyBuilder &b, Value x, Value y) { return arith::MulIOp::create(b, x, y); }
static Value minIndex(BodyBuilder &b, Value x, Value y) { return arith::MinSIOp::create(b, x, y); }
static Value maxIndex(BodyBuilder &b, Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }
static Value isBelow(BodyBuilder &b, Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y);
}

/// Into [0, extent - 1].
static Value clampIndex(BodyBuilder &b, Value index, Value zero, Value last) {
  return maxIndex(b, minIndex(b, index, last), zero);
}

//===----------------------------------------------------------------------===//
// Affine reads
//===----------------------------------------------------------------------===//

static Tensors lowerBroadcast(graph::BroadcastOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  SmallVector<AffineExpr> reads;
  for (auto [extent, dim] : llvm::zip(dimsOf(op.getX()), op.getDims())) {
    bool repeats = extent != op.getType().getDim(dim);
    reads.push_back(repeats ? builder.getAffineConstantExpr(0) : builder.getAffineDimExpr(dim));
  }
  auto map = AffineMap::get(op.getType().rank(), 0, reads, op.getContext());
  return SmallVector<Value>{emitter.map(
      "broadcast", op.getType().getDims(), kernelElement(op.getX()),
      {{emitter.lookup(op.getX()), map}}, [](BodyBuilder &, ValueRange x) { return x[0]; })};
}

static Tensors lowerTranspose(graph::TransposeOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  graph::TensorType type = graph::getTensorType(op.getResult());
  SmallVector<AffineExpr> reads(type.rank());
  for (auto [i, dim] : llvm::enumerate(op.getPerm()))
    reads[dim] = builder.getAffineDimExpr(i);
  auto map = AffineMap::get(type.rank(), 0, reads, op.getContext());
  return SmallVector<Value>{emitter.map("transpose", type.getDims(), kernelElement(op.getX()),
                                        {{emitter.lookup(op.getX()), map}},
                                        [](BodyBuilder &, ValueRange x) { return x[0]; })};
}

//===----------------------------------------------------------------------===//
// Constants and counters
//===----------------------------------------------------------------------===//

/// Index arithmetic to an element type.
static Value indexToElement(BodyBuilder &b, Value index, Type graphElement) {
  Type type = getKernelElementType(graphElement);
  Value wide = arith::IndexCastOp::create(b, b.getI64Type(), index);
  Type si64 = IntegerType::get(b.getContext(), 64, IntegerType::Signed);
  (void)type;
  return convertScalar(b, wide, si64, graphElement);
}

static Tensors lowerIota(graph::IotaOp op, KernelEmitter &emitter) {
  graph::TensorType type = op.getType();
  return SmallVector<Value>{
      emitter.mapIndexed("iota", type.getDims(), getKernelElementType(type.getElementType()),
                         [&](BodyBuilder &b, ValueRange i) {
                           return indexToElement(b, i[op.getAxis()], type.getElementType());
                         })};
}

static Tensors lowerDimValue(graph::DimValueOp op, KernelEmitter &emitter) {
  Value extent = emitter.extent(op.getDim());
  Type element = graph::getTensorType(op.getResult()).getElementType();
  return SmallVector<Value>{
      emitter.mapIndexed("dim", {}, getKernelElementType(element), [&](BodyBuilder &b, ValueRange) {
        return indexToElement(b, extent, element);
      })};
}

static Tensors lowerShapeOf(graph::ShapeOfOp op, KernelEmitter &emitter) {
  SmallVector<Value> extents;
  for (DimAttr dim : dimsOf(op.getX()))
    extents.push_back(emitter.extent(dim));
  graph::TensorType type = graph::getTensorType(op.getResult());
  return SmallVector<Value>{emitter.mapIndexed(
      "shape", type.getDims(), getKernelElementType(type.getElementType()),
      [&](BodyBuilder &b, ValueRange i) {
        Value chosen = extents.empty() ? Value(arith::ConstantIndexOp::create(b, 0)) : extents[0];
        for (size_t d = 1; d < extents.size(); ++d) {
          Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, i[0],
                                             arith::ConstantIndexOp::create(b, d));
          chosen = arith::SelectOp::create(b, here, extents[d], chosen);
        }
        return indexToElement(b, chosen, type.getElementType());
      })};
}

/// Only splats and small tables stand in a kernel; other constants are arguments.
static Tensors lowerConstant(graph::ConstantOp op, KernelEmitter &emitter) {
  auto dense = llvm::dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense || !dense.isSplat()) {
    op.emitError("a constant that is no splat is an argument of kernels");
    return failure();
  }
  auto value = dense.getSplatValue<TypedAttr>();
  graph::TensorType type = graph::getTensorType(op.getResult());
  Type element = getKernelElementType(type.getElementType());
  if (isNarrow(type.getElementType())) {
    auto real = llvm::dyn_cast<FloatAttr>(value);
    llvm::APInt code =
        real ? real.getValue().bitcastToAPInt() : llvm::cast<IntegerAttr>(value).getValue();
    value = IntegerAttr::get(element, code.zext(8));
  } else if (auto integer = llvm::dyn_cast<IntegerAttr>(value)) {
    value = IntegerAttr::get(element, integer.getValue());
  }
  Value scalar = emitter.constant(value);
  return SmallVector<Value>{emitter.map("constant", type.getDims(), element, {},
                                        [&](BodyBuilder &, ValueRange) { return scalar; })};
}

//===----------------------------------------------------------------------===//
// Computed reads
//===----------------------------------------------------------------------===//

static Tensors lowerSlice(graph::SliceOp op, KernelEmitter &emitter) {
  SmallVector<Value> starts, steps;
  for (DimAttr start : op.getStarts())
    starts.push_back(emitter.extent(start));
  for (DimAttr step : op.getSteps())
    steps.push_back(emitter.extent(step));
  Value source = emitter.lookup(op.getX());
  return SmallVector<Value>{emitter.mapIndexed(
      "slice", op.getType().getDims(), kernelElement(op.getX()), [&](BodyBuilder &b, ValueRange i) {
        SmallVector<Value> at;
        for (size_t d = 0; d < i.size(); ++d) {
          Value scaled = op.getSteps()[d].getConstant() == 1 ? i[d] : mulIndex(b, i[d], steps[d]);
          bool fromStart = op.getStarts()[d].getConstant() == 0;
          at.push_back(fromStart ? scaled : addIndex(b, scaled, starts[d]));
        }
        return extract(b, source, at);
      })};
}

static Tensors lowerReverse(graph::ReverseOp op, KernelEmitter &emitter) {
  SmallVector<Value> lasts;
  for (DimAttr dim : dimsOf(op.getX()))
    lasts.push_back(emitter.extent(DimExpr(dim) - 1));
  Value source = emitter.lookup(op.getX());
  return SmallVector<Value>{emitter.mapIndexed(
      "reverse", dimsOf(op.getX()), kernelElement(op.getX()), [&](BodyBuilder &b, ValueRange i) {
        SmallVector<Value> at(i);
        for (int64_t axis : op.getAxes())
          at[axis] = subIndex(b, lasts[axis], i[axis]);
        return extract(b, source, at);
      })};
}

/// Operand k holds [begin_k, begin_k + extent_k): a chain of selections, each read clamped into its
/// operand, so that the operand that is not meant is read in bounds.
static Tensors lowerConcat(graph::ConcatOp op, KernelEmitter &emitter) {
  int64_t axis = op.getAxis();
  SmallVector<Value> begins, lasts, sources;
  DimExpr begin = graph::getDim(op.getContext(), 0);
  for (Value input : op.getInputs()) {
    DimExpr extent = dimsOf(input)[axis];
    begins.push_back(emitter.extent(begin));
    lasts.push_back(emitter.extent(extent - 1));
    sources.push_back(emitter.lookup(input));
    begin = begin + extent;
  }
  Value zero = emitter.constantIndex(0);
  graph::TensorType type = graph::getTensorType(op.getResult());
  return SmallVector<Value>{emitter.mapIndexed(
      "concat", type.getDims(), kernelElement(op.getResult()), [&](BodyBuilder &b, ValueRange i) {
        Value chosen;
        for (size_t k = 0; k < sources.size(); ++k) {
          SmallVector<Value> at(i);
          at[axis] = dimsOf(op.getInputs()[k])[axis].getConstant() == 1
                         ? zero
                         : clampIndex(b, subIndex(b, i[axis], begins[k]), zero, lasts[k]);
          Value element = extract(b, sources[k], at);
          Value before = k == 0 ? Value() : isBelow(b, i[axis], begins[k]);
          chosen = k == 0 ? element : Value(arith::SelectOp::create(b, before, chosen, element));
        }
        return chosen;
      })};
}

/// The index in the operand of an index in the padded tensor, in bounds; `inside` says whether the
/// element is no padding (mode constant only).
static Value unpad(BodyBuilder &b, graph::PadMode mode, Value index, Value lo, Value zero,
                   Value last, Value &inside) {
  Value at = subIndex(b, index, lo);
  switch (mode) {
  case graph::PadMode::constant: {
    Value low = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, zero);
    Value high = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, at, last);
    Value here = arith::AndIOp::create(b, low, high);
    inside = inside ? Value(arith::AndIOp::create(b, inside, here)) : here;
    break;
  }
  case graph::PadMode::reflect: {
    Value mirrored = maxIndex(b, at, subIndex(b, zero, at));
    Value beyond = subIndex(b, addIndex(b, last, last), mirrored);
    at = minIndex(b, mirrored, beyond);
    break;
  }
  case graph::PadMode::edge: break;
  case graph::PadMode::wrap: {
    Value extent = addIndex(b, last, arith::ConstantIndexOp::create(b, 1));
    Value low = arith::SelectOp::create(b, isBelow(b, at, zero), addIndex(b, at, extent), at);
    at = arith::SelectOp::create(b, isBelow(b, last, low), subIndex(b, low, extent), low);
    break;
  }
  }
  return clampIndex(b, at, zero, last);
}

static Tensors lowerPad(graph::PadOp op, KernelEmitter &emitter) {
  SmallVector<Value> los, lasts;
  ArrayRef<DimAttr> dims = dimsOf(op.getX());
  auto isPadded = [&](size_t d) {
    return op.getLo()[d].getConstant() != 0 || op.getHi()[d].getConstant() != 0;
  };
  for (size_t d = 0; d < dims.size(); ++d) {
    los.push_back(isPadded(d) ? emitter.extent(op.getLo()[d]) : Value());
    lasts.push_back(isPadded(d) ? emitter.extent(DimExpr(dims[d]) - 1) : Value());
  }
  Value zero = emitter.constantIndex(0);
  Value source = emitter.lookup(op.getX());
  Value filler = op.getValue() ? emitter.lookup(op.getValue()) : Value();
  graph::TensorType type = graph::getTensorType(op.getResult());
  return SmallVector<Value>{emitter.mapIndexed(
      "pad", type.getDims(), kernelElement(op.getX()), [&](BodyBuilder &b, ValueRange i) {
        SmallVector<Value> at(i);
        Value inside;
        for (size_t d = 0; d < at.size(); ++d)
          if (isPadded(d))
            at[d] = unpad(b, op.getMode(), i[d], los[d], zero, lasts[d], inside);
        Value element = extract(b, source, at);
        if (!inside)
          return element;
        return Value(arith::SelectOp::create(b, inside, element, extract(b, filler, {})));
      })};
}

static Tensors lowerGather(graph::GatherOp op, KernelEmitter &emitter) {
  int64_t axis = op.getAxis(), rank = graph::getTensorType(op.getIndices()).rank();
  DimAttr extentDim = dimsOf(op.getX())[axis];
  Value extent = emitter.extent(extentDim), last = emitter.extent(DimExpr(extentDim) - 1);
  Value zero = emitter.constantIndex(0);
  Value source = emitter.lookup(op.getX()), indices = emitter.lookup(op.getIndices());
  bool isUnsigned = graph::getTensorType(op.getIndices()).getElementType().isUnsignedInteger();
  graph::TensorType type = graph::getTensorType(op.getResult());
  return SmallVector<Value>{emitter.mapIndexed(
      "gather", type.getDims(), kernelElement(op.getX()), [&](BodyBuilder &b, ValueRange i) {
        Value number = extract(b, indices, i.slice(axis, rank));
        Value index = isUnsigned ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), number))
                                 : Value(arith::IndexCastOp::create(b, b.getIndexType(), number));
        Value wrapped =
            arith::SelectOp::create(b, isBelow(b, index, zero), addIndex(b, index, extent), index);
        SmallVector<Value> at(i.take_front(axis));
        at.push_back(clampIndex(b, wrapped, zero, last));
        llvm::append_range(at, i.drop_front(axis + rank));
        return extract(b, source, at);
      })};
}

namespace {
/// Dimensions of both sides of a reshape that hold the same elements in the same order.
struct ReshapedDims {
  unsigned fromBegin, fromEnd, toBegin, toEnd;
};
} // namespace

static DimExpr product(ArrayRef<DimAttr> dims) {
  DimExpr result = dims.front();
  for (DimAttr dim : dims.drop_front())
    result = result * dim;
  return result;
}

/// The shortest runs of dimensions with equal products.
static SmallVector<ReshapedDims> matchDims(ArrayRef<DimAttr> from, ArrayRef<DimAttr> to) {
  SmallVector<ReshapedDims> runs;
  unsigned f = 0, t = 0;
  auto findRun = [&]() -> std::optional<ReshapedDims> {
    for (unsigned fromEnd = f + 1; fromEnd <= from.size(); ++fromEnd)
      for (unsigned toEnd = t + 1; toEnd <= to.size(); ++toEnd)
        if (product(from.slice(f, fromEnd - f)) == product(to.slice(t, toEnd - t)))
          return ReshapedDims{f, fromEnd, t, toEnd};
    return std::nullopt;
  };
  while (std::optional<ReshapedDims> run = findRun()) {
    runs.push_back(*run);
    f = run->fromEnd;
    t = run->toEnd;
  }
  if (f < from.size() || t < to.size())
    runs.push_back({f, unsigned(from.size()), t, unsigned(to.size())});
  return runs;
}

/// Row-major position of the result's element in a run of dimensions, taken apart by the operand's
/// extents.
static Tensors lowerReshape(graph::ReshapeOp op, KernelEmitter &emitter) {
  ArrayRef<DimAttr> from = dimsOf(op.getX()), to = op.getType().getDims();
  SmallVector<Value> fromExtents, toExtents;
  for (DimAttr dim : from)
    fromExtents.push_back(emitter.extent(dim));
  for (DimAttr dim : to)
    toExtents.push_back(emitter.extent(dim));
  Value source = emitter.lookup(op.getX());
  SmallVector<ReshapedDims> runs = matchDims(from, to);
  return SmallVector<Value>{emitter.mapIndexed(
      "reshape", to, kernelElement(op.getX()), [&](BodyBuilder &b, ValueRange i) {
        SmallVector<Value> at(from.size());
        for (ReshapedDims run : runs) {
          Value position;
          for (unsigned d = run.toBegin; d < run.toEnd; ++d)
            position = position ? addIndex(b, mulIndex(b, position, toExtents[d]), i[d]) : i[d];
          if (!position)
            position = arith::ConstantIndexOp::create(b, 0);
          for (unsigned d = run.fromEnd; d-- > run.fromBegin;) {
            bool isOuter = d == run.fromBegin;
            at[d] = isOuter ? position : Value(arith::RemUIOp::create(b, position, fromExtents[d]));
            if (!isOuter)
              position = arith::DivUIOp::create(b, position, fromExtents[d]);
          }
        }
        return extract(b, source, at);
      })};
}

//===----------------------------------------------------------------------===//
// Attaching
//===----------------------------------------------------------------------===//

void tessera::lower::attachMovement(MLIRContext &context) {
  using namespace graph;
  graph::BroadcastOp::attachInterface<Model<graph::BroadcastOp, FusionClass::Map, lowerBroadcast>>(
      context);
  graph::TransposeOp::attachInterface<Model<graph::TransposeOp, FusionClass::Map, lowerTranspose>>(
      context);
  graph::IotaOp::attachInterface<Model<IotaOp, FusionClass::Map, lowerIota>>(context);
  DimValueOp::attachInterface<Model<DimValueOp, FusionClass::Map, lowerDimValue>>(context);
  ShapeOfOp::attachInterface<Model<ShapeOfOp, FusionClass::Map, lowerShapeOf>>(context);
  graph::ConstantOp::attachInterface<Model<graph::ConstantOp, FusionClass::Map, lowerConstant>>(
      context);
  SliceOp::attachInterface<Model<SliceOp, FusionClass::Map, lowerSlice>>(context);
  ReverseOp::attachInterface<Model<ReverseOp, FusionClass::Map, lowerReverse>>(context);
  graph::ConcatOp::attachInterface<Model<graph::ConcatOp, FusionClass::Map, lowerConcat>>(context);
  graph::PadOp::attachInterface<Model<graph::PadOp, FusionClass::Map, lowerPad>>(context);
  graph::GatherOp::attachInterface<Model<graph::GatherOp, FusionClass::Map, lowerGather>>(context);
  graph::ReshapeOp::attachInterface<Model<graph::ReshapeOp, FusionClass::Map, lowerReshape>>(
      context);
}
