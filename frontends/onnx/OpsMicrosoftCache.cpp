//===- OpsMicrosoftCache.cpp - Attention over a cache of keys and values -------------------===//
//
// GroupQueryAttention of com.microsoft: each sample has a number of keys of its own in a cache that
// may be longer; the new ones stand behind those.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
/// Queries are [batch, heads, rows, width], keys and values [batch, kept, keys, width], where a
/// group of `heads / kept` queries' heads reads one head of keys.
class GroupQueryAttention {
public:
  explicit GroupQueryAttention(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  enum Input { kTotal = 6, kPositions = 9, kBias = 10, kSink = 11, kNorm = 14, kValidRows = 16 };

  LogicalResult check();
  LogicalResult readHeads();
  LogicalResult readLengths();
  LogicalResult normalize();
  LogicalResult turn();
  LogicalResult addPast();
  LogicalResult attend();
  Value eachSample(size_t i);
  Value positions();
  Value seen();
  FailureOr<Value> bias();
  Value grouped(Value x);
  Value ungrouped(Value x);

  Node &node;
  ShapeScalars scalars;
  int64_t heads = 0, kept = 0, groups = 1;
  Type element;
  Value q, k, v;
  DimAttr batch, rows, width, total, keys;
  Value lengths; ///< of each sample, the new rows counted: si64 [batch]
  Value before;  ///< the same without the new rows; null: none
};
} // namespace

LogicalResult GroupQueryAttention::check() {
  for (StringRef name : {"k_quant_type", "v_quant_type"})
    if (std::string kind = node.getString(name, "NONE"); kind != "NONE")
      return node.error("has " + name + " " + quoted(kind) +
                        ": a quantized cache is not supported, expected NONE");
  if (node.getInt("sliding_window_cache", 0))
    return node.error("has sliding_window_cache: a cache that drops its first keys is not "
                      "supported, expected one that holds all of them");
  if (!node.input(5) || !node.input(kTotal))
    return node.error("lacks seqlens_k or total_sequence_length (inputs 5 and 6)");
  if (bool(node.input(3)) != bool(node.input(4)))
    return node.error("has past keys or past values, expected both or none");
  if (bool(node.input(kNorm)) != bool(node.input(kNorm + 1)))
    return node.error("has q_norm_weight or k_norm_weight, expected both or none");
  if (node.input(kValidRows) && !node.input(3))
    return node.error("has query_seqlens, which need past keys and values");
  if (!node.getInt("causal", 1) && node.getInt("local_window_size", -1) > 0)
    return node.error("has local_window_size with causal = 0, expected -1");
  return success();
}

LogicalResult GroupQueryAttention::readHeads() {
  heads = node.getInt("num_heads", 0);
  kept = node.getInt("kv_num_heads", 0);
  if (heads < 1 || kept < 1 || heads % kept)
    return node.error("has num_heads = " + Twine(heads) + " for kv_num_heads = " + Twine(kept) +
                      ", expected a positive multiple");
  groups = heads / kept;
  if (!node.input(0) || node.type(0).rank() != 3 || bool(node.input(1)) != bool(node.input(2)))
    return node.error("needs queries of rank 3, with keys and values or all in one");
  const int64_t counts[] = {heads, kept, kept};
  Value parts[] = {node.input(0), node.input(1), node.input(2)};
  if (!node.input(1)) {
    DimExpr one = graph::divideExactly(node.type(0).getDim(2), node.dim(heads + 2 * kept));
    if (!one)
      return node.error("has " + node.type(0).getDim(2).str() + " columns for " +
                        Twine(heads + 2 * kept) + " heads of queries, keys and values");
    DimExpr first = node.dim(0);
    for (auto [part, count] : llvm::zip(parts, counts)) {
      part = node.cut(node.input(0), 2, first, one * count);
      first = first + one * count;
    }
  }
  element = node.type(0).getElementType();
  Value *into[] = {&q, &k, &v};
  for (auto [x, part, count] : llvm::zip(into, parts, counts)) {
    FailureOr<Value> apart = node.splitHeads(part, count);
    if (failed(apart))
      return failure();
    *x = *apart;
  }
  graph::TensorType type = graph::getTensorType(q);
  batch = type.getDim(0);
  rows = type.getDim(1);
  width = type.getDim(3);
  for (Value *x : {&k, &v})
    *x = node.reshape(*x, {batch, rows, node.dim(kept), width});
  return success();
}

