//===- OpsResize.cpp - Resize and Upsample ---------------------------------------------------===//
//
// What graph.resize says becomes that op. Filters that grow with the step between samples
// (antialias) and crops become, axis by axis, a gather of the neighbours of each sample and their
// weighted sum.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// The grid
//===----------------------------------------------------------------------===//

static LogicalResult readScales(Node &node, Value value, SmallVectorImpl<double> &scales) {
  auto constant = value.getDefiningOp<graph::ConstantOp>();
  auto dense =
      constant ? llvm::dyn_cast<DenseFPElementsAttr>(constant.getValue()) : DenseFPElementsAttr();
  if (!dense)
    return node.error("the list of scales is not constant");
  for (const llvm::APFloat &scale : dense.getValues<llvm::APFloat>())
    scales.push_back(scale.convertToDouble());
  return success();
}

/// A product of an extent and a scale as an extent; null when it is too large for one.
static DimAttr toExtent(Node &node, double number) {
  return number >= 0 && number < 0x1p62 ? node.dim(int64_t(number)) : DimAttr();
}

/// floor(extent * scale): exact for whole scales and for fractions of small integers.
static LogicalResult scaleExtent(Node &node, double scale, DimAttr &extent) {
  if (extent.isConstant()) {
    extent = toExtent(node, std::floor(double(extent.getValue()) * scale));
    return extent ? success() : node.error("its extents overflow");
  }
  int64_t denominator = 1;
  while (denominator <= 64 && scale * denominator != std::floor(scale * denominator))
    ++denominator;
  if (denominator > 64)
    return node.error("scale " + std::to_string(scale) +
                      " of a symbolic extent is no simple fraction");
  extent = node.known((DimExpr(extent) * int64_t(scale * denominator)).floorDiv(denominator));
  return success();
}

/// One scale for all axes: the smallest or the largest of those that the sizes ask for.
static LogicalResult keepAspectRatio(Node &node, bool isSmaller, ArrayRef<int64_t> axes,
                                     SmallVectorImpl<DimAttr> &sizes,
                                     SmallVectorImpl<double> &scales) {
  double scale = 0;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    DimAttr extent = node.type(0).getDim(axis);
    if (!sizes[i].isConstant() || !extent.isConstant() || extent.getValue() == 0)
      return node.error("keeps the aspect ratio of extents that are not constant, or are 0");
    double own = double(sizes[i].getValue()) / double(extent.getValue());
    scale = i == 0 ? own : isSmaller ? std::min(scale, own) : std::max(scale, own);
  }
  for (auto [i, axis] : llvm::enumerate(axes))
    sizes[i] = node.known(
        toExtent(node, std::floor(scale * double(node.type(0).getDim(axis).getValue()) + 0.5)));
  scales.assign(axes.size(), scale);
  return success();
}

/// The axes that are resized, their new extents, and their scales where these are given.
static LogicalResult readGrid(Node &node, SmallVectorImpl<int64_t> &axes, DimList &sizes,
                              SmallVectorImpl<double> &scales) {
  bool isOld = node.opset < 11;
  int64_t rank = node.type(0).rank();
  axes = node.getInts("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  SmallVector<int64_t> sorted(axes.begin(),
                              axes.end()); // Scales and sizes are in the order of the axes.
  if (failed(node.normalizeAxes(sorted, rank)))
    return failure();
  for (int64_t &axis : axes)
    axis += axis < 0 ? rank : 0;
  if (auto listed = node.attribute("scales"); listed && node.opset < 9) {
    // Upsample, before its scales became an input.
    for (float scale : listed->floats())
      scales.push_back(scale);
  }
  Value scaleInput = isOld ? node.input(1) : node.input(2);
  std::string policy = node.getString("keep_aspect_ratio_policy", "stretch");
  if (!scales.empty() || (scaleInput && graph::getTensorType(scaleInput).getElementCount() != 0)) {
    if (scales.empty() && failed(readScales(node, scaleInput, scales)))
      return failure();
    if (scales.size() != axes.size())
      return node.error("has " + Twine(scales.size()) + " scales for " + Twine(axes.size()) +
                        " axes");
    for (auto [axis, scale] : llvm::zip(axes, scales)) {
      if (!(scale > 0) || scale > 1e9)
        return node.error("has the scale " + std::to_string(scale) + ", expected a positive one");
      sizes.push_back(node.type(0).getDim(axis));
      if (failed(scaleExtent(node, scale, sizes.back())))
        return failure();
    }
    return success();
  }
  if (isOld || !node.input(3))
    return node.error("has neither scales nor sizes");
  if (failed(node.sizesOf(3, "the list of sizes", sizes)))
    return failure();
  if (sizes.size() != axes.size())
    return node.error("has " + Twine(sizes.size()) + " sizes for " + Twine(axes.size()) + " axes");
  if (policy == "stretch")
    return success();
  if (policy != "not_larger" && policy != "not_smaller")
    return node.error("has the policy '" + policy + "', which is not known");
  return keepAspectRatio(node, policy == "not_larger", axes, sizes, scales);
}

