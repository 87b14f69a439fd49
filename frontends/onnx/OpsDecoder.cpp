//===- OpsDecoder.cpp - What decoders have beside attention -----------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// LinearAttention: a state [batch, heads, width of keys, width of values] instead of scores
//===----------------------------------------------------------------------===//

namespace {
class LinearAttentionImporter {
public:
  explicit LinearAttentionImporter(Node &node) : node(node) {}
  LogicalResult run();

private:
  LogicalResult read();
  /// [batch, rows, heads] at the dims of the heads' state.
  Value atState(Value x) { return node.broadcast(x, {0, 1}, state); }
  /// One step: the next state, and what the queries read of it.
  std::pair<Value, Value> step(Value held, ArrayRef<Value> slices);

  Node &node;
  Type wide;
  int64_t heads = 0, groups = 0;
  double scale = 1;
  bool hasDecay = false, corrects = false, decayPerKey = false;
  SmallVector<Value> xs; // query, key, value, decay and beta where there are
  DimList state, read_;
};
} // namespace

LogicalResult LinearAttentionImporter::read() {
  std::string rule = node.getString("update_rule", "gated_delta");
  if (!llvm::is_contained({"linear", "gated", "delta", "gated_delta"}, StringRef(rule)))
    return node.error("has update rule '" + rule +
                      "', expected linear, gated, delta or gated_delta");
  hasDecay = StringRef(rule).starts_with("gated");
  corrects = StringRef(rule).ends_with("delta");
  if (failed(node.needInputs(3)))
    return failure();
  if (bool(node.input(4)) != hasDecay || bool(node.input(5)) != corrects)
    return node.error("has update rule '" + rule + "', which " + (hasDecay ? "needs" : "takes no") +
                      " decay and " + (corrects ? "needs" : "takes no") + " beta");
  int64_t queryHeads = node.getInt("q_num_heads", 0);
  heads = node.getInt("kv_num_heads", 0);
  if (heads < 1 || queryHeads < 1 || queryHeads % heads)
    return node.error("has " + Twine(queryHeads) + " heads of queries for " + Twine(heads) +
                      " of keys");
  groups = queryHeads / heads;
  wide = atLeastF32(node.type(0).getElementType());
  for (auto [i, count] : {std::pair(0, queryHeads), std::pair(1, heads), std::pair(2, heads)}) {
    FailureOr<Value> apart = node.splitHeads(node.convert(node.input(i), wide), count);
    if (failed(apart))
      return failure();
    xs.push_back(*apart);
  }
  graph::TensorType key = graph::getTensorType(xs[1]), value = graph::getTensorType(xs[2]);
  DimAttr batch = key.getDim(0), rows = key.getDim(1), width = key.getDim(3);
  state = {batch, node.dim(heads), width, value.getDim(3)};
  xs[0] = node.reshape(xs[0], {batch, rows, node.dim(heads), node.dim(groups), width});
  xs[2] = node.reshape(xs[2], {batch, rows, node.dim(heads), value.getDim(3)});
  if (hasDecay) {
    DimAttr columns = node.type(4).rank() == 3 ? node.type(4).getDim(2) : DimAttr();
    DimExpr perKey = DimExpr(width) * heads;
    decayPerKey = columns && columns == perKey.get() && columns.getConstant() != heads;
    if (!columns || (!decayPerKey && columns.getConstant() != heads))
      return node.error("needs a decay for each head, or for each key column of each head");
    Value decay = node.convert(node.input(4), wide);
    xs.push_back(decayPerKey ? node.reshape(decay, {batch, rows, node.dim(heads), width})
                             : node.reshape(decay, {batch, rows, node.dim(heads)}));
  }
  if (corrects) {
    DimList each{batch, rows, node.dim(heads)};
    DimList own(node.type(5).getDims());
    if (own.size() != 3 || (own[2].getConstant() != 1 && own[2].getConstant() != heads))
      return node.error("needs one beta for each head, or one for all");
    xs.push_back(node.broadcastTo(node.convert(node.input(5), wide), each));
  }
  scale = node.getFloat("scale", 0);
  if (scale == 0) {
    if (!width.isConstant())
      return node.error("has heads of a width that is not known when compiling, and no scale");
    scale = 1 / std::sqrt(double(width.getValue()));
  }
  return success();
}

