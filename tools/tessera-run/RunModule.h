// What tessera-run and stand-alone programs do with a module.
#ifndef TESSERA_TOOLS_TESSERA_RUN_RUNMODULE_H
#define TESSERA_TOOLS_TESSERA_RUN_RUNMODULE_H

#include "runtime/api/tessera.h"
#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"

#include <string>
#include <vector>

namespace tessera::tools {

struct RunOptions {
  std::string profile, function;
  std::vector<std::string> inputs, outputs; // NAME=VALUE, NAME=@file.npy
  uint32_t threads = 0, repeat = 1;
  uint64_t timeout = 0; // milliseconds; 0: none
  size_t elements = 0;  // printed of each output
  bool json = false, isQuiet = false;
  bool waitsEach = false; // for each kernel of a device, so that one that fails is named
};

void describe(CommandLine &line, RunOptions &options);

// Before a module is loaded: sees that the options make sense, and opens the file of the profile.
// "" or one sentence.
[[nodiscard]] std::string prepareRun(const RunOptions &options, OutputFile &profile);

// Binds inputs, runs, writes the files and prints what the outputs are. `tool` and `model` are
// names for people. "" or one sentence.
[[nodiscard]] std::string runModule(const std::string &tool, const std::string &model,
                                    tessera_module *module, const RunOptions &options,
                                    OutputFile &profile);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_RUN_RUNMODULE_H
