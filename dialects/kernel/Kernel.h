//===- Kernel.h - The kernel dialect ----------------------------------------------===//
#ifndef TESSERA_DIALECTS_KERNEL_KERNEL_H
#define TESSERA_DIALECTS_KERNEL_KERNEL_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/kernel/KernelDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.h.inc"

namespace tessera::kernel {

/// The name of a stage (a linalg operation in a kernel), empty when it has none.
llvm::StringRef getStageName(mlir::Operation *stage);

/// The names of the loops of a stage: `kernel.loops`, or i0, i1, ... for parallel and r0, r1, ...
/// for reduction iterators when it is absent.
llvm::SmallVector<std::string> getLoopNames(mlir::linalg::GenericOp stage);

/// The value at whose place a tensor is computed: destinations (inits of stages and loops, targets
/// of insertions) are followed to what is none, such as a tensor.empty or an argument.
mlir::Value getDestinationRoot(mlir::Value tensor);

/// The tensor argument that a result is but for what loops write into it: the kernel begins with a
/// copy of the argument and does not look at it again. None for any other result. Where both are
/// one buffer there is nothing to copy.
std::optional<unsigned> getUpdatedArgument(FuncOp kernel, unsigned result);

/// Names a stage and its loops.
void setStage(mlir::Operation *stage, llvm::StringRef name,
              llvm::ArrayRef<llvm::StringRef> loops = {});

} // namespace tessera::kernel

#endif
