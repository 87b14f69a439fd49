// A context's profile as a trace that Perfetto and chrome://tracing open.
#ifndef TESSERA_TOOLS_COMMON_TRACE_H
#define TESSERA_TOOLS_COMMON_TRACE_H

#include "runtime/api/tessera.h"

#include <string>
#include <vector>

namespace tessera::tools {

// Trace Event Format: complete events in microseconds; a launch is named after the model's nodes.
std::string traceJson(const tessera_module *module, const tessera_context *context);

// The nodes of the model that a kernel of the active variant computes.
std::vector<std::string> nodesOf(const tessera_module *module, uint32_t kernel);
std::string kernelName(const tessera_module *module, uint32_t kernel);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_TRACE_H
