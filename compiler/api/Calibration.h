//===- Calibration.h - Models in 8 bits, measured on samples --------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_CALIBRATION_H
#define TESSERA_COMPILER_API_CALIBRATION_H

#include "compiler/api/Compiler.h"
#include "compiler/pipelines/Quantization.h"
#include "compiler/transforms/quantize/QuantizeLayers.h"

namespace tessera {

/// What is done to a model between loading and the graph passes: "" or a sentence.
using EditModel = std::function<std::string(mlir::ModuleOp)>;
/// Compiles the model with an edit.
using CompileEdited = std::function<CompileResult(const CompileOptions &, const EditModel &)>;

/// Compiles a model with its layers in 8 bits:
/// 1. runs the samples with the tensors of all layers as outputs: their ranges, and what the
///    model's outputs should be;
/// 2. runs samples with one layer in 8 bits at a time: what each costs;
/// 3. quantizes all layers, or those that keep the outputs within CalibrationOptions::maxError;
/// 4. runs the samples with what came out: how accurate it is.
CompileResult compileCalibrated(const CompileOptions &options, const QuantizationMode &mode,
                                const CompileEdited &compile);

/// With ranges that are found when running.
CompileResult compileDynamic(const CompileOptions &options, const QuantizationMode &mode,
                             const CompileEdited &compile);

} // namespace tessera

#endif
