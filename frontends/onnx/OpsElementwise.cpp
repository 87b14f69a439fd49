//===- OpsElementwise.cpp - Elementwise operators
//------------------------------------------------===//

#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

template <typename OpType> static LogicalResult unary(Node &node) {
  node.setOutput(node.create<OpType>(node.input(0)));
  return success();
}

/// Before version 7 operands were broadcast on request, the second one's axes beginning at `axis`.
static LogicalResult broadcastOperands(Node &node, SmallVectorImpl<Value> &values) {
  if (node.opset < 7 && values.size() == 2 && values[0] && values[1] && node.attribute("axis")) {
    int64_t axis = node.getInt("axis", 0), rank = node.type(0).rank();
    if (failed(node.normalizeAxis(axis, rank)))
      return failure();
    DimList dims(node.type(1).getDims());
    if (int64_t(dims.size()) > rank - axis)
      return node.error("broadcasts an operand of rank " + Twine(dims.size()) + " from axis " +
                        Twine(axis) + " of rank " + Twine(rank));
    dims.append(rank - axis - dims.size(), node.dim(1));
    values[1] = node.reshape(values[1], dims);
  }
  return node.broadcastAll(values);
}

/// Two operands or more, folded from the left after broadcasting.
template <typename OpType> static LogicalResult binary(Node &node) {
  SmallVector<Value> values(node.inputs);
  for (Value value : values)
    if (!value || graph::getTensorType(value).getElementType() != node.type(0).getElementType())
      return node.error("its inputs must be present and of one element type");
  if (failed(broadcastOperands(node, values)))
    return failure();
  Value result = values[0];
  for (Value value : ArrayRef<Value>(values).drop_front())
    result = node.create<OpType>(result, value);
  node.setOutput(result);
  return success();
}

template <CompareKind kind> static LogicalResult compare(Node &node) {
  SmallVector<Value> values(node.inputs);
  if (values.size() != 2 || !values[1])
    return node.error("needs two inputs");
  if (kind == CompareKind::eq && (isStructure(values[0]) || isStructure(values[1])))
    return equalStrings(node);
  if (failed(broadcastOperands(node, values)))
    return failure();
  node.setOutput(node.compare(kind, values[0], values[1]));
  return success();
}

/// What a power is computed in: an integer exponent becomes what its base is; of a real one and its
/// base the wider float, where integers count as the floats that hold them.
static Type typeOfPower(Type base, Type exponent) {
  if (!isFloat(exponent))
    return base;
  Type real = floatFor(base);
  return exponent.getIntOrFloatBitWidth() > real.getIntOrFloatBitWidth() ? exponent : real;
}

static LogicalResult importPow(Node &node) {
  SmallVector<Value> values(node.inputs);
  if (values.size() != 2 || !values[1])
    return node.error("needs two inputs");
  Type base = node.type(0).getElementType(),
       common = typeOfPower(base, node.type(1).getElementType());
  auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(values[1]));
  const bool isSquare = splat && splat.getValueAsDouble() == 2.0;
  for (Value &value : values)
    value = node.convert(value, isSquare ? base : common);
  if (failed(broadcastOperands(node, values)))
    return failure();
  Value power = isSquare ? node.mul(values[0], values[0]) // Exact, as C pow is for squares.
                         : Value(node.create<graph::PowOp>(values[0], values[1]));
  node.setOutput(node.convert(power, base));
  return success();
}

static LogicalResult importMean(Node &node) {
  SmallVector<Value> values(node.inputs);
  if (failed(node.broadcastAll(values)))
    return failure();
  Value sum = values[0];
  for (Value value : ArrayRef<Value>(values).drop_front())
    sum = node.add(sum, value);
  node.setOutput(node.div(sum, node.fillLike(sum, double(values.size()))));
  return success();
}

static LogicalResult importWhere(Node &node) {
  SmallVector<Value> values(node.inputs);
  if (values.size() != 3)
    return node.error("needs three inputs");
  if (failed(node.broadcastAll(values)))
    return failure();
  node.setOutput(node.create<graph::SelectOp>(values[0], values[1], values[2]));
  return success();
}

static LogicalResult importMod(Node &node) {
  return node.getInt("fmod", 0) ? binary<graph::RemOp>(node) : binary<graph::ModOp>(node);
}

static LogicalResult importClip(Node &node) {
  Value x = node.input(0);
  if (node.opset < 11) {
    if (node.attribute("min"))
      x = node.max(x, node.getFloat("min", 0));
    if (node.attribute("max"))
      x = node.min(x, node.getFloat("max", 0));
    node.setOutput(x);
    return success();
  }
  ArrayRef<DimAttr> dims = node.type(0).getDims();
  auto bound = [&](Value value) {
    Value scalar = node.reshape(value, {});
    return node.broadcast(scalar, {}, dims);
  };
  if (node.input(1))
    x = node.max(x, bound(node.input(1)));
  if (node.input(2))
    x = node.min(x, bound(node.input(2)));
  node.setOutput(x);
  return success();
}

