//===- OpsQuantize.cpp - Quantized operators as compositions
//------------------------------------===//

#include "frontends/onnx/DynamicRange.h"
#include "frontends/onnx/Importer.h"

#include "dialects/common/NarrowElements.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static Type si(Node &node, unsigned width) {
  return IntegerType::get(node.getBuilder().getContext(), width, IntegerType::Signed);
}

/// How scale and zero point apply: attributes of graph.quantize, and the operands in its forms.
namespace {
struct Granularity {
  Value scale, zero;
  IntegerAttr axis, block;
};
} // namespace

/// A tensor of one element counts as a scalar whatever its rank.
static Value asScalar(Node &node, Value value) {
  bool isOne = value && llvm::all_of(graph::getTensorType(value).getDims(),
                                     [](DimAttr dim) { return dim.getConstant() == 1; });
  return isOne ? node.reshape(value, {}) : value;
}

static LogicalResult readGranularity(Node &node, Granularity &result) {
  Builder &b = node.getBuilder();
  int64_t rank = node.type(0).rank(), block = node.getInt("block_size", 0);
  if (!node.input(1))
    return node.error("has no scale");
  if (block < 0)
    return node.error("has a block_size of " + Twine(block));
  result.scale = block ? node.input(1) : asScalar(node, node.input(1));
  result.zero = block ? node.input(2) : asScalar(node, node.input(2));
  int64_t scaleRank = graph::getTensorType(result.scale).rank();
  if (scaleRank == 0)
    return success();
  int64_t axis = node.getInt("axis", 1);
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  if (scaleRank != (block ? rank : 1))
    return node.error("has a scale of rank " + Twine(scaleRank) +
                      (block ? "" : " and no block_size"));
  // Extents that cannot be compared are taken to be equal.
  DimList dims{node.type(0).getDim(axis)};
  if (block) {
    dims.assign(node.type(0).getDims().begin(), node.type(0).getDims().end());
    dims[axis] = node.known(DimExpr(dims[axis]).ceilDiv(block));
    result.block = b.getI64IntegerAttr(block);
  }
  result.axis = b.getI64IntegerAttr(axis);
  result.scale = node.reshape(result.scale, dims);
  if (result.zero)
    result.zero = node.reshape(result.zero, dims);
  return success();
}

static bool isQuantized(Type element) {
  if (auto real = llvm::dyn_cast<FloatType>(element))
    return isNarrow(real) && llvm::APFloat::semanticsHasSignedRepr(real.getFloatSemantics());
  return isInteger(element) && element.getIntOrFloatBitWidth() <= 32;
}

static LogicalResult importQuantizeLinear(Node &node) {
  Granularity how;
  if (failed(readGranularity(node, how)))
    return failure();
  MLIRContext *context = node.getBuilder().getContext();
  Type element = how.zero ? graph::getTensorType(how.zero).getElementType()
                          : getElementType(context, node.getInt("output_dtype", 0)
                                                        ? node.getInt("output_dtype", 0)
                                                        : ::onnx::TensorProto::UINT8);
  if (!element || !isQuantized(element))
    return node.error("quantizes to a type other than integers of at most 32 bits and floats of at "
                      "most 8");
  if (int64_t precision = node.getInt("precision", 0);
      precision && precision != ::onnx::TensorProto::FLOAT)
    return node.error("asks for a precision other than f32, in which quotients are computed");
  Value x = node.input(0);
  Type f32 = node.getBuilder().getF32Type();
  if (!isFloat(node.type(0).getElementType()))
    x = node.convert(x, f32);
  if (!isFloat(graph::getTensorType(how.scale).getElementType()))
    how.scale = node.convert(how.scale, f32);
  bool isUnbounded = isFloat(element) && !node.getInt("saturate", 1);
  node.setOutput(node.create<graph::QuantizeOp>(graph::getTensorType(x).withElementType(element), x,
                                                how.scale, how.zero, how.axis, how.block,
                                                isUnbounded));
  return success();
}

