//===- CheckOptions.h - Options that no model can fit -----------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_CHECKOPTIONS_H
#define TESSERA_COMPILER_API_CHECKOPTIONS_H

#include "compiler/pipelines/Quantization.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace tessera {

// Each gives "" or one sentence.

/// The levels and devices that targets mean, most demanding first; none: the host's.
std::string findTargets(const std::vector<std::string> &targets, std::vector<std::string> &levels);

/// The row of a value of --quantize; null for none.
std::string findQuantization(const std::string &name, const QuantizationMode *&mode);

/// Whether a value of --precision is known, and every level has what it needs.
std::string checkPrecision(const std::string &precision, llvm::ArrayRef<std::string> levels);

/// The same of --convolution.
std::string checkConvolution(const std::string &form, llvm::ArrayRef<std::string> levels);

/// Emits an error for each kernel that computes in a type for which the level has no instructions.
mlir::LogicalResult checkElementTypes(mlir::ModuleOp kernels, llvm::StringRef level);

} // namespace tessera

#endif
