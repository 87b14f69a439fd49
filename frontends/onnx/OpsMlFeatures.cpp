//===- OpsMlFeatures.cpp - Operators of ai.onnx.ml that prepare features
//-----------------------===//

#include "frontends/onnx/OpsMl.h"

#include <cmath>

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
  DimAttr all; // rows: as many of all inputs
  for (auto [i, count] : llvm::enumerate(wanted)) {
    graph::TensorType type = node.type(i);
    if ((type.rank() != 1 && type.rank() != 2) || count < 0)
      return node.error("has an input of rank " + Twine(type.rank()) + " for " + Twine(count) +
                        " features, expected rank 1 or 2");
    Value x = node.convert(node.input(i), f32(node));
    DimAttr rows = type.rank() == 2 ? type.getDim(0) : node.dim(1), own = type.getDims().back();
    all = all ? all : rows;
    if (graph::isKnownDifferent(rows, all))
      return node.error("has inputs of " + all.str() + " and " + rows.str() + " rows");
    rows = all;
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
      {"Normalizer", 1, importNormalizer},
      {"Scaler", 1, importScaler},
      {"ZipMap", 1, importZipMap},
  };
  return table;
}
