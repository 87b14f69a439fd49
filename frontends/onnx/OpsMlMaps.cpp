//===- OpsMlMaps.cpp - Operators of ai.onnx.ml that read maps -----------------------------===//
//
// A map is a list of keys and one of values, in no order.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Search.h"
#include "frontends/onnx/StringCast.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

/// The values of a list at places of [1, count]; zeros, or empty strings, where a place is none.
/// Places are found the other way round: `target` says where each value goes, `count` for nowhere.
static Value placed(Node &node, Value values, Value target, DimAttr count, Value missing = {}) {
  bool areStrings = isStrings(values);
  Value list = areStrings ? contentsOf(values).front() : values;
  graph::TensorType type = graph::getTensorType(list);
  DimAttr entries = type.getDim(0);
  // The entry that each place gets; behind all entries stands what is there without one.
  Value none = node.broadcast(ShapeScalars(node).number(entries), {}, DimList{count});
  Value index = node.create<graph::ScatterOp>(graph::ScatterKind::replace, none, target,
                                              node.iota({entries}, 0), 0);
  Value table;
  if (areStrings && missing) {
    DimExpr width = DimExpr::max(type.getDim(1), graph::getTensorType(missing).getDim(1));
    table = node.concat({widen(node, list, width), widen(node, missing, width)}, 0);
  } else {
    table = padded(node, list, 0, node.dim(0), node.dim(1));
  }
  Value found = node.create<graph::GatherOp>(table, node.reshape(index, {node.dim(1), count}), 0);
  return areStrings ? makeStrings(node.getBuilder(), node.getLoc(), found) : found;
}

static LogicalResult needMap(Node &node, Value &keys, Value &values) {
  if (!isMap(node.input(0)))
    return node.error("needs a map, found " + describeStructure(node.input(0)));
  keys = contentsOf(node.input(0))[0];
  values = contentsOf(node.input(0))[1];
  if (!isStrings(keys))
    keys = node.convert(keys, node.si64());
  return success();
}

/// The value of each key of the vocabulary, in its order.
static LogicalResult importDictVectorizer(Node &node) {
  Value keys, values, index;
  if (failed(needMap(node, keys, values)))
    return failure();
  SmallVector<std::string> words =
      node.getStrings("string_vocabulary").value_or(SmallVector<std::string>());
  SmallVector<int64_t> numbers = node.getInts("int64_vocabulary").value_or(SmallVector<int64_t>());
  int64_t count = int64_t(isStrings(keys) ? words.size() : numbers.size());
  if (count == 0)
    return node.error(isStrings(keys) ? "has no string_vocabulary" : "has no int64_vocabulary");
  // Of equal keys of the vocabulary the last one is found, and stands for all.
  std::vector<int64_t> last;
  if (isStrings(keys)) {
    index = indexAmong(node, contentsOf(keys).front(), llvm::to_vector_of<StringRef>(words));
    if (!index)
      return failure();
    llvm::StringMap<int64_t> places;
    for (auto [i, word] : llvm::enumerate(words))
      places[word] = int64_t(i);
    for (const std::string &word : words)
      last.push_back(places[word]);
  } else {
    auto places = llvm::to_vector(llvm::seq<int64_t>(0, count));
    index = IntegerMap(node, numbers, places).find(keys, -1);
    llvm::DenseMap<int64_t, int64_t> known;
    for (auto [i, number] : llvm::enumerate(numbers))
      known[number] = int64_t(i);
    for (int64_t number : numbers)
      last.push_back(known[number]);
  }
  Value isKnown = node.compare(CompareKind::ge, index, node.fillLike(index, 0));
  index = node.choose(isKnown, index, node.fillLike(index, double(count)));
  Value result = placed(node, values, index, node.dim(count));
  if (!llvm::is_sorted(last) || llvm::adjacent_find(last) != last.end()) {
    Value order = constantOf<int64_t>(node, last, count);
    Value all = isStrings(result) ? contentsOf(result).front() : result;
    all = node.create<graph::GatherOp>(all, order, 1);
    result = isStrings(result) ? makeStrings(node.getBuilder(), node.getLoc(), all) : all;
  }
  node.setOutput(result);
  return success();
}

/// A list of numbers or strings in another type.
static FailureOr<Value> castValues(Node &node, Value values, Type element) {
  if (isStrings(values)) {
    if (!element)
      return values;
    node.inputs[0] = values;
    if (failed(castFromStrings(node, element)))
      return failure();
    return node.outputs.pop_back_val();
  }
  if (element)
    return node.convert(values, element);
  Value strings = printFloats(node, node.convert(values, f32(node)), FloatText::Plain);
  if (!strings)
    return failure();
  return strings;
}

/// The values in the order of their keys, or each at the place that its key says.
static LogicalResult importCastMap(Node &node) {
  Value keys, values;
  if (failed(needMap(node, keys, values)))
    return failure();
  std::string to = node.getString("cast_to", "TO_FLOAT"),
              form = node.getString("map_form", "DENSE");
  int64_t count = node.getInt("max_map", 1);
  if (isStrings(keys))
    return node.error("has keys that are strings, expected numbers");
  Type element;
  if (to == "TO_FLOAT")
    element = f32(node);
  else if (to == "TO_INT64")
    element = node.si64();
  else if (to != "TO_STRING")
    return node.error("casts " + quoted(to) + ", expected TO_FLOAT, TO_INT64 or TO_STRING");
  FailureOr<Value> cast = castValues(node, values, element);
  if (failed(cast))
    return failure();
  if (form == "DENSE") {
    auto sorted = graph::SortOp::create(node.getBuilder(), node.getLoc(), keys, /*axis=*/0,
                                        /*descending=*/false, /*first=*/nullptr);
    DimAttr entries = graph::getTensorType(keys).getDim(0);
    Value order = node.reshape(sorted.getIndices(), {node.dim(1), entries});
    Value list = isStrings(*cast) ? contentsOf(*cast).front() : *cast;
    list = node.create<graph::GatherOp>(list, order, 0);
    node.setOutput(isStrings(*cast) ? makeStrings(node.getBuilder(), node.getLoc(), list) : list);
    return success();
  }
  constexpr int64_t kMaxColumns = int64_t(1) << 24;
  if (form != "SPARSE" || count < 1 || count > kMaxColumns)
    return node.error("has map_form " + quoted(form) + " and max_map " + Twine(count) +
                      ", expected DENSE, or SPARSE and a number of columns");
  Value isNegative =
      node.convert(node.compare(CompareKind::lt, keys, node.fillLike(keys, 0)), node.si64());
  (void)node.importer.bindDim(node, node.sum(isNegative, {0}),
                              "the number of keys that are negative", 0);
  Value missing;
  if (isStrings(*cast)) // As onnxruntime writes it.
    missing = constantRows(node, {"0.f"}, node.proto.name());
  node.setOutput(placed(node, *cast, keys, node.dim(count), missing));
  return success();
}

ArrayRef<Operator> tessera::onnx::mlMapOperators() {
  static const Operator table[] = {
      {"CastMap", 1, importCastMap, true},
      {"DictVectorizer", 1, importDictVectorizer, true},
  };
  return table;
}
