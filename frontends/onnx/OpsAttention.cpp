//===- OpsAttention.cpp - Attention in its forms, and what stands around it -------------------===//
//
// Products, a softmax and selections, spelled out: that they can be one kernel is found out later
// from what they compute, not from the operator.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

static const double kInfinity = std::numeric_limits<double>::infinity();

/// [batch, rows, heads * width] as [batch, rows, heads, width].
static FailureOr<Value> splitHeads(Node &node, Value x, int64_t heads) {
  graph::TensorType type = graph::getTensorType(x);
  if (type.rank() != 3 || heads < 1)
    return node.error("needs an input of rank 3 and a positive number of heads");
  DimExpr width = graph::divideExactly(type.getDim(2), node.dim(heads));
  if (!width)
    return node.error("splits " + type.getDim(2).str() + " columns for " + Twine(heads) + " heads");
  return node.reshape(x, {type.getDim(0), type.getDim(1), node.dim(heads), width.get()});
}

/// [batch, rows, heads, width] as [batch, rows, heads * width].
static FailureOr<Value> joinHeads(Node &node, Value x) {
  graph::TensorType type = graph::getTensorType(x);
  DimExpr columns = graph::multiplyDims(node.getBuilder().getContext(), type.getDims().take_back(2));
  if (!columns)
    return node.error("its extents overflow");
  return node.reshape(x, {type.getDim(0), type.getDim(1), columns.get()});
}

static Type atLeastF32(Type type) {
  return type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(type.getContext())) : type;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Queries [batch, heads, queries, width], keys and values [batch, heads, keys, width]; of the
/// query's heads a group shares one of the keys'.
class AttentionImporter {
public:
  explicit AttentionImporter(Node &node) : node(node), scalars(node) {}
  LogicalResult runAttention();
  LogicalResult runFlex();

private:
  LogicalResult readHeads();
  LogicalResult addPast();
  LogicalResult setGroups();
  LogicalResult readScale();
  LogicalResult readOffset();
  Value scores();
  FailureOr<Value> mask();
  Value positions();
  Value grouped(Value x);
  Value ungrouped(Value x);
  Value weighted(Value weights, Value values);
  FailureOr<Value> softmaxType(Type otherwise, Type &type);

  /// Whether the softmax of a row is 0 because it sees no key; null when each row sees one.
  FailureOr<Value> hideKeys(Value &s);

  Node &node;
  ShapeScalars scalars;
  Value q, k, v;
  bool isPacked = false; ///< inputs have rank 3
  int64_t groups = 1;
  double scale = 1;
  Type element;
  DimAttr batch, heads, queries, keys;
  Value offset; ///< position of the first query: si64 of [batch], or a scalar
  bool startsInside = true; ///< no query stands before the first key
};
} // namespace

LogicalResult AttentionImporter::readHeads() {
  if (failed(node.needInputs(3)))
    return failure();
  q = node.input(0);
  k = node.input(1);
  v = node.input(2);
  isPacked = node.type(0).rank() == 3;
  for (auto [x, name] : {std::pair(&q, "q_num_heads"), std::pair(&k, "kv_num_heads"),
                         std::pair(&v, "kv_num_heads")}) {
    if (isPacked) {
      FailureOr<Value> apart = splitHeads(node, *x, node.getInt(name, 0));
      if (failed(apart))
        return failure();
      *x = node.transpose(*apart, {0, 2, 1, 3});
    }
    if (graph::getTensorType(*x).rank() != 4)
      return node.error("needs a query, keys and values of rank 4 (or 3 each)");
  }
  element = node.type(0).getElementType();
  return success();
}

LogicalResult AttentionImporter::addPast() {
  if (bool(node.input(4)) != bool(node.input(5)))
    return node.error("has past keys or past values, expected both or none");
  if (!node.input(4))
    return success();
  for (auto [x, past] : {std::pair(&k, node.input(4)), std::pair(&v, node.input(5))}) {
    graph::TensorType type = graph::getTensorType(*x), before = graph::getTensorType(past);
    if (before.rank() != 4 || before.getElementType() != type.getElementType())
      return node.error("has past keys or values of another rank or element type");
    DimList dims(type.getDims());
    dims[2] = before.getDim(2);
    *x = node.concat({node.reshape(past, dims), *x}, 2);
  }
  return success();
}

