//===- OpsMicrosoftAttention.cpp - Attention as onnxruntime's optimizer writes it
//--------------===//
//
// Products, a softmax and a bias that hides keys; that they can be one kernel is found out later.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
/// Queries, keys and values are [batch, heads, rows, width].
class MicrosoftAttention {
public:
  explicit MicrosoftAttention(Node &node) : node(node), heads(node.getInt("num_heads", 0)) {}
  LogicalResult runAttention(Value product);
  /// Where inputs stand that not all operators have at one place.
  struct Places {
    size_t bias, mask, scoreBias, past;
  };
  LogicalResult runMultiHead(const Places &places);

private:
  FailureOr<Value> apart(Value x);
  LogicalResult unpack();
  Value addPart(Value x, Value bias, DimAttr first);
  LogicalResult addPast(Value keysBefore, Value valuesBefore);
  LogicalResult hideKeys(Value &scores, Value mask, bool isPadding);
  void addBias(Value &scores, Value bias);
  LogicalResult attend(Value mask, bool isPadding, Value bias);

  Node &node;
  int64_t heads;
  Value q, k, v;
  Value weights; ///< of [batch, heads, queries, keys], once they are known
  DimAttr batch, queries, keys;
};
} // namespace

/// [batch, rows, heads * width] as [batch, heads, rows, width].
FailureOr<Value> MicrosoftAttention::apart(Value x) {
  if (graph::getTensorType(x).rank() == 4)
    return x;
  if (heads < 1 || graph::getTensorType(x).rank() != 3)
    return node.error("needs num_heads, and queries, keys and values of rank 3");
  FailureOr<Value> result = node.splitHeads(x, heads);
  if (failed(result))
    return failure();
  return node.transpose(*result, {0, 2, 1, 3});
}

/// x with its part of the bias of queries, keys and values.
Value MicrosoftAttention::addPart(Value x, Value bias, DimAttr first) {
  graph::TensorType type = graph::getTensorType(x);
  return node.add(x, node.broadcast(node.cut(bias, 0, first, type.getDim(2)), {2}, type.getDims()));
}

LogicalResult MicrosoftAttention::addPast(Value keysBefore, Value valuesBefore) {
  for (auto [x, before] : {std::pair(&k, keysBefore), std::pair(&v, valuesBefore)}) {
    if (!before)
      continue;
    if (graph::getTensorType(before).rank() != 4)
      return node.error("needs past keys and values of rank 4");
    DimList dims(graph::getTensorType(*x).getDims());
    dims[2] = graph::getTensorType(before).getDim(2);
    *x = node.concat({node.reshape(before, dims), *x}, 2);
  }
  return success();
}

/// Adds mask_filter_value where the mask hides a key. `isPadding`: a mask of rank 1 is the number
/// of keys of each sample, or where each one's keys end and then where they begin.
LogicalResult MicrosoftAttention::hideKeys(Value &scores, Value mask, bool isPadding) {
  graph::TensorType type = graph::getTensorType(scores);
  ArrayRef<DimAttr> dims = type.getDims();
  if (mask) {
    graph::TensorType given = graph::getTensorType(mask);
    Value isSeen;
    if (given.rank() == 1 && isPadding) {
      Value key = node.iota(dims, 3), numbers = node.convert(mask, node.si64());
      auto each = [&](Value value) {
        return node.broadcast(node.reshape(value, {batch}), {0}, dims);
      };
      DimExpr parts = graph::divideExactly(given.getDim(0), batch);
      if (parts && parts.get().getConstant() == 2) {
        isSeen = node.create<graph::AndOp>(
            node.compare(CompareKind::lt, key, each(node.cut(numbers, 0, node.dim(0), batch))),
            node.compare(CompareKind::ge, key, each(node.cut(numbers, 0, batch, batch))));
      } else {
        isSeen = node.compare(CompareKind::lt, key, each(numbers));
      }
    } else if (given.rank() == 2 || given.rank() == 3) {
      DimList own{batch, keys};
      SmallVector<int64_t> places{0, 3};
      if (given.rank() == 3) {
        own.insert(own.begin() + 1, queries);
        places = {0, 2, 3};
      }
      Value shown = node.compare(CompareKind::gt, node.reshape(mask, own),
                                 node.fillLike(node.reshape(mask, own), 0));
      isSeen = node.broadcast(shown, places, dims);
    } else {
      return node.error("has a mask of rank " + Twine(given.rank()) + ", which is not supported");
    }
    Value hidden = node.fill(type, node.getFloat("mask_filter_value", -10000));
    scores = node.add(scores, node.choose(isSeen, node.fill(type, 0), hidden));
  }
  if (node.getInt("unidirectional", 0)) {
    // The last query stands at the last key.
    Value key = node.iota(dims, 3), query = node.iota(dims, 2);
    Value offset = node.create<graph::DimValueOp>(node.known(DimExpr(keys) - DimExpr(queries)));
    Value isBefore =
        node.compare(CompareKind::le, key, node.add(query, node.broadcast(offset, {}, dims)));
    Value lowest = node.fill(type, -std::numeric_limits<double>::infinity());
    scores = node.choose(isBefore, scores, lowest);
  }
  return success();
}

