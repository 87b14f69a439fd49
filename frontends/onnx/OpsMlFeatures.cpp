//===- OpsMlFeatures.cpp - Operators of ai.onnx.ml that prepare features
//-----------------------===//

#include "frontends/onnx/OpsMl.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

static bool isFloat(Value x) {
  return llvm::isa<FloatType>(graph::getTensorType(x).getElementType());
}

static LogicalResult importBinarizer(Node &node) {
  Value x = node.input(0);
  double threshold = node.getFloat("threshold", 0);
  // An integer is above a number if it is above the integer beneath it.
  Value limit = node.fillLike(x, isFloat(x) ? threshold : std::floor(threshold));
  node.setOutput(
      node.convert(node.compare(CompareKind::gt, x, limit), node.type(0).getElementType()));
  return success();
}

/// Numbers of an attribute for each feature, or one for all, at every element of x.
template <typename T>
static FailureOr<Value> perFeature(Node &node, ArrayRef<T> numbers, StringRef name, Value x) {
  graph::TensorType type = graph::getTensorType(x);
  int64_t count = int64_t(numbers.size());
  if (count != 1 && (type.rank() == 0 || (type.getDims().back().isConstant() &&
                                          type.getDims().back().getValue() != count)))
    return node.error("has " + Twine(count) + " numbers in " + name +
                      ", expected one, or one for each feature");
  Value constant = node.convert(constantOf<T>(node, numbers, count), type.getElementType());
  return node.broadcastTo(constant, type.getDims());
}

static LogicalResult importScaler(Node &node) {
  Value x = node.convert(node.input(0), f32(node));
  for (StringRef name : {"offset", "scale"}) {
    auto numbers = node.getFloats(name);
    if (!numbers || numbers->empty())
      continue;
    FailureOr<Value> each = perFeature<float>(node, *numbers, name, x);
    if (failed(each))
      return failure();
    x = name == "offset" ? node.sub(x, *each) : node.mul(x, *each);
  }
  node.setOutput(x);
  return success();
}

/// Rows are divided by their largest element, the sum of their sizes, or their length; rows of
/// zeros stay.
static LogicalResult importNormalizer(Node &node) {
  std::string norm = node.getString("norm", "MAX");
  FailureOr<Value> rows = rowsOf(node, f32(node));
  if (failed(rows))
    return failure();
  Value x = *rows, size;
  if (norm == "MAX")
    size = node.reduce(ReduceKind::max, x, {1});
  else if (norm == "L1")
    size = node.reduce(ReduceKind::sum, node.create<graph::AbsOp>(x), {1});
  else if (norm == "L2")
    size = node.create<graph::SqrtOp>(node.reduce(ReduceKind::sum, node.mul(x, x), {1}));
  else
    return node.error("has norm " + quoted(norm) + ", expected MAX, L1 or L2");
  Value isZero = node.compare(CompareKind::eq, size, node.fillLike(size, 0));
  size = node.choose(isZero, node.fillLike(size, 1), size);
  node.setOutput(node.reshape(node.div(x, node.expand(size, {1}, x)), node.type(0).getDims()));
  return success();
}

static LogicalResult importImputer(Node &node) {
  Value x = node.input(0), isMissing;
  FailureOr<Value> imputed;
  if (isFloat(x)) {
    auto numbers = node.getFloats("imputed_value_floats");
    if (!numbers || numbers->empty())
      return node.error("has no imputed_value_floats");
    imputed = perFeature<float>(node, *numbers, "imputed_value_floats", x);
    double replaced = node.getFloat("replaced_value_float", 0);
    isMissing = std::isnan(replaced) ? node.create<graph::IsNanOp>(x)
                                     : node.compare(CompareKind::eq, x, node.fillLike(x, replaced));
  } else {
    auto numbers = node.getInts("imputed_value_int64s");
    if (!numbers || numbers->empty())
      return node.error("has no imputed_value_int64s");
    imputed = perFeature<int64_t>(node, *numbers, "imputed_value_int64s", x);
    int64_t replaced = node.getInt("replaced_value_int64", 0);
    Value number =
        node.convert(constantOf<int64_t>(node, replaced, {}), node.type(0).getElementType());
    isMissing =
        node.compare(CompareKind::eq, x, node.broadcast(number, {}, node.type(0).getDims()));
  }
  if (failed(imputed))
    return failure();
  node.setOutput(node.choose(isMissing, *imputed, x));
  return success();
}

static LogicalResult importArrayFeatureExtractor(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  int64_t rank = node.type(0).rank();
  FailureOr<Value> places = node.flatten(node.input(1));
  if (failed(places))
    return failure();
  if (rank == 0)
    return node.error("needs an input of rank 1 or more");
  Value result = node.create<graph::GatherOp>(node.input(0), *places, rank - 1);
  if (rank == 1)
    result = node.reshape(result, {node.dim(1), graph::getTensorType(result).getDim(0)});
  node.setOutput(result);
  return success();
}

