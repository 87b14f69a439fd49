//===- OpsMlScores.cpp - What classifiers and regressors of ai.onnx.ml share ------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Constants and rows
//===----------------------------------------------------------------------===//

template <typename T>
Value tessera::onnx::constantOf(Node &node, ArrayRef<T> numbers, ArrayRef<int64_t> dims) {
  using Proto = ::onnx::TensorProto;
  Proto tensor;
  tensor.set_data_type(std::is_same_v<T, float>      ? Proto::FLOAT
                       : std::is_same_v<T, double>   ? Proto::DOUBLE
                       : std::is_same_v<T, int32_t>  ? Proto::INT32
                       : std::is_same_v<T, uint32_t> ? Proto::UINT32
                                                     : Proto::INT64);
  for (int64_t extent : dims)
    tensor.add_dims(extent);
  tensor.set_raw_data(numbers.data(), numbers.size() * sizeof(T));
  return importTensor(node, tensor, node.proto.name());
}
template Value tessera::onnx::constantOf(Node &, ArrayRef<float>, ArrayRef<int64_t>);
template Value tessera::onnx::constantOf(Node &, ArrayRef<double>, ArrayRef<int64_t>);
template Value tessera::onnx::constantOf(Node &, ArrayRef<int32_t>, ArrayRef<int64_t>);
template Value tessera::onnx::constantOf(Node &, ArrayRef<uint32_t>, ArrayRef<int64_t>);
template Value tessera::onnx::constantOf(Node &, ArrayRef<int64_t>, ArrayRef<int64_t>);

Type tessera::onnx::f32(Node &node) { return Float32Type::get(node.getBuilder().getContext()); }

FailureOr<Value> tessera::onnx::rowsOf(Node &node, Type element) {
  graph::TensorType type = node.type(0);
  if (type.rank() != 1 && type.rank() != 2)
    return node.error("has an input of rank " + Twine(type.rank()) + ", expected 1 or 2");
  Value x = node.convert(node.input(0), element);
  return type.rank() == 2 ? x : node.reshape(x, {node.dim(1), type.getDim(0)});
}

