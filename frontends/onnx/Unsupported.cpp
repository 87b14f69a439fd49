//===- Unsupported.cpp - All that a model asks for and Tessera does not have ------------------===//

#include "frontends/onnx/Importer.h"
#include "frontends/onnx/Names.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// A hostile model must not make a report of its own size.
static constexpr size_t kMaxRows = 1000;

std::string Importer::whyUnknown(const ::onnx::NodeProto &node) const {
  if (customs.contains(qualifiedName(node)))
    return {};
  if (!customs.empty() && !isDefaultDomain(node.domain()) &&
      !findOperator(node.domain(), node.op_type()))
    return "the file of --ops has no function @\"" + qualifiedName(node) + "\"";
  if (node.domain() == "com.microsoft.nchwc")
    return "its weights are stored for one processor; save the model with onnxruntime's "
           "ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL";
  if (!isKnownDomain(node.domain()))
    return "operators of domain " + quoted(node.domain()) + " are not supported";
  int64_t opset = opsetOf(node);
  const Operator *found = findOperator(node.domain(), node.op_type());
  if (!isDefaultDomain(node.domain()))
    return found ? "" : "operator " + quoted(qualifiedName(node)) + " is not supported";
  if (!found)
    return "operator " + quoted(node.op_type()) + " of version " + std::to_string(opset) +
           " is not supported";
  if (opset < found->since)
    return "operator " + quoted(node.op_type()) + " of version " + std::to_string(opset) +
           " is not supported; from version " + std::to_string(found->since) + " on it is";
  return {};
}

void Importer::note(ImportReport &into, const ::onnx::NodeProto &node, StringRef reason) const {
  std::string name = qualifiedName(node);
  for (UnsupportedOperator &row : into.unsupported)
    if (row.name == name && row.reason == reason) {
      ++row.count;
      return;
    }
  if (into.unsupported.size() < kMaxRows)
    into.unsupported.push_back({name, (report ? *report : into).opsetOf(name, opsetOf(node)), 1,
                                labelOf(node), reason.str()});
}

void Importer::findUnknown(const ::onnx::GraphProto &graph, ImportReport &into) const {
  // A list of graphs instead of recursion: the file chooses the depth.
  SmallVector<const ::onnx::GraphProto *> todo = {&graph};
  while (!todo.empty())
    for (const ::onnx::NodeProto &node : todo.pop_back_val()->node()) {
      if (std::string reason = whyUnknown(node); !reason.empty())
        note(into, node, reason);
      for (const ::onnx::AttributeProto &attribute : node.attribute()) {
        if (attribute.has_g())
          todo.push_back(&attribute.g());
        for (const ::onnx::GraphProto &subgraph : attribute.graphs())
          todo.push_back(&subgraph);
      }
    }
}

LogicalResult Importer::checkOperators(const ::onnx::GraphProto &graph) {
  ImportReport found;
  findUnknown(graph, found);
  for (const UnsupportedOperator &row : found.unsupported) {
    InFlightDiagnostic error = module.emitError();
    error << "node " << quoted(row.firstNode) << " (" << row.name << "): " << row.reason;
    if (row.count > 1)
      error << "; " << row.count - 1 << " more such nodes";
  }
  return success(found.unsupported.empty());
}

/// A branch that could not be imported ends the import of its node: what the other ones hold is
/// noted here, each node once. `before` is what the report held before the node.
static void addMissing(const ImportReport &inside, ArrayRef<UnsupportedOperator> before,
                       ImportReport &into) {
  for (const UnsupportedOperator &row : inside.unsupported) {
    auto isSame = [&](const UnsupportedOperator &other) {
      return other.name == row.name && other.reason == row.reason;
    };
    const auto *prior = llvm::find_if(before, isSame);
    size_t count = row.count + (prior == before.end() ? 0 : prior->count);
    if (auto found = llvm::find_if(into.unsupported, isSame); found != into.unsupported.end())
      found->count = std::max(found->count, count);
    else if (into.unsupported.size() < kMaxRows)
      into.unsupported.push_back(row);
  }
}

void Importer::tryNode(const ::onnx::NodeProto &node, OpBuilder &builder) {
  ++report->nodes;
  report->operators[labelOf(node)] = qualifiedName(node);
  auto giveUp = [&] {
    for (const std::string &name : node.output())
      unavailable.insert(name);
  };
  // What is inside a node that is not imported is looked at all the same.
  auto lookInside = [&] {
    for (const ::onnx::AttributeProto &attribute : node.attribute()) {
      if (attribute.has_g())
        findUnknown(attribute.g(), *report);
      for (const ::onnx::GraphProto &subgraph : attribute.graphs())
        findUnknown(subgraph, *report);
    }
  };
  bool needsUnavailable = llvm::any_of(
      node.input(), [&](const std::string &name) { return unavailable.contains(name); });
  if (std::string reason = whyUnknown(node); !reason.empty()) {
    note(*report, node, reason);
    lookInside();
    return giveUp();
  }
  if (needsUnavailable) {
    ++report->unexamined;
    lookInside();
    return giveUp();
  }
  const bool hasSubgraphs = llvm::any_of(node.attribute(), [](const auto &attribute) {
    return attribute.has_g() || attribute.graphs_size();
  });
  std::vector<UnsupportedOperator> before;
  if (hasSubgraphs)
    before = report->unsupported;
  std::string reason;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (reason.empty())
      reason = diagnostic.str();
    return success();
  });
  if (succeeded(importNode(node, builder)) || needed)
    return;
  giveUp();
  ImportReport inside;
  for (const ::onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      findUnknown(attribute.g(), inside);
    for (const ::onnx::GraphProto &subgraph : attribute.graphs())
      findUnknown(subgraph, inside);
  }
  addMissing(inside, before, *report);
  // Without a message the reason stands inside: a subgraph that holds an unsupported node.
  if (reason.empty())
    return;
  std::string prefix = placeOf(node) + ": ";
  note(*report, node,
       StringRef(reason).starts_with(prefix) ? reason.substr(prefix.size()) : reason);
}
