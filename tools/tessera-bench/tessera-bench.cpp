//===- tessera-bench.cpp - How fast a module is, and where the time goes ---------------------===//
#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/MachineRates.h"
#include "tools/tessera-bench/Compare.h"
#include "tools/tessera-bench/Report.h"

using namespace tessera::tools;

namespace {

const char *const kName = "tessera-bench";
const char *const kExamples = R"(  tessera-bench model.onnx --input x=1x3x224x224xf32 --threads 2
  tessera-bench model.tsm --json > before.json
  tessera-bench --compare before.json after.json
)";

struct Options {
  std::string model, function;
  std::vector<std::string> inputs, dims, compare;
  OpenOptions open;
  MeasureOptions measure;
  uint32_t threads = 0;
  size_t kernels = 15;
  bool json = false;
};

void describe(CommandLine &line, Options &options) {
  line.add_option("MODEL", options.model, "module (.tsm), or a model to compile first");
  line.add_option("-i,--input", options.inputs,
                  "NAME=@file.npy, or NAME=2x3xf32 (generated); default: generated");
  line.add_option("--threads", options.threads, "threads that compute; 0 (default): all CPUs");
  line.add_option("--time", options.measure.seconds, "seconds to measure (default 1)")
      ->check(CLI::Range(0.001, 3600.0));
  line.add_option("--kernels", options.kernels, "lines of the table of kernels (default 15)");
  line.add_option("--compare", options.compare, "two results of --json: same, faster or slower?")
      ->expected(2);
  line.add_flag("--json", options.json, "the result as JSON");
  line.add_option("--dim", options.dims, "gives a symbolic extent of a model a value: S=128");
  line.add_option("--target", options.open.target, "level to compile for, or variant to choose")
      ->group(line.more);
  line.add_option("--quantize", options.open.quantize,
                  "stores the weights of a model so: see tessera-compile --help-all")
      ->group(line.more);
  line.add_option("--function", options.function, "function to run; the first by default")
      ->group(line.more);
  line.add_option("--device", options.open.device, "cpu, or null: everything but the kernels")
      ->group(line.more);
  line.add_flag("-q,--quiet", options.open.isQuiet, "no progress")->group(line.more);
}

int run(Options &options) {
  if (!options.compare.empty()) {
    const std::string problem = compare(options.compare[0], options.compare[1], options.json);
    return problem.empty() ? 0 : complain(kName, problem);
  }
  if (options.model.empty())
    return complain(kName, "MODEL is required; --help shows how it is used");
  for (const std::string &dim : options.dims)
    if (std::string problem = parseDim(dim, options.open.dims); !problem.empty())
      return complain(kName, problem);
  Benchmark benchmark;
  benchmark.model = options.model;
  ModulePointer module;
  ContextPointer context;
  const double start = now();
  std::string problem = openModule(options.model, options.open, module);
  benchmark.openSeconds = now() - start;
  benchmark.module = module.get();
  if (problem.empty())
    problem = findFunction(module.get(), options.function, benchmark.function);
  if (problem.empty())
    problem = bindInputs(module.get(), benchmark.function, options.inputs, benchmark.inputs);
  if (problem.empty())
    problem = makeContext(module.get(), options.threads, context);
  if (problem.empty())
    problem = setInputs(context.get(), benchmark.function, benchmark.inputs);
  if (problem.empty()) {
    benchmark.threads = tessera_context_threads(context.get());
    problem = measure(context.get(), benchmark.function, options.measure, benchmark.warmUps,
                      benchmark.times);
  }
  if (problem.empty())
    problem = profile(module.get(), context.get(), benchmark.function, benchmark.kernels);
  if (!problem.empty())
    return complain(kName, problem);
  benchmark.memory = tessera_context_memory(context.get());
  benchmark.peak = measureMachinePeak(vectorBits(module.get()));
  benchmark.memoryRate = measureMemoryRate(benchmark.threads, benchmark.peak.vectorBits);
  benchmark.disturbances = findDisturbances(benchmark.times);
  if (options.json)
    std::printf(
        "%s\n",
        toJson(benchmark).dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  else
    print(benchmark, options.kernels);
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  CommandLine line(argc, argv, kName, "Measures a module (.tsm) or a model, and its kernels.",
                   kExamples);
  Options options;
  describe(line, options);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  return run(options);
}
