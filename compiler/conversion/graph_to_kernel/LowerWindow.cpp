//===- LowerWindow.cpp - Transposed convolution and resizing ----------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

static ArrayRef<DimAttr> dimsOf(Value graphValue) {
  return graph::getTensorType(graphValue).getDims();
}
static Type elementOf(Value graphValue) {
  return graph::getTensorType(graphValue).getElementType();
}

static Value index(BodyBuilder &b, int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}
static Value clamp(BodyBuilder &b, Value at, Value last) {
  return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, at, last), index(b, 0));
}

//===----------------------------------------------------------------------===//
// conv_transpose
//===----------------------------------------------------------------------===//

namespace {
/// The position in x that a result's element and a window's element meet at, and whether there is
/// one.
struct Meeting {
  Value at, exists;
};
} // namespace

/// y + lo - k * dilation must be a multiple of the stride, inside x.
static Meeting meet(BodyBuilder &b, Value y, Value k, Value lo, Value last, int64_t stride,
                    int64_t dilation) {
  Value shifted = arith::SubIOp::create(b, arith::AddIOp::create(b, y, lo),
                                        arith::MulIOp::create(b, k, index(b, dilation)));
  Value zero = index(b, 0);
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, shifted, zero);
  Value at = shifted;
  if (stride != 1) {
    Value whole = arith::MaxSIOp::create(b, shifted, zero);
    at = arith::DivSIOp::create(b, whole, index(b, stride));
    Value rest = arith::RemSIOp::create(b, whole, index(b, stride));
    exists = arith::AndIOp::create(b, exists,
                                   arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, zero));
  }
  exists = arith::AndIOp::create(b, exists,
                                 arith::CmpIOp::create(b, arith::CmpIPredicate::sle, at, last));
  return {clamp(b, at, last), exists};
}

