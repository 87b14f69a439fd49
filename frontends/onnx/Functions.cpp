//===- Functions.cpp - Functions of a model become nodes ------------------------------------===//
//
// A function is copied for each call:
//  1. its inputs and outputs take the names of the call's; everything else gets the call's label
//  and a number in front;
//  2. attributes that refer to the function's own (`ref_attr_name`) become those of the call, or
//  the function's
//     default, or disappear when there is neither;
//  3. calls in the copy are treated alike.
// ONNX's IR.md: a function of the model hides an operator of the same domain and name.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Check.h"
#include "frontends/onnx/Names.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {

using Nodes = google::protobuf::RepeatedPtrField<::onnx::NodeProto>;

/// The domain, name and overload in one string; none of them contains a zero byte.
std::string keyOf(StringRef domain, StringRef name, StringRef overload) {
  StringRef plain = isDefaultDomain(domain) ? "" : domain;
  return (plain + Twine('\0') + name + Twine('\0') + overload).str();
}

std::string nameOf(const ::onnx::FunctionProto &function) {
  return quoted(qualifiedName(function.domain(), function.name()));
}

class Inliner {
public:
  Inliner(int64_t modelOpset, NodeOpsets &opsets, Location loc)
      : modelOpset(modelOpset), opsets(opsets), loc(loc) {}
  LogicalResult addFunctions(const ::onnx::ModelProto &model);
  LogicalResult expand(Nodes &nodes, int64_t opset);

private:
  /// One copy of a function.
  struct Call {
    const ::onnx::NodeProto &node;
    const ::onnx::FunctionProto &function;
    std::string prefix;
    llvm::StringMap<std::string> names;
  };
  LogicalResult copyBody(const ::onnx::NodeProto &node, const ::onnx::FunctionProto &function,
                         Nodes &into);
  void rename(std::string &name, const Call &call) const;
  LogicalResult adapt(::onnx::NodeProto &node, const Call &call) const;
  LogicalResult adapt(::onnx::GraphProto &graph, const Call &call) const;
  LogicalResult resolve(::onnx::AttributeProto &attribute, const Call &call, bool &isAbsent) const;

  int64_t modelOpset;
  NodeOpsets &opsets;
  Location loc;
  llvm::StringMap<const ::onnx::FunctionProto *> functions;
  SmallVector<const ::onnx::FunctionProto *> active;
  size_t calls = 0, copied = 0, copiedBytes = 0;
};

} // namespace

LogicalResult Inliner::addFunctions(const ::onnx::ModelProto &model) {
  for (const ::onnx::FunctionProto &function : model.functions()) {
    for (StringRef part :
         {StringRef(function.domain()), StringRef(function.name()), StringRef(function.overload())})
      if (part.contains('\0') || part.size() > kMaxNameBytes)
        return emitError(loc) << "the function name " << quoted(part)
                              << " is too long or contains a zero byte";
    std::string key = keyOf(function.domain(), function.name(), function.overload());
    if (!functions.try_emplace(key, &function).second)
      return emitError(loc) << "the model defines function " << nameOf(function) << " twice";
  }
  return success();
}

void Inliner::rename(std::string &name, const Call &call) const {
  if (name.empty())
    return;
  auto known = call.names.find(name);
  name = known != call.names.end() ? known->second : call.prefix + name;
}

LogicalResult Inliner::resolve(::onnx::AttributeProto &attribute, const Call &call,
                               bool &isAbsent) const {
  if (attribute.ref_attr_name().empty())
    return success();
  const ::onnx::AttributeProto *value = nullptr;
  for (const auto *list : {&call.node.attribute(), &call.function.attribute_proto()})
    for (const ::onnx::AttributeProto &candidate : *list)
      if (!value && candidate.name() == attribute.ref_attr_name())
        value = &candidate;
  isAbsent = !value;
  if (!value)
    return success();
  if (attribute.type() != value->type())
    return emitError(loc) << placeOf(call.node) << ": attribute " << quoted(value->name()) << " is "
                          << ::onnx::AttributeProto::AttributeType_Name(value->type())
                          << ", function " << nameOf(call.function) << " needs "
                          << ::onnx::AttributeProto::AttributeType_Name(attribute.type());
  std::string name = attribute.name();
  attribute = *value;
  attribute.set_name(name);
  return success();
}

LogicalResult Inliner::adapt(::onnx::NodeProto &node, const Call &call) const {
  node.set_name(call.prefix + labelOf(node));
  for (std::string &name : *node.mutable_input())
    rename(name, call);
  for (std::string &name : *node.mutable_output())
    rename(name, call);
  for (int i = 0; i < node.attribute_size();) {
    bool isAbsent = false;
    ::onnx::AttributeProto &attribute = *node.mutable_attribute(i);
    // What the call gives names values of the caller.
    bool isGiven = !attribute.ref_attr_name().empty();
    if (failed(resolve(attribute, call, isAbsent)))
      return failure();
    if (isAbsent) {
      node.mutable_attribute()->DeleteSubrange(i, 1);
      continue;
    }
    if (!isGiven && attribute.has_g() && failed(adapt(*attribute.mutable_g(), call)))
      return failure();
    for (int g = 0; !isGiven && g < attribute.graphs_size(); ++g)
      if (failed(adapt(*attribute.mutable_graphs(g), call)))
        return failure();
    ++i;
  }
  return success();
}

