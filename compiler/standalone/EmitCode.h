//===- EmitCode.h - LLVM IR of a module's functions ------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_STANDALONE_EMITCODE_H
#define TESSERA_COMPILER_STANDALONE_EMITCODE_H

#include "compiler/standalone/Layout.h"
#include "runtime/module/Module.h"

#include "llvm/IR/Module.h"

namespace tessera::standalone {

/// Where variables are in the caller's memory: for each a word that says which of its two copies is
/// the current one, then the copies.
struct StateLayout {
  std::vector<uint64_t> first, second; ///< offsets of the copies, per variable
  uint64_t bytes = 0;                  ///< 0: the model has no variables
};
StateLayout layOutState(const rt::Module &module);

/// The names of what an object defines.
struct ObjectNames {
  std::string prefix;
  std::vector<std::string> functions; ///< C functions, per function of the module
  std::vector<std::string> variables; ///< C functions, per variable of the module
  std::string message, reset;
};

/// Defines, in an empty LLVM module, one C function for each function of the module, and what the
/// header declares besides. Kernels are copied as they are; everything around them becomes code.
void emitCode(const rt::Module &module, llvm::ArrayRef<FunctionLayout> layouts,
              const StateLayout &state, const ObjectNames &names, llvm::Module &to);

} // namespace tessera::standalone

#endif
