//===- BlockFormat.cpp - The table of formats --------------------------------===//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockQ4G32; // BlockQ4G32.cpp
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