std::pair<Value, Value> LinearAttentionImporter::step(Value held, ArrayRef<Value> slices) {
  Value query = slices[0], key = slices[1], value = slices[2];
  if (hasDecay) {
    Value factor = node.create<graph::ExpOp>(slices[3]);
    held = node.mul(held, decayPerKey ? node.broadcast(factor, {0, 1, 2}, state) : atState(factor));
  }
  graph::TensorType type = graph::getTensorType(held), row = graph::getTensorType(value);
  if (corrects) {
    Value known = node.create<graph::ContractOp>(row, "bhkv,bhk->bhv", held, key, TypeAttr());
    value = node.mul(node.sub(value, known), node.broadcast(slices.back(), {0, 1}, row.getDims()));
  }
  held = node.add(held, node.mul(node.broadcast(key, {0, 1, 2}, state),
                                 node.broadcast(value, {0, 1, 3}, state)));
  DimList dims(graph::getTensorType(query).getDims());
  dims.back() = state[3];
  Value result = node.create<graph::ContractOp>(type.withDims(dims), "bhgk,bhkv->bhgv", query, held,
                                                TypeAttr());
  return {held, node.mul(result, scale)};
}

LogicalResult LinearAttentionImporter::run() {
  if (failed(read()))
    return failure();
  OpBuilder &builder = node.getBuilder();
  graph::TensorType held = graph::TensorType::get(state, wide);
  Value start = node.fill(held, 0);
  Type kept = node.type(0).getElementType();
  if (Value past = node.input(3)) {
    kept = node.type(3).getElementType();
    start = node.reshape(node.convert(past, wide), state);
  }
  graph::TensorType query = graph::getTensorType(xs[0]);
  DimList out(query.getDims());
  out.back() = state[3];
  SmallVector<Type> results{held, held.withDims(out)};
  auto scan = graph::ScanOp::create(builder, node.getLoc(), results, start, xs, /*axis=*/1,
                                    /*reverse=*/false);
  Block &body = scan.getBody().emplaceBlock();
  body.addArgument(held, node.getLoc());
  for (Value x : xs)
    body.addArgument(scan.getSliceType(x.getType()), node.getLoc());
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&body);
    SmallVector<Value> slices(body.getArguments().drop_front());
    auto [next, read] = step(body.getArgument(0), slices);
    graph::YieldOp::create(builder, node.getLoc(), ValueRange{next, read});
  }
  DimExpr columns = DimExpr(state[3]) * (heads * groups);
  if (!columns)
    return node.error("its extents overflow");
  Value all = node.reshape(scan.getResult(1), {out[0], out[1], columns.get()});
  node.setOutput(node.convert(all, node.type(0).getElementType()));
  node.setOutput(node.convert(scan.getResult(0), kept));
  return success();
}

static LogicalResult importLinearAttention(Node &node) {
  return LinearAttentionImporter(node).run();
}

//===----------------------------------------------------------------------===//
// Around attention
//===----------------------------------------------------------------------===//

