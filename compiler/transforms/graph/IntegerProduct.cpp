//===- IntegerProduct.cpp - Products of integers with zero points ---------------------------===//
#include "compiler/transforms/graph/IntegerProduct.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;
using graph::GraphBuilder;

static Type getSi32(MLIRContext *context) {
  return IntegerType::get(context, 32, IntegerType::Signed);
}

static bool hasBits(Value value, unsigned bits) {
  auto type = llvm::dyn_cast<IntegerType>(graph::getTensorType(value).getElementType());
  return type && type.getWidth() == bits;
}

static bool isZero(Value value) {
  auto splat = llvm::dyn_cast_or_null<IntegerAttr>(graph::getSplat(value));
  return splat && splat.getValue().isZero();
}

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

static std::optional<QuantizedFactor> matchDequantized(graph::DequantizeOp op) {
  auto isF32 = [](Value value) { return graph::getTensorType(value).getElementType().isF32(); };
  if (!hasBits(op.getX(), 8) || op.getBlock() || !isF32(op.getScale()) || !isF32(op.getResult()))
    return std::nullopt;
  QuantizedFactor factor{op.getX(), op.getZeroPoint(), op.getScale(), op.getAxis()};
  if (factor.zero && isZero(factor.zero))
    factor.zero = {};
  return factor;
}

/// convert(x), or convert(x) - broadcast(convert(zero)).
static std::optional<QuantizedFactor> matchCentred(Value value) {
  if (!hasBits(value, 32))
    return std::nullopt;
  QuantizedFactor factor;
  if (auto sub = value.getDefiningOp<graph::SubOp>()) {
    auto broadcast = sub.getY().getDefiningOp<graph::BroadcastOp>();
    Value zero = broadcast ? broadcast.getX() : Value();
    auto converted = zero ? zero.getDefiningOp<graph::ConvertOp>() : graph::ConvertOp();
    if (!converted || graph::getTensorType(zero).rank() > 1)
      return std::nullopt;
    factor.zero = converted.getX();
    if (graph::getTensorType(zero).rank() == 1)
      factor.axis = broadcast.getDims().front();
    value = sub.getX();
  }
  auto convert = value.getDefiningOp<graph::ConvertOp>();
  if (!convert || !hasBits(convert.getX(), 8))
    return std::nullopt;
  factor.x = convert.getX();
  if (!factor.zero)
    return factor;
  graph::TensorType zeroType = graph::getTensorType(factor.zero);
  graph::TensorType type = graph::getTensorType(factor.x);
  if (zeroType.getElementType() != type.getElementType() ||
      (factor.axis && zeroType.getDim(0) != type.getDim(*factor.axis)))
    return std::nullopt;
  if (isZero(factor.zero))
    factor.zero = {};
  return factor;
}

std::optional<QuantizedFactor> transforms::matchFactor(Value value) {
  if (auto dequantize = value.getDefiningOp<graph::DequantizeOp>())
    return matchDequantized(dequantize);
  return matchCentred(value);
}

int64_t transforms::getLargest(const QuantizedFactor &factor) {
  Type element = graph::getTensorType(factor.x).getElementType();
  return factor.zero || !element.isSignedInteger() ? 255 : 128;
}

//===----------------------------------------------------------------------===//
// Terms that are added
//===----------------------------------------------------------------------===//

static Value negate(GraphBuilder &b, Value x) { return b.sub(b.fillLike(x, 0), x); }