void MicrosoftAttention::addBias(Value &scores, Value bias) {
  if (bias)
    scores = node.add(scores, node.broadcastTo(bias, graph::getTensorType(scores).getDims()));
}

LogicalResult MicrosoftAttention::attend(Value mask, bool isPadding, Value bias) {
  graph::TensorType query = graph::getTensorType(q);
  batch = query.getDim(0);
  queries = query.getDim(2);
  keys = graph::getTensorType(k).getDim(2);
  DimAttr width = query.getDim(3);
  double scale = node.getFloat("scale", 0);
  if (scale == 0 && !width.isConstant())
    return node.error("has heads of a width that is not known when compiling, and no scale");
  if (scale == 0)
    scale = 1 / std::sqrt(double(width.getValue()));
  graph::TensorType value = graph::getTensorType(v);
  k = node.reshape(k, {batch, query.getDim(1), keys, width});
  v = node.reshape(v, {batch, query.getDim(1), keys, value.getDim(3)});
  Type wide = atLeastF32(query.getElementType());
  auto type = graph::TensorType::get({batch, query.getDim(1), queries, keys}, wide);
  Value scores =
      node.mul(node.create<graph::ContractOp>(type, "bhsd,bhtd->bhst", q, k, TypeAttr()), scale);
  if (failed(hideKeys(scores, mask, isPadding)))
    return failure();
  addBias(scores, bias ? node.convert(bias, wide) : bias);
  weights = node.create<graph::SoftmaxOp>(scores.getType(), scores, 3);
  graph::TensorType result = query.withDims({batch, query.getDim(1), queries, value.getDim(3)});
  Value y = node.create<graph::ContractOp>(
      result, "bhst,bhtd->bhsd", node.convert(weights, query.getElementType()), v, TypeAttr());
  DimExpr columns = DimExpr(query.getDim(1)) * value.getDim(3);
  if (!columns)
    return node.error("its extents overflow");
  node.setOutput(node.reshape(node.transpose(y, {0, 2, 1, 3}), {batch, queries, columns.get()}));
  return success();
}

