#include "tools/tessera-compile/ReportPage.h"

#include "tools/common/Bindings.h"
#include "tools/common/MachineRates.h"
#include "tools/tessera-bench/Report.h"
#include "tools/tessera-compile/ReportTemplate.h"

using nlohmann::json;

namespace tessera::tools {
namespace {

constexpr double kSecondsMeasured = 0.5;

// What the symbols of a signature are in the inputs.
json sizesOf(const tessera_module *module, uint32_t function,
             const std::vector<BoundInput> &inputs) {
  json sizes = json::object();
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    const tessera_tensor_info info = inputInfo(module, function, i);
    for (uint32_t d = 0; d < info.rank; ++d)
      if (std::string name = info.dims[d].text ? info.dims[d].text : "";
          info.dims[d].extent < 0 && !name.empty()) {
        if (name.size() > 2 && name.front() == '"' && name.back() == '"') // No identifier.
          name = name.substr(1, name.size() - 2);
        sizes[name] = inputs[i].array.dims[d];
      }
  }
  return sizes;
}

// Runs the module's first function. "" or why it cannot run here.
std::string measureModule(const tessera_compilation *compilation, const CompilerLibrary &compiler,
                          const ReportOptions &options, json &result) {
  tessera_error *error = nullptr;
  tessera_module *loaded = nullptr;
  if (tessera_module_load_memory(compiler.compilation_bytes(compilation),
                                 compiler.compilation_size(compilation), nullptr, &loaded, &error))
    return take(error);
  const ModulePointer module(loaded);
  Benchmark benchmark;
  benchmark.module = loaded;
  benchmark.model = options.model;
  ContextPointer context;
  std::string problem = findFunction(loaded, "", benchmark.function);
  if (problem.empty())
    problem = bindInputs(loaded, benchmark.function, options.inputs, benchmark.inputs);
  if (problem.empty())
    problem = makeContext(loaded, options.threads, context);
  if (problem.empty())
    problem = setInputs(context.get(), benchmark.function, benchmark.inputs);
  if (problem.empty()) {
    benchmark.threads = tessera_context_threads(context.get());
    problem = measure(context.get(), benchmark.function, {kSecondsMeasured, 3}, benchmark.warmUps,
                      benchmark.times);
  }
  if (problem.empty())
    problem = profile(loaded, context.get(), benchmark.function, benchmark.kernels);
  if (!problem.empty())
    return problem;
  benchmark.memory = tessera_context_memory(context.get());
  benchmark.peak = measureMachinePeak(vectorBits(loaded));
  benchmark.memoryRate = measureMemoryRate(benchmark.threads, benchmark.peak.vectorBits);
  benchmark.disturbances = findDisturbances(benchmark.times);
  result = toJson(benchmark);
  result["sizes"] = sizesOf(loaded, benchmark.function, benchmark.inputs);
  return "";
}

// Text inside of a script element: no "</" may end it.
std::string embed(const json &data) {
  std::string text = data.dump(-1, ' ', false, json::error_handler_t::replace), safe;
  for (size_t i = 0; i < text.size(); ++i) {
    safe += text[i];
    if (text[i] == '<')
      safe.replace(safe.size() - 1, 1, "\\u003c");
  }
  return safe;
}

} // namespace

std::string writeReport(const CompilerLibrary &compiler, const tessera_compilation *compilation,
                        const ReportOptions &options, OutputFile &page) {
  json data = {{"model", options.model},
               {"version", compiler.compiler_version()},
               {"steps", json::array()},
               {"machine", options.machine}};
  double seconds = 0;
  for (uint32_t i = 0; const char *step = compiler.compilation_step(compilation, i, &seconds); ++i)
    data["steps"].push_back({{"step", step}, {"seconds", seconds}});
  data["report"] =
      json::parse(compiler.compilation_report(compilation), nullptr, /*allow_exceptions=*/false);
  json measured;
  const std::string problem = measureModule(compilation, compiler, options, measured);
  if (!problem.empty() && !options.inputs.empty())
    return problem; // Somebody asked for a measurement.
  data["measured"] = measured;
  data["unmeasured"] = problem;

  std::string text = kReportTemplate;
  const std::string mark = "/*DATA*/null";
  text.replace(text.find(mark), mark.size(), embed(data));
  return page.commit(text.data(), text.size());
}

} // namespace tessera::tools
