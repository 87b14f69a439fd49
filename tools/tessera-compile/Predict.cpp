#include "tools/tessera-compile/Predict.h"

#include "tools/common/Bindings.h"
#include "tools/common/Inputs.h"

namespace tessera::tools {

std::string PredictionRequest::prepare(const std::vector<std::string> &inputs,
                                       const std::vector<std::string> &targets, uint32_t threads,
                                       double requireRoofline) {
  for (const std::string &text : inputs) {
    std::string name, value;
    if (!splitPair(text, name, value))
      return "--input " + text + ": expected NAME=@file.npy or NAME=2x3xf32=1";
    Array array;
    if (std::string problem = parseInput(value, array); !problem.empty())
      return "--input " + name + ": " + problem;
    names.push_back(name);
    extents.push_back(array.dims);
  }
  for (size_t i = 0; i < names.size(); ++i)
    shapes.push_back({names[i].c_str(), uint32_t(extents[i].size()), extents[i].data()});
  // Of the widest vectors that a target has; the compiler knows what narrower ones do.
  int bits = 0;
  for (const std::string &target : targets)
    bits = std::max(bits, target.starts_with("x86-64-v2")   ? 128
                          : target.starts_with("x86-64-v3") ? 256
                                                            : 512);
  machine = measureMachineRates(bits ? bits : 512);
  if (threads)
    machine.threads = threads;
  machineText = machine.text();
  prediction.size = sizeof(prediction);
  prediction.shapes = shapes.data();
  prediction.shape_count = uint32_t(shapes.size());
  prediction.machine = machineText.c_str();
  prediction.require_roofline = requireRoofline;
  return "";
}

} // namespace tessera::tools