/// `product`: queries, keys and values side by side, biases added. Inputs: x, weights, bias, mask,
/// past, bias of the scores.
LogicalResult MicrosoftAttention::runAttention(Value product) {
  graph::TensorType type = graph::getTensorType(product);
  if (type.rank() != 3)
    return node.error("needs an input of rank 3");
  if (node.getInt("do_rotary", 0) || node.getInt("past_present_share_buffer", 0))
    return node.error("turns its queries or shares its cache, which is not supported");
  DimList widths;
  if (std::optional<SmallVector<int64_t>> given = node.getInts("qkv_hidden_sizes")) {
    for (int64_t width : *given)
      widths.push_back(node.dim(width));
  } else {
    DimExpr third = graph::divideExactly(type.getDim(2), node.dim(3));
    if (!third)
      return node.error("has weights whose columns are no multiple of 3");
    widths.assign(3, third.get());
  }
  if (widths.size() != 3)
    return node.error("has " + Twine(widths.size()) + " entries in qkv_hidden_sizes, expected 3");
  DimExpr first = node.dim(0);
  Value *parts[] = {&q, &k, &v};
  for (auto [part, width] : llvm::zip(parts, widths)) {
    FailureOr<Value> own = apart(node.cut(product, 2, first, width));
    if (failed(own))
      return failure();
    *part = *own;
    first = first + width;
  }
  if (Value before = node.input(4)) {
    if (graph::getTensorType(before).rank() != 5)
      return node.error("needs past keys and values of rank 5");
    if (failed(addPast(node.dropAxis(before, 0, 0), node.dropAxis(before, 0, 1))))
      return failure();
  }
  if (failed(attend(node.input(3), true, node.input(5))))
    return failure();
  if (node.proto.output_size() > 1) {
    SmallVector<Value> both;
    for (Value x : {k, v}) {
      DimList dims(graph::getTensorType(x).getDims());
      dims.insert(dims.begin(), node.dim(1));
      both.push_back(node.reshape(x, dims));
    }
    node.setOutput(node.concat(both, 0));
  }
  return success();
}

/// Queries, keys and values, or the last two, in one tensor [batch, rows, heads, 3 or 2, width].
LogicalResult MicrosoftAttention::unpack() {
  bool hasQueries = k && graph::getTensorType(k).rank() == 5;
  Value packed = hasQueries ? k : q;
  graph::TensorType type = graph::getTensorType(packed);
  int64_t count = hasQueries ? 2 : 3;
  if (v || (k && !hasQueries) || type.rank() != 5 || type.getDim(3).getConstant() != count)
    return node.error("needs queries, keys and values");
  auto part = [&](int64_t place) {
    return node.transpose(node.dropAxis(packed, 3, place), {0, 2, 1, 3});
  };
  if (!hasQueries)
    q = part(0);
  k = part(count - 2);
  v = part(count - 1);
  return success();
}

/// Inputs: queries, keys, values, and what stands at `places`; past values stand behind past keys.
LogicalResult MicrosoftAttention::runMultiHead(const Places &places) {
  q = node.input(0);
  k = node.input(1);
  v = node.input(2);
  if (!q || ((!k || !v) && failed(unpack())))
    return q ? failure() : node.error("needs queries, keys and values");
  if (Value bias = node.input(places.bias)) {
    DimExpr first = node.dim(0);
    for (Value *part : {&q, &k, &v}) {
      graph::TensorType type = graph::getTensorType(*part);
      if (type.rank() != 3) // Keys and values of an earlier call have had theirs.
        continue;
      *part = addPart(*part, bias, first);
      first = first + type.getDim(2);
    }
  }
  for (Value *part : {&q, &k, &v}) {
    FailureOr<Value> own = apart(*part);
    if (failed(own))
      return failure();
    *part = *own;
  }
  if (failed(addPast(node.input(places.past), node.input(places.past + 1))))
    return failure();
  Value presentKeys = k, presentValues = v;
  if (failed(attend(node.input(places.mask), true, node.input(places.scoreBias))))
    return failure();
  if (node.proto.output_size() > 1)
    node.setOutput(presentKeys);
  if (node.proto.output_size() > 2)
    node.setOutput(presentValues);
  if (node.proto.output_size() > 3)
    node.setOutput(weights);
  return success();
}

static LogicalResult importAttention(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  FailureOr<Value> product = importAs(node, "MatMul", {node.input(0), node.input(1)});
  if (failed(product))
    return failure();
  Value x = *product;
  if (node.input(2))
    x = node.add(x, node.broadcastTo(node.input(2), graph::getTensorType(x).getDims()));
  return MicrosoftAttention(node).runAttention(x);
}

static LogicalResult importMultiHeadAttention(Node &node) {
  if (node.input(8) || node.input(9))
    return node.error("has past_sequence_length or cache_indirection: a cache that calls share is "
                      "not supported, expected one that grows");
  return MicrosoftAttention(node).runMultiHead(
      {/*bias=*/3, /*mask=*/4, /*scoreBias=*/5, /*past=*/6});
}

