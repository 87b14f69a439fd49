//===- OpsActivations.cpp - Elementwise operators that are put together of others ------------===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

static Value constantLike(Node &node, double number) {
  return node.fillLike(node.input(0), number);
}
static Value isAbove(Node &node, double number) {
  return node.compare(CompareKind::gt, node.input(0), constantLike(node, number));
}
static Value choose(Node &node, Value condition, Value x, Value y) {
  return node.create<graph::SelectOp>(condition, x, y);
}

static LogicalResult importSelu(Node &node) {
  Builder &b = node.getBuilder();
  node.setOutput(node.create<graph::SeluOp>(
      node.type(0), node.input(0),
      b.getF64FloatAttr(node.getFloat("alpha", 1.67326319217681884765625)),
      b.getF64FloatAttr(node.getFloat("gamma", 1.05070102214813232421875))));
  return success();
}

/// x where it is positive, else alpha (e^(x / alpha) - 1)
static LogicalResult importCelu(Node &node) {
  double alpha = node.getFloat("alpha", 1);
  Value x = node.input(0);
  Value below =
      node.mul(node.create<graph::Expm1Op>(node.div(x, constantLike(node, alpha))), alpha);
  node.setOutput(choose(node, isAbove(node, 0), x, below));
  return success();
}

static LogicalResult importThresholdedRelu(Node &node) {
  node.setOutput(
      choose(node, isAbove(node, node.getFloat("alpha", 1)), node.input(0), constantLike(node, 0)));
  return success();
}

/// Towards zero by the bias; zero between -lambd and lambd.
static LogicalResult importShrink(Node &node) {
  double bias = node.getFloat("bias", 0), limit = node.getFloat("lambd", 0.5);
  // Bias and limit need not be integers where x is.
  Type element = node.type(0).getElementType();
  node.inputs[0] = node.convert(node.input(0), floatFor(element));
  Value x = node.input(0);
  Value isBelow = node.compare(CompareKind::lt, x, constantLike(node, -limit));
  Value rest = choose(node, isAbove(node, limit), node.add(x, -bias), constantLike(node, 0));
  node.setOutput(node.convert(choose(node, isBelow, node.add(x, bias), rest), element));
  return success();
}

static LogicalResult importSwish(Node &node) {
  Value scaled = node.mul(node.input(0), node.getFloat("alpha", 1));
  node.setOutput(node.mul(node.input(0), node.create<graph::SigmoidOp>(scaled)));
  return success();
}

/// The slope stretches to x, never the other way.
static LogicalResult importPRelu(Node &node) {
  if (!node.input(1) || node.type(1).getElementType() != node.type(0).getElementType())
    return node.error("needs x and a slope of the same element type");
  DimList dims(node.type(1).getDims());
  // Before version 7 one slope for each channel had rank 1.
  if (node.opset < 7 && dims.size() == 1 && node.type(0).rank() > 2) {
    dims.append(node.type(0).rank() - 2, node.dim(1));
    node.inputs[1] = node.reshape(node.input(1), dims);
  }
  if (failed(node.broadcastDims(node.type(0).getDims(), node.type(1).getDims(), dims)))
    return failure();
  if (ArrayRef<DimAttr>(dims) != node.type(0).getDims())
    return node.error("has a slope that does not fit the shape of x");
  Value x = node.input(0), slope = node.broadcastTo(node.input(1), dims);
  Value isNegative = node.compare(CompareKind::lt, x, constantLike(node, 0));
  node.setOutput(choose(node, isNegative, node.mul(x, slope), x));
  return success();
}

static LogicalResult importIsInf(Node &node) {
  Value x = node.input(0);
  Value result = node.create<graph::IsInfOp>(x);
  bool negative = node.getInt("detect_negative", 1), positive = node.getInt("detect_positive", 1);
  if (negative != positive)
    result =
        node.create<graph::AndOp>(result, node.compare(positive ? CompareKind::gt : CompareKind::lt,
                                                       x, constantLike(node, 0)));
  else if (!negative)
    result = node.fillLike(result, 0);
  node.setOutput(result);
  return success();
}

//===----------------------------------------------------------------------===//
// Bits and types
//===----------------------------------------------------------------------===//

template <typename OpType> static LogicalResult bitwise(Node &node) {
  SmallVector<Value> values(node.inputs);
  for (Value value : values)
    if (!value || !isInteger(graph::getTensorType(value).getElementType()) ||
        graph::getTensorType(value).getElementType() != node.type(0).getElementType())
      return node.error("its inputs must be present and integers of one type");
  if (failed(node.broadcastAll(values)))
    return failure();
  if (values.size() == 1)
    node.setOutput(node.create<graph::NotOp>(values[0]));
  else if (values.size() == 2)
    node.setOutput(node.create<OpType>(values[0], values[1]));
  else
    return node.error("has " + Twine(values.size()) + " inputs");
  return success();
}
static LogicalResult importBitwiseNot(Node &node) {
  if (node.inputCount() != 1)
    return node.error("needs one input");
  return bitwise<graph::AndOp>(node);
}
static LogicalResult importBitShift(Node &node) {
  std::string direction = node.getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return node.error("shifts in direction '" + direction + "', expected LEFT or RIGHT");
  if (node.inputCount() != 2)
    return node.error("needs two inputs");
  return direction == "LEFT" ? bitwise<graph::ShlOp>(node) : bitwise<graph::ShrOp>(node);
}

ArrayRef<Operator> tessera::onnx::activationOperators() {
  static const Operator table[] = {
      {"BitShift", 11, importBitShift},
      {"BitwiseAnd", 18, bitwise<graph::AndOp>},
      {"BitwiseNot", 18, importBitwiseNot},
      {"BitwiseOr", 18, bitwise<graph::OrOp>},
      {"BitwiseXor", 18, bitwise<graph::XorOp>},
      {"Celu", 12, importCelu},
      {"IsInf", 10, importIsInf},
      {"PRelu", 1, importPRelu},
      {"Selu", 1, importSelu},
      {"Shrink", 9, importShrink},
      {"Swish", 24, importSwish},
      {"ThresholdedRelu", 10, importThresholdedRelu},
  };
  return table;
}
