//===- TreeEnsemble.cpp - Decision trees of a model, in one form
//-------------------------------===//

#include "frontends/onnx/TreeEnsemble.h"

#include <cmath>
#include <map>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr double kNever = std::numeric_limits<double>::quiet_NaN();
/// Every level of the deepest tree is a step for all of them.
static constexpr int64_t kMaxTreeDepth = 1000;
/// Tables have a row for each target.
static constexpr int64_t kMaxTreeTargets = 1 << 16;

namespace {
enum class Mode { Leq, Lt, Gte, Gt, Eq, Neq, Member };

/// Makes questions of what nodes of a file ask, in the element type of the features.
class QuestionWriter {
public:
  QuestionWriter(TreeEnsemble &forest, Type element) : forest(forest), isDouble(element.isF64()) {}

  /// The branch at that place.
  void write(size_t place, Mode mode, int64_t feature, double number, bool missingIsTrue,
             int32_t ifFalse, int32_t ifTrue);
  /// A chain of questions that begins at that place.
  void writeMembers(size_t place, int64_t feature, ArrayRef<double> members, bool missingIsTrue,
                    int32_t ifFalse, int32_t ifTrue);

private:
  /// The largest number of the element type that is at most, or below, this one.
  double atMost(double number) const {
    if (isDouble || std::isnan(number))
      return number;
    float rounded = float(number);
    return rounded > number ? std::nextafterf(rounded, -INFINITY) : rounded;
  }
  double below(double number) const {
    if (number == -kInfinity)
      return kNever;
    double most = atMost(number);
    if (most < number)
      return most;
    return isDouble ? std::nextafter(most, -kInfinity)
                    : double(std::nextafterf(float(most), -INFINITY));
  }

  TreeEnsemble &forest;
  bool isDouble;
};
} // namespace

void QuestionWriter::write(size_t place, Mode mode, int64_t feature, double number,
                           bool missingIsTrue, int32_t ifFalse, int32_t ifTrue) {
  TreeNode branch;
  branch.feature = feature;
  bool isExchanged = mode == Mode::Gte || mode == Mode::Gt || mode == Mode::Neq;
  // NaN differs from every number.
  branch.missingIsIn = isExchanged ? !(missingIsTrue || mode == Mode::Neq) : missingIsTrue;
  branch.next[0] = isExchanged ? ifTrue : ifFalse;
  branch.next[1] = isExchanged ? ifFalse : ifTrue;
  bool isStrict = mode == Mode::Lt || mode == Mode::Gte;
  branch.high = isStrict ? below(number) : atMost(number);
  if (mode == Mode::Eq || mode == Mode::Neq) {
    branch.low = branch.high = branch.high == number ? number : kNever;
    // Whether it is missing is a question of its own.
    if (branch.missingIsIn) {
      TreeNode first = branch;
      first.high = -kInfinity;
      first.next[0] = int32_t(forest.nodes.size());
      branch.missingIsIn = false;
      forest.nodes.push_back(branch);
      forest.nodes[place] = first;
      forest.nodes[place].low = -kInfinity;
      return;
    }
  }
  forest.nodes[place] = branch;
}

void QuestionWriter::writeMembers(size_t place, int64_t feature, ArrayRef<double> members,
                                  bool missingIsTrue, int32_t ifFalse, int32_t ifTrue) {
  SmallVector<double> all(members);
  if (all.empty())
    all.push_back(kNever);
  for (auto [i, member] : llvm::enumerate(all)) {
    bool isLast = i + 1 == all.size();
    int32_t rest = ifFalse;
    if (!isLast) {
      rest = int32_t(forest.nodes.size());
      forest.nodes.emplace_back();
    }
    write(place, Mode::Eq, feature, member, missingIsTrue && i == 0, rest, ifTrue);
    place = size_t(rest);
  }
}

//===----------------------------------------------------------------------===//
// Checking
//===----------------------------------------------------------------------===//

