//===- DefineMatrixTiles.h - Functions for products by matrix tiles ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_DEFINEMATRIXTILES_H
#define TESSERA_COMPILER_CODEGEN_LLVM_DEFINEMATRIXTILES_H

#include "compiler/codegen/MatrixTiles.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/IR/Module.h"

namespace tessera::codegen {

/// Writes the functions that the module calls for blocks of products, with AMX (Intel SDM vol. 2,
/// TDPBF16PS and TDPBSSD ff.).
void defineMatrixTiles(llvm::Module &module, llvm::ArrayRef<MatrixTiles> functions);

} // namespace tessera::codegen

#endif
