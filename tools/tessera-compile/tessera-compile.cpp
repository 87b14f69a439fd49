//===- tessera-compile.cpp - Model files to modules ------------------------------------===//
#include "compiler/api/Suggest.h"
#include "tools/common/CommandLine.h"
#include "tools/common/CompilerLibrary.h"
#include "tools/common/Files.h"
#include "tools/common/RecordsFile.h"
#include "tools/common/Session.h"
#include "tools/tessera-compile/Calibrate.h"
#include "tools/tessera-compile/Check.h"
#include "tools/tessera-compile/Predict.h"
#include "tools/tessera-compile/ReportPage.h"
#include "tools/tessera-compile/Standalone.h"

#include <filesystem>
#include <nlohmann/json.hpp>

using namespace tessera::tools;

namespace {

const char *const kName = "tessera-compile";
const char *const kExamples = R"(  tessera-compile model.onnx -o model.tsm
  tessera-compile model.onnx -o model.tsm --target x86-64-v3,x86-64-v4 --dim S=128
  tessera-compile model.onnx -o model.tsm --quantize int8 --calibration samples
  tessera-compile model.onnx -o model.tsm --report model.html --input x=1x3x224x224xf32
  tessera-compile model.onnx --check
  tessera-compile model.mlir --emit kernel

What a model may ask for is limited (its names, nesting, sizes, and 600 s of processor time a kernel).
An error says the name of the limit; frontends/README.md lists them all.
)";

struct Options {
  std::string model, output, emit = "module", schedule, cache, verifyEach, quantize, precision,
                             convolution, operators;
  std::string calibration, calibrationMethod, page, records;
  std::optional<double> maxError, requireRoofline;
  bool weightsPerTensor = false;
  std::vector<std::string> targets, dims, dumpAfter, inputs;
  uint32_t jobs = 0, threads = 0;
  bool check = false, timing = false, types = false, json = false, noCache = false, quiet = false,
       noRecords = false;
};

