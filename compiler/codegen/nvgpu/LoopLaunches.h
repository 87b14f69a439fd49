//===- LoopLaunches.h - Kernels with loops of their own as device functions ------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_LOOPLAUNCHES_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_LOOPLAUNCHES_H

#include "compiler/codegen/nvgpu/ToGpu.h"

#include "llvm/IR/Module.h"

namespace tessera::nvgpu {

/// Makes LLVM IR of a kernel with sequential loops (sorts, scatters, running values, recurrences),
/// one device function for each launch. Their parameters are those of convertToGpu (ToGpu.h).
///
/// The kernel on buffers (compiler/codegen/loops) is cut at its outermost level:
/// - a stage: a thread for each element;
/// - parallel loops: a block of threads for each iteration, which share the stages inside, with
///   barriers around whatever writes; or a thread for each where no stage has more than one
///   element;
/// - any other loop: one such block, or one thread.
/// What hands scalars on stays together, in one block.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
emitLoopLaunches(kernel::FuncOp kernel, llvm::LLVMContext &context, LaunchRecord &launch);

} // namespace tessera::nvgpu

#endif
