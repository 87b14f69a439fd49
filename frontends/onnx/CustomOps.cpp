//===- CustomOps.cpp - Operators that the user defines in the textual IR ----------------------===//
//
// A file of functions gives operators a meaning: `graph.func @"com.example.Gate"(%x: ..., %alpha:
// ... {graph.name = "alpha"})` is operator Gate of domain com.example. A node becomes a call of it,
// which is inlined before anything is fused:
//  1. the node's inputs are the function's first arguments;
//  2. each argument behind them takes the node's attribute of its name, as a constant;
//  3. extents that the function names take those of the inputs.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"
#include "frontends/onnx/Names.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

LogicalResult Importer::addCustomOperators(ModuleOp library) {
  for (auto original : library.getOps<graph::FuncOp>()) {
    if (original.getSymName() == function.getSymName())
      return original.emitError("a function of --ops has the name of an operator, such as "
                                "@\"com.example.Gate\"; @")
             << function.getSymName() << " is the model's own";
    auto copy = llvm::cast<graph::FuncOp>(original->clone());
    SymbolTable::setSymbolVisibility(copy, SymbolTable::Visibility::Private);
    module.push_back(copy);
    customs[copy.getSymName()] = copy;
  }
  return success();
}

/// The attribute's value as a constant of the type; null when it does not fit.
static Value makeConstant(Node &node, const ::onnx::AttributeProto &attribute,
                          graph::TensorType type) {
  using Proto = ::onnx::AttributeProto;
  if (attribute.type() == Proto::TENSOR) {
    Value value = importTensor(node, attribute.t(), attribute.name());
    return value && value.getType() == type ? value : Value();
  }
  std::vector<double> numbers;
  bool isList = attribute.type() == Proto::FLOATS || attribute.type() == Proto::INTS;
  switch (attribute.type()) {
  case Proto::FLOAT: numbers = {attribute.f()}; break;
  case Proto::INT: numbers = {double(attribute.i())}; break;
  case Proto::FLOATS: numbers.assign(attribute.floats().begin(), attribute.floats().end()); break;
  case Proto::INTS: numbers.assign(attribute.ints().begin(), attribute.ints().end()); break;
  default: return {};
  }
  Type element = type.getElementType();
  bool isWhole = attribute.type() == Proto::INT || attribute.type() == Proto::INTS;
  if (type.rank() != unsigned(isList) || !element.isIntOrFloat() ||
      (!isWhole && !llvm::isa<FloatType>(element)))
    return {};
  if (isList && type.getDims().front() != node.dim(int64_t(numbers.size())))
    return {};
  // Each number alone, and the list put together: a splat is what GraphBuilder makes of a number.
  if (!isList)
    return node.splat(type, numbers.front());
  SmallVector<Value> parts;
  for (double number : numbers)
    parts.push_back(node.splat(graph::TensorType::get({node.dim(1)}, element), number));
  if (parts.size() <= 1)
    return parts.empty() ? Value() : parts.front();
  return node.create<graph::ConcatOp>(parts, 0);
}

LogicalResult Importer::importCustom(Node &node, graph::FuncOp callee) {
  std::string name = "function @\"" + callee.getSymName().str() + "\"";
  ArrayRef<Type> types = callee.getArgumentTypes();
  auto nameOf = [&](size_t i) {
    auto given = callee.getArgAttrOfType<StringAttr>(unsigned(i), "graph.name");
    return given ? given.getValue() : StringRef();
  };
  SmallVector<Value> operands(node.inputs);
  if (operands.size() > types.size())
    return node.error(name + " takes " + Twine(types.size()) + " operands, the node has " +
                      Twine(operands.size()));
  for (auto [i, operand] : llvm::enumerate(operands))
    if (!operand)
      return node.error("its input " + Twine(i) + " is absent, which " + name + " needs");
  llvm::StringSet<> taken;
  for (size_t i = operands.size(); i < types.size(); ++i) {
    const ::onnx::AttributeProto *attribute =
        nameOf(i).empty() ? nullptr : node.attribute(nameOf(i));
    if (!attribute)
      return node.error(
          name + " takes " + Twine(types.size()) + " operands, the node has " +
          Twine(node.inputs.size()) +
          (nameOf(i).empty() ? std::string() : " and no attribute " + quoted(nameOf(i))));
    auto type = llvm::cast<graph::TensorType>(types[i]);
    Value value = makeConstant(node, *attribute, type);
    if (!value)
      return node.error("attribute " + quoted(nameOf(i)) + " does not fit: " + name + " takes " +
                        textOf(type));
    taken.insert(nameOf(i));
    operands.push_back(value);
  }
  for (const ::onnx::AttributeProto &attribute : node.proto.attribute())
    if (!taken.contains(attribute.name()))
      return node.error(name + " has no parameter " + quoted(attribute.name()) +
                        ", which the node has as an attribute");
  if (node.proto.output_size() > int(callee.getResultTypes().size()))
    return node.error(name + " gives " + Twine(callee.getResultTypes().size()) +
                      " results, the node has " + Twine(node.proto.output_size()));
  llvm::StringMap<DimAttr> extents;
  for (auto [operand, type] : llvm::zip(operands, types))
    for (auto [dim, given] : llvm::zip(llvm::cast<graph::TensorType>(type).getDims(),
                                       graph::getTensorType(operand).getDims()))
      if (dim.isSymbol())
        extents.try_emplace(dim.getSymbol(), given);
  auto replaced = [&](Type type) {
    return graph::substituteDims(
        llvm::cast<graph::TensorType>(type),
        [&](StringRef symbol) -> graph::DimExpr { return extents.lookup(symbol); });
  };
  for (auto [i, operand, type] : llvm::enumerate(operands, types)) {
    auto wanted = llvm::cast<graph::TensorType>(type);
    if (graph::getTensorType(operand).rank() != wanted.rank() ||
        operand.getType() != replaced(type))
      return node.error("its input " + Twine(i) + " is " + textOf(operand.getType()) + ", " + name +
                        " takes " + textOf(type));
  }
  SmallVector<Type> results;
  for (Type type : callee.getResultTypes())
    results.push_back(replaced(type));
  auto call = graph::CallOp::create(node.getBuilder(), node.getLoc(), results, callee.getSymName(),
                                    operands);
  for (Value result : call.getResults())
    node.setOutput(result);
  return success();
}
