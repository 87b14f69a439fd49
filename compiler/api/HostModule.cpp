//===- HostModule.cpp - Runs what was compiled, on this machine -----------------------------===//
#include "compiler/api/HostModule.h"

#include <algorithm>

using namespace tessera;

static std::string take(tessera_error *error) {
  std::string text = tessera_error_message(error);
  tessera_error_destroy(error);
  return text;
}

std::unique_ptr<HostModule> HostModule::load(const std::vector<uint8_t> &bytes, unsigned threads,
                                             std::string &error) {
  auto made = std::make_unique<HostModule>();
  tessera_error *failure = nullptr;
  tessera_context_options options{};
  options.size = sizeof(options);
  options.threads = threads;
  if (tessera_module_load_memory(bytes.data(), bytes.size(), nullptr, &made->module, &failure) ||
      tessera_context_create(made->module, &options, &made->context, &failure)) {
    error = take(failure);
    return nullptr;
  }
  return made;
}

HostModule::~HostModule() {
  tessera_context_destroy(context);
  tessera_module_destroy(module);
}

std::string HostModule::run(const std::vector<const HostTensor *> &inputs) {
  tessera_error *failure = nullptr;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    tessera_tensor_info info{};
    if (tessera_input_info(module, 0, i, &info))
      return "the module takes fewer inputs";
    tessera_tensor tensor;
    tessera_tensor_init(&tensor, info.type, uint32_t(inputs[i]->dims.size()),
                        inputs[i]->dims.data(), const_cast<uint8_t *>(inputs[i]->data.data()));
    if (tessera_set_input(context, 0, i, &tensor, &failure))
      return take(failure);
  }
  return tessera_run(context, 0, nullptr, &failure) ? take(failure) : "";
}

std::string HostModule::reset() {
  tessera_error *failure = nullptr;
  return tessera_reset(context, &failure) ? take(failure) : "";
}

size_t HostModule::getOutputCount() const { return tessera_output_count(module, 0); }

tessera_tensor HostModule::viewOutput(size_t index) const {
  tessera_tensor tensor{};
  tessera_error *failure = nullptr;
  if (tessera_get_output(context, 0, uint32_t(index), &tensor, &failure))
    tessera_error_destroy(failure);
  return tensor;
}

HostTensor HostModule::getOutput(size_t index) const {
  const tessera_tensor tensor = viewOutput(index);
  HostTensor copy{tessera_type_name(tensor.type), {tensor.dims, tensor.dims + tensor.rank}, {}};
  uint64_t bytes = tessera_type_bytes(tensor.type);
  for (int64_t extent : copy.dims)
    bytes *= uint64_t(extent);
  const auto *data = static_cast<const uint8_t *>(tensor.data);
  if (bytes)
    copy.data.assign(data, data + bytes);
  return copy;
}
