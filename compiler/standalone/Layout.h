//===- Layout.h - Sizes and places of a function whose extents are known --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_STANDALONE_LAYOUT_H
#define TESSERA_COMPILER_STANDALONE_LAYOUT_H

#include "runtime/module/Program.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <map>
#include <string>
#include <vector>

namespace tessera::standalone {

struct BufferLayout {
  llvm::SmallVector<int64_t> dims, strides; ///< elements, outermost first
  int64_t elements = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0; ///< temporaries: in the arena; views: from the start of what they look at
};

struct FunctionLayout {
  std::vector<int64_t> registers; ///< what the prologue computed
  std::vector<BufferLayout> buffers;
  uint64_t arenaBytes = 0;
};

/// Gives symbols their values, runs the prologue and places temporaries as the runtime does. An
/// error says which extents have no value, or what has a size that only a run knows.
llvm::Expected<FunctionLayout> layOut(const rt::Function &function,
                                      const std::map<std::string, int64_t> &dims);

} // namespace tessera::standalone

#endif
