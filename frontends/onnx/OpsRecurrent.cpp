//===- OpsRecurrent.cpp - RNN, GRU, LSTM
//-----------------------------------------------------------===//
//
// The products with the input are computed for the whole sequence at once; what is left is a
// graph.scan over time. Sequences of different length are masked: a state stays as it is outside of
// its sequence, which serves both directions. com.microsoft's LSTM of 8 bits has other products.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DynamicRange.h"
#include "frontends/onnx/Importer.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::GraphBuilder;

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

namespace {
struct Activation {
  std::string name; ///< lower case
  double alpha = 0, beta = 0;
};
} // namespace

/// Name, and the specification's defaults; a NaN where the function has no such parameter.
static const struct {
  const char *name;
  double alpha, beta;
} kActivations[] = {
    {"affine", 1, 0},
    {"elu", 1, NAN},
    {"hardsigmoid", 0.2, 0.5},
    {"leakyrelu", 0.01, NAN},
    {"relu", NAN, NAN},
    {"scaledtanh", 1, 1},
    {"sigmoid", NAN, NAN},
    {"softplus", NAN, NAN},
    {"softsign", NAN, NAN},
    {"tanh", NAN, NAN},
    {"thresholdedrelu", 1, NAN},
};

static Value apply(GraphBuilder &b, const Activation &f, Value x) {
  FloatAttr alpha = b.getBuilder().getF64FloatAttr(f.alpha);
  FloatAttr beta = b.getBuilder().getF64FloatAttr(f.beta);
  if (f.name == "affine")
    return b.add(b.mul(x, f.alpha), f.beta);
  if (f.name == "elu")
    return b.create<graph::EluOp>(x, alpha);
  if (f.name == "hardsigmoid")
    return b.create<graph::HardSigmoidOp>(x, alpha, beta);
  if (f.name == "leakyrelu")
    return b.create<graph::LeakyReluOp>(x, alpha);
  if (f.name == "relu")
    return b.create<graph::ReluOp>(x);
  if (f.name == "scaledtanh")
    return b.mul(b.create<graph::TanhOp>(b.mul(x, f.beta)), f.alpha);
  if (f.name == "sigmoid")
    return b.create<graph::SigmoidOp>(x);
  if (f.name == "softplus")
    return b.create<graph::SoftplusOp>(x);
  if (f.name == "softsign")
    return b.create<graph::SoftsignOp>(x);
  if (f.name == "tanh")
    return b.create<graph::TanhOp>(x);
  Value above = b.compare(graph::CompareKind::gt, x, b.fillLike(x, f.alpha));
  return b.create<graph::SelectOp>(above, x, b.fillLike(x, 0));
}

