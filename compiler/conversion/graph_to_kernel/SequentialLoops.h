//===- SequentialLoops.h - Loops of a kernel, and slices of what they carry ------*- C++ -*-===//
//
// What is computed one element after another is a loop that carries tensors, updated where they
// are. These build such loops in the kernel that an emitter builds.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_SEQUENTIALLOOPS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_SEQUENTIALLOOPS_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

namespace tessera::lower {

using LoopBody =
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value index, mlir::ValueRange carried)>;

/// for (index = from; index < to; index += step) carried = body(index, carried)
llvm::SmallVector<mlir::Value> forLoop(KernelEmitter &emitter, llvm::StringRef name,
                                       mlir::Value from, mlir::Value to, mlir::Value step,
                                       mlir::ValueRange carried, LoopBody body,
                                       bool isParallel = false);

/// One loop for each dim, outermost first; `body` takes all indices.
llvm::SmallVector<mlir::Value>
forEach(KernelEmitter &emitter, llvm::StringRef name, llvm::ArrayRef<graph::DimAttr> dims,
        mlir::ValueRange carried, bool isParallel, llvm::SmallVector<mlir::Value> indices,
        llvm::function_ref<llvm::SmallVector<mlir::Value>(llvm::ArrayRef<mlir::Value>,
                                                          mlir::ValueRange)>
            body);

/// extent - 1 - index
mlir::Value fromEnd(KernelEmitter &emitter, graph::DimAttr extent, mlir::Value index);

/// The part of a tensor at `at` (an index where the dim disappears, null where all of it is taken).
struct Part {
  llvm::SmallVector<mlir::OpFoldResult> offsets, sizes, strides;
  llvm::SmallVector<bool> isKept;
  mlir::RankedTensorType type;
  bool isWhole;

  Part(KernelEmitter &emitter, llvm::ArrayRef<graph::DimAttr> dims, llvm::ArrayRef<mlir::Value> at,
       mlir::Type element);
  mlir::Value take(KernelEmitter &emitter, mlir::Value from) const;
  mlir::Value put(KernelEmitter &emitter, mlir::Value part, mlir::Value into) const;
  bool isEmpty() const { return llvm::is_contained(type.getShape(), 0); }
};

mlir::Type builtinElement(mlir::Value tensor);

/// A stage that writes where `into` is: element = body(element of from.., element of into).
mlir::Value
update(KernelEmitter &emitter, llvm::StringRef name, mlir::ValueRange from, mlir::Value into,
       llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)> body);
mlir::Value copyInto(KernelEmitter &emitter, llvm::StringRef name, mlir::Value from,
                     mlir::Value into);
mlir::Value copyOf(KernelEmitter &emitter, llvm::StringRef name, mlir::Value from,
                   llvm::ArrayRef<graph::DimAttr> dims);

} // namespace tessera::lower

#endif