/// The same for one query, with its inputs in another order.
static LogicalResult importDecoderAttention(Node &node) {
  bool isCross = node.input(1) && node.type(1).rank() == 4; // keys that are never added to
  if (node.input(9) || (!isCross && (node.getInt("past_present_share_buffer", 0) || node.input(7))))
    return node.error("shares its cache (past_present_share_buffer), which is not supported, "
                      "expected one that grows");
  return MicrosoftAttention(node).runMultiHead(
      {/*bias=*/10, /*mask=*/3, /*scoreBias=*/4, /*past=*/5});
}

/// Quantized input and weights: x, weights, bias, their scales, mask, their zero points, past.
static LogicalResult importQAttention(Node &node) {
  if (failed(node.needInputs(5)))
    return failure();
  FailureOr<Value> sums =
      importAs(node, "MatMulInteger", {node.input(0), node.input(1), node.input(6), node.input(7)});
  if (failed(sums))
    return failure();
  Type element = graph::getTensorType(node.input(3)).getElementType();
  Value x = node.convert(*sums, element);
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
  Value scale =
      node.mul(node.broadcastTo(node.input(3), dims), node.broadcastTo(node.input(4), dims));
  x = node.add(node.mul(x, scale), node.broadcastTo(node.input(2), dims));
  Value mask = node.input(5), past = node.input(8);
  node.inputs = {node.input(0), node.input(1), node.input(2), mask, past};
  return MicrosoftAttention(node).runAttention(x);
}

/// Inputs: x, positions, cosines, sines. x is [batch, rows, heads * width], or has its heads first.
static LogicalResult importRotaryEmbedding(Node &node) {
  if (failed(node.needInputs(4)) || node.type(2).rank() != 2)
    return node.error("needs an input, positions and two tables of rank 2");
  if (node.getInt("is_packed_batching", 0) || node.getFloat("scale", 1) != 1)
    return node.error("has packed batches or a scale, which is not supported");
  Value x = node.input(0);
  bool isPacked = node.type(0).rank() == 3;
  if (isPacked) {
    DimExpr width = DimExpr(node.type(2).getDim(1)) * 2;
    if (int64_t heads = node.getInt("num_heads", 0))
      width = graph::divideExactly(node.type(0).getDim(2), node.dim(heads));
    DimExpr heads = width ? graph::divideExactly(node.type(0).getDim(2), width.get()) : DimExpr();
    if (!heads)
      return node.error("has no whole number of heads");
    x = node.reshape(x, {node.type(0).getDim(0), node.type(0).getDim(1), heads.get(), width.get()});
    x = node.transpose(x, {0, 2, 1, 3});
  }
  if (graph::getTensorType(x).rank() != 4)
    return node.error("needs an input of rank 3 or 4");
  DimList rows{graph::getTensorType(x).getDim(0), graph::getTensorType(x).getDim(2)};
  Value positions = node.convert(node.input(1), node.si64());
  // One number is the position of the first row.
  if (node.type(1).rank() == 1)
    positions = node.add(node.iota(rows, 1), node.broadcast(node.reshape(positions, {}), {}, rows));
  FailureOr<Value> y =
      importAs(node, "RotaryEmbedding", {x, node.input(2), node.input(3), positions});
  if (failed(y))
    return failure();
  node.setOutput(isPacked ? node.reshape(node.transpose(*y, {0, 2, 1, 3}), node.type(0).getDims())
                          : *y);
  return success();
}

ArrayRef<Operator> tessera::onnx::microsoftAttentionOperators() {
  static const Operator table[] = {
      {"Attention", 1, importAttention},
      {"DecoderMaskedMultiHeadAttention", 1, importDecoderAttention},
      {"MultiHeadAttention", 1, importMultiHeadAttention},
      {"QAttention", 1, importQAttention},
      {"RotaryEmbedding", 1, importRotaryEmbedding},
  };
  return table;
}
