//===- NarrowElements.h - Elements of fewer bits than a kernel computes with -----------------===//
//
// Floats of at most 8 bits and integers of fewer than 8 only move as they are. In memory and in
// kernels each is a byte whose low bits are its code; the other bits are written as 0 and never
// looked at. To compute, a kernel decodes the byte into a wide type, and encodes the result:
// integer arithmetic that follows from the format (llvm::fltSemantics), for every target.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_NARROWELEMENTS_H
#define TESSERA_DIALECTS_COMMON_NARROWELEMENTS_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera {

/// A float of at most 8 bits, or a signed or unsigned integer of fewer than 8.
bool isNarrow(mlir::Type type);
/// The type in which narrow elements are computed: f32, si8 or ui8.
mlir::Type getWideElementType(mlir::Type narrow);

/// The number that a byte (i8) holds, as f32 or i8.
mlir::Value decodeNarrow(mlir::ImplicitLocOpBuilder &b, mlir::Type narrow, mlir::Value code);
/// The byte of a number. Floats (f32 or f64) are rounded to nearest, ties to even, once; beyond the
/// largest they become an infinity, or the largest where there is none; NaN is 0 where there is
/// none. Integers (i8) lose their high bits.
mlir::Value encodeNarrow(mlir::ImplicitLocOpBuilder &b, mlir::Type narrow, mlir::Value number);

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_NARROWELEMENTS_H