/// zero * sum at the dims of the result: each varies along the dims of the result that are listed.
static Value multiplyAt(GraphBuilder &b, ArrayRef<DimAttr> dims, Value zero,
                        ArrayRef<int64_t> zeroDims, Value sum, ArrayRef<int64_t> sumDims) {
  zero = b.convert(zero, getSi32(zero.getContext()));
  // Together before they are spread, where that is possible: a vector instead of a matrix.
  if (zeroDims.empty() || zeroDims == sumDims)
    return b.broadcast(
        b.mul(sum,
              b.broadcast(zero,
                          zeroDims.empty() ? ArrayRef<int64_t>()
                                           : llvm::to_vector(llvm::seq<int64_t>(0, sumDims.size())),
                          graph::getTensorType(sum).getDims())),
        sumDims, dims);
  return b.mul(b.broadcast(sum, sumDims, dims), b.broadcast(zero, zeroDims, dims));
}

/// sum - count * zero, where zero is a scalar or has the dim `place` of the sum.
static Value lessZeros(GraphBuilder &b, Value sum, const QuantizedFactor &factor, DimExpr count,
                       std::optional<int64_t> place) {
  if (!factor.zero)
    return sum;
  Type si32 = getSi32(sum.getContext());
  Value zero = b.convert(factor.zero, si32);
  Value number;
  if (std::optional<int64_t> constant = count.get().getConstant())
    number = b.fillLike(zero, double(*constant));
  else
    number = b.broadcast(b.convert(b.create<graph::DimValueOp>(count.get()), si32), {},
                         graph::getTensorType(zero).getDims());
  Value zeros = b.mul(zero, number);
  SmallVector<int64_t> dims;
  if (place)
    dims.push_back(*place);
  return b.sub(sum, b.broadcast(zeros, dims, graph::getTensorType(sum).getDims()));
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

static std::string lettersBoth(graph::ContractOp op) {
  std::string letters;
  for (char letter : op.getLhsLetters())
    if (op.getResultLetters().find(letter) == StringRef::npos)
      letters += letter;
  return letters;
}

DimExpr transforms::getSummedExtent(graph::ContractOp op) {
  DimExpr count = DimExpr::constant(op.getContext(), 1);
  for (char letter : lettersBoth(op))
    count =
        count * DimExpr(graph::getTensorType(op.getLhs()).getDim(op.getLhsLetters().find(letter)));
  return count;
}

std::optional<int64_t> transforms::getResultDim(graph::ContractOp op, bool isLeft, int64_t axis) {
  char letter = (isLeft ? op.getLhsLetters() : op.getRhsLetters())[axis];
  size_t place = op.getResultLetters().find(letter);
  return place == StringRef::npos ? std::nullopt : std::optional<int64_t>(place);
}

Value transforms::buildIntegerProduct(GraphBuilder &b, graph::ContractOp op,
                                      const QuantizedFactor &x, const QuantizedFactor &w) {
  StringRef letters[] = {op.getLhsLetters(), op.getRhsLetters()};
  StringRef result = op.getResultLetters();
  std::string summed = lettersBoth(op);
  for (char letter : (letters[0] + letters[1]).str())
    if (result.find(letter) == StringRef::npos &&
        (letters[0].find(letter) == StringRef::npos || letters[1].find(letter) == StringRef::npos))
      return {}; // Summed in one operand only.
  const QuantizedFactor *factors[] = {&x, &w};
  for (int i = 0; i < 2; ++i)
    if (factors[i]->axis && !getResultDim(op, i == 0, *factors[i]->axis))
      return {};
  Type si32 = getSi32(op.getContext());
  ArrayRef<DimAttr> dims = graph::getTensorType(op.getResult()).getDims();
  Value product = b.create<graph::ContractOp>(graph::TensorType::get(dims, si32), op.getEquation(),
                                              x.x, w.x, TypeAttr::get(si32));
  // Sums of one side, along the letters that are summed.
  auto sumOf = [&](int side, SmallVector<int64_t> &places, std::optional<int64_t> &axis) {
    graph::TensorType type = graph::getTensorType(factors[side]->x);
    SmallVector<DimAttr> summedDims;
    for (char letter : summed)
      summedDims.push_back(type.getDim(letters[side].find(letter)));
    std::string kept;
    SmallVector<DimAttr> keptDims;
    for (auto [i, letter] : llvm::enumerate(letters[side]))
      if (result.find(letter) != StringRef::npos) {
        if (factors[side]->axis == int64_t(i))
          axis = kept.size();
        kept += letter;
        keptDims.push_back(type.getDim(i));
        places.push_back(result.find(letter));
      }
    Value ones = b.fill(type.withDims(summedDims), 1);
    return b.create<graph::ContractOp>(graph::TensorType::get(keptDims, si32),
                                       (letters[side] + "," + summed + "->" + kept).str(),
                                       factors[side]->x, ones, TypeAttr::get(si32));
  };
  auto placesOf = [&](int side) {
    SmallVector<int64_t> places;
    if (factors[side]->axis)
      places.push_back(*getResultDim(op, side == 0, *factors[side]->axis));
    return places;
  };
  if (x.zero) {
    SmallVector<int64_t> places;
    std::optional<int64_t> axis;
    Value sum = sumOf(1, places, axis);
    sum = lessZeros(b, sum, w, getSummedExtent(op), axis);
    product = b.add(
        product, multiplyAt(b, dims, negate(b, b.convert(x.zero, si32)), placesOf(0), sum, places));
  }
  if (w.zero) {
    SmallVector<int64_t> places;
    std::optional<int64_t> axis;
    Value sum = sumOf(0, places, axis);
    product = b.add(
        product, multiplyAt(b, dims, negate(b, b.convert(w.zero, si32)), placesOf(1), sum, places));
  }
  return product;
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

DimExpr transforms::getSummedExtent(graph::ConvOp op) {
  int64_t output = op.getConvLayout().weightOutput;
  DimExpr count = DimExpr::constant(op.getContext(), 1);
  for (auto [i, dim] : llvm::enumerate(graph::getTensorType(op.getWeight()).getDims()))
    if (int64_t(i) != output)
      count = count * DimExpr(dim);
  return count;
}

std::optional<int64_t> transforms::getResultDim(graph::ConvOp op, bool isLeft, int64_t axis) {
  graph::ConvLayout layout = op.getConvLayout();
  if (isLeft || axis != layout.weightOutput)
    return std::nullopt;
  return layout.resultChannel;
}

/// x - zero in f32.
static Value centreInF32(GraphBuilder &b, const QuantizedFactor &factor) {
  Type f32 = b.getBuilder().getF32Type();
  Value x = b.convert(factor.x, f32);
  if (!factor.zero)
    return x;
  SmallVector<int64_t> dims;
  if (factor.axis)
    dims.push_back(*factor.axis);
  return b.sub(x,
               b.broadcast(b.convert(factor.zero, f32), dims, graph::getTensorType(x).getDims()));
}

bool transforms::hasFewChannels(graph::ConvOp op) {
  constexpr int64_t kMostChannels = 7;
  DimAttr channels = graph::getTensorType(op.getWeight()).getDim(op.getConvLayout().weightInput);
  std::optional<int64_t> count = channels.getConstant();
  return count && *count != 1 && *count <= kMostChannels && *count % 2 != 0;
}

Value transforms::buildExactFloatProduct(GraphBuilder &b, graph::ConvOp op,
                                         const QuantizedFactor &x, const QuantizedFactor &w,
                                         int64_t largestSum) {
  constexpr int64_t kExact = 1 << 24;
  if (largestSum > kExact || !hasFewChannels(op))
    return {};
  auto conv = llvm::cast<graph::ConvOp>(b.getBuilder().clone(*op));
  conv.getXMutable().assign(centreInF32(b, x));
  conv.getWeightMutable().assign(centreInF32(b, w));
  conv->moveAfter(conv.getWeight().getDefiningOp());
  return conv.getResult();
}

/// The same convolution of other operands, with sums in si32.
static graph::ConvOp convolve(GraphBuilder &b, graph::ConvOp op, Value x, Value weight,
                              DimAttr channels, bool isPadded) {
  auto conv = llvm::cast<graph::ConvOp>(b.getBuilder().clone(*op));
  Type si32 = getSi32(op.getContext());
  conv.getXMutable().assign(x);
  conv.getWeightMutable().assign(weight);
  conv.setAccAttr(TypeAttr::get(si32));
  SmallVector<DimAttr> dims(graph::getTensorType(op.getResult()).getDims());
  dims[op.getConvLayout().resultChannel] = channels;
  conv.getResult().setType(graph::TensorType::get(dims, si32));
  if (isPadded) {
    SmallVector<int64_t> none(op.getStrides().size(), 0);
    conv.setLoAttr(graph::DimArrayAttr::get(op.getContext(), ArrayRef<int64_t>(none)));
    conv.setHiAttr(graph::DimArrayAttr::get(op.getContext(), ArrayRef<int64_t>(none)));
  }
  return conv;
}

Value transforms::buildIntegerProduct(GraphBuilder &b, graph::ConvOp op, const QuantizedFactor &x,
                                      const QuantizedFactor &w) {
  MLIRContext *context = op.getContext();
  graph::ConvLayout layout = op.getConvLayout();
  graph::TensorType weight = graph::getTensorType(w.x);
  ArrayRef<DimAttr> dims = graph::getTensorType(op.getResult()).getDims();
  DimAttr outputs = weight.getDim(layout.weightOutput);
  DimAttr groups = graph::getDim(context, op.getGroups());
  if (x.axis || (w.axis && *w.axis != layout.weightOutput))
    return {};
  if (w.zero && op.getGroups() != 1 && outputs != groups)
    return {};
  Type si32 = getSi32(context);
  // What lies outside of x is 0: the zero point.
  Value input = x.x;
  if (x.zero) {
    SmallVector<DimAttr> lo(dims.size(), graph::getDim(context, 0)), hi(lo);
    for (auto [i, dim] : llvm::enumerate(layout.xSpatial)) {
      lo[dim] = op.getLo()[i];
      hi[dim] = op.getHi()[i];
    }
    input = b.create<graph::PadOp>(graph::PadMode::constant, input, x.zero,
                                   graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                   graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  }
  bool isPadded = bool(x.zero);
  Value product = convolve(b, op, input, w.x, outputs, isPadded).getResult();
  std::optional<int64_t> zeroPlace;
  if (w.axis)
    zeroPlace = 0;
  if (x.zero) {
    std::string letters, summed;
    SmallVector<DimAttr> summedDims;
    for (int64_t i = 0; i < weight.rank(); ++i) {
      letters += char('a' + i);
      if (i == layout.weightOutput)
        continue;
      summed += letters.back();
      summedDims.push_back(weight.getDim(i));
    }
    std::string equation = letters + "," + summed + "->" + letters[layout.weightOutput];
    Value sum =
        b.create<graph::ContractOp>(graph::TensorType::get({outputs}, si32), equation, w.x,
                                    b.fill(weight.withDims(summedDims), 1), TypeAttr::get(si32));
    sum = lessZeros(b, sum, w, getSummedExtent(op), zeroPlace);
    product = b.add(product, multiplyAt(b, dims, negate(b, b.convert(x.zero, si32)), {}, sum,
                                        {layout.resultChannel}));
  }
  if (w.zero) {
    SmallVector<DimAttr> onesDims(weight.getDims());
    onesDims[layout.weightOutput] = groups;
    Value sum =
        convolve(b, op, input, b.fill(weight.withDims(onesDims), 1), groups, isPadded).getResult();
    SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, dims.size())), place;
    if (w.axis)
      place.push_back(layout.resultChannel);
    Value zero = negate(b, b.convert(w.zero, si32));
    product = b.add(product, b.mul(b.broadcast(sum, all, dims), b.broadcast(zero, place, dims)));
  }
  return product;
}
