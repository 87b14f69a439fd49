//===- OpsMlLinear.cpp - Linear models and support vector machines of ai.onnx.ml --------------===//

#include "frontends/onnx/OpsMl.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

/// x [rows, k] times the transpose of numbers [n, k].
static Value product(Node &node, Value x, ArrayRef<float> numbers, int64_t n) {
  graph::TensorType type = graph::getTensorType(x);
  Value matrix =
      constantOf<float>(node, numbers, {n, int64_t(numbers.size()) / std::max<int64_t>(n, 1)});
  return node.create<graph::ContractOp>(type.withDims({type.getDim(0), node.dim(n)}), "mk,nk->mn",
                                        x, matrix, TypeAttr());
}

/// Numbers for each column.
static Value addToColumns(Node &node, Value x, ArrayRef<float> numbers) {
  return node.add(x, node.broadcastTo(constantOf<float>(node, numbers, int64_t(numbers.size())),
                                      graph::getTensorType(x).getDims()));
}

/// Rows times coefficients, plus intercepts where there are any.
static FailureOr<Value> linear(Node &node, int64_t targets) {
  SmallVector<float> coefficients = node.getFloats("coefficients").value_or(SmallVector<float>());
  SmallVector<float> intercepts = node.getFloats("intercepts").value_or(SmallVector<float>());
  if (targets < 1 || coefficients.empty() || coefficients.size() % size_t(targets) ||
      (!intercepts.empty() && int64_t(intercepts.size()) != targets))
    return node.error("has " + Twine(coefficients.size()) + " coefficients and " +
                      Twine(intercepts.size()) + " intercepts for " + Twine(targets) + " columns");
  FailureOr<Value> x = rowsOf(node, f32(node), int64_t(coefficients.size()) / targets);
  if (failed(x))
    return failure();
  Value y = product(node, *x, coefficients, targets);
  return intercepts.empty() ? y : addToColumns(node, y, intercepts);
}

static LogicalResult importLinearRegressor(Node &node) {
  FailureOr<PostTransform> transform = postTransformOf(node);
  FailureOr<Value> y = linear(node, node.getInt("targets", 1));
  if (failed(transform) || failed(y))
    return failure();
  node.setOutput(transformScores(node, *y, *transform));
  return success();
}

static LogicalResult importLinearClassifier(Node &node) {
  FailureOr<PostTransform> transform = postTransformOf(node);
  FailureOr<ClassLabels> labels = classLabelsOf(node, "classlabels_ints");
  if (failed(transform) || failed(labels))
    return failure();
  auto intercepts = node.getFloats("intercepts");
  int64_t targets =
      int64_t(intercepts && !intercepts->empty() ? intercepts->size() : labels->size());
  FailureOr<Value> scores = linear(node, targets);
  if (failed(scores))
    return failure();
  // One column tells two classes apart.
  if (targets == 1 && labels->size() == 2) {
    node.setOutput(labelsAbove(node, *labels, *scores, 0));
    node.setOutput(scoresOfBoth(node, *scores, *transform, /*isMixed=*/false));
    return success();
  }
  if (targets != int64_t(labels->size()))
    return node.error("has " + Twine(targets) + " columns for " + Twine(labels->size()) +
                      " classes");
  node.setOutput(labelsOfLargest(node, *labels, *scores));
  node.setOutput(transformScores(node, *scores, *transform));
  return success();
}

//===----------------------------------------------------------------------===//
// Support vector machines
//===----------------------------------------------------------------------===//

namespace {
/// What a support vector machine compares rows and vectors by.
struct SvmKernel {
  std::string type;
  float gamma = 0, shift = 0, degree = 0;
};
} // namespace

