//===- Tensors.cpp - Constants of a model
//------------------------------------------------------===//

#include "frontends/onnx/Strings.h"

#include "dialects/graph/WeightStore.h"

#include "llvm/Support/SHA1.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// Larger constants are references into the weight store, not part of the text.
constexpr int64_t kMaxDenseBytes = 1024;
/// A sparse tensor becomes dense: a small file must not ask for any amount of memory.
constexpr int64_t kMaxSparseBytes = int64_t(1) << 30;
} // namespace

Type tessera::onnx::getElementType(MLIRContext *context, int64_t dataType) {
  using Proto = ::onnx::TensorProto;
  Builder b(context);
  auto integer = [&](unsigned width, bool isSigned) -> Type {
    return IntegerType::get(context, width, isSigned ? IntegerType::Signed : IntegerType::Unsigned);
  };
  switch (dataType) {
  case Proto::FLOAT: return b.getF32Type();
  case Proto::DOUBLE: return b.getF64Type();
  case Proto::FLOAT16: return b.getF16Type();
  case Proto::BFLOAT16: return b.getBF16Type();
  case Proto::INT8: return integer(8, true);
  case Proto::INT16: return integer(16, true);
  case Proto::INT32: return integer(32, true);
  case Proto::INT64: return integer(64, true);
  case Proto::UINT8: return integer(8, false);
  case Proto::UINT16: return integer(16, false);
  case Proto::UINT32: return integer(32, false);
  case Proto::UINT64: return integer(64, false);
  case Proto::BOOL: return b.getI1Type();
  case Proto::INT4: return integer(4, true);
  case Proto::UINT4: return integer(4, false);
  case Proto::INT2: return integer(2, true);
  case Proto::UINT2: return integer(2, false);
  case Proto::FLOAT8E4M3FN: return Float8E4M3FNType::get(context);
  case Proto::FLOAT8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
  case Proto::FLOAT8E5M2: return Float8E5M2Type::get(context);
  case Proto::FLOAT8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
  case Proto::FLOAT8E8M0: return Float8E8M0FNUType::get(context);
  case Proto::FLOAT4E2M1: return Float4E2M1FNType::get(context);
  case Proto::FLOAT6E2M3: return Float6E2M3FNType::get(context);
  case Proto::FLOAT6E3M2: return Float6E3M2FNType::get(context);
  default: return {};
  }
}

template <typename To, typename Repeated> static std::vector<char> pack(const Repeated &numbers) {
  std::vector<char> bytes(numbers.size() * sizeof(To));
  for (int i = 0; i < numbers.size(); ++i) {
    To value = static_cast<To>(numbers[i]);
    std::memcpy(bytes.data() + i * sizeof(To), &value, sizeof(To));
  }
  return bytes;
}

static bool isPacked(Type element) {
  return !isBool(element) && element.getIntOrFloatBitWidth() < 8;
}

/// Row-major little-endian bytes; the typed fields hold small types in 32-bit integers, those of 4
/// and 2 bits as bytes of several elements.
static std::vector<char> bytesOf(const ::onnx::TensorProto &tensor) {
  using Proto = ::onnx::TensorProto;
  if (tensor.has_raw_data())
    return std::vector<char>(tensor.raw_data().begin(), tensor.raw_data().end());
  switch (tensor.data_type()) {
  case Proto::FLOAT: return pack<float>(tensor.float_data());
  case Proto::DOUBLE: return pack<double>(tensor.double_data());
  case Proto::INT64: return pack<int64_t>(tensor.int64_data());
  case Proto::UINT64: return pack<uint64_t>(tensor.uint64_data());
  case Proto::UINT32: return pack<uint32_t>(tensor.uint64_data());
  case Proto::INT32: return pack<int32_t>(tensor.int32_data());
  case Proto::INT16:
  case Proto::UINT16:
  case Proto::FLOAT16:
  case Proto::BFLOAT16: return pack<uint16_t>(tensor.int32_data());
  default: return pack<uint8_t>(tensor.int32_data());
  }
}

