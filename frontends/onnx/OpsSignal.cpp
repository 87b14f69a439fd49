//===- OpsSignal.cpp - Fourier transforms, windows, mel weights -------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include <numbers>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using std::numbers::pi;

/// An extent as a float at every element of a type.
static Value extentAt(Node &node, DimExpr extent, graph::TensorType type) {
  if (std::optional<int64_t> constant = extent.get().getConstant())
    return node.fill(type, double(*constant));
  Value value = node.convert(ShapeScalars(node).number(extent.get()), type.getElementType());
  return node.broadcast(value, {}, type.getDims());
}

//===----------------------------------------------------------------------===//
// Fourier transforms: products with a matrix of sines and cosines
//===----------------------------------------------------------------------===//

namespace {
struct Transform {
  bool inverse = false, onesided = false;
  DimExpr length;
};
} // namespace

/// x has real (and imaginary) parts along the last dim; both of the transform are there, but the
/// inverse of one side is real.
static FailureOr<Value> transform(Node &node, Value x, int64_t axis, const Transform &how) {
  graph::TensorType type = graph::getTensorType(x);
  std::optional<int64_t> parts = type.getDims().back().getConstant();
  if (!parts || *parts < 1 || *parts > 2)
    return node.error("needs one or two parts of numbers along the last axis");
  bool toReal = how.inverse && how.onesided;
  DimExpr half = how.length.floorDiv(2) + 1, outputs = how.onesided && !toReal ? half : how.length;
  // What is missing is zero, and adds nothing.
  DimExpr inputs = DimExpr::min(type.getDim(axis), toReal ? half : how.length);
  if (!outputs || !inputs)
    return node.error("its extents overflow");
  x = node.cut(x, axis, node.dim(0), inputs);
  // Angles are whole turns apart for products that are equal modulo the length: exact in integers.
  Type f64 = node.getBuilder().getF64Type();
  DimList pair{inputs.get(), outputs.get()};
  Value product = node.mul(node.iota(pair, 0), node.iota(pair, 1));
  Value length = node.broadcast(ShapeScalars(node).number(how.length.get()), {}, pair);
  Value turns = node.div(node.convert(node.create<graph::ModOp>(product, length), f64),
                         node.convert(length, f64));
  Value angle = node.mul(turns, how.inverse ? 2 * pi : -2 * pi);
  Value cosine = node.create<graph::CosOp>(angle), sine = node.create<graph::SinOp>(angle);
  if (how.inverse) {
    Value share = node.div(node.fillLike(angle, 1), node.convert(length, f64));
    if (toReal) {
      // All but the first (and the middle one of an even length) stand for two.
      Value k = node.iota(pair, 0), twice = node.mul(k, 2.0), zero = node.fillLike(k, 0);
      Value isSingle = node.create<graph::OrOp>(node.compare(CompareKind::eq, k, zero),
                                                node.compare(CompareKind::eq, twice, length));
      share = node.choose(isSingle, share, node.mul(share, 2.0));
    }
    cosine = node.mul(cosine, share);
    sine = node.mul(sine, share);
  }
  // The matrix [inputs, parts, outputs, parts of the result].
  DimList column{inputs.get(), node.dim(1), outputs.get(), node.dim(1)};
  auto cell = [&](Value value) { return node.reshape(value, column); };
  Value minus = node.create<graph::NegOp>(sine);
  SmallVector<Value> ofReal{cell(cosine)}, ofImaginary{cell(minus)};
  if (!toReal) {
    ofReal.push_back(cell(sine));
    ofImaginary.push_back(cell(cosine));
  }
  SmallVector<Value> both{node.concat(ofReal, 3)};
  if (*parts == 2)
    both.push_back(node.concat(ofImaginary, 3));
  Value matrix = node.convert(node.concat(both, 1), type.getElementType());
  std::string letters;
  for (int64_t d = 0; d < type.rank(); ++d)
    letters += char('a' + d);
  if (type.rank() > 20)
    return node.error("has too many dimensions");
  std::string result = letters;
  result[axis] = 'y';
  result.back() = 'z';
  DimList dims(type.getDims());
  dims[axis] = outputs;
  dims.back() = node.dim(toReal ? 1 : 2);
  std::string equation = letters + "," + letters[axis] + letters.back() + "yz->" + result;
  return node.create<graph::ContractOp>(node.typeOf(dims, type.getElementType()), equation, x,
                                        matrix, TypeAttr());
}

