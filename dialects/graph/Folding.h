//===- Folding.h - What is computed when compiling, whatever it takes ------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_GRAPH_FOLDING_H
#define TESSERA_DIALECTS_GRAPH_FOLDING_H

#include "llvm/ADT/StringRef.h"

namespace tessera::graph {

/// On an op (unit): where its operands are constants its result is one, too, although it takes more
/// memory than they do. Computing it in every run would cost more than what it is made for.
constexpr llvm::StringLiteral kFoldAttr = "graph.fold";

} // namespace tessera::graph

#endif
