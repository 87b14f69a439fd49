//===- EmitObject.h - A module becomes an object file and a C header ------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_STANDALONE_EMITOBJECT_H
#define TESSERA_COMPILER_STANDALONE_EMITOBJECT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace tessera::standalone {

struct ObjectOptions {
  std::string prefix = "model";        ///< of every name; made an identifier
  std::map<std::string, int64_t> dims; ///< values of extents that the module leaves open
  std::string level;                   ///< the variant; "": the module's first for a CPU
};

struct ObjectFile {
  llvm::SmallVector<char, 0> object; ///< ELF, position-independent
  std::string header;                ///< C89 and C++
};

/// The module is read and verified as the runtime does it.
llvm::Expected<ObjectFile> emitObject(llvm::StringRef module, const ObjectOptions &options);

} // namespace tessera::standalone

#endif