static LogicalResult importDft(Node &node) {
  graph::TensorType type = node.type(0);
  int64_t axis = node.opset < 20 ? node.getInt("axis", 1) : -2;
  if (node.opset >= 20 && node.input(2)) {
    SmallVector<int64_t> axes;
    if (failed(node.constantInts(2, "the axis", axes)))
      return failure();
    if (axes.size() != 1)
      return node.error("has " + Twine(axes.size()) + " axes, expected one");
    axis = axes[0];
  }
  if (failed(node.normalizeAxis(axis, type.rank())))
    return failure();
  if (axis == type.rank() - 1)
    return node.error("transforms along the axis that holds the parts of numbers");
  Transform how;
  how.inverse = node.getInt("inverse", 0);
  how.onesided = node.getInt("onesided", 0);
  how.length = type.getDim(axis);
  if (how.inverse && how.onesided)
    how.length = (how.length - 1) * 2;
  if (node.input(1)) {
    DimList length;
    if (failed(node.sizesOf(1, "the length", length)))
      return failure();
    if (length.size() != 1)
      return node.error("has " + Twine(length.size()) + " lengths, expected one");
    how.length = length[0];
  }
  FailureOr<Value> result = transform(node, node.input(0), axis, how);
  if (failed(result))
    return failure();
  node.setOutput(*result);
  return success();
}

