//===- Quantization.cpp - Between numbers and their quantized form ----------------------===//

#include "dialects/graph/NarrowFloats.h"
#include "dialects/graph/TextForms.h"

#include <cmath>

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Quantization.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerQuantizationOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Quantization.cpp.inc"
      >();
}

LogicalResult DecodeBlocksOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                               Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  if (type.rank() == 0)
    return emitOptionalError(loc, "(C1) the operand has rank 0");
  StringRef name = llvm::cast<BlockType>(type.getElementType()).getFormat();
  SmallVector<DimAttr> dims(type.getDims());
  DimExpr extent = DimExpr(dims.back()) * findBlockFormat(name)->elements;
  if (!extent)
    return emitOptionalError(loc, "the extent of the last axis overflows 64 bits");
  dims.back() = extent;
  inferred.push_back(TensorType::get(dims, Float32Type::get(context)));
  return success();
}

//===----------------------------------------------------------------------===//
// quantize, dequantize
//===----------------------------------------------------------------------===//

/// Constraints that both share; `quantized` is the integer type.
template <typename OpType> static LogicalResult verifyQuantization(OpType op, Type quantized) {
  unsigned width = quantized.getIntOrFloatBitWidth();
  auto real = llvm::dyn_cast<FloatType>(quantized);
  if (real ? width > 8 || !llvm::APFloat::semanticsHasSignedRepr(real.getFloatSemantics())
           : width > 32)
    return op.emitOpError("(C1) quantized elements are integers of at most 32 bits or floats of at "
                          "most 8 with a sign, not ")
           << quantized;
  TensorType x = getTensorType(op.getX()), scale = getTensorType(op.getScale());
  std::optional<int64_t> axis = op.getAxis(), block = op.getBlock();
  if (axis && (*axis < 0 || *axis >= x.rank()))
    return op.emitOpError("(C4) axis ") << *axis << " is not below the rank, " << x.rank();
  if (block && (!axis || *block <= 0))
    return op.emitOpError("(C4) a block needs an axis and a positive size");
  SmallVector<DimAttr> wanted;
  if (block) {
    wanted.assign(x.getDims().begin(), x.getDims().end());
    wanted[*axis] = DimExpr(wanted[*axis]).ceilDiv(*block);
  } else if (axis) {
    wanted.push_back(x.getDim(*axis));
  }
  if (scale.getDims() != ArrayRef<DimAttr>(wanted))
    return op.emitOpError("(C2) the scale is ") << scale << ", expected " << scale.withDims(wanted);
  if (Value zero = op.getZeroPoint(); zero && zero.getType() != TensorType::get(wanted, quantized))
    return op.emitOpError("(C3) the zero point is ")
           << zero.getType() << ", expected " << TensorType::get(wanted, quantized);
  if (getTensorType(op.getResult()).getDims() != x.getDims())
    return op.emitOpError("(C5) the result has other dims than x");
  return success();
}

LogicalResult QuantizeOp::verify() {
  if (getUnbounded() && isInteger(getTensorType(getResult()).getElementType()))
    return emitOpError("(C6) integers are always saturated");
  return verifyQuantization(*this, getTensorType(getResult()).getElementType());
}
LogicalResult DequantizeOp::verify() {
  return verifyQuantization(*this, getTensorType(getX()).getElementType());
}

/// A scale or zero point at every element of x.
template <typename OpType> static Value spread(GraphBuilder &b, OpType op, Value parameter) {
  ArrayRef<DimAttr> dims = getTensorType(op.getX()).getDims();
  if (!op.getAxis())
    return b.broadcast(parameter, {}, dims);
  int64_t axis = *op.getAxis();
  if (!op.getBlock())
    return b.broadcast(parameter, {axis}, dims);
  // The block of each index: its quotient by the size.
  Type si64 = IntegerType::get(op.getContext(), 64, IntegerType::Signed);
  TensorType line = TensorType::get({dims[axis]}, si64);
  Value index = b.create<IotaOp>(line, 0);
  Value block = b.create<DivOp>(index, b.fill(line, double(*op.getBlock())));
  return b.create<GatherOp>(parameter, block, axis);
}