//===----------------------------------------------------------------------===//
// Samples as weighted sums of neighbours
//===----------------------------------------------------------------------===//

namespace {
/// How one axis is sampled.
struct Sampling {
  std::string coordinates;
  graph::ResizeMode mode;
  graph::NearestMode rounding;
  double cubicA;
  bool antialias, excludeOutside;
};

/// One axis of x at a new extent.
class AxisSampler {
public:
  AxisSampler(Node &node, const Sampling &how, Value x, int64_t axis, DimAttr extent,
              std::optional<double> scale)
      : node(node), how(how), x(x), axis(axis), from(graph::getTensorType(x).getDim(axis)),
        to(extent), given(scale),
        line(graph::TensorType::get({to}, atLeastF32(graph::getTensorType(x).getElementType()))) {}

  /// Places of the region that is sampled, as shares of the axis.
  void crop(Value first, Value last) {
    start = first;
    end = last;
  }
  FailureOr<Value> run();
  /// Which samples lie outside of x, as [extent] of i1.
  Value isOutside();

private:
  Value number(DimAttr dim);
  Value coordinate();
  Value weight(Value distance);
  FailureOr<DimAttr> reach();
  /// A value for each sample at each of its neighbours.
  Value spread(Value each, DimAttr taps) { return node.broadcast(each, {0}, {to, taps}); }

  Node &node;
  const Sampling &how;
  Value x, start, end, at;
  int64_t axis;
  DimAttr from, to;
  std::optional<double> given;
  graph::TensorType line;
};
} // namespace

/// An extent at every sample, as a float.
Value AxisSampler::number(DimAttr dim) {
  if (dim.isConstant())
    return node.fill(line, double(dim.getValue()));
  Value value = node.convert(ShapeScalars(node).number(dim), line.getElementType());
  return node.broadcast(value, {}, line.getDims());
}

/// Where in x each sample lies. A length that comes from a scale keeps its fraction.
Value AxisSampler::coordinate() {
  if (at)
    return at;
  Value y = node.create<graph::IotaOp>(line, 0), extent = number(from), samples = number(to);
  Value length = given ? node.mul(extent, *given) : samples;
  Value scale = given ? node.fill(line, *given) : node.div(samples, extent);
  Value half = node.add(node.div(node.add(y, 0.5), scale), -0.5);
  Value isOne = node.compare(CompareKind::le, length, node.fill(line, 1));
  Value steps = node.choose(isOne, node.fill(line, 1), node.add(length, -1));
  Value last = node.add(extent, -1), zero = node.fill(line, 0);
  if (start) {
    auto each = [&](Value place) { return node.broadcast(place, {}, line.getDims()); };
    Value low = node.mul(each(start), last);
    Value size = node.mul(node.sub(each(end), each(start)), last);
    Value inside = node.choose(isOne, node.mul(size, 0.5), node.div(node.mul(y, size), steps));
    return at = node.add(low, inside);
  }
  if (how.coordinates == "half_pixel_symmetric") {
    Value share = node.sub(node.fill(line, 1), node.div(samples, length));
    return at = node.add(half, node.mul(node.mul(extent, 0.5), share));
  }
  if (how.coordinates == "pytorch_half_pixel")
    return at = node.choose(isOne, zero, half);
  if (how.coordinates == "align_corners")
    return at = node.choose(isOne, zero, node.div(node.mul(y, last), steps));
  if (how.coordinates == "asymmetric")
    return at = node.div(y, scale);
  return at = half;
}

