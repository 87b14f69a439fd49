#include "runtime/executor/Context.h"

#include "runtime/base/ElementType.h"

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

template <typename T, typename... Args> T *blocks(Arena &arena, size_t count, Args &&...args) {
  auto *memory = static_cast<T *>(arena.bytes(count * sizeof(T), alignof(T)));
  for (size_t i = 0; memory && i < count; ++i)
    new (memory + i) T(args...);
  return memory;
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
    variables[i].~VariableState();
  for (size_t i = 0; functions && i < module.variant().functions.size; ++i) {
    const Function &function = module.variant().functions[i];
    FunctionState &state = functions[i];
    for (size_t k = 0; state.staging && k < function.inputs.size; ++k)
      state.staging[k].~Block();
    for (size_t k = 0; state.owned && k < function.outputs.size; ++k)
      state.owned[k].~DeviceBlock();
    for (size_t k = 0; state.inputCopies && k < function.inputs.size; ++k)
      state.inputCopies[k].~DeviceBlock();
    for (size_t k = 0; state.outputCopies && k < function.outputs.size; ++k)
      state.outputCopies[k].~Block();
    for (size_t k = 0; state.segments && k < function.segments.size; ++k)
      state.segments[k].~SegmentState();
    for (size_t k = 0; state.arrivals && k < function.buffers.size; ++k)
      memory.releaseMark(state.arrivals[k].mark);
  }
  for (const Deferred &each : deferred)
    memory.releaseMark(each.mark);
  for (void *mark : marks)
    memory.releaseMark(mark);
  memory.releaseMark(lastUpload);
  module.release();
}

Status Context::initialize(const ContextOptions &options) {
  if (options.threads > kMaxThreads || options.maxPlans > kMaxPlans)
    return Status::error(Code::InvalidArgument,
                         "%u threads and %u plans are asked for, at most %u (kMaxThreads) and %u "
                         "(kMaxPlans) are possible",
                         options.threads, options.maxPlans, kMaxThreads, kMaxPlans);
  memoryLimit = options.memoryLimit;
  maxPlans = options.maxPlans ? options.maxPlans : 64;
  const DeviceMemory *remote = module.device->memory;
  variables = blocks<VariableState>(arena, module.variables.size, allocator, remote);
  const Span<Function> all = module.variant().functions;
  functions = arena.array<FunctionState>(all.size);
  if (!variables || !functions)
    return Status::outOfMemory();
  for (size_t i = 0; i < module.variables.size; ++i)
    TESSERA_TRY(reserve(variables[i].memory[0], module.variables[i].bytes));
  TESSERA_TRY(initializeVariables());
  for (size_t i = 0; i < all.size; ++i)
    TESSERA_TRY(initialize(all[i], functions[i]));
  // std::atomic of an int32_t is one; kernels only read it.
  static_assert(sizeof(cancelled) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free);
  const uint32_t usable = usableCpus();
  const uint32_t threads = options.threads        ? options.threads
                           : usable < kMaxThreads ? usable
                                                  : kMaxThreads;
  kernelContext = {kKernelAbiVersion,
                   sizeof(KernelContext),
                   parallelFor,
                   report,
                   reinterpret_cast<const volatile int32_t *>(&cancelled),
                   this,
                   threads,
                   0};
  return pool.start(threads);
}