static LogicalResult importDequantizeLinear(Node &node) {
  Granularity how;
  if (failed(readGranularity(node, how)))
    return failure();
  Type element = graph::getTensorType(how.scale).getElementType();
  if (int64_t wanted = node.getInt("output_dtype", 0))
    element = getElementType(node.getBuilder().getContext(), wanted);
  if (!element || !isFloat(element) || !isQuantized(node.type(0).getElementType()))
    return node.error("dequantizes other types than integers of at most 32 bits and floats of at "
                      "most 8 to floats");
  node.setOutput(node.create<graph::DequantizeOp>(node.type(0).withElementType(element),
                                                  node.input(0), how.scale, how.zero, how.axis,
                                                  how.block));
  return success();
}

DynamicRange tessera::onnx::quantizeByRange(graph::GraphBuilder &b, Value x, bool isByRow) {
  graph::TensorType type = graph::getTensorType(x);
  Type ui8 = IntegerType::get(x.getContext(), 8, IntegerType::Unsigned);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(isByRow ? 1 : 0, type.rank()));
  Value high = b.max(b.reduce(graph::ReduceKind::max, x, axes), 0);
  Value low = b.min(b.reduce(graph::ReduceKind::min, x, axes), 0);
  Value range = b.sub(high, low);
  range = b.div(range, b.fillLike(range, 255));
  // Nothing but zeros: any scale will do.
  Value zero = b.fillLike(range, 0), one = b.fillLike(range, 1);
  Value scale =
      b.create<graph::SelectOp>(b.compare(graph::CompareKind::eq, range, zero), one, range);
  Value start = b.div(b.sub(zero, low), scale);
  Value zeroPoint = b.convert(b.create<graph::RoundOp>(b.min(b.max(start, 0), 255)), ui8);
  IntegerAttr axis = isByRow ? b.getBuilder().getI64IntegerAttr(0) : IntegerAttr();
  Value quantized = b.create<graph::QuantizeOp>(type.withElementType(ui8), x, scale, zeroPoint,
                                                axis, IntegerAttr());
  return {quantized, scale, zeroPoint};
}

static LogicalResult importDynamicQuantizeLinear(Node &node) {
  DynamicRange x = quantizeByRange(node, node.input(0));
  node.setOutput(x.quantized);
  node.setOutput(x.scale);
  node.setOutput(x.zero);
  return success();
}

/// x - zero in si32: `zero` is one number, or one for each index along `axis`.
static LogicalResult centre(Node &node, Value &x, Value zero, int64_t axis) {
  x = node.convert(x, si(node, 32));
  if (!zero)
    return success();
  zero = node.convert(asScalar(node, zero), si(node, 32));
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
  graph::TensorType type = graph::getTensorType(zero);
  if (type.rank() == 0) {
    x = node.sub(x, node.broadcast(zero, {}, dims));
  } else if (type.rank() == 1 && axis < int64_t(dims.size())) {
    x = node.sub(x, node.broadcast(node.reshape(zero, {dims[axis]}), {axis}, dims));
  } else if (type.rank() <= int64_t(dims.size())) {
    x = node.sub(x, node.broadcastTo(zero, dims));
  } else {
    return node.error("has a zero point of rank " + Twine(type.rank()));
  }
  return success();
}

static FailureOr<Value> multiplyIntegers(Node &node, Value a, Value aZero, Value b, Value bZero) {
  int64_t aRank = graph::getTensorType(a).rank(), bRank = graph::getTensorType(b).rank();
  if (!aRank || !bRank)
    return node.error("needs operands of rank 1 at least");
  // Zero points per row of the left side, per column of the right one.
  if (failed(centre(node, a, aZero, std::max<int64_t>(aRank - 2, 0))) ||
      failed(centre(node, b, bZero, bRank - 1)))
    return failure();
  return importAs(node, "MatMul", {a, b});
}

