//===- TreeTops.h - The part of decision trees that is asked at once ---------------*- C++ -*-===//
//
// The top of a tree is not walked: all its questions are asked, whose places are the same for all
// rows. Every way out of the top is a bit. A "no" closes the ways below "yes", and of those that
// are open in the end the first is the way (QuickScorer: Lucchese et al., SIGIR 2015).
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_TREETOPS_H
#define TESSERA_FRONTENDS_ONNX_TREETOPS_H

#include "frontends/onnx/TreeEnsemble.h"

namespace tessera::onnx {

/// The tops of all trees, filled up to the same numbers of questions and ways.
struct TreeTops {
  size_t asked = 0, ways = 1; ///< for each tree
  std::vector<int32_t> nodes; ///< trees * asked; -1 asks nothing
  std::vector<uint32_t> open; ///< for each of them, the ways that its "no" leaves open
  std::vector<int32_t> below; ///< trees * ways: where they lead, or -1
  int64_t depth = 0;          ///< of what lies below
};

/// Up to `ways` (32 at most) out of each tree; a top grows where its tree is highest. A root of -1
/// is no tree.
TreeTops topsOf(const TreeEnsemble &forest, llvm::ArrayRef<int32_t> roots, size_t ways);

} // namespace tessera::onnx

#endif
