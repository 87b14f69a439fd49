//===- Import.cpp - ONNX models to the graph dialect -----------------------------------------===//

#include "frontends/onnx/Import.h"
#include "frontends/onnx/Importer.h"
#include "frontends/onnx/Operators.h"
#include "frontends/onnx/Schemas.h"
#include "frontends/onnx/Strings.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// A subgraph is three messages deep (node, attribute, graph).
constexpr int kMaxMessageDepth = 3 * kMaxNesting + 16;
/// The newest operator set whose specification was read.
constexpr int64_t kNewestOpset = 28;
} // namespace

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

LogicalResult Importer::define(StringRef name, Value value, Location loc) {
  if (name.empty())
    return success();
  if (!values.try_emplace(name, value).second)
    return emitError(loc) << "the model defines " << quoted(name) << " twice";
  order.push_back(name.str());
  return success();
}

static SmallVector<ArrayRef<Operator>> tablesOf(StringRef domain) {
  if (isDefaultDomain(domain))
    return {
        activationOperators(),  attentionOperators(), branchOperators(),     castOperators(),
        controlOperators(),     dataOperators(),      decoderOperators(),    einsumOperators(),
        elementwiseOperators(), mathOperators(),      normOperators(),       placeOperators(),
        quantizeOperators(),    rearrangeOperators(), randomOperators(),     recurrentOperators(),
        reduceOperators(),      imageOperators(),     resizeOperators(),     sampleOperators(),
        selectOperators(),      sequenceOperators(),  sequentialOperators(), shapeOperators(),
        signalOperators(),      stringOperators(),    ngramOperators(),      windowOperators()};
  if (domain == "ai.onnx.ml")
    return {mlFeatureOperators(), mlLabelOperators(), mlLinearOperators(), mlMapOperators(),
            mlTreeOperators()};
  if (domain == "com.microsoft")
    return {microsoftOperators(),      microsoftAttentionOperators(), microsoftCacheOperators(),
            microsoftModelOperators(), microsoftQuantizeOperators(),  microsoftRecurrentOperators(),
            microsoftStringOperators()};
  if (domain == "ai.onnx.preview")
    return {previewOperators()};
  if (domain == "ai.onnx.preview.training")
    return {trainingOperators()};
  return {};
}

std::vector<StringRef> tessera::onnx::operatorsOf(StringRef domain) {
  std::vector<StringRef> names;
  for (ArrayRef<Operator> table : tablesOf(domain))
    for (const Operator &row : table)
      names.push_back(row.name);
  return names;
}

bool tessera::onnx::isKnownDomain(StringRef domain) { return !tablesOf(domain).empty(); }

const Operator *tessera::onnx::findOperator(StringRef domain, StringRef name) {
  for (ArrayRef<Operator> table : tablesOf(domain))
    for (const Operator &row : table)
      if (name == row.name)
        return &row;
  return nullptr;
}

FailureOr<Value> tessera::onnx::importAs(Node &node, StringRef name, ArrayRef<Value> inputs) {
  Node inner(node.importer, node.getBuilder(), node.getLoc(), node.proto, node.opset);
  inner.inputs.assign(inputs.begin(), inputs.end());
  while (!inner.inputs.empty() && !inner.inputs.back())
    inner.inputs.pop_back();
  if (failed(findOperator("", name)->import(inner)) || failed(inner.checkAttributes()))
    return failure();
  return inner.outputs.front();
}

