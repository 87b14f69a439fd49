//===- Scopes.cpp - Names that hide others ----------------------------------------------===//
//
// ONNX's IR.md asks that names of a subgraph differ from those that it sees from outside. Exporters
// that name a loop's inputs as what they are given break that, and onnxruntime takes their models:
// a name means what the innermost graph around says.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Check.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
class ScopeSeparator {
public:
  void run(::onnx::GraphProto &graph);

private:
  struct Meaning {
    std::string name;
    unsigned depth = 0;
  };
  void define(std::string &name, bool mayHide = false);
  void use(std::string &name) const;
  void runNodes(::onnx::GraphProto &graph);

  llvm::StringMap<Meaning> visible;
  SmallVector<std::pair<std::string, std::optional<Meaning>>> before; // of what was defined
  unsigned depth = 0;
  size_t renamed = 0;
};
} // namespace

void ScopeSeparator::use(std::string &name) const {
  if (auto found = visible.find(name); found != visible.end())
    name = found->second.name;
}

void ScopeSeparator::define(std::string &name, bool mayHide) {
  if (name.empty())
    return;
  auto found = visible.find(name);
  // Other second definitions are found by the check of definitions.
  if (found != visible.end() && (!mayHide || found->second.depth == depth))
    return use(name);
  if (found == visible.end()) {
    before.emplace_back(name, std::nullopt);
    visible[name] = {name, depth};
    return;
  }
  before.emplace_back(name, found->second);
  std::string own;
  do
    own = name + "#" + std::to_string(++renamed);
  while (visible.contains(own));
  found->second = {own, depth};
  name = own;
}

void ScopeSeparator::runNodes(::onnx::GraphProto &graph) {
  for (::onnx::NodeProto &node : *graph.mutable_node()) {
    for (std::string &name : *node.mutable_input())
      use(name);
    for (::onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      if (attribute.has_g())
        run(*attribute.mutable_g());
      for (::onnx::GraphProto &subgraph : *attribute.mutable_graphs())
        run(subgraph);
    }
    for (std::string &name : *node.mutable_output())
      define(name);
  }
}

void ScopeSeparator::run(::onnx::GraphProto &graph) {
  ++depth;
  const size_t outer = before.size();
  for (::onnx::ValueInfoProto &input : *graph.mutable_input())
    define(*input.mutable_name(), /*mayHide=*/true);
  for (::onnx::TensorProto &tensor : *graph.mutable_initializer())
    define(*tensor.mutable_name());
  for (::onnx::SparseTensorProto &tensor : *graph.mutable_sparse_initializer())
    define(*tensor.mutable_values()->mutable_name());
  runNodes(graph);
  for (::onnx::ValueInfoProto &output : *graph.mutable_output())
    use(*output.mutable_name());
  for (::onnx::ValueInfoProto &value : *graph.mutable_value_info())
    use(*value.mutable_name());
  for (; before.size() > outer; before.pop_back()) {
    auto &[name, meaning] = before.back();
    if (meaning)
      visible[name] = *meaning;
    else
      visible.erase(name);
  }
  --depth;
}

static bool hasSubgraphs(const ::onnx::GraphProto &graph) {
  return llvm::any_of(graph.node(), [](const ::onnx::NodeProto &node) {
    return llvm::any_of(node.attribute(), [](const ::onnx::AttributeProto &attribute) {
      return attribute.has_g() || attribute.graphs_size() > 0;
    });
  });
}

void tessera::onnx::separateScopes(::onnx::GraphProto &graph) {
  if (hasSubgraphs(graph))
    ScopeSeparator().run(graph);
}
