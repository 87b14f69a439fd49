//===- OpsMlTrees.cpp - Ensembles of decision trees
//---------------------------------------------===//

#include "frontends/onnx/TreeEnsemble.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// The features in the type in which they are compared. How many there are has to be known.
static FailureOr<Value> featuresOf(Node &node) {
  Type own = node.type(0).getElementType();
  FailureOr<Value> x = rowsOf(node, own.isF64() ? own : f32(node));
  if (succeeded(x) && !graph::getTensorType(*x).getDim(1).isConstant())
    return node.error("has rows of " + graph::getTensorType(*x).getDim(1).str() +
                      " features, expected a number (--dim gives one)");
  return x;
}

static Value addBase(Node &node, Value scores, std::vector<double> base) {
  graph::TensorType type = graph::getTensorType(scores);
  base.resize(size_t(type.getDim(1).getValue()), 0);
  if (llvm::all_of(base, [](double number) { return number == 0; }))
    return scores;
  Value each =
      node.convert(constantOf<double>(node, base, int64_t(base.size())), type.getElementType());
  return node.add(scores, node.broadcastTo(each, type.getDims()));
}

static LogicalResult regress(Node &node, FailureOr<TreeEnsemble> forest, Value x,
                             TreeAggregate aggregate, Type result) {
  FailureOr<PostTransform> transform = postTransformOf(node);
  if (failed(forest) || failed(transform))
    return failure();
  Value scores = addBase(node, scoreTrees(node, *forest, x, aggregate), forest->base);
  node.setOutput(node.convert(transformScores(node, scores, *transform), result));
  return success();
}

static LogicalResult importTreeEnsembleRegressor(Node &node) {
  static constexpr StringLiteral kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  std::string name = node.getString("aggregate_function", "SUM");
  const auto *found = llvm::find(kAggregates, name);
  if (found == std::end(kAggregates))
    return node.error("has aggregate_function " + quoted(name) +
                      ", expected AVERAGE, SUM, MIN or MAX");
  int64_t targets = node.getInt("n_targets", 1);
  if (targets < 1)
    return node.error("has " + Twine(targets) + " targets");
  FailureOr<Value> x = featuresOf(node);
  if (failed(x))
    return failure();
  Type element = graph::getTensorType(*x).getElementType();
  return regress(node, readNumberedTrees(node, "target", element, targets), *x,
                 TreeAggregate(found - std::begin(kAggregates)), f32(node));
}

static LogicalResult importTreeEnsemble(Node &node) {
  int64_t aggregate = node.getInt("aggregate_function", 1);
  if (aggregate < 0 || aggregate > 3)
    return node.error("has aggregate_function " + Twine(aggregate) + ", expected 0 to 3");
  FailureOr<Value> x = featuresOf(node);
  if (failed(x))
    return failure();
  return regress(node, readListedTrees(node, graph::getTensorType(*x).getElementType()), *x,
                 TreeAggregate(aggregate), node.type(0).getElementType());
}

static LogicalResult importTreeEnsembleClassifier(Node &node) {
  FailureOr<ClassLabels> labels = classLabelsOf(node, "classlabels_int64s");
  FailureOr<PostTransform> transform = postTransformOf(node);
  FailureOr<Value> x = featuresOf(node);
  if (failed(labels) || failed(transform) || failed(x))
    return failure();
  Type element = graph::getTensorType(*x).getElementType();
  int64_t classes = int64_t(labels->size());
  FailureOr<TreeEnsemble> forest = readNumberedTrees(node, "class", element, classes);
  if (failed(forest))
    return failure();
  bool isMixed = false;
  std::vector<bool> hasWeight(size_t(classes), false);
  for (const auto &leaf : forest->leaves)
    for (auto [target, weight] : leaf) {
      isMixed |= weight < 0;
      hasWeight[size_t(target)] = true;
    }
  int64_t weighted = llvm::count(hasWeight, true);
  auto label = [&](Value value) { node.setOutput(value); };
  auto score = [&](Value value) { node.setOutput(node.convert(value, f32(node))); };
  if (classes == 2 && weighted == 1) {
    // One of two classes has a score, which says how much it is the second one.
    int64_t own = hasWeight[1];
    if (forest->base.size() < 2) {
      TreeEnsemble single = *forest;
      single.targets = 1;
      for (auto &leaf : single.leaves)
        for (auto &[target, weight] : leaf)
          target = 0;
      Value column = addBase(node, scoreTrees(node, single, *x, TreeAggregate::Sum), forest->base);
      label(labelsAbove(node, *labels, column, isMixed ? 0 : 0.5));
      if (own == 0)
        score(scoresOfBoth(node, column, *transform, isMixed));
      else
        score(
            transformScores(node, node.concat({node.fillLike(column, 0), column}, 1), *transform));
      return success();
    }
    Value both = addBase(node, scoreTrees(node, *forest, *x, TreeAggregate::Sum), forest->base);
    label(labelsAbove(node, *labels, node.cut(both, 1, node.dim(own), node.dim(1)),
                      isMixed ? 0 : 0.5));
    score(transformScores(node, both, *transform));
    return success();
  }
  Value scores = addBase(node, scoreTrees(node, *forest, *x, TreeAggregate::Sum), forest->base);
  // A class of no leaf is nobody's label, though its score is 0.
  Value ranked = scores;
  if (weighted > 0 && weighted < classes && forest->base.empty()) {
    std::vector<double> out;
    for (bool has : hasWeight)
      out.push_back(has ? 0 : -std::numeric_limits<double>::infinity());
    ranked = addBase(node, scores, out);
  }
  label(labelsOfLargest(node, *labels, ranked));
  score(transformScores(node, scores, *transform));
  return success();
}

ArrayRef<Operator> tessera::onnx::mlTreeOperators() {
  static const Operator table[] = {
      {"TreeEnsemble", 5, importTreeEnsemble},
      {"TreeEnsembleClassifier", 1, importTreeEnsembleClassifier},
      {"TreeEnsembleRegressor", 1, importTreeEnsembleRegressor},
  };
  return table;
}
