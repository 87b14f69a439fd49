// Runs a model with the reference interpreter instead of compiling it.
#ifndef TESSERA_TOOLS_TESSERA_RUN_REFERENCE_H
#define TESSERA_TOOLS_TESSERA_RUN_REFERENCE_H

#include "tools/common/Bindings.h"

namespace tessera::tools {

struct ReferenceOptions {
  std::string model;
  std::vector<std::string> inputs, outputs; // as for a module: NAME=VALUE, NAME=@file.npy
  std::map<std::string, int64_t> dims;
  std::string quantize;  // how weights are stored, "": as they are
  std::string precision; // what operands of products are rounded to, "": nothing
  std::string operators; // functions for operators of an ONNX model, "": none
  uint32_t repeat = 1;
  size_t elements = 0; // printed of each output
};

// Prints what the outputs are and writes the files. "" or one sentence.
[[nodiscard]] std::string runReference(const ReferenceOptions &options);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_RUN_REFERENCE_H
