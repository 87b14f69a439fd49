//===- StringCast.h - Numbers as strings, and back ------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_STRINGCAST_H
#define TESSERA_FRONTENDS_ONNX_STRINGCAST_H

#include "frontends/onnx/Strings.h"

namespace tessera::onnx {

/// Integers (bools: 0 and 1) in decimal; fails with an error for others.
LogicalResult castToStrings(Node &node, Value x);
/// The first input, strings of numbers as C writes them in decimal, with spaces around; also inf,
/// infinity and nan. What is none ends the run with an error. f64 is right to about an ulp, all
/// others are rounded from that, integers towards zero.
LogicalResult castFromStrings(Node &node, mlir::Type element);

} // namespace tessera::onnx

#endif
