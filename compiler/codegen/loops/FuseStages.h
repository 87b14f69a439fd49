//===- FuseStages.h - Stages on buffers hand elements on in registers --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_FUSESTAGES_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_FUSESTAGES_H

#include "compiler/codegen/loops/Loops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tessera::loops {

/// Makes stages that compute element by element, in every block of a bufferized function, as few as
/// they can be, and takes the buffers away that lay between them.
void fuseStages(mlir::func::FuncOp function);

} // namespace tessera::loops

#endif