void describe(CommandLine &line, Options &options) {
  line.add_option("MODEL", options.model, "model file: ONNX, or the textual IR")->required();
  line.add_option("-o,--output", options.output, "where to write; text goes to standard output");
  line.add_option(
          "--target", options.targets,
          "host (default), x86-64-v2, -v3, -v4, the last two with +vnni (8-bit products), the "
          "last one with +bf16 (those of bf16, too) or +amx (both by tiles), cuda:sm_80; several "
          "make a variant each")
      ->delimiter(',');
  line.add_option("--dim", options.dims, "gives a symbolic extent a value: S=128");
  line.add_option(
      "--emit", options.emit,
      "module (default); exe, object (with a C header), library: code that runs on its own; "
      "text: graph, kernel, schedule, program, loops, llvm, asm");
  line.add_flag("--check", options.check, "a table of all that is not supported; compiles nothing");
  line.add_option("--report", options.page,
                  "writes a page (HTML) on the kernels: what each computes, moves and saves, its "
                  "loops, why, its predicted and its measured time");
  line.add_option("--require-roofline", options.requireRoofline,
                  "fails, naming them, when kernels are predicted below this share of what the "
                  "machine allows: 0.3");
  line.add_option("-i,--input", options.inputs,
                  "sizes for --report and --require-roofline: NAME=2x3xf32 (generated) or "
                  "NAME=@file.npy; the report measures with them");
  line.add_flag("--timing", options.timing, "says where the time went");
  line.add_flag("--types", options.types,
                "says in what types each kernel reads, keeps sums, and writes");
  line.add_flag("--json", options.json, "says what was done as JSON, on standard output");
  line.add_option(
          "--quantize", options.quantize,
          "how constant weights of products are stored; they are decoded where they are "
          "read: int8-weights, int4 (both also with -asymmetric: a minimum), in groups of "
          "32; nf4, in groups of 64; mxfp4, fp8-e4m3, fp8-e5m2 (Microscaling: a power of "
          "two for 32); bf16-weights, f16-weights. Or products compute with integers: int8, "
          "int8-symmetric, int8-dynamic and int8-dynamic-symmetric (ranges at run time)")
      ->group(line.more);
  line.add_option(
          "--precision", options.precision,
          "bf16 or f16: contractions and convolutions multiply operands rounded to it; tf32: GPUs "
          "may do so; sums and everything else keep their types. f8-sums: GPUs may sum products of "
          "8-bit floats as their instructions do, with some 14 bits")
      ->group(line.more);
  line.add_option(
          "--convolution", options.convolution,
          "direct (default); or winograd: those of 3x3 in f32 by products of matrices where "
          "an estimate says that this is faster (winograd-always: wherever it is possible), on "
          "processors. Results are rounded otherwise, and an infinity makes NaN of results near it")
      ->group(line.more);
  line.add_option("--calibration", options.calibration,
                  "folder of samples for --quantize int8: NAME.npy for each input, or a folder of "
                  "these for each sample; extents that are symbols may differ")
      ->group(line.more);
  line.add_option("--calibration-method", options.calibrationMethod,
                  "how ranges are chosen: min-max (default), percentile, percentile=99.9, entropy")
      ->group(line.more);
  line.add_option(
          "--max-error", options.maxError,
          "leaves the layers that cost most in f32 until each output's relative error (root "
          "mean square, on the samples) is at most this")
      ->group(line.more);
  line.add_flag("--weights-per-tensor", options.weightsPerTensor,
                "int8: one scale for a weight, not one for each output channel")
      ->group(line.more);
  line.add_option("--ops", options.operators,
                  "functions in the textual IR for operators of an ONNX model, named as they are: "
                  "graph.func @\"com.example.Gate\"(%x, %alpha); a node's inputs are the first "
                  "arguments, those behind them take its attributes of their names")
      ->group(line.more);
  line.add_option("--records", options.records,
                  "what tessera-tune found; default: MODEL.tune, where it is there")
      ->group(line.more);
  line.add_flag("--no-records", options.noRecords, "schedules by rules, whatever was found")
      ->group(line.more);
  line.add_option("--schedule", options.schedule,
                  "schedules that replace the default ones (from --emit schedule)")
      ->group(line.more);
  line.add_option("--dump-ir-after", options.dumpAfter,
                  "passes after which the IR is printed to standard error")
      ->delimiter(',')
      ->group(line.more);
  line.add_option(
          "--verify-each", options.verifyEach,
          "numeric: runs the model before and after every pass with the reference interpreter")
      ->check(CLI::IsMember({"numeric"}))
      ->group(line.more);
  line.add_option("--threads", options.threads,
                  "that --report and --require-roofline count with; 0 (default): all CPUs")
      ->group(line.more);
  line.add_option("--jobs", options.jobs, "kernels compiled at a time; 0: one per core")
      ->group(line.more);
  line.add_option("--cache", options.cache,
                  "folder of compiled kernels; default: $TESSERA_CACHE_DIR or ~/.cache/tessera")
      ->group(line.more);
  line.add_flag("--no-cache", options.noCache, "compiles every kernel anew")->group(line.more);
  line.add_flag("-q,--quiet", options.quiet, "no progress, no summary")->group(line.more);
}

std::vector<const char *> pointers(const std::vector<std::string> &texts) {
  std::vector<const char *> list;
  for (const std::string &text : texts)
    list.push_back(text.c_str());
  return list;
}

std::vector<tessera_quantized_weight> weightsOf(const CompilerLibrary &compiler,
                                                const tessera_compilation *compilation) {
  std::vector<tessera_quantized_weight> weights(compiler.compilation_weight_count(compilation));
  for (uint32_t i = 0; i < weights.size(); ++i)
    compiler.compilation_weight(compilation, i, &weights[i]);
  return weights;
}

nlohmann::json listWeights(const CompilerLibrary &compiler,
                           const tessera_compilation *compilation) {
  nlohmann::json list = nlohmann::json::array();
  for (const tessera_quantized_weight &weight : weightsOf(compiler, compilation))
    list.push_back({{"place", weight.place},
                    {"type", weight.type},
                    {"bytes", weight.bytes},
                    {"new_bytes", weight.new_bytes},
                    {"left", weight.reason}});
  return list;
}

void reportWeights(const CompilerLibrary &compiler, const tessera_compilation *compilation,
                   const std::string &mode) {
  const std::vector<tessera_quantized_weight> weights = weightsOf(compiler, compilation);
  unsigned long long before = 0, after = 0, count = 0;
  for (const tessera_quantized_weight &weight : weights)
    if (!*weight.reason) {
      ++count;
      before += weight.bytes;
      after += weight.new_bytes;
    }
  std::fprintf(stderr, "%s: %llu of %zu weights of products take %llu bytes instead of %llu\n",
               mode.c_str(), count, weights.size(), after, before);
  for (const tessera_quantized_weight &weight : weights)
    if (*weight.reason)
      std::fprintf(stderr, "  %s: %s is left: %s\n", weight.place, weight.type, weight.reason);
}

