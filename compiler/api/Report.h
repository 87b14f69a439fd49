//===- Report.h - What a compilation decided, as JSON ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_REPORT_H
#define TESSERA_COMPILER_API_REPORT_H

#include "compiler/api/PredictKernels.h"
#include "compiler/scheduling/Choices.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace tessera {

/// Collects, while a model is compiled, what a reader of the result may ask: which kernels there
/// are, what they compute of the model, move and save, how they are scheduled, and why. The JSON
/// (schema 1):
///
///   decisions: [{place, text}]            remarks of passes; the place is a node or a line
///   functions: [{device, name, symbols: [name], nodes: [{op, name, inputs: [node], parent,
///                kernel, sources: [place], types: [text], operations, bytes, saved}]}]
///   variants:  [{target, kernels: [{name, ir, schedule, loops, predicted: {seconds, roof_seconds,
///                bound, reason, why_not}, hash, choices: [{name, value, candidates}]}]}];
///              predicted with sizes and a machine, of one launch; choices are what tessera-tune
///              tries
///
/// Numbers that depend on extents are text: an expression of the function's symbols with + - *,
/// max(), min() and floordiv(). What is not known is missing.
class Report {
public:
  void addDecision(const mlir::Diagnostic &remark);
  /// Once kernels are formed for a device ("cpu", "cuda").
  void addFunctions(llvm::StringRef device, mlir::ModuleOp module);
  /// Once they are scheduled for a target.
  void addVariant(llvm::StringRef target, mlir::ModuleOp module, const scheduling::Tuning &tuning);
  void addLoops(llvm::StringRef target, llvm::StringRef kernel, llvm::StringRef text);
  /// Behind addVariant.
  void addPredictions(llvm::StringRef target, llvm::ArrayRef<PredictedKernel> kernels);
  std::string json() const;

private:
  llvm::json::Object *find(llvm::StringRef target, llvm::StringRef kernel);
  llvm::json::Array decisions, functions, variants;
};

} // namespace tessera

#endif
