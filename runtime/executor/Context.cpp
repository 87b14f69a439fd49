#include "runtime/executor/Context.h"

#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"

#include <cstdio>
#include <cstring>
#include <sched.h>
#include <time.h>

namespace tessera::rt {

int64_t monotonicNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

namespace {

uint32_t usableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? uint32_t(count) : 1;
}

template <typename T> T *blocks(Arena &arena, size_t count, const Allocator &allocator) {
  auto *memory = static_cast<T *>(arena.bytes(count * sizeof(T), alignof(T)));
  for (size_t i = 0; memory && i < count; ++i)
    new (memory + i) T(allocator);
  return memory;
}

bool isDense(const TensorView &tensor) {
  int64_t stride = 1;
  for (uint32_t d = tensor.rank; d-- > 0;) {
    if (tensor.dims[d] == 0)
      return true;
    if (tensor.dims[d] != 1 && tensor.strides[d] != stride)
      return false;
    stride *= tensor.dims[d];
  }
  return true;
}

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

} // namespace

//===----------------------------------------------------------------------===//
// Life
//===----------------------------------------------------------------------===//

Result<Context *> Context::make(Module &module, const ContextOptions &options) {
  const Allocator &allocator = options.allocator ? *options.allocator : module.allocator;
  Context *context = create<Context>(allocator, module, allocator);
  if (!context)
    return Status::outOfMemory();
  module.retain();
  if (Status status = context->initialize(options); !status.ok()) {
    const Allocator copy = allocator;
    destroy(copy, context);
    return status;
  }
  return context;
}

Context::~Context() {
  for (size_t i = 0; variables && i < module.variables.size; ++i)
    variables[i].~Block();
  for (size_t i = 0; functions && i < module.variant().functions.size; ++i) {
    const Function &function = module.variant().functions[i];
    FunctionState &state = functions[i];
    for (size_t k = 0; state.staging && k < function.inputs.size; ++k)
      state.staging[k].~Block();
    for (size_t k = 0; state.owned && k < function.outputs.size; ++k)
      state.owned[k].~Block();
    for (size_t k = 0; state.segments && k < function.segments.size; ++k)
      state.segments[k].~SegmentState();
  }
  module.release();
}

Status Context::initialize(const ContextOptions &options) {
  memoryLimit = options.memoryLimit;
  maxPlans = options.maxPlans ? options.maxPlans : 64;
  variables = blocks<Block>(arena, module.variables.size, allocator);
  const Span<Function> all = module.variant().functions;
  functions = arena.array<FunctionState>(all.size);
  if (!variables || !functions)
    return Status::outOfMemory();
  for (size_t i = 0; i < module.variables.size; ++i)
    TESSERA_TRY(reserve(variables[i], module.variables[i].bytes));
  resetVariables();
  for (size_t i = 0; i < all.size; ++i)
    TESSERA_TRY(initialize(all[i], functions[i]));
  kernelContext = {kKernelAbiVersion, sizeof(KernelContext), parallelFor, report, &cancelled, this};
  return pool.start(options.threads ? options.threads : usableCpus());
}

Status Context::initialize(const Function &function, FunctionState &state) {
  state.inputs = arena.array<TensorView>(function.inputs.size);
  state.isSet = arena.array<bool>(function.inputs.size);
  state.outputs = arena.array<TensorView>(function.outputs.size);
  state.isGiven = arena.array<bool>(function.outputs.size);
  state.registers = arena.array<int64_t>(function.registers);
  state.bound = arena.array<Bound>(function.buffers.size);
  state.arguments = arena.array<void *>(function.maxArgs);
  if (!state.inputs || !state.isSet || !state.outputs || !state.isGiven || !state.registers ||
      !state.bound || !state.arguments)
    return Status::outOfMemory();
  for (size_t i = 0; i < function.buffers.size; ++i) {
    const Buffer &buffer = function.buffers[i];
    KernelBuffer &bound = state.bound[i].buffer;
    bound.type = info(buffer.type).kernelType;
    bound.dimensions = int32_t(buffer.dims.size);
    bound.dim = arena.array<KernelDim>(buffer.dims.size);
    if (!bound.dim)
      return Status::outOfMemory();
  }
  if (!(state.staging = blocks<Block>(arena, function.inputs.size, allocator)) ||
      !(state.owned = blocks<Block>(arena, function.outputs.size, allocator)) ||
      !(state.segments = blocks<SegmentState>(arena, function.segments.size, allocator)))
    return Status::outOfMemory();
  for (size_t s = 0; s < function.segments.size; ++s) {
    state.segments[s].plans = arena.array<Plan>(maxPlans);
    if (!state.segments[s].plans)
      return Status::outOfMemory();
  }
  return {};
}

