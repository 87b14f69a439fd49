//===- OpsMicrosoft.cpp - What onnxruntime's optimizer writes: fused operators apart again
//-----===//
//
// A fused operator is what it was fused from: what becomes one kernel is decided later, from what
// it computes.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// `add` may be null, and have fewer dimensions or extents of 1.
static Value addTo(Node &node, Value x, Value add) {
  return add ? node.add(x, node.broadcastTo(add, graph::getTensorType(x).getDims())) : x;
}

template <typename OpType> static LogicalResult setUnary(Node &node, Value x) {
  node.setOutput(node.create<OpType>(x));
  return success();
}

//===----------------------------------------------------------------------===//
// An activation behind
//===----------------------------------------------------------------------===//

/// The activation that the node names, on x. `parameters`: what the node has of alpha, beta.
static LogicalResult setActivated(Node &node, Value x, ArrayRef<double> parameters) {
  std::string name = node.getString("activation", "");
  Type type = x.getType();
  auto parameter = [&](size_t i, double otherwise) {
    return node.getBuilder().getF64FloatAttr(i < parameters.size() ? parameters[i] : otherwise);
  };
  if (name.empty())
    node.setOutput(x);
  else if (name == "Relu")
    return setUnary<graph::ReluOp>(node, x);
  else if (name == "Sigmoid")
    return setUnary<graph::SigmoidOp>(node, x);
  else if (name == "Tanh")
    return setUnary<graph::TanhOp>(node, x);
  else if (name == "Softplus")
    return setUnary<graph::SoftplusOp>(node, x);
  else if (name == "LeakyRelu")
    node.setOutput(node.create<graph::LeakyReluOp>(type, x, parameter(0, 0.01f)));
  else if (name == "Elu")
    node.setOutput(node.create<graph::EluOp>(type, x, parameter(0, 1)));
  else if (name == "HardSigmoid")
    node.setOutput(
        node.create<graph::HardSigmoidOp>(type, x, parameter(0, 0.2f), parameter(1, 0.5f)));
  else if (name == "Clip" && parameters.size() == 2)
    node.setOutput(node.min(node.max(x, parameters[0]), parameters[1]));
  else
    return node.error("has an activation " + quoted(name) + ", which is not supported");
  return success();
}

/// `kIsLast`: pictures have their channels last; weights are as ever.
template <bool kIsLast> static LogicalResult importFusedConv(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  bool isMoved = kIsLast && node.type(0).rank() > 2;
  Value x = isMoved ? node.moveAxis(node.input(0), node.type(0).rank() - 1, 1) : node.input(0);
  FailureOr<Value> sum = importAs(node, "Conv", {x, node.input(1), node.input(2)});
  if (failed(sum))
    return failure();
  if (isMoved)
    sum = node.moveAxis(*sum, 1, node.type(0).rank() - 1);
  SmallVector<double> parameters;
  if (const ::onnx::AttributeProto *given = node.attribute("activation_params"))
    parameters.append(given->floats().begin(), given->floats().end());
  return setActivated(node, addTo(node, *sum, node.input(3)), parameters);
}

static LogicalResult importFusedGemm(Node &node) {
  FailureOr<Value> sum = importAs(node, "Gemm", node.inputs);
  if (failed(sum))
    return failure();
  SmallVector<double> parameters;
  for (StringRef name : {"activation_alpha", "activation_beta"})
    if (node.attribute(name))
      parameters.push_back(node.getFloat(name, 0));
  return setActivated(node, *sum, parameters);
}

//===----------------------------------------------------------------------===//
// Products and sums
//===----------------------------------------------------------------------===//

/// alpha * A B, of which each may be transposed; its first axis may be behind those of the batch.
static LogicalResult importFusedMatMul(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  SmallVector<Value> operands;
  for (size_t i = 0; i < 2; ++i) {
    std::string name = i ? "B" : "A";
    Value x = node.input(i);
    int64_t rank = node.type(i).rank();
    if (node.getInt("transBatch" + name, 0) && rank > 2)
      x = node.moveAxis(x, 0, rank - 2);
    if (node.getInt("trans" + name, 0) && rank > 1) {
      SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, rank));
      std::swap(order[rank - 2], order[rank - 1]);
      x = node.transpose(x, order);
    }
    operands.push_back(x);
  }
  FailureOr<Value> product = importAs(node, "MatMul", operands);
  if (failed(product))
    return failure();
  double alpha = node.getFloat("alpha", 1);
  node.setOutput(alpha == 1 ? *product : node.mul(*product, alpha));
  return success();
}

/// gelu(x + bias), by the error function or by tanh.
template <bool kTanh> static LogicalResult importBiasGelu(Node &node) {
  Value x = addTo(node, node.input(0), node.input(1));
  UnitAttr tanh = kTanh ? node.getBuilder().getUnitAttr() : UnitAttr();
  node.setOutput(node.create<graph::GeluOp>(x.getType(), x, tanh));
  return success();
}

