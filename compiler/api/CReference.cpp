//===- CReference.cpp - The C interface of the reference interpreter -----===//
#include "compiler/api/Interpret.h"
#include "compiler/api/tessera_compiler.h"

#include <cstring>
#include <new>

struct tessera_reference {
  struct Port {
    std::vector<tessera_reference_dim> dims;
    tessera_reference_port port;
  };

  std::unique_ptr<tessera::ReferenceModel> model;
  std::vector<Port> inputs, outputs;
  std::vector<tessera::HostTensor> results;
  std::vector<tessera_reference_tensor> views;
  std::string message;
};

static void describe(const std::vector<tessera::PortInfo> &from,
                     std::vector<tessera_reference::Port> &to) {
  for (const tessera::PortInfo &info : from) {
    tessera_reference::Port &port = to.emplace_back();
    for (const tessera::PortInfo::Dim &dim : info.dims)
      port.dims.push_back({dim.extent, dim.text.c_str(), dim.min, dim.max});
    port.port = {info.name.c_str(), info.type.c_str(), uint32_t(port.dims.size()), port.dims.data(),
                 info.areStrings};
  }
}

static const tessera_reference_port *at(const std::vector<tessera_reference::Port> &ports,
                                        uint32_t index) {
  return index < ports.size() ? &ports[index].port : nullptr;
}

extern "C" {

tessera_reference *tessera_reference_load(const char *path, const tessera_compile_dim *dims,
                                          uint32_t dim_count) {
  return tessera_reference_load_operators(path, dims, dim_count, nullptr);
}

tessera_reference *tessera_reference_load_operators(const char *path,
                                                    const tessera_compile_dim *dims,
                                                    uint32_t dim_count, const char *operators) {
  auto *reference = new (std::nothrow) tessera_reference;
  if (!reference)
    return nullptr;
  std::map<std::string, int64_t> values;
  for (uint32_t i = 0; i < dim_count; ++i)
    values[dims[i].name] = dims[i].value;
  reference->model =
      tessera::ReferenceModel::load(path, values, operators ? operators : "", reference->message);
  if (!reference->model) {
    if (reference->message.empty())
      reference->message = "'" + std::string(path) + "' cannot be read";
    return reference;
  }
  describe(reference->model->inputs(), reference->inputs);
  describe(reference->model->outputs(), reference->outputs);
  return reference;
}

int32_t tessera_reference_quantize(tessera_reference *reference, const char *quantize) {
  if (!reference->model)
    return 1;
  reference->message = reference->model->quantize(quantize);
  return reference->message.empty() ? 0 : 1;
}

int32_t tessera_reference_lower_precision(tessera_reference *reference, const char *precision) {
  if (!reference->model)
    return 1;
  reference->message = reference->model->lowerPrecision(precision);
  return reference->message.empty() ? 0 : 1;
}

void tessera_reference_destroy(tessera_reference *reference) { delete reference; }
const char *tessera_reference_message(const tessera_reference *reference) {
  return reference->message.c_str();
}
const tessera_reference_port *tessera_reference_input(const tessera_reference *reference,
                                                      uint32_t index) {
  return at(reference->inputs, index);
}
const tessera_reference_port *tessera_reference_output(const tessera_reference *reference,
                                                       uint32_t index) {
  return at(reference->outputs, index);
}

int32_t tessera_reference_run(tessera_reference *reference, const tessera_reference_tensor *inputs,
                              uint32_t input_count) {
  reference->views.clear();
  if (!reference->model)
    return 1; // The message says why it could not be loaded.
  std::vector<tessera::HostTensor> given;
  for (uint32_t i = 0; i < input_count; ++i) {
    const auto *data = static_cast<const uint8_t *>(inputs[i].data);
    given.push_back({inputs[i].type,
                     {inputs[i].dims, inputs[i].dims + inputs[i].rank},
                     {data, data + inputs[i].bytes}});
  }
  reference->message = reference->model->run(given, reference->results);
  if (!reference->message.empty())
    return 1;
  for (const tessera::HostTensor &result : reference->results)
    reference->views.push_back({result.type.c_str(), uint32_t(result.dims.size()),
                                result.dims.data(), result.data.data(), result.data.size()});
  return 0;
}

const tessera_reference_tensor *tessera_reference_result(const tessera_reference *reference,
                                                         uint32_t index) {
  return index < reference->views.size() ? &reference->views[index] : nullptr;
}

} // extern "C"