/// Finds what is reached, and how deep it lies at most. The file may hold rings.
static LogicalResult finish(Node &node, TreeEnsemble &forest) {
  enum : char { Unseen, Open, Done };
  std::vector<char> state(forest.nodes.size(), Unseen);
  std::vector<int32_t> &height = forest.heights;
  height.assign(forest.nodes.size(), 0);
  for (auto [tree, root] : llvm::enumerate(forest.roots)) {
    std::vector<int32_t> open{root};
    while (!open.empty()) {
      int32_t at = open.back();
      const TreeNode &branch = forest.nodes[size_t(at)];
      if (state[size_t(at)] == Unseen) {
        state[size_t(at)] = Open;
        forest.reached.push_back(at);
        if (branch.leaf < 0)
          for (int32_t next : branch.next) {
            if (state[size_t(next)] == Open)
              return node.error("has a ring of branches in tree number " + Twine(tree));
            if (state[size_t(next)] == Unseen)
              open.push_back(next);
          }
        continue;
      }
      open.pop_back();
      if (state[size_t(at)] == Done)
        continue;
      state[size_t(at)] = Done;
      if (branch.leaf < 0) {
        height[size_t(at)] =
            1 + std::max(height[size_t(branch.next[0])], height[size_t(branch.next[1])]);
        forest.hasMissing |= branch.missingIsIn;
        forest.hasLow |= branch.low != -kInfinity;
      }
    }
    forest.depth = std::max<int64_t>(forest.depth, height[size_t(root)]);
  }
  if (forest.depth > kMaxTreeDepth)
    return node.error("has a tree of depth " + Twine(forest.depth) + ", the limit is " +
                      Twine(kMaxTreeDepth) + " (kMaxTreeDepth)");
  if (forest.targets > kMaxTreeTargets)
    return node.error("has " + Twine(forest.targets) + " targets or classes, the limit is " +
                      Twine(kMaxTreeTargets) + " (kMaxTreeTargets)");
  for (const auto &leaf : forest.leaves)
    for (auto [target, weight] : leaf)
      if (target < 0 || target >= forest.targets)
        return node.error("has a leaf for target " + Twine(target) + " of " +
                          Twine(forest.targets));
  DimAttr features = node.type(0).getDims().empty() ? DimAttr() : node.type(0).getDims().back();
  for (int32_t at : forest.reached)
    if (int64_t feature = forest.nodes[size_t(at)].feature;
        feature < 0 || feature > INT32_MAX ||
        (features && features.isConstant() && feature >= features.getValue()))
      return node.error("asks for feature " + Twine(feature) + " of " +
                        (features ? features.str() : "0"));
  return success();
}

/// The numbers of NAME, or of the tensor NAME_as_tensor; none when both are absent.
static FailureOr<std::vector<double>> floatsOrTensor(Node &node, const std::string &name) {
  if (const ::onnx::TensorProto *tensor = node.getTensor(name + "_as_tensor"))
    return readNumbers(node, *tensor, name);
  SmallVector<float> numbers = node.getFloats(name).value_or(SmallVector<float>());
  return std::vector<double>(numbers.begin(), numbers.end());
}

static SmallVector<int64_t> intsOf(Node &node, const std::string &name) {
  return node.getInts(name).value_or(SmallVector<int64_t>());
}

//===----------------------------------------------------------------------===//
// Numbered trees
//===----------------------------------------------------------------------===//

