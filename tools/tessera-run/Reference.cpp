#include "tools/tessera-run/Reference.h"

#include "compiler/api/Suggest.h"
#include "tools/common/CompilerLibrary.h"
#include "tools/common/NarrowNumbers.h"
#include "tools/common/StringArrays.h"

#include <algorithm>
#include <cstdio>

namespace tessera::tools {
namespace {

using Port = tessera_reference_port;

class Reference {
public:
  ~Reference() {
    if (model)
      library->reference_destroy(model);
  }
  std::string open(const ReferenceOptions &options);
  std::string run(const ReferenceOptions &options);

private:
  std::string bind(const std::vector<std::string> &texts);
  std::string deliver(const ReferenceOptions &options);

  const CompilerLibrary *library = nullptr;
  tessera_reference *model = nullptr;
  std::vector<const Port *> inputs, outputs;
  std::vector<Array> values;
};

std::vector<std::string> namesOf(const std::vector<const Port *> &ports) {
  std::vector<std::string> names;
  for (const Port *port : ports)
    names.push_back(port->name);
  return names;
}

// The place of a name, or the end.
size_t find(const std::vector<const Port *> &ports, const std::string &name) {
  return std::find_if(ports.begin(), ports.end(),
                      [&](const Port *port) { return name == port->name; }) -
         ports.begin();
}

tessera_type typeOf(const std::string &name) {
  int type = 0;
  while (tessera_type_name(tessera_type(type)) && name != tessera_type_name(tessera_type(type)))
    ++type;
  return tessera_type(type);
}

std::string Reference::open(const ReferenceOptions &options) {
  std::string error;
  library = openCompiler(error);
  if (!library)
    return error;
  std::vector<tessera_compile_dim> dims;
  for (const auto &[name, value] : options.dims)
    dims.push_back({name.c_str(), value});
  model = library->reference_load_operators(options.model.c_str(), dims.data(),
                                            uint32_t(dims.size()), options.operators.c_str());
  if (!model)
    return "no memory";
  error = library->reference_message(model);
  if (error.empty() && !options.quantize.empty() &&
      library->reference_quantize(model, options.quantize.c_str()))
    error = library->reference_message(model);
  if (error.empty() && !options.precision.empty() &&
      library->reference_lower_precision(model, options.precision.c_str()))
    error = library->reference_message(model);
  while (const Port *port = library->reference_input(model, uint32_t(inputs.size())))
    inputs.push_back(port);
  while (const Port *port = library->reference_output(model, uint32_t(outputs.size())))
    outputs.push_back(port);
  while (!error.empty() && error.back() == '\n')
    error.pop_back();
  return error;
}

std::string Reference::bind(const std::vector<std::string> &texts) {
  values.resize(inputs.size());
  std::vector<bool> isGiven(inputs.size());
  std::map<std::string, int64_t> symbols;
  for (const std::string &text : texts) {
    std::string name, value;
    if (!splitPair(text, name, value))
      return "--input " + text + ": expected NAME=@file.npy or NAME=2x3xf32=1";
    const size_t index = find(inputs, name);
    if (index == inputs.size())
      return suggest("the model has no input '" + name + "'", name, namesOf(inputs));
    if (const std::string message = parseInput(value, values[index]); !message.empty())
      return "--input " + name + ": " + message;
    values[index].type = seenAs(typeOf(inputs[index]->type), values[index].type);
    if (isGiven[index])
      return "--input " + name + " is given twice";
    isGiven[index] = true;
    for (uint32_t d = 0; d < inputs[index]->rank && d < values[index].dims.size(); ++d)
      symbols.emplace(inputs[index]->dims[d].text, values[index].dims[d]);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (isGiven[i])
      continue; // The interpreter checks types and extents.
    values[i].type = typeOf(inputs[i]->type);
    for (uint32_t d = 0; d < inputs[i]->rank; ++d) {
      const tessera_reference_dim &dim = inputs[i]->dims[d];
      const auto known = symbols.find(dim.text);
      values[i].dims.push_back(dim.extent >= 0          ? dim.extent
                               : known != symbols.end() ? known->second
                               : dim.max == 0           ? 0
                                                        : std::max<int64_t>(dim.min, 1));
    }
    if (inputs[i]->strings)
      generateStrings(values[i]);
    else
      generate(values[i]);
  }
  return "";
}

std::string Reference::deliver(const ReferenceOptions &options) {
  std::map<std::string, std::string> files;
  for (const std::string &text : options.outputs) {
    std::string name, value;
    if (!splitPair(text, name, value) || value.size() < 2 || value[0] != '@')
      return "--output " + text + ": expected NAME=@file.npy";
    if (find(outputs, name) == outputs.size())
      return suggest("the model has no output '" + name + "'", name, namesOf(outputs));
    if (!files.emplace(name, value.substr(1)).second)
      return "--output " + name + " is given twice";
  }
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    const tessera_reference_tensor *result = library->reference_result(model, i);
    const auto *data = static_cast<const uint8_t *>(result->data);
    const Array array{typeOf(result->type),
                      {result->dims, result->dims + result->rank},
                      {data, data + result->bytes},
                      outputs[i]->strings != 0};
    const std::string name = outputs[i]->name;
    if (auto file = files.find(name); file != files.end())
      if (std::string problem = writeNpy(file->second, array); !problem.empty())
        return problem;
    std::printf("%s: %s\n", name.c_str(), summarize(array, options.elements).c_str());
  }
  return "";
}

std::string Reference::run(const ReferenceOptions &options) {
  if (std::string problem = bind(options.inputs); !problem.empty())
    return problem;
  std::vector<tessera_reference_tensor> tensors;
  for (const Array &value : values)
    tensors.push_back({tessera_type_name(value.type), uint32_t(value.dims.size()),
                       value.dims.data(), value.data.data(), value.data.size()});
  for (uint32_t i = 0; i < options.repeat; ++i)
    if (library->reference_run(model, tensors.data(), uint32_t(tensors.size())))
      return library->reference_message(model);
  return deliver(options);
}

} // namespace

std::string runReference(const ReferenceOptions &options) {
  Reference reference;
  if (std::string problem = reference.open(options); !problem.empty())
    return problem;
  return reference.run(options);
}

} // namespace tessera::tools
