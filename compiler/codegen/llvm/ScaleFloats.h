//===- ScaleFloats.h - Powers of two are multiplied in one step --------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_SCALEFLOATS_H
#define TESSERA_COMPILER_CODEGEN_LLVM_SCALEFLOATS_H

#include "llvm/IR/Function.h"
#include "llvm/Target/TargetMachine.h"

namespace tessera::codegen {

/// Before LLVM's passes, which know what the pattern computes only as arithmetic of bits.
void scaleFloats(llvm::Function &function, const llvm::TargetMachine &machine);

} // namespace tessera::codegen

#endif