Status Context::initialize(const Function &function, FunctionState &state) {
  state.inputs = arena.array<TensorView>(function.inputs.size);
  state.isSet = arena.array<bool>(function.inputs.size);
  state.outputs = arena.array<TensorView>(function.outputs.size);
  state.isGiven = arena.array<bool>(function.outputs.size);
  state.staysOnDevice = arena.array<bool>(function.outputs.size);
  state.inputMemory = arena.array<uint8_t *>(function.inputs.size);
  state.hostInputs = arena.array<uint8_t *>(function.inputs.size);
  state.arrivals = arena.array<Arrival>(function.buffers.size);
  state.registers = arena.array<int64_t>(function.registers);
  state.bound = arena.array<Bound>(function.buffers.size);
  state.arguments = arena.array<void *>(function.maxArgs);
  state.variableBuffers = {arena.array<uint32_t>(function.buffers.size), 0};
  if (!state.inputs || !state.isSet || !state.outputs || !state.isGiven || !state.staysOnDevice ||
      !state.inputMemory || !state.hostInputs || !state.arrivals || !state.registers ||
      !state.bound || !state.arguments || !state.variableBuffers.data)
    return Status::outOfMemory();
  for (size_t i = 0; i < function.buffers.size; ++i) {
    const Buffer &buffer = function.buffers[i];
    KernelBuffer &bound = state.bound[i].buffer;
    bound.type = info(buffer.type).kernelType;
    bound.dimensions = int32_t(buffer.dims.size);
    bound.dim = arena.array<KernelDim>(buffer.dims.size);
    if (!bound.dim)
      return Status::outOfMemory();
    if (function.buffers[buffer.root].kind == BufferKind::Variable)
      state.variableBuffers.data[state.variableBuffers.size++] = uint32_t(i);
  }
  const DeviceMemory *remote = module.device->memory;
  const size_t inputs = function.inputs.size, outputs = function.outputs.size;
  if (!(state.staging = blocks<Block>(arena, inputs, allocator)) ||
      !(state.owned = blocks<DeviceBlock>(arena, outputs, allocator, remote)) ||
      !(state.inputCopies = blocks<DeviceBlock>(arena, inputs, allocator, remote)) ||
      !(state.outputCopies = blocks<Block>(arena, outputs, allocator)) ||
      !(state.segments = blocks<SegmentState>(arena, function.segments.size, allocator, remote)))
    return Status::outOfMemory();
  for (size_t s = 0; s < function.segments.size; ++s) {
    SegmentState &segment = state.segments[s];
    const Span<uint32_t> buffers = function.segments[s].buffers;
    size_t temporaries = 0;
    for (uint32_t index : buffers)
      temporaries += function.buffers[index].kind == BufferKind::Temp;
    segment.plans = arena.array<Plan>(maxPlans);
    segment.places = {arena.array<Place>(temporaries), temporaries};
    segment.scratch = arena.array<uint32_t>(2 * temporaries);
    if (!segment.plans || !segment.places.data || !segment.scratch)
      return Status::outOfMemory();
  }
  // A variable that the function writes needs its second copy; a call allocates nothing.
  const auto reserveWritten = [&](uint32_t index) -> Status {
    const Buffer &root = function.buffers[function.buffers[index].root];
    if (root.kind != BufferKind::Variable)
      return {};
    return reserve(variables[root.source].memory[1], module.variables[root.source].bytes);
  };
  for (const Instruction &x : function.instructions) {
    if (x.op == Opcode::Copy || x.op == Opcode::Fill || x.op == Opcode::StoreScalar ||
        x.op == Opcode::Upload)
      TESSERA_TRY(reserveWritten(x.dst));
    if (x.op != Opcode::Launch)
      continue;
    const Span<KernelArg> args = module.variant().kernels[x.a].args;
    for (size_t i = 0; i < args.size; ++i)
      if (args[i].kind == KernelArgKind::Output)
        TESSERA_TRY(reserveWritten(function.operands[x.b + i]));
  }
  return {};
}

//===----------------------------------------------------------------------===//
// State and profile
//===----------------------------------------------------------------------===//

Status Context::Occupied::status() const {
  if (isMine)
    return {};
  return Status::error(Code::Busy, "the context is in use by another thread; use one context for "
                                   "each thread");
}

Status Context::initializeVariables() {
  for (size_t i = 0; i < module.variables.size; ++i) {
    const Variable &variable = module.variables[i];
    if (!variable.bytes)
      continue;
    uint8_t *value = variables[i].value();
    TESSERA_TRY(
        variable.initial >= 0
            ? memory.toDevice(value, module.constants[variable.initial].data, variable.bytes)
            : memory.fill(value, 0, 1, variable.bytes));
  }
  return {};
}

Status Context::resetVariables() {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  return initializeVariables();
}

Status Context::readVariable(uint32_t index, void *data) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  return memory.toHost(data, variables[index].value(), module.variables[index].bytes);
}

Status Context::writeVariable(uint32_t index, const void *data) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  return memory.toDevice(variables[index].value(), data, module.variables[index].bytes);
}

Status Context::startProfile(uint64_t capacity) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  if (capacity > kMaxRecords)
    return Status::error(Code::InvalidArgument,
                         "%llu records are asked for, at most %llu "
                         "(kMaxRecords) are possible",
                         (unsigned long long)capacity, (unsigned long long)kMaxRecords);
  recordCapacity = 0;
  recordsDropped = 0;
  records.reset();
  // Grow now: a call allocates nothing.
  for (uint64_t i = 0; i < capacity; ++i)
    if (!records.push_back({}))
      return Status::outOfMemory();
  records.clear();
  recordCapacity = capacity;
  return {};
}

} // namespace tessera::rt
