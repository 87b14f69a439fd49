#include "tools/common/Session.h"

#include "compiler/api/Suggest.h"

namespace tessera::tools {
std::string take(tessera_error *error) {
  const std::string text = std::string(tessera_error_message(error)) + " [" +
                           tessera_code_name(tessera_error_code(error)) + "]";
  tessera_error_destroy(error);
  return text;
}

std::string makeContext(tessera_module *module, uint32_t threads, ContextPointer &context,
                        const tessera_allocator *allocator) {
  tessera_context_options options{};
  options.size = sizeof(options);
  options.threads = threads;
  options.allocator = allocator;
  tessera_context *made = nullptr;
  tessera_error *error = nullptr;
  if (tessera_context_create(module, &options, &made, &error))
    return take(error);
  context.reset(made);
  return "";
}

std::string formatType(const tessera_tensor_info &info, bool areStrings) {
  std::string text = std::string(areStrings ? "string" : tessera_type_name(info.type)) + "[";
  for (uint32_t d = 0; d + areStrings < info.rank; ++d)
    text += (d ? ", " : "") + std::string(info.dims[d].text);
  return text + "]";
}

tessera_tensor_info inputInfo(const tessera_module *module, uint32_t function, uint32_t input) {
  tessera_tensor_info info{};
  tessera_input_info(module, function, input, &info);
  return info;
}
tessera_tensor_info outputInfo(const tessera_module *module, uint32_t function, uint32_t output) {
  tessera_tensor_info info{};
  tessera_output_info(module, function, output, &info);
  return info;
}

std::vector<std::string> inputNames(const tessera_module *module, uint32_t function) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < tessera_input_count(module, function); ++i)
    names.push_back(inputInfo(module, function, i).name);
  return names;
}
std::vector<std::string> outputNames(const tessera_module *module, uint32_t function) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < tessera_output_count(module, function); ++i)
    names.push_back(outputInfo(module, function, i).name);
  return names;
}

std::string findFunction(const tessera_module *module, const std::string &name,
                         uint32_t &function) {
  function = 0;
  if (name.empty())
    return "";
  const int32_t found = tessera_find_function(module, name.c_str());
  if (found >= 0) {
    function = uint32_t(found);
    return "";
  }
  std::vector<std::string> known;
  for (uint32_t f = 0; f < tessera_function_count(module); ++f)
    known.push_back(tessera_function_name(module, f));
  return suggest("the model has no function '" + name + "'", name, known);
}

} // namespace tessera::tools
