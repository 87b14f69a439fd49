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

/// [batch, rows, heads, width] as [batch, rows, heads * width].
static FailureOr<Value> joinHeads(Node &node, Value x) {
  graph::TensorType type = graph::getTensorType(x);
  DimExpr columns =
      graph::multiplyDims(node.getBuilder().getContext(), type.getDims().take_back(2));
  if (!columns)
    return node.error("its extents overflow");
  return node.reshape(x, {type.getDim(0), type.getDim(1), columns.get()});
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
  Value offset;             ///< position of the first query: si64 of [batch], or a scalar
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
      FailureOr<Value> apart = node.splitHeads(*x, node.getInt(name, 0));
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
  scale =
      node.attribute("scale") ? node.getFloat("scale", 1) : 1 / std::sqrt(double(width.getValue()));
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
  return ungrouped(node.create<graph::ContractOp>(type, equation, weights, values, TypeAttr()));
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
    Value first =
        isPerSample ? node.broadcast(offset, {0}, dims) : node.broadcast(offset, {}, dims);
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
    Value length =
        node.broadcast(node.reshape(node.convert(node.input(6), node.si64()), {batch}), {0}, dims);
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
    Type wanted =
        getElementType(node.getBuilder().getContext(), node.getInt("softmax_precision", 1));
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

ArrayRef<Operator> tessera::onnx::attentionOperators() {
  static const Operator table[] = {
      {"Attention", 23, importAttention},
  };
  return table;
}

ArrayRef<Operator> tessera::onnx::previewOperators() {
  static const Operator table[] = {
      {"FlexAttention", 1, importFlexAttention},
  };
  return table;
}
