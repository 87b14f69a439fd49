//===- EmitFunction.h - One program.func becomes bytecode -----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_MODULE_EMITFUNCTION_H
#define TESSERA_COMPILER_MODULE_EMITFUNCTION_H

#include "compiler/module/ModuleWriter.h"
#include "dialects/program/Program.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tessera {

/// The numbers of what a function refers to by name or value.
struct EmitTables {
  llvm::function_ref<uint32_t(mlir::Operation *)> kernel; ///< of a launch or a host call
  llvm::function_ref<uint32_t(program::ConstantOp)> constant;
  llvm::function_ref<uint32_t(program::VariableOp)> variable;
};

module::ElementType getRuntimeType(mlir::Type element);
module::Function emitFunction(program::FuncOp function, const EmitTables &tables);

} // namespace tessera

#endif
