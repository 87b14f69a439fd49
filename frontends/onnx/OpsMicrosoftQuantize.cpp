//===- OpsMicrosoftQuantize.cpp - What onnxruntime's quantizer writes
//--------------------------===//
//
// An operator of quantized tensors is: to floats, the operator, back. Products are summed in si32,
// as those of ONNX.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"
#include "frontends/onnx/DynamicRange.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static Value asScalar(Node &node, Value value) { return value ? node.reshape(value, {}) : value; }

/// Whether the inputs from `first` on are x, scale and zero point, of which the last may be absent.
static LogicalResult needQuantized(Node &node, size_t first) {
  if (node.input(first) && node.input(first + 1))
    return success();
  return node.error("lacks input " + Twine(first) + " or its scale");
}

/// (x - zero) * scale of the three inputs from `first` on.
static Value toFloat(Node &node, size_t first) {
  Value x = node.input(first), scale = asScalar(node, node.input(first + 1));
  Type element = graph::getTensorType(scale).getElementType();
  return node.create<graph::DequantizeOp>(graph::getTensorType(x).withElementType(element), x,
                                          scale, asScalar(node, node.input(first + 2)),
                                          IntegerAttr(), IntegerAttr());
}

/// x on the scale and zero point that are inputs `first` and the next.
static LogicalResult setQuantized(Node &node, Value x, size_t first, Type otherwise) {
  Value scale = node.input(first), zero = asScalar(node, node.input(first + 1));
  if (!scale)
    return node.error("lacks the scale of its output");
  Type element = zero ? graph::getTensorType(zero).getElementType() : otherwise;
  node.setOutput(node.create<graph::QuantizeOp>(graph::getTensorType(x).withElementType(element), x,
                                                asScalar(node, scale), zero, IntegerAttr(),
                                                IntegerAttr()));
  return success();
}

/// One quantized operand. The operator reads the node's attributes.
static LogicalResult importUnary(Node &node, StringRef name) {
  if (failed(needQuantized(node, 0)))
    return failure();
  FailureOr<Value> y = importAs(node, name, {toFloat(node, 0)});
  if (failed(y))
    return failure();
  return setQuantized(node, *y, 3, node.type(0).getElementType());
}

static LogicalResult importBinary(Node &node, StringRef name) {
  if (failed(needQuantized(node, 0)) || failed(needQuantized(node, 3)))
    return failure();
  FailureOr<Value> y = importAs(node, name, {toFloat(node, 0), toFloat(node, 3)});
  if (failed(y))
    return failure();
  return setQuantized(node, *y, 6, node.type(0).getElementType());
}

static LogicalResult importQAdd(Node &node) { return importBinary(node, "Add"); }
static LogicalResult importQMul(Node &node) { return importBinary(node, "Mul"); }
static LogicalResult importQSigmoid(Node &node) { return importUnary(node, "Sigmoid"); }
static LogicalResult importQLeakyRelu(Node &node) { return importUnary(node, "LeakyRelu"); }

/// Softmax over one axis from operator set 13 on, over all axes from its own on before.
static LogicalResult importQSoftmax(Node &node) {
  node.opset = node.getInt("opset", node.opset);
  return importUnary(node, "Softmax");
}

/// What computes on channels behind the batch, of a node that may have them last.
static FailureOr<Value> importChannelsLast(Node &node, StringRef name, SmallVector<Value> inputs,
                                           bool isLast) {
  int64_t rank = graph::getTensorType(inputs[0]).rank();
  if (!isLast || rank < 3)
    return importAs(node, name, inputs);
  inputs[0] = node.moveAxis(inputs[0], rank - 1, 1);
  FailureOr<Value> y = importAs(node, name, inputs);
  if (failed(y))
    return failure();
  return node.moveAxis(*y, 1, rank - 1);
}

/// Means of windows or of everything, with the channels where the node says.
static LogicalResult importQPool(Node &node, StringRef name) {
  if (failed(needQuantized(node, 0)))
    return failure();
  FailureOr<Value> y =
      importChannelsLast(node, name, {toFloat(node, 0)}, node.getInt("channels_last", 0));
  if (failed(y))
    return failure();
  return setQuantized(node, *y, 3, node.type(0).getElementType());
}
static LogicalResult importQAveragePool(Node &node) { return importQPool(node, "AveragePool"); }
static LogicalResult importQGlobalAverage(Node &node) {
  return importQPool(node, "GlobalAveragePool");
}

