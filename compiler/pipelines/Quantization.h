//===- Quantization.h - What --quantize can be -----------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_PIPELINES_QUANTIZATION_H
#define TESSERA_COMPILER_PIPELINES_QUANTIZATION_H

#include "compiler/transforms/graph/QuantizeWeights.h"

#include "mlir/Pass/PassManager.h"

namespace tessera {

/// Where the ranges of what is computed come from, when it is quantized too.
enum class ActivationRanges { None, Calibrated, Dynamic };

/// A value of --quantize. To add one: a row in Quantization.cpp.
struct QuantizationMode {
  llvm::StringRef name;
  /// The format that weights are stored in; they are decoded where they are read, and everything
  /// is computed as before.
  llvm::StringRef weightFormat = {};
  /// Or products compute with integers of 8 bits: those of compiler/transforms/quantize.
  ActivationRanges activations = ActivationRanges::None;
  bool symmetric = false; ///< activations around 0
};

llvm::ArrayRef<QuantizationMode> getQuantizationModes();
/// Null when there is none of this name.
const QuantizationMode *findQuantizationMode(llvm::StringRef name);

/// In front of the passes that quantize activations, and of addGraphPasses: constants in the form
/// that products read them.
void addPreparationPasses(mlir::OpPassManager &passes);
/// In front of addGraphPasses, for modes without calibration. They change what a model computes.
void addActivationPasses(mlir::OpPassManager &passes, const QuantizationMode &mode);

/// Behind addGraphPasses. These passes change what a model computes.
void addQuantizationPasses(mlir::OpPassManager &passes, const QuantizationMode &mode,
                           std::vector<transforms::WeightChoice> *weights);

/// Values of --precision: what operands of products are rounded to.
llvm::ArrayRef<llvm::StringRef> getPrecisions();
/// Behind addGraphPasses and addQuantizationPasses: products of operands in this precision. They
/// change what a model computes.
void addPrecisionPasses(mlir::OpPassManager &passes, llvm::StringRef precision);

} // namespace tessera

#endif