LogicalResult Importer::importNode(const ::onnx::NodeProto &proto, OpBuilder &builder) {
  Location loc = NameLoc::get(builder.getStringAttr(labelOf(proto)));
  Node node(*this, builder, loc, proto, opsetOf(proto));
  if (std::string reason = whyUnknown(proto); !reason.empty())
    return node.error(reason);
  // A function of the user hides an operator of Tessera's.
  graph::FuncOp custom = customs.lookup(qualifiedName(proto));
  const Operator *found = custom ? nullptr : findOperator(proto.domain(), proto.op_type());
  bool moves = false; // strings
  for (const std::string &name : proto.input()) {
    if (name.empty()) {
      node.inputs.push_back({});
      continue;
    }
    Value value = values.lookup(name);
    if (!value)
      return node.error("its input " + quoted(name) + " is defined nowhere before it");
    const bool takesStructures = found && found->takesStructures;
    bool isMoved =
        movesStrings(proto) && (isStrings(value) || (takesStructures && holdsStrings(value)));
    if (isStructure(value) && !isMoved && !takesStructures)
      return node.error("its input " + quoted(name) + " is " + describeStructure(value) +
                        ", which it does not take");
    moves |= isMoved && found;
    node.inputs.push_back(value);
  }
  while (!custom && !node.inputs.empty() && !node.inputs.back())
    node.inputs.pop_back(); // Empty names at the end stand for nothing.
  // The specification's required inputs: every operator but these reads its first one.
  static const llvm::StringSet<> withoutInput = {
      "Constant",     "Loop",          "Optional", "OptionalHasElement",
      "RandomNormal", "RandomUniform", "Scan",     "SequenceEmpty"};
  if (!custom && !withoutInput.contains(proto.op_type()) && !node.input(0))
    return node.error("has no first input");
  if (!custom && failed(checkSchema(node)))
    return failure();
  Block *block = builder.getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  bool isExplained = false;
  {
    ScopedDiagnosticHandler listen(module.getContext(), [&](Diagnostic &) {
      isExplained = true;
      return failure(); // Others handle it.
    });
    if (failed(custom  ? importCustom(node, custom)
               : moves ? importMoved(node, found->import)
                       : found->import(node)) ||
        failed(node.checkAttributes())) {
      if (needed)
        return failure();
      // The reason may stand inside of a subgraph, in the report.
      bool isReported = report && llvm::any_of(proto.attribute(), [](const auto &attribute) {
                          return attribute.has_g() || attribute.graphs_size();
                        });
      return isExplained || isReported ? failure()
                                       : node.error("its inputs do not fit the operator");
    }
  }
  if (std::string why = std::exchange(misfit, {}); !why.empty())
    return node.error(why);
  if (!block->empty() && failed(node.verify(before ? before->getNextNode() : &block->front())))
    return failure();
  if (int(node.outputs.size()) < proto.output_size())
    return node.error("has " + Twine(proto.output_size()) + " outputs, " +
                      Twine(node.outputs.size()) + " are supported");
  for (int i = 0; i < proto.output_size(); ++i)
    if (failed(define(proto.output(i), node.outputs[i], loc)))
      return failure();
  return success();
}

LogicalResult Importer::importNodes(const ::onnx::GraphProto &graph, OpBuilder &builder) {
  for (const ::onnx::NodeProto &node : graph.node()) {
    if (report)
      tryNode(node, builder);
    else if (failed(importNode(node, builder)))
      return failure();
    if (needed)
      return failure();
  }
  return success();
}

LogicalResult Importer::importInitializers(const ::onnx::GraphProto &graph, OpBuilder &builder) {
  for (const ::onnx::SparseTensorProto &tensor : graph.sparse_initializer()) {
    const std::string &name = tensor.values().name();
    graph::GraphBuilder b(builder, NameLoc::get(builder.getStringAttr(name)));
    Value value = importSparseTensor(b, tensor);
    if (!value || failed(define(name, value, b.getLoc())))
      return failure();
  }
  for (const ::onnx::TensorProto &tensor : graph.initializer()) {
    graph::GraphBuilder b(builder, NameLoc::get(builder.getStringAttr(tensor.name())));
    Value value = importTensor(b, tensor, tensor.name());
    if (!value || failed(define(tensor.name(), value, b.getLoc())))
      return failure();
  }
  return success();
}