/// Bytes that hold `count` elements of a few bits without gaps.
static int64_t packedBytes(int64_t count, unsigned width) {
  return count / 8 * width + llvm::divideCeilSigned(count % 8 * width, 8);
}

/// Files hold elements of 6, 4 and 2 bits without gaps, the first in the low bits, so that one of 6
/// bits may begin in one byte and end in the next; tensors hold one in a byte.
static std::vector<char> unpack(ArrayRef<char> packed, unsigned width, int64_t count) {
  std::vector<char> bytes;
  bytes.reserve(count);
  for (int64_t i = 0; i < count; ++i) {
    const size_t at = size_t(i / 8 * width + i % 8 * width / 8), shift = i % 8 * width % 8;
    unsigned both = uint8_t(packed[at]);
    if (shift + width > 8)
      both |= unsigned(uint8_t(packed[at + 1])) << 8;
    bytes.push_back(char(both >> shift & ((1u << width) - 1)));
  }
  return bytes;
}

namespace {
/// A TensorProto with its numbers checked: type, and the bytes in the file or beside it.
class TensorReader {
public:
  TensorReader(graph::GraphBuilder &builder, StringRef name) : builder(builder), name(name) {}

  /// Fails with an error.
  LogicalResult read(const ::onnx::TensorProto &tensor);
  LogicalResult readType(int64_t dataType, ArrayRef<int64_t> dims);
  Value makeConstant();
  InFlightDiagnostic error() {
    return emitError(builder.getLoc()) << "constant " << quoted(name) << " ";
  }
  graph::WeightStore &store() {
    auto *dialect = builder.getBuilder().getContext()->getLoadedDialect<graph::GraphDialect>();
    return dialect->getWeightStore();
  }

  graph::TensorType type;
  std::vector<char> bytes; // unless it is external
  graph::WeightAttr external;
  ArrayRef<char> view; // of either

private:
  LogicalResult readExternal(const ::onnx::TensorProto &tensor);
  LogicalResult checkDigest(StringRef file, StringRef expected);
  int64_t getFileBytes();
  void unpackBytes();

  graph::GraphBuilder &builder;
  StringRef name;
};
} // namespace

LogicalResult TensorReader::readType(int64_t dataType, ArrayRef<int64_t> dims) {
  Type element = getElementType(builder.getBuilder().getContext(), dataType);
  if (!element) {
    bool isKnown = ::onnx::TensorProto::DataType_IsValid(int(dataType));
    return error() << "has element type "
                   << (isKnown ? ::onnx::TensorProto::DataType_Name(int(dataType))
                               : std::to_string(dataType))
                   << ", which is not supported";
  }
  for (int64_t extent : dims)
    if (extent < 0)
      return error() << "has a negative extent, " << extent;
  // The product before anything is made of it.
  int64_t size = getElementByteSize(element);
  for (int64_t extent : dims)
    if (__builtin_mul_overflow(size, std::max<int64_t>(extent, 1), &size))
      return error() << "has more bytes than 64 bits can count";
  type = graph::TensorType::get(dims, element);
  return success();
}

LogicalResult TensorReader::read(const ::onnx::TensorProto &tensor) {
  SmallVector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  if (failed(readType(tensor.data_type(), dims)))
    return failure();
  if (tensor.data_location() == ::onnx::TensorProto::EXTERNAL)
    return readExternal(tensor);
  bytes = bytesOf(tensor);
  // Of 6 bits each number of the typed field is one element.
  const unsigned width = type.getElementType().getIntOrFloatBitWidth();
  const bool areSpread = width == 6 && !tensor.has_raw_data();
  int64_t expected = areSpread ? type.getByteSize().value_or(-1) : getFileBytes();
  if (expected != int64_t(bytes.size()))
    return error() << "has " << bytes.size() << " bytes of data, its shape needs " << expected;
  view = bytes;
  if (!areSpread)
    unpackBytes();
  else
    for (char &code : bytes)
      code &= (1 << width) - 1;
  return success();
}