Value AxisSampler::isOutside() {
  Value c = coordinate();
  return node.create<graph::OrOp>(node.compare(CompareKind::lt, c, node.fill(line, 0)),
                                  node.compare(CompareKind::gt, c, node.add(number(from), -1)));
}

/// How many neighbours on each side of a sample can have a weight.
FailureOr<DimAttr> AxisSampler::reach() {
  int64_t radius = how.mode == graph::ResizeMode::cubic ? 2 : 1;
  std::optional<double> scale = given;
  if (!scale && from.isConstant() && to.isConstant() && from.getValue() > 0)
    scale = double(to.getValue()) / double(from.getValue());
  if (!how.antialias || (scale && *scale >= 1))
    return node.dim(radius);
  if (scale)
    return node.known(toExtent(node, std::ceil(double(radius) / *scale)));
  // Not less than without a larger step; an empty result has no neighbours.
  DimExpr one(node.dim(1)), sides = (DimExpr(from) * radius).ceilDiv(DimExpr::max(to, one));
  DimExpr result = DimExpr::max(sides, node.dim(radius));
  if (!result)
    return node.error("its extents overflow");
  return result.get();
}

/// Keys, "Cubic convolution interpolation for digital image processing" (1981), with its a free;
/// or a triangle.
Value AxisSampler::weight(Value distance) {
  Value d = node.create<graph::AbsOp>(distance), zero = node.fillLike(d, 0);
  if (how.mode == graph::ResizeMode::linear)
    return node.max(node.sub(node.fillLike(d, 1), d), zero);
  double a = how.cubicA;
  Value square = node.mul(d, d);
  Value near = node.add(node.mul(node.add(node.mul(d, a + 2), -(a + 3)), square), 1);
  Value far = node.add(node.mul(node.add(node.mul(node.add(d, -5), d), 8), d), -4);
  Value outer =
      node.choose(node.compare(CompareKind::lt, d, node.fillLike(d, 2)), node.mul(far, a), zero);
  return node.choose(node.compare(CompareKind::le, d, node.fillLike(d, 1)), near, outer);
}

FailureOr<Value> AxisSampler::run() {
  graph::TensorType type = graph::getTensorType(x);
  Value c = coordinate();
  Value last = node.create<graph::DimValueOp>(from);
  auto bounded = [&](Value place) { // neighbours outside are the border
    graph::TensorType places = graph::getTensorType(place);
    Value high = node.broadcast(node.sub(last, node.scalar(node.si64(), 1)), {}, places.getDims());
    return node.max(node.min(place, high), node.fill(places, 0));
  };
  if (how.mode == graph::ResizeMode::nearest) {
    using Mode = graph::NearestMode;
    Value rounded;
    switch (how.rounding) {
    case Mode::round_prefer_floor: rounded = node.create<graph::CeilOp>(node.add(c, -0.5)); break;
    case Mode::round_prefer_ceil: rounded = node.create<graph::FloorOp>(node.add(c, 0.5)); break;
    case Mode::floor: rounded = node.create<graph::FloorOp>(c); break;
    case Mode::ceil: rounded = node.create<graph::CeilOp>(c); break;
    }
    return Value(
        node.create<graph::GatherOp>(x, bounded(node.convert(rounded, node.si64())), axis));
  }
  FailureOr<DimAttr> sides = reach();
  if (failed(sides))
    return failure();
  DimExpr taps = DimExpr(*sides) * 2;
  if (!taps)
    return node.error("its extents overflow");
  // Neighbours from floor(c) - sides + 1 to floor(c) + sides.
  DimList dims{to, taps};
  graph::TensorType places = graph::TensorType::get(dims, node.si64());
  Value base = node.convert(node.create<graph::FloorOp>(c), node.si64());
  Value before = node.broadcast(node.create<graph::DimValueOp>(*sides), {}, dims);
  Value place = node.add(spread(base, taps), node.sub(node.iota(dims, 1), before));
  place = node.add(place, node.fill(places, 1));
  Value distance = node.sub(node.convert(place, line.getElementType()), spread(c, taps));
  if (how.antialias) {
    Value scale = given ? node.fill(line, *given) : node.div(number(to), number(from));
    distance = node.mul(distance, spread(node.min(scale, node.fill(line, 1)), taps));
  }
  Value share = weight(distance), inside = bounded(place);
  if (how.excludeOutside)
    share =
        node.choose(node.compare(CompareKind::eq, place, inside), share, node.fillLike(share, 0));
  if (how.excludeOutside || how.antialias)
    share = node.div(share, node.expand(node.sum(share, {1}), {1}, share));
  // [..., samples, neighbours, ...] times [samples, neighbours].
  Value neighbours = node.create<graph::GatherOp>(x, inside, axis);
  std::string letters, result;
  for (int64_t d = 0; d <= type.rank(); ++d) {
    letters += char('a' + d);
    if (d != axis + 1)
      result += char('a' + d);
  }
  if (type.rank() > 24)
    return node.error("has too many dimensions");
  std::string equation = letters + "," + letters.substr(axis, 2) + "->" + result;
  DimList sampled(type.getDims());
  sampled[axis] = to;
  return Value(node.create<graph::ContractOp>(type.withDims(sampled), equation, neighbours, share,
                                              TypeAttr()));
}