/// Frames of the signal that begin a step apart, each weighted and transformed.
static LogicalResult importStft(Node &node) {
  graph::TensorType type = node.type(0);
  DimList step, length;
  if (failed(node.needInputs(2)) || failed(node.extentsOf(1, "the step between frames", step)))
    return failure();
  // onnxruntime takes real signals without the axis that would hold one number.
  if (type.rank() == 2) {
    node.inputs[0] = node.reshape(node.input(0), {type.getDim(0), type.getDim(1), node.dim(1)});
    type = node.type(0);
  }
  if (type.rank() != 3 || step.size() != 1)
    return node.error("needs a signal of rank 2 or 3 and one step between frames");
  DimExpr frame = type.getDim(1);
  if (node.input(3)) {
    if (failed(node.sizesOf(3, "the length of frames", length)))
      return failure();
    if (length.size() != 1)
      return node.error("has " + Twine(length.size()) + " lengths of frames, expected one");
    frame = length[0];
  } else if (node.input(2) && node.type(2).rank() == 1) {
    frame = node.type(2).getDim(0);
  }
  DimExpr frames = (DimExpr(type.getDim(1)) - frame).floorDiv(DimExpr(step[0])) + 1;
  DimList places = node.valid({frames, frame});
  Value hop = node.broadcast(ShapeScalars(node).number(step[0]), {}, places);
  Value index = node.add(node.mul(node.iota(places, 0), hop), node.iota(places, 1));
  Value x = node.create<graph::GatherOp>(node.input(0), index, 1);
  if (Value window = node.input(2)) {
    window = node.reshape(window, DimAttr(frame.get()));
    x = node.mul(x, node.broadcast(window, {2}, graph::getTensorType(x).getDims()));
  }
  Transform how;
  how.onesided = node.getInt("onesided", 1);
  how.length = frame;
  FailureOr<Value> result = transform(node, x, 2, how);
  if (failed(result))
    return failure();
  node.setOutput(*result);
  return success();
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

/// constant + first * cos(2 pi n / N) + second * cos(4 pi n / N)
static LogicalResult makeWindow(Node &node, double constant, double first, double second) {
  DimList size;
  if (failed(node.sizesOf(0, "the length", size)))
    return failure();
  Type element = getElementType(node.getBuilder().getContext(), node.getInt("output_datatype", 1));
  if (!element || size.size() != 1)
    return node.error("needs one length and an element type that is supported");
  graph::TensorType type = graph::TensorType::get(size, node.getBuilder().getF64Type());
  DimExpr period = size[0];
  if (!node.getInt("periodic", 1))
    period = period - 1;
  Value turns = node.div(node.create<graph::IotaOp>(type, 0), extentAt(node, period, type));
  auto wave = [&](double factor, double count) {
    return node.mul(node.create<graph::CosOp>(node.mul(turns, 2 * pi * count)), factor);
  };
  Value result = node.add(wave(first, 1), constant);
  if (second != 0)
    result = node.add(result, wave(second, 2));
  node.setOutput(node.convert(result, element));
  return success();
}
static LogicalResult importHann(Node &node) { return makeWindow(node, 0.5, -0.5, 0); }
static LogicalResult importHamming(Node &node) {
  return makeWindow(node, 25.0 / 46, -21.0 / 46, 0);
}
static LogicalResult importBlackman(Node &node) { return makeWindow(node, 0.42, -0.5, 0.08); }

/// Triangles between neighbouring frequencies that are equally far apart on the mel scale.
static LogicalResult importMelWeights(Node &node) {
  DimList bins, length;
  if (failed(node.needInputs(5)) || failed(node.sizesOf(0, "the number of bands", bins)) ||
      failed(node.sizesOf(1, "the length of the transform", length)))
    return failure();
  Type element = getElementType(node.getBuilder().getContext(), node.getInt("output_datatype", 1));
  if (!element || bins.size() != 1 || length.size() != 1)
    return node.error(
        "needs one number of bands, one length and an element type that is supported");
  Type f64 = node.getBuilder().getF64Type();
  DimExpr count = DimExpr(bins[0]) + 2, rows = DimExpr(length[0]).floorDiv(2) + 1;
  if (!count || !rows)
    return node.error("its extents overflow");
  graph::TensorType edges = graph::TensorType::get(DimList{count.get()}, f64);
  auto spread = [&](Value x) { return node.broadcast(x, {}, edges.getDims()); };
  auto scalar = [&](size_t i) { return node.reshape(node.convert(node.input(i), f64), {}); };
  constexpr double kLog10 = 2.302585092994045684;
  auto toMel = [&](Value hertz) {
    return node.mul(node.create<graph::Log1pOp>(node.mul(hertz, 1.0 / 700)), 2595 / kLog10);
  };
  Value low = toMel(scalar(3)), high = toMel(scalar(4));
  Value step = node.div(spread(node.sub(high, low)), extentAt(node, count, edges));
  Value mel = node.add(node.mul(node.create<graph::IotaOp>(edges, 0), step), spread(low));
  Value hertz = node.mul(node.create<graph::Expm1Op>(node.mul(mel, kLog10 / 2595)), 700.0);
  Value scaled = node.mul(hertz, extentAt(node, node.known(DimExpr(length[0]) + 1), edges));
  Value edge = node.create<graph::FloorOp>(node.div(scaled, spread(scalar(2))));
  graph::TensorType type = graph::TensorType::get(DimList{rows.get(), bins[0]}, f64);
  auto from = [&](int64_t k) {
    return node.broadcast(node.cut(edge, 0, node.dim(k), bins[0]), {1}, type.getDims());
  };
  Value left = from(0), middle = from(1), right = from(2), at = node.create<graph::IotaOp>(type, 0);
  auto both = [&](Value x, Value y) { return Value(node.create<graph::AndOp>(x, y)); };
  auto atLeast = [&](Value x, Value y) { return node.compare(CompareKind::ge, x, y); };
  Value zero = node.fill(type, 0), one = node.fill(type, 1);
  Value up = node.sub(middle, left), down = node.sub(right, middle);
  Value rising = node.div(node.sub(at, left), up), falling = node.div(node.sub(right, at), down);
  rising = node.choose(node.compare(CompareKind::eq, up, zero), one, rising);
  Value result = node.choose(both(atLeast(at, left), atLeast(middle, at)), rising, zero);
  Value isFalling = both(atLeast(at, middle), node.compare(CompareKind::lt, at, right));
  node.setOutput(node.convert(node.choose(isFalling, falling, result), element));
  return success();
}

ArrayRef<Operator> tessera::onnx::signalOperators() {
  static const Operator table[] = {
      {"BlackmanWindow", 17, importBlackman},    {"DFT", 17, importDft},
      {"HammingWindow", 17, importHamming},      {"HannWindow", 17, importHann},
      {"MelWeightMatrix", 17, importMelWeights}, {"STFT", 17, importStft},
  };
  return table;
}
