//===- tessera-tune.cpp - Better schedules by measuring --------------------------------------===//
#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/RecordsFile.h"
#include "tools/tessera-tune/Tuner.h"

using namespace tessera::tools;

namespace {

const char *const kName = "tessera-tune";
const char *const kExamples = R"(  tessera-tune model.onnx --budget 60s --input x=1x3x224x224xf32
  tessera-compile model.onnx -o model.tsm      # uses model.onnx.tune
)";

// "90", "90s", "5m", "1h" in seconds. "" or one sentence.
std::string parseBudget(const std::string &text, double &seconds) {
  char *end = nullptr;
  seconds = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  seconds *= factor;
  constexpr double kMost = 1e6;
  if (end == text.c_str() || !(seconds > 0 && seconds < kMost))
    return "--budget " + text + ": expected a time: 60s, 5m or 1h";
  return "";
}

int run(const TuneOptions &options, bool asJson) {
  if (isModule(options.model))
    return complain(kName, "'" + options.model +
                               "' is no model: schedules are chosen when one is compiled");
  std::string problem;
  const CompilerLibrary *compiler = openCompiler(problem);
  if (!compiler)
    return complain(kName, problem);
  Tuner tuner(*compiler, options);
  if (problem = tuner.run(); !problem.empty())
    return complain(kName, problem);
  const nlohmann::json summary = tuner.summary();
  if (asJson) {
    std::printf("%s\n",
                summary.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (!options.isQuiet) {
    const double before = summary["seconds_by_rules"], after = summary["seconds"];
    std::fprintf(stderr, "%s: %zu of %zu kernels are faster; a run takes %s instead of %s (%.2f)\n",
                 options.output.c_str(), summary["tuned"].size(), summary["kernels"].get<size_t>(),
                 formatSeconds(after).c_str(), formatSeconds(before).c_str(),
                 before > 0 ? after / before : 1);
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  CommandLine line(argc, argv, kName,
                   "Improves the schedules of a model's kernels by measuring them on this machine.",
                   kExamples);
  TuneOptions options;
  std::string budget = "60s";
  std::vector<std::string> dims;
  bool asJson = false;
  line.add_option("MODEL", options.model, "model file: ONNX, or the textual IR")->required();
  line.add_option("--budget", budget, "how long it may take: 60s (default), 5m, 1h");
  line.add_option("-i,--input", options.inputs,
                  "what it is measured with: NAME=2x3xf32 (generated) or NAME=@file.npy");
  line.add_option("-o,--output", options.output,
                  "where records are kept; default: MODEL.tune, which tessera-compile finds. A "
                  "file that is there is gone on with");
  line.add_option("--threads", options.threads, "threads that compute; 0 (default): all CPUs");
  line.add_option("--dim", dims, "gives a symbolic extent a value: S=128");
  line.add_flag("--json", asJson, "what was found as JSON, on standard output");
  line.add_option("--target", options.target, "level to compile for; default: this machine's")
      ->group(line.more);
  line.add_option("--quantize", options.quantize, "as tessera-compile takes it")->group(line.more);
  line.add_option("--precision", options.precision, "as tessera-compile takes it")
      ->group(line.more);
  line.add_option("--convolution", options.convolution, "as tessera-compile takes it")
      ->group(line.more);
  line.add_option("--ops", options.operators, "as tessera-compile takes it")->group(line.more);
  line.add_flag("-q,--quiet", options.isQuiet, "no progress, no summary")->group(line.more);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  for (const std::string &dim : dims)
    if (std::string problem = parseDim(dim, options.dims); !problem.empty())
      return complain(kName, problem);
  if (std::string problem = parseBudget(budget, options.budget); !problem.empty())
    return complain(kName, problem);
  if (options.output.empty())
    options.output = recordsPath(options.model);
  return run(options, asJson);
}
