//===- Evaluation.h - Runs functions of the graph level ---------*- C++ -*-===//
//
//   Evaluation evaluation(module);
//   FailureOr<SmallVector<Tensor>> results = evaluation.call(function, inputs);
//   if (failed(results))
//     ... evaluation.getError() ...
//
// Symbols get their values from the inputs, or from the op that first gives a result an extent that
// is a symbol without a value. Nothing is emitted as a diagnostic: who asks decides what a failure
// means.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_EVALUATION_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_EVALUATION_H

#include "compiler/reference/Tensor.h"
#include "dialects/graph/Graph.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace tessera::reference {

/// What an evaluation may use; beyond it fails with a message.
struct Limits {
  int64_t tensorBytes = int64_t(1) << 31; ///< of one tensor
  int64_t steps = int64_t(1) << 36;       ///< element operations altogether
};

/// One context of a module: variables keep their values from call to call.
class Evaluation {
public:
  using Tensors = llvm::FailureOr<llvm::SmallVector<Tensor>>;

  explicit Evaluation(mlir::ModuleOp module, Limits limits = {}) : module(module), limits(limits) {}

  /// The results of a function. When it fails, variables are as before.
  Tensors call(graph::FuncOp function, llvm::ArrayRef<Tensor> inputs);
  /// The results of one op outside of a function.
  Tensors evaluate(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);
  /// Why the last call failed: "graph.reshape: ...", and where.
  const std::string &getError() const { return error; }
  mlir::Location getErrorLoc() const { return *errorLoc; }

  // For rules.

  /// The values that a region's terminator takes.
  Tensors run(mlir::Region &region, llvm::ArrayRef<Tensor> arguments);
  llvm::FailureOr<int64_t> extent(graph::DimAttr dim);
  llvm::FailureOr<llvm::SmallVector<int64_t>> extents(llvm::ArrayRef<graph::DimAttr> dims);
  /// Zeros of a type of the graph, and of a shape of one's own.
  llvm::FailureOr<Tensor> make(mlir::Type tensorType);
  llvm::FailureOr<Tensor> make(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);
  /// The value of a symbol from here on.
  void bind(llvm::StringRef symbol, int64_t value) { symbols[symbol] = {value, nullptr}; }
  /// Says why the current op has no value; always failure.
  llvm::LogicalResult fail(const llvm::Twine &message);
  /// Counts element operations.
  llvm::LogicalResult spend(int64_t steps);
  int64_t getRemainingSteps() const { return limits.steps; }

  /// The value of a variable; it starts with the initial one.
  llvm::FailureOr<Tensor> read(llvm::StringRef variable);
  void write(llvm::StringRef variable, Tensor value) { variables[variable] = std::move(value); }
  const llvm::StringMap<Tensor> &getVariables() const { return variables; }

  mlir::ModuleOp getModule() const { return module; }

private:
  /// The value of a symbol, and the op whose result gave it one.
  struct Symbol {
    int64_t value;
    mlir::Operation *definer;
  };

  Tensors apply(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);
  Tensors decompose(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);
  llvm::LogicalResult runBlock(mlir::Block &block);
  llvm::LogicalResult bindInputs(graph::FuncOp function, llvm::ArrayRef<Tensor> inputs);
  llvm::LogicalResult check(mlir::Type type, const Tensor &tensor, const llvm::Twine &what,
                            mlir::Operation *definer);

  mlir::ModuleOp module;
  Limits limits;
  llvm::DenseMap<mlir::Value, Tensor> values;
  llvm::StringMap<Symbol> symbols;
  llvm::StringMap<Tensor> variables;
  mlir::Operation *current = nullptr;
  std::string error;
  std::optional<mlir::Location> errorLoc;
};

} // namespace tessera::reference

#include "compiler/reference/graph/ReferenceInterface.h.inc"

#endif
