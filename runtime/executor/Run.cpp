// The interpreter of programs.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

#include <cstring>

namespace tessera::rt {

//===----------------------------------------------------------------------===//
// What kernels see
//===----------------------------------------------------------------------===//

int32_t Context::parallelFor(const KernelContext *context, KernelTask task, int32_t min,
                             int32_t extent, uint8_t *closure) {
  auto *self = static_cast<Context *>(context->runtime);
  return self->pool.run(context, task, min, extent, closure, shouldStop);
}

void Context::report(const KernelContext *context, int32_t code) {
  auto *self = static_cast<Context *>(context->runtime);
  int32_t none = 0;
  self->reported.compare_exchange_strong(none, code);
}

bool Context::shouldStop(const KernelContext *context) {
  auto *self = static_cast<Context *>(context->runtime);
  return self->cancelled.load(std::memory_order_relaxed) ||
         (self->deadline && monotonicNanoseconds() >= self->deadline);
}

// A cancellation counts for one call.
Status Context::checkStop() {
  if (cancelled.load(std::memory_order_relaxed) && cancelled.exchange(0))
    return Status::error(Code::Cancelled, "the call was cancelled");
  if (deadline && monotonicNanoseconds() >= deadline)
    return Status::error(Code::DeadlineExceeded, "the call took longer than its timeout");
  return {};
}

void Context::record(RecordKind kind, uint32_t function, uint32_t instruction, int32_t kernel,
                     int64_t start, int64_t operations, int64_t bytes, Lane lane,
                     uint32_t firstMark) {
  if (!recordCapacity)
    return;
  if (records.size() >= recordCapacity) {
    ++recordsDropped;
    return;
  }
  // Within the room that startProfile made.
  (void)records.push_back({kind, function, instruction, kernel, start,
                           monotonicNanoseconds() - start, operations, bytes, lane, firstMark});
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

namespace {

template <typename T> int64_t load(const void *at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return int64_t(value);
}
} // namespace

Status Context::loadScalar(FunctionState &state, const Instruction &x, const Buffer &buffer) {
  const Bound &bound = state.bound[x.a];
  const int64_t index = state.registers[x.b];
  if (index < 0 || index >= bound.elements)
    return Status::error(Code::IndexOutOfRange, "element %lld of a tensor of %lld is read",
                         (long long)index, (long long)bound.elements);
  uint8_t at[8];
  const uint64_t bytes = info(buffer.type).bytes;
  std::memcpy(at, bound.buffer.host + uint64_t(index) * bytes, bytes);
  int64_t &value = state.registers[x.dst];
  switch (buffer.type) {
  case ElementType::I8: value = load<int8_t>(at); break;
  case ElementType::I16: value = load<int16_t>(at); break;
  case ElementType::I32: value = load<int32_t>(at); break;
  case ElementType::I64: value = load<int64_t>(at); break;
  case ElementType::U8: value = load<uint8_t>(at); break;
  case ElementType::U16: value = load<uint16_t>(at); break;
  case ElementType::U32: value = load<uint32_t>(at); break;
  case ElementType::U64: value = load<uint64_t>(at); break;
  case ElementType::Bool: value = load<uint8_t>(at) != 0; break;
  default: return Status::error(Code::Internal, "a size is read from a tensor of floats");
  }
  return {};
}

Status Context::storeScalar(FunctionState &state, const Instruction &x, const Buffer &buffer) {
  const Bound &bound = state.bound[x.dst];
  const int64_t index = state.registers[x.b];
  if (index < 0 || index >= bound.elements)
    return Status::error(Code::IndexOutOfRange, "element %lld of a tensor of %lld is written",
                         (long long)index, (long long)bound.elements);
  const uint64_t bytes = info(buffer.type).bytes;
  // Little-endian: the low bytes come first.
  int64_t value = state.registers[x.a];
  if (buffer.type == ElementType::Bool)
    value = value != 0;
  std::memcpy(bound.buffer.host + uint64_t(index) * bytes, &value, bytes);
  return {};
}

// The first write of a run to a variable moves everything that is bound to it to its other copy, so
// that a run that fails has changed nothing. `isComplete`: the write covers all of it, the old
// value is not needed.
Status Context::beginWrite(const Function &function, FunctionState &state, uint32_t index,
                           bool isComplete) {
  const Buffer &root = function.buffers[function.buffers[index].root];
  if (root.kind != BufferKind::Variable || variables[root.source].isWritten)
    return {};
  VariableState &variable = variables[root.source];
  const uint8_t *from = variable.seen();
  variable.isWritten = true;
  uint8_t *to = variable.seen();
  if (!isComplete)
    TESSERA_TRY(memory.copy(to, from, module.variables[root.source].bytes));
  for (uint32_t other : state.variableBuffers) {
    Bound &bound = state.bound[other];
    const Buffer &buffer = function.buffers[other];
    if (function.buffers[buffer.root].source == root.source && bound.buffer.host &&
        bound.stamp == state.segments[buffer.segment].stamp)
      bound.buffer.host = to + (bound.buffer.host - from);
  }
  return {};
}

namespace {

// Bytes that are copied or filled between two looks at the clock.
constexpr uint64_t kPieceBytes = uint64_t(4) << 20;

} // namespace

Status Context::copy(FunctionState &state, const Function &function, const Instruction &x) {
  const Bound &to = state.bound[x.dst], &from = state.bound[x.a];
  if (to.elements != from.elements)
    return Status::error(Code::WrongShape, "a copy between tensors of %lld and %lld elements",
                         (long long)from.elements, (long long)to.elements);
  const uint64_t bytes = uint64_t(to.elements) * info(function.buffers[x.dst].type).bytes;
  if (!bytes)
    return {};
  // Before the write begins: the source may be the variable's old value.
  const uint8_t *source = from.buffer.host;
  const Buffer &root = function.buffers[function.buffers[x.dst].root];
  TESSERA_TRY(beginWrite(function, state, x.dst,
                         root.kind == BufferKind::Variable &&
                             bytes == module.variables[root.source].bytes));
  uint8_t *target = to.buffer.host;
  if (target == source)
    return {};
  if (target < source + bytes && source < target + bytes) {
    if (memory.isRemote())
      return Status::error(Code::Internal, "a copy within one tensor of a device overlaps");
    std::memmove(target, source, bytes);
    return {};
  }
  if (memory.isRemote())
    return memory.copy(target, source, bytes);
  for (uint64_t done = 0; done < bytes; done += kPieceBytes) {
    TESSERA_TRY(checkStop());
    std::memcpy(target + done, source + done,
                bytes - done < kPieceBytes ? bytes - done : kPieceBytes);
  }
  return {};
}

Status Context::fill(FunctionState &state, const Function &function, const Instruction &x) {
  const Bound &to = state.bound[x.dst];
  const uint64_t size = info(function.buffers[x.dst].type).bytes;
  const uint64_t bytes = uint64_t(to.elements) * size;
  if (!bytes)
    return {};
  const Buffer &root = function.buffers[function.buffers[x.dst].root];
  TESSERA_TRY(beginWrite(function, state, x.dst,
                         root.kind == BufferKind::Variable &&
                             bytes == module.variables[root.source].bytes));
  if (memory.isRemote())
    return memory.fill(to.buffer.host, uint64_t(x.imm), uint32_t(size), uint64_t(to.elements));
  for (uint64_t done = 0; done < bytes; done += kPieceBytes) {
    TESSERA_TRY(checkStop());
    const uint64_t end = bytes - done < kPieceBytes ? bytes : done + kPieceBytes;
    for (uint64_t at = done; at < end; at += size)
      std::memcpy(to.buffer.host + at, &x.imm, size);
  }
  return {};
}

// Kernels clamp indices into what they read (a pad, a concat), which in an empty tensor leads to
// index 0: they get zeros as far as the clamped indices reach, extents of 0 taken as 1.
Status Context::bindEmptyInputs(const Function &function, FunctionState &state,
                                const Kernel &kernel, uint32_t operands) {
  const auto isEmptyInput = [&](size_t i) {
    return kernel.args[i].kind == KernelArgKind::Input &&
           state.bound[function.operands[operands + i]].elements == 0;
  };
  uint64_t needed = 0;
  for (size_t i = 0; i < kernel.args.size; ++i) {
    if (!isEmptyInput(i))
      continue;
    const uint32_t operand = function.operands[operands + i];
    const KernelBuffer &buffer = state.bound[operand].buffer;
    int64_t dims[kMaxRank], elements = 0;
    for (int32_t d = 0; d < buffer.dimensions; ++d)
      dims[d] = buffer.dim[d].extent ? buffer.dim[d].extent : 1;
    if (!countElements(dims, size_t(buffer.dimensions), elements))
      return Status::error(
          Code::TooLarge,
          "operand %zu of kernel '%s' is empty, and its other extents together are more "
          "than %lld elements",
          i, kernel.name, (long long)kMaxElements);
    const uint64_t bytes = uint64_t(elements) * info(function.buffers[operand].type).bytes;
    needed = bytes > needed ? bytes : needed;
  }
  needed += kBufferAlignment; // A vector may begin at the last element.
  if (needed > zeros.size()) {
    TESSERA_TRY(reserve(zeros, needed));
    TESSERA_TRY(memory.fill(zeros.data(), 0, 1, needed));
  }
  for (size_t i = 0; i < kernel.args.size; ++i)
    if (isEmptyInput(i))
      state.bound[function.operands[operands + i]].buffer.host = zeros.data();
  return {};
}

// What waiting for the device has given: after it all is done, or one of those that nobody has
// waited for has failed.
Status Context::settle(Status status) {
  const Pending asked = pending;
  pending.count = 0;
  if (status.code() != Code::SystemError || !asked.count)
    return status;
  const Kernel &first = *asked.first, &last = *asked.last;
  if (asked.count == 1)
    return std::move(status).at("kernel '%s' of '%s'", last.name, sourceOf(last));
  return std::move(status).at(
      "one of %u kernels, from '%s' of '%s' to '%s' of '%s' (wait_each of a run, "
      "--wait-each of the tools, tells which)",
      asked.count, first.name, sourceOf(first), last.name, sourceOf(last));
}

// Whether nobody would find in the caches what a launch has written: all of it is larger than they
// are, and was not read into them before, as what is changed in place is.
bool Context::hasLargeResults(const Function &function, const FunctionState &state,
                              const Kernel &kernel, uint32_t operands) const {
  const auto bound = [&](size_t i) -> const Bound & {
    return state.bound[function.operands[operands + i]];
  };
  const auto isLarge = [&](size_t i) {
    if (kernel.args[i].kind != KernelArgKind::Output)
      return true;
    const ElementType type = function.buffers[function.operands[operands + i]].type;
    if (uint64_t(bound(i).elements) * info(type).bytes < cacheBytes)
      return false;
    for (size_t j = 0; j < kernel.args.size; ++j)
      if (kernel.args[j].kind == KernelArgKind::Input &&
          bound(j).buffer.host == bound(i).buffer.host)
        return false;
    return true;
  };
  for (size_t i = 0; i < kernel.args.size; ++i)
    if (!isLarge(i))
      return false;
  return true;
}

Status Context::launch(uint32_t functionIndex, FunctionState &state, uint32_t index) {
  const Function &function = module.variant().functions[functionIndex];
  const Instruction &x = function.instructions[index];
  const Kernel &kernel = module.variant().kernels[x.a];
  bool writesNothing = true, readsNothing = false;
  for (size_t i = 0; i < kernel.args.size; ++i) {
    const uint32_t operand = function.operands[x.b + i];
    if (kernel.args[i].kind == KernelArgKind::Scalar) {
      state.arguments[i] = &state.registers[operand];
      continue;
    }
    TESSERA_TRY(checkBound(function, state, operand));
    Bound &bound = state.bound[operand];
    state.arguments[i] = &bound.buffer;
    writesNothing &= kernel.args[i].kind != KernelArgKind::Output || bound.elements == 0;
    readsNothing |= kernel.args[i].kind == KernelArgKind::Input && bound.elements == 0;
  }
  for (const Precondition &condition : kernel.preconditions) {
    const auto *buffer = static_cast<const KernelBuffer *>(state.arguments[condition.arg]);
    const int64_t extent = buffer->dim[buffer->dimensions - 1 - int32_t(condition.dim)].extent;
    if (!holds(condition, extent))
      return Status::error(Code::WrongShape,
                           "extent %lld of dimension %u of operand %u is not what the kernel was "
                           "compiled for",
                           (long long)extent, condition.dim, condition.arg)
          .at("%s", kernel.name);
  }
  if (writesNothing)
    return {};
  if (readsNothing && !(kernel.host && memory.isRemote()))
    TESSERA_TRY(bindEmptyInputs(function, state, kernel, x.b));
  if (!state.variableBuffers.empty())
    for (size_t i = 0; i < kernel.args.size; ++i)
      if (kernel.args[i].kind == KernelArgKind::Output)
        TESSERA_TRY(beginWrite(function, state, function.operands[x.b + i], false));
  const int64_t start = recordCapacity ? monotonicNanoseconds() : 0;
  if (kernel.host) {
    TESSERA_TRY(callHost(function, state, x, kernel));
    record(RecordKind::Launch, functionIndex, index, int32_t(x.a), start, -1, -1);
    return {};
  }
  if (!pending.count++)
    pending.first = &kernel;
  pending.last = &kernel;
  reported = 0;
  kernelContext.largeResults = hasLargeResults(function, state, kernel, x.b);
  Status problem;
  uint32_t begin = 0, end = 0;
  TESSERA_TRY(note(Lane::Main, begin));
  const int32_t status = module.device->launch(kernel.function, &kernelContext, memory.getQueue(),
                                               state.arguments, problem);
  // Launches do not wait for their end, unless that was asked for.
  if (problem.ok())
    problem = waitsEach ? memory.waitMain() : note(Lane::Main, end);
  if (problem.ok() && waitsEach)
    problem = note(Lane::Main, end);
  record(RecordKind::Launch, functionIndex, index, int32_t(x.a), start,
         x.dst == kNoRegister ? -1 : state.registers[x.dst],
         x.d == kNoRegister ? -1 : state.registers[x.d], Lane::Main, begin);
  if (waitsEach || !memory.isRemote())
    pending.count = 0; // It was waited for.
  if (status == 0 && problem.ok())
    return {};
  TESSERA_TRY(checkStop());
  const char *source = sourceOf(kernel);
  // A device tells later what went wrong in its kernels, whoever asks next.
  if (problem.code() == Code::SystemError && pending.count)
    return settle(std::move(problem));
  if (!problem.ok())
    return std::move(problem).at("kernel '%s' of '%s'", kernel.name, source);
  if (reported == kKernelBadIndex)
    return Status::error(Code::IndexOutOfRange, "an index is out of range in '%s'", source);
  return Status::error(Code::KernelFailed, "kernel '%s' of '%s' failed with status %d", kernel.name,
                       source, status);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

Status Context::execute(uint32_t functionIndex, FunctionState &state, uint32_t begin,
                        uint32_t end) {
  const Function &function = module.variant().functions[functionIndex];
  uint32_t next = begin;
  while (next < end) {
    const uint32_t index = next++;
    const Instruction &x = function.instructions[index];
    switch (x.op) {
    case Opcode::LoadScalar:
      TESSERA_TRY(checkBound(function, state, x.a));
      TESSERA_TRY(loadScalar(state, x, function.buffers[x.a]));
      break;
    case Opcode::StoreScalar:
      TESSERA_TRY(checkBound(function, state, x.dst));
      TESSERA_TRY(beginWrite(function, state, x.dst, false));
      TESSERA_TRY(storeScalar(state, x, function.buffers[x.dst]));
      break;
    case Opcode::Launch:
      TESSERA_TRY(checkStop());
      TESSERA_TRY(launch(functionIndex, state, index));
      break;
    case Opcode::Copy:
    case Opcode::Fill: {
      const bool isCopy = x.op == Opcode::Copy;
      const int64_t start = recordCapacity ? monotonicNanoseconds() : 0;
      TESSERA_TRY(checkBound(function, state, x.dst));
      if (isCopy)
        TESSERA_TRY(checkBound(function, state, x.a));
      TESSERA_TRY(isCopy ? copy(state, function, x) : fill(state, function, x));
      record(isCopy ? RecordKind::Copy : RecordKind::Fill, functionIndex, index, -1, start, -1,
             state.bound[x.dst].elements * info(function.buffers[x.dst].type).bytes *
                 (isCopy ? 2 : 1));
      break;
    }
    case Opcode::Upload:
    case Opcode::Download: TESSERA_TRY(transfer(functionIndex, state, index)); break;
    case Opcode::Await: TESSERA_TRY(await(function, state, x.a)); break;
    case Opcode::Assert:
      if (state.registers[x.a] == 0)
        return Status::error(Code::AssertionFailed, "%s", function.messages[x.b]);
      break;
    case Opcode::Jump:
      // Loops jump back: the place where an endless one can be stopped.
      TESSERA_TRY(checkStop());
      next = x.a;
      break;
    case Opcode::Branch:
      TESSERA_TRY(checkStop());
      next = state.registers[x.a] != 0 ? x.b : x.c;
      break;
    case Opcode::Return: return {};
    case Opcode::Plan: TESSERA_TRY(planSegment(function, state, x.a)); break;
    case Opcode::BindView:
      TESSERA_TRY(bindShape(function, state, x.a));
      TESSERA_TRY(bindMemory(function, state, x.a, nullptr, 0));
      break;
    default: TESSERA_TRY(evaluate(x, state.registers)); break;
    }
  }
  return {};
}

Status Context::call(uint32_t functionIndex) {
  const Function &function = module.variant().functions[functionIndex];
  FunctionState &state = functions[functionIndex];
  for (size_t i = 0; i < function.registers; ++i)
    state.registers[i] = 0;
  TESSERA_TRY(bindInputs(function, state));
  TESSERA_TRY(execute(functionIndex, state, 0, function.prologue));
  TESSERA_TRY(checkInputs(function, state));
  TESSERA_TRY(planSegment(function, state, 0));
  TESSERA_TRY(
      execute(functionIndex, state, function.prologue, uint32_t(function.instructions.size)));
  TESSERA_TRY(settle(deliverOutputs(functionIndex, state)));
  // What was asked for while the last kernel ran.
  return checkStop();
}

Status Context::run(uint32_t functionIndex, uint64_t timeout, void *queue, bool waitEach) {
  Occupied occupied(*this);
  TESSERA_TRY(occupied.status());
  if (queue && !memory.isRemote())
    return Status::error(Code::InvalidArgument, "device '%s' has no streams", module.device->name);
  TESSERA_TRY(memory.setStream(queue));
  pending.count = 0;
  deferredCount = 0;
  hasUploaded = false;
  waitsEach = waitEach && memory.isRemote();
  ++runs;
  const int64_t start = monotonicNanoseconds();
  if (!timeout || timeout > uint64_t(INT64_MAX - start))
    deadline = 0;
  else
    deadline = start + int64_t(timeout);
  functions[functionIndex].hasRun = false;
  Status status = beginTimes();
  if (status.ok())
    status = call(functionIndex);
  if (!status.ok()) {
    memory.forget();
    (void)memory.wait(); // Inputs may still be read.
  } else {
    status = readTimes();
  }
  for (size_t i = 0; i < module.variables.size; ++i) {
    VariableState &variable = variables[i];
    if (variable.isWritten && status.ok())
      variable.current = 1 - variable.current;
    variable.isWritten = false;
  }
  TESSERA_TRY(std::move(status));
  functions[functionIndex].hasRun = true;
  record(RecordKind::Run, functionIndex, 0, -1, start, -1, -1);
  return {};
}

} // namespace tessera::rt
