//===- OpsMicrosoftModels.cpp - What transformers and other models hold besides ------------===//
//
// Biases, norms and products of whole models (T5, diffusion), and older forms of operators that
// ONNX has by now.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

/// An operator of the default domain takes the node as it is, in that version.
static LogicalResult importSame(Node &node, StringRef name, ArrayRef<Value> inputs, int64_t opset) {
  node.opset = opset;
  FailureOr<Value> y = importAs(node, name, inputs);
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}
static LogicalResult importGatherNd(Node &node) {
  return importSame(node, "GatherND", node.inputs, 13);
}
static LogicalResult importPad(Node &node) { return importSame(node, "Pad", node.inputs, 13); }
static LogicalResult importTrilu(Node &node) { return importSame(node, "Trilu", node.inputs, 14); }
static LogicalResult importExpandDims(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  return importSame(node, "Unsqueeze", {node.input(0), node.reshape(node.input(1), {node.dim(1)})},
                    13);
}
static LogicalResult importRange(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  SmallVector<Value> inputs;
  for (size_t i = 0; i < 3; ++i)
    inputs.push_back(node.input(i) ? node.reshape(node.input(i), {})
                                   : node.scalar(node.type(0).getElementType(), 1));
  return importSame(node, "Range", inputs, 11);
}

//===----------------------------------------------------------------------===//
// Sums with a bias
//===----------------------------------------------------------------------===//

static Value addAll(Node &node, Value x, ArrayRef<Value> more) {
  for (Value value : more)
    if (value)
      x = node.add(x, node.broadcastTo(value, graph::getTensorType(x).getDims()));
  return x;
}

static LogicalResult importBiasAdd(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  node.setOutput(addAll(node, node.input(0), {node.input(1), node.input(2)}));
  return success();
}

/// Of x + bias the first half, times gelu of the second.
static LogicalResult importBiasSplitGelu(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  Value x = addAll(node, node.input(0), {node.input(1)});
  int64_t last = graph::getTensorType(x).rank() - 1;
  DimExpr half = last < 0 ? DimExpr()
                          : graph::divideExactly(graph::getTensorType(x).getDim(last), node.dim(2));
  if (!half)
    return node.error("needs an even number of columns");
  Value gate = node.cut(x, last, half, half);
  gate = node.create<graph::GeluOp>(gate.getType(), gate, UnitAttr());
  node.setOutput(node.mul(node.cut(x, last, node.dim(0), half), gate));
  return success();
}

static LogicalResult importGemmFastGelu(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  FailureOr<Value> product = importAs(node, "MatMul", {node.input(0), node.input(1)});
  if (failed(product))
    return failure();
  Value x = addAll(node, *product, {node.input(2)});
  node.setOutput(node.create<graph::GeluOp>(x.getType(), x, node.getBuilder().getUnitAttr()));
  return success();
}

//===----------------------------------------------------------------------===//
// Norms of groups of channels
//===----------------------------------------------------------------------===//