static Tensors lowerConvTranspose(graph::ConvTransposeOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  graph::ConvLayout layout = op.getConvLayout();
  size_t spatial = layout.spatialRank(), rank = spatial + 2;
  int64_t groups = op.getGroups();
  DimAttr channels = dimsOf(op.getX())[layout.xChannel];
  DimAttr outputs = dimsOf(op.getWeight())[layout.weightOutput];
  SmallVector<Value> lows, lasts;
  for (size_t i = 0; i < spatial; ++i) {
    lows.push_back(emitter.extent(op.getLo()[i]));
    lasts.push_back(emitter.extent(DimExpr(dimsOf(op.getX())[layout.xSpatial[i]]) - 1));
  }
  // Loops: the result's dims, the channels of x in a group, the window.
  auto loop = [&](size_t i) { return builder.getAffineDimExpr(i); };
  unsigned loops = rank + 1 + spatial;
  SmallVector<AffineExpr> weight(rank);
  AffineExpr output = loop(layout.resultChannel), channel = loop(rank);
  DimExpr perGroup = DimExpr(channels).floorDiv(groups);
  // A channel's group is its place divided by a number that may be known in a run only.
  const bool isOpen = groups > 1 && (!channels.isConstant() || !outputs.isConstant());
  const bool isSplit = groups > 1 && !isOpen;
  weight[layout.weightOutput] = isSplit ? output % outputs.getValue() : output;
  AffineExpr group = isSplit ? output.floorDiv(outputs.getValue()) : AffineExpr();
  weight[layout.weightInput] = isSplit ? group * perGroup.get().getValue() + channel : channel;
  for (size_t i = 0; i < spatial; ++i)
    weight[layout.weightSpatial[i]] = loop(rank + 1 + i);
  auto mapOf = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, builder.getContext());
  };
  // The loops' extents: of the channels by an empty tensor when a group has only some of them.
  Value factors = emitter.lookup(op.getWeight());
  SmallVector<KernelEmitter::Read> reads;
  if (isOpen) {
    SmallVector<DimAttr> extents{perGroup.get()};
    SmallVector<AffineExpr> ranges{channel};
    for (size_t i = 0; i < spatial; ++i) {
      extents.push_back(dimsOf(op.getWeight())[layout.weightSpatial[i]]);
      ranges.push_back(loop(rank + 1 + i));
    }
    reads.push_back({emitter.empty(extents, builder.getI1Type()), mapOf(ranges)});
  } else {
    reads.push_back({factors, mapOf(weight)});
    if (isSplit)
      reads.push_back({emitter.empty({perGroup.get()}, builder.getI1Type()), mapOf({channel})});
  }
  // Not 0 where nothing is computed.
  Value divisor, width, lastChannel, lastOutput;
  if (groups > 1) {
    divisor = emitter.extent(DimExpr::max(outputs, graph::getDim(op.getContext(), 1)));
    width = emitter.extent(perGroup);
    lastChannel = emitter.extent(DimExpr(channels) - 1);
    lastOutput = emitter.extent(DimExpr(outputs) - 1);
  }
  Type lhs = elementOf(op.getX()), rhs = elementOf(op.getWeight()), acc = op.getAccumulatorType();
  if (op.getAcc())
    emitter.askForSumsIn(getKernelElementType(acc));
  Value x = emitter.lookup(op.getX());
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  Value init = emitter.fill("acc_init", dims, emitter.number(getKernelElementType(acc), 0));
  Value sum = emitter.reduce(
      "acc", rank, 1 + spatial, reads, init,
      builder.getMultiDimIdentityMap(loops).getMajorSubMap(rank),
      [&](BodyBuilder &b, ValueRange v, ValueRange running) {
        auto here = [&](size_t i) -> Value { return linalg::IndexOp::create(b, i); };
        SmallVector<Value> at(rank);
        at[layout.xBatch] = here(layout.resultBatch);
        at[layout.xChannel] = here(rank);
        Value factor = isOpen ? Value() : v[0];
        if (groups > 1) {
          // Unsigned, so that the generator sees its bounds.
          Value number = arith::DivUIOp::create(b, here(layout.resultChannel), divisor);
          at[layout.xChannel] =
              arith::AddIOp::create(b, arith::MulIOp::create(b, number, width), here(rank));
          if (isOpen) {
            at[layout.xChannel] = clamp(b, at[layout.xChannel], lastChannel);
            SmallVector<Value> place(rank);
            place[layout.weightInput] = at[layout.xChannel];
            Value before = arith::MulIOp::create(b, number, divisor);
            place[layout.weightOutput] =
                clamp(b, arith::SubIOp::create(b, here(layout.resultChannel), before), lastOutput);
            for (size_t i = 0; i < spatial; ++i)
              place[layout.weightSpatial[i]] = here(rank + 1 + i);
            factor = extract(b, factors, place);
          }
        }
        Value exists;
        for (size_t i = 0; i < spatial; ++i) {
          Meeting meeting = meet(b, here(layout.resultSpatial[i]), here(rank + 1 + i), lows[i],
                                 lasts[i], op.getStrides()[i], op.getDilations()[i]);
          at[layout.xSpatial[i]] = meeting.at;
          exists =
              exists ? Value(arith::AndIOp::create(b, exists, meeting.exists)) : meeting.exists;
        }
        Value element = convertScalar(b, extract(b, x, at), lhs, acc);
        factor = convertScalar(b, factor, rhs, acc);
        Value product = isFloat(acc) ? Value(arith::MulFOp::create(b, element, factor))
                                     : Value(arith::MulIOp::create(b, element, factor));
        product = arith::SelectOp::create(b, exists, product,
                                          scalarNumber(b, getKernelElementType(acc), 0));
        Value next = isFloat(acc) ? Value(arith::AddFOp::create(b, running[0], product))
                                  : Value(arith::AddIOp::create(b, running[0], product));
        return SmallVector<Value>{next};
      })[0];
  Type element = elementOf(op.getResult());
  if (acc == element)
    return SmallVector<Value>{sum};
  AffineMap identity = builder.getMultiDimIdentityMap(rank);
  return SmallVector<Value>{emitter.map(
      "rounded", dims, getKernelElementType(element), {{sum, identity}},
      [&](BodyBuilder &b, ValueRange v) { return convertSaturating(b, v[0], acc, element); })};
}

//===----------------------------------------------------------------------===//
// resize
//===----------------------------------------------------------------------===//

