//===- QuantizeLayers.h - Layers in 8 bits ------------------------------------------*- C++ -*-===//
//
// How calibration uses these, on copies of one function:
//   observeRanges    what are the ranges?       run, and look at the added outputs
//   switchLayers     which layers cost most?    run with some layers quantized
//   quantizeLayers   the result
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_TRANSFORMS_QUANTIZE_QUANTIZELAYERS_H
#define TESSERA_COMPILER_TRANSFORMS_QUANTIZE_QUANTIZELAYERS_H

#include "compiler/transforms/quantize/Layers.h"
#include "compiler/transforms/quantize/Ranges.h"
#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {

struct QuantizationStyle {
  /// si8 around 0, instead of ui8 with a zero point.
  bool symmetric = false;
  /// One scale for a weight instead of one for each index of the results' axis.
  bool weightsPerTensor = false;
};

/// A tensor and the parameters of its 8-bit form.
struct Quantized {
  mlir::Value x, scale, zero; ///< zero: null for 0
  std::optional<int64_t> axis;
};

Quantized quantizeWeight(graph::GraphBuilder &b, const QuantizableProduct &product,
                         bool isPerTensor);
/// `value` in the 8 bits that its range asks for.
Quantized quantizeValue(graph::GraphBuilder &b, mlir::Value value, NumberRange range,
                        bool isSymmetric);
mlir::Value dequantize(graph::GraphBuilder &b, const Quantized &quantized);

/// Adds the roots of all layers to the results of a function, in order.
void observeRanges(graph::FuncOp function, const LayerList &list);

/// Adds an argument, a bool for each layer: whether it computes with the numbers that 8 bits would
/// give it.
void switchLayers(graph::FuncOp function, const LayerList &list, llvm::ArrayRef<NumberRange> ranges,
                  const QuantizationStyle &style);

/// Quantizes the layers that have a range.
void quantizeLayers(const LayerList &list, llvm::ArrayRef<std::optional<NumberRange>> ranges,
                    const QuantizationStyle &style);

/// Quantizes all layers with the ranges that their tensors have when they run.
void quantizeLayersDynamically(const LayerList &list, const QuantizationStyle &style);

} // namespace tessera::transforms

#endif
