//===- TreeWalk.cpp - Ensembles of decision trees as tensors
//------------------------------------===//
//
// For each row and tree the place that it is at:
//
//   1. The tops of trees (TreeTops.h) are asked all their questions at once: what is read stands at
//      the same places for all rows. The ways that are open are one number for each row and tree.
//   2. What lies below is walked, a level a step, by gathers of the question that stands at each
//      place. Nearly complete trees: the questions of a level are a table, the place after an
//      answer is 2 * place + answer; leaves that lie higher are repeated below. Others: one table
//      of all nodes, whose records say where the two that follow stand; a leaf leads to itself.
//   3. Leaves are summed.
//
// There are two forms: for few rows trees fill vectors ([rows, trees]), for many the rows do
// ([trees, rows]), a tree's tables stay in the cache for all of them, and leaves are summed tree
// after tree. The number of rows decides which one runs.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/TreeTops.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

/// Complete trees have at most so many levels, and so many times as many nodes as there are.
static constexpr int64_t kMaxCompleteDepth = 12;
static constexpr int64_t kMaxPadding = 8;
/// Fewer are padded anyway.
static constexpr int64_t kFewNodes = 1 << 16;
/// Rows from which on they fill vectors.
static constexpr int64_t kManyRows = 16;
/// What a step costs, in questions of a top: of many rows those are read side by side, of few they
/// are gathered as well. And what it costs to have tops at all.
static constexpr int64_t kStepOfMany = 40, kStepOfFew = 3, kHavingTops = 8;

namespace {
class TreeWalk {
public:
  /// x: [rows, features].
  TreeWalk(Node &node, const TreeEnsemble &forest, Value x, TreeAggregate aggregate);
  /// [rows, targets].
  Value run(bool hasManyRows);

private:
  /// Tables of the questions at some places.
  struct Questions {
    std::vector<uint32_t> features;
    std::vector<double> lows, highs;
  };

  bool arrangeByTarget();
  void splitMissing();
  bool isLeaf(int32_t at) const { return at < 0 || forest.nodes[size_t(at)].leaf >= 0; }
  Questions questionsAt(ArrayRef<int32_t> nodes) const;
  Value table(ArrayRef<uint32_t> numbers, ArrayRef<int64_t> dims = {});
  Value table(ArrayRef<double> numbers, ArrayRef<int64_t> dims = {});
  Value lookUp(Value table, Value place, int64_t axis = 0) {
    return node.create<graph::GatherOp>(table, place, axis);
  }
  Value number(uint32_t value) { return node.fill(places, double(value)); }
  Value isIn(Value value, const Questions &questions,
             llvm::function_ref<Value(ArrayRef<double>)> numbersOf);
  TreeTops cheapestTops() const;
  Value askTops(const TreeTops &tops);
  Value ask(const Questions &questions, Value feature);
  bool isNearlyComplete(int64_t depth) const;
  void walkComplete(int64_t depth);
  void walkNodes(int64_t depth);
  Value reduceLeaves(Value each, int64_t axis);
  double weightOf(int32_t leaf, int64_t target) const;
  Value sumByTarget();
  Value sumOfAll();

  Node &node;
  const TreeEnsemble &forest;
  Value x; ///< rows of features, then behind its features a copy where missing ones are -inf
  const TreeAggregate aggregate;
  const Type element, ui32;
  int64_t features = 0;       ///< of the copy in front; 0 when every question reads the other one
  std::vector<int32_t> order; ///< the roots as they are walked; -1 is no tree
  int64_t perTarget = 0;      ///< trees for each target, when a tree has one only

  // Of the form that is written.
  bool isMany = false;
  SmallVector<int64_t> trees; ///< their number, or targets and the trees of each
  graph::TensorType places;   ///< ui32
  Value flat, rowStart;
  std::vector<int32_t> standing; ///< the node at each place, or -1
  Value arrived;
};
} // namespace

//===----------------------------------------------------------------------===//
// Arranging
//===----------------------------------------------------------------------===//

TreeWalk::TreeWalk(Node &node, const TreeEnsemble &forest, Value x, TreeAggregate aggregate)
    : node(node), forest(forest), x(x), aggregate(aggregate),
      element(graph::getTensorType(x).getElementType()),
      ui32(IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Unsigned)) {
  if (forest.hasMissing)
    splitMissing();
  if (!arrangeByTarget())
    order = forest.roots;
}

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

//===----------------------------------------------------------------------===//
// Asking
//===----------------------------------------------------------------------===//

