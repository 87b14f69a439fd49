//===- OpsSample.cpp - Values between the elements of a grid ----------------------------------===//
//
// A sample at a place between elements is a weighted sum of elements near it: one gather for each
// corner of the neighbourhood.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Convolution.h"
#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
enum class Outside { zero, nearest, mirrored };

/// Samples x of [samples, channels, extents ...] at places of [samples, any ...].
class Sampler {
public:
  Sampler(Node &node, Value x, Outside outside, bool bordersAtCentres);

  /// One float coordinate for each spatial dim, all of one type [samples, any ...].
  enum class Mode { nearest, linear, cubic };
  /// [samples, any ..., channels]
  Value at(ArrayRef<Value> coordinates, Mode mode);
  /// The element at these integer coordinates (as floats); `weight` may be null.
  Value pick(ArrayRef<Value> places, Value weight);
  /// A coordinate mirrored at the borders until it is inside.
  Value mirror(Value x, size_t d);
  Value extent(size_t d, Value like);

private:
  struct Tap {
    Value place, weight;
  };
  SmallVector<Tap> taps(Value x, Mode mode);
  Value number(Value like, double value) { return node.fillLike(like, value); }

  Node &node;
  ShapeScalars scalars;
  Outside outside;
  bool bordersAtCentres;
  DimList dims; // of x
  Value flat;   // [samples * extents, channels]
};
} // namespace

Sampler::Sampler(Node &node, Value x, Outside outside, bool bordersAtCentres)
    : node(node), scalars(node), outside(outside), bordersAtCentres(bordersAtCentres),
      dims(graph::getTensorType(x).getDims()) {
  SmallVector<int64_t> order{0};
  for (size_t d = 2; d < dims.size(); ++d)
    order.push_back(d);
  order.push_back(1);
  x = node.transpose(x, order);
  DimExpr all = dims[0];
  for (DimAttr dim : ArrayRef<DimAttr>(dims).drop_front(2))
    all = all * DimExpr(dim);
  flat = node.reshape(x, {node.known(all), dims[1]});
}

Value Sampler::extent(size_t d, Value like) {
  graph::TensorType type = graph::getTensorType(like);
  if (dims[2 + d].isConstant())
    return node.fill(type, double(dims[2 + d].getValue()));
  Value value = node.convert(scalars.number(dims[2 + d]), type.getElementType());
  return node.broadcast(value, {}, type.getDims());
}

Value Sampler::mirror(Value x, size_t d) {
  Value low = number(x, bordersAtCentres ? 0 : -0.5), length = extent(d, x);
  if (bordersAtCentres)
    length = node.max(node.add(length, -1), 1e-30);
  Value twice = node.mul(length, 2.0);
  Value at = node.create<graph::ModOp>(node.sub(x, low), twice);
  Value isFirst = node.compare(CompareKind::le, at, length);
  return node.add(low, node.choose(isFirst, at, node.sub(twice, at)));
}

SmallVector<Sampler::Tap> Sampler::taps(Value x, Mode mode) {
  if (mode == Mode::nearest)
    return {{node.create<graph::RoundOp>(x), Value()}};
  Value base = node.create<graph::FloorOp>(x), t = node.sub(x, base);
  auto rest = [&](Value y) { return node.sub(number(y, 1), y); };
  if (mode == Mode::linear)
    return {{base, rest(t)}, {node.add(base, 1), t}};
  // Keys' kernel with -0.75.
  constexpr double a = -0.75;
  auto near = [&](Value y) { // at a distance below 1
    Value inner = node.add(node.mul(y, a + 2), -(a + 3));
    return node.add(node.mul(node.mul(inner, y), y), 1.0);
  };
  auto far = [&](Value y) { // from 1 to 2
    Value inner = node.add(node.mul(y, a), -5 * a);
    return node.add(node.mul(node.add(node.mul(inner, y), 8 * a), y), -4 * a);
  };
  return {{node.add(base, -1), far(node.add(t, 1))},
          {base, near(t)},
          {node.add(base, 1), near(rest(t))},
          {node.add(base, 2), far(node.add(rest(t), 1))}};
}

