// The caller's tensors: what is checked when they are set, and what only when their symbols are
// known.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

#include <cstring>

namespace tessera::rt {

bool isDense(const TensorView &tensor) {
  for (uint32_t d = 0; d < tensor.rank; ++d)
    if (tensor.dims[d] == 0)
      return true;
  int64_t stride = 1;
  for (uint32_t d = tensor.rank; d-- > 0;) {
    if (tensor.dims[d] != 1 && tensor.strides[d] != stride)
      return false;
    stride *= tensor.dims[d]; // At most kMaxElements in all.
  }
  return true;
}

namespace {

// Copies any strides to row-major.
void copyDense(const TensorView &from, uint8_t *to, size_t elementBytes) {
  int64_t index[kMaxRank] = {};
  int64_t count = 1;
  for (uint32_t d = 0; d < from.rank; ++d)
    count *= from.dims[d];
  const auto *base = static_cast<const uint8_t *>(from.data);
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (uint32_t d = 0; d < from.rank; ++d)
      offset += index[d] * from.strides[d];
    std::memcpy(to + i * elementBytes, base + offset * int64_t(elementBytes), elementBytes);
    for (uint32_t d = from.rank; d-- > 0;) {
      if (++index[d] < from.dims[d])
        break;
      index[d] = 0;
    }
  }
}

// The bytes between the lowest and the highest element; 64 bits must be enough for every address.
Status findReach(const TensorSignature &signature, TensorView &tensor, int64_t count,
                 const char *what) {
  tensor.begin = tensor.end = reinterpret_cast<uintptr_t>(tensor.data);
  if (count == 0)
    return {};
  const int64_t bytes = info(tensor.type).bytes;
  int64_t low = 0, high = 1;
  bool fits = true;
  for (uint32_t d = 0; d < tensor.rank; ++d) {
    int64_t reach;
    fits &= checkedMul(tensor.dims[d] - 1, tensor.strides[d], reach) &&
            (reach < 0 ? checkedAdd(low, reach, low) : checkedAdd(high, reach, high));
  }
  fits &= checkedMul(low, bytes, low) && checkedMul(high, bytes, high);
  const uintptr_t begin = tensor.begin + uintptr_t(low), end = tensor.begin + uintptr_t(high);
  if (!fits || begin > tensor.begin || end < tensor.begin)
    return Status::error(Code::BadMemory, "the strides of %s '%s' reach outside of memory", what,
                         signature.name);
  if (tensor.begin % uint64_t(bytes))
    return Status::error(Code::BadMemory,
                         "the memory of %s '%s' is not aligned to its elements of "
                         "%lld bytes",
                         what, signature.name, (long long)bytes);
  tensor.begin = begin;
  tensor.end = end;
  return {};
}

Status checkTensor(const TensorSignature &signature, TensorView &tensor, const char *what) {
  if (tensor.type != signature.type)
    return Status::error(Code::WrongType, "%s '%s' has elements of type %s, expected %s", what,
                         signature.name, info(tensor.type).name, info(signature.type).name);
  if (tensor.rank != signature.dims.size)
    return Status::error(Code::WrongRank, "%s '%s' has %u dimensions, expected %zu", what,
                         signature.name, tensor.rank, signature.dims.size);
  for (uint32_t d = 0; d < tensor.rank; ++d) {
    const Dim &dim = signature.dims[d];
    if (tensor.dims[d] < 0 || (!dim.isRegister && tensor.dims[d] != dim.value))
      return Status::error(Code::WrongShape, "%s '%s' has extent %lld in dimension %u, expected %s",
                           what, signature.name, (long long)tensor.dims[d], d,
                           signature.dimText[d]);
  }
  int64_t count;
  if (!countElements(tensor.dims, tensor.rank, count))
    return Status::error(Code::TooLarge, "%s '%s' has more than %lld elements", what,
                         signature.name, (long long)kMaxElements);
  if (count && !tensor.data)
    return Status::error(Code::BadMemory, "%s '%s' has no memory", what, signature.name);
  return findReach(signature, tensor, count, what);
}

} // namespace

Status Context::setInput(uint32_t function, uint32_t input, const TensorView &tensor) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  const Function &f = module.variant().functions[function];
  FunctionState &state = functions[function];
  TensorView checked = tensor;
  TESSERA_TRY(checkTensor(f.inputs[input], checked, "input"));
  state.inputs[input] = checked;
  state.isSet[input] = true;
  state.isDisjoint = false;
  return {};
}

