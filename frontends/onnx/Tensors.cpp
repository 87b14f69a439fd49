//===- Tensors.cpp - Constants of a model ------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

#include "dialects/graph/WeightStore.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// Larger constants are references into the weight store, not part of the text.
constexpr int64_t kMaxDenseBytes = 1024;
} // namespace

Type tessera::onnx::getElementType(MLIRContext *context, int64_t dataType) {
  using Proto = ::onnx::TensorProto;
  Builder b(context);
  auto integer = [&](unsigned width, bool isSigned) -> Type {
    return IntegerType::get(context, width, isSigned ? IntegerType::Signed : IntegerType::Unsigned);
  };
  switch (dataType) {
  case Proto::FLOAT:
    return b.getF32Type();
  case Proto::DOUBLE:
    return b.getF64Type();
  case Proto::FLOAT16:
    return b.getF16Type();
  case Proto::BFLOAT16:
    return b.getBF16Type();
  case Proto::INT8:
    return integer(8, true);
  case Proto::INT16:
    return integer(16, true);
  case Proto::INT32:
    return integer(32, true);
  case Proto::INT64:
    return integer(64, true);
  case Proto::UINT8:
    return integer(8, false);
  case Proto::UINT16:
    return integer(16, false);
  case Proto::UINT32:
    return integer(32, false);
  case Proto::UINT64:
    return integer(64, false);
  case Proto::BOOL:
    return b.getI1Type();
  default:
    return {};
  }
}

template <typename To, typename Repeated>
static std::vector<char> pack(const Repeated &numbers) {
  std::vector<char> bytes(numbers.size() * sizeof(To));
  for (int i = 0; i < numbers.size(); ++i) {
    To value = static_cast<To>(numbers[i]);
    std::memcpy(bytes.data() + i * sizeof(To), &value, sizeof(To));
  }
  return bytes;
}

/// Row-major little-endian bytes; the typed fields hold small types in 32-bit integers.
static std::vector<char> bytesOf(const ::onnx::TensorProto &tensor) {
  using Proto = ::onnx::TensorProto;
  if (tensor.has_raw_data())
    return std::vector<char>(tensor.raw_data().begin(), tensor.raw_data().end());
  switch (tensor.data_type()) {
  case Proto::FLOAT:
    return pack<float>(tensor.float_data());
  case Proto::DOUBLE:
    return pack<double>(tensor.double_data());
  case Proto::INT64:
    return pack<int64_t>(tensor.int64_data());
  case Proto::UINT64:
    return pack<uint64_t>(tensor.uint64_data());
  case Proto::UINT32:
    return pack<uint32_t>(tensor.uint64_data());
  case Proto::INT32:
    return pack<int32_t>(tensor.int32_data());
  case Proto::INT16:
  case Proto::UINT16:
  case Proto::FLOAT16:
  case Proto::BFLOAT16:
    return pack<uint16_t>(tensor.int32_data());
  default:
    return pack<uint8_t>(tensor.int32_data());
  }
}

Value tessera::onnx::importTensor(graph::GraphBuilder &builder, const ::onnx::TensorProto &tensor,
                                  StringRef name) {
  auto error = [&]() { return emitError(builder.getLoc()) << "constant '" << name << "' "; };
  if (tensor.data_location() == ::onnx::TensorProto::EXTERNAL)
    return error() << "is in an external file, which is not supported yet", Value();
  MLIRContext *context = builder.getBuilder().getContext();
  Type element = getElementType(context, tensor.data_type());
  if (!element)
    return error() << "has an element type that is not supported", Value();
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  for (int64_t extent : shape)
    if (extent < 0)
      return error() << "has a negative extent", Value();
  auto type = graph::TensorType::get(ArrayRef<int64_t>(shape), element);
  std::vector<char> bytes = bytesOf(tensor);
  std::optional<int64_t> expected = type.getByteSize();
  if (!expected || *expected != int64_t(bytes.size()))
    return error() << "has " << bytes.size() << " bytes of data, its shape needs "
                   << expected.value_or(-1),
           Value();
  if (*expected > kMaxDenseBytes) {
    auto *dialect = context->getLoadedDialect<graph::GraphDialect>();
    return builder.create<graph::ConstantOp>(
        type, dialect->getWeightStore().addDerived(std::move(bytes), type));
  }
  SmallVector<Attribute> elements;
  int64_t size = getElementByteSize(element), count = *type.getElementCount();
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * size, size);
    if (auto real = llvm::dyn_cast<FloatType>(element))
      elements.push_back(FloatAttr::get(
          real, llvm::APFloat(real.getFloatSemantics(), llvm::APInt(real.getWidth(), bits, false, true))));
    else
      elements.push_back(IntegerAttr::get(
          element, llvm::APInt(element.getIntOrFloatBitWidth(), bits, false, true)));
  }
  return builder.create<graph::ConstantOp>(
      type, DenseElementsAttr::get(llvm::cast<ShapedType>(type), elements));
}
