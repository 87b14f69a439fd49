//===- FenceSelects.h - Around an error of LLVM's in selects of bits ---------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_FENCESELECTS_H
#define TESSERA_COMPILER_CODEGEN_LLVM_FENCESELECTS_H

#include "llvm/IR/Function.h"
#include "llvm/Target/TargetMachine.h"

namespace tessera::codegen {

/// Last of all passes. Does nothing where the target has no masks of its own (AVX-512).
void fenceSelects(llvm::Function &function, const llvm::TargetMachine &machine);

} // namespace tessera::codegen

#endif
