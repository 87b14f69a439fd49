//===- Random.cpp - Random bits -------------------------------------------------------===//

#include "dialects/graph/GraphBuilder.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Random.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerRandomOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Random.cpp.inc"
      >();
}

LogicalResult RandomBitsOp::verify() {
  TensorType key = getTensorType(getKey());
  if (key.rank() != 1 || key.getDim(0).getConstant() != 2 ||
      !key.getElementType().isUnsignedInteger(32))
    return emitOpError("(C1) the key is ") << key << ", expected shape [2] of ui32";
  if (!getType().getElementType().isUnsignedInteger(32))
    return emitOpError("(C2) gives elements of ui32, not ") << getType().getElementType();
  return success();
}

//===----------------------------------------------------------------------===//
// random_uniform, random_normal
//===----------------------------------------------------------------------===//

static bool isFloat32(Type type) { return llvm::cast<TensorType>(type).getElementType().isF32(); }

LogicalResult RandomUniformOp::verify() {
  if (!isFloat32(getType()))
    return emitOpError("(C1) gives elements of f32, not ") << getType().getElementType();
  return success();
}
LogicalResult RandomNormalOp::verify() {
  if (!isFloat32(getType()))
    return emitOpError("(C1) gives elements of f32, not ") << getType().getElementType();
  return success();
}

/// Bits to numbers in [0, 1): the upper 24 bits, as many as f32 holds exactly.
static Value toUnit(GraphBuilder &b, Value bits) {
  Value shift = b.fillLike(bits, 8);
  Value upper = b.create<ShrOp>(bits, shift);
  return b.mul(b.convert(upper, b.getBuilder().getF32Type()), 0x1p-24);
}

static TensorType bitsOf(TensorType type, ArrayRef<DimAttr> dims) {
  MLIRContext *context = type.getContext();
  return TensorType::get(dims, IntegerType::get(context, 32, IntegerType::Unsigned));
}

FailureOr<SmallVector<Value>> RandomUniformOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  double low = getLow().convertToDouble(), high = getHigh().convertToDouble();
  Value bits = b.create<RandomBitsOp>(bitsOf(getType(), getType().getDims()), getKey());
  return SmallVector<Value>{b.add(b.mul(toUnit(b, bits), high - low), low)};
}

/// Box and Muller (1958): two uniform numbers give one normal number.
FailureOr<SmallVector<Value>> RandomNormalOp::decompose(OpBuilder &builder) {
  GraphBuilder b(builder, getLoc());
  MLIRContext *context = getContext();
  SmallVector<DimAttr> pair(getType().getDims());
  pair.insert(pair.begin(), getDim(context, 2));
  Value uniform = toUnit(b, b.create<RandomBitsOp>(bitsOf(getType(), pair), getKey()));
  auto half = [&](int64_t which) {
    SmallVector<DimAttr> starts(pair.size(), getDim(context, 0)),
        steps(pair.size(), getDim(context, 1));
    starts[0] = getDim(context, which);
    SmallVector<DimAttr> dims(pair);
    dims[0] = getDim(context, 1);
    return b.reshape(b.create<SliceOp>(uniform, starts, steps, dims), getType().getDims());
  };
  // 1 - u lies in (0, 1]: its logarithm is finite.
  Value first = b.add(b.mul(half(0), -1.0), 1.0), second = half(1);
  Value radius = b.create<SqrtOp>(b.mul(b.create<LogOp>(first), -2.0));
  Value angle = b.mul(second, 6.283185307179586);
  Value normal = b.mul(radius, b.create<CosOp>(angle));
  return SmallVector<Value>{
      b.add(b.mul(normal, getScale().convertToDouble()), getMean().convertToDouble())};
}

//===----------------------------------------------------------------------===//
// top_k, stop_gradient
//===----------------------------------------------------------------------===//

static SmallVector<DimAttr> withDim(TensorType type, int64_t axis, DimAttr dim) {
  SmallVector<DimAttr> dims(type.getDims());
  dims[axis] = dim;
  return dims;
}

LogicalResult TopKOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                       Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  DimAttr k = adaptor.getK();
  if (isKnownLess(type.getDim(axis), k))
    return emitOptionalError(loc, "(C2) ", k.str(), " elements of ", type.getDim(axis).str());
  SmallVector<DimAttr> dims = withDim(type, axis, k);
  inferred.push_back(type.withDims(dims));
  inferred.push_back(TensorType::get(dims, IntegerType::get(context, 64, IntegerType::Signed)));
  return success();
}

FailureOr<SmallVector<Value>> TopKOp::decompose(OpBuilder &builder) {
  auto sorted = SortOp::create(builder, getLoc(), getX(), getAxis(), !getSmallest(), getK());
  return SmallVector<Value>(sorted.getResults());
}

FailureOr<SmallVector<Value>> StopGradientOp::decompose(OpBuilder &) {
  return SmallVector<Value>{getX()};
}

} // namespace tessera::graph
