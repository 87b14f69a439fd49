//===- tessera-opt.cpp - The optimizer driver -------------------------------------===//
// Reads IR of any level, runs the passes named on the command line, prints the result. Beside
// mlir-opt's options: --verify-each=numeric runs the functions before and after every pass.
#include "compiler/pipelines/Register.h"
#include "compiler/reference/verify/NumericVerifier.h"

#include "mlir/IR/Dialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

/// Removes --verify-each=numeric, which the option of this name does not know.
static bool takeNumericFlag(int &argc, char **argv) {
  char **end = std::remove_if(argv + 1, argv + argc, [](llvm::StringRef argument) {
    return argument == "--verify-each=numeric" || argument == "-verify-each=numeric";
  });
  bool isGiven = end != argv + argc;
  argc = int(end - argv);
  return isGiven;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  tessera::registerAllDialects(registry);
  tessera::registerAllPasses();
  bool isNumeric = takeNumericFlag(argc, argv), hasChanged = false;
  auto [input, output] =
      mlir::registerAndParseCLIOptions(argc, argv, "Tessera optimizer driver\n", registry);
  auto config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (!isNumeric)
    return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
  mlir::MlirOptMainConfig checked = config;
  checked.setPassPipelineSetupFn([&](mlir::PassManager &passes) {
    passes.addInstrumentation(
        std::make_unique<tessera::reference::NumericVerifier>([&] { hasChanged = true; }));
    return config.setupPassPipeline(passes);
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
