//===- tessera-dump.cpp - What is in a module -------------------------------------------------===//
#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/Session.h"
#include "tools/tessera-dump/Describe.h"

using namespace tessera::tools;

static const char *const kName = "tessera-dump";
static const char *const kExamples = R"(  tessera-dump model.tsm
  diff <(tessera-dump a.tsm) <(tessera-dump b.tsm)
  tessera-dump model.tsm --json
)";

int main(int argc, char **argv) {
  handleInterrupts();
  CommandLine line(argc, argv, kName,
                   "Prints what is in a module (.tsm): signature, constants, kernels, programs.",
                   kExamples);
  std::string path;
  bool json = false;
  OpenOptions open;
  // Modules for other CPUs can be looked at: the null device runs nothing.
  open.device = "null";
  line.add_option("MODEL", path, "module (.tsm), or a model to compile first")->required();
  line.add_flag("--json", json, "as JSON");
  line.add_flag("-q,--quiet", open.isQuiet, "no progress")->group(line.more);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  ModulePointer module;
  if (std::string problem = openModule(path, open, module); !problem.empty())
    return complain(kName, problem);
  const Json description = describeModule(module.get());
  if (json)
    std::printf("%s\n", description.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    printModule(description);
  return 0;
}
