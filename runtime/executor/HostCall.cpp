// Calls of host operators: functions of libtessera_hostops on tensors that the runtime holds.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

namespace tessera::rt {

bool Context::shouldStopHost(const HostCall *call) {
  return shouldStop(&static_cast<Context *>(call->runtime)->kernelContext);
}

// A device with memory of its own lends what is read, and gets what is written.
Status Context::callHost(const Function &function, FunctionState &state, const Instruction &x,
                         const Kernel &kernel) {
  if (!kernel.hostFunction)
    return {}; // A device that computes nothing.
  HostTensor tensors[kMaxHostTensors];
  int64_t dims[kMaxHostTensors][kMaxRank];
  uint64_t bytes[kMaxHostTensors], offsets[kMaxHostTensors], staged = 0;
  uint32_t inputs = 0;
  for (uint32_t i = 0; i < x.c; ++i) {
    const uint32_t operand = function.operands[x.b + i];
    const Bound &bound = state.bound[operand];
    const Buffer &buffer = function.buffers[operand];
    for (int32_t d = 0; d < bound.buffer.dimensions; ++d)
      dims[i][d] = bound.buffer.dim[bound.buffer.dimensions - 1 - d].extent;
    bytes[i] = uint64_t(bound.elements) * info(buffer.type).bytes;
    // A tensor has fewer than 2^31 elements, so that these sums do not overflow.
    (void)checkedAlignUp(staged, kBufferAlignment, offsets[i]);
    staged = offsets[i] + bytes[i];
    tensors[i] = {bound.buffer.host, dims[i], uint32_t(bound.buffer.dimensions), buffer.type};
    inputs += kernel.args[i].kind == KernelArgKind::Input;
  }
  if (memory.isRemote()) {
    TESSERA_TRY(reserve(hostStaging, staged));
    for (uint32_t i = 0; i < x.c; ++i) {
      auto *at = hostStaging.data() + offsets[i];
      if (i < inputs)
        TESSERA_TRY(memory.download(at, static_cast<const uint8_t *>(tensors[i].data), bytes[i]));
      tensors[i].data = at;
    }
    TESSERA_TRY(settle(memory.wait()));
  }
  HostCall call{};
  call.options = kernel.options;
  call.inputs = tensors;
  call.outputs = tensors + inputs;
  call.inputCount = inputs;
  call.outputCount = x.c - inputs;
  call.memory = memoryLimit ? memoryLimit - heldBytes : UINT64_MAX;
  call.shouldStop = shouldStopHost;
  call.runtime = this;
  if (Status status = runHostFunction(*kernel.hostFunction, call); !status.ok()) {
    TESSERA_TRY(checkStop());
    return std::move(status).at("'%s'", sourceOf(kernel));
  }
  if (memory.isRemote()) {
    for (uint32_t i = inputs; i < x.c; ++i)
      TESSERA_TRY(memory.upload(state.bound[function.operands[x.b + i]].buffer.host,
                                tensors[i].data, bytes[i]));
    TESSERA_TRY(settle(memory.wait()));
  }
  return {};
}

} // namespace tessera::rt