FailureOr<Value> tessera::onnx::turnPairs(Node &node, Value given, const Rotation &by) {
  Type element = graph::getTensorType(given).getElementType(), wide = atLeastF32(element);
  graph::TensorType type = graph::getTensorType(given);
  if (type.rank() != 4)
    return node.error("needs an input of rank 3 or 4");
  Value x = node.convert(given, wide);
  // Of [batch, rows, half] in x.
  SmallVector<int64_t> places =
      by.hasHeadsLast ? SmallVector<int64_t>{0, 1, 3} : SmallVector<int64_t>{0, 2, 3};
  DimExpr width = type.getDim(3), turned = by.columns ? DimExpr(by.columns) : width;
  DimExpr half = graph::divideExactly(turned, node.dim(2));
  if (!half)
    return node.error("turns an odd number of columns, " + turned.get().str());
  DimList angles{type.getDim(places[0]), type.getDim(places[1]), half.get()}, each(type.getDims());
  each[3] = half;
  int64_t rank = by.positions ? 2 : 3;
  for (Value table : {by.cosines, by.sines})
    if (graph::getTensorType(table).rank() != rank)
      return node.error("has tables of rank " + Twine(graph::getTensorType(table).rank()) +
                        ", expected " +
                        (by.positions ? "2 with positions" : "3 without positions"));
  auto factor = [&](Value table) -> Value {
    table = node.convert(table, wide);
    if (by.positions)
      table = node.create<graph::GatherOp>(table, by.positions, 0);
    return node.broadcast(node.broadcastTo(table, angles), places, each);
  };
  Value cosine = factor(by.cosines), sine = factor(by.sines);
  Value part = node.cut(x, 3, node.dim(0), turned), first, second;
  if (by.isInterleaved) {
    first = node.cut(part, 3, node.dim(0), half, 2);
    second = node.cut(part, 3, node.dim(1), half, 2);
  } else {
    first = node.cut(part, 3, node.dim(0), half);
    second = node.cut(part, 3, half, half);
  }
  Value real = node.sub(node.mul(cosine, first), node.mul(sine, second));
  Value imaginary = node.add(node.mul(sine, first), node.mul(cosine, second));
  if (by.isInterleaved) {
    DimList pair(each), joined(each);
    pair.push_back(node.dim(1));
    joined[3] = turned;
    Value both = node.concat({node.reshape(real, pair), node.reshape(imaginary, pair)}, 4);
    part = node.reshape(both, joined);
  } else {
    part = node.concat({real, imaginary}, 3);
  }
  if (!(turned == width)) {
    Value rest = node.cut(x, 3, turned, width - turned);
    part = node.concat({part, rest}, 3);
  }
  return node.convert(part, element);
}

static LogicalResult importRotaryEmbedding(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  Value x = node.input(0);
  bool hasHeadsLast = node.type(0).rank() == 3;
  if (hasHeadsLast) {
    FailureOr<Value> apart = node.splitHeads(x, node.getInt("num_heads", 0));
    if (failed(apart))
      return failure();
    x = *apart;
  }
  int64_t columns = node.getInt("rotary_embedding_dim", 0);
  FailureOr<Value> turned = turnPairs(node, x,
                                      {node.input(1), node.input(2), node.input(3),
                                       columns ? node.dim(columns) : DimAttr(),
                                       node.getInt("interleaved", 0) != 0, hasHeadsLast});
  if (failed(turned))
    return failure();
  node.setOutput(node.reshape(*turned, node.type(0).getDims()));
  return success();
}

