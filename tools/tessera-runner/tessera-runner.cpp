//===- tessera-runner.cpp - Runs the module behind itself --------------------------------===//
//
// `tessera-compile --emit exe` copies this program and puts a module behind it. There are two: one
// that needs nothing, and one that opens the CUDA driver (TESSERA_RUNNER_CUDA).
//
//===----------------------------------------------------------------------===//
#include "runtime/api/tessera_cuda.h"
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

#ifdef TESSERA_RUNNER_CUDA
constexpr const char *kDevices = "cpu, cuda, or null: everything but the kernels";

tessera_code enable(tessera_error **error) { return tessera_cuda_enable(error); }
#else
constexpr const char *kDevices = "cpu, or null: everything but the kernels";

tessera_code enable(tessera_error **) { return TESSERA_OK; }
#endif

// The device that is asked for; else the CPU, where the module has code for it.
std::string load(const std::string &target, std::string device, ModulePointer &module) {
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
  tessera_error *error = nullptr;
  if (enable(&error))
    return take(error);
  const auto open = [&](const char *name) {
    options.device = name;
    tessera_module *loaded = nullptr;
    if (tessera_module_load_file(self.c_str(), &options, &loaded, &error))
      return take(error);
    module.reset(loaded);
    return std::string();
  };
  if (device.empty()) {
    if (std::string problem = open("null"); !problem.empty())
      return problem;
    device = hasFamily(module.get(), "cpu") ? "cpu" : "cuda";
  }
  return open(device.c_str());
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  const std::string name = nameOf(argc ? argv[0] : nullptr);
  CommandLine line(argc, argv, name, "Runs the model that this program was compiled from.",
                   kExamples);
  RunOptions options;
  std::string target, device;
  describe(line, options);
  line.add_option("--target", target, "variant to choose: x86-64-v3")->group(line.more);
  line.add_option("--device", device, kDevices)->group(line.more);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  OutputFile profile;
  ModulePointer module;
  std::string problem = prepareRun(options, profile);
  if (problem.empty())
    problem = load(target, device, module);
  if (problem.empty())
    problem = runModule(name, name, module.get(), options, profile);
  return problem.empty() ? 0 : complain(name, problem);
}