/// Inputs: x, scale, shift, and for `kHasSkip` what is added before: a skip and a bias of channels.
template <bool kHasSkip> static LogicalResult importGroupNorm(Node &node) {
  if (failed(node.needInputs(kHasSkip ? 4 : 3)))
    return failure();
  bool isLast = node.getInt("channels_last", 1);
  int64_t rank = node.type(0).rank(), groups = node.getInt("groups", 0);
  if (rank < 3)
    return node.error("needs an input of rank 3 or more");
  int64_t axis = isLast ? rank - 1 : 1;
  DimAttr channels = node.type(0).getDim(axis);
  DimExpr width = groups < 1 ? DimExpr() : graph::divideExactly(channels, node.dim(groups));
  if (!width)
    return node.error("has groups = " + Twine(groups) + " for " + channels.str() + " channels");
  Value x = node.input(0);
  ArrayRef<DimAttr> dims = node.type(0).getDims();
  auto atChannels = [&](Value value) {
    return node.broadcast(node.reshape(value, {channels}), {axis}, dims);
  };
  if (kHasSkip) {
    // Of the same shape, or one row of channels for each sample.
    Value skip = node.input(3);
    graph::TensorType type = graph::getTensorType(skip);
    if (type.rank() == 2)
      skip = node.broadcast(node.reshape(skip, {dims[0], channels}), {0, axis}, dims);
    x = node.add(x, node.broadcastTo(skip, dims));
    if (node.input(4))
      x = node.add(x, atChannels(node.input(4)));
  }
  Value sum = x;
  Type element = node.type(0).getElementType(), wide = atLeastF32(element);
  x = node.moveAxis(node.convert(x, wide), axis, 1);
  DimList moved(graph::getTensorType(x).getDims()), apart{moved[0], node.dim(groups), width.get()};
  llvm::append_range(apart, ArrayRef<DimAttr>(moved).drop_front(2));
  x = node.reshape(x, apart);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, apart.size()));
  auto reduced = graph::getTensorType(x).withDims({apart[0], apart[1]});
  Value mean = node.create<graph::MeanOp>(reduced, x, axes);
  Value variance = node.create<graph::VarianceOp>(reduced, x, axes);
  Value factor = node.create<graph::RsqrtOp>(node.add(variance, node.getFloat("epsilon", 1e-5f)));
  x = node.mul(node.sub(x, node.expand(mean, axes, x)), node.expand(factor, axes, x));
  x = node.moveAxis(node.reshape(x, moved), 1, axis);
  x = node.add(node.mul(x, atChannels(node.convert(node.input(1), wide))),
               atChannels(node.convert(node.input(2), wide)));
  if (node.getInt("activation", 0))
    x = node.create<graph::SiluOp>(x);
  node.setOutput(node.convert(x, element));
  if (node.proto.output_size() > 1)
    node.setOutput(sum);
  return success();
}

//===----------------------------------------------------------------------===//
// Biases of scores by position
//===----------------------------------------------------------------------===//

/// T5's bias of each head by how far a key is from its query: near ones have buckets of their own,
/// far ones share those of a logarithmic scale (Raffel et al. 2020, relative_position_bucket of the
/// authors' code). The table is stored with its heads first, though its shape says otherwise.
static LogicalResult importRelativePositionBias(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  graph::TensorType table = node.type(0);
  int64_t farthest = node.getInt("max_distance", 128);
  bool isBoth = node.getInt("is_bidirectional", 0);
  if (table.rank() != 2 || !table.hasStaticShape() || table.getDim(0).getValue() < 4)
    return node.error("needs a table [buckets, heads] of at least 4 buckets");
  int64_t buckets = table.getDim(0).getValue(), own = isBoth ? buckets / 2 : buckets;
  int64_t exact = own / 2;
  if (farthest <= exact)
    return node.error("has max_distance " + Twine(farthest) + ", expected more than " +
                      Twine(exact));
  DimList sizes[2];
  for (size_t i : {0, 1})
    if (failed(node.sizesOf(i + 1, i ? "key_length" : "query_length", sizes[i])) ||
        sizes[i].size() != 1)
      return node.error("needs one number as the length of queries and of keys");
  DimList dims{sizes[0][0], sizes[1][0]};
  Value distance = node.sub(node.iota(dims, 0), node.iota(dims, 1)),
        zero = node.fillLike(distance, 0);
  Value away = isBoth ? node.create<graph::AbsOp>(distance) : node.max(distance, zero);
  Type f32 = node.getBuilder().getF32Type();
  Value far = node.convert(node.max(away, 1.0), f32);
  far = node.create<graph::LogOp>(node.mul(far, 1.0 / double(exact)));
  far = node.mul(far, double(own - exact) / std::log(double(farthest) / double(exact)));
  far = node.min(node.add(node.convert(far, node.si64()), double(exact)), double(own - 1));
  Value bucket = node.choose(
      node.compare(CompareKind::lt, away, node.fillLike(away, double(exact))), away, far);
  if (isBoth)
    bucket = node.choose(node.compare(CompareKind::lt, distance, zero),
                         node.add(bucket, double(own)), bucket);
  Value heads = node.reshape(node.input(0), {table.getDim(1), table.getDim(0)});
  Value bias = node.create<graph::GatherOp>(heads, bucket, 1);
  node.setOutput(node.reshape(bias, {node.dim(1), table.getDim(1), dims[0], dims[1]}));
  return success();
}

