// Gives every input of a function a value: from the command line, or generated.
#ifndef TESSERA_TOOLS_COMMON_BINDINGS_H
#define TESSERA_TOOLS_COMMON_BINDINGS_H

#include "tools/common/Inputs.h"
#include "tools/common/Session.h"

namespace tessera::tools {

struct BoundInput {
  std::string name;
  Array array;
  bool isGenerated = false;
};

// `texts` are NAME=VALUE (see parseInput). Refuses unknown names, names given twice, and values
// whose type or extents are not those of the signature. What is not given is generated: symbols
// take the extents that given inputs have, otherwise the smallest that their range allows, but at
// least 1.
[[nodiscard]] std::string bindInputs(const tessera_module *module, uint32_t function,
                                     const std::vector<std::string> &texts,
                                     std::vector<BoundInput> &inputs);

// Hands them to a context; they must outlive its runs.
[[nodiscard]] std::string setInputs(tessera_context *context, uint32_t function,
                                    std::vector<BoundInput> &inputs);

// "NAME=VALUE" in two. False without a name.
bool splitPair(const std::string &text, std::string &name, std::string &value);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_BINDINGS_H
