//===- OpsMlTrees.cpp - Ensembles of decision trees
//---------------------------------------------===//
//
// All trees are walked at once, a level a step: for each row and tree the place that it is at, and
// gathers of the question that stands there. The steps are a row of elementwise ops and gathers,
// which become one kernel.
//
//   complete trees: the questions of level l are a table of trees * 2^l, the place after an answer
//   is 2 * place + answer; leaves that lie higher are repeated below.
//
//   others: one table of all nodes, the place after an answer stands in a table of two for each;
//   a leaf leads to itself.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/TreeEnsemble.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

namespace {
/// Complete trees have at most so many levels, and so many times as many nodes as there are.
constexpr int64_t kMaxCompleteDepth = 12;
constexpr int64_t kMaxPadding = 8;
/// Fewer are padded anyway.
constexpr int64_t kFewNodes = 1 << 16;

class TreeWalk {
public:
  TreeWalk(Node &node, const TreeEnsemble &forest, Value x, TreeAggregate aggregate)
      : node(node), forest(forest), x(x), aggregate(aggregate),
        element(graph::getTensorType(x).getElementType()) {}
  Value run();

private:
  /// One level's questions: tables of features and numbers.
  struct Questions {
    std::vector<uint32_t> features;
    std::vector<double> lows, highs;
  };

  bool arrangeByTarget();
  void addQuestion(Questions &questions, int32_t at) const;
  void splitMissing();
  Value table(ArrayRef<uint32_t> numbers);
  Value table(ArrayRef<double> numbers);
  Value lookUp(Value table, Value place);
  Value ask(const Questions &questions, Value place);
  bool isNearlyComplete() const;
  void walkComplete();
  void walkNodes();
  Value reduceLeaves(Value each, int64_t axis, int64_t count);
  Value sumByTarget();
  Value sumOfRows();

  Node &node;
  const TreeEnsemble &forest;
  Value x; ///< rows of features, then behind its features a copy where missing ones are -inf
  const TreeAggregate aggregate;
  const Type element;
  int64_t features = 0;       ///< of the copy in front; 0 when every question reads the other one
  std::vector<int32_t> order; ///< the roots as they are walked; -1 is no tree
  int64_t perTarget = 0;      ///< trees for each target, when a tree has one only
  graph::TensorType places;   ///< [rows, trees] or [rows, targets, trees], ui32
  Value flat, rowStart;
  std::vector<int32_t> leafOf; ///< what stands at each place in the end; -1 is no leaf
  Value arrived;
};
} // namespace

//===----------------------------------------------------------------------===//
// Arranging
//===----------------------------------------------------------------------===//

/// Trees whose leaves all add to one target are put side by side, filled up to the same number for
/// all targets.
bool TreeWalk::arrangeByTarget() {
  std::vector<std::vector<int32_t>> byTarget(size_t(forest.targets));
  std::vector<int64_t> targetOf(forest.nodes.size(), -1);
  size_t largest = 0;
  for (int32_t root : forest.roots) {
    int64_t target = -1;
    std::vector<int32_t> open{root};
    llvm::DenseSet<int32_t> seen{root};
    while (!open.empty()) {
      const TreeNode &at = forest.nodes[size_t(open.back())];
      open.pop_back();
      if (at.leaf < 0) {
        for (int32_t next : at.next)
          if (seen.insert(next).second)
            open.push_back(next);
        continue;
      }
      const auto &leaf = forest.leaves[size_t(at.leaf)];
      if (leaf.size() > 1 || (!leaf.empty() && target >= 0 && leaf[0].first != target))
        return false;
      if (!leaf.empty())
        target = leaf[0].first;
    }
    byTarget[size_t(std::max<int64_t>(target, 0))].push_back(root);
    largest = std::max(largest, byTarget[size_t(std::max<int64_t>(target, 0))].size());
  }
  if (largest * byTarget.size() > 2 * forest.roots.size() + byTarget.size())
    return false;
  for (std::vector<int32_t> &trees : byTarget) {
    trees.resize(largest, -1);
    llvm::append_range(order, trees);
  }
  perTarget = int64_t(largest);
  return true;
}

bool TreeWalk::isNearlyComplete() const {
  if (forest.depth > kMaxCompleteDepth)
    return false;
  int64_t padded = int64_t(order.size()) << forest.depth;
  return padded <= std::max(kFewNodes, kMaxPadding * int64_t(forest.reached.size()));
}

//===----------------------------------------------------------------------===//
// Asking
//===----------------------------------------------------------------------===//