namespace {
/// A Resize or Upsample node.
class ResizeImporter {
public:
  explicit ResizeImporter(Node &node) : node(node) {}
  LogicalResult run();

private:
  LogicalResult readModes();
  /// What is computed, as elements of the result: rounded as graph.resize rounds (to the nearest,
  /// halves to even, within what the type holds) where numbers between elements are.
  Value asElements(Value x, Type element);
  void setPlain();
  LogicalResult setSampled();
  /// Whether the axis stays as it is.
  bool isKept(size_t i) {
    return sizes[i] == node.type(0).getDim(axes[i]) && (scales.empty() || scales[i] == 1);
  }

  Node &node;
  SmallVector<int64_t> axes; ///< as the model lists them
  DimList sizes;
  SmallVector<double> scales; ///< empty: the sizes give them
  Sampling how;
  bool crops = false;
};
} // namespace

LogicalResult ResizeImporter::readModes() {
  bool isOld = node.opset < 11;
  std::string mode = node.getString("mode", "nearest");
  std::string nearest = isOld ? "floor" : node.getString("nearest_mode", "round_prefer_floor");
  how.coordinates =
      isOld ? "asymmetric" : node.getString("coordinate_transformation_mode", "half_pixel");
  crops = how.coordinates == "tf_crop_and_resize";
  auto modeKind = graph::symbolizeResizeMode(mode);
  auto nearestKind = graph::symbolizeNearestMode(nearest);
  if (!modeKind || !nearestKind || (!crops && !graph::symbolizeCoordinateMode(how.coordinates)))
    return node.error("resizes in mode '" + mode + "', '" + how.coordinates + "', '" + nearest +
                      "', which is not known");
  how.mode = *modeKind;
  how.rounding = *nearestKind;
  how.cubicA = node.getFloat("cubic_coeff_a", -0.75f);
  how.antialias = node.getInt("antialias", 0) && how.mode != graph::ResizeMode::nearest;
  how.excludeOutside = node.getInt("exclude_outside", 0) && how.mode == graph::ResizeMode::cubic;
  return success();
}

Value ResizeImporter::asElements(Value x, Type element) {
  if (element.isInteger(1))
    return boolsOfBytes(node, x);
  if (how.mode != graph::ResizeMode::nearest && element.isInteger() &&
      graph::getTensorType(x).getElementType() != element) {
    const unsigned bits = element.getIntOrFloatBitWidth();
    const bool isSigned = !element.isUnsignedInteger();
    const double high = std::ldexp(1.0, int(isSigned ? bits - 1 : bits)) - 1;
    x = node.create<graph::RoundOp>(x);
    x = node.max(node.min(x, high), isSigned ? -high - 1 : 0.0);
  }
  return node.convert(x, element);
}

