//===- OpsNorms.cpp - Norms, losses and what else compares elements with their neighbours ----===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

/// Axes as a reduction takes them, and the reduced type.
static graph::TensorType reducedType(Value x, ArrayRef<int64_t> axes) {
  graph::TensorType type = graph::getTensorType(x);
  DimList kept;
  for (int64_t i = 0; i < type.rank(); ++i)
    if (!llvm::is_contained(axes, i))
      kept.push_back(type.getDim(i));
  return type.withDims(kept);
}
static Value mean(Node &node, Value x, ArrayRef<int64_t> axes) {
  return node.create<graph::MeanOp>(reducedType(x, axes), x, axes);
}
static Value variance(Node &node, Value x, ArrayRef<int64_t> axes) {
  return node.create<graph::VarianceOp>(reducedType(x, axes), x, axes);
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

static LogicalResult importRmsNormalization(Node &node) {
  int64_t axis = node.getInt("axis", -1);
  if (failed(node.needInputs(2)) || failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  Builder &b = node.getBuilder();
  Value scale = node.convert(node.input(1), node.type(0).getElementType());
  node.setOutput(node.create<graph::RmsNormOp>(
      node.type(0), node.input(0), node.broadcastTo(scale, node.type(0).getDims().drop_front(axis)),
      b.getI64IntegerAttr(axis), b.getF64FloatAttr(node.getFloat("epsilon", 1e-5f))));
  return success();
}

/// Channels in groups of equal size. Scale and bias stand for channels, before version 21 for
/// groups.
static LogicalResult importGroupNormalization(Node &node) {
  graph::TensorType type = node.type(0);
  int64_t groups = node.getInt("num_groups", 0);
  if (!node.input(1) || !node.input(2) || type.rank() < 2 || !type.getDim(1).isConstant())
    return node.error("needs x with a constant number of channels, a scale and a bias");
  int64_t channels = type.getDim(1).getValue();
  if (groups < 1 || channels % groups)
    return node.error("has " + Twine(groups) + " groups of " + Twine(channels) + " channels");
  DimList apart{type.getDim(0), node.dim(groups), node.dim(channels / groups)};
  llvm::append_range(apart, type.getDims().drop_front(2));
  Value x = node.input(0);
  Type element = type.getElementType(), wide = element;
  if (node.getInt("stash_type", 1) == 1 && element.getIntOrFloatBitWidth() < 32)
    wide = node.getBuilder().getF32Type();
  x = node.reshape(node.convert(x, wide), apart);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, apart.size()));
  Value centred = node.sub(x, node.expand(mean(node, x, axes), axes, x));
  Value scale = node.create<graph::RsqrtOp>(
      node.add(variance(node, x, axes), node.getFloat("epsilon", 1e-5f)));
  Value result = node.convert(node.mul(centred, node.expand(scale, axes, x)), element);
  bool perGroup = node.opset < 21;
  DimAttr parameters = node.dim(perGroup ? groups : channels);
  for (int i : {1, 2})
    if (!node.takesDims(i, parameters))
      return node.error("needs a scale and a bias of " + parameters.str() + " elements");
  if (!perGroup)
    result = node.reshape(result, type.getDims());
  ArrayRef<DimAttr> dims = graph::getTensorType(result).getDims();
  result = node.mul(result, node.broadcast(node.input(1), {1}, dims));
  result = node.add(result, node.broadcast(node.input(2), {1}, dims));
  node.setOutput(node.reshape(result, type.getDims()));
  return success();
}

static LogicalResult importMeanVariance(Node &node) {
  SmallVector<int64_t> axes = node.getInts("axes").value_or(SmallVector<int64_t>{0, 2, 3});
  if (failed(node.normalizeAxes(axes, node.type(0).rank())))
    return failure();
  Value x = node.input(0), centred = node.sub(x, node.expand(mean(node, x, axes), axes, x));
  Value deviation = node.add(node.create<graph::SqrtOp>(variance(node, x, axes)), 1e-9);
  node.setOutput(node.div(centred, node.expand(deviation, axes, x)));
  return success();
}

