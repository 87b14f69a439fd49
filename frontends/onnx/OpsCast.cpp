//===- OpsCast.cpp - Operators that change the type of elements ------------------------------===//

#include "frontends/onnx/StringCast.h"

#include "dialects/common/NarrowElements.h"
#include "dialects/graph/NarrowFloats.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static Type wantedType(Node &node, const char *what) {
  Type element = getElementType(node.getBuilder().getContext(), node.getInt("to", 0));
  if (!element)
    (void)node.error(Twine(what) + " to an element type that is not supported");
  return element;
}

/// `saturate` and `round_mode` are about floats of 8 bits alone.
static LogicalResult cast(Node &node, Type element) {
  Value x = node.input(0);
  bool saturates = node.getInt("saturate", 1);
  if (llvm::isa<Float8E8M0FNUType>(element)) {
    std::string mode = node.getString("round_mode", "up");
    if (mode != "up" && mode != "down" && mode != "nearest")
      return node.error("rounds '" + mode + "', expected up, down or nearest");
    node.setOutput(graph::convertToPowers(node, x,
                                          mode == "up"     ? graph::PowerRounding::Up
                                          : mode == "down" ? graph::PowerRounding::Down
                                                           : graph::PowerRounding::Nearest,
                                          saturates));
  } else if (auto real = llvm::dyn_cast<FloatType>(element); real && isNarrow(real)) {
    node.setOutput(graph::convertToNarrow(node, x, real, saturates));
  } else if (isNarrow(element) && isFloat(node.type(0).getElementType())) {
    // What is out of range has no defined result; the low bits are what NumPy's types take, too.
    Type si32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
    node.setOutput(node.convert(node.convert(x, si32), element));
  } else {
    node.setOutput(node.convert(x, element));
  }
  return success();
}

/// `element` is null for strings.
static LogicalResult castAny(Node &node, Type element) {
  Value x = node.input(0);
  if (isStrings(x)) {
    if (element)
      return castFromStrings(node, element);
    node.setOutput(x);
    return success();
  }
  if (isStructure(x))
    return node.error("casts " + describeStructure(x) + ", expected a tensor");
  return element ? cast(node, element) : castToStrings(node, x);
}

static LogicalResult importCast(Node &node) {
  if (node.getInt("to", 0) == ::onnx::TensorProto::STRING)
    return castAny(node, {});
  Type element = wantedType(node, "casts");
  return element ? castAny(node, element) : failure();
}

static LogicalResult importCastLike(Node &node) {
  Value like = node.input(1);
  if (!like || (isStructure(like) && !isStrings(like)))
    return node.error("needs two tensors");
  return castAny(node, isStrings(like) ? Type() : node.type(1).getElementType());
}

static LogicalResult importBitCast(Node &node) {
  Type element = wantedType(node, "sees bits");
  if (!element)
    return failure();
  node.setOutput(node.create<graph::BitcastOp>(node.input(0), element));
  return success();
}

ArrayRef<Operator> tessera::onnx::castOperators() {
  static const Operator table[] = {
      {"BitCast", 26, importBitCast},
      {"Cast", 6, importCast, true},
      {"CastLike", 15, importCastLike, true},
  };
  return table;
}
