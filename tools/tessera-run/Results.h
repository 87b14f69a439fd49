// What a run computed: files, text, JSON.
#ifndef TESSERA_TOOLS_TESSERA_RUN_RESULTS_H
#define TESSERA_TOOLS_TESSERA_RUN_RESULTS_H

#include "tools/common/Bindings.h"

namespace tessera::tools {

struct RunReport {
  const tessera_module *module;
  tessera_context *context;
  uint32_t function;
  std::string model;
  const std::vector<BoundInput> *inputs;
  std::vector<double> seconds; // of each run
  size_t elements = 0;         // printed of each output
};

// Where outputs go, by name, from NAME=@file.npy. Refuses names that the function does not have.
[[nodiscard]] std::string parseOutputs(const tessera_module *module, uint32_t function,
                                       const std::vector<std::string> &texts,
                                       std::map<std::string, std::string> &files);

// Writes the files, and prints what the outputs are.
[[nodiscard]] std::string deliver(const RunReport &report,
                                  const std::map<std::string, std::string> &files, bool asJson);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_RUN_RESULTS_H
