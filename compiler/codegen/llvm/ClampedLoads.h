//===- ClampedLoads.h - Vectors that reach past the end of a row -------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_CLAMPEDLOADS_H
#define TESSERA_COMPILER_CODEGEN_LLVM_CLAMPEDLOADS_H

#include "llvm/IR/Function.h"
#include "llvm/Target/TargetMachine.h"

namespace tessera::codegen {

/// Before LLVM's passes, which only move the loads of single lanes about.
void maskClampedLoads(llvm::Function &function, llvm::TargetMachine &machine);

} // namespace tessera::codegen

#endif