/// WavLM's bias: one by position, times a gate of the queries. Inputs: queries, their bias, the
/// bias by position, weights and bias of the gates, a factor for each head.
static LogicalResult importGatedPositionBias(Node &node) {
  if (failed(node.needInputs(6)))
    return failure();
  if (node.input(6))
    return node.error("has token_offset: packed batches are not supported");
  int64_t count = node.getInt("num_heads", 0);
  FailureOr<Value> apart = node.splitHeads(addAll(node, node.input(0), {node.input(1)}), count);
  if (failed(apart))
    return failure();
  FailureOr<Value> gates =
      importAs(node, "MatMul", {node.transpose(*apart, {0, 2, 1, 3}), node.input(3)});
  if (failed(gates))
    return failure();
  Value g = addAll(node, *gates, {node.input(4)});
  DimList dims(graph::getTensorType(g).getDims());
  DimExpr half = graph::divideExactly(dims.back(), node.dim(2));
  if (!half)
    return node.error("has " + dims.back().str() + " columns of gates, expected an even number");
  dims.back() = node.dim(2);
  dims.push_back(half);
  g = node.create<graph::SigmoidOp>(node.sum(node.reshape(g, dims), {4}));
  DimList one(ArrayRef<DimAttr>(dims).take_front(3));
  auto gate = [&](int64_t place) { return node.dropAxis(g, 3, place); };
  Value factor = node.broadcast(node.reshape(node.input(5), {dims[1]}), {1}, one);
  Value whole = node.add(node.mul(gate(1), factor), -1);
  whole = node.add(node.mul(gate(0), whole), 2);
  DimList all(one);
  all.push_back(one[2]);
  node.setOutput(
      node.mul(node.broadcast(whole, {0, 1, 2}, all), node.broadcastTo(node.input(2), all)));
  return success();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static LogicalResult importMatMulInteger16(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  MLIRContext *context = node.getBuilder().getContext();
  bool isSigned = !node.type(0).getElementType().isUnsignedInteger() ||
                  !node.type(1).getElementType().isUnsignedInteger();
  Type wide = IntegerType::get(context, 32, isSigned ? IntegerType::Signed : IntegerType::Unsigned);
  FailureOr<Value> y = importAs(
      node, "MatMul", {node.convert(node.input(0), wide), node.convert(node.input(1), wide)});
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}

/// Distances between all rows of two matrices.
static LogicalResult importCDist(Node &node) {
  std::string metric = node.getString("metric", "sqeuclidean");
  if (failed(node.needInputs(2)) || node.type(0).rank() != 2 || node.type(1).rank() != 2)
    return node.error("needs two matrices");
  if (metric != "euclidean" && metric != "sqeuclidean")
    return node.error("has metric " + quoted(metric) + ", expected euclidean or sqeuclidean");
  DimList dims{node.type(0).getDim(0), node.type(1).getDim(0), node.type(0).getDim(1)};
  Value y = node.reshape(node.input(1), {dims[1], dims[2]});
  Value apart =
      node.sub(node.broadcast(node.input(0), {0, 2}, dims), node.broadcast(y, {1, 2}, dims));
  Value sum = node.sum(node.mul(apart, apart), {2});
  node.setOutput(metric == "euclidean" ? node.create<graph::SqrtOp>(sum) : sum);
  return success();
}

/// A times a matrix [N, K], whose numbers are one of 16 each: two in a byte, the higher first. A
/// block of them in row-major order has its largest magnitude as its scale.
static LogicalResult importMatMulBnb4(Node &node) {
  // FP4 as bitsandbytes has it, and the quantiles of NF4 (Dettmers et al. 2023, appendix E).
  static const double kFp4[] = {
      0,    0.00520833333,  0.66666667,  1,  0.33333333,  0.5,  0.16666667,  0.25,
      -0.0, -0.00520833333, -0.66666667, -1, -0.33333333, -0.5, -0.16666667, -0.25};
  static const double kNf4[] = {-1,
                                -0.6961928009986877,
                                -0.5250730514526367,
                                -0.39491748809814453,
                                -0.28444138169288635,
                                -0.18477343022823334,
                                -0.09105003625154495,
                                0,
                                0.07958029955625534,
                                0.16093020141124725,
                                0.24611230194568634,
                                0.33791524171829224,
                                0.44070982933044434,
                                0.5626170039176941,
                                0.7229568362236023,
                                1};
  const int64_t columns = node.getInt("K", 0), rows = node.getInt("N", 0);
  const int64_t size = node.getInt("block_size", 0), kind = node.getInt("quant_type", 1);
  if (failed(node.needInputs(3)))
    return failure();
  if (columns < 1 || rows < 1 || columns > INT32_MAX || rows > INT32_MAX || size < 16 ||
      size > (1 << 20) || !llvm::isPowerOf2_64(uint64_t(size)) || (kind != 0 && kind != 1))
    return node.error("has K = " + Twine(columns) + ", N = " + Twine(rows) +
                      ", block_size = " + Twine(size) + ", quant_type = " + Twine(kind) +
                      ", expected positive numbers, a power of two from 16 on, and 0 (FP4) or 1 "
                      "(NF4)");
  if (!node.type(1).getElementType().isInteger(8))
    return node.error("has a matrix that is not in bytes (ui8)");
  const int64_t count = rows * columns, bytes = llvm::divideCeil(count, 2);
  const int64_t blocks = llvm::divideCeil(count, size);
  Type element = node.type(0).getElementType();
  Value packed = node.reshape(node.input(1), {node.dim(bytes)});
  DimList one{node.dim(bytes), node.dim(1)};
  Value high = node.create<graph::ShrOp>(packed, node.fillLike(packed, 4));
  Value low = node.create<graph::AndOp>(packed, node.fillLike(packed, 15));
  Value codes = node.concat({node.reshape(high, one), node.reshape(low, one)}, 1);
  codes = node.cut(node.reshape(codes, {node.dim(2 * bytes)}), 0, node.dim(0), node.dim(count));
  auto table = graph::TensorType::get({node.dim(16)}, node.getBuilder().getF32Type());
  SmallVector<float> values;
  for (double value : kind ? kNf4 : kFp4)
    values.push_back(float(value));
  Value known = node.create<graph::ConstantOp>(
      table, DenseElementsAttr::get(llvm::cast<ShapedType>(Type(table)), ArrayRef<float>(values)));
  Value weight = node.create<graph::GatherOp>(node.convert(known, element), codes, 0);
  Value scale = node.reshape(node.convert(node.input(2), element), {node.dim(blocks), node.dim(1)});
  scale = node.broadcastTo(scale, {node.dim(blocks), node.dim(size)});
  scale = node.cut(node.reshape(scale, {node.dim(blocks * size)}), 0, node.dim(0), node.dim(count));
  weight = node.reshape(node.mul(weight, scale), {node.dim(rows), node.dim(columns)});
  if (node.getInt("transB", 1))
    weight = node.transpose(weight, {1, 0});
  FailureOr<Value> y = importAs(node, "MatMul", {node.input(0), weight});
  if (failed(y))
    return failure();
  node.setOutput(*y);
  return success();
}

ArrayRef<Operator> tessera::onnx::microsoftModelOperators() {
  static const Operator table[] = {
      {"BiasAdd", 1, importBiasAdd},
      {"BiasSplitGelu", 1, importBiasSplitGelu},
      {"CDist", 1, importCDist},
      {"ExpandDims", 1, importExpandDims},
      {"GatedRelativePositionBias", 1, importGatedPositionBias},
      {"GatherND", 1, importGatherNd},
      {"GemmFastGelu", 1, importGemmFastGelu},
      {"GroupNorm", 1, importGroupNorm<false>},
      {"MatMulBnb4", 1, importMatMulBnb4},
      {"MatMulInteger16", 1, importMatMulInteger16},
      {"Pad", 1, importPad},
      {"Range", 1, importRange},
      {"RelativePositionBias", 1, importRelativePositionBias},
      {"SkipGroupNorm", 1, importGroupNorm<true>},
      {"Trilu", 1, importTrilu},
  };
  return table;
}