LogicalResult Importer::importMain(const ::onnx::GraphProto &graph, ModuleOp library) {
  // What operators are missing is said first. Functions of the user are operators, too, but stand
  // behind the model's own function.
  auto check = [&] { return report ? success() : checkOperators(graph); };
  if (!library && failed(check()))
    return failure();
  if (failed(importInputs(graph)) ||
      (library && (failed(addCustomOperators(library)) || failed(check()))))
    return failure();
  OpBuilder builder = OpBuilder::atBlockEnd(&function.getBody().front());
  if (failed(importInitializers(graph, builder)) || failed(importNodes(graph, builder)))
    return failure();
  if (report && !report->unsupported.empty())
    return failure();
  const SqueezedValues squeezed = findSqueezed(builder);
  if (!misfit.empty())
    return module.emitError(misfit);
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  // Element i of a sequence is called name/i, the lists of a map name/keys and name/values; an
  // empty optional value gives nothing, and a sequence of open length is one tensor, or the values
  // of all elements and name/shapes.
  std::function<void(Value, const std::string &, bool)> addResult =
      [&](Value value, const std::string &name, bool areStrings) {
        if (isStructure(value)) {
          for (auto [i, content] : llvm::enumerate(contentsOf(value)))
            addResult(content,
                      isSequence(value)      ? name + "/" + std::to_string(i)
                      : isMap(value)         ? name + (i ? "/values" : "/keys")
                      : isRagged(value) && i ? name + "/shapes"
                                             : name,
                      isStrings(value));
          return;
        }
        results.push_back(value);
        NamedAttrList own(attributesOfValue(builder, name, areStrings));
        if (auto found = squeezed.find(value); found != squeezed.end())
          own.set("graph.squeezed", found->second.axes);
        attributes.push_back(own.getDictionary(builder.getContext()));
      };
  for (const ::onnx::ValueInfoProto &output : graph.output()) {
    Value value = values.lookup(output.name());
    if (!value)
      return module.emitError("output ") << quoted(output.name()) << " is defined nowhere";
    addResult(value, output.name(), false);
  }
  graph::ReturnOp::create(builder, module.getLoc(), results);
  eraseStructures(function);
  function.setFunctionType(
      builder.getFunctionType(function.getArgumentTypes(), ValueRange(results).getTypes()));
  function.setAllResultAttrs(attributes);
  return success();
}

DimAttr Importer::bindDim(Node &node, Value scalar, StringRef what,
                          std::optional<int64_t> highest) {
  MLIRContext *context = module.getContext();
  if (dataExtents == kMaxDataExtents && forgottenSymbols.empty()) {
    misfit = "more than " + std::to_string(kMaxDataExtents) +
             " extents depend on data (kMaxDataExtents)";
    return node.dim(1);
  }
  std::string symbol;
  if (!forgottenSymbols.empty()) {
    symbol = forgottenSymbols.pop_back_val();
  } else {
    // Those before it are taken: the search begins behind them.
    symbol = function.getFreshSymbol(dataExtents ? "data_" + std::to_string(dataExtents - 1)
                                                 : std::string("data"));
    ++dataExtents;
  }
  function.setRange(symbol, graph::RangeAttr::get(context, 0, highest));
  std::string message =
      "node '" + node.proto.name() + "' (" + node.proto.op_type() + "): " + what.str();
  graph::BindDimOp::create(node.getBuilder(), node.getLoc(), scalar, symbol,
                           node.getBuilder().getStringAttr(message));
  return DimExpr::symbol(context, symbol);
}

void Importer::checkInRun(Node &node, Value isTrue, StringRef what) {
  DimAttr one = bindDim(node, isTrue, what);
  if (one.isSymbol()) // Not when there are too many.
    function.setRange(one.getSymbol(), graph::RangeAttr::get(module.getContext(), 1, 1));
}

