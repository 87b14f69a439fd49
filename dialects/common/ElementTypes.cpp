//===- ElementTypes.cpp - What an element type is --------------------------===//

#include "dialects/common/ElementTypes.h"

bool tessera::isInteger(mlir::Type type) {
  auto integer = llvm::dyn_cast<mlir::IntegerType>(type);
  if (!integer || integer.isSignless())
    return false;
  switch (integer.getWidth()) {
  case 2:
  case 4:
  case 8:
  case 16:
  case 32:
  case 64: return true;
  default: return false;
  }
}

int64_t tessera::getElementByteSize(mlir::Type type) {
  if (!type.isIntOrFloat())
    return 0;
  return (type.getIntOrFloatBitWidth() + 7) / 8;
}