namespace {
/// A neighbour along an axis and its weight (f32; null: 1).
struct Tap {
  Value at, weight;
};

/// Builds the taps of one axis of a resize.
class AxisSampler {
public:
  AxisSampler(BodyBuilder &b, graph::ResizeOp op) : b(b), op(op) {}
  SmallVector<Tap> sample(Value y, Value extent, Value last, Value resultExtent,
                          std::optional<double> scale);

private:
  Value real(double value) { return scalarNumber(b, b.getF32Type(), value); }
  Value toReal(Value i) {
    return arith::SIToFPOp::create(b, b.getF32Type(),
                                   arith::IndexCastOp::create(b, b.getI64Type(), i));
  }
  Value toIndex(Value x) {
    return arith::IndexCastOp::create(b, b.getIndexType(),
                                      arith::FPToSIOp::create(b, b.getI64Type(), x));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value coordinate(Value y, Value extent, Value resultExtent, std::optional<double> scale);
  SmallVector<Tap> nearest(Value c, Value last);
  SmallVector<Tap> linear(Value c, Value last);
  SmallVector<Tap> cubic(Value c, Value last);

  BodyBuilder &b;
  graph::ResizeOp op;
};
} // namespace

Value AxisSampler::coordinate(Value y, Value extent, Value resultExtent,
                              std::optional<double> scale) {
  using Mode = graph::CoordinateMode;
  Value x = toReal(y), from = toReal(extent), to = toReal(resultExtent);
  Value s = scale ? real(*scale) : div(to, from);
  Value isOne = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, to, real(1));
  Value half = sub(div(add(x, real(0.5)), s), real(0.5));
  switch (op.getCoordinates()) {
  case Mode::half_pixel: return half;
  case Mode::half_pixel_symmetric: {
    Value adjustment = div(to, mul(s, from));
    return add(mul(mul(from, real(0.5)), sub(real(1), adjustment)), half);
  }
  case Mode::pytorch_half_pixel: return arith::SelectOp::create(b, isOne, real(0), half);
  case Mode::align_corners: {
    Value steps = arith::SelectOp::create(b, isOne, real(1), sub(to, real(1)));
    return arith::SelectOp::create(b, isOne, real(0), div(mul(x, sub(from, real(1))), steps));
  }
  case Mode::asymmetric: return div(x, s);
  }
  return {};
}

SmallVector<Tap> AxisSampler::nearest(Value c, Value last) {
  using Mode = graph::NearestMode;
  Value rounded;
  switch (op.getRounding()) {
  case Mode::round_prefer_floor: rounded = math::CeilOp::create(b, sub(c, real(0.5))); break;
  case Mode::round_prefer_ceil: rounded = math::FloorOp::create(b, add(c, real(0.5))); break;
  case Mode::floor: rounded = math::FloorOp::create(b, c); break;
  case Mode::ceil: rounded = math::CeilOp::create(b, c); break;
  }
  return {{clamp(b, toIndex(rounded), last), Value()}};
}

SmallVector<Tap> AxisSampler::linear(Value c, Value last) {
  Value bounded =
      arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, c, toReal(last)), real(0));
  Value base = math::FloorOp::create(b, bounded);
  Value fraction = sub(bounded, base);
  Value low = clamp(b, toIndex(base), last);
  Value high = clamp(b, arith::AddIOp::create(b, low, index(b, 1)), last);
  return {{low, sub(real(1), fraction)}, {high, fraction}};
}

/// Keys, "Cubic convolution interpolation for digital image processing" (1981), with its a free.
SmallVector<Tap> AxisSampler::cubic(Value c, Value last) {
  Value base = math::FloorOp::create(b, c), t = sub(c, base), first = toIndex(base);
  double a = op.getCubicA().convertToDouble();
  auto near = [&](Value d) { // |d| <= 1
    return add(mul(mul(sub(mul(real(a + 2), d), real(a + 3)), d), d), real(1));
  };
  auto far = [&](Value d) { // 1 < |d| < 2
    return mul(real(a), sub(mul(add(mul(sub(d, real(5)), d), real(8)), d), real(4)));
  };
  Value weights[] = {far(add(t, real(1))), near(t), near(sub(real(1), t)), far(sub(real(2), t))};
  SmallVector<Tap> taps;
  Value total;
  for (int i = 0; i < 4; ++i) {
    Value at = arith::AddIOp::create(b, first, index(b, i - 1));
    if (op.getExcludeOutside()) {
      Value inside = arith::AndIOp::create(
          b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, index(b, 0)),
          arith::CmpIOp::create(b, arith::CmpIPredicate::sle, at, last));
      weights[i] = arith::SelectOp::create(b, inside, weights[i], real(0));
      total = total ? add(total, weights[i]) : weights[i];
    }
    taps.push_back({clamp(b, at, last), weights[i]});
  }
  if (total)
    for (Tap &tap : taps)
      tap.weight = div(tap.weight, total);
  return taps;
}

