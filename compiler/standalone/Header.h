//===- Header.h - The C header of an object -------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_STANDALONE_HEADER_H
#define TESSERA_COMPILER_STANDALONE_HEADER_H

#include "compiler/standalone/EmitCode.h"

namespace tessera::standalone {

/// A name of a model as part of a C identifier.
std::string makeIdentifier(llvm::StringRef name);

/// Names that differ from each other and from C's keywords.
ObjectNames chooseNames(const rt::Module &module, llvm::StringRef prefix);

std::string writeHeader(const rt::Module &module, llvm::ArrayRef<FunctionLayout> layouts,
                        const StateLayout &state, const ObjectNames &names);

} // namespace tessera::standalone

#endif