/// `count` functions for each direction; parameters are listed for the functions that have them.
static LogicalResult readActivations(Node &node, ArrayRef<StringRef> standard, int64_t directions,
                                     SmallVectorImpl<Activation> &result) {
  SmallVector<std::string> names;
  if (const ::onnx::AttributeProto *given = node.attribute("activations"))
    for (const std::string &name : given->strings())
      names.push_back(StringRef(name).lower());
  for (int64_t d = 0; names.size() < standard.size() * directions && d < directions; ++d)
    if (names.size() == standard.size() * d)
      for (StringRef name : standard)
        names.push_back(name.lower());
  if (names.size() != standard.size() * directions)
    return node.error("lists " + Twine(names.size()) + " activations, expected " +
                      Twine(standard.size() * directions));
  auto listOf = [&](StringRef name) {
    SmallVector<double> list;
    if (const ::onnx::AttributeProto *given = node.attribute(name))
      list.append(given->floats().begin(), given->floats().end());
    return list;
  };
  SmallVector<double> alphas = listOf("activation_alpha"), betas = listOf("activation_beta");
  size_t alpha = 0, beta = 0;
  for (const std::string &name : names) {
    const auto *row = llvm::find_if(kActivations, [&](auto &row) { return name == row.name; });
    if (row == std::end(kActivations))
      return node.error("has an activation '" + name + "' that its specification does not list");
    Activation f{name, row->alpha, row->beta};
    if (!std::isnan(row->alpha) && alpha < alphas.size())
      f.alpha = alphas[alpha++];
    if (!std::isnan(row->beta) && beta < betas.size())
      f.beta = betas[beta++];
    result.push_back(f);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// What the three have in common
//===----------------------------------------------------------------------===//

namespace {
/// One step, written into the region of the scan.
struct Step {
  GraphBuilder &b;
  ArrayRef<Activation> f;
  double clip; ///< 0 when there is none

  Value activate(size_t number, Value x) {
    if (clip > 0)
      x = b.max(b.min(x, clip), -clip);
    return apply(b, f[number], x);
  }
  /// Gate number `k` of a tensor that has them side by side in its last dim.
  Value gate(Value all, int64_t k, DimAttr hidden) {
    return columns(b, all, DimExpr(hidden) * k, hidden);
  }

  static Value columns(GraphBuilder &b, Value x, DimAttr start, DimAttr count) {
    graph::TensorType type = graph::getTensorType(x);
    DimAttr zero = graph::getDim(type.getContext(), 0), one = graph::getDim(type.getContext(), 1);
    DimList starts(type.rank(), zero), steps(type.rank(), one), dims(type.getDims());
    starts.back() = start;
    dims.back() = count;
    return b.create<graph::SliceOp>(x, starts, steps, dims);
  }
};

class Recurrence {
public:
  Recurrence(Node &node, int64_t gates, ArrayRef<StringRef> activations)
      : node(node), gates(gates), standard(activations) {}
  virtual ~Recurrence() = default;
  LogicalResult import();

protected:
  /// Brings inputs into the form that an operator of ONNX has.
  virtual LogicalResult prepare() { return success(); }
  /// The next states from the states and the products of this step's input.
  virtual SmallVector<Value> step(Step &step, ValueRange states, Value projected,
                                  int64_t direction) = 0;
  /// Biases of the recurrent products that cannot be added to those of the input.
  virtual bool keepsRecurrentBias() { return false; }
  /// Rows of inputs (`from` 1) or states (2), as W and R are numbered, times a weight [columns, K].
  virtual Value multiply(GraphBuilder &b, Value rows, Value weight, size_t from, int64_t direction);

  LogicalResult read();
  Value ofDirection(Value x, int64_t direction);
  Value recurrent(GraphBuilder &b, Value hidden, Value weight, int64_t direction) {
    return multiply(b, hidden, weight, 2, direction);
  }
  Value initial(size_t input, int64_t direction);
  Value project(int64_t direction);
  SmallVector<Value> scan(int64_t direction, bool reverse);
  Value atRows(GraphBuilder &b, Value vector, graph::TensorType type);

  Node &node;
  int64_t gates;
  ArrayRef<StringRef> standard;
  int64_t directions = 1, states = 1;
  bool batchFirst = false;
  double clip = 0;
  SmallVector<Activation> activations;
  Value x;       ///< time, batch, input
  Value lengths; ///< per batch, or null
  DimAttr time, batch, hidden;
  graph::TensorType stateType;
  SmallVector<Value, 2> weights; ///< recurrent, per direction
  SmallVector<Value, 2> biases;  ///< of the recurrent products, per direction; null without
};
} // namespace

/// Slice `direction` of the first dim, without it.
Value Recurrence::ofDirection(Value value, int64_t direction) {
  graph::TensorType type = graph::getTensorType(value);
  DimList starts(type.rank(), node.dim(0)), steps(type.rank(), node.dim(1)), dims(type.getDims());
  starts[0] = node.dim(direction);
  dims[0] = node.dim(1);
  Value slice = directions == 1 ? value : node.create<graph::SliceOp>(value, starts, steps, dims);
  return node.reshape(slice, ArrayRef<DimAttr>(dims).drop_front());
}

LogicalResult Recurrence::read() {
  if (!node.input(1) || !node.input(2))
    return node.error("needs inputs X, W and R");
  if (node.type(0).rank() != 3 || node.type(1).rank() != 3 || node.type(2).rank() != 3)
    return node.error("needs X, W and R of rank 3");
  std::string direction = node.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return node.error("has direction '" + direction + "'");
  directions = direction == "bidirectional" ? 2 : 1;
  batchFirst = node.getInt("layout", 0);
  clip = node.getFloat("clip", 0);
  x = batchFirst ? node.transpose(node.input(0), {1, 0, 2}) : node.input(0);
  graph::TensorType type = graph::getTensorType(x);
  // An open extent is what the weights ask for, which is checked when the model runs.
  if (DimAttr width = node.type(1).getDim(2); !type.getDim(2).isConstant() && width.isConstant()) {
    x = node.reshape(x, {type.getDim(0), type.getDim(1), width});
    type = graph::getTensorType(x);
  }
  time = type.getDim(0);
  batch = type.getDim(1);
  hidden = node.type(2).getDim(2);
  int64_t listed = node.getInt("hidden_size", 0);
  if (!hidden.isConstant() || (listed && listed != hidden.getValue()))
    return node.error("has hidden_size " + Twine(listed) + ", but R has extent " + hidden.str());
  DimAttr all = node.known(DimExpr(hidden) * gates);
  auto expect = [&](size_t input, StringRef name, ArrayRef<DimAttr> dims) -> LogicalResult {
    if (node.input(input) && !node.takesDims(input, dims))
      return node.error(name + " has another shape than direction and hidden size ask for");
    return success();
  };
  DimAttr d = node.dim(directions);
  if (failed(expect(1, "W", {d, all, type.getDim(2)})) ||
      failed(expect(2, "R", {d, all, hidden})) ||
      failed(expect(3, "B", {d, node.known(DimExpr(all) * 2)})) ||
      failed(expect(4, "sequence_lens", {batch})) ||
      failed(expect(7, "P", {d, node.known(DimExpr(hidden) * 3)})))
    return failure();
  for (size_t input : {5, 6})
    if (node.input(input) && node.type(input).rank() != 3)
      return node.error("needs initial states of rank 3");
  lengths = node.input(4);
  stateType = graph::TensorType::get({batch, hidden}, type.getElementType());
  return readActivations(node, standard, directions, activations);
}

/// The initial state: an input, or zeros.
Value Recurrence::initial(size_t input, int64_t direction) {
  if (!node.input(input))
    return node.fill(stateType, 0);
  Value all = batchFirst ? node.transpose(node.input(input), {1, 0, 2}) : node.input(input);
  return node.reshape(ofDirection(all, direction), stateType.getDims());
}

Value Recurrence::atRows(GraphBuilder &b, Value vector, graph::TensorType type) {
  return b.broadcast(vector, {type.rank() - 1}, type.getDims());
}

/// x W^T + biases for the whole sequence; keeps the recurrent bias apart where it is needed. Steps
/// and batch are rows of one product: either alone may be one row.
Value Recurrence::project(int64_t direction) {
  graph::TensorType type = graph::getTensorType(x);
  DimAttr all = DimExpr(hidden) * gates, rows = node.known(DimExpr(time) * batch);
  auto projected = graph::TensorType::get({rows, all}, type.getElementType());
  DimList stepwise{time, batch, all};
  Value weight = ofDirection(node.input(1), direction);
  Value result = multiply(node, node.reshape(x, {rows, type.getDim(2)}), weight, 1, direction);
  weights.push_back(ofDirection(node.input(2), direction));
  biases.push_back({});
  if (!node.input(3))
    return node.reshape(result, stepwise);
  Value bias = ofDirection(node.input(3), direction);
  Value first = Step::columns(node, bias, node.dim(0), all);
  Value second = Step::columns(node, bias, all, all);
  if (keepsRecurrentBias())
    biases.back() = second;
  else
    first = node.add(first, second);
  return node.reshape(node.add(result, atRows(node, first, projected)), stepwise);
}

/// rows weight^T
static Value multiplyRows(GraphBuilder &b, Value rows, Value weight) {
  graph::TensorType type = graph::getTensorType(rows);
  auto result = type.withDims({type.getDim(0), graph::getTensorType(weight).getDim(0)});
  return b.create<graph::ContractOp>(result, b.getBuilder().getStringAttr("ri,gi->rg"), rows,
                                     weight, TypeAttr());
}

Value Recurrence::multiply(GraphBuilder &b, Value rows, Value weight, size_t, int64_t) {
  return multiplyRows(b, rows, weight);
}

/// The last states, then the hidden state of every step.
SmallVector<Value> Recurrence::scan(int64_t direction, bool reverse) {
  Value projected = project(direction);
  SmallVector<Value> inits, xs{projected};
  for (int64_t i = 0; i < states; ++i)
    inits.push_back(initial(5 + i, direction));
  if (lengths) {
    auto counter = graph::TensorType::get({time}, graph::getTensorType(lengths).getElementType());
    xs.push_back(node.create<graph::IotaOp>(counter, 0));
  }
  DimList stacked{time, batch, hidden};
  SmallVector<Type> results(states, stateType);
  results.push_back(stateType.withDims(stacked));
  OpBuilder &outer = node.getBuilder();
  auto op = graph::ScanOp::create(outer, node.getLoc(), results, inits, xs, /*axis=*/0, reverse);
  // What a step needs from outside goes before the loop.
  OpBuilder::InsertionGuard guard(outer);
  outer.setInsertionPoint(op);
  Block &body = op.getBody().emplaceBlock();
  for (Value init : inits)
    body.addArgument(init.getType(), node.getLoc());
  for (Value each : xs)
    body.addArgument(op.getSliceType(each.getType()), node.getLoc());
  OpBuilder inner = OpBuilder::atBlockEnd(&body);
  GraphBuilder b = node.at(inner);
  ArrayRef<Activation> all = activations;
  Step one{b, all.slice(direction * standard.size(), standard.size()), clip};
  SmallVector<Value> before(body.getArguments().take_front(states));
  SmallVector<Value> next = step(one, before, body.getArgument(states), direction);
  Value output = next[0];
  if (lengths) {
    DimList dims{batch, hidden};
    Value at = b.broadcast(body.getArgument(states + 1), {}, dims);
    Value isInside = b.compare(graph::CompareKind::lt, at, b.broadcast(lengths, {0}, dims));
    for (auto [value, old] : llvm::zip(next, before))
      value = b.create<graph::SelectOp>(isInside, value, old);
    output = b.create<graph::SelectOp>(isInside, output, b.fillLike(output, 0));
  }
  next.push_back(output);
  graph::YieldOp::create(inner, node.getLoc(), next);
  return SmallVector<Value>(op.getResults());
}

LogicalResult Recurrence::import() {
  if (failed(prepare()) || failed(read()))
    return failure();
  SmallVector<SmallVector<Value>> perDirection;
  for (int64_t d = 0; d < directions; ++d)
    perDirection.push_back(scan(d, d == 1 || node.getString("direction", "forward") == "reverse"));
  // Y: time, direction, batch, hidden (layout 1: batch, time, direction, hidden); states:
  // direction, batch, hidden (layout 1: batch, direction, hidden).
  auto join = [&](size_t which, int64_t place) {
    SmallVector<Value> parts;
    for (SmallVector<Value> &values : perDirection) {
      DimList dims(graph::getTensorType(values[which]).getDims());
      dims.insert(dims.begin() + place, node.dim(1));
      parts.push_back(node.reshape(values[which], dims));
    }
    return parts.size() == 1 ? parts[0] : node.create<graph::ConcatOp>(parts, place);
  };
  Value y = join(states, 1);
  node.setOutput(batchFirst ? node.transpose(y, {2, 0, 1, 3}) : y);
  for (int64_t i = 0; i < states; ++i) {
    Value last = join(i, 0);
    node.setOutput(batchFirst ? node.transpose(last, {1, 0, 2}) : last);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The three
//===----------------------------------------------------------------------===//

namespace {
/// H = f(X W + H R + b)
class Rnn : public Recurrence {
public:
  explicit Rnn(Node &node) : Recurrence(node, 1, kStandard) {}

protected:
  static constexpr StringRef kStandard[] = {"Tanh"};
  SmallVector<Value> step(Step &step, ValueRange h, Value projected, int64_t d) override {
    return {step.activate(0, step.b.add(projected, recurrent(step.b, h[0], weights[d], d)))};
  }
};

/// z, r = f(X W + H R + b); n = g(X W + (r H) R + b) or, with linear_before_reset,
/// g(X W + b + r (H R + b')); H = (1 - z) n + z H
class Gru : public Recurrence {
public:
  explicit Gru(Node &node)
      : Recurrence(node, 3, kStandard), linearBeforeReset(node.getInt("linear_before_reset", 0)) {}

protected:
  static constexpr StringRef kStandard[] = {"Sigmoid", "Tanh"};
  bool keepsRecurrentBias() override { return linearBeforeReset; }

  Value rows(GraphBuilder &b, Value weight, int64_t first, int64_t count) {
    DimList starts{DimExpr(hidden) * first, node.dim(0)}, steps(2, node.dim(1));
    return b.create<graph::SliceOp>(weight, starts, steps,
                                    DimList{DimExpr(hidden) * count, hidden});
  }

  SmallVector<Value> step(Step &step, ValueRange h, Value projected, int64_t d) override {
    GraphBuilder &b = step.b;
    Value weight = weights[d], product, z, r, n;
    if (linearBeforeReset) {
      product = recurrent(b, h[0], weight, d);
      if (biases[d])
        product = b.add(product, atRows(b, biases[d], graph::getTensorType(product)));
    } else {
      product = recurrent(b, h[0], rows(b, weight, 0, 2), d);
    }
    z = step.activate(0, b.add(step.gate(projected, 0, hidden), step.gate(product, 0, hidden)));
    r = step.activate(0, b.add(step.gate(projected, 1, hidden), step.gate(product, 1, hidden)));
    if (linearBeforeReset)
      n = b.mul(r, step.gate(product, 2, hidden));
    else
      n = recurrent(b, b.mul(r, h[0]), rows(b, weight, 2, 1), d);
    n = step.activate(1, b.add(step.gate(projected, 2, hidden), n));
    Value rest = b.sub(b.fillLike(z, 1), z);
    return {b.add(b.mul(rest, n), b.mul(z, h[0]))};
  }

  bool linearBeforeReset;
};

/// i, o, f = f(X W + H R + p C + b), c = g(X W + H R + b); C = f C + i c; H = o h(C)
class Lstm : public Recurrence {
public:
  explicit Lstm(Node &node) : Recurrence(node, 4, kStandard) { states = 2; }

protected:
  static constexpr StringRef kStandard[] = {"Sigmoid", "Tanh", "Tanh"};

  SmallVector<Value> step(Step &step, ValueRange hc, Value projected, int64_t d) override {
    GraphBuilder &b = step.b;
    Value all = b.add(projected, recurrent(b, hc[0], weights[d], d)), old = hc[1];
    Value peephole = node.input(7) ? ofDirection(node.input(7), d) : Value();
    // Gates stand as i, o, f, c; peepholes as i, o, f.
    auto gate = [&](int64_t k, Value cell) {
      Value x = step.gate(all, k, hidden);
      if (!peephole)
        return x;
      Value p = Step::columns(b, peephole, DimExpr(hidden) * k, hidden);
      return b.add(x, b.mul(atRows(b, p, stateType), cell));
    };
    Value i = step.activate(0, gate(0, old));
    Value f = node.getInt("input_forget", 0) ? b.sub(b.fillLike(i, 1), i)
                                             : step.activate(0, gate(2, old));
    Value c = step.activate(1, step.gate(all, 3, hidden));
    Value cell = b.add(b.mul(f, old), b.mul(i, c));
    Value o = step.activate(0, gate(1, cell));
    // The clip is for the gates: the cell goes into its activation as it is.
    return {b.mul(o, apply(b, step.f[2], cell)), cell};
  }
};

/// An LSTM whose weights are [directions, K, gates * hidden] in 8 bits. What they multiply is put
/// on the 256 steps of its range when the model runs: the input as a whole, as onnxruntime does it,
/// a state by itself for each sequence, where onnxruntime takes those that share a thread. Inputs:
/// those of LSTM, then scale and zero point of both weights, for the whole or for each column.
class DynamicQuantizedLstm : public Lstm {
public:
  explicit DynamicQuantizedLstm(Node &node) : Lstm(node) {}

protected:
  LogicalResult prepare() override;
  Value multiply(GraphBuilder &b, Value rows, Value weight, size_t from,
                 int64_t direction) override;

private:
  static size_t scaleOf(size_t weight) { return weight == 1 ? 8 : 10; }
};
} // namespace

LogicalResult DynamicQuantizedLstm::prepare() {
  for (size_t weight : {1, 2}) {
    const size_t scale = scaleOf(weight), zero = scale + 1;
    for (size_t needed : {weight, scale})
      if (!node.input(needed))
        return node.error("lacks input " + Twine(needed));
    graph::TensorType type = node.type(weight);
    auto bits = llvm::dyn_cast<IntegerType>(type.getElementType());
    if (type.rank() != 3 || !bits || bits.getWidth() != 8)
      return node.error("needs weights of rank 3 in 8 bits");
    node.inputs[weight] = node.transpose(node.input(weight), {0, 2, 1});
    // One number for each direction, or for each column of each.
    const DimAttr columns = type.getDim(2);
    for (size_t i : {scale, zero}) {
      if (!node.input(i))
        continue;
      const bool isWhole = node.type(i).rank() < 2;
      DimList dims{type.getDim(0), isWhole ? node.dim(1) : columns};
      node.inputs[i] = isWhole ? node.reshape(node.input(i), dims) : node.input(i);
      if (node.type(i).rank() != 2 || !node.takesDims(i, dims))
        return node.error("needs a scale and a zero point for each direction or each column");
      node.inputs[i] = node.broadcastTo(node.input(i), {type.getDim(0), columns});
    }
    if (node.input(zero) && node.type(zero).getElementType() != type.getElementType())
      return node.error("has a zero point of another type than its weight");
  }
  return success();
}

Value DynamicQuantizedLstm::multiply(GraphBuilder &b, Value rows, Value weight, size_t from,
                                     int64_t direction) {
  Type si32 = IntegerType::get(b.getBuilder().getContext(), 32, IntegerType::Signed);
  auto centre = [&](Value x, Value zero) {
    x = b.convert(x, si32);
    ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
    SmallVector<int64_t> at(graph::getTensorType(zero).rank(), 0);
    return b.sub(x, b.broadcast(b.convert(zero, si32), at, dims));
  };
  const size_t scale = scaleOf(from), zero = scale + 1;
  DynamicRange x = quantizeByRange(b, rows, /*isByRow=*/from == 2);
  Value right = node.input(zero) ? centre(weight, ofDirection(node.input(zero), direction))
                                 : b.convert(weight, si32);
  Value sums = multiplyRows(b, centre(x.quantized, x.zero), right);
  Value product = b.convert(sums, stateType.getElementType());
  ArrayRef<DimAttr> dims = graph::getTensorType(product).getDims();
  SmallVector<int64_t> at(graph::getTensorType(x.scale).rank(), 0);
  Value scales = b.broadcast(ofDirection(node.input(scale), direction), {1}, dims);
  return b.mul(product, b.mul(b.broadcast(x.scale, at, dims), scales));
}

template <typename Kind> static LogicalResult import(Node &node) { return Kind(node).import(); }

ArrayRef<Operator> tessera::onnx::recurrentOperators() {
  static const Operator table[] = {
      {"GRU", 7, import<Gru>},
      {"LSTM", 7, import<Lstm>},
      {"RNN", 7, import<Rnn>},
  };
  return table;
}

ArrayRef<Operator> tessera::onnx::microsoftRecurrentOperators() {
  static const Operator table[] = {{"DynamicQuantizeLSTM", 1, import<DynamicQuantizedLstm>}};
  return table;
}