LogicalResult Inliner::adapt(::onnx::GraphProto &graph, const Call &call) const {
  for (::onnx::ValueInfoProto &value : *graph.mutable_input())
    rename(*value.mutable_name(), call);
  for (::onnx::ValueInfoProto &value : *graph.mutable_output())
    rename(*value.mutable_name(), call);
  for (::onnx::TensorProto &tensor : *graph.mutable_initializer())
    rename(*tensor.mutable_name(), call);
  for (::onnx::SparseTensorProto &tensor : *graph.mutable_sparse_initializer())
    rename(*tensor.mutable_values()->mutable_name(), call);
  for (::onnx::NodeProto &node : *graph.mutable_node())
    if (failed(adapt(node, call)))
      return failure();
  return success();
}

LogicalResult Inliner::copyBody(const ::onnx::NodeProto &node,
                                const ::onnx::FunctionProto &function, Nodes &into) {
  auto error = [&] { return emitError(loc) << placeOf(node) << ": "; };
  if (llvm::is_contained(active, &function))
    return error() << "function " << nameOf(function) << " calls itself";
  if (active.size() >= kMaxNesting)
    return error() << "functions call each other more than " << kMaxNesting
                   << " deep (kMaxNesting)";
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
    return error() << "function " << nameOf(function) << " has " << function.input_size()
                   << " inputs and " << function.output_size() << " outputs, the call "
                   << node.input_size() << " and " << node.output_size();
  for (const std::string &name : function.attribute())
    if (llvm::none_of(node.attribute(), [&](const auto &given) { return given.name() == name; }))
      return error() << "function " << nameOf(function) << " needs attribute " << quoted(name);
  int64_t opset = 0;
  for (const ::onnx::OperatorSetIdProto &import : function.opset_import())
    if (isDefaultDomain(import.domain()))
      opset = import.version();

  Call call{node, function, labelOf(node) + "/" + std::to_string(calls++) + "/", {}};
  for (int i = 0; i < function.input_size(); ++i) {
    std::string given = i < node.input_size() ? node.input(i) : "";
    if (!call.names.try_emplace(function.input(i), given).second)
      return error() << "function " << nameOf(function) << " has two inputs "
                     << quoted(function.input(i));
  }
  Nodes body;
  for (int i = 0; i < function.output_size(); ++i) {
    std::string given = i < node.output_size() ? node.output(i) : "";
    if (given.empty())
      continue; // Not asked for: a name like any other.
    if (call.names.try_emplace(function.output(i), given).second)
      continue;
    // An input that is handed through, or an output that is listed twice.
    ::onnx::NodeProto &copy = *body.Add();
    copy.set_op_type("Identity");
    copy.add_input(call.names.lookup(function.output(i)));
    copy.add_output(given);
  }
  Nodes handedThrough;
  handedThrough.Swap(&body);
  for (const ::onnx::NodeProto &original : function.node()) {
    copiedBytes += original.ByteSizeLong();
    if (++copied > kMaxInlinedNodes || copiedBytes > kMaxInlinedBytes)
      return error() << "functions make more than " << kMaxInlinedNodes << " nodes or "
                     << kMaxInlinedBytes << " bytes (kMaxInlinedNodes, kMaxInlinedBytes)";
    if (opset == 0 && isDefaultDomain(original.domain()))
      return error() << "function " << nameOf(function) << " uses operator "
                     << quoted(original.op_type()) << " but imports no operator set for it";
    ::onnx::NodeProto &made = *body.Add();
    made = original;
    if (failed(adapt(made, call)))
      return failure();
  }
  active.push_back(&function);
  if (failed(expand(body, opset)))
    return failure();
  active.pop_back();
  for (Nodes *list : {&body, &handedThrough})
    while (!list->empty()) {
      // Ownership moves, addresses stay: opsets are known by them.
      SmallVector<::onnx::NodeProto *> taken(list->size());
      list->ExtractSubrange(0, list->size(), taken.data());
      for (::onnx::NodeProto *one : taken)
        into.AddAllocated(one);
    }
  return success();
}

LogicalResult Inliner::expand(Nodes &nodes, int64_t opset) {
  Nodes result;
  SmallVector<::onnx::NodeProto *> all(nodes.size());
  nodes.ExtractSubrange(0, nodes.size(), all.data());
  LogicalResult status = success();
  for (::onnx::NodeProto *node : all) {
    std::unique_ptr<::onnx::NodeProto> owner(node);
    if (failed(status))
      continue; // Only frees.
    const ::onnx::FunctionProto *function =
        functions.lookup(keyOf(node->domain(), node->op_type(), node->overload()));
    // A function may be made of the operator that it hides.
    bool hidesItself =
        function && isDefaultDomain(node->domain()) && !active.empty() && active.back() == function;
    if (function && !hidesItself) {
      status = copyBody(*node, *function, result);
      continue;
    }
    if (opset != modelOpset)
      opsets[node] = opset;
    for (::onnx::AttributeProto &attribute : *node->mutable_attribute()) {
      if (attribute.has_g() && failed(expand(*attribute.mutable_g()->mutable_node(), opset)))
        status = failure();
      for (::onnx::GraphProto &graph : *attribute.mutable_graphs())
        if (failed(expand(*graph.mutable_node(), opset)))
          status = failure();
    }
    result.AddAllocated(owner.release());
  }
  nodes.Swap(&result);
  return status;
}

LogicalResult tessera::onnx::inlineFunctions(::onnx::ModelProto &model, int64_t opset,
                                             NodeOpsets &opsets, Location loc) {
  if (model.functions_size() == 0)
    return success();
  Inliner inliner(opset, opsets, loc);
  if (failed(inliner.addFunctions(model)))
    return failure();
  return inliner.expand(*model.mutable_graph()->mutable_node(), opset);
}
