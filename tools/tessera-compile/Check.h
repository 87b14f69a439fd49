// `--check`: what of a model is not supported.
#ifndef TESSERA_TOOLS_TESSERA_COMPILE_CHECK_H
#define TESSERA_TOOLS_TESSERA_COMPILE_CHECK_H

#include "tools/common/CompilerLibrary.h"

namespace tessera::tools {

// Prints one table, or JSON, to standard output. The exit status: 0 when all is supported, 1
// otherwise.
int printCheck(const CompilerLibrary &compiler, const tessera_compilation *compilation,
               const std::string &model, bool asJson);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_COMPILE_CHECK_H
