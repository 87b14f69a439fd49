//===- KernelBase.td - The kernel dialect ----------------------------------------===//
#ifndef TESSERA_DIALECTS_KERNEL_KERNELBASE_TD
#define TESSERA_DIALECTS_KERNEL_KERNELBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::tessera::kernel";
  let summary = "One fused kernel: the algorithm, in named stages";
  let description = [{
    A `kernel.func` is what is computed together. Its body is built from upstream operations on
    builtin tensors: every `linalg` operation is one *stage* with a name (`kernel.stage`) and named
    loops (`kernel.loops`), by which schedules refer to it. How a kernel is computed (loops, tiles,
    vectors, threads) is no part of it: see the schedule dialect.

    What is sequential by its meaning (a recurrence, a scatter, a sort) is a loop: an `scf.for` that
    carries tensors, whose body holds stages and reads and writes single elements and slices. Outermost
    loops have a stage name too.

    Symbolic extents are explicit `index` arguments. Memory is no part of it either: values are
    tensors, and results become output buffers.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let extraClassDeclaration = [{
    /// Name of a stage, on every linalg operation of a kernel (string).
    static constexpr llvm::StringLiteral kStageAttr = "kernel.stage";
    /// Names of the loops of a stage, one per iterator (array of strings).
    static constexpr llvm::StringLiteral kLoopsAttr = "kernel.loops";
    /// Names of the model nodes that a kernel computes (array of strings), on kernel.func.
    static constexpr llvm::StringLiteral kSourcesAttr = "kernel.sources";
    /// Layout of a packed operand (#kernel.packed), on arguments of kernel.func.
    static constexpr llvm::StringLiteral kLayoutAttr = "kernel.layout";
    /// Marks an argument that is a constant of the model (unit): it can be packed while compiling.
    static constexpr llvm::StringLiteral kConstantAttr = "kernel.constant";
    /// Marks a result that only holds an intermediate stage (unit), on results of kernel.func.
    static constexpr llvm::StringLiteral kScratchAttr = "kernel.scratch";
    /// Where a result lies in a larger tensor that its launch writes (#kernel.place), on results of
    /// kernel.func.
    static constexpr llvm::StringLiteral kPlaceAttr = "kernel.place";
    /// Says that no iteration of a loop reads or writes what another one writes (unit), on scf.for.
    static constexpr llvm::StringLiteral kParallelAttr = "kernel.parallel";
    /// Says that a reducing stage, which selects between new and running values by one condition, keeps
    /// the running ones often (unit): then what it reads need not be computed.
    static constexpr llvm::StringLiteral kSkipsAttr = "kernel.skips";
    /// Says that the blocks whose states a stage merges may be cut anywhere (unit): states of pieces of
    /// any size, made by the same stages and merged in order, give the same result. Input i of the stage is
    /// what result i merges, so that merged states can be merged as well.
    static constexpr llvm::StringLiteral kAnyBlocksAttr = "kernel.any_blocks";
  }];
}

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

#endif