Status Context::setOutput(uint32_t function, uint32_t output, const TensorView *tensor,
                          bool staysOnDevice) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  const Function &f = module.variant().functions[function];
  FunctionState &state = functions[function];
  state.isGiven[output] = false;
  state.staysOnDevice[output] = staysOnDevice && memory.isRemote();
  if (!tensor)
    return {};
  TensorView checked = *tensor;
  TESSERA_TRY(checkTensor(f.outputs[output], checked, "output"));
  if (!isDense(checked))
    return Status::error(Code::WrongShape, "the memory of output '%s' is not dense row-major",
                         f.outputs[output].name);
  state.outputs[output] = checked;
  state.isGiven[output] = true;
  state.isDisjoint = false;
  return {};
}

Status Context::getOutput(uint32_t function, uint32_t output, TensorView &tensor) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  return findOutput(function, output, tensor);
}

Status Context::findOutput(uint32_t function, uint32_t output, TensorView &tensor) const {
  const Function &f = module.variant().functions[function];
  const FunctionState &state = functions[function];
  if (!state.hasRun)
    return Status::error(Code::InvalidArgument, "function '%s' has not run", f.name);
  // Where there are two, the one in the space that was asked for.
  const bool isCopy = memory.isRemote() && !state.staysOnDevice[output];
  uint32_t index = f.outputBuffers[isCopy][output];
  if (index == kNoBuffer)
    index = f.outputBuffers[!isCopy][output];
  const KernelBuffer &bound = state.bound[index].buffer;
  tensor.data = bound.host;
  if (!bound.host && state.bound[index].elements)
    return Status::error(Code::InvalidArgument, "the memory of output '%s' was taken",
                         f.outputs[output].name);
  // The host has computed it.
  if (memory.isRemote() && state.staysOnDevice[output] && f.buffers[index].space == Space::Host)
    tensor.data = state.isGiven[output] ? state.outputs[output].data : state.owned[output].data();
  tensor.type = f.buffers[index].type;
  tensor.rank = uint32_t(f.buffers[index].dims.size);
  for (uint32_t d = 0; d < tensor.rank; ++d) {
    tensor.dims[d] = bound.dim[tensor.rank - 1 - d].extent;
    tensor.strides[d] = bound.dim[tensor.rank - 1 - d].stride;
  }
  return {};
}

Status Context::takeOutput(uint32_t function, uint32_t output, TensorView &tensor,
                           uint64_t &bytes) {
  bytes = 0;
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  TESSERA_TRY(findOutput(function, output, tensor));
  FunctionState &state = functions[function];
  if (state.isGiven[output] || state.staysOnDevice[output])
    return {};
  Block *block = memory.isRemote() ? &state.outputCopies[output] : state.owned[output].host();
  uint64_t needed = info(tensor.type).bytes;
  for (uint32_t d = 0; d < tensor.rank; ++d)
    needed *= uint64_t(tensor.dims[d]);
  // What an earlier run needed may be much more: it stays here.
  constexpr uint64_t kWaste = 4096;
  if (!needed || block->data() != tensor.data || block->size() > needed + needed / 4 + kWaste)
    return {};
  bytes = block->size();
  heldBytes -= bytes;
  block->release();
  const Function &f = module.variant().functions[function];
  for (size_t i = 0; i < f.buffers.size; ++i)
    if (f.buffers[i].kind == BufferKind::Output && f.buffers[i].source == output)
      state.bound[i].buffer.host = nullptr;
  return {};
}

