#include "tools/tessera-run/RunModule.h"

#include "tools/common/Trace.h"
#include "tools/tessera-run/Results.h"

namespace tessera::tools {

void describe(CommandLine &line, RunOptions &options) {
  line.add_option("-i,--input", options.inputs,
                  "NAME=@file.npy, or NAME=2x3xf32=1 (or =1,2,3,4,5,6), NAME=2xstring=red,green; "
                  "default: generated");
  line.add_option("-o,--output", options.outputs, "NAME=@file.npy");
  line.add_option("--print", options.elements, "prints the first elements of each output");
  line.add_option("--threads", options.threads, "threads that compute; 0 (default): all CPUs");
  line.add_option("--profile", options.profile, "writes a trace that Perfetto opens");
  line.add_flag("--json", options.json, "results as JSON");
  line.add_option("--function", options.function, "function to run; the first by default")
      ->group(line.more);
  line.add_option("--repeat", options.repeat, "runs that often; variables keep their state")
      ->group(line.more);
  line.add_option("--timeout", options.timeout, "milliseconds after which a run ends; 0: none")
      ->group(line.more);
  line.add_flag("--wait-each", options.waitsEach,
                "waits for each kernel of a GPU: an error says which one it was")
      ->group(line.more);
  line.add_flag("-q,--quiet", options.isQuiet, "no progress and no notes")->group(line.more);
}

std::string prepareRun(const RunOptions &options, OutputFile &profile) {
  if (options.repeat == 0)
    return "--repeat 0: expected at least 1";
  return options.profile.empty() ? "" : profile.open(options.profile);
}

std::string runModule(const std::string &tool, const std::string &model, tessera_module *module,
                      const RunOptions &options, OutputFile &profile) {
  RunReport report{};
  report.module = module;
  report.model = model;
  report.elements = options.elements;
  std::vector<BoundInput> inputs;
  std::map<std::string, std::string> files;
  ContextPointer context;
  std::string problem = findFunction(module, options.function, report.function);
  if (problem.empty())
    problem = bindInputs(module, report.function, options.inputs, inputs);
  if (problem.empty())
    problem = parseOutputs(module, report.function, options.outputs, files);
  if (problem.empty())
    problem = makeContext(module, options.threads, context);
  if (problem.empty())
    problem = setInputs(context.get(), report.function, inputs);
  if (!problem.empty())
    return problem;
  for (const BoundInput &input : inputs)
    if (input.isGenerated && !options.inputs.empty() && !options.isQuiet)
      std::fprintf(stderr, "%s: input '%s' was not given, it is generated\n", tool.c_str(),
                   input.name.c_str());

  if (const char *note = tessera_module_note(module); *note && !options.isQuiet)
    std::fprintf(stderr, "%s: %s\n", tool.c_str(), note);

  tessera_error *error = nullptr;
  if (!options.profile.empty() && tessera_profile_start(context.get(), 1 << 16, &error))
    return take(error);
  tessera_run_options runOptions{};
  runOptions.size = sizeof(runOptions);
  runOptions.timeout = options.timeout * 1000000;
  runOptions.wait_each = options.waitsEach;
  for (uint32_t i = 0; i < options.repeat; ++i) {
    const double start = now();
    if (tessera_run(context.get(), report.function, &runOptions, &error))
      return take(error);
    report.seconds.push_back(now() - start);
  }
  report.context = context.get();
  report.inputs = &inputs;
  if (problem = deliver(report, files, options.json); !problem.empty() || options.profile.empty())
    return problem;
  const std::string trace = traceJson(module, context.get());
  return profile.commit(trace.data(), trace.size());
}

} // namespace tessera::tools
