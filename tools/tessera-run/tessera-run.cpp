//===- tessera-run.cpp - Runs a module, or compiles and runs a model ----------------------===//
#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/Trace.h"
#include "tools/tessera-run/Reference.h"
#include "tools/tessera-run/Results.h"

using namespace tessera::tools;

namespace {

const char *const kName = "tessera-run";
const char *const kExamples = R"(  tessera-run model.onnx
  tessera-run model.tsm --input x=@x.npy --output y=@y.npy
  tessera-run model.tsm --input x=2x3xf32=1 --print 8 --threads 2
  tessera-run model.tsm --profile profile.json       (https://ui.perfetto.dev opens it)
)";

struct Options {
  std::string model, profile, function;
  std::vector<std::string> inputs, outputs, dims;
  OpenOptions open;
  uint32_t threads = 0, repeat = 1;
  uint64_t timeout = 0;
  size_t elements = 0;
  bool json = false, reference = false;
};

void describe(CommandLine &line, Options &options) {
  line.add_option("MODEL", options.model, "module (.tsm), or a model to compile first")->required();
  line.add_option("-i,--input", options.inputs,
                  "NAME=@file.npy, or NAME=2x3xf32=1 (or =1,2,3,4,5,6); default: generated");
  line.add_option("-o,--output", options.outputs, "NAME=@file.npy");
  line.add_option("--print", options.elements, "prints the first elements of each output");
  line.add_option("--threads", options.threads, "threads that compute; 0 (default): all CPUs");
  line.add_option("--profile", options.profile, "writes a trace that Perfetto opens");
  line.add_flag("--json", options.json, "results as JSON");
  line.add_option("--dim", options.dims, "gives a symbolic extent of a model a value: S=128");
  line.add_option("--target", options.open.target, "level to compile for, or variant to choose")
      ->group(line.more);
  line.add_option("--quantize", options.open.quantize,
                  "stores the weights of a model so: see tessera-compile --help-all")
      ->group(line.more);
  line.add_option("--function", options.function, "function to run; the first by default")
      ->group(line.more);
  line.add_option("--repeat", options.repeat, "runs that often; variables keep their state")
      ->group(line.more);
  line.add_option("--timeout", options.timeout, "milliseconds after which a run ends; 0: none")
      ->group(line.more);
  line.add_option("--device", options.open.device, "cpu, or null: everything but the kernels")
      ->group(line.more);
  line.add_flag("--reference", options.reference,
                "interprets a model instead of compiling it: slow, and what it should compute")
      ->group(line.more);
  line.add_flag("-q,--quiet", options.open.isQuiet, "no progress and no notes")->group(line.more);
}

int run(Options &options) {
  if (options.repeat == 0)
    return complain(kName, "--repeat 0: expected at least 1");
  for (const std::string &dim : options.dims)
    if (std::string problem = parseDim(dim, options.open.dims); !problem.empty())
      return complain(kName, problem);
  if (options.reference) {
    if (options.json || !options.profile.empty() || options.timeout)
      return complain(kName, "--reference gives no --json, --profile or --timeout: leave them out");
    const std::string problem =
        runReference({options.model, options.inputs, options.outputs, options.open.dims,
                      options.open.quantize, options.repeat, options.elements});
    return problem.empty() ? 0 : complain(kName, problem);
  }
  OutputFile profile;
  if (!options.profile.empty())
    if (std::string problem = profile.open(options.profile); !problem.empty())
      return complain(kName, problem);
  ModulePointer module;
  if (std::string problem = openModule(options.model, options.open, module); !problem.empty())
    return complain(kName, problem);
  RunReport report{};
  report.module = module.get();
  report.model = options.model;
  report.elements = options.elements;
  if (std::string problem = findFunction(module.get(), options.function, report.function);
      !problem.empty())
    return complain(kName, problem);
  std::vector<BoundInput> inputs;
  std::map<std::string, std::string> files;
  ContextPointer context;
  std::string problem = bindInputs(module.get(), report.function, options.inputs, inputs);
  if (problem.empty())
    problem = parseOutputs(module.get(), report.function, options.outputs, files);
  if (problem.empty())
    problem = makeContext(module.get(), options.threads, context);
  if (problem.empty())
    problem = setInputs(context.get(), report.function, inputs);
  if (!problem.empty())
    return complain(kName, problem);
  for (const BoundInput &input : inputs)
    if (input.isGenerated && !options.inputs.empty() && !options.open.isQuiet)
      std::fprintf(stderr, "%s: input '%s' was not given, it is generated\n", kName,
                   input.name.c_str());

  tessera_error *error = nullptr;
  if (!options.profile.empty() && tessera_profile_start(context.get(), 1 << 16, &error))
    return complain(kName, take(error));
  tessera_run_options runOptions{};
  runOptions.size = sizeof(runOptions);
  runOptions.timeout = options.timeout * 1000000;
  for (uint32_t i = 0; i < options.repeat; ++i) {
    const double start = now();
    if (tessera_run(context.get(), report.function, &runOptions, &error))
      return complain(kName, take(error));
    report.seconds.push_back(now() - start);
  }
  report.context = context.get();
  report.inputs = &inputs;
  if (problem = deliver(report, files, options.json); !problem.empty())
    return complain(kName, problem);
  if (options.profile.empty())
    return 0;
  const std::string trace = traceJson(module.get(), context.get());
  if (problem = profile.commit(trace.data(), trace.size()); !problem.empty())
    return complain(kName, problem);
  return 0;
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
  return run(options);
}