/// ONNX's operators, for channels that are last. Weights are as they are there.
static LogicalResult importQConv(Node &node) {
  if (failed(node.needInputs(8)))
    return failure();
  FailureOr<Value> y =
      importChannelsLast(node, "QLinearConv", node.inputs, node.getInt("channels_last", 0));
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}
static LogicalResult importNhwcMaxPool(Node &node) {
  FailureOr<Value> y = importChannelsLast(node, "MaxPool", {node.input(0)}, true);
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}

/// Convolutions whose pictures and weights have their channels last.
static LogicalResult importNhwcConv(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  SmallVector<Value> inputs(node.inputs);
  if (node.type(1).rank() > 2)
    inputs[1] = node.moveAxis(inputs[1], node.type(1).rank() - 1, 1);
  FailureOr<Value> y = importChannelsLast(node, "Conv", inputs, true);
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}

/// Inputs: scale and zero point of the result, then the parts.
static LogicalResult importQConcat(Node &node) {
  SmallVector<Value> parts;
  for (size_t i = 2; i < node.inputCount(); i += 3) {
    if (failed(needQuantized(node, i)))
      return failure();
    parts.push_back(toFloat(node, i));
  }
  if (parts.empty())
    return node.error("has no parts");
  FailureOr<Value> y = importAs(node, "Concat", parts);
  if (failed(y))
    return failure();
  return setQuantized(node, *y, 0, node.type(2).getElementType());
}