SmallVector<Tap> AxisSampler::sample(Value y, Value extent, Value last, Value resultExtent,
                                     std::optional<double> scale) {
  Value c = coordinate(y, extent, resultExtent, scale);
  switch (op.getMode()) {
  case graph::ResizeMode::nearest: return nearest(c, last);
  case graph::ResizeMode::linear: return linear(c, last);
  case graph::ResizeMode::cubic: return cubic(c, last);
  }
  return {};
}

/// The whole number by which an axis is stretched where an element of the result is that of its
/// index divided by it: nearest neighbours from the border, rounded down.
static std::optional<int64_t> dividesIndex(graph::ResizeOp op, size_t number) {
  auto scales = op.getScales();
  if (op.getMode() != graph::ResizeMode::nearest || !scales ||
      op.getCoordinates() != graph::CoordinateMode::asymmetric ||
      op.getRounding() != graph::NearestMode::floor)
    return std::nullopt;
  double scale = (*scales)[number];
  auto whole = int64_t(std::clamp(scale, 1.0, 64.0));
  return scale == double(whole) ? std::optional(whole) : std::nullopt;
}

static Tensors lowerResize(graph::ResizeOp op, KernelEmitter &emitter) {
  ArrayRef<DimAttr> from = dimsOf(op.getX()), to = dimsOf(op.getResult());
  SmallVector<Value> extents, lasts, resultExtents;
  for (int64_t axis : op.getAxes()) {
    extents.push_back(emitter.extent(from[axis]));
    lasts.push_back(emitter.extent(DimExpr(from[axis]) - 1));
    resultExtents.push_back(emitter.extent(to[axis]));
  }
  Value source = emitter.lookup(op.getX());
  Type element = elementOf(op.getX()), f32 = emitter.getBuilder().getF32Type();
  bool isNearest = op.getMode() == graph::ResizeMode::nearest;
  return SmallVector<Value>{emitter.mapIndexed(
      "resize", to, getKernelElementType(element), [&](BodyBuilder &b, ValueRange i) {
        SmallVector<SmallVector<Tap>> taps;
        for (auto [k, axis] : llvm::enumerate(op.getAxes())) {
          if (std::optional<int64_t> whole = dividesIndex(op, k)) {
            Value at = arith::DivUIOp::create(b, i[axis], index(b, *whole));
            if (!graph::isKnownLessEqual(to[axis], (DimExpr(from[axis]) * *whole).get()))
              at = arith::MinSIOp::create(b, at, lasts[k]);
            taps.push_back({{at, Value()}});
            continue;
          }
          std::optional<double> scale;
          if (auto scales = op.getScales())
            scale = (*scales)[k];
          taps.push_back(
              AxisSampler(b, op).sample(i[axis], extents[k], lasts[k], resultExtents[k], scale));
        }
        // The product of the axes' neighbours, one axis after the other.
        std::function<Value(size_t, SmallVector<Value> &)> interpolate =
            [&](size_t k, SmallVector<Value> &at) -> Value {
          if (k == taps.size()) {
            Value read = extract(b, source, at);
            return isNearest ? read : convertScalar(b, read, element, f32);
          }
          Value sum;
          for (const Tap &tap : taps[k]) {
            at[op.getAxes()[k]] = tap.at;
            Value value = interpolate(k + 1, at);
            if (tap.weight)
              value = arith::MulFOp::create(b, value, tap.weight);
            sum = sum ? Value(arith::AddFOp::create(b, sum, value)) : value;
          }
          return sum;
        };
        SmallVector<Value> at(i);
        Value result = interpolate(0, at);
        if (isNearest)
          return result;
        if (!isFloat(element))
          result = math::RoundEvenOp::create(b, result);
        return convertScalar(b, result, f32, element);
      })};
}

void tessera::lower::attachSampling(MLIRContext &context) {
  graph::ConvTransposeOp::attachInterface<
      Model<graph::ConvTransposeOp, FusionClass::Contraction, lowerConvTranspose>>(context);
  graph::ResizeOp::attachInterface<Model<graph::ResizeOp, FusionClass::Map, lowerResize>>(context);
}
