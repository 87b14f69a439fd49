//===- OpsMlLabels.cpp - Operators of ai.onnx.ml that map labels ------------------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Search.h"
#include "frontends/onnx/Strings.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
/// Keys or values of a map: numbers, whole and rounded to f64, or strings.
struct Labels {
  Type element; ///< null for strings
  std::vector<int64_t> integers;
  std::vector<double> reals;
  SmallVector<std::string> strings;
  bool areStrings() const { return !element; }
  bool isFloat() const { return element && llvm::isa<FloatType>(element); }
  size_t size() const {
    return areStrings() ? strings.size() : isFloat() ? reals.size() : integers.size();
  }
  void append(const Labels &other, size_t i) {
    if (areStrings())
      strings.push_back(other.strings[i]);
    else if (isFloat())
      reals.push_back(other.reals[i]);
    else
      integers.push_back(other.integers[i]);
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// The nearest integer that there is: a number may be infinite, or none.
static int64_t toInteger(double number) {
  return std::isnan(number) ? 0 : int64_t(std::clamp(number, -0x1p63, 0x1.fffffffffffffp62));
}

static FailureOr<Labels> readTensor(Node &node, const ::onnx::TensorProto &tensor, StringRef name) {
  Labels labels;
  if (tensor.data_type() == ::onnx::TensorProto::STRING) {
    labels.strings.assign(tensor.string_data().begin(), tensor.string_data().end());
    return labels;
  }
  labels.element = getElementType(node.getBuilder().getContext(), tensor.data_type());
  if (!labels.element)
    return node.error("has " + name + " of an element type that is not supported");
  FailureOr<std::vector<double>> all = readNumbers(node, tensor, name);
  if (failed(all))
    return failure();
  labels.reals = *all;
  // f64 holds the integers of 32 bits and fewer, and those that stand in files of label maps.
  for (double number : *all)
    labels.integers.push_back(labels.isFloat() ? 0 : toInteger(number));
  return labels;
}

/// keys_* or values_*.
static FailureOr<Labels> mapSide(Node &node, StringRef side) {
  Labels labels;
  auto strings = node.getStrings((side + "_strings").str());
  auto integers = node.getInts((side + "_int64s").str());
  auto reals = node.getFloats((side + "_floats").str());
  if (strings && !strings->empty()) {
    labels.strings = *strings;
  } else if (integers && !integers->empty()) {
    labels.element = node.si64();
    labels.integers.assign(integers->begin(), integers->end());
  } else if (reals && !reals->empty()) {
    labels.element = f32(node);
    labels.reals.assign(reals->begin(), reals->end());
  } else if (const ::onnx::TensorProto *tensor = node.getTensor((side + "_tensor").str())) {
    return readTensor(node, *tensor, (side + "_tensor").str());
  } else {
    return node.error("has no " + side);
  }
  return labels;
}

/// What stands for a key that is not in the map.
static FailureOr<Labels> defaultOf(Node &node, const Labels &values) {
  if (const ::onnx::TensorProto *tensor = node.getTensor("default_tensor")) {
    FailureOr<Labels> given = readTensor(node, *tensor, "default_tensor");
    if (failed(given))
      return failure();
    if (given->size() != 1 || given->areStrings() != values.areStrings())
      return node.error("has a default_tensor that is not one value like the others");
    if (!values.areStrings()) {
      given->element = values.element;
      given->integers = {values.isFloat() ? 0 : toInteger(given->reals[0])};
    }
    return given;
  }
  Labels result{values.element, {}, {}, {}};
  if (values.areStrings())
    result.strings = {node.getString("default_string", "_Unused")};
  else if (values.isFloat())
    result.reals = {node.getFloat("default_float", -0.0)};
  else
    result.integers = {node.getInt("default_int64", -1)};
  return result;
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

namespace {
/// Where the value of each element of an input is: `values` are numbers of keys in the order in
/// which places count them, -1 for the default.
struct Found {
  Value places;
  std::vector<int64_t> values;
};
} // namespace

static FailureOr<Found> findStrings(Node &node, const Labels &keys) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  if (failed(rows))
    return failure();
  Value index = indexAmong(node, rows->bytes, llvm::to_vector_of<StringRef>(keys.strings));
  if (!index)
    return failure();
  Found found;
  found.values.resize(keys.size());
  std::iota(found.values.begin(), found.values.end(), int64_t(0));
  found.values.push_back(-1);
  Value isKey = node.compare(CompareKind::ge, index, node.fillLike(index, 0));
  index = node.choose(isKey, index, node.fillLike(index, double(keys.size())));
  found.places = node.reshape(index, rows->dims);
  return found;
}

static Value constantOf(Node &node, const Labels &numbers) {
  Value all = numbers.isFloat()
                  ? constantOf<double>(node, numbers.reals, int64_t(numbers.reals.size()))
                  : constantOf<int64_t>(node, numbers.integers, int64_t(numbers.integers.size()));
  return node.convert(all, numbers.element);
}

/// A search by halves among the keys in order.
static FailureOr<Found> findNumbers(Node &node, const Labels &keys) {
  if (isStructure(node.input(0)) || keys.element != node.type(0).getElementType())
    return node.error("has keys of another type than its input");
  Value x = node.input(0);
  Found found;
  // NaN compares with nothing: it has a place of its own.
  int64_t ofNan = -1;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys.isFloat() && std::isnan(keys.reals[i]))
      ofNan = int64_t(i);
    else
      found.values.push_back(int64_t(i));
  }
  // Of equal keys the last one counts; a search from below ends at the first of those in order.
  llvm::sort(found.values, [&](int64_t a, int64_t b) {
    auto i = size_t(a), j = size_t(b);
    return keys.isFloat() ? std::tie(keys.reals[i], b) < std::tie(keys.reals[j], a)
                          : std::tie(keys.integers[i], b) < std::tie(keys.integers[j], a);
  });
  Labels sorted{keys.element, {}, {}, {}};
  for (int64_t i : found.values)
    sorted.append(keys, size_t(i));
  // Filled up to a power of two with what nothing is above of.
  size_t padded = llvm::PowerOf2Ceil(found.values.size() + 1);
  if (keys.isFloat())
    sorted.reals.resize(padded, std::numeric_limits<double>::infinity());
  else
    sorted.integers.resize(padded, std::numeric_limits<int64_t>::max());
  found.values.resize(padded, -1);
  Value all = constantOf(node, sorted), place = lowerBound(node, all, x);
  Value isKey = node.compare(CompareKind::eq, node.create<graph::GatherOp>(all, place, 0), x);
  // The last place is always filled up.
  found.places = node.choose(isKey, place, node.fillLike(place, double(padded - 1)));
  if (ofNan >= 0) {
    found.places = node.choose(node.create<graph::IsNanOp>(x), node.fillLike(place, double(padded)),
                               found.places);
    found.values.push_back(ofNan);
  }
  return found;
}

