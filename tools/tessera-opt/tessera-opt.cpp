//===- tessera-opt.cpp - The optimizer driver -------------------------------------===//
// Reads IR of any level, runs the passes named on the command line, prints the result. Beside
// mlir-opt's options: --verify-each=numeric runs the functions before and after every pass, and
// --explain lets passes say what they found and why they left alone what they did not change.
#include "compiler/pipelines/Register.h"
#include "compiler/reference/verify/NumericVerifier.h"
#include "tools/common/MachineRates.h"

#include "mlir/IR/Dialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

/// The options that people want; LLVM's own list has some hundred lines.
static constexpr const char *kHelp = R"(Usage: tessera-opt [PASS ...] [OPTION ...] [FILE]

Reads IR of any level (graph, kernel, schedule, program) from FILE or the standard input, runs passes in the order in
which they are named, and prints the result. Messages and explanations go to the standard error.

Examples:
  tessera-compile model.onnx --emit graph | tessera-opt --graph-decompose --graph-form-kernels
  tessera-opt dense.mlir --graph-form-kernels --schedule-default --explain
  tessera-opt dense.mlir --graph-decompose --verify-each=numeric --mlir-print-ir-after-change

Options:
  --PASS[=OPTION=VALUE ...]     run a pass, with its own options
  --pass-pipeline=TEXT          run a pipeline: 'builtin.module(graph-decompose,graph-form-kernels)'
  --list-passes                 what passes there are
  --explain                     let passes say what they found, and why they left alone what they did not change
  --verify-each=numeric         run the functions before and after every pass, and compare what they compute
  --mlir-print-ir-after-all     print the IR after every pass (--mlir-print-ir-after-change: after those that change it)
  --mlir-print-ir-before=PASS   print the IR before a pass
  --mlir-timing                 what time each pass took
  --split-input-file            take parts separated by // ----- as files of their own
  --verify-diagnostics          compare messages with comments: // expected-error {{...}}
  -o FILE                       write there instead of the standard output
  --help, --help-all            this text; all options of passes, MLIR and LLVM
)";

/// Removes a flag that the options of mlir-opt do not know. Whether it was given.
static bool takeFlag(llvm::StringRef flag, int &argc, char **argv) {
  char **end = std::remove_if(argv + 1, argv + argc, [&](llvm::StringRef argument) {
    return argument == flag || argument == flag.drop_front();
  });
  bool isGiven = end != argv + argc;
  argc = int(end - argv);
  return isGiven;
}

/// Sets the option `explain` of every pass that has one. Schedules are explained with the times
/// that this machine is expected to take.
static void explainAll(mlir::PassManager &passes) {
  for (mlir::Pass &pass : passes.getPasses()) {
    // Others refuse, and stay as they are.
    auto refuse = [](const llvm::Twine &) { return mlir::failure(); };
    (void)pass.initializeOptions("explain=true", refuse);
    if (pass.getArgument() != "schedule-default")
      continue;
    std::string machine = tessera::tools::measureMachineRates(512).text();
    std::replace(machine.begin(), machine.end(), ' ', ',');
    (void)pass.initializeOptions("machine=" + machine, refuse);
  }
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  const bool wantsAll = takeFlag("--help-all", argc, argv);
  const llvm::ArrayRef<char *> arguments(argv, argc);
  if (!wantsAll && llvm::any_of(arguments, [](llvm::StringRef argument) {
        return argument == "--help" || argument == "-help" || argument == "-h";
      })) {
    llvm::outs() << kHelp;
    return 0;
  }
  char helpOfAll[] = "--help";
  llvm::SmallVector<char *> withAll{argv[0], helpOfAll, nullptr};
  if (wantsAll) {
    argc = 2;
    argv = withAll.data();
  }
  mlir::DialectRegistry registry;
  tessera::registerAllDialects(registry);
  tessera::registerAllPasses();
  bool isNumeric = takeFlag("--verify-each=numeric", argc, argv), hasChanged = false;
  bool explains = takeFlag("--explain", argc, argv);
  auto [input, output] =
      mlir::registerAndParseCLIOptions(argc, argv, "Tessera optimizer driver\n", registry);
  auto config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (!isNumeric && !explains)
    return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
  mlir::MlirOptMainConfig checked = config;
  checked.setPassPipelineSetupFn([&](mlir::PassManager &passes) {
    if (isNumeric)
      passes.addInstrumentation(
          std::make_unique<tessera::reference::NumericVerifier>([&] { hasChanged = true; }));
    if (failed(config.setupPassPipeline(passes)))
      return mlir::failure();
    if (explains)
      explainAll(passes);
    return mlir::success();
  });
  std::string error;
  auto file = mlir::openInputFile(input, &error);
  auto result = file ? mlir::openOutputFile(output, &error) : nullptr;
  if (!result) {
    llvm::errs() << error << '\n';
    return 1;
  }
  if (failed(mlir::MlirOptMain(result->os(), std::move(file), registry, checked)) || hasChanged)
    return 1;
  result->keep();
  return 0;
}
