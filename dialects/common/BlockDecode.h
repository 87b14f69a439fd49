//===- BlockDecode.h - Packed blocks in the body of a kernel -----------------===//
//
// The decode rule of a format as scalar operations, for whoever generates kernels. It follows from
// the format's data, as BlockCodec does.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_BLOCKDECODE_H
#define TESSERA_DIALECTS_COMMON_BLOCKDECODE_H

#include "dialects/common/BlockFormat.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera {

/// Whether all numbers and the scale of a block stay finite by a margin (the scale: 2^24).
bool isOrdinaryBlock(const BlockFormat &format, const BlockCodec &codec, const uint8_t *block);

/// Builds element `index` (an index value) of a block as an f32. `byte` builds the byte (i8) at a
/// place of the block. Of ordinary blocks the numbers are the same by a shorter rule.
mlir::Value decodeElement(mlir::ImplicitLocOpBuilder &b, const BlockFormat &format,
                          mlir::Value index,
                          llvm::function_ref<mlir::Value(mlir::Value place)> byte,
                          bool areOrdinary = false);

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_BLOCKDECODE_H
