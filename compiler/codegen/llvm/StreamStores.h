//===- StreamStores.h - Large results go past the caches ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_STREAMSTORES_H
#define TESSERA_COMPILER_CODEGEN_LLVM_STREAMSTORES_H

#include "llvm/IR/Function.h"
#include "llvm/IR/PassManager.h"

namespace tessera::codegen {

/// What functions that Halide makes call the context they are given (runtime/base/KernelAbi.h).
inline constexpr llvm::StringLiteral kContextName = "__user_context";

/// After LLVM's passes, which would take the copies of a loop for loops of their own. Whether
/// anything has changed.
bool streamStores(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);

} // namespace tessera::codegen

#endif
