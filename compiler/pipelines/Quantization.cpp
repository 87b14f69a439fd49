//===- Quantization.cpp - What --quantize can be -----------------------------------------===//
#include "compiler/pipelines/Quantization.h"

#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/quantize/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace tessera;

static constexpr QuantizationMode kModes[] = {
    {"int8", "", ActivationRanges::Calibrated},
    {"int8-symmetric", "", ActivationRanges::Calibrated, true},
    {"int8-dynamic", "", ActivationRanges::Dynamic},
    {"int8-dynamic-symmetric", "", ActivationRanges::Dynamic, true},
    {"int8-weights", "q8_g32"},
    {"int8-weights-asymmetric", "q8a_g32"},
    {"int4", "q4_g32"},
    {"int4-asymmetric", "q4a_g32"},
    {"nf4", "nf4_g64"},
    {"mxfp4", "mxfp4"},
    {"fp8-e4m3", "mxfp8_e4m3"},
    {"fp8-e5m2", "mxfp8_e5m2"},
    {"bf16-weights", "bf16"},
    {"f16-weights", "f16"},
};

llvm::ArrayRef<QuantizationMode> tessera::getQuantizationModes() { return kModes; }

const QuantizationMode *tessera::findQuantizationMode(llvm::StringRef name) {
  for (const QuantizationMode &mode : kModes)
    if (mode.name == name)
      return &mode;
  return nullptr;
}

void tessera::addPreparationPasses(mlir::OpPassManager &passes) {
  passes.addPass(transforms::createGraphInlineCalls());
  transforms::GraphSplitTransposedConvOptions split;
  split.finite = true;
  passes.addPass(transforms::createGraphSplitTransposedConv(split));
  // Weights that were placed are constants again; what the model quantizes stays so.
  transforms::GraphFoldConstantsOptions fold;
  fold.placed = true;
  passes.addPass(transforms::createGraphFoldConstants(fold));
  passes.addPass(mlir::createCanonicalizerPass());
}

void tessera::addActivationPasses(mlir::OpPassManager &passes, const QuantizationMode &mode) {
  if (mode.activations == ActivationRanges::None)
    return;
  addPreparationPasses(passes);
  transforms::GraphQuantizeLayersOptions options;
  options.dynamic = true;
  options.symmetric = mode.symmetric;
  passes.addPass(transforms::createGraphQuantizeLayers(options));
}

void tessera::addQuantizationPasses(mlir::OpPassManager &passes, const QuantizationMode &mode,
                                    std::vector<transforms::WeightChoice> *weights) {
  if (!mode.weightFormat.empty())
    passes.addPass(transforms::createGraphQuantizeWeights(mode.weightFormat, weights));
}

llvm::ArrayRef<llvm::StringRef> tessera::getPrecisions() {
  static constexpr llvm::StringRef kPrecisions[] = {"bf16", "f16", "tf32", "f8-sums"};
  return kPrecisions;
}

void tessera::addPrecisionPasses(mlir::OpPassManager &passes, llvm::StringRef precision) {
  transforms::GraphLowerPrecisionOptions options;
  options.type = precision.str();
  passes.addPass(transforms::createGraphLowerPrecision(options));
  // Constants are stored rounded.
  passes.addPass(transforms::createGraphFoldConstants());
  passes.addPass(mlir::createCanonicalizerPass());
}