/// The value of each key of the input.
static LogicalResult mapInput(Node &node, const Labels &keys, const Labels &values,
                              const Labels &otherwise) {
  if (keys.size() != values.size())
    return node.error("maps " + Twine(keys.size()) + " keys to " + Twine(values.size()) +
                      " values");
  FailureOr<Found> found = keys.areStrings() ? findStrings(node, keys) : findNumbers(node, keys);
  if (failed(found))
    return failure();
  Labels arranged{values.element, {}, {}, {}};
  for (int64_t i : found->values)
    arranged.append(i < 0 ? otherwise : values, size_t(std::max<int64_t>(i, 0)));
  Value result =
      arranged.areStrings()
          ? stringsAt(node, arranged.strings, found->places)
          : Value(node.create<graph::GatherOp>(constantOf(node, arranged), found->places, 0));
  if (!result)
    return failure();
  node.setOutput(result);
  return success();
}

/// Names and the numbers that stand for them, in the direction that the input asks for.
static LogicalResult mapNames(Node &node, const Labels &names, const Labels &numbers) {
  bool toNumbers = isStrings(node.input(0));
  const Labels &values = toNumbers ? numbers : names;
  FailureOr<Labels> otherwise = defaultOf(node, values);
  if (failed(otherwise))
    return failure();
  return mapInput(node, toNumbers ? names : numbers, values, *otherwise);
}

static LogicalResult importLabelEncoder(Node &node) {
  // The first version: a list of classes, which are numbered.
  if (auto classes = node.getStrings("classes_strings"); classes && !classes->empty()) {
    Labels names{Type(), {}, {}, *classes}, numbers{node.si64(), {}, {}, {}};
    numbers.integers.resize(classes->size());
    std::iota(numbers.integers.begin(), numbers.integers.end(), int64_t(0));
    return mapNames(node, names, numbers);
  }
  FailureOr<Labels> keys = mapSide(node, "keys"), values = mapSide(node, "values");
  if (failed(keys) || failed(values))
    return failure();
  FailureOr<Labels> otherwise = defaultOf(node, *values);
  if (failed(otherwise))
    return failure();
  return mapInput(node, *keys, *values, *otherwise);
}

static LogicalResult importCategoryMapper(Node &node) {
  auto names = node.getStrings("cats_strings");
  auto numbers = node.getInts("cats_int64s");
  if (!names || !numbers || names->empty())
    return node.error("has no cats_strings or no cats_int64s");
  return mapNames(node, {Type(), {}, {}, *names},
                  {node.si64(), {numbers->begin(), numbers->end()}, {}, {}});
}

static LogicalResult importOneHotEncoder(Node &node) {
  SmallVector<std::string> names =
      node.getStrings("cats_strings").value_or(SmallVector<std::string>());
  SmallVector<int64_t> categories = node.getInts("cats_int64s").value_or(SmallVector<int64_t>());
  Value x;
  if (isStrings(node.input(0))) {
    if (names.empty())
      return node.error("has strings but no cats_strings");
    FailureOr<Rows> rows = rowsOf(node, 0);
    if (failed(rows))
      return failure();
    Value index = indexAmong(node, rows->bytes, llvm::to_vector_of<StringRef>(names));
    if (!index)
      return failure();
    x = node.reshape(index, rows->dims);
    // Of equal names the last one is found: all of them have its number.
    llvm::StringMap<int64_t> last;
    for (auto [i, name] : llvm::enumerate(names))
      last[name] = int64_t(i);
    for (const std::string &name : names)
      categories.push_back(last[name]);
  } else {
    if (isStructure(node.input(0)) || categories.empty())
      return node.error("has no cats_int64s");
    x = node.convert(node.input(0), node.si64());
  }
  DimList dims(graph::getTensorType(x).getDims());
  auto places = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(dims.size())));
  dims.push_back(node.dim(int64_t(categories.size())));
  Value each =
      node.broadcastTo(constantOf<int64_t>(node, categories, int64_t(categories.size())), dims);
  Value isCategory = node.compare(CompareKind::eq, node.broadcast(x, places, dims), each);
  node.setOutput(node.convert(isCategory, f32(node)));
  return success();
}

ArrayRef<Operator> tessera::onnx::mlLabelOperators() {
  static const Operator table[] = {
      {"CategoryMapper", 1, importCategoryMapper, true},
      {"LabelEncoder", 1, importLabelEncoder, true},
      {"OneHotEncoder", 1, importOneHotEncoder, true},
  };
  return table;
}