FailureOr<Value> tessera::onnx::rowsOf(Node &node, Type element, int64_t features) {
  FailureOr<Value> x = rowsOf(node, element);
  if (failed(x))
    return failure();
  ArrayRef<DimAttr> dims = graph::getTensorType(*x).getDims();
  if (dims[1].isConstant() && dims[1].getValue() != features)
    return node.error("has an input of " + Twine(dims[1].getValue()) +
                      " features, its numbers are for " + Twine(features));
  return node.reshape(*x, {dims[0], node.dim(features)});
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

FailureOr<PostTransform> tessera::onnx::postTransformOf(Node &node) {
  static constexpr StringLiteral kNames[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                             "PROBIT"};
  int64_t number = 0;
  const ::onnx::AttributeProto *found = node.attribute("post_transform");
  if (found && found->type() == ::onnx::AttributeProto::INT) {
    number = node.getInt("post_transform", 0); // TreeEnsemble has the number of the name.
    if (number < 0 || number >= std::ssize(kNames))
      return node.error("has post_transform " + Twine(number) + ", expected 0 to 4");
  } else {
    std::string name = node.getString("post_transform", "NONE");
    number = llvm::find(kNames, name) - std::begin(kNames);
    if (number == std::ssize(kNames))
      return node.error("has post_transform " + quoted(name) +
                        ", expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
  }
  return PostTransform(number);
}

/// sqrt(2) times the inverse error function of 2 p - 1, by the closed form (Winitzki) that the
/// reference of the onnx package and onnxruntime have.
static Value probit(Node &node, Value p) {
  Value x = node.add(node.mul(p, 2), -1);
  Value below =
      node.create<graph::LogOp>(node.mul(node.sub(node.fillLike(x, 1), x), node.add(x, 1)));
  Value v = node.add(node.mul(below, 0.5), 2 / (3.14159 * 0.147));
  Value inner = node.sub(node.mul(v, v), node.mul(below, 1 / 0.147));
  // Near one half the difference is less than its rounding.
  Value square = node.max(node.sub(node.create<graph::SqrtOp>(inner), v), 0.0);
  Value size = node.mul(node.create<graph::SqrtOp>(square), 1.41421356);
  Value isNegative = node.compare(CompareKind::lt, x, node.fillLike(x, 0));
  return node.choose(isNegative, node.create<graph::NegOp>(size), size);
}

/// A softmax that leaves out what is (nearly) zero.
static Value softmaxZero(Node &node, Value scores) {
  Value largest = node.expand(node.reduce(graph::ReduceKind::max, scores, {1}), {1}, scores);
  Value counts =
      node.compare(CompareKind::gt, node.create<graph::AbsOp>(scores), node.fillLike(scores, 1e-7));
  Value power = node.create<graph::ExpOp>(node.sub(scores, largest));
  Value total = node.reduce(graph::ReduceKind::sum,
                            node.choose(counts, power, node.fillLike(scores, 0)), {1});
  Value small = node.mul(scores, node.create<graph::ExpOp>(node.create<graph::NegOp>(largest)));
  return node.div(node.choose(counts, power, small), node.expand(total, {1}, scores));
}

Value tessera::onnx::transformScores(Node &node, Value scores, PostTransform transform) {
  if (transform == PostTransform::Probit)
    return probit(node, scores);
  if (graph::getTensorType(scores).getDim(1).getConstant() == 1)
    return scores;
  switch (transform) {
  case PostTransform::Softmax: return node.create<graph::SoftmaxOp>(scores, ArrayRef<int64_t>{1});
  case PostTransform::SoftmaxZero: return softmaxZero(node, scores);
  case PostTransform::Logistic: return node.create<graph::SigmoidOp>(scores);
  default: return scores;
  }
}

Value tessera::onnx::scoresOfBoth(Node &node, Value score, PostTransform transform, bool isMixed) {
  if (transform == PostTransform::Probit)
    return node.concat({probit(node, score), node.fillLike(score, 0)}, 1);
  Value minus = node.create<graph::NegOp>(score);
  if (transform == PostTransform::Logistic)
    return node.create<graph::SigmoidOp>(node.concat({minus, score}, 1));
  return node.concat({isMixed ? minus : node.add(minus, 1), score}, 1);
}

//===----------------------------------------------------------------------===//
// Labels
//===----------------------------------------------------------------------===//

FailureOr<ClassLabels> tessera::onnx::classLabelsOf(Node &node, StringRef attribute) {
  ClassLabels labels{node.getInts(attribute).value_or(SmallVector<int64_t>()),
                     node.getStrings("classlabels_strings").value_or(SmallVector<std::string>())};
  if (!labels.numbers.empty() && !labels.names.empty())
    return node.error("has both " + attribute + " and classlabels_strings");
  if (labels.size() == 0)
    return node.error("has neither " + attribute + " nor classlabels_strings");
  // What the names become is checked before labels are made of them.
  if (!labels.names.empty() &&
      !constantRows(node, llvm::to_vector_of<StringRef>(labels.names), "classlabels_strings"))
    return failure();
  return labels;
}

Value tessera::onnx::labelsAt(Node &node, const ClassLabels &labels, Value index) {
  if (!labels.names.empty())
    return stringsAt(node, labels.names, index);
  if (llvm::equal(labels.numbers, llvm::seq<int64_t>(0, int64_t(labels.size()))))
    return index;
  return node.create<graph::GatherOp>(
      constantOf<int64_t>(node, labels.numbers, int64_t(labels.size())), index, 0);
}

Value tessera::onnx::largestOf(Node &node, Value scores) {
  DimAttr rows = graph::getTensorType(scores).getDim(0);
  return node.create<graph::ArgReduceOp>(graph::TensorType::get({rows}, node.si64()),
                                         graph::ArgReduceKind::max, scores, 1, false);
}

Value tessera::onnx::labelsOfLargest(Node &node, const ClassLabels &labels, Value scores) {
  return labelsAt(node, labels, largestOf(node, scores));
}

Value tessera::onnx::labelsAbove(Node &node, const ClassLabels &labels, Value score, double limit) {
  Value column = node.reshape(score, graph::getTensorType(score).getDim(0));
  Value isAbove = node.compare(CompareKind::gt, column, node.fillLike(column, limit));
  return labelsAt(node, labels, node.convert(isAbove, node.si64()));
}
