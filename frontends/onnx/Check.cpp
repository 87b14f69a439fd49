//===- Check.cpp - What every model has to be
//----------------------------------------------------===//
//
// The rules of ONNX's IR.md that hold for all operators. They come before the import, so that what
// it says about operators is about a sound graph.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Check.h"
#include "frontends/onnx/Names.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

//===----------------------------------------------------------------------===//
// Nesting and names
//===----------------------------------------------------------------------===//

static LogicalResult checkName(StringRef name, const Twine &what, Location loc) {
  if (name.size() > kMaxNameBytes)
    return emitError(loc) << what << " " << quoted(name) << " has " << name.size()
                          << " bytes, the limit is " << kMaxNameBytes << " (kMaxNameBytes)";
  if (name.contains('\0'))
    return emitError(loc) << what << " " << quoted(name)
                          << " contains a zero byte, which no name may";
  return success();
}

namespace {
/// The graphs of a list of nodes, with their depth; no recursion.
struct Nested {
  const google::protobuf::RepeatedPtrField<::onnx::NodeProto> *nodes;
  const ::onnx::GraphProto *graph; // null for the body of a function
  unsigned depth;
};
} // namespace

static LogicalResult checkNodeNames(const ::onnx::NodeProto &node, Location loc) {
  if (failed(checkName(node.name(), "the node name", loc)) ||
      failed(checkName(node.op_type(), "the operator", loc)) ||
      failed(checkName(node.domain(), "the domain", loc)))
    return failure();
  for (const auto &names : {node.input(), node.output()})
    for (const std::string &name : names)
      if (failed(checkName(name, placeOf(node) + ": the tensor name", loc)))
        return failure();
  llvm::StringSet<> seen;
  for (const ::onnx::AttributeProto &attribute : node.attribute())
    if (!seen.insert(attribute.name()).second)
      return emitError(loc) << placeOf(node) << ": attribute " << quoted(attribute.name())
                            << " is given twice";
  return success();
}

size_t tessera::onnx::countNodes(const ::onnx::GraphProto &graph) {
  size_t count = size_t(graph.node_size());
  for (const ::onnx::NodeProto &node : graph.node())
    for (const ::onnx::AttributeProto &attribute : node.attribute()) {
      if (attribute.has_g())
        count += countNodes(attribute.g());
      for (const ::onnx::GraphProto &subgraph : attribute.graphs())
        count += countNodes(subgraph);
    }
  return count;
}

LogicalResult tessera::onnx::checkNesting(const ::onnx::ModelProto &model, Location loc) {
  SmallVector<Nested> todo = {{&model.graph().node(), &model.graph(), 0}};
  for (const ::onnx::FunctionProto &function : model.functions())
    todo.push_back({&function.node(), nullptr, 0});
  while (!todo.empty()) {
    Nested next = todo.pop_back_val();
    if (next.depth > kMaxNesting)
      return emitError(loc) << "subgraphs are nested more than " << kMaxNesting
                            << " deep (kMaxNesting)";
    if (next.graph) {
      for (const auto &list : {next.graph->input(), next.graph->output()})
        for (const ::onnx::ValueInfoProto &value : list)
          if (failed(checkName(value.name(), "the tensor name", loc)))
            return failure();
      for (const ::onnx::TensorProto &tensor : next.graph->initializer())
        if (failed(checkName(tensor.name(), "the tensor name", loc)))
          return failure();
    }
    for (const ::onnx::NodeProto &node : *next.nodes) {
      if (failed(checkNodeNames(node, loc)))
        return failure();
      for (const ::onnx::AttributeProto &attribute : node.attribute()) {
        if (attribute.has_g())
          todo.push_back({&attribute.g().node(), &attribute.g(), next.depth + 1});
        for (const ::onnx::GraphProto &graph : attribute.graphs())
          todo.push_back({&graph.node(), &graph, next.depth + 1});
      }
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Definitions and uses
//===----------------------------------------------------------------------===//

namespace {
class GraphCheck {
public:
  explicit GraphCheck(Location loc) : loc(loc) {}
  LogicalResult run(const ::onnx::GraphProto &graph, const ::onnx::NodeProto *owner);

private:
  LogicalResult define(StringRef name, const Twine &who);
  LogicalResult defineInputs(const ::onnx::GraphProto &graph);

  Location loc;
  llvm::StringSet<> defined;
  SmallVector<std::string> order; // of definition, so that a subgraph's end with it
};
} // namespace

LogicalResult GraphCheck::define(StringRef name, const Twine &who) {
  if (name.empty())
    return success();
  if (!defined.insert(name).second)
    return emitError(loc) << who << ": " << quoted(name)
                          << " is defined a second time; every name may be defined once";
  order.push_back(name.str());
  return success();
}

LogicalResult GraphCheck::defineInputs(const ::onnx::GraphProto &graph) {
  llvm::StringSet<> initialized;
  for (const ::onnx::TensorProto &tensor : graph.initializer())
    initialized.insert(tensor.name());
  for (const ::onnx::ValueInfoProto &input : graph.input()) {
    if (input.name().empty())
      return emitError(loc) << "an input of the graph has no name";
    // Initial values of inputs (IR versions below 4 listed all weights as inputs).
    if (!initialized.contains(input.name()) && failed(define(input.name(), "the graph's inputs")))
      return failure();
  }
  for (const ::onnx::TensorProto &tensor : graph.initializer()) {
    if (tensor.name().empty())
      return emitError(loc) << "an initializer has no name";
    if (failed(define(tensor.name(), "the initializers")))
      return failure();
  }
  for (const ::onnx::SparseTensorProto &tensor : graph.sparse_initializer()) {
    if (tensor.values().name().empty())
      return emitError(loc) << "a sparse initializer has no name";
    if (failed(define(tensor.values().name(), "the initializers")))
      return failure();
  }
  return success();
}

LogicalResult GraphCheck::run(const ::onnx::GraphProto &graph, const ::onnx::NodeProto *owner) {
  size_t outer = order.size();
  if (failed(defineInputs(graph)))
    return failure();
  for (const ::onnx::NodeProto &node : graph.node()) {
    for (const std::string &name : node.input())
      if (!name.empty() && !defined.contains(name))
        return emitError(loc) << placeOf(node) << ": its input " << quoted(name)
                              << " is defined nowhere";
    for (const ::onnx::AttributeProto &attribute : node.attribute()) {
      if (attribute.has_g() && failed(run(attribute.g(), &node)))
        return failure();
      for (const ::onnx::GraphProto &subgraph : attribute.graphs())
        if (failed(run(subgraph, &node)))
          return failure();
    }
    for (const std::string &name : node.output())
      if (failed(define(name, placeOf(node))))
        return failure();
  }
  llvm::StringSet<> outputs;
  for (const ::onnx::ValueInfoProto &output : graph.output()) {
    std::string who = owner ? placeOf(*owner) + ": output " : "output ";
    if (!defined.contains(output.name()))
      return emitError(loc) << who << quoted(output.name())
                            << (owner ? " of its subgraph is defined nowhere"
                                      : " is defined nowhere");
    if (!outputs.insert(output.name()).second && !owner)
      return emitError(loc) << who << quoted(output.name()) << " is listed twice";
  }
  if (!owner && graph.output_size() == 0)
    return emitError(loc) << "the graph has no outputs, so there is nothing to compute";
  // Names of a subgraph end with it.
  for (; order.size() > outer; order.pop_back())
    defined.erase(order.back());
  return success();
}

LogicalResult tessera::onnx::checkGraph(const ::onnx::GraphProto &graph, Location loc) {
  return GraphCheck(loc).run(graph, nullptr);
}
