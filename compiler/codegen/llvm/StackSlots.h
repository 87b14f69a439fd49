//===- StackSlots.h - Places on the stack for what a kernel allocates ------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_STACKSLOTS_H
#define TESSERA_COMPILER_CODEGEN_LLVM_STACKSLOTS_H

#include "llvm/IR/Module.h"

namespace tessera::codegen {

/// Halide allocates what is larger than 16 KB, also when its size is constant. Then it has a place
/// on the stack, like everything smaller; buffers that never live at the same time share one.
/// Allocations stay where a size is not constant or all places together exceed what a kernel may
/// use, and the linker refuses them.
void moveAllocationsToStack(llvm::Module &module);

} // namespace tessera::codegen

#endif