static std::optional<Mode> modeOf(StringRef name) {
  static constexpr StringLiteral kNames[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                             "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
  const auto *found = llvm::find(kNames, name);
  return found == std::end(kNames) ? std::nullopt : std::optional(Mode(found - std::begin(kNames)));
}

FailureOr<TreeEnsemble> tessera::onnx::readNumberedTrees(Node &node, StringRef weights,
                                                         Type element, int64_t targets) {
  TreeEnsemble forest;
  forest.targets = targets;
  auto trees = intsOf(node, "nodes_treeids"), numbers = intsOf(node, "nodes_nodeids"),
       features = intsOf(node, "nodes_featureids"), ifTrue = intsOf(node, "nodes_truenodeids"),
       ifFalse = intsOf(node, "nodes_falsenodeids"),
       missing = intsOf(node, "nodes_missing_value_tracks_true");
  SmallVector<std::string> modes =
      node.getStrings("nodes_modes").value_or(SmallVector<std::string>());
  FailureOr<std::vector<double>> splits = floatsOrTensor(node, "nodes_values");
  FailureOr<std::vector<double>> base = floatsOrTensor(node, "base_values");
  std::string prefix = weights.str();
  FailureOr<std::vector<double>> added = floatsOrTensor(node, prefix + "_weights");
  auto addedTrees = intsOf(node, prefix + "_treeids"),
       addedNodes = intsOf(node, prefix + "_nodeids"), addedTo = intsOf(node, prefix + "_ids");
  if (failed(splits) || failed(base) || failed(added))
    return failure();
  forest.base = *base;
  size_t count = trees.size();
  for (size_t other : {numbers.size(), features.size(), ifTrue.size(), ifFalse.size(), modes.size(),
                       splits->size(), missing.empty() ? count : missing.size()})
    if (other != count)
      return node.error("has lists of nodes (nodes_*) of lengths " + Twine(count) + " and " +
                        Twine(other));
  for (size_t other : {addedNodes.size(), addedTo.size(), added->size()})
    if (other != addedTrees.size())
      return node.error("has lists of weights (" + weights + "_*) of lengths " +
                        Twine(addedTrees.size()) + " and " + Twine(other));
  if (count == 0)
    return node.error("has no trees");
  std::map<std::pair<int64_t, int64_t>, int32_t> places;
  for (size_t i = 0; i < count; ++i)
    if (!places.try_emplace({trees[i], numbers[i]}, int32_t(i)).second)
      return node.error("has node " + Twine(numbers[i]) + " of tree " + Twine(trees[i]) + " twice");
  forest.nodes.resize(count);
  std::vector<bool> isInner(count, false);
  QuestionWriter writer(forest, element);
  for (size_t i = 0; i < count; ++i) {
    if (modes[i] == "LEAF") {
      forest.nodes[i].leaf = int32_t(forest.leaves.size());
      forest.leaves.emplace_back();
      continue;
    }
    std::optional<Mode> mode = modeOf(modes[i]);
    auto yes = places.find({trees[i], ifTrue[i]}), no = places.find({trees[i], ifFalse[i]});
    if (!mode || yes == places.end() || no == places.end())
      return node.error("has node " + Twine(numbers[i]) + " of tree " + Twine(trees[i]) +
                        " with mode " + quoted(modes[i]) + " and branches to nodes " +
                        Twine(ifTrue[i]) + " and " + Twine(ifFalse[i]) +
                        (mode ? ", which are not there" : ", which is no mode"));
    isInner[size_t(yes->second)] = isInner[size_t(no->second)] = true;
    writer.write(i, *mode, features[i], (*splits)[i], !missing.empty() && missing[i], no->second,
                 yes->second);
  }
  for (size_t i = 0; i < addedTrees.size(); ++i) {
    auto at = places.find({addedTrees[i], addedNodes[i]});
    if (at == places.end() || forest.nodes[size_t(at->second)].leaf < 0)
      return node.error("has a weight for node " + Twine(addedNodes[i]) + " of tree " +
                        Twine(addedTrees[i]) + ", which is no leaf");
    forest.leaves[size_t(forest.nodes[size_t(at->second)].leaf)].emplace_back(addedTo[i],
                                                                              (*added)[i]);
  }
  // A tree begins where no branch leads to.
  std::map<int64_t, bool> begun;
  for (size_t i = 0; i < count; ++i)
    if (!isInner[i] && begun.try_emplace(trees[i], true).second)
      forest.roots.push_back(int32_t(i));
  for (size_t i = 0; i < count; ++i)
    if (!begun.count(trees[i]))
      return node.error("has a ring of branches in tree " + Twine(trees[i]));
  if (failed(finish(node, forest)))
    return failure();
  return forest;
}

//===----------------------------------------------------------------------===//
// Listed trees
//===----------------------------------------------------------------------===//

FailureOr<TreeEnsemble> tessera::onnx::readListedTrees(Node &node, Type element) {
  TreeEnsemble forest;
  forest.targets = node.getInt("n_targets", 1);
  auto features = intsOf(node, "nodes_featureids"), ifTrue = intsOf(node, "nodes_truenodeids"),
       ifFalse = intsOf(node, "nodes_falsenodeids"), trueLeaf = intsOf(node, "nodes_trueleafs"),
       falseLeaf = intsOf(node, "nodes_falseleafs"), roots = intsOf(node, "tree_roots"),
       leafTargets = intsOf(node, "leaf_targetids"),
       missing = intsOf(node, "nodes_missing_value_tracks_true");
  std::vector<double> lists[4];
  static constexpr StringLiteral kNames[] = {"nodes_modes", "nodes_splits", "leaf_weights",
                                             "membership_values"};
  for (auto [name, list] : llvm::zip(kNames, lists))
    if (const ::onnx::TensorProto *tensor = node.getTensor(name)) {
      FailureOr<std::vector<double>> numbers = readNumbers(node, *tensor, name);
      if (failed(numbers))
        return failure();
      list = *numbers;
    }
  auto &[modes, splits, leafWeights, members] = lists;
  size_t count = features.size();
  for (size_t other : {ifTrue.size(), ifFalse.size(), trueLeaf.size(), falseLeaf.size(),
                       modes.size(), splits.size(), missing.empty() ? count : missing.size()})
    if (other != count)
      return node.error("has lists of nodes (nodes_*) of lengths " + Twine(count) + " and " +
                        Twine(other));
  if (leafTargets.size() != leafWeights.size() || count == 0 || roots.empty() || forest.targets < 1)
    return node.error("has " + Twine(leafTargets.size()) + " targets of " +
                      Twine(leafWeights.size()) + " leaves, " + Twine(count) + " nodes and " +
                      Twine(roots.size()) + " trees");
  // Branches, then leaves, then the rest of chains.
  forest.nodes.resize(count + leafTargets.size());
  for (size_t i = 0; i < leafTargets.size(); ++i) {
    forest.nodes[count + i].leaf = int32_t(i);
    forest.leaves.push_back({{leafTargets[i], leafWeights[i]}});
  }
  auto place = [&](int64_t number, bool isLeaf) -> std::optional<int32_t> {
    if (number < 0 || number >= int64_t(isLeaf ? leafTargets.size() : count))
      return std::nullopt;
    return int32_t(isLeaf ? int64_t(count) + number : number);
  };
  QuestionWriter writer(forest, element);
  size_t member = 0;
  for (size_t i = 0; i < count; ++i) {
    auto yes = place(ifTrue[i], trueLeaf[i]), no = place(ifFalse[i], falseLeaf[i]);
    bool isMode = modes[i] >= 0 && modes[i] <= double(Mode::Member);
    int64_t mode = isMode ? int64_t(modes[i]) : -1;
    if (!yes || !no || !isMode)
      return node.error("has node " + Twine(i) + " of mode " + Twine(mode) + " with branches to " +
                        Twine(ifTrue[i]) + " and " + Twine(ifFalse[i]) + ", which are not there");
    bool missingIsTrue = !missing.empty() && missing[i];
    if (Mode(mode) != Mode::Member) {
      writer.write(i, Mode(mode), features[i], splits[i], missingIsTrue, *no, *yes);
      continue;
    }
    // The members of one node end with NaN.
    SmallVector<double> own;
    while (member < members.size() && !std::isnan(members[member]))
      own.push_back(members[member++]);
    if (member++ >= members.size())
      return node.error("has fewer sets in membership_values than nodes that ask for a member");
    writer.writeMembers(i, features[i], own, missingIsTrue, *no, *yes);
  }
  for (int64_t root : roots) {
    auto at = place(root, false);
    if (!at)
      return node.error("has a tree that begins at node " + Twine(root) + " of " + Twine(count));
    forest.roots.push_back(*at);
  }
  if (failed(finish(node, forest)))
    return failure();
  return forest;
}
