//===- ExtendBytes.h - Bits are cut out of bytes that were extended ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_EXTENDBYTES_H
#define TESSERA_COMPILER_CODEGEN_LLVM_EXTENDBYTES_H

#include "llvm/IR/Function.h"

namespace tessera::codegen {

/// Behind LLVM's passes, which narrow what they can. Returns whether anything changed.
bool extendBytesEarly(llvm::Function &function);

} // namespace tessera::codegen

#endif
