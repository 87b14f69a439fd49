//===- OpsMath.cpp - Products and normalisations
//--------------------------------------------------===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Batch dims are aligned from the right; an extent of 1 that the other operand repeats is left out
/// of the equation instead of being copied.
static LogicalResult importMatMul(Node &node) {
  if (!node.input(1))
    return node.error("needs two inputs");
  Value a = node.input(0), b = node.input(1);
  DimList aDims(node.type(0).getDims()), bDims(node.type(1).getDims());
  if (aDims.empty() || bDims.empty())
    return node.error("has an input of rank 0");
  bool aVector = aDims.size() == 1, bVector = bDims.size() == 1;
  size_t aBatch = aVector ? 0 : aDims.size() - 2, bBatch = bVector ? 0 : bDims.size() - 2;
  size_t batch = std::max(aBatch, bBatch);
  if (batch > 20)
    return node.error("has too many dimensions");
  std::string aLetters, bLetters, result;
  DimList aKept, bKept;
  for (size_t i = 0; i < batch; ++i) {
    char letter = char('a' + i);
    bool inA = i + aBatch >= batch, inB = i + bBatch >= batch;
    DimAttr x = inA ? aDims[i + aBatch - batch] : DimAttr();
    DimAttr y = inB ? bDims[i + bBatch - batch] : DimAttr();
    bool aRepeats = inA && inB && x != y && x.getConstant() == 1;
    bool bRepeats = inA && inB && x != y && !aRepeats && y.getConstant() == 1;
    DimAttr extent = inA && !aRepeats ? x : y;
    if (inA && !aRepeats) {
      aLetters += letter;
      aKept.push_back(extent);
    }
    if (inB && !bRepeats) {
      bLetters += letter;
      bKept.push_back(extent);
    }
    result += letter;
  }
  if (!aVector) {
    aLetters += 'y';
    aKept.push_back(aDims[aDims.size() - 2]);
    result += 'y';
  }
  aLetters += 'x';
  bLetters += 'x';
  DimAttr inner = bVector ? bDims.back() : bDims[bDims.size() - 2];
  if (inner != aDims.back() && inner.isConstant() && aDims.back().isConstant())
    return node.error("multiplies inner extents " + aDims.back().str() + " and " + inner.str());
  // What one side leaves open is what the other one has.
  if (!inner.isConstant())
    inner = aDims.back();
  aKept.push_back(inner);
  bKept.push_back(inner);
  if (!bVector) {
    bLetters += 'z';
    bKept.push_back(bDims.back());
    result += 'z';
  }
  a = node.reshape(a, aKept);
  b = node.reshape(b, bKept);
  graph::TensorType aType = graph::getTensorType(a), bType = graph::getTensorType(b);
  DimList dims;
  for (char letter : result)
    dims.push_back(aLetters.find(letter) != std::string::npos
                       ? aType.getDim(aLetters.find(letter))
                       : bType.getDim(bLetters.find(letter)));
  node.setOutput(node.create<graph::ContractOp>(
      aType.withDims(dims), aLetters + "," + bLetters + "->" + result, a, b, TypeAttr()));
  return success();
}

static LogicalResult importGemm(Node &node) {
  if (!node.input(1) || node.type(0).rank() != 2 || node.type(1).rank() != 2)
    return node.error("needs two matrices");
  bool transA = node.getInt("transA", 0), transB = node.getInt("transB", 0);
  DimAttr m = node.type(0).getDim(transA ? 1 : 0), n = node.type(1).getDim(transB ? 0 : 1);
  DimAttr aInner = node.type(0).getDim(transA ? 0 : 1),
          bInner = node.type(1).getDim(transB ? 1 : 0);
  Value a = node.input(0), b = node.input(1);
  // What one side leaves open is what the other one has.
  if (!aInner.isConstant())
    a = node.reshape(a, transA ? DimList{bInner, m} : DimList{m, bInner});
  else if (!bInner.isConstant())
    b = node.reshape(b, transB ? DimList{n, aInner} : DimList{aInner, n});
  std::string equation = std::string(transA ? "km" : "mk") + "," + (transB ? "nk" : "kn") + "->mn";
  Value result =
      node.create<graph::ContractOp>(node.type(0).withDims({m, n}), equation, a, b, TypeAttr());
  double alpha = node.getFloat("alpha", 1), beta = node.getFloat("beta", 1);
  if (alpha != 1)
    result = node.mul(result, alpha);
  if (Value c = node.input(2)) {
    if (beta != 1)
      c = node.mul(c, beta);
    result = node.add(result, node.broadcastTo(c, graph::getTensorType(result).getDims()));
  }
  node.setOutput(result);
  return success();
}

//===----------------------------------------------------------------------===//
// Normalisations
//===----------------------------------------------------------------------===//

/// Before version 13 the operand was flattened to two dims at the axis.
template <typename OpType> static LogicalResult importSoftmax(Node &node) {
  Value x = node.input(0);
  int64_t rank = node.type(0).rank(), axis = node.getInt("axis", node.opset < 13 ? 1 : -1);
  // An axis equal to the rank flattened to one column then.
  if (node.opset < 13 && axis == rank)
    return node.error("flattens all axes before its own, which is not supported");
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  SmallVector<int64_t> axes = {axis};
  if (node.opset < 13)
    axes = llvm::to_vector(llvm::seq<int64_t>(axis, rank));
  node.setOutput(node.create<OpType>(node.type(0), x, axes));
  return success();
}

