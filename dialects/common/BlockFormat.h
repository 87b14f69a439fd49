//===- BlockFormat.h - Packed blocks of numbers ------------------------------===//
//
// A format packs a fixed number of neighbouring elements into a fixed number of bytes. Each has its
// layout and decode rule in one file of this folder (BlockQ4G32.cpp, ...).
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H
#define TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace tessera {

struct BlockFormat {
  llvm::StringRef name;
  /// Elements in a block, bytes of a block.
  int64_t elements;
  int64_t bytes;
  /// Decodes one block to `elements` floats.
  void (*decode)(const uint8_t *block, float *out);
  /// Packs `elements` floats to one block, nearest values.
  void (*encode)(const float *values, uint8_t *block);
};

/// The format of a name, null when there is none.
const BlockFormat *findBlockFormat(llvm::StringRef name);
/// All formats, sorted by name.
llvm::ArrayRef<const BlockFormat *> getBlockFormats();

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H
