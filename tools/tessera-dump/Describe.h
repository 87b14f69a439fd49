// What is in a module, as JSON; the text is made from it.
#ifndef TESSERA_TOOLS_TESSERA_DUMP_DESCRIBE_H
#define TESSERA_TOOLS_TESSERA_DUMP_DESCRIBE_H

#include "runtime/api/tessera.h"

#include <nlohmann/json.hpp>

namespace tessera::tools {

// Members keep the order in which they are written here, which is that of the text.
using Json = nlohmann::ordered_json;

Json describeModule(const tessera_module *module);
void printModule(const Json &module);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_DUMP_DESCRIBE_H
