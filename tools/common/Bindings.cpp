#include "tools/common/Bindings.h"

#include "tools/common/NarrowNumbers.h"
#include "tools/common/StringArrays.h"

#include "compiler/api/Suggest.h"

namespace tessera::tools {

bool splitPair(const std::string &text, std::string &name, std::string &value) {
  // A model's names may hold '=': values never begin with one, so the first is the border.
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return false;
  name = text.substr(0, equals);
  value = text.substr(equals + 1);
  return true;
}

static std::string typeOf(const Array &array) {
  std::string text = std::string(array.areStrings ? "string" : tessera_type_name(array.type)) + "[";
  for (size_t d = 0; d + array.areStrings < array.dims.size(); ++d)
    text += (d ? ", " : "") + std::to_string(array.dims[d]);
  return text + "]";
}

std::string bindInputs(const tessera_module *module, uint32_t function,
                       const std::vector<std::string> &texts, std::vector<BoundInput> &inputs) {
  const uint32_t count = tessera_input_count(module, function);
  inputs.clear();
  inputs.resize(count);
  std::vector<bool> isGiven(count);
  for (const std::string &text : texts) {
    std::string name, value;
    if (!splitPair(text, name, value))
      return "--input " + text + ": expected NAME=@file.npy or NAME=2x3xf32=1";
    const int32_t index = tessera_find_input(module, function, name.c_str());
    if (index < 0)
      return suggest("the model has no input '" + name + "'", name, inputNames(module, function));
    if (isGiven[index])
      return "--input " + name + " is given twice";
    isGiven[index] = true;
    if (const std::string message = parseInput(value, inputs[index].array); !message.empty())
      return "--input " + name + ": " + message;
    tessera_type &type = inputs[index].array.type;
    type = seenAs(inputInfo(module, function, uint32_t(index)).type, type);
  }
  // Symbols that given inputs bind, so that generated ones fit.
  std::map<std::string, int64_t> symbols;
  for (uint32_t i = 0; i < count; ++i) {
    const tessera_tensor_info info = inputInfo(module, function, i);
    const std::vector<int64_t> &dims = inputs[i].array.dims;
    for (uint32_t d = 0; isGiven[i] && d < info.rank && d < dims.size(); ++d)
      if (info.dims[d].extent < 0)
        symbols.emplace(info.dims[d].text, dims[d]);
  }
  for (uint32_t i = 0; i < count; ++i) {
    const tessera_tensor_info info = inputInfo(module, function, i);
    Array &array = inputs[i].array;
    inputs[i].name = info.name;
    const bool areStrings = tessera_input_is_strings(module, function, i);
    if (isGiven[i]) {
      if (array.dims.size() != info.rank || (array.areStrings && !areStrings))
        return "input '" + inputs[i].name + "': expected " + formatType(info, areStrings) +
               ", got " + typeOf(array) +
               (array.areStrings && !areStrings ? " [WRONG_TYPE]" : " [WRONG_RANK]");
      continue; // The runtime checks the rest: type, extents, ranges.
    }
    array.type = info.type;
    for (uint32_t d = 0; d < info.rank; ++d) {
      const tessera_dim_info &dim = info.dims[d];
      const auto known = symbols.find(dim.text);
      const int64_t assumed = dim.min > 1 ? dim.min : dim.max < 1 ? dim.max : 1;
      array.dims.push_back(dim.extent >= 0          ? dim.extent
                           : known != symbols.end() ? known->second
                                                    : assumed);
    }
    inputs[i].isGenerated = true;
    if (areStrings)
      generateStrings(array);
    else
      generate(array);
  }
  return "";
}

std::string setInputs(tessera_context *context, uint32_t function,
                      std::vector<BoundInput> &inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    Array &array = inputs[i].array;
    tessera_tensor tensor;
    tessera_tensor_init(&tensor, array.type, uint32_t(array.dims.size()), array.dims.data(),
                        array.data.data());
    tessera_error *error = nullptr;
    if (tessera_set_input(context, function, uint32_t(i), &tensor, &error))
      return take(error);
  }
  return "";
}

} // namespace tessera::tools
