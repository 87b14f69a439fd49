// Sizes and places of buffers. Temporaries of a segment get offsets by best fit over their live
// ranges (Placement.cpp); the result is remembered for the tuple of registers that decided it.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

#include <cstdio>
#include <cstring>

namespace tessera::rt {

namespace {
/// A tensor in words of the model: "output 'y', f32[3 x 70000]".
struct Description {
  char text[200];
  Description(const Function &function, uint32_t index, const int64_t *dims) {
    const Buffer &buffer = function.buffers[index];
    const bool isInput = buffer.kind == BufferKind::Input,
               isOutput = buffer.kind == BufferKind::Output;
    int used =
        isInput || isOutput
            ? std::snprintf(text, sizeof text, "%s '%.80s', ", isInput ? "input" : "output",
                            (isInput ? function.inputs : function.outputs)[buffer.source].name)
            : std::snprintf(text, sizeof text, "tensor %u of function '%.80s', ", index,
                            function.name);
    auto add = [&](const char *format, auto... values) {
      if (used >= 0 && size_t(used) < sizeof text)
        used += std::snprintf(text + used, sizeof text - size_t(used), format, values...);
    };
    add("%s[", info(buffer.type).name);
    for (size_t d = 0; d < buffer.dims.size; ++d)
      add("%s%lld", d ? " x " : "", (long long)dims[d]);
    add("%s", "]");
  }
};
} // namespace

Status Context::bindShape(const Function &function, FunctionState &state, uint32_t index) {
  const Buffer &buffer = function.buffers[index];
  Bound &bound = state.bound[index];
  const size_t rank = buffer.dims.size;
  int64_t dims[kMaxRank];
  for (size_t d = 0; d < rank; ++d)
    dims[d] = buffer.dims[d].get(state.registers);
  if (!countElements(dims, rank, bound.elements))
    return Status::error(Code::TooLarge, "%s, has a negative extent or more than %lld elements",
                         Description(function, index, dims).text, (long long)kMaxElements);
  int64_t stride = 1;
  for (size_t d = rank; d-- > 0;) {
    KernelDim &dim = bound.buffer.dim[rank - 1 - d];
    const int64_t own = buffer.strides.empty() ? stride : buffer.strides[d].get(state.registers);
    if (own > kMaxElements || own < -kMaxElements)
      return Status::error(Code::TooLarge, "a stride of buffer %u is too large", index);
    dim = {0, int32_t(dims[d]), int32_t(own), 0};
    stride = bound.elements ? stride * dims[d] : 1;
  }
  return {};
}

Status Context::bindMemory(const Function &function, FunctionState &state, uint32_t index,
                           uint8_t *segmentMemory, uint64_t offset) {
  const Buffer &buffer = function.buffers[index];
  KernelBuffer &bound = state.bound[index].buffer;
  const uint64_t bytes = uint64_t(state.bound[index].elements) * info(buffer.type).bytes;
  state.bound[index].stamp = state.segments[buffer.segment].stamp;
  switch (buffer.kind) {
  case BufferKind::Input:
    if (memory.isRemote() && buffer.space == Space::Kernels &&
        !state.inputs[buffer.source].isOnDevice) {
      TESSERA_TRY(reserve(state.inputCopies[buffer.source], bytes)
                      .at("input '%s'", function.inputs[buffer.source].name));
      state.inputMemory[buffer.source] = state.inputCopies[buffer.source].data();
    }
    bound.host =
        (buffer.space == Space::Host ? state.hostInputs : state.inputMemory)[buffer.source];
    return {};
  case BufferKind::Output: {
    const TensorSignature &signature = function.outputs[buffer.source];
    const bool isGiven = state.isGiven[buffer.source], stays = state.staysOnDevice[buffer.source];
    const bool isCopy = memory.isRemote() && buffer.space == Space::Host;
    const bool isInPlace = isGiven && (!memory.isRemote() || stays != isCopy);
    if (isCopy && stays &&
        function.outputBuffers[uint32_t(Space::Kernels)][buffer.source] != kNoBuffer) {
      bound.host = nullptr; // It does not come to the host.
    } else if (!isInPlace && isCopy) {
      TESSERA_TRY(reserve(state.outputCopies[buffer.source], bytes));
      bound.host = state.outputCopies[buffer.source].data();
    } else if (!isInPlace) {
      TESSERA_TRY(reserve(state.owned[buffer.source], bytes));
      bound.host = state.owned[buffer.source].data();
    }
    if (!isGiven)
      return {};
    const TensorView &tensor = state.outputs[buffer.source];
    for (uint32_t d = 0; d < tensor.rank; ++d)
      if (tensor.dims[d] != bound.dim[tensor.rank - 1 - d].extent)
        return Status::error(Code::WrongShape,
                             "the memory of output '%s' has extent %lld in dimension %u, the "
                             "result has %d",
                             signature.name, (long long)tensor.dims[d], d,
                             bound.dim[tensor.rank - 1 - d].extent);
    if (isInPlace)
      bound.host = static_cast<uint8_t *>(tensor.data);
    return {};
  }
  case BufferKind::Constant:
    bound.host =
        const_cast<uint8_t *>(buffer.space == Space::Host ? module.constants[buffer.source].data
                                                          : module.constants[buffer.source].seen);
    return {};
  case BufferKind::Variable: bound.host = variables[buffer.source].seen(); return {};
  case BufferKind::Temp: bound.host = segmentMemory + offset; return {};
  case BufferKind::View: {
    TESSERA_TRY(checkBound(function, state, buffer.source));
    // The last element it reaches must be inside what it looks at.
    const Bound &source = state.bound[buffer.source];
    const int64_t start = buffer.offset.get(state.registers);
    const uint64_t available =
        uint64_t(source.elements) * info(function.buffers[buffer.source].type).bytes;
    int64_t last = 0;
    for (int32_t d = 0; d < bound.dimensions; ++d) {
      int64_t reach;
      if (!checkedMul<int64_t>(bound.dim[d].extent - 1, bound.dim[d].stride, reach) || reach < 0 ||
          !checkedAdd(last, reach, last))
        last = INT64_MAX / 16;
    }
    const uint64_t needed = bytes ? (uint64_t(last) + 1) * info(buffer.type).bytes : 0;
    if (start < 0 || uint64_t(start) > available || needed > available - uint64_t(start))
      return Status::error(Code::IndexOutOfRange,
                           "a view of function '%s' reaches outside its tensor (buffer %u)",
                           function.name, index);
    bound.host = source.buffer.host ? source.buffer.host + start : nullptr;
    return {};
  }
  }
  return {};
}

void Context::place(const Function &function, FunctionState &state, uint32_t segment, Plan &plan) {
  const Span<uint32_t> buffers = function.segments[segment].buffers;
  SegmentState &mine = state.segments[segment];
  const auto forEachTemporary = [&](uint32_t space, auto &&visit) {
    size_t next = 0;
    for (size_t i = 0; i < buffers.size; ++i)
      if (const Buffer &buffer = function.buffers[buffers[i]];
          buffer.kind == BufferKind::Temp && uint32_t(buffer.space) == space)
        visit(i, buffer, mine.places.data[next++]);
    return next;
  };
  for (size_t i = 0; i < buffers.size; ++i)
    plan.offsets[i] = 0;
  for (uint32_t space = 0; space < kSpaces; ++space) {
    const size_t count = forEachTemporary(space, [&](size_t i, const Buffer &buffer, Place &place) {
      const uint64_t bytes = uint64_t(state.bound[buffers[i]].elements) * info(buffer.type).bytes;
      place = {(bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment, buffer.first,
               buffer.last, 0};
    });
    plan.bytes[space] = placeByBestFit({mine.places.data, count}, mine.scratch);
    forEachTemporary(space, [&](size_t i, const Buffer &, const Place &place) {
      plan.offsets[i] = place.offset;
    });
  }
}

Status Context::findPlan(const Function &function, FunctionState &state, uint32_t segment,
                         Plan *&plan) {
  const PlanSegment &description = function.segments[segment];
  SegmentState &mine = state.segments[segment];
  for (uint32_t i = 0; i < mine.count; ++i) {
    bool same = true;
    for (size_t k = 0; same && k < description.keys.size; ++k)
      same = mine.plans[i].keys[k] == state.registers[description.keys[k]];
    if (same) {
      plan = &mine.plans[i];
      return {};
    }
  }
  // A new shape: a free place, or that of the plan made first.
  if (mine.count < maxPlans) {
    plan = &mine.plans[mine.count];
    if (!plan->keys)
      plan->keys = arena.array<int64_t>(description.keys.size);
    if (!plan->offsets)
      plan->offsets = arena.array<uint64_t>(description.buffers.size);
    if (!plan->keys || !plan->offsets)
      return Status::outOfMemory();
    ++mine.count;
  } else {
    plan = &mine.plans[mine.oldest];
    mine.oldest = (mine.oldest + 1) % maxPlans;
  }
  for (size_t k = 0; k < description.keys.size; ++k)
    plan->keys[k] = state.registers[description.keys[k]];
  const int64_t start = recordCapacity ? monotonicNanoseconds() : 0;
  place(function, state, segment, *plan);
  record(RecordKind::Plan, uint32_t(&state - functions), 0, -1, start, -1, int64_t(plan->bytes[0]));
  return {};
}

Status Context::checkBound(const Function &function, const FunctionState &state,
                           uint32_t index) const {
  if (state.bound[index].stamp == state.segments[function.buffers[index].segment].stamp)
    return {};
  return Status::error(Code::Malformed,
                       "buffer %u of function '%s' is used before its size is known", index,
                       function.name);
}

// A lack of a device's memory is noticed before anything of a segment is reserved or launched, and
// told as a whole.
Status Context::predictMemory(const Function &function, const FunctionState &state,
                              uint32_t segment, const Plan &plan) const {
  if (!memory.knowsMemory())
    return {};
  uint64_t inputs = 0, outputs = 0, between = 0, given = 0;
  const auto grow = [&](const DeviceBlock &block, uint64_t bytes, uint64_t &sum) {
    if (bytes <= block.size())
      return;
    sum += bytes;
    given += block.size(); // Freed first.
  };
  grow(state.segments[segment].memory, plan.bytes[uint32_t(Space::Kernels)], between);
  for (uint32_t index : function.segments[segment].buffers) {
    const Buffer &buffer = function.buffers[index];
    if (buffer.space != Space::Kernels || buffer.isRebound)
      continue;
    const uint64_t bytes = uint64_t(state.bound[index].elements) * info(buffer.type).bytes;
    if (buffer.kind == BufferKind::Input && !state.inputs[buffer.source].isOnDevice)
      grow(state.inputCopies[buffer.source], bytes, inputs);
    if (buffer.kind == BufferKind::Output &&
        !(state.isGiven[buffer.source] && state.staysOnDevice[buffer.source]))
      grow(state.owned[buffer.source], bytes, outputs);
  }
  const uint64_t needed = inputs + outputs + between;
  uint64_t free = 0, total = 0;
  if (!needed)
    return {};
  TESSERA_TRY(memory.available(free, total));
  if (needed <= free + given)
    return {};
  return Status::error(Code::OutOfMemory,
                       "function '%s' needs %llu bytes of the memory of device '%s' (inputs %llu, "
                       "outputs %llu, between kernels %llu), %llu of %llu are free",
                       function.name, (unsigned long long)needed, module.device->name,
                       (unsigned long long)inputs, (unsigned long long)outputs,
                       (unsigned long long)between, (unsigned long long)(free + given),
                       (unsigned long long)total);
}

Status Context::planSegment(const Function &function, FunctionState &state, uint32_t segment) {
  // What was bound for this segment and those above it is out of date.
  for (size_t s = segment; s < function.segments.size; ++s)
    state.segments[s].stamp = ++lastStamp;
  const Span<uint32_t> buffers = function.segments[segment].buffers;
  for (uint32_t index : buffers)
    if (!function.buffers[index].isRebound)
      TESSERA_TRY(bindShape(function, state, index));
  Plan *plan = nullptr;
  TESSERA_TRY(findPlan(function, state, segment, plan));
  TESSERA_TRY(predictMemory(function, state, segment, *plan));
  SegmentState &mine = state.segments[segment];
  TESSERA_TRY(reserve(mine.memory, plan->bytes[uint32_t(Space::Kernels)]));
  TESSERA_TRY(reserve(mine.hostMemory, plan->bytes[uint32_t(Space::Host)]));
  for (size_t i = 0; i < buffers.size; ++i)
    if (!function.buffers[buffers[i]].isRebound)
      TESSERA_TRY(bindMemory(function, state, buffers[i],
                             function.buffers[buffers[i]].space == Space::Host
                                 ? mine.hostMemory.data()
                                 : mine.memory.data(),
                             plan->offsets[i]));
  return {};
}

} // namespace tessera::rt
