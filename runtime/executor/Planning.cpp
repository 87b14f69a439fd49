// Sizes and places of buffers. Temporaries of a segment get offsets by best fit over their live ranges,
// largest first; the result is remembered for the tuple of registers that decided it.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

#include <cstring>

namespace tessera::rt {

Status Context::bindShape(const Function &function, FunctionState &state, uint32_t index) {
  const Buffer &buffer = function.buffers[index];
  Bound &bound = state.bound[index];
  const size_t rank = buffer.dims.size;
  int64_t dims[kMaxRank];
  for (size_t d = 0; d < rank; ++d)
    dims[d] = buffer.dims[d].get(state.registers);
  if (!countElements(dims, rank, bound.elements))
    return Status::error(Code::TooLarge,
                         "a tensor of function '%s' would have a negative extent or more than %lld "
                         "elements (buffer %u)",
                         function.name, (long long)kMaxElements, index);
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
  switch (buffer.kind) {
  case BufferKind::Input: {
    Block &staging = state.staging[buffer.source];
    const TensorView &tensor = state.inputs[buffer.source];
    bool dense = true;
    int64_t stride = 1;
    for (uint32_t d = tensor.rank; d-- > 0; stride *= tensor.dims[d])
      dense &= tensor.dims[d] == 1 || tensor.strides[d] == stride || bytes == 0;
    bound.host = dense ? static_cast<uint8_t *>(tensor.data) : staging.data();
    return {};
  }
  case BufferKind::Output: {
    const TensorSignature &signature = function.outputs[buffer.source];
    if (!state.isGiven[buffer.source]) {
      TESSERA_TRY(reserve(state.owned[buffer.source], bytes));
      bound.host = state.owned[buffer.source].data();
      return {};
    }
    const TensorView &tensor = state.outputs[buffer.source];
    for (uint32_t d = 0; d < tensor.rank; ++d)
      if (tensor.dims[d] != bound.dim[tensor.rank - 1 - d].extent)
        return Status::error(Code::WrongShape,
                             "the memory of output '%s' has extent %lld in dimension %u, the "
                             "result has %d",
                             signature.name, (long long)tensor.dims[d], d,
                             bound.dim[tensor.rank - 1 - d].extent);
    bound.host = static_cast<uint8_t *>(tensor.data);
    return {};
  }
  case BufferKind::Constant:
    bound.host = const_cast<uint8_t *>(module.constants[buffer.source].data);
    return {};
  case BufferKind::Variable:
    bound.host = variables[buffer.source].data();
    return {};
  case BufferKind::Temp:
    bound.host = segmentMemory + offset;
    return {};
  case BufferKind::View: {
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
  const auto sizeOf = [&](size_t i) {
    const uint64_t bytes =
        uint64_t(state.bound[buffers[i]].elements) * info(function.buffers[buffers[i]].type).bytes;
    return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  };
  constexpr uint64_t kUnplaced = UINT64_MAX;
  size_t temps = 0;
  for (size_t i = 0; i < buffers.size; ++i) {
    const bool isTemp = function.buffers[buffers[i]].kind == BufferKind::Temp;
    plan.offsets[i] = isTemp ? kUnplaced : 0;
    temps += isTemp;
  }
  plan.bytes = 0;
  const auto overlaps = [&](size_t i, size_t j) {
    const Buffer &a = function.buffers[buffers[i]], &b = function.buffers[buffers[j]];
    return b.kind == BufferKind::Temp && plan.offsets[j] != kUnplaced && a.first <= b.last &&
           b.first <= a.last;
  };
  while (temps--) {
    size_t largest = buffers.size;
    for (size_t i = 0; i < buffers.size; ++i)
      if (plan.offsets[i] == kUnplaced && (largest == buffers.size || sizeOf(i) > sizeOf(largest)))
        largest = i;
    // The lowest place that no neighbour in time covers: try 0 and the end of each of them.
    const uint64_t size = sizeOf(largest);
    const auto fits = [&](uint64_t at) {
      for (size_t j = 0; j < buffers.size; ++j)
        if (overlaps(largest, j) && at < plan.offsets[j] + sizeOf(j) && plan.offsets[j] < at + size)
          return false;
      return true;
    };
    uint64_t best = fits(0) ? 0 : kUnplaced;
    for (size_t j = 0; best != 0 && j < buffers.size; ++j)
      if (overlaps(largest, j)) {
        const uint64_t at = plan.offsets[j] + sizeOf(j);
        if (at < best && fits(at))
          best = at;
      }
    plan.offsets[largest] = best;
    plan.bytes = best + size > plan.bytes ? best + size : plan.bytes;
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
  place(function, state, segment, *plan);
  return {};
}

Status Context::planSegment(const Function &function, FunctionState &state, uint32_t segment) {
  const Span<uint32_t> buffers = function.segments[segment].buffers;
  for (uint32_t index : buffers)
    if (!function.buffers[index].isRebound)
      TESSERA_TRY(bindShape(function, state, index));
  Plan *plan = nullptr;
  TESSERA_TRY(findPlan(function, state, segment, plan));
  Block &memory = state.segments[segment].memory;
  TESSERA_TRY(reserve(memory, plan->bytes));
  for (size_t i = 0; i < buffers.size; ++i)
    if (!function.buffers[buffers[i]].isRebound)
      TESSERA_TRY(bindMemory(function, state, buffers[i], memory.data(), plan->offsets[i]));
  return {};
}

} // namespace tessera::rt