Value Sampler::pick(ArrayRef<Value> places, Value weight) {
  ArrayRef<DimAttr> all = graph::getTensorType(places[0]).getDims();
  Value index = node.iota(all, 0), isInside;
  for (auto [d, given] : llvm::enumerate(places)) {
    Value place = given;
    Value last = node.add(extent(d, place), -1), zero = number(place, 0);
    if (outside == Outside::mirrored)
      place = mirror(place, d);
    if (outside == Outside::zero) {
      Value inside = node.create<graph::AndOp>(node.compare(CompareKind::ge, place, zero),
                                               node.compare(CompareKind::le, place, last));
      isInside = isInside ? node.create<graph::AndOp>(isInside, inside) : inside;
    }
    place = node.convert(node.max(node.min(place, last), zero), node.si64());
    Value length = node.broadcast(scalars.number(dims[2 + d]), {}, all);
    index = node.add(node.mul(index, length), place);
  }
  Value result = node.create<graph::GatherOp>(flat, index, 0);
  graph::TensorType type = graph::getTensorType(result);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, all.size()));
  if (weight)
    result = node.mul(
        result, node.broadcast(node.convert(weight, type.getElementType()), axes, type.getDims()));
  if (isInside)
    result =
        node.choose(node.broadcast(isInside, axes, type.getDims()), result, node.fill(type, 0));
  return result;
}

Value Sampler::at(ArrayRef<Value> coordinates, Mode mode) {
  SmallVector<SmallVector<Tap>> all;
  for (Value x : coordinates)
    all.push_back(taps(x, mode));
  size_t count = 1;
  for (const SmallVector<Tap> &each : all)
    count *= each.size();
  Value sum;
  for (size_t i = 0; i < count; ++i) {
    SmallVector<Value> places;
    Value weight;
    size_t rest = i;
    for (const SmallVector<Tap> &each : all) {
      const Tap &tap = each[rest % each.size()];
      rest /= each.size();
      places.push_back(tap.place);
      if (tap.weight)
        weight = weight ? node.mul(weight, tap.weight) : tap.weight;
    }
    Value part = pick(places, weight);
    sum = sum ? node.add(sum, part) : part;
  }
  return sum;
}

/// The last dim of x becomes the second.
static Value channelsSecond(Node &node, Value x) {
  int64_t rank = graph::getTensorType(x).rank();
  SmallVector<int64_t> order{0, rank - 1};
  for (int64_t d = 1; d + 1 < rank; ++d)
    order.push_back(d);
  return node.transpose(x, order);
}

static Type sampleType(Type element) {
  bool isWide = element.isF32() || element.isF64();
  return isWide ? element : Type(Float32Type::get(element.getContext()));
}

//===----------------------------------------------------------------------===//
// GridSample, AffineGrid
//===----------------------------------------------------------------------===//