LogicalResult Importer::importSubgraph(const ::onnx::GraphProto &graph, OpBuilder &builder,
                                       ValueRange arguments, SmallVectorImpl<Value> &results) {
  // Functions can hold subgraphs that call functions.
  if (depth >= kMaxNesting)
    return module.emitError("subgraphs are nested more than ")
           << kMaxNesting << " deep (kMaxNesting)";
  ++depth;
  // Names of a subgraph end with it.
  size_t outer = order.size();
  auto leave = llvm::scope_exit([&] {
    for (; order.size() > outer; order.pop_back())
      values.erase(order.back());
    --depth;
  });
  if (int(arguments.size()) != graph.input_size())
    return module.emitError("a subgraph takes ")
           << graph.input_size() << " inputs, expected " << arguments.size();
  for (auto [input, argument] : llvm::zip(graph.input(), arguments))
    if (failed(define(input.name(), argument, argument.getLoc())))
      return failure();
  if (failed(importInitializers(graph, builder)) || failed(importNodes(graph, builder)))
    return failure();
  for (const ::onnx::ValueInfoProto &output : graph.output()) {
    Value value = values.lookup(output.name());
    if (!value && unavailable.contains(output.name()))
      return failure();
    if (!value)
      return module.emitError("output ")
             << quoted(output.name()) << " of a subgraph is defined nowhere";
    results.push_back(value);
  }
  return success();
}

void Importer::forget(Operation *op) {
  op->walk([&](graph::BindDimOp bind) { forgottenSymbols.push_back(bind.getSymbol().str()); });
  op->erase();
}

LogicalResult Importer::needAllOf(Value growing) {
  needed = contentsOf(growing).front();
  return failure();
}

LogicalResult Importer::countRepeated(Node &node, const ::onnx::GraphProto &body) {
  unrolledNodes += countNodes(body) + 1;
  if (unrolledNodes > kMaxUnrolledNodes)
    return node.error("makes more than " + Twine(kMaxUnrolledNodes) +
                      " nodes of bodies that are repeated when compiling (kMaxUnrolledNodes)");
  return success();
}

LogicalResult Importer::importUnrolled(Node &node, const ::onnx::GraphProto &body,
                                       ValueRange arguments, SmallVectorImpl<Value> &results) {
  if (failed(countRepeated(node, body)))
    return failure();
  return importSubgraph(body, node.getBuilder(), arguments, results);
}

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

bool tessera::onnx::looksLikeOnnx(StringRef bytes) {
  // Field 1 (ir_version, varint) comes first in every writer's output, then strings or the graph.
  return bytes.size() > 8 && bytes[0] == 0x08 && uint8_t(bytes[1]) > 0 && uint8_t(bytes[1]) < 64 &&
         (bytes[2] == 0x12 || bytes[2] == 0x1a || bytes[2] == 0x22 || bytes[2] == 0x3a ||
          bytes[2] == 0x42);
}

static bool parse(StringRef bytes, int depth, ::onnx::ModelProto &model) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), int(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetRecursionLimit(depth);
  return model.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

/// Whether subgraphs are nested more than kMaxNesting deep, found without recursion and without
/// reading anything else: a message is a list of fields, each a key, and a number or a length and
/// as many bytes.
static bool nestsTooDeep(StringRef bytes) {
  enum Kind { Model, Function, Graph, NodeMessage, Attribute };
  struct Message {
    size_t end;
    Kind kind;
  };
  static constexpr struct {
    Kind kind;
    uint64_t field;
    Kind inner;
  } kNested[] = {{Model, 7, Graph},       {Model, 25, Function},       {Function, 7, NodeMessage},
                 {Graph, 1, NodeMessage}, {NodeMessage, 5, Attribute}, {Attribute, 6, Graph},
                 {Attribute, 11, Graph}};
  size_t at = 0;
  auto number = [&](uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; at < bytes.size() && shift < 64; shift += 7) {
      uint8_t byte = uint8_t(bytes[at++]);
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return true;
    }
    return false;
  };
  SmallVector<Message> open = {{bytes.size(), Model}};
  while (!open.empty()) {
    if (at >= open.back().end) {
      open.pop_back();
      continue;
    }
    uint64_t key = 0, size = 0;
    if (!number(key))
      return false;
    switch (key & 7) {
    case 0:
      if (!number(size))
        return false;
      continue;
    case 1: at += 8; continue;
    case 5: at += 4; continue;
    case 2: break;
    default: return false;
    }
    if (!number(size) || size > bytes.size() - at)
      return false;
    const auto *nested = llvm::find_if(kNested, [&](const auto &row) {
      return row.kind == open.back().kind && row.field == key >> 3;
    });
    if (nested == std::end(kNested)) {
      at += size;
      continue;
    }
    open.push_back({at + size, nested->inner});
    if (open.size() > size_t(kMaxMessageDepth))
      return true;
  }
  return false;
}