/// x * sigmoid(alpha x)
static LogicalResult importQuickGelu(Node &node) {
  Value x = node.input(0);
  Value gate = node.create<graph::SigmoidOp>(node.mul(x, node.getFloat("alpha", 1.702f)));
  node.setOutput(node.mul(x, gate));
  return success();
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

/// The norm of x over its last axis; by the mean of squares alone when it has no centre.
static Value normalize(Node &node, Value x, Value scale, Value bias, bool isCentred) {
  Builder &b = node.getBuilder();
  graph::TensorType type = graph::getTensorType(x);
  ArrayRef<DimAttr> last = type.getDims().take_back(1);
  IntegerAttr axis = b.getI64IntegerAttr(type.rank() - 1);
  FloatAttr epsilon = b.getF64FloatAttr(node.getFloat("epsilon", 1e-12f));
  scale = node.broadcastTo(scale, last);
  if (!isCentred)
    return node.create<graph::RmsNormOp>(type, x, scale, axis, epsilon);
  bias = bias ? node.broadcastTo(bias, last) : Value();
  return node.create<graph::LayerNormOp>(type, x, scale, bias, axis, epsilon);
}

/// Fails when one of the outputs `first` to `last` is asked for; else they are absent.
static LogicalResult leaveOut(Node &node, int first, int last) {
  for (int i = first; i <= last && i < node.proto.output_size(); ++i) {
    if (!node.proto.output(i).empty())
      return node.error("gives output " + Twine(i) + ", which is not supported");
    node.setOutput({});
  }
  return success();
}

/// norm(x + skip + bias), and that sum.
template <bool kIsCentred> static LogicalResult importSkipNormalization(Node &node) {
  if (failed(node.needInputs(3)) || node.type(0).rank() < 1)
    return node.error("needs an input, a skip and a scale");
  Value bias = node.input(kIsCentred ? 4 : 3);
  Value sum = addTo(node, addTo(node, node.input(0), node.input(1)), bias);
  Value shift = kIsCentred ? node.input(3) : Value();
  node.setOutput(normalize(node, sum, node.input(2), shift, kIsCentred));
  if (failed(leaveOut(node, 1, 2)))
    return failure();
  if (node.proto.output_size() > 3)
    node.setOutput(sum);
  return success();
}

/// What was read of a quantized table, with the scale and zero point that are inputs.
static Value toFloat(Node &node, Value x, size_t scale, size_t zero) {
  auto scalar = [&](size_t i) { return node.input(i) ? node.reshape(node.input(i), {}) : Value(); };
  Type element = node.type(scale).getElementType();
  return node.create<graph::DequantizeOp>(graph::getTensorType(x).withElementType(element), x,
                                          scalar(scale), scalar(zero), IntegerAttr(),
                                          IntegerAttr());
}

/// The norm of the sum of rows of three tables: words, positions, segments. `kIsQuantized`: tables,
/// scale and shift are, and there are no positions of the model's own.
template <bool kIsQuantized> static LogicalResult importEmbedNormalization(Node &node) {
  Value ids = node.input(0), segments = node.input(1), parts = node.input(4);
  if (!node.input(2) || !node.input(3) || !node.input(5) || node.type(0).rank() != 2 ||
      node.type(2).rank() != 2 || node.type(3).rank() != 2)
    return node.error("needs ids of [batch, positions], two tables, and a scale");
  if (kIsQuantized &&
      (!node.input(8) || !node.input(9) || !node.input(11) ||
       bool(node.input(6)) != bool(node.input(12)) || bool(parts) != bool(node.input(10))))
    return node.error("lacks the scale of a quantized table");
  auto number = [&](Value x, size_t place) {
    return kIsQuantized ? toFloat(node, x, 8 + place, 13 + place) : x;
  };
  auto read = [&](size_t table, Value which, size_t place) {
    return number(node.create<graph::GatherOp>(node.input(table), which, 0), place);
  };
  Value sum = read(2, ids, 0);
  ArrayRef<DimAttr> dims = graph::getTensorType(sum).getDims();
  Value own = kIsQuantized ? Value() : node.input(8);
  if (own) {
    sum = node.add(sum, read(3, node.broadcastTo(own, dims.take_front(2)), 1));
  } else {
    Value first = node.cut(node.input(3), 0, node.dim(0), dims[1]);
    sum = node.add(sum, node.broadcast(number(first, 1), {1, 2}, dims));
  }
  if (segments && parts)
    sum = node.add(sum, read(4, segments, 2));
  Value shift = node.input(6) ? number(node.input(6), 4) : Value();
  node.setOutput(normalize(node, sum, number(node.input(5), 3), shift, true));
  if (node.proto.output_size() > 1) {
    // How many positions of a sample count.
    Type si32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
    auto lengths = graph::TensorType::get({node.type(0).getDim(0)}, si32);
    node.setOutput(node.input(7) ? node.convert(node.sum(node.input(7), {1}), si32)
                                 : node.fill(lengths, 0));
  }
  if (node.proto.output_size() > 2)
    node.setOutput(sum);
  return success();
}

ArrayRef<Operator> tessera::onnx::microsoftOperators() {
  static const Operator table[] = {
      {"BiasGelu", 1, importBiasGelu<false>},
      {"EmbedLayerNormalization", 1, importEmbedNormalization<false>},
      {"FastGelu", 1, importBiasGelu<true>},
      {"FusedConv", 1, importFusedConv<false>},
      {"FusedGemm", 1, importFusedGemm},
      {"FusedMatMul", 1, importFusedMatMul},
      {"Gelu", 1, importBiasGelu<false>},
      {"NhwcFusedConv", 1, importFusedConv<true>},
      {"QEmbedLayerNormalization", 1, importEmbedNormalization<true>},
      {"QuickGelu", 1, importQuickGelu},
      {"SkipLayerNormalization", 1, importSkipNormalization<true>},
      {"SkipSimplifiedLayerNormalization", 1, importSkipNormalization<false>},
      {"TransposeMatMul", 1, importFusedMatMul},
  };
  return table;
}
