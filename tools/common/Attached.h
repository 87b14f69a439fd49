// Stand-alone programs: the runner (tools/tessera-runner; the one that opens a CUDA driver where
// the module has code for such devices), zeros up to a page, a module, and a trailer that says
// where the module is. What the kernel of the system loads is the runner alone.
#ifndef TESSERA_TOOLS_COMMON_ATTACHED_H
#define TESSERA_TOOLS_COMMON_ATTACHED_H

#include "runtime/api/tessera.h"
#include "tools/common/Files.h"

namespace tessera::tools {

struct AttachedModule {
  uint64_t offset = 0, bytes = 0; // in the file; 0 bytes: there is none
};

// Looks at the end of a file. "" or one sentence, also for a trailer that makes no sense.
[[nodiscard]] std::string findAttached(const std::string &path, AttachedModule &found);

// Whether a module has code for a family of devices: "cpu", "cuda".
bool hasFamily(const tessera_module *module, const char *family);

// Writes the runner with a module behind it; `output` is open. "" or one sentence.
[[nodiscard]] std::string writeProgram(OutputFile &output, const void *module, size_t size);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_ATTACHED_H