static LogicalResult importMatMulInteger(Node &node) {
  if (!node.input(1))
    return node.error("needs two operands");
  FailureOr<Value> product =
      multiplyIntegers(node, node.input(0), node.input(2), node.input(1), node.input(3));
  if (failed(product))
    return failure();
  node.setOutput(*product);
  return success();
}

static LogicalResult importConvInteger(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  Value x = node.input(0), weight = node.input(1);
  if (failed(centre(node, x, node.input(2), 1)) || failed(centre(node, weight, node.input(3), 0)))
    return failure();
  FailureOr<Value> result = importAs(node, "Conv", {x, weight});
  if (failed(result))
    return failure();
  node.setOutput(*result);
  return success();
}

/// Sums in si32 to the scale and zero point of the result. `axis`: of the result, along which the
/// scale of the right side may differ.
static LogicalResult requantize(Node &node, Value sums, Value aScale, Value bScale, int64_t axis,
                                Value scale, Value zero) {
  Type f32 = node.getBuilder().getF32Type();
  graph::TensorType type = graph::getTensorType(sums).withElementType(f32);
  auto spread = [&](Value value, int64_t along) {
    value = node.convert(asScalar(node, value), f32);
    if (graph::getTensorType(value).rank() == 0)
      return node.broadcast(value, {}, type.getDims());
    if (graph::getTensorType(value).rank() == 1 && along < type.rank())
      return node.broadcast(node.reshape(value, {type.getDim(along)}), {along}, type.getDims());
    return node.broadcastTo(value, type.getDims());
  };
  Value factor = node.mul(spread(aScale, std::max<int64_t>(axis - 1, 0)), spread(bScale, axis));
  factor = node.div(factor, spread(scale, axis));
  Value x = node.mul(node.convert(sums, f32), factor);
  zero = asScalar(node, zero);
  if (graph::getTensorType(zero).rank() != 0)
    return node.error("has a zero point of the result that is no scalar");
  node.setOutput(node.create<graph::QuantizeOp>(
      type.withElementType(graph::getTensorType(zero).getElementType()), x, node.scalar(f32, 1),
      zero, IntegerAttr(), IntegerAttr()));
  return success();
}

static LogicalResult importQLinearMatMul(Node &node) {
  if (failed(node.needInputs(8)))
    return failure();
  FailureOr<Value> sums =
      multiplyIntegers(node, node.input(0), node.input(2), node.input(3), node.input(5));
  if (failed(sums))
    return failure();
  int64_t last = graph::getTensorType(*sums).rank() - 1;
  return requantize(node, *sums, node.input(1), node.input(4), std::max<int64_t>(last, 0),
                    node.input(6), node.input(7));
}

static LogicalResult importQLinearConv(Node &node) {
  if (failed(node.needInputs(8)))
    return failure();
  Value x = node.input(0), weight = node.input(3);
  if (failed(centre(node, x, node.input(2), 1)) || failed(centre(node, weight, node.input(5), 0)))
    return failure();
  FailureOr<Value> sums = importAs(node, "Conv", {x, weight, node.input(8)});
  if (failed(sums))
    return failure();
  return requantize(node, *sums, node.input(1), node.input(4), 1, node.input(6), node.input(7));
}

ArrayRef<Operator> tessera::onnx::quantizeOperators() {
  static const Operator table[] = {
      {"ConvInteger", 10, importConvInteger},
      {"DequantizeLinear", 10, importDequantizeLinear},
      {"DynamicQuantizeLinear", 11, importDynamicQuantizeLinear},
      {"MatMulInteger", 10, importMatMulInteger},
      {"QLinearConv", 10, importQLinearConv},
      {"QLinearMatMul", 10, importQLinearMatMul},
      {"QuantizeLinear", 10, importQuantizeLinear},
  };
  return table;
}