static LogicalResult importGridSample(Node &node) {
  if (failed(node.needInputs(2)))
    return failure();
  graph::TensorType type = node.type(0), grid = node.type(1);
  int64_t spatial = type.rank() - 2;
  if (spatial < 1 || grid.rank() != type.rank() || grid.getDims().back().getConstant() != spatial)
    return node.error(
        "needs an input of rank 3 or more and a grid of its rank, with one coordinate "
        "for each spatial axis");
  std::string mode = node.getString("mode", "linear"),
              name = node.getString("padding_mode", "zeros");
  auto kind = mode == "nearest"                      ? Sampler::Mode::nearest
              : mode == "cubic" || mode == "bicubic" ? Sampler::Mode::cubic
                                                     : Sampler::Mode::linear;
  if (kind == Sampler::Mode::linear && mode != "linear" && mode != "bilinear")
    return node.error("samples in mode '" + mode + "', which is not known");
  if (name != "zeros" && name != "border" && name != "reflection")
    return node.error("has padding mode '" + name + "', which is not known");
  if (kind != Sampler::Mode::nearest && spatial > 3)
    return node.error("samples along " + Twine(spatial) + " axes, at most 3 are supported");
  Outside outside = name == "zeros"    ? Outside::zero
                    : name == "border" ? Outside::nearest
                                       : Outside::mirrored;
  bool atCentres = node.getInt("align_corners", 0);
  Type element = type.getElementType(), wide = sampleType(element);
  DimList samples(type.getDims());
  samples[0] = grid.getDim(0);
  Value x = node.reshape(node.input(0), samples);
  if (!isInteger(element) || kind != Sampler::Mode::nearest)
    x = node.convert(x, wide);
  Sampler sampler(node, x, outside, atCentres);
  SmallVector<Value> coordinates;
  for (int64_t d = 0; d < spatial; ++d) {
    // The grid names the last axis first.
    Value at = node.convert(node.dropAxis(node.input(1), spatial + 1, spatial - 1 - d), wide);
    Value length = sampler.extent(d, at), from = node.add(at, 1);
    at = atCentres ? node.mul(node.mul(from, 0.5), node.add(length, -1))
                   : node.mul(node.add(node.mul(from, length), -1), 0.5);
    if (kind == Sampler::Mode::nearest)
      at = node.create<graph::RoundOp>(at);
    Value low = node.fillLike(at, atCentres ? 0 : -0.5);
    Value high = node.add(length, atCentres ? -1 : -0.5);
    Value isOutside = node.create<graph::OrOp>(node.compare(CompareKind::lt, at, low),
                                               node.compare(CompareKind::gt, at, high));
    if (outside == Outside::nearest)
      at = node.choose(isOutside, node.max(node.min(at, node.add(length, -1)), 0.0), at);
    else if (outside == Outside::mirrored)
      at = node.choose(isOutside, sampler.mirror(at, d), at);
    coordinates.push_back(at);
  }
  Value result = channelsSecond(node, sampler.at(coordinates, kind));
  node.setOutput(node.convert(result, element));
  return success();
}

static LogicalResult importAffineGrid(Node &node) {
  DimList size;
  if (failed(node.needInputs(2)) || failed(node.sizesOf(1, "the size", size)))
    return failure();
  int64_t spatial = int64_t(size.size()) - 2;
  graph::TensorType theta = node.type(0);
  if (spatial < 1 || theta.rank() != 3 || theta.getDim(1).getConstant() != spatial ||
      theta.getDim(2).getConstant() != spatial + 1)
    return node.error("needs matrices [samples, axes, axes + 1] and a size with two entries more "
                      "than axes");
  ShapeScalars scalars(node);
  DimList places(ArrayRef<DimAttr>(size).drop_front(2)), column(places);
  column.push_back(node.dim(1));
  graph::TensorType each = graph::TensorType::get(places, theta.getElementType());
  SmallVector<Value> columns;
  for (int64_t d = spatial - 1; d >= 0; --d) {
    Value index = node.create<graph::IotaOp>(each, d);
    Value length =
        node.broadcast(node.convert(scalars.number(places[d]), each.getElementType()), {}, places);
    Value at = node.getInt("align_corners", 0)
                   ? node.div(node.mul(index, 2.0), node.max(node.add(length, -1), 1.0))
                   : node.div(node.add(node.mul(index, 2.0), 1), length);
    columns.push_back(node.reshape(node.add(at, -1), column));
  }
  columns.push_back(node.fill(each.withDims(column), 1));
  Value base = node.concat(columns, spatial);
  std::string letters = std::string("abcdefgh").substr(0, spatial);
  if (int64_t(letters.size()) != spatial)
    return node.error("has too many axes");
  DimList dims{theta.getDim(0)};
  llvm::append_range(dims, places);
  dims.push_back(node.dim(spatial));
  node.setOutput(node.create<graph::ContractOp>(
      theta.withDims(dims), letters + "k,njk->n" + letters + "j", base, node.input(0), TypeAttr()));
  return success();
}

