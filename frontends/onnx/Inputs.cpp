//===- Inputs.cpp - What a model takes --------------------------------------------------------===//

#include "frontends/onnx/OpenSequences.h"
#include "frontends/onnx/Strings.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

DictionaryAttr tessera::onnx::attributesOfValue(OpBuilder &builder, StringRef name,
                                                bool areStrings) {
  NamedAttrList own;
  own.set("graph.name", builder.getStringAttr(name));
  if (areStrings)
    own.set("graph.strings", builder.getUnitAttr());
  return own.getDictionary(builder.getContext());
}

/// Nothing is read elsewhere than where the shapes of an input say, which its caller may say
/// wrongly.
Value Importer::checkedRagged(StringRef name, OpBuilder &builder, Value ragged) {
  ::onnx::NodeProto input;
  input.set_name(name.str());
  input.set_op_type("input");
  Node node(*this, builder, module.getLoc(), input, opset);
  ShapeScalars s(node);
  OpenSequence sequence = takeApart(ragged);
  DimAttr count = sequence.length();
  // All that an extent has to be: what it is declared as, or a size.
  Value areSizes = node.scalar(builder.getI1Type(), 1);
  auto haveTo = [&](graph::CompareKind kind, Value column, DimAttr bound) {
    Value fits =
        node.compare(kind, column, node.broadcast(s.number(bound), {}, {count, node.dim(1)}));
    areSizes =
        node.create<graph::AndOp>(areSizes, node.reduce(graph::ReduceKind::and_, fits, {0, 1}));
  };
  for (auto [axis, dim] : llvm::enumerate(sequence.dims)) {
    Value column = node.cut(sequence.shapes, 1, node.dim(int64_t(axis)), node.dim(1));
    if (dim) {
      haveTo(graph::CompareKind::eq, column, dim);
      continue;
    }
    haveTo(graph::CompareKind::ge, column, node.dim(0));
    haveTo(graph::CompareKind::le, column, node.dim(INT32_MAX)); // as what data binds
  }
  Value sizes = node.reduce(graph::ReduceKind::prod, sequence.shapes, {1});
  Value total = s.select(areSizes, node.sum(sizes, {0}), s.number(-1));
  DimList dims = sequence.valueDims(0);
  dims[0] = s.bind(total, "the number of values that its shapes say");
  sequence.values = node.reshape(sequence.values, dims);
  return putTogether(node, sequence);
}