/// A question of which a missing value is "in" reads a copy in which it is -inf; there is nothing
/// else below the lowest number there.
void TreeWalk::splitMissing() {
  graph::TensorType type = graph::getTensorType(x);
  Value isMissing = node.create<graph::IsNanOp>(x);
  double lowest = element.isF64() ? std::numeric_limits<double>::lowest()
                                  : double(std::numeric_limits<float>::lowest());
  Value copy = node.choose(isMissing, node.fillLike(x, -std::numeric_limits<double>::infinity()),
                           node.max(x, lowest));
  bool isForAll = llvm::all_of(forest.reached, [&](int32_t at) {
    return forest.nodes[size_t(at)].leaf >= 0 || forest.nodes[size_t(at)].missingIsIn;
  });
  if (isForAll) {
    x = copy;
    return;
  }
  features = type.getDim(1).getValue();
  x = node.concat({x, copy}, 1);
}

/// Where there is no branch the answer does not matter.
void TreeWalk::addQuestion(Questions &questions, int32_t at) const {
  const TreeNode *branch =
      at < 0 || forest.nodes[size_t(at)].leaf >= 0 ? nullptr : &forest.nodes[size_t(at)];
  questions.features.push_back(
      branch ? uint32_t(branch->feature + (branch->missingIsIn ? features : 0)) : 0);
  questions.highs.push_back(branch ? branch->high : 0);
  questions.lows.push_back(branch ? branch->low : 0);
}

Value TreeWalk::table(ArrayRef<uint32_t> numbers) {
  return constantOf<uint32_t>(node, numbers, int64_t(numbers.size()));
}
Value TreeWalk::table(ArrayRef<double> numbers) {
  if (element.isF64())
    return constantOf<double>(node, numbers, int64_t(numbers.size()));
  std::vector<float> rounded(numbers.begin(), numbers.end());
  return constantOf<float>(node, rounded, int64_t(rounded.size()));
}
Value TreeWalk::lookUp(Value table, Value place) {
  return node.create<graph::GatherOp>(table, place, 0);
}

/// 1 where the feature lies between the numbers, else 0.
Value TreeWalk::ask(const Questions &questions, Value place) {
  Value feature = lookUp(table(questions.features), place);
  Value value = lookUp(flat, node.add(rowStart, feature));
  Value isIn = node.compare(CompareKind::le, value, lookUp(table(questions.highs), place));
  if (forest.hasLow)
    isIn = node.create<graph::AndOp>(
        isIn, node.compare(CompareKind::ge, value, lookUp(table(questions.lows), place)));
  return node.convert(isIn, places.getElementType());
}

//===----------------------------------------------------------------------===//
// Walking
//===----------------------------------------------------------------------===//

void TreeWalk::walkComplete() {
  std::vector<int32_t> level = order;
  for (int64_t depth = 0; depth < forest.depth; ++depth) {
    Questions questions;
    std::vector<int32_t> below;
    below.reserve(2 * level.size());
    for (int32_t at : level) {
      addQuestion(questions, at);
      bool isLeaf = at < 0 || forest.nodes[size_t(at)].leaf >= 0;
      for (int answer : {0, 1})
        below.push_back(isLeaf ? at : forest.nodes[size_t(at)].next[answer]);
    }
    Value answer = ask(questions, arrived);
    arrived = node.add(node.add(arrived, arrived), answer);
    level = std::move(below);
  }
  for (int32_t at : level)
    leafOf.push_back(at < 0 ? -1 : forest.nodes[size_t(at)].leaf);
}

void TreeWalk::walkNodes() {
  // The place that is no tree comes last.
  std::vector<int32_t> numbers(forest.nodes.size(), -1);
  for (auto [number, at] : llvm::enumerate(forest.reached))
    numbers[size_t(at)] = int32_t(number);
  Questions questions;
  std::vector<uint32_t> next, begins;
  for (int32_t at : forest.reached) {
    const TreeNode &branch = forest.nodes[size_t(at)];
    addQuestion(questions, at);
    for (int answer : {0, 1})
      next.push_back(uint32_t(numbers[size_t(branch.leaf >= 0 ? at : branch.next[answer])]));
    leafOf.push_back(branch.leaf);
  }
  uint32_t none = uint32_t(leafOf.size());
  addQuestion(questions, -1);
  next.insert(next.end(), {none, none});
  leafOf.push_back(-1);
  for (int32_t root : order)
    begins.push_back(root < 0 ? none : uint32_t(numbers[size_t(root)]));
  arrived = lookUp(table(begins), arrived);
  Value nextTable = table(next);
  for (int64_t depth = 0; depth < forest.depth; ++depth) {
    Value answer = ask(questions, arrived);
    arrived = lookUp(nextTable, node.add(node.add(arrived, arrived), answer));
  }
}

