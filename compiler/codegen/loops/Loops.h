//===- Loops.h - The generator for what Halide cannot say -------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_LOOPS_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_LOOPS_H

#include "compiler/codegen/KernelImage.h"
#include "compiler/codegen/llvm/Finish.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"

namespace tessera::loops {

/// The dialects the generator goes through, and what bufferization needs to know of them.
void registerDialects(mlir::DialectRegistry &registry);

/// Makes LLVM IR of a kernel; `function` tells how its function takes what a kernel is given. On
/// failure an error was emitted.
mlir::FailureOr<std::unique_ptr<llvm::Module>> emitKernel(kernel::FuncOp kernel,
                                                          const codegen::CodeTarget &target,
                                                          llvm::LLVMContext &context,
                                                          codegen::KernelFunction &function);

/// A kernel on buffers: one function that takes a memref per tensor, the extents, a memref per
/// result. Its buffers are arguments, places on the stack, or parts of the kernel's scratch result.
struct BufferizedKernel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// What the scratch result has to hold, as an index of the function; null when nothing.
  mlir::Value scratchBytes;
};
mlir::FailureOr<BufferizedKernel> bufferize(kernel::FuncOp kernel);

/// The number of the result that holds what has no place of its own (bytes that no stage writes),
/// or nothing.
std::optional<unsigned> getScratchResult(kernel::FuncOp kernel);

/// Turns the stages of a function on buffers into loops, innermost ones of reductions on vectors of
/// `vectorBytes`.
mlir::LogicalResult emitStageLoops(mlir::ModuleOp module, unsigned vectorBytes);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/codegen/loops/Passes.h.inc"

} // namespace tessera::loops

#endif