static LogicalResult importFeatureVectorizer(Node &node) {
  SmallVector<int64_t> wanted = node.getInts("inputdimensions").value_or(SmallVector<int64_t>());
  if (failed(node.needInputs(node.inputCount())))
    return failure();
  if (wanted.size() != node.inputCount())
    return node.error("has " + Twine(node.inputCount()) + " inputs and inputdimensions for " +
                      Twine(wanted.size()));
  SmallVector<Value> columns;
  for (auto [i, count] : llvm::enumerate(wanted)) {
    graph::TensorType type = node.type(i);
    if ((type.rank() != 1 && type.rank() != 2) || count < 0)
      return node.error("has an input of rank " + Twine(type.rank()) + " for " + Twine(count) +
                        " features, expected rank 1 or 2");
    Value x = node.convert(node.input(i), f32(node));
    DimAttr rows = type.rank() == 2 ? type.getDim(0) : node.dim(1), own = type.getDims().back();
    x = node.reshape(x, {rows, own});
    // What is too much is left out, what is missing is 0.
    if (own.isConstant() && own.getValue() > count)
      x = node.cut(x, 1, node.dim(0), node.dim(count));
    else if (own.isConstant() && own.getValue() < count)
      x = node.concat(
          {x, node.fill(graph::TensorType::get({rows, node.dim(count - own.getValue())}, f32(node)),
                        0)},
          1);
    else
      x = node.reshape(x, {rows, node.dim(count)});
    columns.push_back(x);
  }
  node.setOutput(node.concat(columns, 1));
  return success();
}

static LogicalResult importOneHotEncoder(Node &node) {
  if (auto names = node.getStrings("cats_strings"); names && !names->empty())
    return node.error("has categories with names (cats_strings), and strings are not supported");
  SmallVector<int64_t> categories = node.getInts("cats_int64s").value_or(SmallVector<int64_t>());
  if (categories.empty())
    return node.error("has no cats_int64s");
  DimList dims(node.type(0).getDims());
  auto places = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(dims.size())));
  dims.push_back(node.dim(int64_t(categories.size())));
  Value x = node.broadcast(node.convert(node.input(0), node.si64()), places, dims);
  Value each =
      node.broadcastTo(constantOf<int64_t>(node, categories, int64_t(categories.size())), dims);
  node.setOutput(node.convert(node.compare(CompareKind::eq, x, each), f32(node)));
  return success();
}

//===----------------------------------------------------------------------===//
// LabelEncoder
//===----------------------------------------------------------------------===//

namespace {
/// Keys or values of the map, whole and rounded to f64.
struct Numbers {
  Type element;
  std::vector<int64_t> integers;
  std::vector<double> reals;
  bool isFloat() const { return llvm::isa<FloatType>(element); }
  size_t size() const { return isFloat() ? reals.size() : integers.size(); }
};
} // namespace

static FailureOr<Numbers> mapSide(Node &node, StringRef side) {
  Numbers numbers;
  if (auto names = node.getStrings((side + "_strings").str()); names && !names->empty())
    return node.error("maps strings (" + side + "_strings), which are not supported");
  if (auto integers = node.getInts((side + "_int64s").str()); integers && !integers->empty()) {
    numbers.element = node.si64();
    numbers.integers.assign(integers->begin(), integers->end());
  } else if (auto reals = node.getFloats((side + "_floats").str()); reals && !reals->empty()) {
    numbers.element = f32(node);
    numbers.reals.assign(reals->begin(), reals->end());
  } else if (const ::onnx::TensorProto *tensor = node.getTensor((side + "_tensor").str())) {
    numbers.element = getElementType(node.getBuilder().getContext(), tensor->data_type());
    if (!numbers.element)
      return node.error("has " + side + "_tensor of an element type that is not supported");
    FailureOr<std::vector<double>> all = readNumbers(node, *tensor, side);
    if (failed(all))
      return failure();
    numbers.reals = *all;
    // f64 holds the integers of 32 bits and fewer, and those that stand in files of label maps.
    for (double number : *all)
      numbers.integers.push_back(numbers.isFloat() ? 0 : int64_t(number));
  } else {
    return node.error("has no " + side + " that are numbers");
  }
  return numbers;
}

static Value constantOf(Node &node, const Numbers &numbers) {
  Value all = numbers.isFloat()
                  ? constantOf<double>(node, numbers.reals, int64_t(numbers.reals.size()))
                  : constantOf<int64_t>(node, numbers.integers, int64_t(numbers.integers.size()));
  return node.convert(all, numbers.element);
}

/// What stands for a key that is not in the map.
static FailureOr<Numbers> defaultOf(Node &node, Type element) {
  Numbers result{element, {-1}, {-0.0}};
  if (const ::onnx::TensorProto *tensor = node.getTensor("default_tensor")) {
    FailureOr<std::vector<double>> number = readNumbers(node, *tensor, "default_tensor");
    if (failed(number))
      return failure();
    if (number->size() != 1)
      return node.error("has " + Twine(number->size()) + " numbers in default_tensor, expected 1");
    result.reals = *number;
    result.integers = {result.isFloat() ? 0 : int64_t(number->front())};
  } else if (result.isFloat()) {
    result.reals = {node.getFloat("default_float", -0.0)};
  } else {
    result.integers = {node.getInt("default_int64", -1)};
  }
  return result;
}

