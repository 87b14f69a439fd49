// The C interface: host operators.
#include "runtime/api/Api.h"
#include "runtime/api/OpenHost.h"
#include "runtime/module/HostFunctions.h"

using namespace tessera::rt;

static Status runHostOperator(const char *name, const char *options, const tessera_tensor *inputs,
                              uint32_t inputCount, const tessera_tensor *outputs,
                              uint32_t outputCount) {
  if (!name || (!inputs && inputCount) || (!outputs && outputCount))
    return Status::error(Code::InvalidArgument, "name, inputs and outputs must not be null");
  if (inputCount > kMaxHostTensors || outputCount > kMaxHostTensors - inputCount)
    return Status::error(Code::TooLarge, "a host operator takes at most %u tensors",
                         kMaxHostTensors);
  HostTensor tensors[kMaxHostTensors];
  for (uint32_t i = 0; i < inputCount + outputCount; ++i) {
    const tessera_tensor &from = i < inputCount ? inputs[i] : outputs[i - inputCount];
    if (from.rank > kMaxRank || from.type >= kElementTypeCount)
      return Status::error(Code::WrongType, "tensor %u of host operator '%s' is no tensor", i,
                           name);
    tensors[i] = {from.data, from.dims, from.rank, ElementType(from.type)};
  }
  Result<const HostFunction *> found = findHostFunction(openHost, name);
  if (!found.ok())
    return found.takeStatus();
  HostCall call{};
  call.options = options ? options : "";
  call.inputs = tensors;
  call.outputs = tensors + inputCount;
  call.inputCount = inputCount;
  call.outputCount = outputCount;
  call.memory = UINT64_MAX;
  return runHostFunction(**found, call);
}

extern "C" {

tessera_code tessera_run_host_operator(const char *name, const char *options,
                                       const tessera_tensor *inputs, uint32_t input_count,
                                       const tessera_tensor *outputs, uint32_t output_count,
                                       tessera_error **error) {
  return deliver(runHostOperator(name, options, inputs, input_count, outputs, output_count), error);
}

} // extern "C"