LogicalResult Importer::importInputs(const ::onnx::GraphProto &graph) {
  MLIRContext *context = module.getContext();
  llvm::StringSet<> initialized;
  for (const ::onnx::TensorProto &tensor : graph.initializer())
    initialized.insert(tensor.name());
  SmallVector<Type> types;
  struct Argument {
    std::string name;
    bool areStrings;
    bool areKeys = false; // the values of a map come next
    bool isStack = false;
    std::optional<DimList> ragged = std::nullopt; // extents of elements; their shapes come next
  };
  SmallVector<Argument> inputs;
  NamedAttrList symbols;
  llvm::StringSet<> known;
  auto any = graph::RangeAttr::get(context, 0, std::nullopt);
  auto symbolFor = [&](std::string name) {
    if (known.insert(name).second)
      symbols.append(name, any);
    auto value = this->dims.find(name);
    return value != this->dims.end() && value->second >= 0
               ? DimExpr::constant(context, value->second)
               : DimExpr::symbol(context, name);
  };
  auto addInput = [&](const std::string &name, int64_t kind, DimList dims) -> Argument & {
    bool areStrings = kind == ::onnx::TensorProto::STRING;
    if (areStrings)
      dims.push_back(symbolFor(name + "_bytes"));
    types.push_back(graph::TensorType::get(
        dims, areStrings ? Type(IntegerType::get(context, 8, IntegerType::Unsigned))
                         : getElementType(context, kind)));
    return inputs.emplace_back(Argument{name, areStrings});
  };
  auto isKnown = [&](int64_t kind) {
    return kind == ::onnx::TensorProto::STRING || getElementType(context, kind);
  };
  for (const ::onnx::ValueInfoProto &input : graph.input()) {
    if (initialized.count(input.name()))
      continue;
    const ::onnx::TypeProto &element = input.type().sequence_type().elem_type();
    const bool isSequence = input.type().has_sequence_type();
    if (isSequence && element.has_map_type())
      return module.emitError("input ")
             << quoted(input.name())
             << " is a sequence of maps, which is not supported: make the maps inputs";
    if (input.type().has_optional_type() ||
        (isSequence && !(element.has_tensor_type() && element.tensor_type().has_shape())))
      return module.emitError("input ")
             << quoted(input.name())
             << " is an optional value or a sequence, of which no shape of elements is said, so "
                "what "
                "it holds is not known: make its tensors inputs and put them together "
                "(SequenceConstruct, Optional)";
    if (input.type().has_map_type()) {
      // Two lists. Values are scalars, whatever shape is written.
      const ::onnx::TypeProto_Map &map = input.type().map_type();
      int64_t value = map.value_type().tensor_type().elem_type();
      Type key = getElementType(context, map.key_type());
      bool isKey = map.key_type() == ::onnx::TensorProto::STRING ||
                   (llvm::isa_and_nonnull<IntegerType>(key) && key.getIntOrFloatBitWidth() >= 8);
      if (!map.value_type().has_tensor_type() || !isKey || !isKnown(value))
        return module.emitError("input ")
               << quoted(input.name()) << " is a map of keys or values that are not supported";
      DimList dims{symbolFor(input.name() + "_entries")};
      addInput(input.name() + "/keys", map.key_type(), dims).areKeys = true;
      addInput(input.name() + "/values", value, dims);
      continue;
    }
    const ::onnx::TypeProto_Tensor &tensor =
        isSequence ? element.tensor_type() : input.type().tensor_type();
    if ((!isSequence && !input.type().has_tensor_type()) || !isKnown(tensor.elem_type()) ||
        !tensor.has_shape())
      return module.emitError("input ")
             << quoted(input.name()) << " is no tensor of a known element type and rank";
    DimList dims;
    // Converters write "?" and negative numbers for extents that they know nothing of.
    auto isNamed = [](const auto &extent) {
      return extent.has_dim_param() && !extent.dim_param().empty() && extent.dim_param() != "?";
    };
    auto isConstant = [](const auto &extent) {
      return extent.has_dim_value() && extent.dim_value() >= 0;
    };
    // Elements of a sequence are side by side where each of their extents has a name or a value. An
    // extent without is each element's own.
    if (isSequence && llvm::any_of(tensor.shape().dim(), [&](const auto &extent) {
          return !isNamed(extent) && !isConstant(extent);
        })) {
      for (const auto &extent : tensor.shape().dim())
        dims.push_back(isConstant(extent) ? graph::getDim(context, extent.dim_value()) : DimAttr());
      addInput(input.name(), tensor.elem_type(), {symbolFor(input.name() + "_values")}).ragged =
          dims;
      addInput(input.name() + "/shapes", ::onnx::TensorProto::INT64,
               {symbolFor(input.name() + "_length"), graph::getDim(context, int64_t(dims.size()))});
      continue;
    }
    if (isSequence)
      dims.push_back(symbolFor(input.name() + "_length"));
    for (const auto &[i, extent] : llvm::enumerate(tensor.shape().dim())) {
      if (isNamed(extent))
        dims.push_back(symbolFor(extent.dim_param()));
      else if (isConstant(extent))
        dims.push_back(graph::getDim(context, extent.dim_value()));
      else
        dims.push_back(symbolFor(input.name() + "_" + std::to_string(i)));
    }
    addInput(input.name(), tensor.elem_type(), dims).isStack = isSequence;
  }
  OpBuilder builder(module.getBodyRegion());
  function =
      graph::FuncOp::create(builder, module.getLoc(), "main", builder.getFunctionType(types, {}),
                            symbols.getDictionary(context));
  // All at once: an attribute of all arguments that is made again for each takes a square of
  // memory.
  SmallVector<Attribute> attributes;
  for (const Argument &input : inputs)
    attributes.push_back(attributesOfValue(builder, input.name, input.areStrings));
  function.setAllArgAttrs(attributes);
  OpBuilder inBody = OpBuilder::atBlockEnd(&function.getBody().front());
  auto valueOf = [&](size_t i) {
    Value value = function.getBody().getArgument(unsigned(i));
    return inputs[i].areStrings ? makeStrings(inBody, module.getLoc(), value) : value;
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    StringRef name = inputs[i].name;
    Value value = valueOf(i);
    if (inputs[i].isStack)
      value = makeStack(inBody, module.getLoc(), value);
    if (inputs[i].ragged) {
      value = makeRagged(inBody, module.getLoc(), value, valueOf(i + 1), *inputs[i].ragged);
      value = checkedRagged(name, inBody, value);
      ++i;
    }
    if (inputs[i].areKeys) {
      name.consume_back("/keys");
      value = makeMap(inBody, module.getLoc(), value, valueOf(++i));
    }
    if (failed(define(name, value, module.getLoc())))
      return failure();
  }
  return success();
}