int64_t TensorReader::getFileBytes() {
  std::optional<int64_t> count = type.getElementCount();
  if (!count || !isPacked(type.getElementType()))
    return type.getByteSize().value_or(-1);
  return packedBytes(*count, type.getElementType().getIntOrFloatBitWidth());
}

void TensorReader::unpackBytes() {
  if (!isPacked(type.getElementType()))
    return;
  bytes = unpack(view, type.getElementType().getIntOrFloatBitWidth(), *type.getElementCount());
  view = bytes;
}

/// The digest is of the whole file, which many tensors may share.
LogicalResult TensorReader::checkDigest(StringRef file, StringRef expected) {
  auto whole = store().getFile(file);
  if (!whole)
    return error() << "cannot be read: " << llvm::toString(whole.takeError());
  std::string found = llvm::toHex(
      llvm::SHA1::hash({reinterpret_cast<const uint8_t *>(whole->data()), whole->size()}),
      /*LowerCase=*/true);
  if (StringRef(found).equals_insensitive(expected))
    return success();
  return error() << "is in file " << quoted(file) << ", which is not the one that the model was "
                 << "made with: its SHA1 is " << found << ", expected " << quoted(expected);
}

LogicalResult TensorReader::readExternal(const ::onnx::TensorProto &tensor) {
  std::string location, checksum;
  int64_t expected = getFileBytes(), offset = 0, length = expected;
  for (const ::onnx::StringStringEntryProto &entry : tensor.external_data()) {
    auto number = [&](int64_t &into) -> LogicalResult {
      if (!StringRef(entry.value()).getAsInteger(10, into) && into >= 0)
        return success();
      return error() << "has the " << entry.key() << " " << quoted(entry.value())
                     << " in its external file, which is no size";
    };
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "checksum")
      checksum = entry.value();
    else if (entry.key() == "offset" ? failed(number(offset))
                                     : entry.key() == "length" && failed(number(length)))
      return failure();
  }
  if (location.empty() || StringRef(location).contains('\0'))
    return error() << "is in an external file without a name";
  if (length != expected)
    return error() << "has " << length << " bytes in file " << quoted(location)
                   << ", its shape needs " << expected;
  // Names that begin with % are the store's own.
  if (location.front() == '%')
    location = "./" + location;
  // Bytes in the file, which become one for each element.
  graph::TensorType stored = type;
  const bool arePacked = isPacked(type.getElementType());
  if (arePacked)
    stored = graph::TensorType::get(length,
                                    IntegerType::get(type.getContext(), 8, IntegerType::Unsigned));
  auto weight = graph::WeightAttr::get(type.getContext(), location, offset, length, stored);
  auto found = store().getBytes(weight);
  if (!found)
    return error() << "cannot be read: " << llvm::toString(found.takeError());
  if (!checksum.empty() && failed(checkDigest(location, checksum)))
    return failure();
  view = *found;
  // Whoever reads elements expects them to be aligned.
  if (arePacked)
    unpackBytes();
  else if (reinterpret_cast<uintptr_t>(view.data()) %
           uint64_t(getElementByteSize(type.getElementType())))
    bytes.assign(view.begin(), view.end());
  else
    external = weight;
  return success();
}

Value TensorReader::makeConstant() {
  MLIRContext *context = type.getContext();
  if (int64_t(view.size()) > kMaxDenseBytes)
    return builder.create<graph::ConstantOp>(
        type, external ? external : store().addDerived(std::move(bytes), type));
  Type element = type.getElementType();
  SmallVector<Attribute> elements;
  int64_t size = getElementByteSize(element), count = *type.getElementCount();
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, view.data() + i * size, size);
    if (auto real = llvm::dyn_cast<FloatType>(element))
      elements.push_back(
          FloatAttr::get(real, llvm::APFloat(real.getFloatSemantics(),
                                             llvm::APInt(real.getWidth(), bits, false, true))));
    else
      elements.push_back(IntegerAttr::get(
          element, llvm::APInt(element.getIntOrFloatBitWidth(), bits, false, true)));
  }
  return builder.create<graph::ConstantOp>(
      type, DenseElementsAttr::get(llvm::cast<ShapedType>(type), elements));
}