/// At a leaf, and where no node is, the answer is "no".
TreeWalk::Questions TreeWalk::questionsAt(ArrayRef<int32_t> nodes) const {
  Questions questions;
  for (int32_t at : nodes) {
    const TreeNode *branch = isLeaf(at) ? nullptr : &forest.nodes[size_t(at)];
    questions.features.push_back(
        branch ? uint32_t(branch->feature + (branch->missingIsIn ? features : 0)) : 0);
    // Nothing is at most NaN.
    questions.highs.push_back(branch ? branch->high : std::numeric_limits<double>::quiet_NaN());
    questions.lows.push_back(branch ? branch->low : 0);
  }
  return questions;
}

Value TreeWalk::table(ArrayRef<uint32_t> numbers, ArrayRef<int64_t> dims) {
  return constantOf<uint32_t>(node, numbers, dims.empty() ? int64_t(numbers.size()) : dims);
}
Value TreeWalk::table(ArrayRef<double> numbers, ArrayRef<int64_t> dims) {
  const int64_t count = int64_t(numbers.size());
  if (dims.empty())
    dims = count;
  if (element.isF64())
    return constantOf<double>(node, numbers, dims);
  std::vector<float> rounded(numbers.begin(), numbers.end());
  return constantOf<float>(node, rounded, dims);
}

/// Whether a value lies between the numbers; `numbersOf` gives a table's number for each value.
Value TreeWalk::isIn(Value value, const Questions &questions,
                     llvm::function_ref<Value(ArrayRef<double>)> numbersOf) {
  Value result = node.compare(CompareKind::le, value, numbersOf(questions.highs));
  if (!forest.hasLow)
    return result;
  return node.create<graph::AndOp>(result,
                                   node.compare(CompareKind::ge, value, numbersOf(questions.lows)));
}

/// Tops of the size that costs least, with the steps below.
TreeTops TreeWalk::cheapestTops() const {
  TreeTops best;
  int64_t least = -1;
  for (size_t ways = 1; ways <= 32; ways *= 2) {
    TreeTops tops = topsOf(forest, order, ways);
    int64_t cost = tops.depth * (isMany ? kStepOfMany : kStepOfFew) + int64_t(tops.asked) +
                   (tops.asked ? kHavingTops : 0);
    if (least >= 0 && cost >= least)
      continue;
    best = std::move(tops);
    least = cost;
  }
  return best;
}

/// Which way out of its top each row takes. Many rows: tables are [trees, questions] and columns of
/// features are taken; few: they are [questions, trees], and features of a row are.
Value TreeWalk::askTops(const TreeTops &tops) {
  std::vector<int32_t> nodes = tops.nodes;
  std::vector<uint32_t> open = tops.open;
  SmallVector<int64_t> tableDims(trees);
  tableDims.insert(isMany ? tableDims.end() : tableDims.begin(), int64_t(tops.asked));
  if (!isMany)
    for (size_t tree = 0; tree < order.size(); ++tree)
      for (size_t question = 0; question < tops.asked; ++question) {
        nodes[question * order.size() + tree] = tops.nodes[tree * tops.asked + question];
        open[question * order.size() + tree] = tops.open[tree * tops.asked + question];
      }
  const int64_t rank = places.rank(), axis = isMany ? rank - 1 : 1;
  DimList dims(places.getDims());
  dims.insert(dims.begin() + axis, node.dim(int64_t(tops.asked)));
  auto forAllRows = [&](Value table) {
    return node.broadcast(table, llvm::to_vector(llvm::seq<int64_t>(!isMany, rank + !isMany)),
                          dims);
  };
  Questions questions = questionsAt(nodes);
  Value features = table(questions.features, tableDims);
  Value values = isMany ? lookUp(node.transpose(x, {1, 0}), features) : lookUp(x, features, 1);
  Value answers = isIn(values, questions, [&](ArrayRef<double> numbers) {
    return forAllRows(table(numbers, tableDims));
  });
  Value left = forAllRows(table(open, tableDims));
  left = node.choose(answers, node.fillLike(left, UINT32_MAX), left);
  left = node.reduce(ReduceKind::and_, left, {axis});
  // The first open way is the lowest bit, a power of two: its exponent as a float. The bit of the
  // sign is -2^31.
  Type si32 = IntegerType::get(ui32.getContext(), 32, IntegerType::Signed);
  Value lowest = node.create<graph::AndOp>(left, node.sub(number(0), left));
  Value power = node.convert(node.create<graph::BitcastOp>(lowest, si32),
                             Float32Type::get(ui32.getContext()));
  Value bits = node.create<graph::BitcastOp>(power, ui32);
  Value exponent =
      node.create<graph::AndOp>(node.create<graph::ShrOp>(bits, number(23)), number(255));
  return node.sub(exponent, number(127));
}