static LogicalResult importHardSigmoid(Node &node) {
  Builder &b = node.getBuilder();
  node.setOutput(node.create<graph::HardSigmoidOp>(node.type(0), node.input(0),
                                                   b.getF64FloatAttr(node.getFloat("alpha", 0.2f)),
                                                   b.getF64FloatAttr(node.getFloat("beta", 0.5f))));
  return success();
}
static LogicalResult importLeakyRelu(Node &node) {
  Builder &b = node.getBuilder();
  node.setOutput(node.create<graph::LeakyReluOp>(node.type(0), node.input(0),
                                                 b.getF64FloatAttr(node.getFloat("alpha", 0.01f))));
  return success();
}
static LogicalResult importElu(Node &node) {
  Builder &b = node.getBuilder();
  node.setOutput(node.create<graph::EluOp>(node.type(0), node.input(0),
                                           b.getF64FloatAttr(node.getFloat("alpha", 1))));
  return success();
}
static LogicalResult importGelu(Node &node) {
  Builder &b = node.getBuilder();
  bool tanh = node.getString("approximate", "none") == "tanh";
  node.setOutput(
      node.create<graph::GeluOp>(node.type(0), node.input(0), tanh ? b.getUnitAttr() : UnitAttr()));
  return success();
}
static LogicalResult identity(Node &node) {
  node.setOutput(node.input(0));
  return success();
}

ArrayRef<Operator> tessera::onnx::elementwiseOperators() {
  static const Operator table[] = {
      {"Abs", 1, unary<graph::AbsOp>},
      {"Acos", 7, unary<graph::AcosOp>},
      {"Acosh", 9, unary<graph::AcoshOp>},
      {"Add", 1, binary<graph::AddOp>},
      {"And", 1, binary<graph::AndOp>},
      {"Asin", 7, unary<graph::AsinOp>},
      {"Asinh", 9, unary<graph::AsinhOp>},
      {"Atan", 7, unary<graph::AtanOp>},
      {"Atanh", 9, unary<graph::AtanhOp>},
      {"Ceil", 1, unary<graph::CeilOp>},
      {"Clip", 1, importClip},
      {"Cos", 7, unary<graph::CosOp>},
      {"Cosh", 9, unary<graph::CoshOp>},
      {"Div", 1, binary<graph::DivOp>},
      {"Elu", 1, importElu},
      {"Equal", 1, compare<CompareKind::eq>, true},
      {"Erf", 9, unary<graph::ErfOp>},
      {"Exp", 1, unary<graph::ExpOp>},
      {"Floor", 1, unary<graph::FloorOp>},
      {"Gelu", 20, importGelu},
      {"Greater", 1, compare<CompareKind::gt>},
      {"GreaterOrEqual", 12, compare<CompareKind::ge>},
      {"HardSigmoid", 1, importHardSigmoid},
      {"HardSwish", 14, unary<graph::HardSwishOp>},
      {"Identity", 1, identity, true},
      {"IsNaN", 9, unary<graph::IsNanOp>},
      {"LeakyRelu", 1, importLeakyRelu},
      {"Less", 1, compare<CompareKind::lt>},
      {"LessOrEqual", 12, compare<CompareKind::le>},
      {"Log", 1, unary<graph::LogOp>},
      {"Max", 1, binary<graph::MaxOp>},
      {"Mean", 1, importMean},
      {"Min", 1, binary<graph::MinOp>},
      {"Mish", 18, unary<graph::MishOp>},
      {"Mod", 10, importMod},
      {"Mul", 1, binary<graph::MulOp>},
      {"Neg", 1, unary<graph::NegOp>},
      {"Not", 1, unary<graph::NotOp>},
      {"Or", 1, binary<graph::OrOp>},
      {"Pow", 1, importPow},
      {"Reciprocal", 1, unary<graph::ReciprocalOp>},
      {"Relu", 1, unary<graph::ReluOp>},
      {"Round", 11, unary<graph::RoundOp>},
      {"Sigmoid", 1, unary<graph::SigmoidOp>},
      {"Sign", 9, unary<graph::SignOp>},
      {"Sin", 7, unary<graph::SinOp>},
      {"Sinh", 9, unary<graph::SinhOp>},
      {"Softplus", 1, unary<graph::SoftplusOp>},
      {"Softsign", 1, unary<graph::SoftsignOp>},
      {"Sqrt", 1, unary<graph::SqrtOp>},
      {"Sub", 1, binary<graph::SubOp>},
      {"Sum", 1, binary<graph::AddOp>},
      {"Tan", 7, unary<graph::TanOp>},
      {"Tanh", 1, unary<graph::TanhOp>},
      {"Where", 9, importWhere},
      {"Xor", 1, binary<graph::XorOp>},
  };
  return table;
}
