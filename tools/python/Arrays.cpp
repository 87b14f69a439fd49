#include "tools/python/Arrays.h"

#include "tools/common/Session.h"

#include <new>
#include <utility>

namespace tessera::python {

void fail(tessera_error *error) {
  Failure failure{tessera_code_name(tessera_error_code(error)), tessera_error_message(error)};
  tessera_error_destroy(error);
  throw failure;
}

namespace {

using Code = nb::dlpack::dtype_code;

// The runtime's type of an array's elements, where it has one.
bool typeOf(nb::dlpack::dtype type, tessera_type &result) {
  if (type.lanes != 1)
    return false;
  const struct {
    Code code;
    uint8_t bits;
    tessera_type type;
  } known[] = {{Code::Float, 64, TESSERA_F64}, {Code::Float, 32, TESSERA_F32},
               {Code::Float, 16, TESSERA_F16}, {Code::Bfloat, 16, TESSERA_BF16},
               {Code::Int, 8, TESSERA_I8},     {Code::Int, 16, TESSERA_I16},
               {Code::Int, 32, TESSERA_I32},   {Code::Int, 64, TESSERA_I64},
               {Code::UInt, 8, TESSERA_U8},    {Code::UInt, 16, TESSERA_U16},
               {Code::UInt, 32, TESSERA_U32},  {Code::UInt, 64, TESSERA_U64},
               {Code::Bool, 8, TESSERA_BOOL}};
  for (const auto &row : known)
    if (uint8_t(row.code) == type.code && row.bits == type.bits) {
      result = row.type;
      return true;
    }
  return false;
}

// Types that NumPy lacks, and what they are called by `ml_dtypes`, which adds them.
const char *nameOfBits(tessera_type type) {
  switch (type) {
  case TESSERA_BF16: return "bfloat16";
  case TESSERA_F8E4M3FN: return "float8_e4m3fn";
  case TESSERA_F8E5M2: return "float8_e5m2";
  case TESSERA_F8E4M3FNUZ: return "float8_e4m3fnuz";
  case TESSERA_F8E5M2FNUZ: return "float8_e5m2fnuz";
  case TESSERA_F8E8M0FNU: return "float8_e8m0fnu";
  case TESSERA_F4E2M1FN: return "float4_e2m1fn";
  case TESSERA_F6E2M3FN: return "float6_e2m3fn";
  case TESSERA_F6E3M2FN: return "float6_e3m2fn";
  case TESSERA_I4: return "int4";
  case TESSERA_U4: return "uint4";
  case TESSERA_I2: return "int2";
  case TESSERA_U2: return "uint2";
  default: return nullptr;
  }
}

// NumPy's type of the same size where it has no such element.
nb::dlpack::dtype numpyType(tessera_type type) {
  const uint8_t bits = uint8_t(tessera_type_bytes(type) * 8);
  Code code = Code::UInt;
  if (type <= TESSERA_F16)
    code = Code::Float;
  else if (type >= TESSERA_I8 && type <= TESSERA_I64)
    code = Code::Int;
  else if (type == TESSERA_BOOL)
    code = Code::Bool;
  return {uint8_t(code), bits, 1};
}

std::string nameOfType(nb::handle object) {
  return nb::cast<std::string>(object.type().attr("__name__"));
}

template <typename Array>
tessera_tensor view(nb::handle object, const tessera_tensor_info &info, const std::string &what,
                    Array &array) {
  nb::object held = nb::borrow(object);
  // NumPy's scalars have a type of their own, as arrays of no dimension do.
  if (nb::hasattr(object, "dtype") && nb::hasattr(object, "item") &&
      !nb::hasattr(object, "__dlpack__"))
    held = nb::module_::import_("numpy").attr("asarray")(object);
  // So have arrays of `ml_dtypes`: the same memory, seen as integers.
  const char *added = nameOfBits(info.type);
  if (added && nb::hasattr(held, "dtype") && nb::hasattr(held, "view") &&
      textOf(nb::object(held.attr("dtype"))) == added)
    held = held.attr("view")(tessera_type_bytes(info.type) == 2 ? "uint16" : "uint8");
  if (!nb::try_cast<Array>(held, array, /*convert=*/false)) {
    PyErr_Clear();
    const std::string elements =
        nb::hasattr(object, "dtype") ? " of " + textOf(object.attr("dtype")) + " elements" : "";
    throw Failure{"WRONG_TYPE", what + ": expected " + tools::formatType(info) +
                                    " as an array (NumPy or DLPack, in the machine's byte order" +
                                    (std::is_same_v<Array, WritableArray> ? ", writable" : "") +
                                    "), got " + nameOfType(object) + elements};
  }
  if (array.device_type() != nb::device::cpu::value)
    throw Failure{"BAD_MEMORY",
                  what + ": the array is in the memory of another device; expected " + "the CPU's"};
  if (array.ndim() > TESSERA_MAX_RANK)
    throw Failure{"WRONG_RANK", what + ": expected " + tools::formatType(info) + ", got " +
                                    std::to_string(array.ndim()) + " dimensions"};
  tessera_tensor tensor{};
  if (!typeOf(array.dtype(), tensor.type))
    throw Failure{"WRONG_TYPE", what + ": expected " + tools::formatType(info) +
                                    ", got elements of a type that Tessera does not have"};
  const bool isSigned = info.type == TESSERA_I4 || info.type == TESSERA_I2;
  const bool isBits = tensor.type == TESSERA_U8 || tensor.type == TESSERA_U16 ||
                      (isSigned && tensor.type == TESSERA_I8);
  if (isBits && added && tessera_type_bytes(tensor.type) == tessera_type_bytes(info.type))
    tensor.type = info.type;
  tensor.data = const_cast<void *>(static_cast<const void *>(array.data()));
  tensor.rank = uint32_t(array.ndim());
  for (uint32_t d = 0; d < tensor.rank; ++d) {
    tensor.dims[d] = int64_t(array.shape(d));
    tensor.strides[d] = array.stride(d);
  }
  if (tensor.rank != info.rank || tensor.type != info.type)
    throw Failure{tensor.type != info.type ? "WRONG_TYPE" : "WRONG_RANK",
                  what + ": expected " + tools::formatType(info) + ", got " + describe(tensor) +
                      (tensor.type != info.type ? "; types are never converted" : "")};
  return tensor;
}

} // namespace

std::string describe(const tessera_tensor &tensor) {
  std::string text = std::string(tessera_type_name(tensor.type)) + "[";
  for (uint32_t d = 0; d < tensor.rank; ++d)
    text += (d ? ", " : "") + std::to_string(tensor.dims[d]);
  return text + "]";
}

tessera_tensor viewOf(nb::handle object, const tessera_tensor_info &info, const std::string &what,
                      AnyArray &array) {
  return view(object, info, what, array);
}
tessera_tensor writableViewOf(nb::handle object, const tessera_tensor_info &info,
                              const std::string &what, WritableArray &array) {
  return view(object, info, what, array);
}

OwnedArray::~OwnedArray() {
  if (tensor.data)
    pool->give(tensor.data, held);
}

uint64_t OwnedArray::bytes() const {
  uint64_t count = tessera_type_bytes(tensor.type);
  for (uint32_t d = 0; d < tensor.rank; ++d)
    count *= uint64_t(tensor.dims[d]);
  return count;
}

void OwnedArray::allocate(tessera_type type, uint32_t rank, const int64_t *dims) {
  tessera_tensor made;
  tessera_tensor_init(&made, type, rank, dims, nullptr);
  std::swap(tensor, made);
  const size_t wanted = bytes();
  tensor.data = pool->take(wanted, 64);
  if (!tensor.data)
    throw std::bad_alloc();
  held = wanted;
}

void OwnedArray::adopt(const tessera_tensor &dense, uint64_t bytes) {
  tensor = dense;
  held = bytes;
}

nb::object OwnedArray::release() {
  struct Owner {
    std::shared_ptr<MemoryPool> pool;
    void *memory;
    size_t bytes;
  };
  size_t shape[TESSERA_MAX_RANK];
  for (uint32_t d = 0; d < tensor.rank; ++d)
    shape[d] = size_t(tensor.dims[d]);
  auto *owned = new Owner{pool, tensor.data, held};
  nb::capsule owner(owned, [](void *data) noexcept {
    const std::unique_ptr<Owner> last(static_cast<Owner *>(data));
    last->pool->give(last->memory, last->bytes);
  });
  void *memory = std::exchange(tensor.data, nullptr);
  nb::ndarray<nb::numpy> array(memory, tensor.rank, shape, owner, nullptr, numpyType(tensor.type));
  return array.cast();
}

} // namespace tessera::python
