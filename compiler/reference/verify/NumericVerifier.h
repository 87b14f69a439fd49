//===- NumericVerifier.h - Whether passes keep what functions compute ----------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_VERIFY_NUMERICVERIFIER_H
#define TESSERA_COMPILER_REFERENCE_VERIFY_NUMERICVERIFIER_H

#include "compiler/reference/graph/Evaluation.h"

#include "mlir/Pass/PassInstrumentation.h"

#include <functional>

namespace tessera::reference {

/// Runs the functions of a module before and after every pass on generated inputs (ordinary ones,
/// ones with NaN and infinities, and empty ones where the model takes such) and emits an error for
/// the first pass that changed a value: pass, function, result, index, both values, and what
/// computes the result. A function that the interpreter cannot run gets a warning; after the graph
/// level there is nothing to run. Ops marked as graph.ignores_non_finite may give numbers where NaN
/// was. Streams are tried on their own as well (StreamLaws.h); of broken ones, the first is named.
class NumericVerifier : public mlir::PassInstrumentation {
public:
  /// Limits of one run of one function: beyond them it is not checked. `onChange` is called after
  /// each error.
  explicit NumericVerifier(
      std::function<void()> onChange = [] {}, Limits limits = {int64_t(1) << 30, int64_t(1) << 32})
      : onChange(std::move(onChange)), limits(limits) {}

  void runBeforePass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPassFailed(mlir::Pass *pass, mlir::Operation *op) override { snapshots.clear(); }

private:
  /// Inputs of a function, and what it made of them: results, then variables by name.
  struct Run {
    std::string description; ///< "S = 3, ordinary values"
    llvm::SmallVector<Tensor> inputs;
    llvm::SmallVector<Tensor> results;
    llvm::StringMap<Tensor> variables;
  };
  struct Snapshot {
    llvm::StringMap<std::vector<Run>> functions;
    bool hasBrokenStream = false;
  };

  std::vector<Run> prepare(graph::FuncOp function);
  bool checkStreams(mlir::ModuleOp module, llvm::StringRef pass);
  bool check(mlir::ModuleOp module, graph::FuncOp function, Run &run, llvm::StringRef pass);

  std::function<void()> onChange;
  Limits limits;
  llvm::DenseMap<mlir::Operation *, Snapshot> snapshots;
};

} // namespace tessera::reference

#endif