LogicalResult AttentionImporter::setGroups() {
  graph::TensorType query = graph::getTensorType(q), key = graph::getTensorType(k);
  batch = query.getDim(0);
  heads = key.getDim(1);
  queries = query.getDim(2);
  keys = key.getDim(2);
  if (query.getDim(1) != heads) {
    if (!heads.isConstant() || !query.getDim(1).isConstant() || heads.getValue() < 1 ||
        query.getDim(1).getValue() % heads.getValue())
      return node.error("has " + query.getDim(1).str() + " heads of queries for " + heads.str() +
                        " of keys");
    groups = query.getDim(1).getValue() / heads.getValue();
  }
  // What is not known to be different is the same, and checked.
  k = node.reshape(k, {batch, heads, keys, query.getDim(3)});
  graph::TensorType values = graph::getTensorType(v);
  v = node.reshape(node.convert(v, element), {batch, heads, keys, values.getDim(3)});
  return success();
}

LogicalResult AttentionImporter::readScale() {
  DimAttr width = graph::getTensorType(q).getDim(3);
  if (!node.attribute("scale") && !width.isConstant())
    return node.error("has heads of a width that is not known when compiling, and no scale");
  scale = node.attribute("scale") ? node.getFloat("scale", 1)
                                  : 1 / std::sqrt(double(width.getValue()));
  return success();
}

/// [batch, all heads, ...] with the heads of a group apart.
Value AttentionImporter::grouped(Value x) {
  if (groups == 1)
    return x;
  DimList dims(graph::getTensorType(x).getDims());
  dims[1] = heads;
  dims.insert(dims.begin() + 2, node.dim(groups));
  return node.reshape(x, dims);
}
Value AttentionImporter::ungrouped(Value x) {
  if (groups == 1)
    return x;
  DimList dims(graph::getTensorType(x).getDims());
  dims[1] = node.dim(heads.getValue() * groups);
  dims.erase(dims.begin() + 2);
  return node.reshape(x, dims);
}

/// Scaled products, with the heads of a group apart.
Value AttentionImporter::scores() {
  Value x = grouped(q);
  DimList dims(graph::getTensorType(x).getDims());
  dims.back() = keys;
  StringRef equation = groups == 1 ? "bhsd,bhtd->bhst" : "bhgsd,bhtd->bhgst";
  graph::TensorType type = graph::TensorType::get(dims, atLeastF32(element));
  return node.mul(node.create<graph::ContractOp>(type, equation, x, k, TypeAttr()), scale);
}

Value AttentionImporter::weighted(Value weights, Value values) {
  DimList dims(graph::getTensorType(weights).getDims());
  dims.back() = graph::getTensorType(values).getDim(3);
  StringRef equation = groups == 1 ? "bhst,bhtd->bhsd" : "bhgst,bhtd->bhgsd";
  graph::TensorType type = graph::getTensorType(weights).withDims(dims);
  return ungrouped(
      node.create<graph::ContractOp>(type, equation, weights, values, TypeAttr()));
}

/// How many keys stand before the first query.
LogicalResult AttentionImporter::readOffset() {
  if (Value lengths = node.input(6)) {
    if (node.input(4))
      return node.error("has past keys and lengths of keys, expected one of them");
    if (node.type(6).rank() != 1 || !isInteger(node.type(6).getElementType()))
      return node.error("needs one integer for each sample as the lengths of keys");
    DimList each{batch};
    lengths = node.reshape(node.convert(lengths, node.si64()), each);
    offset = node.sub(lengths, node.broadcast(scalars.number(queries), {}, each));
    startsInside = false;
    return success();
  }
  offset = scalars.number(node.input(4) ? node.type(4).getDim(2) : node.dim(0));
  return success();
}

