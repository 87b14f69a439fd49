// Calls of host operators: functions of libtessera_hostops on tensors that the runtime holds.
#include "runtime/executor/Context.h"

namespace tessera::rt {

bool Context::shouldStopHost(const HostCall *call) {
  return shouldStop(&static_cast<Context *>(call->runtime)->kernelContext);
}

Status Context::callHost(const Function &function, FunctionState &state, const Instruction &x,
                         const Kernel &kernel) {
  if (!kernel.hostFunction)
    return {}; // A device that computes nothing.
  TESSERA_TRY(awaitUploads());
  HostTensor tensors[kMaxHostTensors];
  int64_t dims[kMaxHostTensors][kMaxRank];
  uint32_t inputs = 0;
  for (uint32_t i = 0; i < x.c; ++i) {
    const uint32_t operand = function.operands[x.b + i];
    const Bound &bound = state.bound[operand];
    const Buffer &buffer = function.buffers[operand];
    for (int32_t d = 0; d < bound.buffer.dimensions; ++d)
      dims[i][d] = bound.buffer.dim[bound.buffer.dimensions - 1 - d].extent;
    tensors[i] = {bound.buffer.host, dims[i], uint32_t(bound.buffer.dimensions), buffer.type};
    inputs += kernel.args[i].kind == KernelArgKind::Input;
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
  return {};
}

} // namespace tessera::rt
