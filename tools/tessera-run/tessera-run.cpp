//===- tessera-run.cpp - Runs a module, or compiles and runs a model ----------------------===//
#include "tools/common/Devices.h"
#include "tools/common/Session.h"
#include "tools/tessera-run/Reference.h"
#include "tools/tessera-run/RunModule.h"

#include <cstdio>

using namespace tessera::tools;

namespace {

const char *const kName = "tessera-run";
const char *const kExamples = R"(  tessera-run model.onnx
  tessera-run model.tsm --input x=@x.npy --output y=@y.npy
  tessera-run model.tsm --input x=2x3xf32=1 --print 8 --threads 2
  tessera-run model.tsm --profile profile.json       (https://ui.perfetto.dev opens it)
)";

struct Options {
  std::string model;
  std::vector<std::string> dims;
  OpenOptions open;
  RunOptions run;
  bool reference = false, wantsDevices = false;
};

void describe(CommandLine &line, Options &options) {
  line.add_option("MODEL", options.model, "module (.tsm), or a model to compile first");
  describe(line, options.run);
  line.add_option("--dim", options.dims, "gives a symbolic extent of a model a value: S=128");
  line.add_option("--target", options.open.target, "level to compile for, or variant to choose")
      ->group(line.more);
  line.add_option("--quantize", options.open.quantize,
                  "stores the weights of a model so: see tessera-compile --help-all")
      ->group(line.more);
  line.add_option("--precision", options.open.precision,
                  "bf16 or f16: products of a model multiply operands rounded to it")
      ->group(line.more);
  line.add_option("--convolution", options.open.convolution,
                  "direct, or winograd where that is faster: see tessera-compile --help-all")
      ->group(line.more);
  line.add_option("--ops", options.open.operators,
                  "functions in the textual IR for operators of an ONNX model: "
                  "graph.func @\"com.example.Gate\"")
      ->group(line.more);
  line.add_option("--device", options.open.device,
                  "cpu, cuda, cuda:1, or null: everything but the kernels")
      ->group(line.more);
  line.add_flag("--devices", options.wantsDevices, "lists the devices of this machine")
      ->group(line.more);
  line.add_flag("--reference", options.reference,
                "interprets a model instead of compiling it: slow, and what it should compute")
      ->group(line.more);
}

std::string run(Options &options) {
  for (const std::string &dim : options.dims)
    if (std::string problem = parseDim(dim, options.open.dims); !problem.empty())
      return problem;
  const RunOptions &run = options.run;
  options.open.isQuiet = run.isQuiet;
  OutputFile profile;
  if (std::string problem = prepareRun(run, profile); !problem.empty())
    return problem;
  if (options.reference) {
    if (run.json || !run.profile.empty() || run.timeout)
      return "--reference gives no --json, --profile or --timeout: leave them out";
    if (!options.open.convolution.empty())
      return "--reference computes convolutions as the model has them: leave --convolution out";
    return runReference({options.model, run.inputs, run.outputs, options.open.dims,
                         options.open.quantize, options.open.precision, options.open.operators,
                         run.repeat, run.elements});
  }
  ModulePointer module;
  if (std::string problem = openModule(options.model, options.open, module); !problem.empty())
    return problem;
  return runModule(kName, options.model, module.get(), run, profile);
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  CommandLine line(argc, argv, kName, "Runs a module (.tsm), or compiles a model and runs it.",
                   kExamples);
  Options options;
  describe(line, options);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  if (options.wantsDevices) {
    std::fputs(listDevices().c_str(), stdout);
    return 0;
  }
  if (options.model.empty()) {
    complain(kName, "MODEL is required; --help shows how it is used");
    return 2;
  }
  const std::string problem = run(options);
  return problem.empty() ? 0 : complain(kName, problem);
}