Value tessera::onnx::importTensor(graph::GraphBuilder &builder, const ::onnx::TensorProto &tensor,
                                  StringRef name) {
  if (tensor.data_type() == ::onnx::TensorProto::STRING &&
      tensor.data_location() != ::onnx::TensorProto::EXTERNAL)
    return importStrings(builder, tensor, name);
  TensorReader reader(builder, name);
  return failed(reader.read(tensor)) ? Value() : reader.makeConstant();
}

FailureOr<std::vector<double>> tessera::onnx::readNumbers(graph::GraphBuilder &builder,
                                                          const ::onnx::TensorProto &tensor,
                                                          StringRef name) {
  TensorReader reader(builder, name);
  if (failed(reader.read(tensor)))
    return failure();
  Type element = reader.type.getElementType();
  int64_t size = getElementByteSize(element), count = *reader.type.getElementCount();
  std::vector<double> numbers;
  numbers.reserve(size_t(count));
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, reader.view.data() + i * size, size_t(size));
    unsigned width = element.getIntOrFloatBitWidth();
    llvm::APInt whole(width, bits, false, true);
    if (auto real = llvm::dyn_cast<FloatType>(element)) {
      llvm::APFloat number(real.getFloatSemantics(), whole);
      bool isExact;
      number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &isExact);
      numbers.push_back(number.convertToDouble());
    } else {
      numbers.push_back(element.isSignedInteger() ? whole.signedRoundToDouble()
                                                  : whole.roundToDouble());
    }
  }
  return numbers;
}

/// Values, and where they stand: their row-major numbers, or one row of coordinates each.
Value tessera::onnx::importSparseTensor(graph::GraphBuilder &builder,
                                        const ::onnx::SparseTensorProto &tensor) {
  TensorReader values(builder, tensor.values().name()), result = values, indices = values;
  if (failed(values.read(tensor.values())) || failed(indices.read(tensor.indices())))
    return {};
  SmallVector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  if (failed(result.readType(tensor.values().data_type(), dims)))
    return {};
  auto error = [&] { return result.error() << "is sparse and "; };
  int64_t total = *result.type.getByteSize(),
          size = getElementByteSize(result.type.getElementType());
  if (total > kMaxSparseBytes)
    return error() << "would have " << total << " bytes when it is dense, the limit is "
                   << kMaxSparseBytes << " (kMaxSparseBytes)",
           Value();
  int64_t count = int64_t(values.view.size()) / size, rank = int64_t(dims.size());
  SmallVector<int64_t> shape(indices.type.getShape());
  bool isFlat = shape.size() == 1;
  if (values.type.getRank() != 1 || !indices.type.getElementType().isSignedInteger(64) ||
      (!isFlat && (shape.size() != 2 || shape[1] != rank)) || shape[0] != count)
    return error() << "has " << count << " values but indices of another number, type or rank",
           Value();
  result.bytes.assign(size_t(total), 0);
  int64_t last = -1;
  for (int64_t i = 0; i < count; ++i) {
    auto index = [&](int64_t k) {
      int64_t value;
      std::memcpy(&value, indices.view.data() + k * int64_t(sizeof(value)), sizeof(value));
      return value;
    };
    int64_t at = isFlat ? index(i) : 0;
    bool isInside = at >= 0 && at < total / size;
    for (int64_t d = 0; !isFlat && d < rank; ++d) {
      int64_t coordinate = index(i * rank + d);
      isInside &= coordinate >= 0 && coordinate < dims[size_t(d)];
      at = isInside ? at * dims[size_t(d)] + coordinate : -1;
    }
    if (!isInside || at <= last)
      return error() << "has index number " << i
                     << " outside its shape or not above the one before it",
             Value();
    std::memcpy(result.bytes.data() + at * size, values.view.data() + i * size, size_t(size));
    last = at;
  }
  result.view = result.bytes;
  return result.makeConstant();
}
