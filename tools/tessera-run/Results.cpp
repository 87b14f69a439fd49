#include "tools/tessera-run/Results.h"

#include "compiler/api/Suggest.h"
#include "tools/common/StringArrays.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tessera::tools {

std::string parseOutputs(const tessera_module *module, uint32_t function,
                         const std::vector<std::string> &texts,
                         std::map<std::string, std::string> &files) {
  for (const std::string &text : texts) {
    std::string name, value;
    if (!splitPair(text, name, value) || value.size() < 2 || value[0] != '@')
      return "--output " + text + ": expected NAME=@file.npy";
    if (tessera_find_output(module, function, name.c_str()) < 0)
      return suggest("the model has no output '" + name + "'", name, outputNames(module, function));
    if (!files.emplace(name, value.substr(1)).second)
      return "--output " + name + " is given twice";
  }
  return "";
}

static std::string fetch(const RunReport &report, uint32_t output, Array &array) {
  tessera_tensor tensor;
  tessera_error *error = nullptr;
  if (tessera_get_output(report.context, report.function, output, &tensor, &error))
    return take(error);
  array.type = tensor.type;
  array.areStrings = tessera_output_is_strings(report.module, report.function, output);
  const uint32_t squeezed = tessera_output_squeezed(report.module, report.function, output);
  for (uint32_t d = 0; d < tensor.rank; ++d)
    if (tensor.dims[d] != 1 || !(squeezed >> d & 1))
      array.dims.push_back(tensor.dims[d]);
  const auto *data = static_cast<const uint8_t *>(tensor.data);
  array.data.assign(data, data + elementCount(array) * tessera_type_bytes(tensor.type));
  return "";
}

// JSON has no infinities and no NaN: they become strings.
static nlohmann::json number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

static nlohmann::json typeAndDims(const Array &array) {
  const std::vector<int64_t> dims(array.dims.begin(), array.dims.end() - array.areStrings);
  return {{"type", array.areStrings ? "string" : tessera_type_name(array.type)}, {"dims", dims}};
}

static nlohmann::json toJson(const Array &array, size_t elements) {
  nlohmann::json entry = typeAndDims(array);
  if (array.areStrings) {
    for (size_t i = 0; i < stringCount(array) && i < elements; ++i)
      entry["values"].push_back(stringOf(array, i));
    return entry;
  }
  const size_t count = elementCount(array);
  const auto element = [&](size_t i) -> nlohmann::json {
    if (array.type == TESSERA_I64 || array.type == TESSERA_U64) // Beyond what doubles can hold.
      return nlohmann::json::parse(formatElement(array, i));
    return number(i < count ? elementOf(array, i) : NAN);
  };
  for (size_t i = 0; i < count && i < elements; ++i)
    entry["values"].push_back(element(i));
  if (count) {
    const Summary summary = summaryOf(array);
    entry["min"] = element(summary.least);
    entry["max"] = element(summary.greatest);
    entry["mean"] = number(summary.mean);
    entry["nans"] = summary.nans;
  }
  return entry;
}

std::string deliver(const RunReport &report, const std::map<std::string, std::string> &files,
                    bool asJson) {
  nlohmann::json outputs = nlohmann::json::object(), inputs = nlohmann::json::object();
  for (uint32_t i = 0; i < tessera_output_count(report.module, report.function); ++i) {
    const std::string name = outputInfo(report.module, report.function, i).name;
    Array array;
    if (std::string problem = fetch(report, i, array); !problem.empty())
      return problem;
    if (auto file = files.find(name); file != files.end())
      if (std::string problem = writeNpy(file->second, array); !problem.empty())
        return problem;
    if (asJson)
      outputs[name] = toJson(array, report.elements);
    else
      std::printf("%s: %s\n", name.c_str(), summarize(array, report.elements).c_str());
  }
  if (!asJson)
    return "";
  for (const BoundInput &input : *report.inputs) {
    inputs[input.name] = typeAndDims(input.array);
    inputs[input.name]["generated"] = input.isGenerated;
  }
  const nlohmann::json all = {{"schema", 1},
                              {"model", report.model},
                              {"function", tessera_function_name(report.module, report.function)},
                              {"inputs", inputs},
                              {"outputs", outputs},
                              {"seconds", report.seconds}};
  std::printf("%s\n", all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return "";
}

} // namespace tessera::tools