/// Rows of an update replace those of a cache from a place on, for each sample its own.
static LogicalResult importTensorScatter(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  graph::TensorType cache = node.type(0), update = node.type(1);
  int64_t rank = cache.rank(), axis = node.getInt("axis", -2);
  std::string mode = node.getString("mode", "linear");
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  if (axis == 0 || update.rank() != rank || (mode != "linear" && mode != "circular"))
    return node.error("needs a cache and an update of one rank, an axis behind the first, and mode "
                      "linear or circular");
  ShapeScalars scalars(node);
  SmallVector<int64_t> order{0, axis}, back(rank);
  for (int64_t d = 1; d < rank; ++d)
    if (d != axis)
      order.push_back(d);
  for (int64_t d = 0; d < rank; ++d)
    back[order[d]] = d;
  Value x = node.transpose(node.input(0), order), rows = node.transpose(node.input(1), order);
  DimList dims(graph::getTensorType(x).getDims()), flat(ArrayRef<DimAttr>(dims).drop_front(2));
  DimList updated(dims);
  updated[1] = update.getDim(axis);
  DimExpr all = DimExpr(dims[0]) * DimExpr(dims[1]);
  if (!all)
    return node.error("its extents overflow");
  flat.insert(flat.begin(), all);
  DimList each{dims[0], updated[1]};
  Value place = node.iota(each, 1), length = node.broadcast(scalars.number(dims[1]), {}, each);
  if (Value start = node.input(2))
    place =
        node.add(place, node.broadcast(node.reshape(node.convert(start, node.si64()), {dims[0]}),
                                       {0}, each));
  if (mode == "circular")
    place = node.create<graph::ModOp>(place, length);
  // What is behind the end of a sample is behind the end of all.
  Value isInside = node.compare(CompareKind::lt, place, length);
  place = node.add(node.mul(node.iota(each, 0), length), place);
  place = node.choose(isInside, place, node.broadcast(scalars.number(all), {}, each));
  Value result = node.create<graph::ScatterOp>(graph::ScatterKind::replace, node.reshape(x, flat),
                                               place, node.reshape(rows, updated), 0);
  node.setOutput(node.transpose(node.reshape(result, dims), back));
  return success();
}

/// A convolution of each channel with what came before; the last elements go on to the next call.
static LogicalResult importCausalConv(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  graph::TensorType type = node.type(0), weight = node.type(1);
  if (type.rank() != 3 || weight.rank() != 3 || !weight.getDim(0).isConstant() ||
      !weight.getDim(2).isConstant())
    return node.error(
        "needs an input of rank 3 and a weight [channels, 1, width] of known extents");
  std::string activation = node.getString("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return node.error("has activation '" + activation + "', expected none, silu or swish");
  int64_t kept = weight.getDim(2).getValue() - 1;
  if (kept < 0 || weight.getDim(0).getValue() < 1)
    return node.error("has a weight without elements");
  DimList dims(type.getDims()), past(dims);
  dims[1] = past[1] = weight.getDim(0);
  past[2] = node.dim(kept);
  Value x = node.reshape(node.input(0), dims);
  Value before =
      node.input(3) ? node.reshape(node.input(3), past) : node.fill(type.withDims(past), 0);
  Value padded = node.concat({before, x}, 2);
  auto none = graph::DimArrayAttr::get(node.getBuilder().getContext(), {node.dim(0)});
  Value y = node.create<graph::ConvOp>(
      padded, node.input(1), ArrayRef<int64_t>{1}, ArrayRef<int64_t>{1}, none, none,
      uint64_t(weight.getDim(0).getValue()), StringAttr(), TypeAttr());
  y = node.reshape(y, dims);
  if (node.input(2))
    y = node.add(y, node.broadcast(node.input(2), {1}, dims));
  if (activation != "none") {
    Value wide = node.convert(y, atLeastF32(type.getElementType()));
    y = node.convert(node.create<graph::SiluOp>(wide), type.getElementType());
  }
  node.setOutput(y);
  node.setOutput(node.cut(padded, 2, dims[2], past[2]));
  return success();
}

static LogicalResult importSwiGlu(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  Value scaled = node.mul(node.input(0), node.getFloat("alpha", 1));
  Value gate = node.mul(node.input(0), node.create<graph::SigmoidOp>(scaled));
  node.setOutput(node.mul(gate, node.broadcastTo(node.input(1), node.type(0).getDims())));
  return success();
}

ArrayRef<Operator> tessera::onnx::decoderOperators() {
  static const Operator table[] = {
      {"CausalConvWithState", 27, importCausalConv},
      {"LinearAttention", 27, importLinearAttention},
      {"RotaryEmbedding", 23, importRotaryEmbedding},
      {"SwiGLU", 28, importSwiGlu},
      {"TensorScatter", 24, importTensorScatter},
  };
  return table;
}
