//===- LookupTables.h - Reads of short constant tables ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_LOOKUPTABLES_H
#define TESSERA_COMPILER_CODEGEN_LLVM_LOOKUPTABLES_H

#include "llvm/IR/Module.h"

#include <vector>

namespace llvm {
class TargetMachine;
}

namespace tessera::codegen {

/// A generator reads entry i of table N by the function of this name with N behind it: i32 to
/// float. An index is below the table's length, a power of two.
inline constexpr llvm::StringLiteral kTablePrefix = "tessera_table_";

/// Before LLVM's passes: makes one call of those that fill the lanes of a vector.
void formTableVectors(llvm::Module &module);
/// Behind them: gives these functions what they stand for, and removes them.
void lowerTables(llvm::Module &module, llvm::ArrayRef<std::vector<float>> tables,
                 const llvm::TargetMachine &machine);

} // namespace tessera::codegen

#endif
