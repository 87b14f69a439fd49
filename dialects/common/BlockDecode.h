//===- BlockDecode.h - Packed blocks in the body of a kernel -----------------===//
//
// The decode rule of a format as scalar operations, for whoever generates kernels. It stands in the
// format's file, beside the rule in C++.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_BLOCKDECODE_H
#define TESSERA_DIALECTS_COMMON_BLOCKDECODE_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera {

/// Builds element `index` (an index value) of a block as an f32. `byte` builds the byte (i8) at a
/// place of the block.
using BlockDecoder = mlir::Value (*)(mlir::ImplicitLocOpBuilder &b, mlir::Value index,
                                     llvm::function_ref<mlir::Value(mlir::Value place)> byte);

/// The rule of a format, null when it has none.
BlockDecoder findBlockDecoder(llvm::StringRef format);

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_BLOCKDECODE_H
