//===- Order.cpp - Nodes in the order of computation ------------------------------------===//
//
// ONNX's IR.md asks for nodes in topological order. onnxruntime's quantizer sorts by the inputs of
// nodes alone, so that an If or a Loop may stand before what its subgraphs read from outside, and
// onnxruntime takes such models.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Check.h"
#include "frontends/onnx/Names.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <numeric>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
using Names = std::vector<std::string>;

class NodeOrder {
public:
  NodeOrder(::onnx::GraphProto &graph, const NodeOrder *around, Location loc)
      : graph(graph), around(around), loc(loc) {}
  /// Sorts the nodes, and those of subgraphs; `outside` becomes the names that the graph reads
  /// without defining them.
  LogicalResult run(Names &outside);

private:
  bool isGiven(StringRef name) const;
  LogicalResult readUses();
  bool isSorted() const;
  LogicalResult visit(int node);
  LogicalResult explainCycle(ArrayRef<int> path) const;
  void permute();

  ::onnx::GraphProto &graph;
  const NodeOrder *around; // of the graph that this one is a subgraph of, or null
  Location loc;
  llvm::StringMap<int> definers;
  llvm::StringSet<> given; // inputs and initializers
  Names outside;
  std::vector<SmallVector<int, 2>> needs; // per node: those whose results it reads
  enum class State : uint8_t { Unseen, Open, Done };
  std::vector<State> states;
  std::vector<int> sorted;
};
} // namespace

/// Whether inputs or initializers, of this graph or one around it, have the name. What defines it
/// once more is no dependence; the check of definitions refuses it.
bool NodeOrder::isGiven(StringRef name) const {
  for (const NodeOrder *at = this; at; at = at->around)
    if (at->given.contains(name))
      return true;
  return false;
}

/// What each node needs of the graph's others, its subgraphs included.
LogicalResult NodeOrder::readUses() {
  for (const ::onnx::ValueInfoProto &input : graph.input())
    given.insert(input.name());
  for (const ::onnx::TensorProto &tensor : graph.initializer())
    given.insert(tensor.name());
  for (const ::onnx::SparseTensorProto &tensor : graph.sparse_initializer())
    given.insert(tensor.values().name());
  for (const auto &[i, node] : llvm::enumerate(graph.node()))
    for (const std::string &name : node.output())
      if (!name.empty() && !isGiven(name))
        definers.try_emplace(name, int(i));
  llvm::StringSet<> seen;
  auto read = [&](const std::string &name, int user) {
    if (auto found = definers.find(name); found != definers.end()) {
      if (user >= 0)
        needs[user].push_back(found->second);
    } else if (!name.empty() && !given.contains(name) && seen.insert(name).second)
      outside.push_back(name);
  };
  needs.resize(graph.node_size());
  for (int i = 0; i < graph.node_size(); ++i) {
    ::onnx::NodeProto &node = *graph.mutable_node(i);
    for (const std::string &name : node.input())
      read(name, i);
    auto readGraph = [&](::onnx::GraphProto &subgraph) -> LogicalResult {
      Names captured;
      if (failed(NodeOrder(subgraph, this, loc).run(captured)))
        return failure();
      for (const std::string &name : captured)
        read(name, i);
      return success();
    };
    for (::onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      if (attribute.has_g() && failed(readGraph(*attribute.mutable_g())))
        return failure();
      for (::onnx::GraphProto &subgraph : *attribute.mutable_graphs())
        if (failed(readGraph(subgraph)))
          return failure();
    }
  }
  for (const ::onnx::ValueInfoProto &output : graph.output())
    read(output.name(), /*user=*/-1);
  return success();
}

bool NodeOrder::isSorted() const {
  for (const auto &[i, others] : llvm::enumerate(needs))
    if (llvm::any_of(others, [&](int other) { return other >= int(i); }))
      return false;
  return true;
}

/// `path` leads from each node to one that it needs, from the last to the first.
LogicalResult NodeOrder::explainCycle(ArrayRef<int> path) const {
  constexpr size_t kShown = 7;
  InFlightDiagnostic error = emitError(loc);
  error << "the graph has a cycle of " << path.size() << " nodes: ";
  for (int at : path.take_front(kShown))
    error << placeOf(graph.node(at)) << " <- ";
  return error << (path.size() > kShown ? "... <- " : "") << placeOf(graph.node(path.front()));
}

/// Depth first, without recursion: what a node needs comes before it, else nodes stay in order.
LogicalResult NodeOrder::visit(int root) {
  SmallVector<int> path;
  SmallVector<size_t> next; // of each node of the path, which of its needs
  auto open = [&](int node) {
    states[node] = State::Open;
    path.push_back(node);
    next.push_back(0);
  };
  if (states[root] == State::Unseen)
    open(root);
  while (!path.empty()) {
    const int node = path.back();
    if (next.back() == needs[node].size()) {
      states[node] = State::Done;
      sorted.push_back(node);
      path.pop_back();
      next.pop_back();
      continue;
    }
    const int other = needs[node][next.back()++];
    if (states[other] == State::Open)
      return explainCycle(ArrayRef(path).drop_while([&](int at) { return at != other; }));
    if (states[other] == State::Unseen)
      open(other);
  }
  return success();
}

/// Swaps pointers to nodes: what is known of a node by its address stays true.
void NodeOrder::permute() {
  auto &nodes = *graph.mutable_node();
  std::vector<int> where(sorted.size()), which(sorted.size());
  std::iota(where.begin(), where.end(), 0);
  std::iota(which.begin(), which.end(), 0);
  for (int i = 0; i < int(sorted.size()); ++i) {
    const int from = where[sorted[i]];
    nodes.SwapElements(i, from);
    std::swap(which[i], which[from]);
    where[which[i]] = i;
    where[which[from]] = from;
  }
}

LogicalResult NodeOrder::run(Names &captured) {
  if (failed(readUses()))
    return failure();
  captured = std::move(outside);
  if (isSorted())
    return success();
  states.resize(graph.node_size(), State::Unseen);
  for (int i = 0; i < graph.node_size(); ++i)
    if (failed(visit(i)))
      return failure();
  permute();
  return success();
}

LogicalResult tessera::onnx::orderNodes(::onnx::GraphProto &graph, Location loc) {
  Names outside;
  return NodeOrder(graph, nullptr, loc).run(outside);
}