/// Which keys a query sees by where it stands, for [batch or 1, 1, queries, keys]; null: all.
Value AttentionImporter::positions() {
  int64_t left = node.getInt("left_window_size", -1), right = node.getInt("right_window_size", -1);
  bool isCausal = node.getInt("is_causal", 0);
  bool isPerSample = graph::getTensorType(offset).rank() == 1;
  DimList dims{isPerSample ? batch : node.dim(1), node.dim(1), queries, keys};
  Value key = node.iota(dims, 3), result;
  auto both = [&](Value condition) {
    result = result ? node.create<graph::AndOp>(result, condition) : condition;
  };
  if (isCausal || left >= 0 || right >= 0) {
    Value first = isPerSample ? node.broadcast(offset, {0}, dims) : node.broadcast(offset, {}, dims);
    Value query = node.add(node.iota(dims, 2), first);
    if (isCausal)
      both(node.compare(CompareKind::le, key, query));
    if (left >= 0)
      both(node.compare(CompareKind::le, query, node.add(key, double(left))));
    if (right >= 0)
      both(node.compare(CompareKind::le, key, node.add(query, double(right))));
    startsInside &= left < 0;
  }
  if (node.input(6)) {
    Value length = node.broadcast(
        node.reshape(node.convert(node.input(6), node.si64()), {batch}), {0}, dims);
    both(node.compare(CompareKind::lt, key, length));
  }
  return result;
}

