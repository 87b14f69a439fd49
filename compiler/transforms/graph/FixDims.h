//===- FixDims.h - Symbols that get a value when compiling ----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_FIXDIMS_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_FIXDIMS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace tessera::transforms {

/// Replaces symbols of all functions by numbers. An error when no function has a symbol, or the
/// number is outside its range.
mlir::LogicalResult fixDims(mlir::ModuleOp module, const llvm::StringMap<int64_t> &values);

} // namespace tessera::transforms

#endif
