// Modules become what runs without Tessera: programs, objects, libraries.
#ifndef TESSERA_TOOLS_TESSERA_COMPILE_STANDALONE_H
#define TESSERA_TOOLS_TESSERA_COMPILE_STANDALONE_H

#include "tools/common/CompilerLibrary.h"
#include "tools/common/Files.h"

#include <map>
#include <string>

namespace tessera::tools {

// Of --emit exe, object or library.
struct Standalone {
  std::string emit, path; // where the file goes; the header of an object is written beside it
  std::map<std::string, int64_t> dims; // values of extents that the module leaves open
  std::string level;                   // which variant an object has; "": the first

  static bool isKind(const std::string &emit) {
    return emit == "exe" || emit == "object" || emit == "library";
  }
  // `output` is open. "" or the message.
  [[nodiscard]] std::string write(OutputFile &output, const void *module, size_t size) const;

private:
  std::string writeObject(OutputFile &output, const void *module, size_t size) const;
};

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_COMPILE_STANDALONE_H
