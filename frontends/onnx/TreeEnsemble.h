//===- TreeEnsemble.h - Decision trees of a model, in one form ----------------------*- C++ -*-===//
//
// Whatever a node asks, it becomes one question: does a feature lie between two numbers? What is
// asked for the other way round has its branches exchanged, "less than" ends at the number before,
// a set of members is a chain of questions for one each.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_TREEENSEMBLE_H
#define TESSERA_FRONTENDS_ONNX_TREEENSEMBLE_H

#include "frontends/onnx/OpsMl.h"

namespace tessera::onnx {

struct TreeNode {
  /// Of a missing value (NaN) the answer is "no", unless this is set. Never together with a `low`.
  bool missingIsIn = false;
  int32_t leaf = -1; ///< else a branch
  int64_t feature = 0;
  double low = -std::numeric_limits<double>::infinity(), high = 0;
  int32_t next[2] = {0, 0}; ///< for "no" and "yes"
};

struct TreeEnsemble {
  std::vector<TreeNode> nodes;
  std::vector<int32_t> roots;
  /// What a leaf adds to which target.
  std::vector<llvm::SmallVector<std::pair<int64_t, double>, 1>> leaves;
  int64_t targets = 1, depth = 0;
  std::vector<double> base;

  /// Nodes that are reached from the roots, those of a tree before those of the next.
  std::vector<int32_t> reached;
  /// Of each node, how many questions lie below at most.
  std::vector<int32_t> heights;
  bool hasLow = false, hasMissing = false;
};

/// TreeEnsembleClassifier (weights "class") and TreeEnsembleRegressor ("target"): nodes have tree
/// and node numbers. Numbers are compared in `element`. Fails with an error.
FailureOr<TreeEnsemble> readNumberedTrees(Node &node, llvm::StringRef weights, mlir::Type element,
                                          int64_t targets);
/// TreeEnsemble: nodes are places in lists.
FailureOr<TreeEnsemble> readListedTrees(Node &node, mlir::Type element);

enum class TreeAggregate { Average, Sum, Min, Max };

/// [rows, targets]: what the leaves that each row comes to add up to, without base values.
Value scoreTrees(Node &node, const TreeEnsemble &forest, Value x, TreeAggregate aggregate);

} // namespace tessera::onnx

#endif