/// x / (bias + alpha / size * the sum of squares of `size` neighbouring channels)^beta
static LogicalResult importLocalResponse(Node &node) {
  int64_t size = node.getInt("size", 0);
  if (size < 1 || size > std::numeric_limits<int32_t>::max() || node.type(0).rank() < 3)
    return node.error("needs an input of rank 3 or more and a size of 1 to 2147483647");
  Value x = node.input(0);
  MLIRContext *context = node.getBuilder().getContext();
  auto list = [&](int64_t value) { return graph::DimArrayAttr::get(context, {node.dim(value)}); };
  Value sum = node.create<graph::WindowReduceOp>(
      graph::WindowKind::sum, node.mul(x, x), ArrayRef<int64_t>{1}, ArrayRef<int64_t>{size},
      ArrayRef<int64_t>{1}, ArrayRef<int64_t>{1}, list((size - 1) / 2), list(size / 2));
  Value base = node.add(node.mul(sum, node.getFloat("alpha", 1e-4f) / double(size)),
                        node.getFloat("bias", 1));
  Value power = node.create<graph::PowOp>(base, node.fillLike(x, node.getFloat("beta", 0.75f)));
  node.setOutput(node.div(x, power));
  return success();
}

/// (sum |x|^p)^(1/p), of what `sum` takes together
template <typename Sum> static Value powerSum(Node &node, Value x, double p, Sum sum) {
  x = node.create<graph::AbsOp>(x);
  if (p == 1)
    return sum(x);
  if (p == 2)
    return node.create<graph::SqrtOp>(sum(node.mul(x, x)));
  Value total = sum(node.create<graph::PowOp>(x, node.fillLike(x, p)));
  return node.create<graph::PowOp>(total, node.fillLike(total, 1 / p));
}

static LogicalResult importLpNormalization(Node &node) {
  int64_t axis = node.getInt("axis", -1), p = node.getInt("p", 2);
  if (p != 1 && p != 2)
    return node.error("has p = " + Twine(p) + ", expected 1 or 2");
  if (failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  Value x = node.input(0);
  Value norm = powerSum(node, x, double(p),
                        [&](Value y) { return node.reduce(graph::ReduceKind::sum, y, axis); });
  norm = node.expand(norm, axis, x);
  Value zero = node.fillLike(x, 0);
  node.setOutput(node.create<graph::SelectOp>(node.compare(CompareKind::eq, norm, zero), zero,
                                              node.div(x, norm)));
  return success();
}

static LogicalResult importGlobalLpPool(Node &node) {
  int64_t p = node.getInt("p", 2);
  if (p < 1 || node.type(0).rank() < 2)
    return node.error("needs an input of rank 2 or more and a positive p");
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, node.type(0).rank()));
  Value x = node.input(0);
  Value result = powerSum(node, x, double(p),
                          [&](Value y) { return node.reduce(graph::ReduceKind::sum, y, axes); });
  node.setOutput(node.keepDims(result, x, axes));
  return success();
}

