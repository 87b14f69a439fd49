//===- Loops.h - The generator for what Halide cannot say -------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_LOOPS_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_LOOPS_H

#include "compiler/codegen/KernelImage.h"
#include "compiler/codegen/llvm/Finish.h"
#include "compiler/codegen/loops/ByteProducts.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"

namespace tessera::loops {

/// The dialects the generator goes through, and what bufferization needs to know of them.
void registerDialects(mlir::DialectRegistry &registry);

/// Makes LLVM IR of a kernel; `function` tells how its function takes what a kernel is given. On
/// failure an error was emitted. `nest`: takes the loops as text, unless null.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
emitKernel(kernel::FuncOp kernel, const codegen::CodeTarget &target, llvm::LLVMContext &context,
           codegen::KernelFunction &function, std::string *nest = nullptr);

/// Whether a module of kernels is on its way to a GPU.
bool isForGpu(mlir::ModuleOp module);

/// The loops from `op` inwards whose iterations do not meet: marked kernel.parallel, from 0, each
/// around nothing but the next one, with bounds that are known before the first.
llvm::SmallVector<mlir::scf::ForOp> getParallelNest(mlir::Operation *op);
/// Whether no stage in `op` has more than one element: threads that would share it had nothing to
/// do.
bool hasScalarStages(mlir::Operation *op);

/// To the LLVM dialect; stages are loops already.
mlir::LogicalResult lowerToLLVM(mlir::ModuleOp module);
/// bf16 goes to memory and back as integers: values of that type that loops carry would make LLVM
/// call a function to round them.
void moveAsIntegers(llvm::Module &module);

/// A kernel on buffers: one function that takes a memref per tensor, the extents, a memref per
/// result. Its buffers are arguments, places on the stack, or parts of the kernel's scratch result.
struct BufferizedKernel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// What the scratch result has to hold, as an index of the function; null when nothing.
  mlir::Value scratchBytes;
};
/// For a GPU parallel loops stay where they are, and each of their iterations has its own part of
/// the scratch result.
mlir::FailureOr<BufferizedKernel> bufferize(kernel::FuncOp kernel, bool forGpu = false);

/// The number of the result that holds what has no place of its own (bytes that no stage writes),
/// or nothing.
std::optional<unsigned> getScratchResult(kernel::FuncOp kernel);

/// The elements of a stage that somebody computes: first, first + step, ...
struct StageShare {
  mlir::Value first, step;
};
/// A loop whose iterations are independent, and whether there is enough to do for several threads.
struct SharedLoop {
  mlir::scf::ForOp loop;
  mlir::Value isLarge;
};
/// Turns the stages of a function on buffers into loops on vectors, where the unit has some.
/// `share`: what of a stage is computed, null when all. `shared` takes the loops whose iterations
/// threads could share.
mlir::LogicalResult
emitStageLoops(mlir::ModuleOp module, const VectorUnit &unit,
               llvm::function_ref<std::optional<StageShare>(mlir::Operation *)> share = {},
               llvm::SmallVectorImpl<SharedLoop> *shared = nullptr);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/codegen/loops/Passes.h.inc"

} // namespace tessera::loops

#endif
