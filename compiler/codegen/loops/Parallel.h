//===- Parallel.h - Independent iterations as tasks of the runtime -----------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_PARALLEL_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_PARALLEL_H

#include "compiler/codegen/loops/Loops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tessera::loops {

/// What one buffer and all buffers of a function may take on the stack, in bytes.
inline constexpr int64_t kMaxStackBuffer = 16 << 10, kMaxStack = 64 << 10;

/// Moves outermost loops that are marked kernel.parallel, and whose buffers fit on the stack, into
/// functions of their own. The last argument of the function is the context of the launch, its
/// result the status.
void outlineParallelLoops(mlir::func::FuncOp function);
/// The same for loops of stages that lie anywhere in it.
void outlineSharedLoops(mlir::func::FuncOp function, llvm::ArrayRef<SharedLoop> loops);

/// Operations that one thread does in less time than others take to wake up.
inline constexpr int64_t kLeastSharedWork = 1 << 18;

/// Runs loops whose rows are independent of each other (the sequences of a batch) as tasks that
/// each go through all iterations for some of the rows, where every thread gets enough of them.
void splitRows(mlir::func::FuncOp function);
/// How many threads there are, where `builder` is. Only how work is cut may depend on it.
mlir::Value threadCount(mlir::func::FuncOp function, mlir::OpBuilder &builder);

/// Defines what is left to call.
void defineParallelCalls(llvm::Module &module);

} // namespace tessera::loops

#endif