/// With the mean and the variance (of the population) of the batch, which go into running ones;
/// before version 14 the batch's own are outputs, too.
static LogicalResult trainBatchNormalization(Node &node) {
  graph::TensorType type = node.type(0);
  Value x = node.input(0);
  Type wide = atLeastF32(type.getElementType());
  SmallVector<int64_t> axes{0};
  for (int64_t axis = 2; axis < type.rank(); ++axis)
    axes.push_back(axis);
  x = node.convert(x, wide);
  graph::TensorType perChannel =
      graph::TensorType::get(DimList{type.getDim(1)}, graph::getTensorType(x).getElementType());
  Value statistics[] = {node.create<graph::MeanOp>(perChannel, x, axes),
                        node.create<graph::VarianceOp>(perChannel, x, axes)};
  Value parameters[2];
  for (int i = 0; i < 2; ++i)
    parameters[i] = node.convert(node.input(1 + i), wide);
  Builder &b = node.getBuilder();
  Value y = node.create<graph::BatchNormOp>(
      graph::getTensorType(x), x, parameters[0], parameters[1], statistics[0], statistics[1],
      b.getI64IntegerAttr(1), b.getF64FloatAttr(node.getFloat("epsilon", 1e-5f)));
  node.setOutput(node.convert(y, type.getElementType()));
  double momentum = node.getFloat("momentum", 0.9f);
  for (int i = 0; i < 2; ++i) {
    Type element = node.type(3 + i).getElementType();
    Value before = node.mul(node.convert(node.input(3 + i), wide), momentum);
    Value running = node.add(before, node.mul(statistics[i], 1 - momentum));
    node.setOutput(node.convert(running, element));
  }
  if (node.opset < 14)
    for (Value own : statistics)
      node.setOutput(node.convert(own, type.getElementType()));
  return success();
}

static LogicalResult importBatchNormalization(Node &node) {
  if (failed(node.needInputs(5)))
    return failure();
  if (node.type(0).rank() < 2)
    return node.error("needs an input of rank 2 or more");
  // Before version 14 it trained where the model asked for more than y.
  bool trains = node.opset < 7    ? !node.getInt("is_test", 0)
                : node.opset < 14 ? node.proto.output_size() > 1
                                  : node.getInt("training_mode", 0);
  if (trains)
    return trainBatchNormalization(node);
  if (node.proto.output_size() > 1)
    return node.error("gives statistics without training");
  Value x = node.input(0);
  SmallVector<Value> parameters;
  for (int i = 1; i < 5; ++i)
    parameters.push_back(node.convert(node.input(i), node.type(0).getElementType()));
  Builder &b = node.getBuilder();
  node.setOutput(node.create<graph::BatchNormOp>(
      node.type(0), x, parameters[0], parameters[1], parameters[2], parameters[3],
      b.getI64IntegerAttr(1), b.getF64FloatAttr(node.getFloat("epsilon", 1e-5f))));
  return success();
}

static LogicalResult importLayerNormalization(Node &node) {
  int64_t axis = node.getInt("axis", -1);
  if (failed(node.needInputs(2)) || failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  Builder &b = node.getBuilder();
  ArrayRef<DimAttr> dims = node.type(0).getDims().drop_front(axis);
  Value bias = node.input(2) ? node.broadcastTo(node.input(2), dims) : Value();
  node.setOutput(node.create<graph::LayerNormOp>(
      node.type(0), node.input(0), node.broadcastTo(node.input(1), dims), bias,
      b.getI64IntegerAttr(axis), b.getF64FloatAttr(node.getFloat("epsilon", 1e-5f))));
  if (node.proto.output_size() < 2)
    return success();
  // The mean and 1 / deviation, for a backward pass.
  Value x = node.input(0);
  if (node.getInt("stash_type", 1) == 1)
    x = node.convert(x, b.getF32Type());
  auto axes = llvm::to_vector(llvm::seq<int64_t>(axis, node.type(0).rank()));
  graph::TensorType type = graph::getTensorType(x);
  graph::TensorType rows = type.withDims(type.getDims().take_front(axis));
  Value mean = node.create<graph::MeanOp>(rows, x, axes);
  Value variance = node.create<graph::VarianceOp>(rows, x, axes);
  Value scale = node.create<graph::RsqrtOp>(node.add(variance, node.getFloat("epsilon", 1e-5f)));
  node.setOutput(node.keepDims(mean, x, axes));
  node.setOutput(node.keepDims(scale, x, axes));
  return success();
}

static LogicalResult importInstanceNormalization(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  Builder &b = node.getBuilder();
  node.setOutput(
      node.create<graph::InstanceNormOp>(node.type(0), node.input(0), node.input(1), node.input(2),
                                         b.getF64FloatAttr(node.getFloat("epsilon", 1e-5f))));
  return success();
}

ArrayRef<Operator> tessera::onnx::mathOperators() {
  static const Operator table[] = {
      {"BatchNormalization", 1, importBatchNormalization},
      {"Gemm", 1, importGemm},
      {"InstanceNormalization", 1, importInstanceNormalization},
      {"LayerNormalization", 1, importLayerNormalization},
      {"LogSoftmax", 1, importSoftmax<graph::LogSoftmaxOp>},
      {"MatMul", 1, importMatMul},
      {"Softmax", 1, importSoftmax<graph::SoftmaxOp>},
  };
  return table;
}