//===----------------------------------------------------------------------===//
// Leaves
//===----------------------------------------------------------------------===//

/// Leaves of trees along an axis, each of them once.
Value TreeWalk::reduceLeaves(Value each, int64_t axis, int64_t count) {
  switch (aggregate) {
  case TreeAggregate::Sum: return node.reduce(ReduceKind::sum, each, axis);
  case TreeAggregate::Average: {
    Value total = node.reduce(ReduceKind::sum, each, axis);
    return node.div(total, node.fillLike(total, double(count)));
  }
  default: break;
  }
  bool isMin = aggregate == TreeAggregate::Min;
  Value best = node.reduce(isMin ? ReduceKind::min : ReduceKind::max, each, axis);
  // A target of no leaf is 0.
  Value isNone = node.create<graph::IsInfOp>(best);
  return node.choose(isNone, node.fillLike(best, 0), best);
}

/// What a leaf adds to a target; what is neutral where it adds nothing.
static double weightOf(const TreeEnsemble &forest, TreeAggregate aggregate, int32_t leaf,
                       int64_t target) {
  const double infinity = std::numeric_limits<double>::infinity();
  double weight = aggregate == TreeAggregate::Min   ? infinity
                  : aggregate == TreeAggregate::Max ? -infinity
                                                    : 0;
  if (leaf >= 0)
    for (auto [own, added] : forest.leaves[size_t(leaf)])
      if (own == target)
        weight = aggregate == TreeAggregate::Min   ? std::min(weight, added)
                 : aggregate == TreeAggregate::Max ? std::max(weight, added)
                                                   : weight + added;
  return weight;
}

Value TreeWalk::sumByTarget() {
  std::vector<double> weights;
  for (int32_t leaf : leafOf)
    weights.push_back(weightOf(forest, aggregate, leaf,
                               leaf < 0 || forest.leaves[size_t(leaf)].empty()
                                   ? 0
                                   : forest.leaves[size_t(leaf)][0].first));
  Value each = lookUp(table(weights), arrived);
  Value sums = reduceLeaves(each, places.rank() - 1, int64_t(forest.roots.size()));
  return node.reshape(sums, {places.getDim(0), node.dim(forest.targets)});
}

/// Rows of the weights for all targets.
Value TreeWalk::sumOfRows() {
  std::vector<double> weights;
  weights.reserve(leafOf.size() * size_t(forest.targets));
  for (int32_t leaf : leafOf)
    for (int64_t target = 0; target < forest.targets; ++target)
      weights.push_back(weightOf(forest, aggregate, leaf, target));
  Value rows =
      node.reshape(table(weights), {node.dim(int64_t(leafOf.size())), node.dim(forest.targets)});
  return reduceLeaves(lookUp(rows, arrived), 1, int64_t(forest.roots.size()));
}

Value TreeWalk::run() {
  if (forest.hasMissing)
    splitMissing();
  if (!arrangeByTarget())
    order = forest.roots;
  DimAttr rows = graph::getTensorType(x).getDim(0);
  Type ui32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Unsigned);
  DimList dims{rows};
  if (perTarget && forest.targets > 1)
    dims.push_back(node.dim(forest.targets));
  dims.push_back(node.dim(int64_t(order.size()) / (dims.size() > 1 ? forest.targets : 1)));
  places = graph::TensorType::get(dims, ui32);
  flat =
      node.reshape(x, DimAttr((DimExpr(rows) * DimExpr(graph::getTensorType(x).getDim(1))).get()));
  graph::TensorType each = places.withDims({rows});
  Value start = node.mul(node.create<graph::IotaOp>(each, 0),
                         double(graph::getTensorType(x).getDim(1).getValue()));
  rowStart = node.broadcast(start, {0}, dims);
  arrived = node.create<graph::IotaOp>(places, int64_t(dims.size()) - 1);
  if (dims.size() == 3)
    arrived = node.add(arrived, node.mul(node.create<graph::IotaOp>(places, 1), double(perTarget)));
  if (isNearlyComplete())
    walkComplete();
  else
    walkNodes();
  return perTarget ? sumByTarget() : sumOfRows();
}

Value tessera::onnx::scoreTrees(Node &node, const TreeEnsemble &forest, Value x,
                                TreeAggregate aggregate) {
  return TreeWalk(node, forest, x, aggregate).run();
}

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
  FailureOr<SmallVector<int64_t>> labels = classLabelsOf(node, "classlabels_int64s");
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
