//===- tessera-runner.cpp - Runs the module behind itself --------------------------------===//
//
// `tessera-compile --emit exe` copies this program and puts a module behind it.
//
//===----------------------------------------------------------------------===//
#include "tools/common/Attached.h"
#include "tools/common/Session.h"
#include "tools/tessera-run/RunModule.h"

#include <sys/auxv.h>
#include <unistd.h>

using namespace tessera::tools;

namespace {

const char *const kExamples = R"(  MODEL --input x=@x.npy --output y=@y.npy
  MODEL --input x=2x3xf32=1 --print 8 --threads 2
  MODEL --profile profile.json       (https://ui.perfetto.dev opens it)
)";

std::string nameOf(const char *path) {
  const std::string text = path ? path : "";
  const std::string name = text.substr(text.rfind('/') + 1);
  return name.empty() ? "tessera-runner" : name;
}

// The file that runs. Where /proc is not mounted, the name that it was started by.
std::string findSelf() {
  const char *const self = "/proc/self/exe";
  if (::access(self, R_OK) == 0)
    return self;
  const auto *name = reinterpret_cast<const char *>(::getauxval(AT_EXECFN));
  return name ? name : self;
}

std::string load(const std::string &target, ModulePointer &module) {
  AttachedModule attached;
  const std::string self = findSelf();
  if (std::string problem = findAttached(self, attached); !problem.empty())
    return problem;
  if (attached.bytes == 0)
    return "this program runs the module behind it, and there is none; tessera-compile MODEL "
           "--emit "
           "exe -o PROGRAM makes programs of it";
  tessera_load_options options{};
  options.size = sizeof(options);
  options.variant = target.empty() ? nullptr : target.c_str();
  options.offset = attached.offset;
  options.bytes = attached.bytes;
  tessera_module *loaded = nullptr;
  tessera_error *error = nullptr;
  if (tessera_module_load_file(self.c_str(), &options, &loaded, &error))
    return take(error);
  module.reset(loaded);
  return "";
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  const std::string name = nameOf(argc ? argv[0] : nullptr);
  CommandLine line(argc, argv, name, "Runs the model that this program was compiled from.",
                   kExamples);
  RunOptions options;
  std::string target;
  describe(line, options);
  line.add_option("--target", target, "variant to choose: x86-64-v3")->group(line.more);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  OutputFile profile;
  ModulePointer module;
  std::string problem = prepareRun(options, profile);
  if (problem.empty())
    problem = load(target, module);
  if (problem.empty())
    problem = runModule(name, name, module.get(), options, profile);
  return problem.empty() ? 0 : complain(name, problem);
}
