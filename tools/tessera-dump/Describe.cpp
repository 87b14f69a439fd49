#include "tools/tessera-dump/Describe.h"

#include "tools/common/Session.h"

#include <cinttypes>
#include <cstdio>

namespace tessera::tools {
namespace {

// Calls a function that writes like snprintf.
template <typename Write> std::string lineOf(Write &&write) {
  std::string text(size_t(write(nullptr, 0)), 0);
  write(text.data(), text.size() + 1);
  return text;
}

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "%016" PRIx64, value);
  return text;
}

Json tensors(const tessera_module *module, uint32_t function, bool isInput) {
  Json list = Json::array();
  const uint32_t count =
      isInput ? tessera_input_count(module, function) : tessera_output_count(module, function);
  for (uint32_t i = 0; i < count; ++i) {
    const tessera_tensor_info info =
        isInput ? inputInfo(module, function, i) : outputInfo(module, function, i);
    const bool areStrings = isInput ? tessera_input_is_strings(module, function, i)
                                    : tessera_output_is_strings(module, function, i);
    list.push_back({{"name", info.name}, {"type", formatType(info, areStrings)}});
  }
  return list;
}

Json describeFunction(const tessera_module *module, uint32_t function) {
  Json symbols = Json::array();
  tessera_symbol_info symbol{};
  for (uint32_t i = 0; tessera_get_symbol(module, function, i, &symbol) == TESSERA_OK; ++i)
    symbols.push_back({{"name", symbol.name}, {"min", symbol.min}, {"max", symbol.max}});
  return {{"name", tessera_function_name(module, function)},
          {"inputs", tensors(module, function, true)},
          {"outputs", tensors(module, function, false)},
          {"symbols", symbols}};
}

std::string dimsOf(const int64_t *dims, uint32_t rank, tessera_type type) {
  std::string text = std::string(tessera_type_name(type)) + "[";
  for (uint32_t d = 0; d < rank; ++d)
    text += (d ? ", " : "") + std::to_string(dims[d]);
  return text + "]";
}

Json describeVariables(const tessera_module *module) {
  Json list = Json::array();
  for (uint32_t i = 0; i < tessera_variable_count(module); ++i) {
    tessera_tensor_info info{};
    tessera_variable_info(module, i, &info);
    int64_t dims[TESSERA_MAX_RANK] = {};
    for (uint32_t d = 0; d < info.rank; ++d)
      dims[d] = info.dims[d].extent;
    list.push_back({{"name", info.name}, {"type", dimsOf(dims, info.rank, info.type)}});
  }
  return list;
}

Json describeConstants(const tessera_module *module) {
  Json list = Json::array();
  for (uint32_t i = 0; i < tessera_constant_count(module); ++i) {
    tessera_constant_info info{};
    tessera_get_constant(module, i, &info);
    list.push_back({{"name", info.name},
                    {"type", dimsOf(info.dims, info.rank, info.type)},
                    {"layout", info.layout && *info.layout ? info.layout : "row-major"},
                    {"bytes", info.bytes},
                    {"segment", info.segment},
                    {"offset", info.offset}});
  }
  return list;
}

Json describeSegments(const tessera_module *module) {
  Json list = Json::array();
  for (uint32_t i = 0; i < tessera_segment_count(module); ++i) {
    tessera_segment_info info{};
    tessera_get_segment(module, i, &info);
    list.push_back({{"kind", info.kind},
                    {"offset", info.offset},
                    {"bytes", info.bytes},
                    {"hash", hex(info.hash)}});
  }
  return list;
}

// "f32 bf16"; "-": none.
std::string typesOf(const tessera_module *module, uint32_t variant, uint32_t kernel,
                    tessera_type_use use) {
  std::vector<tessera_type> types(tessera_kernel_types(module, variant, kernel, use, nullptr, 0));
  tessera_kernel_types(module, variant, kernel, use, types.data(), uint32_t(types.size()));
  std::string text;
  for (const tessera_type type : types)
    text += (text.empty() ? "" : " ") + std::string(tessera_type_name(type));
  return text.empty() ? "-" : text;
}

Json describeKernels(const tessera_module *module, uint32_t variant, uint32_t count) {
  Json list = Json::array();
  for (uint32_t k = 0; k < count; ++k) {
    tessera_kernel_info info{};
    tessera_get_kernel(module, variant, k, &info);
    Json args = Json::array(), nodes = Json::array();
    for (uint32_t a = 0; a < info.arg_count; ++a)
      args.push_back(lineOf([&](char *text, uint64_t size) {
        return tessera_kernel_arg_text(module, variant, k, a, text, size);
      }));
    for (uint32_t s = 0; s < info.source_count; ++s)
      nodes.push_back(tessera_kernel_source(module, variant, k, s));
    const char *host = tessera_kernel_host_operator(module, variant, k);
    list.push_back({{"name", info.name},
                    {"host operator", host ? host : "-"},
                    {"entry", info.entry},
                    {"arguments", args},
                    {"types",
                     {{"reads", typesOf(module, variant, k, TESSERA_TYPES_READ)},
                      {"sums in", typesOf(module, variant, k, TESSERA_TYPES_SUMMED_IN)},
                      {"writes", typesOf(module, variant, k, TESSERA_TYPES_WRITTEN)}}},
                    {"nodes", nodes}});
  }
  return list;
}