static FailureOr<SvmKernel> kernelOf(Node &node) {
  SvmKernel kernel{node.getString("kernel_type", "LINEAR")};
  static constexpr StringLiteral kTypes[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
  if (!llvm::is_contained(kTypes, kernel.type))
    return node.error("has kernel_type " + quoted(kernel.type) +
                      ", expected LINEAR, POLY, RBF or SIGMOID");
  SmallVector<float> numbers = node.getFloats("kernel_params").value_or(SmallVector<float>());
  if (!numbers.empty() && numbers.size() != 3)
    return node.error("has " + Twine(numbers.size()) + " kernel_params, expected 3");
  if (!numbers.empty()) {
    kernel.gamma = numbers[0];
    kernel.shift = numbers[1];
    kernel.degree = numbers[2];
  }
  return kernel;
}

/// [rows, vectors]. Differences are squared before they are summed, as a sum of squares less a
/// product would lose what near points have in common.
static Value applyKernel(Node &node, const SvmKernel &kernel, Value x, ArrayRef<float> vectors,
                         int64_t count) {
  if (kernel.type == "RBF") {
    DimList dims(graph::getTensorType(x).getDims());
    dims.insert(dims.begin() + 1, node.dim(count));
    Value all = constantOf<float>(node, vectors, {count, int64_t(vectors.size()) / count});
    Value apart = node.sub(node.broadcast(x, {0, 2}, dims), node.broadcast(all, {1, 2}, dims));
    Value distance = node.reduce(ReduceKind::sum, node.mul(apart, apart), {2});
    return node.create<graph::ExpOp>(node.mul(distance, -double(kernel.gamma)));
  }
  Value y = product(node, x, vectors, count);
  if (kernel.type == "LINEAR")
    return y;
  y = node.add(node.mul(y, kernel.gamma), kernel.shift);
  if (kernel.type == "SIGMOID")
    return node.create<graph::TanhOp>(y);
  if (kernel.degree == 2)
    return node.mul(y, y);
  if (kernel.degree == 3)
    return node.mul(node.mul(y, y), y);
  return node.create<graph::PowOp>(y, node.fillLike(y, kernel.degree));
}

static LogicalResult importSvmRegressor(Node &node) {
  FailureOr<SvmKernel> kernel = kernelOf(node);
  FailureOr<PostTransform> transform = postTransformOf(node);
  if (failed(kernel) || failed(transform))
    return failure();
  int64_t count = node.getInt("n_supports", 0);
  SmallVector<float> vectors = node.getFloats("support_vectors").value_or(SmallVector<float>());
  SmallVector<float> coefficients = node.getFloats("coefficients").value_or(SmallVector<float>());
  SmallVector<float> rho = node.getFloats("rho").value_or(SmallVector<float>());
  if (count < 0 || coefficients.empty() || rho.size() != 1 ||
      (count > 0 && (vectors.size() % size_t(count) || int64_t(coefficients.size()) != count)))
    return node.error("has " + Twine(coefficients.size()) + " coefficients, " +
                      Twine(vectors.size()) + " numbers of vectors and " + Twine(rho.size()) +
                      " of rho for " + Twine(count) + " vectors");
  // Without vectors the coefficients are those of features.
  int64_t features = int64_t(count ? vectors.size() / size_t(count) : coefficients.size());
  FailureOr<Value> x = rowsOf(node, f32(node), features);
  if (failed(x))
    return failure();
  Value y = count ? applyKernel(node, *kernel, *x, vectors, count) : *x;
  y = addToColumns(node, product(node, y, coefficients, 1), rho);
  if (node.getInt("one_class", 0)) {
    Value isInside = node.compare(CompareKind::gt, y, node.fillLike(y, 0));
    node.setOutput(node.choose(isInside, node.fillLike(y, 1), node.fillLike(y, -1)));
    return success();
  }
  node.setOutput(transformScores(node, y, *transform));
  return success();
}

namespace {
/// Every pair of classes has a machine of its own, which says which of the two it is.
class SvmClassifier {
public:
  explicit SvmClassifier(Node &node) : node(node) {}
  LogicalResult run();

private:
  LogicalResult read();
  LogicalResult runLinear();
  Value pairScores(Value similar);
  Value mostVoted(Value scores);
  Value probabilities(Value scores);
  Value refine(Value q, Value start);

  Node &node;
  SvmKernel kernel;
  PostTransform transform = PostTransform::None;
  ClassLabels labels;
  SmallVector<int64_t> perClass;
  SmallVector<float> vectors, coefficients, rho, slopes, shifts;
  SmallVector<std::pair<int64_t, int64_t>> pairs;
  int64_t vectorCount = 0, classes = 0;
};
} // namespace

LogicalResult SvmClassifier::read() {
  FailureOr<SvmKernel> ownKernel = kernelOf(node);
  FailureOr<PostTransform> ownTransform = postTransformOf(node);
  FailureOr<ClassLabels> ownLabels = classLabelsOf(node, "classlabels_ints");
  if (failed(ownKernel) || failed(ownTransform) || failed(ownLabels))
    return failure();
  kernel = *ownKernel;
  transform = *ownTransform;
  labels = *ownLabels;
  classes = int64_t(labels.size());
  auto floats = [&](StringRef name) { return node.getFloats(name).value_or(SmallVector<float>()); };
  vectors = floats("support_vectors");
  coefficients = floats("coefficients");
  rho = floats("rho");
  slopes = floats("prob_a");
  shifts = floats("prob_b");
  perClass = node.getInts("vectors_per_class").value_or(SmallVector<int64_t>());
  for (int64_t count : perClass) {
    if (count < 0 || count > int64_t(vectors.size()))
      return node.error("has " + Twine(count) + " vectors of a class");
    vectorCount += count;
  }
  // A pair has a number in rho, so there are no more of them than the file has room for.
  const size_t pairCount = labels.size() * (labels.size() - 1) / 2;
  bool fits = vectorCount == 0
                  ? coefficients.size() >= labels.size() &&
                        coefficients.size() % labels.size() == 0 && !rho.empty()
                  : perClass.size() == labels.size() && vectors.size() % size_t(vectorCount) == 0 &&
                        int64_t(coefficients.size()) == (classes - 1) * vectorCount &&
                        rho.size() >= pairCount && pairCount > 0;
  fits &= slopes.size() == shifts.size() && (slopes.empty() || slopes.size() >= pairCount);
  if (!fits)
    return node.error("has " + Twine(coefficients.size()) + " coefficients, " + Twine(rho.size()) +
                      " of rho and " + Twine(slopes.size()) + " of prob_a for " + Twine(classes) +
                      " classes and " + Twine(vectorCount) + " vectors");
  rho.truncate(std::min(rho.size(), std::max<size_t>(pairCount, 1)));
  for (int64_t i = 0; vectorCount && i < classes; ++i)
    for (int64_t j = i + 1; j < classes; ++j)
      pairs.emplace_back(i, j);
  return success();
}

/// Without vectors: a plane for each class.
LogicalResult SvmClassifier::runLinear() {
  FailureOr<Value> x = rowsOf(node, f32(node), int64_t(coefficients.size()) / classes);
  if (failed(x))
    return failure();
  Value scores = node.add(product(node, *x, coefficients, classes), double(rho[0]));
  Value index = largestOf(node, scores);
  if (classes == 2 && slopes.empty()) {
    // The second class is preferred where any score is high, as in onnxruntime.
    bool allPositive = llvm::all_of(coefficients, [](float c) { return c >= 0; });
    Value largest = node.reduce(ReduceKind::max, scores, {1});
    Value isHigh = node.compare(allPositive ? CompareKind::ge : CompareKind::gt, largest,
                                node.fillLike(largest, allPositive ? 0.5 : 0.0));
    index = node.choose(isHigh, node.fillLike(index, 1), index);
  }
  node.setOutput(labelsAt(node, labels, index));
  node.setOutput(transformScores(node, scores, transform));
  return success();
}

/// Of the coefficients [classes - 1, vectors] a vector of class i has one for each other class, in
/// their order: those of two classes against each other are a row of one product.
Value SvmClassifier::pairScores(Value similar) {
  std::vector<float> weights(pairs.size() * size_t(vectorCount), 0);
  SmallVector<int64_t> begins(1, 0);
  for (int64_t count : perClass)
    begins.push_back(begins.back() + count);
  for (auto [p, pair] : llvm::enumerate(pairs)) {
    auto [i, j] = pair;
    float *row = weights.data() + int64_t(p) * vectorCount;
    for (int64_t v = begins[i]; v < begins[i + 1]; ++v)
      row[v] = coefficients[(j - 1) * vectorCount + v];
    for (int64_t v = begins[j]; v < begins[j + 1]; ++v)
      row[v] = coefficients[i * vectorCount + v];
  }
  return addToColumns(node, product(node, similar, weights, int64_t(pairs.size())), rho);
}

/// Each pair votes for one of its classes; of equal counts the first class.
Value SvmClassifier::mostVoted(Value scores) {
  std::vector<float> change(pairs.size() * labels.size(), 0), start(labels.size(), 0);
  for (auto [p, pair] : llvm::enumerate(pairs)) {
    change[size_t(pair.first) * pairs.size() + p] = 1;
    change[size_t(pair.second) * pairs.size() + p] = -1;
    start[size_t(pair.second)] += 1;
  }
  Value isFirst = node.compare(CompareKind::gt, scores, node.fillLike(scores, 0));
  Value votes = product(node, node.convert(isFirst, f32(node)), change, classes);
  return labelsOfLargest(node, labels, addToColumns(node, votes, start));
}

/// Wu, Lin, Weng: Probability estimates for multi-class classification by pairwise coupling, second
/// approach, with libsvm's steps and its end. A row that is good enough stays.
Value SvmClassifier::refine(Value q, Value start) {
  OpBuilder &outer = node.getBuilder();
  Location loc = node.getLoc();
  Type flag = outer.getI1Type();
  DimAttr rows = graph::getTensorType(start).getDim(0);
  SmallVector<Value> starts{node.scalar(node.si64(), 0), node.scalar(flag, 1), start};
  OperationState state(loc, graph::WhileOp::getOperationName());
  state.addOperands(starts);
  state.addTypes(ValueRange(starts).getTypes());
  Block *check = &state.addRegion()->emplaceBlock(), *body = &state.addRegion()->emplaceBlock();
  for (Value value : starts) {
    check->addArgument(value.getType(), loc);
    body->addArgument(value.getType(), loc);
  }
  Operation *loop = outer.create(state);
  OpBuilder inTest = OpBuilder::atBlockEnd(check);
  graph::GraphBuilder t = node.at(inTest);
  Value isEarly = t.compare(CompareKind::lt, check->getArgument(0), t.scalar(node.si64(), 100));
  graph::ConditionOp::create(inTest, loc, t.create<graph::AndOp>(check->getArgument(1), isEarly));

  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  graph::TensorType type = graph::getTensorType(start), column = type.withDims({rows});
  auto everywhere = [&](Value value) { return b.broadcast(value, {0}, type.getDims()); };
  auto entry = [&](Value matrix, int64_t i) {
    DimList starts{node.dim(0), node.dim(i)}, ones(2, node.dim(1));
    Value one = b.create<graph::SliceOp>(matrix, starts, ones, DimList{rows, node.dim(1)});
    return b.reshape(one, {rows});
  };
  auto row = [&](int64_t i) {
    DimList starts{node.dim(0), node.dim(i), node.dim(0)}, ones(3, node.dim(1));
    Value one =
        b.create<graph::SliceOp>(q, starts, ones, DimList{rows, node.dim(1), node.dim(classes)});
    return b.reshape(one, type.getDims());
  };
  Value p = body->getArgument(2);
  Value qp = b.create<graph::ContractOp>(type, "bij,bj->bi", q, p, TypeAttr());
  Value pqp = b.reduce(ReduceKind::sum, b.mul(p, qp), {1});
  Value error = b.reduce(ReduceKind::max, b.create<graph::AbsOp>(b.sub(qp, everywhere(pqp))), {1});
  Value goesOn = b.compare(CompareKind::ge, error, b.fill(column, 0.005 / double(classes)));
  Value next = p;
  for (int64_t i = 0; i < classes; ++i) {
    std::vector<float> unit(size_t(classes), 0);
    unit[size_t(i)] = 1;
    Value own = row(i), ownDiagonal = entry(own, i), ownProduct = entry(qp, i);
    Value change = b.div(b.sub(pqp, ownProduct), ownDiagonal), scale = b.add(change, 1);
    Value grown = b.mul(change, b.add(b.mul(change, ownDiagonal), b.mul(ownProduct, 2)));
    pqp = b.div(b.div(b.add(pqp, grown), scale), scale);
    Value place = b.create<graph::ConstantOp>(
        graph::TensorType::get(ArrayRef<int64_t>{classes}, type.getElementType()),
        DenseElementsAttr::get(llvm::cast<ShapedType>(graph::TensorType::get(
                                   ArrayRef<int64_t>{classes}, type.getElementType())),
                               ArrayRef<float>(unit)));
    Value step = b.mul(everywhere(change), b.broadcast(place, {1}, type.getDims()));
    next = b.div(b.add(next, step), everywhere(scale));
    qp = b.div(b.add(qp, b.mul(everywhere(change), own)), everywhere(scale));
  }
  next = b.create<graph::SelectOp>(everywhere(goesOn), next, p);
  Value anyGoesOn = b.reduce(ReduceKind::or_, goesOn, {0});
  graph::YieldOp::create(
      inner, loc,
      ValueRange{b.add(body->getArgument(0), b.scalar(node.si64(), 1)), anyGoesOn, next});
  return loop->getResult(2);
}

Value SvmClassifier::probabilities(Value scores) {
  ArrayRef<float> a = ArrayRef<float>(slopes).take_front(pairs.size()),
                  c = ArrayRef<float>(shifts).take_front(pairs.size());
  DimAttr rows = graph::getTensorType(scores).getDim(0);
  Value steep = node.mul(scores, node.broadcastTo(constantOf<float>(node, a, int64_t(a.size())),
                                                  graph::getTensorType(scores).getDims()));
  Value first =
      node.create<graph::SigmoidOp>(node.create<graph::NegOp>(addToColumns(node, steep, c)));
  first = node.min(node.max(first, 1e-7), 1 - 1e-7);
  Value second = node.sub(node.fillLike(first, 1), first);
  // r[i, j]: class i against class j; 0 on the diagonal.
  Value zero = node.fill(graph::TensorType::get({rows, node.dim(1)}, f32(node)), 0);
  Value known = node.concat({zero, first, second}, 1);
  int64_t count = int64_t(pairs.size());
  SmallVector<int64_t> places(size_t(classes * classes), 0), turned(places);
  for (auto [p, pair] : llvm::enumerate(pairs)) {
    auto [i, j] = pair;
    places[size_t(i * classes + j)] = turned[size_t(j * classes + i)] = 1 + int64_t(p);
    places[size_t(j * classes + i)] = turned[size_t(i * classes + j)] = 1 + count + int64_t(p);
  }
  auto matrix = [&](ArrayRef<int64_t> from) {
    Value flat = node.create<graph::GatherOp>(
        known, constantOf<int64_t>(node, from, int64_t(from.size())), 1);
    return node.reshape(flat, {rows, node.dim(classes), node.dim(classes)});
  };
  Value r = matrix(places), rT = matrix(turned);
  // Q[i, i] is the sum of r[j, i]^2, Q[i, j] is -r[j, i] r[i, j].
  Value squares = node.reduce(ReduceKind::sum, node.mul(rT, rT), {2});
  ArrayRef<DimAttr> dims = graph::getTensorType(r).getDims();
  std::vector<float> unit(size_t(classes * classes), 0);
  for (int64_t i = 0; i < classes; ++i)
    unit[size_t(i * classes + i)] = 1;
  Value diagonal = node.broadcastTo(constantOf<float>(node, unit, {classes, classes}), dims);
  Value q = node.sub(node.mul(diagonal, node.broadcast(squares, {0, 1}, dims)), node.mul(rT, r));
  Value start = node.fill(graph::TensorType::get({rows, node.dim(classes)}, f32(node)),
                          1.0 / double(classes));
  return refine(q, start);
}

LogicalResult SvmClassifier::run() {
  if (failed(read()))
    return failure();
  if (vectorCount == 0)
    return runLinear();
  FailureOr<Value> x = rowsOf(node, f32(node), int64_t(vectors.size()) / vectorCount);
  if (failed(x))
    return failure();
  Value scores = pairScores(applyKernel(node, kernel, *x, vectors, vectorCount));
  node.setOutput(mostVoted(scores));
  if (!slopes.empty())
    node.setOutput(transformScores(node, probabilities(scores), transform));
  else if (classes == 2)
    node.setOutput(scoresOfBoth(node, scores, transform, transform == PostTransform::None));
  else
    node.setOutput(transformScores(node, scores, transform));
  return success();
}

static LogicalResult importSvmClassifier(Node &node) { return SvmClassifier(node).run(); }

ArrayRef<Operator> tessera::onnx::mlLinearOperators() {
  static const Operator table[] = {
      {"LinearClassifier", 1, importLinearClassifier},
      {"LinearRegressor", 1, importLinearRegressor},
      {"SVMClassifier", 1, importSvmClassifier},
      {"SVMRegressor", 1, importSvmRegressor},
  };
  return table;
}
