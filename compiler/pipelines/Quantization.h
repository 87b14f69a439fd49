//===- Quantization.h - What --quantize can be -----------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_PIPELINES_QUANTIZATION_H
#define TESSERA_COMPILER_PIPELINES_QUANTIZATION_H

#include "compiler/transforms/graph/QuantizeWeights.h"

#include "mlir/Pass/PassManager.h"

namespace tessera {

/// A value of --quantize. To add one: a row in Quantization.cpp.
struct QuantizationMode {
  llvm::StringRef name;
  /// The format that weights are stored in; they are decoded where they are read, and everything
  /// is computed as before.
  llvm::StringRef weightFormat;
};

llvm::ArrayRef<QuantizationMode> getQuantizationModes();
/// Null when there is none of this name.
const QuantizationMode *findQuantizationMode(llvm::StringRef name);

/// Behind addGraphPasses. These passes change what a model computes.
void addQuantizationPasses(mlir::OpPassManager &passes, const QuantizationMode &mode,
                           std::vector<transforms::WeightChoice> *weights);

} // namespace tessera

#endif
