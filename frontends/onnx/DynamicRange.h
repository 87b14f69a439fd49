//===- DynamicRange.h - Numbers on 256 steps of the range they have ------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_DYNAMICRANGE_H
#define TESSERA_FRONTENDS_ONNX_DYNAMICRANGE_H

#include "dialects/graph/GraphBuilder.h"

namespace tessera::onnx {

/// x = (quantized - zero) * scale, but for what is rounded. f32 scales, the rest in ui8.
struct DynamicRange {
  mlir::Value quantized, scale, zero;
};

/// As ONNX's DynamicQuantizeLinear: the range of all of x, or of each index of its first axis, 0
/// included, is divided into 255 steps.
DynamicRange quantizeByRange(graph::GraphBuilder &b, mlir::Value x, bool isByRow = false);

} // namespace tessera::onnx

#endif
