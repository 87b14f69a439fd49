//===- tessera-opt.cpp - The optimizer driver -------------------------------------===//
// Reads IR of any level, runs the passes named on the command line, prints the result.
#include "compiler/pipelines/Register.h"

#include "mlir/IR/Dialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  tessera::registerAllDialects(registry);
  tessera::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Tessera optimizer driver\n", registry));
}
