//===- StringCast.h - Numbers as strings, and back ------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_STRINGCAST_H
#define TESSERA_FRONTENDS_ONNX_STRINGCAST_H

#include "frontends/onnx/Strings.h"

namespace tessera::onnx {

/// Eight significant digits at most, or all digits before the point and six behind it: C's %.8g and
/// %f, as onnxruntime prints casts and maps. Infinities and NaN are INF, -INF and NaN.
enum class FloatText { Short, Plain };
/// Floats (f32 for Plain) as strings; null after an error.
Value printFloats(Node &node, Value x, FloatText how);
/// Integers (bools: 0 and 1) in decimal, floats short.
LogicalResult castToStrings(Node &node, Value x);
/// The first input, strings of numbers as C writes them in decimal, with spaces around; also inf,
/// infinity and nan. What is none ends the run with an error. f64 is right to about an ulp, all
/// others are rounded from that, integers towards zero.
LogicalResult castFromStrings(Node &node, mlir::Type element);

} // namespace tessera::onnx

#endif
