//===- TransposeTiles.h - Tiles that are read across are turned in registers ----*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_TRANSPOSETILES_H
#define TESSERA_COMPILER_CODEGEN_LLVM_TRANSPOSETILES_H

#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/IR/PassManager.h"

namespace tessera::codegen {

/// Vectors of single elements, of which several read side by side, are read along instead.
void transposeTiles(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);

} // namespace tessera::codegen

#endif