std::vector<tessera_compiled_kernel> typesOf(const CompilerLibrary &compiler,
                                             const tessera_compilation *compilation) {
  std::vector<tessera_compiled_kernel> kernels(
      compiler.compilation_kernel_types_count(compilation));
  for (uint32_t i = 0; i < kernels.size(); ++i)
    compiler.compilation_kernel_types(compilation, i, &kernels[i]);
  return kernels;
}

nlohmann::json listTypes(const CompilerLibrary &compiler, const tessera_compilation *compilation) {
  nlohmann::json list = nlohmann::json::array();
  for (const tessera_compiled_kernel &kernel : typesOf(compiler, compilation))
    list.push_back({{"target", kernel.target},
                    {"kernel", kernel.name},
                    {"reads", kernel.reads},
                    {"sums", kernel.sums},
                    {"writes", kernel.writes}});
  return list;
}

void reportTypes(const CompilerLibrary &compiler, const tessera_compilation *compilation) {
  const auto orNone = [](const char *text) { return *text ? text : "-"; };
  for (const tessera_compiled_kernel &kernel : typesOf(compiler, compilation))
    std::fprintf(stderr, "%-14s %-24s reads %s; sums in %s; writes %s\n", kernel.target,
                 kernel.name, orNone(kernel.reads), orNone(kernel.sums), orNone(kernel.writes));
}

// Products of 8-bit integers, or weights that are decoded.
bool isInt8(const Options &options) {
  return options.quantize.starts_with("int8") && !options.quantize.starts_with("int8-weights");
}