static Type arithmeticType(Type element) {
  return element.isF64() ? element : Type(Float32Type::get(element.getContext()));
}

/// lowest where `rounded` is below it, or NaN; highest where it is above.
static Value clamp(GraphBuilder &b, Value rounded, double lowest, double highest) {
  auto pick = [&](CompareKind kind, Value x, double limit) -> Value {
    Value bound = b.fillLike(x, limit);
    return b.create<SelectOp>(b.compare(kind, x, bound), x, bound);
  };
  return pick(CompareKind::lt, pick(CompareKind::gt, rounded, lowest), highest);
}

static bool isOne(Value scale) {
  auto splat = llvm::dyn_cast_or_null<FloatAttr>(getSplat(scale));
  return splat && splat.getValueAsDouble() == 1;
}

FailureOr<SmallVector<Value>> QuantizeOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Type type = arithmeticType(getTensorType(getX()).getElementType());
  Value x = b.convert(getX(), type);
  if (!isOne(getScale()))
    x = b.div(x, spread(b, *this, b.convert(getScale(), type)));
  Type quantized = getTensorType(getResult()).getElementType();
  if (auto real = llvm::dyn_cast<FloatType>(quantized)) {
    if (getZeroPoint())
      x = b.add(x, spread(b, *this, b.convert(getZeroPoint(), type)));
    return SmallVector<Value>{convertToNarrow(b, x, real, !getUnbounded())};
  }
  Value rounded = b.create<RoundOp>(x);
  // Up to 16 bits the sum with the zero point is exact wherever it does not saturate: no longer
  // type is needed.
  if (unsigned width = quantized.getIntOrFloatBitWidth(); width <= 16) {
    bool isSigned = llvm::cast<IntegerType>(quantized).isSigned();
    double lowest = isSigned ? -std::ldexp(1.0, width - 1) : 0;
    double highest = std::ldexp(1.0, width - (isSigned ? 1 : 0)) - 1;
    rounded = b.create<SelectOp>(b.create<IsNanOp>(rounded), b.fillLike(rounded, 0), rounded);
    if (getZeroPoint())
      rounded = b.add(rounded, spread(b, *this, b.convert(getZeroPoint(), type)));
    return SmallVector<Value>{b.convert(clamp(b, rounded, lowest, highest), quantized)};
  }
  if (!getZeroPoint())
    return SmallVector<Value>{b.convert(rounded, quantized)};
  // Through si64, where the sum is exact for every quotient that is in reach of the result's range.
  Type si64 = IntegerType::get(getContext(), 64, IntegerType::Signed);
  double limit = std::ldexp(1.0, 34);
  Value bounded = b.min(b.max(rounded, -limit), limit); // NaN stays, and becomes 0 below.
  Value zero = spread(b, *this, b.convert(getZeroPoint(), si64));
  Value sum = b.add(b.convert(bounded, si64), zero);
  auto integer = llvm::cast<IntegerType>(quantized);
  bool isSigned = integer.isSigned();
  double lowest = isSigned ? -std::ldexp(1.0, integer.getWidth() - 1) : 0;
  double highest = std::ldexp(1.0, integer.getWidth() - (isSigned ? 1 : 0)) - 1;
  return SmallVector<Value>{b.convert(b.min(b.max(sum, lowest), highest), quantized)};
}

FailureOr<SmallVector<Value>> DequantizeOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  Type element = getTensorType(getResult()).getElementType(), type = arithmeticType(element);
  Type quantized = getTensorType(getX()).getElementType(), wide = type;
  if (isInteger(quantized)) // The difference is exact.
    wide = IntegerType::get(getContext(), quantized.getIntOrFloatBitWidth() < 32 ? 32 : 64,
                            IntegerType::Signed);
  Value x = b.convert(getX(), wide);
  if (getZeroPoint())
    x = b.sub(x, spread(b, *this, b.convert(getZeroPoint(), wide)));
  Value scale = spread(b, *this, b.convert(getScale(), type));
  return SmallVector<Value>{b.convert(b.mul(b.convert(x, type), scale), element)};
}

} // namespace tessera::graph