void Context::resetVariables() {
  for (size_t i = 0; i < module.variables.size; ++i) {
    const Variable &variable = module.variables[i];
    if (!variable.bytes)
      continue;
    if (variable.initial >= 0)
      std::memcpy(variables[i].data(), module.constants[variable.initial].data, variable.bytes);
    else
      std::memset(variables[i].data(), 0, variable.bytes);
  }
}

Status Context::reserve(Block &block, uint64_t bytes) {
  if (bytes <= block.size())
    return {};
  const uint64_t others = heldBytes - block.size();
  if (memoryLimit && others + bytes > memoryLimit)
    return Status::error(Code::MemoryLimit,
                         "the call needs %llu bytes, the context's limit is %llu",
                         (unsigned long long)(others + bytes), (unsigned long long)memoryLimit);
  heldBytes = others;
  block.reset();
  TESSERA_TRY(block.reserve(bytes));
  heldBytes += block.size();
  return {};
}

Status Context::startProfile(uint64_t capacity) {
  records.clear();
  recordCapacity = 0;
  recordsDropped = 0;
  // Grow now: a call allocates nothing.
  for (uint64_t i = 0; i < capacity; ++i)
    if (!records.push_back({}))
      return Status::outOfMemory();
  records.clear();
  recordCapacity = capacity;
  return {};
}

//===----------------------------------------------------------------------===//
// Inputs and outputs
//===----------------------------------------------------------------------===//

static Status checkTensor(const TensorSignature &signature, const TensorView &tensor,
                          const char *what) {
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
  return {};
}

Status Context::setInput(uint32_t function, uint32_t input, const TensorView &tensor) {
  const Function &f = module.variant().functions[function];
  TESSERA_TRY(checkTensor(f.inputs[input], tensor, "input"));
  functions[function].inputs[input] = tensor;
  functions[function].isSet[input] = true;
  return {};
}

Status Context::setOutput(uint32_t function, uint32_t output, const TensorView *tensor) {
  const Function &f = module.variant().functions[function];
  FunctionState &state = functions[function];
  state.isGiven[output] = false;
  if (!tensor)
    return {};
  TESSERA_TRY(checkTensor(f.outputs[output], *tensor, "output"));
  if (!isDense(*tensor))
    return Status::error(Code::WrongShape, "the memory of output '%s' is not dense row-major",
                         f.outputs[output].name);
  state.outputs[output] = *tensor;
  state.isGiven[output] = true;
  return {};
}

Status Context::getOutput(uint32_t function, uint32_t output, TensorView &tensor) const {
  const Function &f = module.variant().functions[function];
  const FunctionState &state = functions[function];
  if (!state.hasRun)
    return Status::error(Code::InvalidArgument, "function '%s' has not run", f.name);
  for (size_t i = 0; i < f.buffers.size; ++i) {
    const Buffer &buffer = f.buffers[i];
    if (buffer.kind != BufferKind::Output || buffer.source != output)
      continue;
    const KernelBuffer &bound = state.bound[i].buffer;
    tensor.data = bound.host;
    tensor.type = buffer.type;
    tensor.rank = uint32_t(buffer.dims.size);
    for (uint32_t d = 0; d < tensor.rank; ++d) {
      tensor.dims[d] = bound.dim[tensor.rank - 1 - d].extent;
      tensor.strides[d] = bound.dim[tensor.rank - 1 - d].stride;
    }
    return {};
  }
  return Status::error(Code::Internal, "output '%s' has no buffer", f.outputs[output].name);
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
    if (isDense(tensor))
      continue;
    const size_t elementBytes = info(tensor.type).bytes;
    int64_t count = 0;
    if (!countElements(tensor.dims, tensor.rank, count))
      return Status::error(Code::TooLarge, "input '%s' is too large", signature.name);
    TESSERA_TRY(reserve(state.staging[i], uint64_t(count) * elementBytes));
    copyDense(tensor, state.staging[i].data(), elementBytes);
  }
  return {};
}

} // namespace tessera::rt
