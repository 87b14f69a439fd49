//===- BlockFormat.cpp - The table of formats --------------------------------===//

#include "dialects/common/BlockFormat.h"
#include "dialects/common/BlockDecode.h"

namespace tessera {
extern const BlockFormat blockQ4G32; // BlockQ4G32.cpp
extern const BlockDecoder decoderQ4G32;
} // namespace tessera

llvm::ArrayRef<const tessera::BlockFormat *> tessera::getBlockFormats() {
  static const BlockFormat *const formats[] = {&blockQ4G32};
  return formats;
}

const tessera::BlockFormat *tessera::findBlockFormat(llvm::StringRef name) {
  for (const BlockFormat *format : getBlockFormats())
    if (format->name == name)
      return format;
  return nullptr;
}

tessera::BlockDecoder tessera::findBlockDecoder(llvm::StringRef format) {
  return format == blockQ4G32.name ? decoderQ4G32 : nullptr;
}