/// 1 where the answer is "yes", else 0.
Value TreeWalk::ask(const Questions &questions, Value feature) {
  Value value = lookUp(flat, node.add(rowStart, feature));
  Value answer = isIn(value, questions,
                      [&](ArrayRef<double> numbers) { return lookUp(table(numbers), arrived); });
  return node.convert(answer, ui32);
}

//===----------------------------------------------------------------------===//
// Walking
//===----------------------------------------------------------------------===//

bool TreeWalk::isNearlyComplete(int64_t depth) const {
  return depth <= kMaxCompleteDepth &&
         int64_t(standing.size()) << depth <=
             std::max(kFewNodes, kMaxPadding * int64_t(forest.reached.size()));
}

void TreeWalk::walkComplete(int64_t depth) {
  for (; depth > 0; --depth) {
    Questions questions = questionsAt(standing);
    std::vector<int32_t> below;
    below.reserve(2 * standing.size());
    for (int32_t at : standing)
      for (int answer : {0, 1})
        below.push_back(isLeaf(at) ? at : forest.nodes[size_t(at)].next[answer]);
    Value answer = ask(questions, lookUp(table(questions.features), arrived));
    arrived = node.add(node.add(arrived, arrived), answer);
    standing = std::move(below);
  }
}

/// Places are numbers of nodes; those that follow a branch lie side by side. A record has the first
/// of them and, in its low bits where there is room, the feature.
void TreeWalk::walkNodes(int64_t depth) {
  std::vector<uint32_t> first(standing.size());
  llvm::DenseMap<int32_t, uint32_t> followers;
  for (size_t place = 0; place < standing.size(); ++place) {
    int32_t at = standing[place];
    if (isLeaf(at)) {
      first[place] = uint32_t(place); // The answer is "no".
      continue;
    }
    auto [found, isNew] = followers.try_emplace(at, uint32_t(standing.size()));
    first[place] = found->second;
    if (isNew)
      for (int answer : {0, 1}) {
        standing.push_back(forest.nodes[size_t(at)].next[answer]);
        first.push_back(0);
      }
  }
  Questions questions = questionsAt(standing);
  const unsigned featureBits =
      llvm::Log2_64_Ceil(uint64_t(graph::getTensorType(x).getDim(1).getValue()) + 1);
  const bool isPacked = standing.size() <= (uint64_t(1) << 32 >> featureBits);
  std::vector<uint32_t> records = first;
  if (isPacked)
    for (auto [record, feature] : llvm::zip(records, questions.features))
      record = record << featureBits | feature;
  Value recordTable = table(records), featureTable = isPacked ? Value() : table(questions.features);
  for (; depth > 0; --depth) {
    Value next = lookUp(recordTable, arrived), feature;
    if (isPacked) {
      feature = node.create<graph::AndOp>(next, number((1u << featureBits) - 1));
      next = node.create<graph::ShrOp>(next, number(featureBits));
    } else {
      feature = lookUp(featureTable, arrived);
    }
    arrived = node.add(next, ask(questions, feature));
  }
}

//===----------------------------------------------------------------------===//
// Leaves
//===----------------------------------------------------------------------===//

/// Leaves of trees along an axis, each of them once.
Value TreeWalk::reduceLeaves(Value each, int64_t axis) {
  switch (aggregate) {
  case TreeAggregate::Sum: return node.reduce(ReduceKind::sum, each, axis);
  case TreeAggregate::Average: {
    Value total = node.reduce(ReduceKind::sum, each, axis);
    return node.div(total, node.fillLike(total, double(forest.roots.size())));
  }
  default: break;
  }
  bool isMin = aggregate == TreeAggregate::Min;
  Value best = node.reduce(isMin ? ReduceKind::min : ReduceKind::max, each, axis);
  // A target of no leaf is 0.
  Value isNone = node.create<graph::IsInfOp>(best);
  return node.choose(isNone, node.fillLike(best, 0), best);
}

