//===- CalibrationSamples.cpp - The inputs that calibration runs ----------------------------===//
#include "compiler/api/CalibrationSamples.h"

#include "compiler/api/Suggest.h"
#include "compiler/api/TensorNumbers.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace tessera {
namespace {

std::string describe(const std::string &type, const std::vector<int64_t> &dims) {
  std::string text = type + "[";
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

std::string describe(const PortInfo &port) {
  std::string text = port.type + "[";
  for (size_t i = 0; i < port.dims.size(); ++i)
    text += (i ? ", " : "") + port.dims[i].text;
  return text + "]";
}

/// Values of symbols, and whose extent gave them.
using Symbols = std::map<std::string, std::pair<int64_t, std::string>>;

std::string checkExtents(const PortInfo &port, const CalibrationSample::Entry &entry,
                         Symbols &symbols) {
  const std::vector<int64_t> &dims = entry.tensor.dims;
  const std::string found = "'" + entry.source + "' is " + describe(entry.tensor.type, dims) +
                            ", input '" + port.name + "' is " + describe(port);
  if (dims.size() != port.dims.size())
    return found;
  for (size_t i = 0; i < dims.size(); ++i) {
    const PortInfo::Dim &dim = port.dims[i];
    if (dim.extent >= 0 ? dims[i] != dim.extent : dims[i] < dim.min)
      return found;
    if (dim.extent >= 0)
      continue;
    if (dim.max >= 0 && dims[i] > dim.max)
      return found + ", '" + dim.text + "' at most " + std::to_string(dim.max);
    const auto [known, isNew] = symbols.try_emplace(dim.text, dims[i], entry.source);
    if (!isNew && known->second.first != dims[i])
      return found + ", and '" + known->second.second + "' has '" + dim.text +
             "' = " + std::to_string(known->second.first);
  }
  return "";
}

std::string checkNumbers(const CalibrationSample::Entry &entry) {
  const std::vector<double> numbers = readNumbers(entry.tensor);
  for (size_t i = 0; i < numbers.size(); ++i)
    if (!std::isfinite(numbers[i]))
      return "'" + entry.source + "' has " + (std::isnan(numbers[i]) ? "NaN" : "an infinity") +
             " at element " + std::to_string(i) + ": no range of 8-bit integers holds it";
  return "";
}

std::string checkSample(const std::vector<PortInfo> &inputs, CalibrationSample &sample) {
  std::vector<std::string> names;
  for (const PortInfo &port : inputs)
    names.push_back(port.name);
  std::vector<CalibrationSample::Entry> ordered(inputs.size());
  for (CalibrationSample::Entry &entry : sample.tensors) {
    const auto at = std::find(names.begin(), names.end(), entry.input);
    if (at == names.end())
      return suggest("'" + entry.source + "': the model has no input '" + entry.input + "'",
                     entry.input, names);
    ordered[size_t(at - names.begin())] = std::move(entry);
  }
  Symbols symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const CalibrationSample::Entry &entry = ordered[i];
    if (entry.input.empty())
      return "'" + sample.source + "' has no tensor for input '" + names[i] +
             "', expected one of " + describe(inputs[i]);
    if (entry.tensor.type != inputs[i].type)
      return "'" + entry.source + "' has elements of type " + entry.tensor.type + ", input '" +
             names[i] + "' has " + inputs[i].type;
    for (std::string problem : {checkExtents(inputs[i], entry, symbols), checkNumbers(entry)})
      if (!problem.empty())
        return problem;
  }
  sample.tensors = std::move(ordered);
  return "";
}

} // namespace

std::string checkSamples(const std::vector<PortInfo> &inputs,
                         std::vector<CalibrationSample> &samples) {
  for (CalibrationSample &sample : samples)
    if (std::string problem = checkSample(inputs, sample); !problem.empty())
      return "calibration: " + problem;
  return "";
}

} // namespace tessera