//===----------------------------------------------------------------------===//
// Regions of interest
//===----------------------------------------------------------------------===//

namespace {
/// The mean (or largest) of samples of each cell of each region.
class RoiAlignImporter {
public:
  explicit RoiAlignImporter(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  struct Axis {
    DimAttr cells, samples;
    Value number;    // of samples of each region
    Value place;     // [regions, cells, samples]
    Value isCounted; // the same
    Value isInside;
  };
  Axis axis(int64_t d);

  Node &node;
  ShapeScalars scalars;
  Type element;
  DimAttr regions;
  bool halfPixel = true;
};
} // namespace

RoiAlignImporter::Axis RoiAlignImporter::axis(int64_t d) {
  Axis result;
  bool isHeight = d == 0;
  result.cells =
      node.valid(node.dim(node.getInt(isHeight ? "output_height" : "output_width", 1)))[0];
  double scale = node.getFloat("spatial_scale", 1), shift = halfPixel ? -0.5 : 0;
  auto corner = [&](int64_t k) {
    return node.add(node.mul(node.dropAxis(node.input(1), 1, k), scale), shift);
  };
  Value start = corner(isHeight ? 1 : 0), size = node.sub(corner(isHeight ? 3 : 2), start);
  if (!halfPixel)
    size = node.max(size, 1.0);
  Value cell = node.div(size, node.fillLike(size, double(result.cells.getValue())));
  if (int64_t ratio = node.getInt("sampling_ratio", 0); ratio > 0) {
    result.samples = node.dim(ratio);
    result.number = node.fillLike(cell, double(ratio));
  } else {
    result.number = node.max(node.create<graph::CeilOp>(cell), 0.0);
    Value most = node.reduce(graph::ReduceKind::max, result.number, {0});
    // No region: no sample.
    most = node.max(node.convert(most, node.si64()), scalars.number(0));
    result.samples = scalars.bind(most, "the number of samples");
  }
  DimList all = node.valid({regions, result.cells, result.samples});
  graph::TensorType type = graph::TensorType::get(all, element);
  auto each = [&](Value x) { return node.broadcast(x, {0}, all); };
  Value step = node.add(node.create<graph::IotaOp>(type, 2), 0.5);
  Value within = node.div(node.mul(step, each(cell)), each(result.number));
  Value x = node.add(
      node.add(each(start), node.mul(node.create<graph::IotaOp>(type, 1), each(cell))), within);
  result.isCounted =
      node.compare(CompareKind::lt, node.create<graph::IotaOp>(type, 2), each(result.number));
  Value length =
      node.broadcast(node.convert(scalars.number(node.type(0).getDim(2 + d)), element), {}, all);
  result.isInside =
      node.create<graph::AndOp>(node.compare(CompareKind::ge, x, node.fillLike(x, -1)),
                                node.compare(CompareKind::le, x, length));
  // The last element goes on to the border.
  result.place = node.max(node.min(x, node.add(length, -1)), 0.0);
  return result;
}

LogicalResult RoiAlignImporter::run() {
  if (failed(node.needInputs(3)) || node.type(0).rank() != 4 || node.type(1).rank() != 2 ||
      node.type(1).getDim(1).getConstant() != 4)
    return node.error("needs an input of rank 4, regions [count, 4] and the sample of each");
  std::string mode = node.getString("mode", "avg");
  if (mode != "avg" && mode != "max")
    return node.error("has mode '" + mode + "', expected avg or max");
  element = node.type(0).getElementType();
  regions = node.type(1).getDim(0);
  halfPixel = node.opset >= 16 &&
              node.getString("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  Axis rows = axis(0), columns = axis(1);
  DimList all{regions, rows.cells, rows.samples, columns.cells, columns.samples};
  auto ofRows = [&](Value x) { return node.broadcast(x, {0, 1, 2}, all); };
  auto ofColumns = [&](Value x) { return node.broadcast(x, {0, 3, 4}, all); };
  // Each region has a sample of its own: samples become rows above each other.
  DimList dims(node.type(0).getDims());
  DimExpr height = dims[2], stacked = DimExpr(dims[0]) * height;
  Value x = node.reshape(node.transpose(node.input(0), {1, 0, 2, 3}),
                         {node.dim(1), dims[1], node.known(stacked), dims[3]});
  Value y = ofRows(rows.place), z = ofColumns(columns.place);
  Value sample = node.convert(node.reshape(node.input(2), {regions}), element);
  Value first = node.mul(
      sample, node.broadcast(node.convert(scalars.number(dims[2]), element), {}, {regions}));
  Value top = node.broadcast(first, {0}, all);
  DimExpr cells = graph::multiplyDims(node.getBuilder().getContext(), all);
  if (!cells)
    return node.error("its extents overflow");
  Sampler sampler(node, x, Outside::nearest, true);
  auto flat = [&](Value value) { return node.reshape(value, {node.dim(1), cells.get()}); };
  auto apart = [&](Value value) {
    DimList result(all);
    result.push_back(dims[1]);
    return node.reshape(value, result);
  };
  Value low = node.create<graph::FloorOp>(y), left = node.create<graph::FloorOp>(z);
  Value bottom =
      node.add(node.broadcast(node.convert(scalars.number(dims[2]), element), {}, all), -1);
  Value high = node.min(node.add(low, 1), bottom);
  Value t = node.sub(y, low), u = node.sub(z, left), one = node.fillLike(t, 1);
  SmallVector<int64_t> axes{0, 1, 2, 3, 4};
  Value isInside = node.create<graph::AndOp>(ofRows(rows.isInside), ofColumns(columns.isInside));
  Value isCounted = node.create<graph::AndOp>(ofRows(rows.isCounted), ofColumns(columns.isCounted));
  Value result;
  for (int corner = 0; corner < 4; ++corner) {
    bool isHigh = corner & 2, isRight = corner & 1;
    Value weight = node.mul(isHigh ? t : node.sub(one, t), isRight ? u : node.sub(one, u));
    weight = node.choose(isInside, weight, node.fillLike(weight, 0));
    Value row = node.add(top, isHigh ? high : low), column = isRight ? node.add(left, 1) : left;
    Value part = apart(sampler.pick({flat(row), flat(column)}, flat(weight)));
    if (!result)
      result = part;
    else
      result = mode == "avg" ? node.add(result, part) : node.max(result, part);
  }
  ArrayRef<DimAttr> full = graph::getTensorType(result).getDims();
  bool isMean = mode == "avg";
  result =
      node.choose(node.broadcast(isCounted, axes, full), result,
                  node.fillLike(result, isMean ? 0 : -std::numeric_limits<double>::infinity()));
  result = node.reduce(isMean ? graph::ReduceKind::sum : graph::ReduceKind::max, result, {2, 4});
  if (isMean) {
    Value count = node.max(node.mul(rows.number, columns.number), 1.0);
    result = node.div(result, node.broadcast(count, {0}, graph::getTensorType(result).getDims()));
  }
  node.setOutput(node.transpose(result, {0, 3, 1, 2}));
  return success();
}

static LogicalResult importRoiAlign(Node &node) { return RoiAlignImporter(node).run(); }

/// The largest element of each cell of each region; the region's borders are rounded.
static LogicalResult importMaxRoiPool(Node &node) {
  auto shape = node.getInts("pooled_shape");
  if (failed(node.needInputs(2)) || node.type(0).rank() != 4 || node.type(1).rank() != 2 ||
      node.type(1).getDim(1).getConstant() != 5 || !shape || shape->size() != 2)
    return node.error(
        "needs an input of rank 4, regions [count, 5] and pooled_shape of two entries");
  ShapeScalars scalars(node);
  Type element = node.type(0).getElementType();
  DimAttr regions = node.type(1).getDim(0);
  double scale = node.getFloat("spatial_scale", 1);
  auto rounded = [&](int64_t k) { // Halves go up.
    Value x = node.add(node.mul(node.dropAxis(node.input(1), 1, k), scale), 0.5);
    return Value(node.create<graph::FloorOp>(x));
  };
  // Which elements of an axis are in each cell: [regions, cells, extent].
  auto covered = [&](int64_t d) -> Value {
    Value start = rounded(d == 0 ? 2 : 1), end = rounded(d == 0 ? 4 : 3);
    Value size = node.max(node.add(node.sub(end, start), 1), 1.0);
    Value cell = node.div(size, node.fillLike(size, double((*shape)[d])));
    DimList all = node.valid({regions, node.dim((*shape)[d]), node.type(0).getDim(2 + d)});
    graph::TensorType type = graph::TensorType::get(all, element);
    auto each = [&](Value x) { return node.broadcast(x, {0}, all); };
    Value i = node.create<graph::IotaOp>(type, 1), at = node.create<graph::IotaOp>(type, 2);
    Value low = node.create<graph::FloorOp>(node.mul(i, each(cell)));
    Value high = node.create<graph::CeilOp>(node.mul(node.add(i, 1), each(cell)));
    at = node.sub(at, each(start));
    return node.create<graph::AndOp>(node.compare(CompareKind::ge, at, low),
                                     node.compare(CompareKind::lt, at, high));
  };
  Value sample = node.convert(node.dropAxis(node.input(1), 1, 0), node.si64());
  Value x = node.create<graph::GatherOp>(node.input(0), sample, 0); // [regions, channels, h, w]
  double low = -std::numeric_limits<double>::infinity();
  auto reduce = [&](Value value, Value isIn, int64_t at) { // the cells stand before axis `at`
    DimList all(graph::getTensorType(value).getDims());
    SmallVector<int64_t> places;
    for (int64_t d = 0; d < int64_t(all.size()); ++d)
      places.push_back(d < at ? d : d + 1);
    all.insert(all.begin() + at, graph::getTensorType(isIn).getDim(1));
    Value spread = node.broadcast(value, places, all);
    isIn = node.broadcast(isIn, {0, at, at + 1}, all);
    return node.reduce(graph::ReduceKind::max,
                       node.choose(isIn, spread, node.fillLike(spread, low)), {at + 1});
  };
  x = reduce(reduce(x, covered(1), 3), covered(0), 2);
  Value isEmpty = node.compare(CompareKind::eq, x, node.fillLike(x, low));
  node.setOutput(node.choose(isEmpty, node.fillLike(x, 0), x));
  return success();
}

//===----------------------------------------------------------------------===//
// DeformConv: a convolution that reads each element of its window at a place of its own
//===----------------------------------------------------------------------===//

static LogicalResult importDeformConv(Node &node) {
  if (failed(node.needInputs(3)) || failed(fitConvolution(node, /*isTransposed=*/false, 3)))
    return failure();
  graph::TensorType type = node.type(0), weight = node.type(1), offset = node.type(2);
  int64_t spatial = type.rank() - 2, groups = node.getInt("group", 1);
  int64_t shared = node.getInt("offset_group", 1);
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  if (spatial > 3 || offset.rank() != type.rank() || llvm::any_of(weight.getDims(), isZero) ||
      shared < 1)
    return node.error("needs an input, a weight with elements and offsets of one rank, 3 to 5");
  DimExpr channels = type.getDim(1), filters = weight.getDim(0);
  ArrayRef<DimAttr> kernel = weight.getDims().drop_front(2);
  DimAttr taps = node.known(graph::multiplyDims(node.getBuilder().getContext(), kernel));
  if (failed(checkDivides(node, shared, channels, "channels")))
    return failure();
  DimList shiftDims(offset.getDims());
  shiftDims[1] = node.known(DimExpr(taps) * shared * spatial);
  if (graph::isKnownDifferent(shiftDims[1], offset.getDim(1)))
    return node.error("has " + offset.getDim(1).str() + " offsets at each place, expected " +
                      shiftDims[1].str());
  auto list = [&](StringRef name, int64_t count, int64_t otherwise) {
    return node.getInts(name).value_or(SmallVector<int64_t>(count, otherwise));
  };
  SmallVector<int64_t> strides = list("strides", spatial, 1), pads = list("pads", 2 * spatial, 0),
                       dilations = list("dilations", spatial, 1);
  if (int64_t(strides.size()) != spatial || int64_t(dilations.size()) != spatial ||
      int64_t(pads.size()) != 2 * spatial)
    return node.error("its window attributes do not have one entry for each spatial axis");
  Type element = type.getElementType(), wide = sampleType(element);
  DimAttr samples = type.getDim(0);
  DimAttr perOffset = node.known(channels.floorDiv(shared)),
          perGroup = node.known(filters.floorDiv(groups));
  ArrayRef<DimAttr> outputs = offset.getDims().drop_front(2);
  // Samples and groups of offsets side by side; taps and places of the result behind them.
  DimExpr rows = node.known(DimExpr(samples) * shared);
  DimList each{rows.get(), taps};
  llvm::append_range(each, outputs);
  DimList apart{rows.get(), taps, node.dim(spatial)};
  llvm::append_range(apart, outputs);
  Value shifts = node.reshape(node.convert(node.input(2), wide), apart);
  DimList split{rows.get(), perOffset};
  llvm::append_range(split, type.getDims().drop_front(2));
  Sampler sampler(node, node.reshape(node.convert(node.input(0), wide), split), Outside::zero,
                  true);
  SmallVector<Value> coordinates;
  ShapeScalars scalars(node);
  for (int64_t d = 0; d < spatial; ++d) {
    DimAttr behind =
        node.known(graph::multiplyDims(node.getBuilder().getContext(), kernel.drop_front(d + 1)));
    auto number = [&](DimAttr dim) { return node.broadcast(scalars.number(dim), {}, each); };
    Value tap =
        node.create<graph::ModOp>(node.div(node.iota(each, 1), number(behind)), number(kernel[d]));
    Value start = node.add(node.mul(node.iota(each, 2 + d), double(strides[d])), -double(pads[d]));
    Value base = node.add(start, node.mul(tap, double(dilations[d])));
    coordinates.push_back(node.add(node.convert(base, wide), node.dropAxis(shifts, 2, d)));
  }
  // [rows, taps, places ..., channels of the group]
  Value x = sampler.at(coordinates, Sampler::Mode::linear);
  if (Value mask = node.input(4)) {
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, each.size()));
    x = node.mul(x, node.broadcast(node.reshape(node.convert(mask, wide), each), axes,
                                   graph::getTensorType(x).getDims()));
  }
  DimExpr area = graph::multiplyDims(node.getBuilder().getContext(), outputs);
  if (!area)
    return node.error("its extents overflow");
  x = node.reshape(x, {samples, node.dim(shared), taps, area.get(), perOffset});
  x = node.transpose(x, {0, 1, 4, 2, 3});
  x = node.reshape(x, {samples, node.dim(groups), weight.getDim(1), taps, area.get()});
  Value w = node.reshape(node.convert(node.input(1), wide),
                         {node.dim(groups), perGroup, weight.getDim(1), taps});
  graph::TensorType sums =
      graph::TensorType::get(DimList{samples, node.dim(groups), perGroup, area.get()}, wide);
  Value y = node.create<graph::ContractOp>(sums, "ngcks,gock->ngos", x, w, TypeAttr());
  DimList result{samples, weight.getDim(0)};
  llvm::append_range(result, outputs);
  y = node.convert(node.reshape(y, result), element);
  if (node.input(3))
    y = node.add(y, node.broadcast(node.input(3), {1}, result));
  node.setOutput(y);
  return success();
}

ArrayRef<Operator> tessera::onnx::sampleOperators() {
  static const Operator table[] = {
      {"AffineGrid", 20, importAffineGrid}, {"DeformConv", 19, importDeformConv},
      {"GridSample", 16, importGridSample}, {"MaxRoiPool", 1, importMaxRoiPool},
      {"RoiAlign", 10, importRoiAlign},
  };
  return table;
}