static LogicalResult readModel(StringRef bytes, ::onnx::ModelProto &model, Location loc) {
  if (bytes.size() > INT32_MAX)
    return emitError(loc) << "the file has more than 2 GiB, the limit of the format; larger "
                             "weights belong into files of their own (external data)";
  if (!parse(bytes, kMaxMessageDepth, model)) {
    if (nestsTooDeep(bytes))
      return emitError(loc) << "subgraphs are nested more than " << kMaxNesting
                            << " deep (kMaxNesting)";
    return emitError(loc) << "no complete ONNX model: the file is truncated or damaged";
  }
  if (!model.has_graph())
    return emitError(loc) << "the ONNX model has no graph: the file is truncated or damaged";
  if (model.ir_version() > ::onnx::IR_VERSION)
    return emitError(loc) << "the file has format version " << model.ir_version()
                          << " (ir_version), versions up to " << int(::onnx::IR_VERSION)
                          << " are supported";
  return success();
}

/// The version of the default domain.
static FailureOr<int64_t> opsetOfModel(const ::onnx::ModelProto &model, Location loc) {
  llvm::StringMap<int64_t> versions;
  for (const ::onnx::OperatorSetIdProto &import : model.opset_import()) {
    StringRef domain = isDefaultDomain(import.domain()) ? "" : StringRef(import.domain());
    auto [known, isNew] = versions.try_emplace(domain, import.version());
    if (!isNew && known->second != import.version())
      return emitError(loc) << "the model imports versions " << known->second << " and "
                            << import.version() << " of operator set "
                            << quoted(domain.empty() ? "ai.onnx" : domain);
  }
  int64_t opset = versions.lookup("");
  // A model of other domains alone need not say which version it does not use.
  auto isPlain = [](const ::onnx::NodeProto &node) { return isDefaultDomain(node.domain()); };
  if (!versions.contains("") && !versions.empty() && llvm::none_of(model.graph().node(), isPlain))
    return kNewestOpset;
  if (!versions.contains(""))
    return emitError(loc)
           << "the model does not say which version of operator set 'ai.onnx' it uses";
  if (opset < 1 || opset > kNewestOpset)
    return emitError(loc) << "the model uses operator set " << opset << "; versions 1 to "
                          << kNewestOpset << " are supported";
  return opset;
}

int64_t ImportReport::opsetOf(StringRef name, int64_t ofDefault) const {
  StringRef domain = name.rsplit('.').first;
  return name.contains('.') ? domains.lookup(domain) : ofDefault;
}

OwningOpRef<ModuleOp> tessera::onnx::importOnnx(StringRef bytes, StringRef fileName,
                                                MLIRContext &context, ImportReport *report,
                                                ModuleOp operators,
                                                const std::map<std::string, int64_t> &dims) {
  context.loadDialect<graph::GraphDialect>();
  Location loc = NameLoc::get(StringAttr::get(&context, fileName));
  ::onnx::ModelProto model;
  NodeOpsets opsets;
  if (failed(readModel(bytes, model, loc)) || failed(checkNesting(model, loc)))
    return nullptr;
  FailureOr<int64_t> opset = opsetOfModel(model, loc);
  if (failed(opset) || failed(inlineFunctions(model, *opset, opsets, loc)) ||
      failed(orderNodes(*model.mutable_graph(), loc)))
    return nullptr;
  separateScopes(*model.mutable_graph());
  if (failed(checkGraph(model.graph(), loc)))
    return nullptr;
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  if (report) {
    report->opset = *opset;
    for (const ::onnx::OperatorSetIdProto &import : model.opset_import())
      report->domains[import.domain()] = import.version();
  }
  if (failed(Importer(*module, *opset, opsets, dims, report).importMain(model.graph(), operators)))
    return nullptr;
  return module;
}
