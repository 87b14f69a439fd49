//===- EmitModule.h - Programs and kernel images become a module ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_MODULE_EMITMODULE_H
#define TESSERA_COMPILER_MODULE_EMITMODULE_H

#include "compiler/module/ModuleWriter.h"
#include "dialects/program/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace tessera {

/// The machine code of one kernel.
struct EmittedKernel {
  std::vector<uint8_t> image;
  uint64_t entry = 0;
};

/// One instruction-set variant: program.funcs and graph.variables, and the code of the kernels that
/// they launch. The module op must live until the description was written.
struct EmittedVariant {
  mlir::ModuleOp module;
  std::string level; ///< "x86-64-v3"
  llvm::StringMap<EmittedKernel> kernels;
};

/// A description that points into the modules, their weight store, and `storage`.
struct EmittedModule {
  module::ModuleDesc description;
  std::vector<std::vector<char>> storage; ///< constants that had to be laid out
};

/// Variants in the order they are tried: most demanding first.
llvm::Expected<EmittedModule> emitModule(llvm::ArrayRef<EmittedVariant> variants,
                                         llvm::StringRef compilerVersion);

} // namespace tessera

#endif