void ResizeImporter::setPlain() {
  Value x = node.input(0);
  Type element = node.type(0).getElementType();
  if (element.isInteger(1))
    x = bytesOfBools(node, x);
  else if (how.mode != graph::ResizeMode::nearest && element.isInteger() &&
           element.getIntOrFloatBitWidth() > 8)
    x = node.convert(x, floatFor(element));
  graph::TensorType type = graph::getTensorType(x);
  DimList dims(type.getDims());
  SmallVector<int64_t> changed;
  SmallVector<double> kept;
  // In the order of the dims, and only what changes.
  for (int64_t axis = 0; axis < type.rank(); ++axis) {
    auto found = llvm::find(axes, axis);
    size_t i = found - axes.begin();
    if (found == axes.end() || isKept(i))
      continue;
    dims[axis] = sizes[i];
    changed.push_back(axis);
    if (!scales.empty())
      kept.push_back(scales[i]);
  }
  Builder &b = node.getBuilder();
  MLIRContext *context = b.getContext();
  Value resized = node.create<graph::ResizeOp>(
      type.withDims(dims), graph::ResizeModeAttr::get(context, how.mode), x,
      b.getDenseI64ArrayAttr(changed),
      graph::CoordinateModeAttr::get(context, *graph::symbolizeCoordinateMode(how.coordinates)),
      graph::NearestModeAttr::get(context, how.rounding),
      scales.empty() ? DenseF64ArrayAttr() : b.getDenseF64ArrayAttr(kept),
      b.getF64FloatAttr(how.cubicA), how.excludeOutside ? b.getUnitAttr() : UnitAttr());
  node.setOutput(asElements(resized, element));
}

LogicalResult ResizeImporter::setSampled() {
  Value x = node.input(0), roi = crops ? node.input(1) : Value();
  Type element = node.type(0).getElementType();
  Type wide = isFloat(element) ? atLeastF32(element) : floatFor(element);
  int64_t count = axes.size();
  if (crops && (!roi || node.type(1).rank() != 1))
    return node.error("needs a region of the input to crop to, as a list");
  if (roi)
    roi = node.convert(node.reshape(roi, DimList{node.dim(2 * count)}), wide);
  if (how.mode != graph::ResizeMode::nearest)
    x = node.convert(x, wide);
  else if (element.isInteger(1))
    x = bytesOfBools(node, x);
  SmallVector<std::pair<int64_t, Value>> outside;
  for (int64_t i = 0; i < count; ++i) {
    if (!crops && isKept(i))
      continue;
    AxisSampler sampler(node, how, x, axes[i], sizes[i],
                        scales.empty() ? std::nullopt : std::optional(scales[i]));
    if (roi)
      sampler.crop(node.dropAxis(roi, 0, i), node.dropAxis(roi, 0, count + i));
    FailureOr<Value> sampled = sampler.run();
    if (failed(sampled))
      return failure();
    if (crops)
      outside.push_back({axes[i], sampler.isOutside()});
    x = *sampled;
  }
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
  x = asElements(x, element);
  for (auto [axis, isOutside] : outside) {
    Value filler = node.fillLike(x, node.getFloat("extrapolation_value", 0));
    x = node.choose(node.broadcast(isOutside, {axis}, dims), filler, x);
  }
  node.setOutput(x);
  return success();
}

LogicalResult ResizeImporter::run() {
  if (failed(readModes()) || failed(readGrid(node, axes, sizes, scales)))
    return failure();
  Type element = node.type(0).getElementType();
  if (how.mode != graph::ResizeMode::nearest && element.isInteger(1))
    return node.error("interpolates bools, expected numbers");
  if (crops || how.antialias)
    return setSampled();
  setPlain();
  return success();
}

static LogicalResult importResize(Node &node) { return ResizeImporter(node).run(); }

ArrayRef<Operator> tessera::onnx::resizeOperators() {
  static const Operator table[] = {
      {"Resize", 10, importResize},
      {"Upsample", 7, importResize},
  };
  return table;
}
