// Records of tessera-tune that lie next to a model: "model.onnx.tune".
#ifndef TESSERA_TOOLS_COMMON_RECORDSFILE_H
#define TESSERA_TOOLS_COMMON_RECORDSFILE_H

#include <string>

namespace tessera::tools {

struct FoundRecords {
  std::string path; // "": there are none, or none to be used
  std::string note; // why they are not used, in a sentence; "": nothing to say
};

std::string recordsPath(const std::string &model);

// Records that cannot be read, or that were measured on another processor, are left aside.
FoundRecords findRecords(const std::string &model);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_RECORDSFILE_H