/// The mask of the model for [batch, heads of queries, queries, keys]; shorter rows go on with keys
/// that are not seen.
FailureOr<Value> AttentionImporter::mask() {
  Value x = node.input(3);
  graph::TensorType type = node.type(3);
  bool isBool = type.getElementType().isInteger(1);
  if (type.rank() < 1 || type.rank() > 4)
    return node.error("needs a mask of rank 1 to 4");
  if (!isBool)
    x = node.convert(x, atLeastF32(element));
  DimAttr length = type.getDims().back();
  if (length.isConstant() && keys.isConstant() && length.getValue() < keys.getValue() &&
      length.getValue() != 1) {
    MLIRContext *context = node.getBuilder().getContext();
    DimList lo(type.rank(), node.dim(0)), hi(lo);
    hi.back() = node.dim(keys.getValue() - length.getValue());
    Value filler = node.scalar(graph::getTensorType(x).getElementType(), isBool ? 0 : -kInfinity);
    x = node.create<graph::PadOp>(graph::PadMode::constant, x, filler,
                                  graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                  graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  }
  DimList all{batch, node.dim(groups), queries, keys}, own(graph::getTensorType(x).getDims()),
      result;
  all[1] = graph::getTensorType(q).getDim(1);
  if (failed(node.broadcastDims(own, all, result)))
    return failure();
  if (ArrayRef<DimAttr>(result) != ArrayRef<DimAttr>(all))
    return node.error("has a mask that does not fit the scores");
  return grouped(node.broadcastTo(x, all));
}

FailureOr<Value> AttentionImporter::hideKeys(Value &s) {
  graph::TensorType type = graph::getTensorType(s);
  Value low = node.fill(type, -kInfinity), isSeen, bias;
  if (Value seen = positions()) {
    DimList all{batch, graph::getTensorType(q).getDim(1), queries, keys};
    isSeen = grouped(node.broadcastTo(seen, all));
  }
  if (node.input(3)) {
    FailureOr<Value> own = mask();
    if (failed(own))
      return failure();
    startsInside = false;
    if (graph::getTensorType(*own).getElementType().isInteger(1))
      isSeen = isSeen ? node.create<graph::AndOp>(isSeen, *own) : *own;
    else
      bias = node.convert(*own, type.getElementType());
  }
  if (bias)
    s = node.add(s, bias);
  if (isSeen)
    s = node.choose(isSeen, s, low);
  if (startsInside || (!bias && !isSeen))
    return Value();
  // By the mask alone: a score that is no number stays one.
  int64_t axis = type.rank() - 1;
  Value any;
  if (bias) {
    Value hidden = isSeen ? node.choose(isSeen, bias, low) : bias;
    Value best = node.reduce(graph::ReduceKind::max, hidden, axis);
    any = node.compare(CompareKind::ne, best, node.fillLike(best, -kInfinity));
  } else {
    any = node.reduce(graph::ReduceKind::or_, isSeen, axis);
  }
  return node.expand(any, axis, s);
}

LogicalResult AttentionImporter::runAttention() {
  if (failed(readHeads()) || failed(addPast()))
    return failure();
  Value presentKeys = k, presentValues = v;
  if (failed(setGroups()) || failed(readScale()) || failed(readOffset()))
    return failure();
  int64_t mode = node.getInt("qk_matmul_output_mode", 0);
  Value s = scores(), shown = s;
  if (double cap = node.getFloat("softcap", 0); cap > 0) {
    s = node.mul(node.create<graph::TanhOp>(node.mul(s, 1 / cap)), cap);
    if (mode == 1)
      shown = s;
  }
  FailureOr<Value> seesKey = hideKeys(s);
  if (failed(seesKey))
    return failure();
  if (mode == 2)
    shown = s;
  Type wide = graph::getTensorType(s).getElementType();
  if (node.attribute("softmax_precision")) {
    Type wanted = getElementType(node.getBuilder().getContext(), node.getInt("softmax_precision", 1));
    if (!llvm::isa_and_nonnull<FloatType>(wanted))
      return node.error("asks for a softmax in a type that is no float");
    wide = wanted;
  }
  s = node.convert(s, wide);
  int64_t axis = graph::getTensorType(s).rank() - 1;
  Value p = node.create<graph::SoftmaxOp>(s.getType(), s, axis);
  if (*seesKey)
    p = node.choose(*seesKey, p, node.fillLike(p, 0));
  if (mode == 3)
    shown = p;
  Value y = weighted(node.convert(p, element), v);
  if (isPacked) {
    FailureOr<Value> packed = joinHeads(node, node.transpose(y, {0, 2, 1, 3}));
    if (failed(packed))
      return failure();
    y = *packed;
  }
  node.setOutput(y);
  if (node.proto.output_size() > 1)
    node.setOutput(presentKeys);
  if (node.proto.output_size() > 2)
    node.setOutput(presentValues);
  if (node.proto.output_size() > 3)
    node.setOutput(ungrouped(node.convert(shown, element)));
  return success();
}

/// The model's own graphs change scores and weights.
LogicalResult AttentionImporter::runFlex() {
  if (failed(readHeads()))
    return failure();
  if (isPacked)
    return node.error("needs a query, keys and values of rank 4");
  if (failed(setGroups()) || failed(readScale()))
    return failure();
  Type wide = atLeastF32(element);
  if (node.attribute("softmax_precision"))
    wide = getElementType(node.getBuilder().getContext(), node.getInt("softmax_precision", 1));
  if (!llvm::isa_and_nonnull<FloatType>(wide))
    return node.error("asks for a softmax in a type that is no float");
  auto change = [&](StringRef name, Value &x) -> LogicalResult {
    const ::onnx::AttributeProto *body = node.attribute(name);
    if (!body)
      return success();
    SmallVector<Value> results;
    Value flat = ungrouped(x);
    if (failed(node.importer.importSubgraph(body->g(), node.getBuilder(), flat, results)))
      return failure();
    if (results.size() != 1 || results[0].getType() != flat.getType())
      return node.error("its graph '" + name + "' does not give one tensor of the type it takes");
    x = grouped(results[0]);
    return success();
  };
  Value s = node.convert(scores(), wide);
  if (failed(change("score_mod", s)))
    return failure();
  int64_t axis = graph::getTensorType(s).rank() - 1;
  Value p = node.create<graph::SoftmaxOp>(s.getType(), s, axis);
  if (failed(change("prob_mod", p)))
    return failure();
  Value y = weighted(p, node.convert(v, wide));
  node.setOutput(node.convert(y, node.type(2).getElementType()));
  return success();
}

static LogicalResult importAttention(Node &node) { return AttentionImporter(node).runAttention(); }
static LogicalResult importFlexAttention(Node &node) { return AttentionImporter(node).runFlex(); }

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
    return node.error("has update rule '" + rule + "', expected linear, gated, delta or gated_delta");
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
    FailureOr<Value> apart = splitHeads(node, node.convert(node.input(i), wide), count);
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

/// Pairs of columns are turned by the angle of their position.
static LogicalResult importRotaryEmbedding(Node &node) {
  if (failed(node.needInputs(3)))
    return failure();
  Type element = node.type(0).getElementType(), wide = atLeastF32(element);
  Value x = node.convert(node.input(0), wide);
  SmallVector<int64_t> places{0, 2, 3}; // of [batch, rows, half] in x
  if (node.type(0).rank() == 3) {
    FailureOr<Value> apart = splitHeads(node, x, node.getInt("num_heads", 0));
    if (failed(apart))
      return failure();
    x = *apart;
    places = {0, 1, 3};
  }
  graph::TensorType type = graph::getTensorType(x);
  if (type.rank() != 4)
    return node.error("needs an input of rank 3 or 4");
  DimExpr width = type.getDim(3), turned = width;
  if (int64_t own = node.getInt("rotary_embedding_dim", 0))
    turned = node.dim(own);
  DimExpr half = graph::divideExactly(turned, node.dim(2));
  if (!half)
    return node.error("turns an odd number of columns, " + turned.get().str());
  DimList angles{type.getDim(places[0]), type.getDim(places[1]), half.get()}, each(type.getDims());
  each[3] = half;
  auto factor = [&](Value table) -> Value {
    table = node.convert(table, wide);
    if (node.input(3))
      table = node.create<graph::GatherOp>(table, node.input(3), 0);
    return node.broadcast(node.broadcastTo(table, angles), places, each);
  };
  if (graph::getTensorType(node.input(1)).rank() != (node.input(3) ? 2 : 3))
    return node.error("has tables of rank " + Twine(node.type(1).rank()) + ", expected " +
                      (node.input(3) ? "2 with positions" : "3 without positions"));
  Value cosine = factor(node.input(1)), sine = factor(node.input(2));
  bool interleaved = node.getInt("interleaved", 0);
  Value part = node.cut(x, 3, node.dim(0), turned), first, second;
  if (interleaved) {
    first = node.cut(part, 3, node.dim(0), half, 2);
    second = node.cut(part, 3, node.dim(1), half, 2);
  } else {
    first = node.cut(part, 3, node.dim(0), half);
    second = node.cut(part, 3, half, half);
  }
  Value real = node.sub(node.mul(cosine, first), node.mul(sine, second));
  Value imaginary = node.add(node.mul(sine, first), node.mul(cosine, second));
  if (interleaved) {
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
  part = node.reshape(part, node.type(0).getDims());
  node.setOutput(node.convert(part, element));
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
    place = node.add(place, node.broadcast(node.reshape(node.convert(start, node.si64()), {dims[0]}),
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
    return node.error("needs an input of rank 3 and a weight [channels, 1, width] of known extents");
  std::string activation = node.getString("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return node.error("has activation '" + activation + "', expected none, silu or swish");
  int64_t kept = weight.getDim(2).getValue() - 1;
  DimList dims(type.getDims()), past(dims);
  dims[1] = past[1] = weight.getDim(0);
  past[2] = node.dim(kept);
  Value x = node.reshape(node.input(0), dims);
  Value before = node.input(3) ? node.reshape(node.input(3), past) : node.fill(type.withDims(past), 0);
  Value padded = node.concat({before, x}, 2);
  auto none = graph::DimArrayAttr::get(node.getBuilder().getContext(), {node.dim(0)});
  Value y = node.create<graph::ConvOp>(padded, node.input(1), ArrayRef<int64_t>{1},
                                       ArrayRef<int64_t>{1}, none, none,
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

ArrayRef<Operator> tessera::onnx::attentionOperators() {
  static const Operator table[] = {
      {"Attention", 23, importAttention},
      {"CausalConvWithState", 27, importCausalConv},
      {"LinearAttention", 27, importLinearAttention},
      {"RotaryEmbedding", 23, importRotaryEmbedding},
      {"SwiGLU", 28, importSwiGlu},
      {"TensorScatter", 24, importTensorScatter},
  };
  return table;
}

ArrayRef<Operator> tessera::onnx::previewOperators() {
  static const Operator table[] = {
      {"FlexAttention", 1, importFlexAttention},
  };
  return table;
}
