//===- tessera-compile.cpp - Model files to modules ------------------------------------===//
#include "compiler/api/Compiler.h"
#include "tools/common/Files.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

static const char *const kExamples = R"(Examples:
  tessera-compile model.mlir -o model.tsm
  tessera-compile model.mlir -o model.tsm --target x86-64-v3,x86-64-v4
  tessera-compile model.mlir --emit kernel --dim S=128
)";

static std::string defaultCache() {
  if (const char *own = std::getenv("TESSERA_CACHE_DIR"))
    return own;
  if (const char *shared = std::getenv("XDG_CACHE_HOME"))
    return std::string(shared) + "/tessera";
  const char *home = std::getenv("HOME");
  return home ? std::string(home) + "/.cache/tessera" : "";
}

static bool parseDim(const std::string &text, tessera::CompileOptions &options) {
  const size_t equals = text.find('=');
  char *end = nullptr;
  const char *value = equals == std::string::npos ? "" : text.c_str() + equals + 1;
  const long long number = std::strtoll(value, &end, 10);
  if (equals == 0 || end == value || *end || number < 0)
    return false;
  options.dims[text.substr(0, equals)] = number;
  return true;
}

int main(int argc, char **argv) {
  CLI::App app("Compiles a model file to a Tessera module (.tsm).");
  app.footer(kExamples);
  tessera::CompileOptions options;
  std::string model, output, emit = "module";
  std::vector<std::string> dims;
  bool timing = false, noCache = false;
  app.add_option("MODEL", model, "model file (textual IR)")->required();
  app.add_option("-o,--output", output, "where to write; text goes to standard output by default");
  app.add_option("--target", options.targets, "host, x86-64-v2, x86-64-v3, x86-64-v4; several: one variant each")
      ->delimiter(',');
  app.add_option("--emit", emit, "module, graph, kernel, schedule, program, llvm, asm")
      ->check(CLI::IsMember({"module", "graph", "kernel", "schedule", "program", "llvm", "asm"}));
  app.add_option("--dim", dims, "gives a symbol a value: S=128");
  app.add_option("--schedule", options.scheduleFile, "schedules that replace the default ones");
  app.add_option("--dump-ir-after", options.dumpAfter, "passes after which the IR is printed");
  app.add_option("--jobs", options.jobs, "kernels compiled at a time; 0: one per core");
  app.add_flag("--timing", timing, "says where the time went");
  app.add_flag("--no-cache", noCache, "compiles every kernel anew");
  CLI11_PARSE(app, argc, argv);

  for (const std::string &dim : dims)
    if (!parseDim(dim, options)) {
      std::fprintf(stderr, "tessera-compile: --dim %s: expected SYMBOL=NUMBER, such as S=128\n",
                   dim.c_str());
      return 1;
    }
  using tessera::EmitKind;
  const std::map<std::string, EmitKind> kinds = {
      {"module", EmitKind::Module},   {"graph", EmitKind::Graph},
      {"kernel", EmitKind::Kernel},   {"schedule", EmitKind::Schedule},
      {"program", EmitKind::Program}, {"llvm", EmitKind::LLVM},
      {"asm", EmitKind::Assembly}};
  options.emit = kinds.at(emit);
  if (options.emit == EmitKind::Module && output.empty()) {
    std::fprintf(stderr, "tessera-compile: say where to write the module: -o OUT.tsm\n");
    return 1;
  }
  options.cacheFolder = noCache ? "" : defaultCache();
  const bool isTerminal = isatty(2);
  if (isTerminal)
    options.progress = [](const char *step, size_t done, size_t total) {
      std::fprintf(stderr, "\r%s %zu/%zu%s", step, done, total, done == total ? "\n" : "");
    };

  const tessera::CompileResult result = tessera::compileFile(model, options);
  if (!result.error.empty()) {
    std::fputs(result.error.c_str(), stderr);
    return 1;
  }
  if (timing)
    for (const tessera::CompileTiming &step : result.timings)
      std::fprintf(stderr, "%-24s %8.3f s\n", step.step.c_str(), step.seconds);
  if (output.empty() || output == "-") {
    std::fwrite(result.bytes.data(), 1, result.bytes.size(), stdout);
    return 0;
  }
  if (const std::string error = tessera::tools::writeFile(output, result.bytes); !error.empty()) {
    std::fprintf(stderr, "tessera-compile: %s\n", error.c_str());
    return 1;
  }
  if (options.emit == EmitKind::Module) {
    std::string targets;
    for (const std::string &target : result.targets)
      targets += (targets.empty() ? "" : ", ") + target;
    std::fprintf(stderr, "%s: %zu bytes, target %s, %zu kernels (%zu from the cache)\n",
                 output.c_str(), result.bytes.size(), targets.c_str(), result.kernels,
                 result.cachedKernels);
  }
  return 0;
}