/// 1 at the first of the largest elements, else 0. Before version 13 all axes from the given one on
/// count as one.
static LogicalResult importHardmax(Node &node) {
  graph::TensorType type = node.type(0);
  int64_t rank = type.rank(), axis = node.getInt("axis", node.opset < 13 ? 1 : -1);
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  Value x = node.input(0);
  if (node.opset < 13 && axis + 1 < rank) {
    DimExpr rest =
        graph::multiplyDims(node.getBuilder().getContext(), type.getDims().drop_front(axis));
    if (!rest)
      return node.error("its extents overflow");
    DimList dims(type.getDims().take_front(axis));
    dims.push_back(rest.get());
    x = node.reshape(x, dims);
  }
  graph::TensorType places = graph::getTensorType(x).withElementType(si64(node));
  Value best = node.create<graph::ArgReduceOp>(reducedType(x, axis).withElementType(si64(node)),
                                               graph::ArgReduceKind::max, x, axis, false);
  Value isBest = node.compare(CompareKind::eq, node.create<graph::IotaOp>(places, axis),
                              node.expand(best, axis, x));
  node.setOutput(node.reshape(node.convert(isBest, type.getElementType()), type.getDims()));
  return success();
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

/// Minus the logarithm at every label, times the label's weight; labels to ignore weigh nothing.
static LogicalResult setLoss(Node &node, Value logarithms) {
  graph::TensorType type = graph::getTensorType(logarithms);
  if (!node.input(1) || type.rank() < 2 || node.type(1).rank() != type.rank() - 1)
    return node.error(
        "needs scores of shape [batch, classes, ...] and labels of shape [batch, ...]");
  std::string reduction = node.getString("reduction", "mean");
  if (reduction != "mean" && reduction != "sum" && reduction != "none")
    return node.error("has reduction '" + reduction + "', expected none, sum or mean");
  DimList labelDims(type.getDims());
  labelDims.erase(labelDims.begin() + 1);
  Value labels = node.convert(node.broadcastTo(node.input(1), labelDims), si64(node));
  graph::TensorType places = type.withElementType(si64(node));
  Value isHere = node.compare(CompareKind::eq, node.create<graph::IotaOp>(places, 1),
                              node.expand(labels, {1}, logarithms));
  auto atLabel = [&](Value x) {
    return node.reduce(graph::ReduceKind::sum,
                       node.create<graph::SelectOp>(isHere, x, node.fillLike(x, 0)), {1});
  };
  Value loss = node.create<graph::NegOp>(atLabel(logarithms));
  Value weight;
  if (node.input(2)) {
    if (!node.takesDims(2, type.getDims().slice(1, 1)))
      return node.error("needs a weight for each class");
    weight = atLabel(node.broadcast(node.input(2), {1}, type.getDims()));
  }
  if (node.attribute("ignore_index")) {
    Value isIgnored = node.compare(CompareKind::eq, labels,
                                   node.fillLike(labels, double(node.getInt("ignore_index", 0))));
    Value one = weight ? weight : node.fillLike(loss, 1);
    weight = node.create<graph::SelectOp>(isIgnored, node.fillLike(loss, 0), one);
    loss = node.create<graph::SelectOp>(isIgnored, node.fillLike(loss, 0), loss);
  }
  if (weight)
    loss = node.mul(loss, weight);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, labelDims.size()));
  Value total = reduction == "none" ? loss : node.reduce(graph::ReduceKind::sum, loss, axes);
  if (reduction == "mean")
    total = node.div(
        total, node.reduce(graph::ReduceKind::sum, weight ? weight : node.fillLike(loss, 1), axes));
  node.setOutput(total);
  return success();
}

static LogicalResult importNegativeLogLikelihood(Node &node) {
  return setLoss(node, node.input(0));
}

static LogicalResult importSoftmaxCrossEntropy(Node &node) {
  if (node.type(0).rank() < 2)
    return node.error("needs scores of shape [batch, classes, ...]");
  Value logarithms =
      node.create<graph::LogSoftmaxOp>(node.type(0), node.input(0), SmallVector<int64_t>{1});
  if (failed(setLoss(node, logarithms)))
    return failure();
  if (node.proto.output_size() > 1)
    node.setOutput(logarithms);
  return success();
}

ArrayRef<Operator> tessera::onnx::normOperators() {
  static const Operator table[] = {
      {"GlobalLpPool", 2, importGlobalLpPool},
      {"GroupNormalization", 18, importGroupNormalization},
      {"Hardmax", 1, importHardmax},
      {"LRN", 1, importLocalResponse},
      {"LpNormalization", 1, importLpNormalization},
      {"MeanVarianceNormalization", 9, importMeanVariance},
      {"NegativeLogLikelihoodLoss", 12, importNegativeLogLikelihood},
      {"RMSNormalization", 23, importRmsNormalization},
      {"SimplifiedLayerNormalization", 1, importRmsNormalization}, // onnxruntime's name
      {"SoftmaxCrossEntropyLoss", 12, importSoftmaxCrossEntropy},
  };
  return table;
}