// What was made, for people and for programs.
void report(const CompilerLibrary &compiler, const tessera_compilation *compilation,
            const Options &options, size_t samples) {
  nlohmann::json targets = nlohmann::json::array(), steps = nlohmann::json::array();
  std::string targetText;
  for (uint32_t i = 0; const char *target = compiler.compilation_target(compilation, i); ++i) {
    targets.push_back(target);
    targetText += (i ? ", " : "") + std::string(target);
  }
  double seconds = 0;
  for (uint32_t i = 0; const char *step = compiler.compilation_step(compilation, i, &seconds);
       ++i) {
    steps.push_back({{"step", step}, {"seconds", seconds}});
    if (options.timing)
      std::fprintf(stderr, "%-24s %8.3f s\n", step, seconds);
  }
  std::error_code none;
  const uint64_t size = Standalone::isKind(options.emit)
                            ? std::filesystem::file_size(options.output, none)
                            : compiler.compilation_size(compilation);
  const uint64_t kernels = compiler.compilation_kernel_count(compilation);
  const uint64_t cached = compiler.compilation_cached_kernel_count(compilation);
  if (options.json) {
    nlohmann::json summary = {
        {"schema", 1},        {"output", options.output}, {"bytes", size}, {"targets", targets},
        {"kernels", kernels}, {"cached_kernels", cached}, {"steps", steps}};
    summary["types"] = listTypes(compiler, compilation);
    if (isInt8(options))
      summary["layers"] = listLayers(compiler, compilation);
    else if (!options.quantize.empty())
      summary["weights"] = listWeights(compiler, compilation);
    if (samples) {
      summary["samples"] = samples;
      summary["accuracy"] = listAccuracy(compiler, compilation);
    }
    std::printf("%s\n",
                summary.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if ((options.emit == "module" || Standalone::isKind(options.emit)) && !options.quiet) {
    std::fprintf(stderr, "%s: %llu bytes, target %s, %llu kernels (%llu from the cache)\n",
                 options.output.c_str(), (unsigned long long)size, targetText.c_str(),
                 (unsigned long long)kernels, (unsigned long long)cached);
    if (isInt8(options))
      printLayers(compiler, compilation, options.quantize, samples);
    else if (!options.quantize.empty())
      reportWeights(compiler, compilation, options.quantize);
  }
  if (options.types && !options.json)
    reportTypes(compiler, compilation);
}

// "" or one sentence.
std::string checkKind(const std::string &emit) {
  const std::vector<std::string> kinds = {"module", "exe",    "object",   "library",
                                          "graph",  "kernel", "schedule", "program",
                                          "loops",  "llvm",   "asm"};
  for (const std::string &kind : kinds)
    if (kind == emit)
      return "";
  return tessera::suggest("unknown --emit '" + emit + "'", emit, kinds);
}

// Whether what is asked for can be made of a module, whose kernels are there already. "" or one
// sentence.
std::string checkModuleOptions(const Options &options) {
  for (const auto &[name, isGiven] :
       {std::pair("--quantize", !options.quantize.empty()),
        std::pair("--precision", !options.precision.empty()),
        std::pair("--convolution", !options.convolution.empty()),
        std::pair("--calibration", !options.calibration.empty()),
        std::pair("--schedule", !options.schedule.empty()),
        std::pair("--dim", !options.dims.empty() && options.emit == "exe")})
    if (isGiven)
      return std::string(name) + " is for models; '" + options.model +
             "' is a module, which was compiled without it";
  return "";
}

// A module that was compiled before becomes code that runs on its own.
std::string wrapModule(const Options &options, const Standalone &standalone) {
  std::string module;
  OutputFile output;
  std::string problem = output.open(options.output);
  if (problem.empty())
    problem = readFile(options.model, module);
  return problem.empty() ? standalone.write(output, module.data(), module.size()) : problem;
}

int run(const Options &options) {
  std::map<std::string, int64_t> dims;
  for (const std::string &dim : options.dims)
    if (std::string problem = parseDim(dim, dims); !problem.empty())
      return complain(kName, problem);
  const bool toFile = !options.check && !options.output.empty() && options.output != "-";
  if (std::string problem = checkKind(options.emit); !problem.empty())
    return complain(kName, problem);
  const bool isStandalone = Standalone::isKind(options.emit);
  if (!options.check && options.emit == "module" && options.output.empty())
    return complain(kName, "say where to write the module: -o OUT.tsm");
  if (options.types && (options.check || (options.emit != "module" && !isStandalone)))
    return complain(kName, "--types lists the kernels of a module: leave out " +
                               std::string(options.check ? "--check" : "--emit"));
  if (!options.check && isStandalone && !toFile)
    return complain(kName, "say where to write the " + options.emit + ": -o OUT");
  // A model's extents get their values when it is compiled; a module's were left open.
  const bool fromModule = isStandalone && !options.check && isModule(options.model);
  const Standalone standalone{options.emit, options.output,
                              fromModule ? dims : std::map<std::string, int64_t>{},
                              fromModule && !options.targets.empty() ? options.targets[0] : ""};
  if (isStandalone && options.emit != "exe" && options.targets.size() > 1)
    return complain(kName, "--emit " + options.emit +
                               " takes one --target; a program of --emit exe chooses when it runs");
  if (fromModule) {
    if (std::string problem = checkModuleOptions(options); !problem.empty())
      return complain(kName, problem);
    const std::string problem = wrapModule(options, standalone);
    return problem.empty() ? 0 : complain(kName, problem);
  }
  if (!options.page.empty() && (options.check || options.emit != "module"))
    return complain(kName, "--report is on the kernels of a module: leave out " +
                               std::string(options.check ? "--check" : "--emit"));
  if (!options.inputs.empty() && options.page.empty() && !options.requireRoofline)
    return complain(kName, "--input is for --report and --require-roofline: add one of them");
  if (options.requireRoofline && !(*options.requireRoofline > 0 && *options.requireRoofline <= 1))
    return complain(kName, "--require-roofline takes a share above 0, at most 1: 0.3");
  if (options.requireRoofline && options.check)
    return complain(kName, "--require-roofline predicts what is compiled: leave out --check");
  if (options.json && !options.check && !toFile)
    return complain(kName, "--json needs standard output for itself: add -o FILE");
  if (options.maxError && !(*options.maxError >= 0))
    return complain(kName, "--max-error takes a number that is not negative");
  CalibrationFolder calibrationFolder;
  if (!options.calibration.empty())
    if (std::string problem = calibrationFolder.read(options.calibration); !problem.empty())
      return complain(kName, problem);
  OutputFile output;
  if (toFile)
    if (std::string problem = output.open(options.output); !problem.empty())
      return complain(kName, problem);
  OutputFile page;
  if (!options.page.empty())
    if (std::string problem = page.open(options.page); !problem.empty())
      return complain(kName, problem);
  std::string problem;
  const CompilerLibrary *compiler = openCompiler(problem);
  if (!compiler)
    return complain(kName, problem);

  Progress progress(options.quiet);
  const std::vector<const char *> targets = pointers(options.targets);
  const std::vector<const char *> dumpAfter = pointers(options.dumpAfter);
  std::vector<tessera_compile_dim> dimList;
  for (const auto &[name, value] : dims)
    dimList.push_back({name.c_str(), value});
  tessera_compile_options compile{};
  compile.size = sizeof(compile);
  compile.jobs = options.jobs;
  compile.targets = targets.data();
  compile.target_count = uint32_t(targets.size());
  compile.dims = dimList.data();
  compile.dim_count = uint32_t(dimList.size());
  compile.emit = isStandalone ? "module" : options.emit.c_str();
  compile.schedule_file = options.schedule.empty() ? nullptr : options.schedule.c_str();
  compile.cache_folder = options.noCache         ? ""
                         : options.cache.empty() ? nullptr
                                                 : options.cache.c_str();
  compile.verify_numerically = !options.verifyEach.empty();
  compile.quantize = options.quantize.empty() ? nullptr : options.quantize.c_str();
  compile.precision = options.precision.empty() ? nullptr : options.precision.c_str();
  compile.convolution = options.convolution.empty() ? nullptr : options.convolution.c_str();
  compile.operators_file = options.operators.empty() ? nullptr : options.operators.c_str();
  tessera_calibration calibration{};
  calibration.size = sizeof(calibration);
  calibration.samples = calibrationFolder.samples().data();
  calibration.sample_count = uint32_t(calibrationFolder.samples().size());
  calibration.method =
      options.calibrationMethod.empty() ? nullptr : options.calibrationMethod.c_str();
  calibration.has_max_error = options.maxError.has_value();
  calibration.max_error = options.maxError.value_or(0);
  calibration.weights_per_tensor = options.weightsPerTensor;
  compile.calibration = &calibration;
  compile.dump_after = dumpAfter.data();
  compile.dump_after_count = uint32_t(dumpAfter.size());
  compile.check_only = options.check;
  compile.report = !options.page.empty();
  FoundRecords records{options.records, ""};
  if (options.records.empty() && !options.noRecords && !options.check)
    records = findRecords(options.model);
  if (!records.note.empty() && !options.quiet)
    std::fprintf(stderr, "%s\n", records.note.c_str());
  compile.records_file = records.path.empty() ? nullptr : records.path.c_str();
  PredictionRequest prediction;
  if (!options.page.empty() || options.requireRoofline) {
    if (std::string failure = prediction.prepare(options.inputs, options.targets, options.threads,
                                                 options.requireRoofline.value_or(0));
        !failure.empty())
      return complain(kName, failure);
    compile.prediction = prediction.request();
  }
  compile.progress = Progress::show;
  compile.user = &progress;
  const Compilation compilation(compiler->compile_file(options.model.c_str(), &compile));
  progress.clear();
  if (!compilation)
    return complain(kName, "out of memory");
  if (const std::string message = compileMessage(*compiler, compilation.get()); !message.empty()) {
    std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
  }
  uint64_t used = 0, stale = 0;
  compiler->compilation_records(compilation.get(), &used, &stale);
  if (!records.path.empty() && !options.quiet && !options.json)
    std::fprintf(
        stderr, "%s: %llu records are used%s\n", records.path.c_str(), (unsigned long long)used,
        stale ? (", " + std::to_string(stale) +
                 " fit no kernel: the model or Tessera has changed; run tessera-tune again")
                    .c_str()
              : "");
  if (options.check)
    return printCheck(*compiler, compilation.get(), options.model, options.json);
  const void *bytes = compiler->compilation_bytes(compilation.get());
  const uint64_t size = compiler->compilation_size(compilation.get());
  if (toFile) {
    if (std::string failure =
            isStandalone ? standalone.write(output, bytes, size) : output.commit(bytes, size);
        !failure.empty())
      return complain(kName, failure);
  } else if (std::fwrite(bytes, 1, size, stdout) != size || std::fflush(stdout) != 0) {
    return complain(kName, "cannot write to standard output");
  }
  if (!options.page.empty())
    if (std::string failure = writeReport(
            *compiler, compilation.get(),
            {options.model, options.inputs, options.threads, prediction.rates().text()}, page);
        !failure.empty())
      return complain(kName, failure);
  report(*compiler, compilation.get(), options, calibrationFolder.samples().size());
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  handleInterrupts();
  CommandLine line(argc, argv, kName, "Compiles a model file to a Tessera module (.tsm).",
                   kExamples);
  Options options;
  describe(line, options);
  if (const std::optional<int> status = line.parseArguments())
    return *status;
  return run(options);
}
