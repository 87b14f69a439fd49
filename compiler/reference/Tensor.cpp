//===- Tensor.cpp - The values of the interpreters ------------------------===//
#include "compiler/reference/Tensor.h"

#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"

#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static int64_t countElements(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

Tensor::Tensor(Type elementType, ArrayRef<int64_t> shape)
    : elementType(elementType), format(elementType), shape(shape), count(countElements(shape)),
      bytes(new char[std::max<int64_t>(getByteSize(), 1)]()) {}

Tensor Tensor::borrow(Type elementType, ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
  Tensor tensor;
  tensor.elementType = elementType;
  tensor.format = ElementFormat(elementType);
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.count = countElements(shape);
  tensor.bytes = std::shared_ptr<char[]>(const_cast<char *>(bytes.data()), [](char *) {});
  return tensor;
}

void Tensor::copyElement(int64_t i, const Tensor &from, int64_t j) {
  std::memcpy(at(i), from.at(j), format.getByteSize());
}

std::vector<double> Tensor::reals() const {
  std::vector<double> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = real(i);
  return values;
}

std::vector<int64_t> Tensor::integers() const {
  std::vector<int64_t> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = integer(i);
  return values;
}

SmallVector<int64_t> Tensor::strides() const {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i])
    strides[i] = stride;
  return strides;
}

int64_t Tensor::position(ArrayRef<int64_t> index) const {
  int64_t place = 0;
  for (auto [i, extent] : llvm::zip(index, shape))
    place = place * extent + i;
  return place;
}

Tensor Tensor::withShape(ArrayRef<int64_t> newShape) const {
  Tensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  assert(countElements(newShape) == count && "another number of elements");
  return result;
}

Tensor Tensor::withElementType(Type type) const {
  Tensor result = *this;
  result.elementType = type;
  result.format = ElementFormat(type);
  assert(result.format.getByteSize() == format.getByteSize() && "another element size");
  return result;
}

Tensor Tensor::copy() const {
  Tensor result(elementType, shape);
  std::memcpy(result.at(0), at(0), getByteSize());
  return result;
}

void reference::forEachIndex(ArrayRef<int64_t> shape,
                             llvm::function_ref<void(ArrayRef<int64_t>, int64_t)> callback) {
  int64_t count = countElements(shape);
  SmallVector<int64_t> index(shape.size(), 0);
  for (int64_t place = 0; place < count; ++place) {
    callback(index, place);
    for (size_t i = shape.size(); i-- > 0;) {
      if (++index[i] < shape[i])
        break;
      index[i] = 0;
    }
  }
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static Tensor readDense(DenseElementsAttr dense, ShapedType type) {
  Type element = type.getElementType();
  ArrayRef<char> raw = dense.getRawData();
  ElementFormat format(element);
  if (!dense.isSplat() && !format.isOpaque() && format.getWidth() >= 8)
    return Tensor::borrow(element, type.getShape(), raw);
  Tensor tensor(element, type.getShape());
  int64_t place = 0;
  if (auto strings = llvm::dyn_cast<DenseStringElementsAttr>(dense)) {
    for (StringRef text : strings.getValues<StringRef>()) {
      const void *unique = StringAttr::get(type.getContext(), text).getAsOpaquePointer();
      std::memcpy(tensor.at(place++), &unique, sizeof(unique));
    }
  } else if (isFloat(element)) {
    for (const llvm::APFloat &value : dense.getValues<llvm::APFloat>()) {
      llvm::APInt bits = value.bitcastToAPInt();
      std::memcpy(tensor.at(place++), bits.getRawData(), format.getByteSize());
    }
  } else {
    for (const llvm::APInt &value : dense.getValues<llvm::APInt>())
      tensor.set(place++, int64_t(value.getRawData()[0]));
  }
  return tensor;
}

llvm::Expected<Tensor> reference::toTensor(TypedAttr value) {
  auto type = llvm::dyn_cast<ShapedType>(value.getType());
  if (!type || !type.hasStaticShape())
    return fail("a constant has no static shape");
  if (!ElementFormat(type.getElementType())) {
    std::string text;
    llvm::raw_string_ostream(text) << type.getElementType();
    return fail("elements of type " + text + " have no reference");
  }
  if (auto weight = llvm::dyn_cast<graph::WeightAttr>(value)) {
    auto *dialect = value.getContext()->getLoadedDialect<graph::GraphDialect>();
    llvm::Expected<ArrayRef<char>> bytes = dialect->getWeightStore().getBytes(weight);
    if (!bytes)
      return bytes.takeError();
    return Tensor::borrow(type.getElementType(), type.getShape(), *bytes);
  }
  auto dense = llvm::dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return fail("a constant has no elements");
  return readDense(dense, type);
}

DenseElementsAttr reference::toDense(const Tensor &tensor) {
  Type element = tensor.getElementType();
  ShapedType type = graph::TensorType::get(tensor.getShape(), element);
  if (auto real = llvm::dyn_cast<FloatType>(element)) {
    std::vector<llvm::APFloat> values;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      uint64_t bits = 0;
      std::memcpy(&bits, tensor.at(i), tensor.getFormat().getByteSize());
      values.emplace_back(real.getFloatSemantics(), llvm::APInt(real.getWidth(), bits));
    }
    return DenseElementsAttr::get(type, values);
  }
  if (llvm::isa<graph::StringType>(element)) {
    std::vector<StringRef> values;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const void *unique;
      std::memcpy(&unique, tensor.at(i), sizeof(unique));
      values.push_back(StringAttr::getFromOpaquePointer(unique).getValue());
    }
    return DenseStringElementsAttr::get(type, values);
  }
  std::vector<llvm::APInt> values;
  unsigned width = element.getIntOrFloatBitWidth();
  for (int64_t i = 0; i < tensor.size(); ++i)
    values.push_back(llvm::APInt(64, uint64_t(tensor.integer(i))).trunc(width));
  return DenseElementsAttr::get(type, values);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string reference::describe(Type elementType, ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << elementType << '[';
  llvm::interleave(shape, os, "x");
  os << ']';
  return text;
}

std::string reference::printElement(const Tensor &tensor, int64_t i) {
  const ElementFormat &format = tensor.getFormat();
  if (format.isOpaque())
    return "...";
  if (format.isBool())
    return tensor.integer(i) ? "true" : "false";
  if (format.isFloat()) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.*g", format.getWidth() == 64 ? 17 : 9, tensor.real(i));
    return text;
  }
  return format.isUnsigned() ? std::to_string(uint64_t(tensor.integer(i)))
                             : std::to_string(tensor.integer(i));
}