/// Keys in order, filled up to a power of two with what nothing is above of; their values, filled
/// up with the default, so that what is found there need not be told apart.
static void sortMap(Numbers &keys, Numbers &values, const Numbers &otherwise) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t(0));
  // Of equal keys the last one counts; a search from below ends at the first of those in order.
  llvm::sort(order, [&](size_t a, size_t b) {
    return keys.isFloat() ? std::tie(keys.reals[a], b) < std::tie(keys.reals[b], a)
                          : std::tie(keys.integers[a], b) < std::tie(keys.integers[b], a);
  });
  size_t padded = llvm::PowerOf2Ceil(order.size() + 1);
  auto arrange = [&](auto &list, auto filler) {
    std::decay_t<decltype(list)> next;
    for (size_t i : order)
      next.push_back(list[i]);
    next.resize(padded, filler);
    list = next;
  };
  bool isFloat = keys.isFloat();
  if (isFloat)
    arrange(keys.reals, std::numeric_limits<double>::infinity());
  else
    arrange(keys.integers, std::numeric_limits<int64_t>::max());
  if (values.isFloat())
    arrange(values.reals, otherwise.reals[0]);
  else
    arrange(values.integers, otherwise.integers[0]);
}

/// Takes out a key that is NaN, which compares with nothing; the place of its value.
static std::optional<size_t> findNan(const Numbers &keys) {
  if (keys.isFloat())
    for (auto [i, key] : llvm::enumerate(keys.reals))
      if (std::isnan(key))
        return i;
  return std::nullopt;
}

/// A search by halves among the keys: as many gathers as their number has bits.
static LogicalResult importLabelEncoder(Node &node) {
  FailureOr<Numbers> keys = mapSide(node, "keys"), values = mapSide(node, "values");
  if (failed(keys) || failed(values))
    return failure();
  if (keys->size() != values->size())
    return node.error("maps " + Twine(keys->size()) + " keys to " + Twine(values->size()) +
                      " values");
  FailureOr<Numbers> otherwise = defaultOf(node, values->element);
  if (failed(otherwise))
    return failure();
  Value x = node.input(0);
  if (keys->element != node.type(0).getElementType())
    return node.error("has keys of another type than its input");
  ArrayRef<DimAttr> dims = node.type(0).getDims();
  auto everywhere = [&](Value scalar) { return node.broadcast(scalar, {}, dims); };
  auto single = [&](Numbers one) { return everywhere(node.reshape(constantOf(node, one), {})); };
  Value ofNan;
  if (auto nan = findNan(*keys)) {
    ofNan = single({values->element,
                    {values->isFloat() ? 0 : values->integers[*nan]},
                    {values->isFloat() ? values->reals[*nan] : 0}});
    auto drop = [](auto &list, size_t i) {
      if (i < list.size())
        list.erase(list.begin() + int64_t(i));
    };
    for (auto again = nan; again; again = findNan(*keys)) {
      drop(keys->reals, *again);
      drop(values->reals, *again);
      drop(values->integers, *again);
    }
  }
  sortMap(*keys, *values, *otherwise);
  Value sorted = constantOf(node, *keys);
  Type index = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
  Value place = node.fill(graph::TensorType::get(dims, index), 0);
  for (int64_t step = int64_t(keys->size()) / 2; step > 0; step /= 2) {
    Value before = node.create<graph::GatherOp>(sorted, node.add(place, double(step - 1)), 0);
    Value isBelow = node.compare(CompareKind::lt, before, x);
    place = node.choose(isBelow, node.add(place, double(step)), place);
  }
  Value found = node.create<graph::GatherOp>(constantOf(node, *values), place, 0);
  Value isKey = node.compare(CompareKind::eq, node.create<graph::GatherOp>(sorted, place, 0), x);
  Value result = node.choose(isKey, found, single(*otherwise));
  if (ofNan)
    result = node.choose(node.create<graph::IsNanOp>(x), ofNan, result);
  node.setOutput(result);
  return success();
}

/// A map for each row is the row, whose columns stand in the order of the classes.
static LogicalResult importZipMap(Node &node) {
  node.setOutput(node.input(0));
  return success();
}

ArrayRef<Operator> tessera::onnx::mlFeatureOperators() {
  static const Operator table[] = {
      {"ArrayFeatureExtractor", 1, importArrayFeatureExtractor},
      {"Binarizer", 1, importBinarizer},
      {"FeatureVectorizer", 1, importFeatureVectorizer},
      {"Imputer", 1, importImputer},
      {"LabelEncoder", 2, importLabelEncoder},
      {"Normalizer", 1, importNormalizer},
      {"OneHotEncoder", 1, importOneHotEncoder},
      {"Scaler", 1, importScaler},
      {"ZipMap", 1, importZipMap},
  };
  return table;
}