Json describeProgram(const tessera_module *module, uint32_t variant, uint32_t function) {
  tessera_program_info info{};
  tessera_get_program(module, variant, function, &info);
  Json buffers = Json::array(), instructions = Json::array();
  for (uint32_t b = 0; b < info.buffers; ++b)
    buffers.push_back(lineOf([&](char *text, uint64_t size) {
      return tessera_buffer_text(module, variant, function, b, text, size);
    }));
  for (uint32_t i = 0; i < info.instructions; ++i)
    instructions.push_back(lineOf([&](char *text, uint64_t size) {
      return tessera_instruction_text(module, variant, function, i, text, size);
    }));
  return {{"function", tessera_function_name(module, function)},
          {"registers", info.registers},
          {"prologue", info.prologue},
          {"segments", info.plan_segments},
          {"buffers", buffers},
          {"instructions", instructions}};
}

// A member that is an object is a line of "name value, ...", one that is a list has a line for each
// entry.
void printValue(const Json &value, const std::string &indent);

std::string scalarText(const Json &value) {
  return value.is_string()    ? value.get<std::string>()
         : value.is_boolean() ? value.get<bool>() ? "yes" : "no"
                              : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool isFlat(const Json &value) {
  if (!value.is_structured())
    return true;
  if (value.is_array())
    return false;
  for (const auto &member : value)
    if (member.is_structured())
      return false;
  return true;
}

std::string flatText(const Json &value) {
  if (!value.is_object())
    return scalarText(value);
  std::string text;
  for (const auto &[name, member] : value.items())
    text += (text.empty() ? "" : ", ") + (name == "name" ? "" : name + " ") + scalarText(member);
  return text;
}

void printMember(const std::string &name, const Json &member, const std::string &indent) {
  if (member.is_array() && member.empty())
    return;
  if (isFlat(member)) {
    std::printf("%s%s: %s\n", indent.c_str(), name.c_str(), flatText(member).c_str());
    return;
  }
  std::printf("%s%s:\n", indent.c_str(), name.c_str());
  printValue(member, indent + "  ");
}

void printValue(const Json &value, const std::string &indent) {
  if (value.is_object()) {
    for (const auto &[name, member] : value.items())
      printMember(name, member, indent);
    return;
  }
  for (const Json &entry : value) {
    if (isFlat(entry)) {
      std::printf("%s%s\n", indent.c_str(), flatText(entry).c_str());
      continue;
    }
    // The first member is what the entry is called.
    std::printf("%s%s\n", indent.c_str(), scalarText(*entry.begin()).c_str());
    bool isFirst = true;
    for (const auto &[name, member] : entry.items()) {
      if (!isFirst)
        printMember(name, member, indent + "  ");
      isFirst = false;
    }
  }
}

} // namespace

Json describeModule(const tessera_module *module) {
  Json functions = Json::array(), variants = Json::array();
  for (uint32_t f = 0; f < tessera_function_count(module); ++f)
    functions.push_back(describeFunction(module, f));
  for (uint32_t v = 0; v < tessera_variant_count(module); ++v) {
    tessera_variant_info info{};
    tessera_get_variant(module, v, &info);
    Json features = Json::array(), programs = Json::array();
    std::string featureText;
    for (uint32_t i = 0; i < info.feature_count; ++i)
      featureText += (i ? " " : "") + std::string(tessera_variant_feature(module, v, i));
    for (uint32_t f = 0; f < tessera_function_count(module); ++f)
      programs.push_back(describeProgram(module, v, f));
    variants.push_back({{"level", info.level},
                        {"family", info.family},
                        {"features", featureText},
                        {"code_bytes", info.code_bytes},
                        {"kernels", describeKernels(module, v, info.kernel_count)},
                        {"programs", programs}});
  }
  return {{"schema", 1},
          {"format", tessera_module_format_version(module)},
          {"compiler", tessera_module_compiler(module)},
          {"bytes", tessera_module_bytes(module)},
          {"functions", functions},
          {"variables", describeVariables(module)},
          {"constants", describeConstants(module)},
          {"segments", describeSegments(module)},
          {"variants", variants}};
}

void printModule(const Json &module) { printValue(module, ""); }

} // namespace tessera::tools