// Symbols get their values; the first input that has one alone says it, the others must agree.
Status Context::bindInputs(const Function &function, FunctionState &state) {
  for (size_t i = 0; i < function.symbols.size; ++i)
    state.registers[i] = -1;
  for (size_t i = 0; i < function.inputs.size; ++i) {
    const TensorSignature &signature = function.inputs[i];
    if (!state.isSet[i])
      return Status::error(Code::WrongCount, "input '%s' was not set", signature.name);
    for (size_t d = 0; d < signature.dims.size; ++d) {
      const Dim &dim = signature.dims[d];
      const int64_t extent = state.inputs[i].dims[d];
      if (!dim.isRegister || uint64_t(dim.value) >= function.symbols.size)
        continue;
      const Symbol &symbol = function.symbols[dim.value];
      int64_t &value = state.registers[dim.value];
      if (value < 0)
        value = extent;
      if (value != extent)
        return Status::error(Code::WrongShape,
                             "input '%s' has extent %lld in dimension %zu, but '%s' is %lld "
                             "elsewhere",
                             signature.name, (long long)extent, d, symbol.name, (long long)value);
      if (extent < symbol.min || extent > symbol.max)
        return Status::error(Code::WrongShape,
                             "input '%s' has extent %lld in dimension %zu, but '%s' must be from "
                             "%lld to %lld",
                             signature.name, (long long)extent, d, symbol.name,
                             (long long)symbol.min, (long long)symbol.max);
    }
  }
  return {};
}

// Extents that are expressions, after the prologue computed them; and memory that is dense.
Status Context::checkInputs(const Function &function, FunctionState &state) {
  bool isDownloading = false;
  for (size_t i = 0; i < function.inputs.size; ++i) {
    const TensorSignature &signature = function.inputs[i];
    TensorView &tensor = state.inputs[i];
    for (size_t d = 0; d < signature.dims.size; ++d)
      if (const int64_t expected = signature.dims[d].get(state.registers);
          tensor.dims[d] != expected)
        return Status::error(Code::WrongShape,
                             "input '%s' has extent %lld in dimension %zu, expected %s = %lld",
                             signature.name, (long long)tensor.dims[d], d, signature.dimText[d],
                             (long long)expected);
    const size_t elementBytes = info(tensor.type).bytes;
    int64_t count = 0;
    if (!countElements(tensor.dims, tensor.rank, count))
      return Status::error(Code::TooLarge, "input '%s' is too large", signature.name);
    const uint64_t bytes = uint64_t(count) * elementBytes;
    uint8_t *dense = static_cast<uint8_t *>(tensor.data);
    const bool isRemote = memory.isRemote() && tensor.isOnDevice;
    if (!isDense(tensor)) {
      if (isRemote)
        return Status::error(Code::WrongShape,
                             "input '%s' is in the device's memory and not dense row-major",
                             signature.name);
      TESSERA_TRY(reserve(state.staging[i], bytes));
      dense = state.staging[i].data();
      copyDense(tensor, dense, elementBytes);
    }
    state.inputMemory[i] = state.hostInputs[i] = dense;
    if (!memory.isRemote())
      continue;
    const uint32_t onHost = function.inputBuffers[uint32_t(Space::Host)][i];
    if (isRemote) { // The program's upload has nothing to do; the host may want it as well.
      state.hostInputs[i] = nullptr;
      if (onHost == kNoBuffer || !function.buffers[onHost].isReadOnHost)
        continue;
      TESSERA_TRY(reserve(state.staging[i], bytes));
      TESSERA_TRY(memory.download(state.staging[i].data(), dense, bytes));
      state.hostInputs[i] = state.staging[i].data();
      isDownloading = true;
    }
  }
  if (isDownloading)
    TESSERA_TRY(settle(memory.waitMain()));
  return checkOverlap(function, state);
}

// What is written must not be read or written under another name. Asked once for the tensors that
// are set.
Status Context::checkOverlap(const Function &function, FunctionState &state) {
  if (state.isDisjoint)
    return {};
  const auto overlap = [](const TensorView &a, const TensorView &b) {
    return a.begin < b.end && b.begin < a.end;
  };
  for (size_t o = 0; o < function.outputs.size; ++o) {
    if (!state.isGiven[o])
      continue;
    for (size_t i = 0; i < function.inputs.size; ++i)
      if (overlap(state.outputs[o], state.inputs[i]))
        return Status::error(Code::BadMemory, "the memory of output '%s' overlaps input '%s'",
                             function.outputs[o].name, function.inputs[i].name);
    for (size_t other = 0; other < o; ++other)
      if (state.isGiven[other] && overlap(state.outputs[o], state.outputs[other]))
        return Status::error(Code::BadMemory, "the memory of output '%s' overlaps output '%s'",
                             function.outputs[o].name, function.outputs[other].name);
  }
  state.isDisjoint = true;
  return {};
}

} // namespace tessera::rt