/// One integer of each sample.
Value GroupQueryAttention::eachSample(size_t i) {
  return node.reshape(node.convert(node.input(i), node.si64()), {batch});
}

LogicalResult GroupQueryAttention::readLengths() {
  DimList found;
  if (failed(node.extentsOf(kTotal, "total_sequence_length", found)))
    return failure();
  if (found.size() != 1)
    return node.error("has " + Twine(found.size()) +
                      " elements in total_sequence_length, "
                      "expected 1");
  total = keys = found[0];
  lengths = node.add(eachSample(5), 1);
  if (!node.input(3)) {
    keys = rows;
    return success();
  }
  for (size_t i : {3, 4})
    if (node.type(i).rank() != 4 || node.type(i).getElementType() != element)
      return node.error("has past keys or values of another rank or element type than queries");
  keys = node.known(DimExpr::max(total, node.type(3).getDim(2)));
  Value count = node.broadcast(scalars.number(rows), {}, {batch});
  before = node.input(kValidRows) ? node.sub(lengths, eachSample(kValidRows))
                                  : node.max(node.sub(lengths, count), 0.0);
  return success();
}

/// Each head of queries and keys by the mean of its squares.
LogicalResult GroupQueryAttention::normalize() {
  if (!node.input(kNorm))
    return success();
  double otherwise = node.getFloat("qk_norm_epsilon", 1e-6f);
  Builder &b = node.getBuilder();
  for (auto [x, i, name] :
       {std::tuple(&q, kNorm + 0, "q_norm_epsilon"), std::tuple(&k, kNorm + 1, "k_norm_epsilon")}) {
    Value scale = node.reshape(node.input(i), {width});
    *x = node.create<graph::RmsNormOp>(x->getType(), *x, scale, b.getI64IntegerAttr(3),
                                       b.getF64FloatAttr(node.getFloat(name, otherwise)));
  }
  return success();
}

/// Where the queries stand: si64 [batch, rows].
Value GroupQueryAttention::positions() {
  DimList each{batch, rows};
  Value row = node.iota(each, 1);
  Value own = before ? node.add(row, node.broadcast(before, {0}, each)) : row;
  Value given = node.input(kPositions);
  if (!given)
    return own;
  given = node.broadcastTo(node.convert(given, node.si64()), each);
  if (node.input(kValidRows) || graph::isKnownDifferent(rows, total))
    return given;
  // All rows at once: only the first position counts.
  Value flat = node.reshape(given, {node.known(DimExpr(batch) * DimExpr(rows))});
  Value first = node.create<graph::GatherOp>(flat, scalars.number(int64_t(0)), 0);
  Value counted = node.add(row, node.broadcast(first, {}, each));
  if (rows == total)
    return counted;
  Value isFirst = node.compare(CompareKind::eq, scalars.number(rows), scalars.number(total));
  return node.choose(node.broadcast(isFirst, {}, each), counted, given);
}

LogicalResult GroupQueryAttention::turn() {
  if (!node.getInt("do_rotary", 0))
    return success();
  if (!node.input(7) || !node.input(8) || node.type(7).rank() != 2)
    return node.error("turns its queries (do_rotary), which needs two tables of rank 2 (cos_cache, "
                      "sin_cache)");
  DimAttr columns = node.known(DimExpr(node.type(7).getDim(1)) * 2);
  Rotation rotation{node.input(7),
                    node.input(8),
                    positions(),
                    columns,
                    node.getInt("rotary_interleaved", 0) != 0,
                    /*hasHeadsLast=*/true};
  for (Value *x : {&q, &k}) {
    FailureOr<Value> turned = turnPairs(node, *x, rotation);
    if (failed(turned))
      return failure();
    *x = *turned;
  }
  return success();
}

