//===- ElementTypes.h - What an element type is ----------------------------===//
//
// Predicates that every level shares. Integers of the graph carry their sign; `i1` is bool.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_ELEMENTTYPES_H
#define TESSERA_DIALECTS_COMMON_ELEMENTTYPES_H

#include "mlir/IR/BuiltinTypes.h"

namespace tessera {

/// A signed or unsigned integer of 2, 4, 8, 16, 32 or 64 bits.
bool isInteger(mlir::Type type);
inline bool isBool(mlir::Type type) { return type.isSignlessInteger(1); }
inline bool isFloat(mlir::Type type) { return llvm::isa<mlir::FloatType>(type); }
inline bool isNumber(mlir::Type type) { return isFloat(type) || isInteger(type); }
/// A float of fewer than 32 bits: sums of such are kept in f32.
inline bool isSmallFloat(mlir::Type type) {
  return isFloat(type) && type.getIntOrFloatBitWidth() < 32;
}
/// The bytes one element takes in memory (bool and everything of fewer than 8 bits: 1); 0 when the
/// type has no fixed size. These are the sizes in constants, weights and buffers.
int64_t getElementByteSize(mlir::Type type);

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_ELEMENTTYPES_H