/// What a leaf (-1 is none) adds to a target; what is neutral where it adds nothing.
double TreeWalk::weightOf(int32_t leaf, int64_t target) const {
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
  for (int32_t at : standing) {
    int32_t leaf = at < 0 ? -1 : forest.nodes[size_t(at)].leaf;
    bool isNone = leaf < 0 || forest.leaves[size_t(leaf)].empty();
    weights.push_back(weightOf(leaf, isNone ? 0 : forest.leaves[size_t(leaf)][0].first));
  }
  Value each = lookUp(table(weights), arrived);
  Value sums = reduceLeaves(each, places.rank() - (isMany ? 2 : 1));
  if (trees.size() == 2)
    return isMany ? node.transpose(sums, {1, 0}) : sums;
  return node.reshape(sums, {graph::getTensorType(x).getDim(0), node.dim(1)});
}

/// Leaves that add to several targets have a number for each: a row, or one in each of the targets'
/// rows.
Value TreeWalk::sumOfAll() {
  const size_t count = standing.size(), targets = size_t(forest.targets);
  std::vector<double> weights(count * targets);
  for (size_t place = 0; place < count; ++place) {
    int32_t leaf = standing[place] < 0 ? -1 : forest.nodes[size_t(standing[place])].leaf;
    for (size_t target = 0; target < targets; ++target)
      weights[isMany ? target * count + place : place * targets + target] =
          weightOf(leaf, int64_t(target));
  }
  if (!isMany)
    return reduceLeaves(lookUp(table(weights, {int64_t(count), forest.targets}), arrived), 1);
  Value rows = table(weights, {forest.targets, int64_t(count)});
  return node.transpose(reduceLeaves(lookUp(rows, arrived, 1), 1), {1, 0});
}

//===----------------------------------------------------------------------===//
// Both forms
//===----------------------------------------------------------------------===//

Value TreeWalk::run(bool hasManyRows) {
  isMany = hasManyRows;
  graph::TensorType type = graph::getTensorType(x);
  trees = {int64_t(order.size())};
  if (perTarget && forest.targets > 1)
    trees = {forest.targets, perTarget};
  DimList dims = llvm::map_to_vector(trees, [&](int64_t count) { return node.dim(count); });
  const int64_t first = isMany ? 0 : 1, rowAxis = isMany ? int64_t(trees.size()) : 0;
  dims.insert(dims.begin() + rowAxis, type.getDim(0));
  places = graph::TensorType::get(dims, ui32);
  // The trees' numbers, then ways out of them.
  arrived = node.create<graph::IotaOp>(places, first + int64_t(trees.size()) - 1);
  if (trees.size() == 2)
    arrived =
        node.add(arrived, node.mul(node.create<graph::IotaOp>(places, first), double(perTarget)));
  TreeTops tops = cheapestTops();
  standing = tops.below;
  if (tops.asked)
    arrived = node.add(node.mul(arrived, double(tops.ways)), askTops(tops));
  if (tops.depth > 0) {
    flat = node.reshape(x, DimAttr((DimExpr(type.getDim(0)) * DimExpr(type.getDim(1))).get()));
    Value starts = node.create<graph::IotaOp>(graph::TensorType::get({type.getDim(0)}, ui32), 0);
    starts = node.mul(starts, double(type.getDim(1).getValue()));
    rowStart = node.broadcast(starts, {rowAxis}, dims);
    if (isNearlyComplete(tops.depth))
      walkComplete(tops.depth);
    else
      walkNodes(tops.depth);
  }
  return perTarget ? sumByTarget() : sumOfAll();
}

Value tessera::onnx::scoreTrees(Node &node, const TreeEnsemble &forest, Value x,
                                TreeAggregate aggregate) {
  TreeWalk walk(node, forest, x, aggregate);
  DimAttr rows = graph::getTensorType(x).getDim(0);
  if (graph::isKnownLessEqual(node.dim(kManyRows), rows))
    return walk.run(/*hasManyRows=*/true);
  if (graph::isKnownLessEqual(rows, node.dim(kManyRows - 1)))
    return walk.run(/*hasManyRows=*/false);
  Value count = node.create<graph::DimValueOp>(rows);
  Value limit = node.create<graph::DimValueOp>(node.dim(kManyRows));
  auto type = graph::TensorType::get({rows, node.dim(forest.targets)},
                                     graph::getTensorType(x).getElementType());
  OpBuilder &builder = node.getBuilder();
  auto choice = graph::IfOp::create(builder, node.getLoc(), TypeRange(type),
                                    node.compare(CompareKind::ge, count, limit));
  for (bool isMany : {true, false}) {
    OpBuilder::InsertionGuard guard(builder);
    Region &region = isMany ? choice.getThenRegion() : choice.getElseRegion();
    builder.setInsertionPointToStart(&region.emplaceBlock());
    graph::YieldOp::create(builder, node.getLoc(), walk.run(isMany));
  }
  return choice.getResult(0);
}