/// Inputs: condition, x, y, scale and zero point of the result.
static LogicalResult importQWhere(Node &node) {
  if (failed(needQuantized(node, 1)) || failed(needQuantized(node, 4)))
    return failure();
  FailureOr<Value> y = importAs(node, "Where", {node.input(0), toFloat(node, 1), toFloat(node, 4)});
  if (failed(y))
    return failure();
  return setQuantized(node, *y, 7, node.type(1).getElementType());
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Sums in si32 as floats: times the scales (scalars, or one for each column), plus a bias.
static Value scaleSums(Node &node, Value sums, Value aScale, Value bScale, Value bias) {
  Type element = graph::getTensorType(aScale).getElementType();
  Value x = node.convert(sums, element);
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
  x = node.mul(x, node.mul(node.broadcastTo(aScale, dims), node.broadcastTo(bScale, dims)));
  return bias ? node.add(x, node.broadcastTo(bias, dims)) : x;
}

/// Inputs: A, B, their scales, their zero points, bias.
static LogicalResult importMatMulIntegerToFloat(Node &node) {
  if (failed(node.needInputs(4)))
    return failure();
  FailureOr<Value> sums =
      importAs(node, "MatMulInteger", {node.input(0), node.input(1), node.input(4), node.input(5)});
  if (failed(sums))
    return failure();
  node.setOutput(scaleSums(node, *sums, node.input(2), node.input(3), node.input(6)));
  return success();
}

/// Inputs: A, B, scale and zero point of B, bias.
static LogicalResult importDynamicQuantizeMatMul(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  DynamicRange a = quantizeByRange(node, node.input(0));
  FailureOr<Value> sums =
      importAs(node, "MatMulInteger", {a.quantized, node.input(1), a.zero, node.input(3)});
  if (failed(sums))
    return failure();
  node.setOutput(scaleSums(node, *sums, a.scale, node.input(2), node.input(4)));
  return success();
}

/// alpha * A B + C. Inputs: A and B with scale and zero point, C in si32, scale and zero point of
/// the result, without which it is a float.
static LogicalResult importQGemm(Node &node) {
  if (failed(needQuantized(node, 0)) || failed(needQuantized(node, 3)))
    return failure();
  auto turned = [&](Value x, StringRef name) {
    return node.getInt(name, 0) && graph::getTensorType(x).rank() == 2 ? node.transpose(x, {1, 0})
                                                                       : x;
  };
  FailureOr<Value> sums = importAs(node, "MatMulInteger",
                                   {turned(node.input(0), "transA"),
                                    turned(node.input(3), "transB"), node.input(2), node.input(5)});
  if (failed(sums))
    return failure();
  Value y = *sums;
  if (node.input(6))
    y = node.add(y, node.broadcastTo(node.input(6), graph::getTensorType(y).getDims()));
  y = scaleSums(node, y, node.input(1), node.input(4), {});
  if (double alpha = node.getFloat("alpha", 1); alpha != 1)
    y = node.mul(y, alpha);
  if (node.input(7))
    return setQuantized(node, y, 7, node.type(0).getElementType());
  node.setOutput(y);
  return success();
}

/// The numbers of `bits` bits that lie in bytes along the last axis, the lowest first.
static Value unpackBits(Node &node, Value bytes, int64_t bits) {
  if (bits == 8)
    return bytes;
  graph::TensorType type = graph::getTensorType(bytes);
  DimList single(type.getDims());
  single.push_back(node.dim(1));
  SmallVector<Value> parts;
  for (int64_t low = 0; low < 8; low += bits) {
    Value part = bytes;
    if (low > 0)
      part = node.create<graph::ShrOp>(part, node.fillLike(part, double(low)));
    if (low + bits < 8)
      part = node.create<graph::AndOp>(part, node.fillLike(part, double((1 << bits) - 1)));
    parts.push_back(node.reshape(part, single));
  }
  DimList dims(type.getDims());
  dims.back() = node.known(DimExpr(dims.back()) * (8 / bits));
  return node.reshape(node.concat(parts, type.rank()), dims);
}

/// A times a matrix [N, K] whose rows are blocks of numbers of 2, 4 or 8 bits, each with a scale.
/// Inputs: A, bytes [N, blocks, bytes of a block], scales, zero points (packed as the matrix is, or
/// floats; the middle of the range without), block of each column (else they stand in order), bias.
static LogicalResult importMatMulNBits(Node &node) {
  const int64_t bits = node.getInt("bits", 4), size = node.getInt("block_size", 0);
  const int64_t columns = node.getInt("K", 0), rows = node.getInt("N", 0);
  (void)node.getInt("accuracy_level", 0); // How exact onnxruntime is at least.
  if (failed(node.needInputs(3)))
    return failure();
  if (node.getInt("weight_prepacked", 0))
    return node.error("has weight_prepacked: a matrix in the order that one GPU wants");
  if ((bits != 2 && bits != 4 && bits != 8) || size < 16 || size > 1024 ||
      !llvm::isPowerOf2_64(uint64_t(size)) || columns < 1 || rows < 1 || columns > INT32_MAX ||
      rows > INT32_MAX)
    return node.error("has K = " + Twine(columns) + ", N = " + Twine(rows) +
                      ", bits = " + Twine(bits) + ", block_size = " + Twine(size) +
                      ", expected positive numbers, 2, 4 or 8 bits and a power of two from 16 on");
  if (!node.type(1).getElementType().isInteger(8))
    return node.error("has a matrix that is not in bytes (ui8)");
  const int64_t blocks = llvm::divideCeil(columns, size);
  Type element = node.type(0).getElementType();
  const DimList blocked{node.dim(rows), node.dim(blocks), node.dim(size)};
  Value block = node.input(4);
  if (block) {
    if (node.type(4).rank() != 1 || !isInteger(node.type(4).getElementType()))
      return node.error("needs g_idx of rank 1, the block of each column");
    DimAttr given = node.type(4).getDim(0);
    block = given.getConstant() == blocks * size
                ? node.cut(block, 0, node.dim(0), node.dim(columns))
                : node.reshape(block, {node.dim(columns)});
  }
  // One number for each block, which may be stored flat, at the columns.
  auto spread = [&](Value x) -> Value {
    x = node.convert(x, element);
    if (block)
      return node.create<graph::GatherOp>(node.reshape(x, {node.dim(rows), node.dim(blocks)}),
                                          block, 1);
    return node.broadcastTo(node.reshape(x, {node.dim(rows), node.dim(blocks), node.dim(1)}),
                            blocked);
  };
  auto flat = [&](Value x) {
    x = node.reshape(x, {node.dim(rows), node.dim(blocks * size)});
    return node.cut(x, 1, node.dim(0), node.dim(columns));
  };
  Value bytes =
      node.reshape(node.input(1), {node.dim(rows), node.dim(blocks), node.dim(size * bits / 8)});
  Value weight = node.convert(unpackBits(node, bytes, bits), element);
  if (block)
    weight = flat(weight);
  if (Value zero = node.input(3)) {
    if (graph::getTensorType(zero).getElementType().isInteger(8)) {
      zero = node.reshape(zero, {node.dim(rows), node.dim(llvm::divideCeil(blocks * bits, 8))});
      zero = node.cut(unpackBits(node, zero, bits), 1, node.dim(0), node.dim(blocks));
    }
    weight = node.sub(weight, spread(zero));
  } else {
    weight = node.sub(weight, node.fillLike(weight, double(1 << (bits - 1))));
  }
  weight = node.mul(weight, spread(node.input(2)));
  if (!block)
    weight = flat(weight);
  FailureOr<Value> y = importAs(node, "MatMul", {node.input(0), node.transpose(weight, {1, 0})});
  if (failed(y))
    return failure();
  node.setOutput(node.input(5) ? node.add(*y, node.broadcastTo(node.input(5),
                                                               graph::getTensorType(*y).getDims()))
                               : *y);
  return success();
}

/// Slices of a quantized table: numbers whose blocks along one axis have scales and zero points of
/// their own. Only what is gathered becomes floats. Inputs: table, indices, scales, zero points.
static LogicalResult importGatherBlockQuantized(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  Value data = node.input(0), indices = node.input(1), scales = node.input(2);
  const graph::TensorType type = node.type(0), index = node.type(1);
  const int64_t rank = type.rank();
  int64_t gathered = node.getInt("gather_axis", 0), quantized = node.getInt("quantize_axis", 1);
  if (failed(node.normalizeAxis(gathered, rank)) || failed(node.normalizeAxis(quantized, rank)))
    return failure();
  const bool isFloat = llvm::isa<FloatType>(type.getElementType());
  const bool isPacked = type.getElementType().isUnsignedInteger(8);
  const int64_t bits = isPacked ? node.getInt("bits", 4) : 8;
  int64_t size = node.getInt("block_size", 128);
  if (size == 0 && isFloat)
    size = type.getDim(quantized).getConstant().value_or(0);
  else if (size < 16 || size > (1 << 30) || !llvm::isPowerOf2_64(uint64_t(size)))
    return node.error("has block_size = " + Twine(size) + ", expected a power of two from 16 on");
  if (bits != 2 && bits != 4 && bits != 8)
    return node.error("has bits = " + Twine(bits) + ", expected 2, 4 or 8");
  if (isPacked && bits < 8 && (gathered == rank - 1 || gathered == quantized))
    return node.error("gathers along axis " + Twine(gathered) +
                      ", within bytes or blocks of packed numbers, which is not supported");
  if (node.type(2).rank() != rank || (node.input(3) && node.type(3).rank() != rank))
    return node.error("needs scales and zero points of the table's rank, " + Twine(rank));
  // What the axis has in front of an index that is gathered is behind it by the index's rank.
  const int64_t shift = index.rank() - 1;
  const bool sameAxis = gathered == quantized;
  const int64_t axis = quantized > gathered ? quantized + shift : quantized;
  const DimAttr length = type.getDim(gathered);
  Value place = node.convert(indices, node.si64());
  Value count = node.broadcast(ShapeScalars(node).number(length), {}, index.getDims());
  Value zero = node.fillLike(place, 0);
  place =
      node.choose(node.compare(graph::CompareKind::lt, place, zero), node.add(place, count), place);
  Value isInside = node.create<graph::AndOp>(node.compare(graph::CompareKind::ge, place, zero),
                                             node.compare(graph::CompareKind::lt, place, count));
  Value blockOf = place;
  if (sameAxis)
    blockOf = node.div(node.max(place, 0.0), node.fillLike(place, double(size)));
  auto take = [&](Value x, Value where) -> Value {
    return node.create<graph::GatherOp>(x, node.max(where, 0.0), gathered);
  };
  // A scale for the whole axis that is gathered stands for each index.
  auto takeBlocks = [&](Value part) {
    if (graph::getTensorType(part).getDim(gathered).getConstant() != 1 ||
        length.getConstant() == 1 || sameAxis)
      return take(part, blockOf);
    return take(part, node.fillLike(place, 0));
  };
  const Value table = take(data, place), blocks = takeBlocks(scales);
  const Value zeros = node.input(3) ? takeBlocks(node.input(3)) : Value();
  for (Value part : {table, blocks, zeros})
    if (part && graph::getTensorType(part).rank() != rank + shift) {
      node.setOutput(part); // What is gathered from an empty axis was noted as an error.
      return success();
    }
  Type element = graph::getTensorType(scales).getElementType();
  Value x = node.convert(unpackBits(node, table, bits), element);
  const DimList dims(graph::getTensorType(x).getDims());
  // One number for each block, where the numbers of the block are.
  auto spread = [&](Value part) {
    part = node.convert(part, element);
    DimList own(graph::getTensorType(part).getDims());
    if (!sameAxis && own[axis].getConstant() != 1) {
      DimList apart(own), each(own);
      apart.insert(apart.begin() + axis + 1, node.dim(1));
      each.insert(each.begin() + axis + 1, node.dim(size));
      own[axis] = node.known(DimExpr(own[axis]) * size);
      part = node.reshape(node.broadcastTo(node.reshape(part, apart), each), own);
      if (own[axis] != dims[axis])
        part = node.cut(part, axis, node.dim(0), dims[axis]);
    }
    return node.broadcastTo(part, dims);
  };
  if (Value own = zeros) {
    if (isPacked && bits < 8) {
      own = unpackBits(node, own, bits);
      own = node.cut(own, graph::getTensorType(own).rank() - 1, node.dim(0),
                     graph::getTensorType(blocks).getDims().back());
    }
    x = node.sub(x, spread(own));
  } else if (isPacked) {
    x = node.sub(x, node.fillLike(x, double(1 << (bits - 1))));
  }
  x = node.mul(x, spread(blocks));
  // What is outside of the table is 0.
  SmallVector<int64_t> places = llvm::to_vector(llvm::seq(gathered, gathered + index.rank()));
  node.setOutput(node.choose(node.broadcast(isInside, places, dims), x, node.fillLike(x, 0)));
  return success();
}

static LogicalResult importQuantizeLinear(Node &node) {
  FailureOr<Value> y = importAs(node, "QuantizeLinear", node.inputs);
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}
static LogicalResult importDequantizeLinear(Node &node) {
  FailureOr<Value> y = importAs(node, "DequantizeLinear", node.inputs);
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}

ArrayRef<Operator> tessera::onnx::microsoftQuantizeOperators() {
  static const Operator table[] = {
      {"DequantizeLinear", 1, importDequantizeLinear},
      {"DynamicQuantizeMatMul", 1, importDynamicQuantizeMatMul},
      {"GatherBlockQuantized", 1, importGatherBlockQuantized},
      {"MatMulIntegerToFloat", 1, importMatMulIntegerToFloat},
      {"MatMulNBits", 1, importMatMulNBits},
      {"NhwcConv", 1, importNhwcConv},
      {"NhwcMaxPool", 1, importNhwcMaxPool},
      {"QGemm", 1, importQGemm},
      {"QLinearAdd", 1, importQAdd},
      {"QLinearAveragePool", 1, importQAveragePool},
      {"QLinearConcat", 1, importQConcat},
      {"QLinearConv", 1, importQConv},
      {"QLinearGlobalAveragePool", 1, importQGlobalAverage},
      {"QLinearLeakyRelu", 1, importQLeakyRelu},
      {"QLinearMul", 1, importQMul},
      {"QLinearSigmoid", 1, importQSigmoid},
      {"QLinearSoftmax", 1, importQSoftmax},
      {"QLinearWhere", 1, importQWhere},
      {"QuantizeLinear", 1, importQuantizeLinear},
  };
  return table;
}