/// Keys and values behind those that the cache has of each sample; what it has behind them is 0.
LogicalResult GroupQueryAttention::addPast() {
  for (Value *x : {&q, &k, &v})
    *x = node.transpose(*x, {0, 2, 1, 3});
  if (!before) {
    DimList all{batch, node.dim(kept), total, width};
    k = node.reshape(k, all);
    v = node.reshape(v, all);
    keys = total;
    return success();
  }
  DimAttr held = node.type(3).getDim(2);
  DimList old{batch, node.dim(kept), held, width}, all(old), update{batch, node.dim(kept), rows};
  all[2] = keys;
  DimExpr count = DimExpr(batch) * kept * DimExpr(keys);
  DimList flat{node.known(count), width};
  MLIRContext *context = node.getBuilder().getContext();
  DimList lo(4, node.dim(0)), hi(lo);
  hi[2] = node.known(DimExpr(keys) - DimExpr(held));
  Value isOld = node.compare(CompareKind::lt, node.iota(old, 2), node.broadcast(before, {0}, old));
  // Row r of head h of sample b goes to (b * kept + h) * keys + before[b] + r.
  Value place = node.add(node.iota(update, 2), node.broadcast(before, {0}, update));
  auto wide = [&](DimAttr dim) { return node.broadcast(scalars.number(dim), {}, update); };
  Value isInside = node.compare(CompareKind::lt, place, wide(keys));
  Value head = node.add(node.mul(node.iota(update, 0), double(kept)), node.iota(update, 1));
  place = node.add(node.mul(head, wide(keys)), place);
  place = node.choose(isInside, place, wide(node.known(count)));
  for (auto [x, past] : {std::pair(&k, node.input(3)), std::pair(&v, node.input(4))}) {
    Value base = node.reshape(past, old);
    base = node.choose(isOld, base, node.fillLike(base, 0));
    if (held != keys)
      base = node.create<graph::PadOp>(graph::PadMode::constant, base, node.scalar(element, 0),
                                       graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                       graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
    Value joined = node.create<graph::ScatterOp>(graph::ScatterKind::replace,
                                                 node.reshape(base, flat), place, *x, 0);
    *x = node.reshape(joined, all);
  }
  return success();
}

/// [batch, heads, ...] with the heads of a group apart.
Value GroupQueryAttention::grouped(Value x) {
  if (groups == 1)
    return x;
  DimList dims(graph::getTensorType(x).getDims());
  dims[1] = node.dim(kept);
  dims.insert(dims.begin() + 2, node.dim(groups));
  return node.reshape(x, dims);
}
Value GroupQueryAttention::ungrouped(Value x) {
  if (groups == 1)
    return x;
  DimList dims(graph::getTensorType(x).getDims());
  dims[1] = node.dim(heads);
  dims.erase(dims.begin() + 2);
  return node.reshape(x, dims);
}

/// Which keys a query sees, for [batch or 1, 1, rows, keys].
Value GroupQueryAttention::seen() {
  DimList dims{before || !node.getInt("causal", 1) ? batch : node.dim(1), node.dim(1), rows, keys};
  Value key = node.iota(dims, 3);
  if (!node.getInt("causal", 1))
    return node.compare(CompareKind::lt, key, node.broadcast(lengths, {0}, dims));
  Value query = node.iota(dims, 2);
  if (before)
    query = node.add(query, node.broadcast(before, {0}, dims));
  Value result = node.compare(CompareKind::le, key, query);
  if (int64_t window = node.getInt("local_window_size", -1); window > 0)
    result = node.create<graph::AndOp>(
        result, node.compare(CompareKind::lt, query, node.add(key, double(window))));
  return result;
}

/// What is added to the scores, whose last axis may be shorter than the cache: there nobody looks.
FailureOr<Value> GroupQueryAttention::bias() {
  Value x = node.convert(node.input(kBias), atLeastF32(element));
  graph::TensorType type = graph::getTensorType(x);
  if (type.rank() != 4)
    return node.error("has a bias of the scores of rank " + Twine(type.rank()) + ", expected 4");
  DimList own(type.getDims()), all{batch, node.dim(heads), rows, keys};
  own[3] = total;
  x = node.reshape(x, own);
  if (total != keys) {
    MLIRContext *context = node.getBuilder().getContext();
    DimList lo(4, node.dim(0)), hi(lo);
    hi[3] = node.known(DimExpr(keys) - DimExpr(total));
    x = node.create<graph::PadOp>(graph::PadMode::constant, x,
                                  node.scalar(graph::getTensorType(x).getElementType(), 0),
                                  graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                  graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  }
  return grouped(node.broadcastTo(x, all));
}

LogicalResult GroupQueryAttention::attend() {
  double scale = node.getFloat("scale", 0);
  if (scale == 0 && !width.isConstant())
    return node.error("has heads of a width that is not known when compiling, and no scale");
  if (scale == 0)
    scale = 1 / std::sqrt(double(width.getValue()));
  Value query = grouped(q);
  DimList dims(graph::getTensorType(query).getDims());
  dims.back() = keys;
  auto type = graph::TensorType::get(dims, atLeastF32(element));
  Value s = node.create<graph::ContractOp>(
      type, groups == 1 ? "bhsd,bhtd->bhst" : "bhgsd,bhtd->bhgst", query, k, TypeAttr());
  s = node.mul(s, scale);
  if (double cap = node.getFloat("softcap", 0); cap > 0)
    s = node.mul(node.create<graph::TanhOp>(node.mul(s, 1 / cap)), cap);
  if (node.input(kBias)) {
    FailureOr<Value> more = bias();
    if (failed(more))
      return failure();
    s = node.add(s, *more);
  }
  Value isSeen = grouped(node.broadcastTo(seen(), {batch, node.dim(heads), rows, keys}));
  Value shown = s;
  s = node.choose(isSeen, s, node.fill(type, -std::numeric_limits<double>::infinity()));
  int64_t axis = type.rank() - 1;
  Value sink = node.input(kSink);
  bool hasSink = sink || node.getInt("smooth_softmax", -1) == 1;
  if (hasSink) {
    // One more key, whose value is nothing.
    DimList one(dims);
    one.back() = node.dim(1);
    auto column = type.withDims(one);
    Value more = node.fill(column, 0);
    if (sink) {
      DimList own{node.dim(kept), node.dim(groups)};
      SmallVector<int64_t> places{1, 2};
      if (groups == 1)
        own.pop_back(), places.pop_back();
      more = node.broadcast(node.reshape(node.convert(sink, column.getElementType()), own), places,
                            one);
    }
    s = node.concat({s, more}, axis);
  }
  Value p = node.create<graph::SoftmaxOp>(s.getType(), s, axis);
  if (hasSink)
    p = node.cut(p, axis, node.dim(0), keys);
  graph::TensorType result = graph::getTensorType(query).withElementType(element);
  Value y =
      node.create<graph::ContractOp>(result, groups == 1 ? "bhst,bhtd->bhsd" : "bhgst,bhtd->bhgsd",
                                     node.convert(p, element), v, TypeAttr());
  y = node.transpose(ungrouped(y), {0, 2, 1, 3});
  node.setOutput(node.reshape(y, {batch, rows, node.known(DimExpr(width) * heads)}));
  if (node.proto.output_size() > 1)
    node.setOutput(k);
  if (node.proto.output_size() > 2)
    node.setOutput(v);
  if (node.proto.output_size() > 3) {
    if (node.getInt("qk_output", 0) == 2)
      shown = p;
    else
      shown = node.choose(isSeen, shown, node.fillLike(shown, 0));
    node.setOutput(node.cut(node.convert(ungrouped(shown), element), 3, node.dim(0), total));
  }
  return success();
}

LogicalResult GroupQueryAttention::run() {
  if (failed(check()) || failed(readHeads()) || failed(readLengths()) || failed(normalize()) ||
      failed(turn()) || failed(addPast()))
    return failure();
  return attend();
}

static LogicalResult importGroupQueryAttention(Node &node) {
  return GroupQueryAttention(node).run();
}

ArrayRef<Operator> tessera::onnx::microsoftCacheOperators() {
  static const Operator table[] = {
      {"GroupQueryAttention", 1, importGroupQueryAttention},
  };
  return table;
}
