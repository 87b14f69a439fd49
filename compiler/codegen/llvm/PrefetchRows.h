//===- PrefetchRows.h - The next row comes while one is read again -----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_PREFETCHROWS_H
#define TESSERA_COMPILER_CODEGEN_LLVM_PREFETCHROWS_H

#include "llvm/IR/Function.h"
#include "llvm/IR/PassManager.h"

namespace tessera::codegen {

/// After LLVM's passes, when the loops are what they will be.
void prefetchRows(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);

} // namespace tessera::codegen

#endif
