//===- Convolution.h - Operands of convolutions whose extents are open ------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_CONVOLUTION_H
#define TESSERA_FRONTENDS_ONNX_CONVOLUTION_H

#include "frontends/onnx/Importer.h"

namespace tessera::onnx {

/// Input, weight and bias get extents that fit each other. The weight is [outputs, channels of a
/// group, window], of a transposed convolution [channels, outputs of a group, window]. What is open
/// in one and known of another is taken to be that, which a run checks.
LogicalResult fitConvolution(Node &node, bool isTransposed, size_t bias);

/// Groups divide an extent, which is known now, or checked in a run.
LogicalResult checkDivides(Node &node, int64_t groups, DimAttr extent, llvm::StringRef what);

} // namespace tessera::onnx

#endif
