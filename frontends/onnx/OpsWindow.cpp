//===- OpsWindow.cpp - Convolutions, pooling, resizing
//---------------------------------------------===//

#include "frontends/onnx/Convolution.h"
#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// What a window has at most where each of its elements is a candidate of its own.
static constexpr int64_t kMaxWindow = 1 << 12;

namespace {
/// The attributes that every sliding window has.
struct Window {
  DimList extents;
  SmallVector<int64_t> kernel; ///< the same of a pool, whose window is an attribute
  SmallVector<int64_t> strides, dilations;
  DimList lo, hi;

  /// From the first element of a window to its last.
  DimExpr span(size_t axis) const { return (DimExpr(extents[axis]) - 1) * dilations[axis] + 1; }
};
} // namespace

static LogicalResult checkSpatial(Node &node) {
  return node.type(0).rank() >= 2
             ? success()
             : node.error(
                   "needs an input of rank 2 at least, whose spatial axes follow two others");
}

/// `extents` of the window, which a convolution's weight may leave open.
static LogicalResult readWindow(Node &node, ArrayRef<DimAttr> extents, Window &window) {
  if (failed(checkSpatial(node)))
    return failure();
  size_t spatial = node.type(0).rank() - 2;
  window.extents.assign(extents.begin(), extents.end());
  window.strides = node.getInts("strides").value_or(SmallVector<int64_t>(spatial, 1));
  window.dilations = node.getInts("dilations").value_or(SmallVector<int64_t>(spatial, 1));
  SmallVector<int64_t> pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * spatial, 0));
  if (extents.size() != spatial || window.strides.size() != spatial ||
      window.dilations.size() != spatial || pads.size() != 2 * spatial)
    return node.error("its window attributes do not have one entry for each of " + Twine(spatial) +
                      " spatial axes");
  // Kernels count in 32 bits, and products of these do not overflow in 64.
  SmallVector<int64_t> sizes(window.strides);
  llvm::append_range(sizes, window.dilations);
  for (DimAttr extent : extents)
    if (extent.isConstant())
      sizes.push_back(extent.getValue());
  for (int64_t size : sizes)
    if (size < 1 || size > std::numeric_limits<int32_t>::max())
      return node.error("its window has an extent, stride or dilation of " + Twine(size) +
                        ", expected 1 to 2147483647");
  std::string automatic = node.getString("auto_pad", "NOTSET");
  for (size_t i = 0; i < spatial; ++i) {
    DimExpr lo = node.dim(pads[i]), hi = node.dim(pads[spatial + i]);
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      // The output has ceil(extent / stride) elements; what is missing is split, the odd one to one
      // side.
      DimExpr extent = node.type(0).getDim(2 + i);
      DimExpr outputs = extent.ceilDiv(window.strides[i]);
      DimExpr total =
          DimExpr::max((outputs - 1) * window.strides[i] + window.span(i) - extent, node.dim(0));
      DimExpr half = total.floorDiv(2);
      lo = automatic == "SAME_UPPER" ? half : total - half;
      hi = total - lo;
    } else if (automatic == "VALID") {
      lo = hi = node.dim(0);
    }
    if (!lo || !hi)
      return node.error("its extents overflow");
    window.lo.push_back(lo);
    window.hi.push_back(hi);
  }
  return success();
}

/// The window of a pool.
static LogicalResult readPool(Node &node, Window &window) {
  window.kernel = node.getInts("kernel_shape").value_or(SmallVector<int64_t>());
  return readWindow(node, graph::getDims(node.getBuilder().getContext(), window.kernel), window);
}

static graph::DimArrayAttr listOf(Node &node, ArrayRef<DimAttr> dims) {
  DimList known;
  for (DimAttr dim : dims)
    known.push_back(node.known(dim));
  return graph::DimArrayAttr::get(node.getBuilder().getContext(), ArrayRef<DimAttr>(known));
}

static SmallVector<int64_t> spatialAxes(Node &node) {
  return llvm::to_vector(llvm::seq<int64_t>(2, node.type(0).rank()));
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

/// The operands' extents, and the window: all axes of the weight but two.
static LogicalResult readConvolution(Node &node, bool isTransposed, Window &window) {
  if (failed(fitConvolution(node, isTransposed, /*bias=*/2)))
    return failure();
  return readWindow(node, node.type(1).getDims().drop_front(2), window);
}

template <typename OpType>
static LogicalResult createConvolution(Node &node, const Window &window, OperationState &state) {
  Builder &b = node.getBuilder();
  state.addOperands({node.input(0), node.input(1)});
  auto &properties = state.getOrAddProperties<typename OpType::Properties>();
  properties.strides = b.getDenseI64ArrayAttr(window.strides);
  properties.dilations = b.getDenseI64ArrayAttr(window.dilations);
  properties.lo = listOf(node, window.lo);
  properties.hi = listOf(node, window.hi);
  properties.groups = b.getI64IntegerAttr(node.getInt("group", 1));
  if (failed(OpType::inferReturnTypes(b.getContext(), node.getLoc(), state.operands,
                                      state.attributes.getDictionary(b.getContext()),
                                      state.getRawProperties(), {}, state.types)))
    return node.error("its operands do not fit");
  return success();
}

static Value addBias(Node &node, Value result) {
  if (!node.input(2))
    return result;
  return node.add(result,
                  node.broadcast(node.input(2), {1}, graph::getTensorType(result).getDims()));
}

static LogicalResult importConv(Node &node) {
  Window window;
  OperationState state(node.getLoc(), graph::ConvOp::getOperationName());
  if (failed(readConvolution(node, false, window)) ||
      failed(createConvolution<graph::ConvOp>(node, window, state)))
    return failure();
  node.setOutput(addBias(node, node.getBuilder().create(state)->getResult(0)));
  return success();
}

/// Where the output's extents are given (output_shape), or follow from the input's (auto_pad), the
/// padding is what is too much; the odd one goes to one side. `wanted`: these extents.
static LogicalResult padToShape(Node &node, DimList &more, Window &window, DimList &wanted) {
  std::string automatic = node.getString("auto_pad", "NOTSET");
  bool isSame = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  std::optional<SmallVector<int64_t>> shape = node.getInts("output_shape");
  const size_t spatial = window.extents.size();
  if (shape && shape->size() == spatial + 2)
    shape->erase(shape->begin(), shape->begin() + 2); // Some models give all extents.
  if (shape && shape->size() != spatial)
    return node.error("has " + Twine(shape->size()) + " entries in output_shape, expected " +
                      Twine(spatial));
  if (!shape && !isSame)
    return success();
  for (size_t i = 0; i < spatial; ++i) {
    DimExpr extent = node.type(0).getDim(2 + i), zero = node.dim(0);
    int64_t stride = window.strides[i];
    wanted.push_back(node.known(shape ? DimExpr(node.dim((*shape)[i])) : extent * stride));
    DimExpr missing =
        DimExpr(wanted[i]) - ((extent - 1) * stride + DimExpr(more[i]) + window.span(i));
    if (!missing)
      return node.error("its extents overflow");
    DimExpr total = DimExpr::max(missing * -1, zero), half = total.floorDiv(2);
    // What no window reaches is zero.
    more[i] = node.known(DimExpr(more[i]) + DimExpr::max(missing, zero));
    window.lo[i] = node.known(automatic == "SAME_UPPER" ? half : total - half);
    window.hi[i] = node.known(total - DimExpr(window.lo[i]));
  }
  return success();
}

static LogicalResult importConvTranspose(Node &node) {
  Window window;
  if (failed(readConvolution(node, true, window)))
    return failure();
  MLIRContext *context = node.getBuilder().getContext();
  auto padding =
      node.getInts("output_padding").value_or(SmallVector<int64_t>(window.extents.size(), 0));
  if (padding.size() != window.extents.size())
    return node.error("has " + Twine(padding.size()) + " entries in output_padding, expected " +
                      Twine(window.extents.size()));
  DimList more(graph::getDims(context, padding)), wanted;
  if (failed(padToShape(node, more, window, wanted)))
    return failure();
  OperationState state(node.getLoc(), graph::ConvTransposeOp::getOperationName());
  state.getOrAddProperties<graph::ConvTransposeOp::Properties>().output_padding =
      graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(more));
  if (failed(createConvolution<graph::ConvTransposeOp>(node, window, state)))
    return failure();
  Value result = node.getBuilder().create(state)->getResult(0);
  DimList dims(graph::getTensorType(result).getDims());
  llvm::copy(wanted, dims.begin() + 2); // Expressions that are equal for all extents.
  node.setOutput(addBias(node, node.reshape(result, dims)));
  return success();
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

/// With ceil_mode the last window may begin inside and end outside: more padding behind.
static void roundUp(Node &node, Window &window) {
  if (!node.getInt("ceil_mode", 0))
    return;
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    DimExpr extent = node.type(0).getDim(2 + i);
    DimExpr span = window.span(i);
    int64_t stride = window.strides[i];
    DimExpr room = extent + DimExpr(window.lo[i]) + DimExpr(window.hi[i]) - span;
    DimExpr outputs = room.ceilDiv(stride) + 1;
    // A window that begins in the padding behind is dropped.
    DimExpr last = (extent + DimExpr(window.lo[i]) - 1).floorDiv(stride) + 1;
    outputs = DimExpr::min(outputs, last);
    window.hi[i] = node.known(
        DimExpr::max((outputs - 1) * stride + span - extent - DimExpr(window.lo[i]), node.dim(0)));
  }
}

static Value pool(Node &node, graph::WindowKind kind, Value x, const Window &window) {
  return node.create<graph::WindowReduceOp>(kind, x, spatialAxes(node), window.kernel,
                                            window.strides, window.dilations,
                                            listOf(node, window.lo), listOf(node, window.hi));
}

/// The places of the largest elements, counted in the whole tensor: one candidate for each element
/// of the window, of which the first of the largest stays.
static FailureOr<Value> placesOfLargest(Node &node, const Window &window,
                                        ArrayRef<DimAttr> outputs) {
  graph::TensorType type = node.type(0);
  MLIRContext *context = node.getBuilder().getContext();
  int64_t rank = type.rank(), taps = 1;
  if (window.kernel.empty())
    return node.error("asks for places in windows that have no axis");
  for (int64_t extent : window.kernel)
    if (llvm::MulOverflow(taps, extent, taps) || taps > kMaxWindow)
      return node.error("asks for places in windows of more than " + Twine(kMaxWindow) +
                        " elements (kMaxWindow)");
  bool isLow = llvm::isa<FloatType>(type.getElementType());
  Value low = isLow ? node.scalar(type.getElementType(), -std::numeric_limits<double>::infinity())
                    : node.scalar(type.getElementType(), 0);
  DimList lo(2, node.dim(0)), hi(lo);
  llvm::append_range(lo, window.lo);
  llvm::append_range(hi, window.hi);
  Value padded =
      node.create<graph::PadOp>(graph::PadMode::constant, node.input(0), low,
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  ShapeScalars scalars(node);
  auto extentAt = [&](DimAttr dim) { return node.broadcast(scalars.number(dim), {}, outputs); };
  bool columnsFirst = node.getInt("storage_order", 0);
  Value image =
      node.add(node.mul(node.iota(outputs, 0), extentAt(type.getDim(1))), node.iota(outputs, 1));
  Value best, place;
  for (int64_t t = 0; t < taps; ++t) {
    Value x = padded, at = image, within, isInside;
    SmallVector<Value> coordinates(rank - 2);
    int64_t rest = t;
    for (int64_t d = rank - 3; d >= 0; --d) {
      int64_t from = rest % window.kernel[d] * window.dilations[d];
      rest /= window.kernel[d];
      x = node.cut(x, 2 + d, node.dim(from), outputs[2 + d], window.strides[d]);
      DimExpr shift = node.known(node.dim(from) - DimExpr(window.lo[d]));
      Value steps = node.mul(node.iota(outputs, 2 + d), double(window.strides[d]));
      coordinates[d] = node.add(steps, extentAt(shift.get()));
      Value inside = node.create<graph::AndOp>(
          node.compare(graph::CompareKind::ge, coordinates[d], node.fillLike(steps, 0)),
          node.compare(graph::CompareKind::lt, coordinates[d], extentAt(type.getDim(2 + d))));
      isInside = isInside ? node.create<graph::AndOp>(isInside, inside) : inside;
    }
    for (int64_t i = 0; i < rank - 2; ++i) {
      int64_t d = columnsFirst ? rank - 3 - i : i;
      within = within ? node.add(node.mul(within, extentAt(type.getDim(2 + d))), coordinates[d])
                      : coordinates[d];
      at = node.mul(at, extentAt(type.getDim(2 + d)));
    }
    at = node.add(at, within);
    // Before the first element inside nothing is chosen; its place is below zero.
    if (!place) {
      best = x;
      place = node.choose(isInside, at, node.fillLike(at, -1));
      continue;
    }
    Value isFirst = node.compare(graph::CompareKind::lt, place, node.fillLike(place, 0));
    Value isLarger =
        node.create<graph::OrOp>(isFirst, node.compare(graph::CompareKind::gt, x, best));
    isLarger = node.create<graph::AndOp>(isInside, isLarger);
    best = node.choose(isLarger, x, best);
    place = node.choose(isLarger, at, place);
  }
  return place;
}

static LogicalResult importMaxPool(Node &node) {
  Window window;
  if (failed(readPool(node, window)))
    return failure();
  roundUp(node, window);
  Value largest = pool(node, graph::WindowKind::max, node.input(0), window);
  node.setOutput(largest);
  if (node.proto.output_size() < 2)
    return success();
  FailureOr<Value> places = placesOfLargest(node, window, graph::getTensorType(largest).getDims());
  if (failed(places))
    return failure();
  node.setOutput(*places);
  return success();
}

/// (sum of |x|^p)^(1/p) of each window.
static LogicalResult importLpPool(Node &node) {
  Window window;
  int64_t p = node.getInt("p", 2);
  if (failed(readPool(node, window)))
    return failure();
  if (p < 1)
    return node.error("has p = " + Twine(p) + ", expected a positive one");
  roundUp(node, window);
  Value x = node.create<graph::AbsOp>(node.input(0));
  auto power = [&](Value value, double exponent) -> Value {
    return node.create<graph::PowOp>(value, node.fillLike(value, exponent));
  };
  if (p > 1)
    x = p == 2 ? node.mul(x, x) : power(x, double(p));
  x = pool(node, graph::WindowKind::sum, x, window);
  if (p > 1)
    x = p == 2 ? Value(node.create<graph::SqrtOp>(x)) : power(x, 1.0 / double(p));
  node.setOutput(x);
  return success();
}

static LogicalResult importAveragePool(Node &node) {
  Window window;
  if (failed(readPool(node, window)))
    return failure();
  DimList ownLo(window.lo), ownHi(window.hi);
  roundUp(node, window);
  Value sum = pool(node, graph::WindowKind::sum, node.input(0), window);
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  bool isPadded = !llvm::all_of(window.lo, isZero) || !llvm::all_of(window.hi, isZero);
  if (!isPadded) {
    double count = 1;
    for (int64_t extent : window.kernel)
      count *= double(extent);
    node.setOutput(node.div(sum, node.fillLike(sum, count)));
    return success();
  }
  // The number of elements of each window: the sum of ones, without or with the declared padding
  // (never with that of ceil_mode).
  Value ones = node.fillLike(node.input(0), 1);
  if (node.getInt("count_include_pad", 0)) {
    DimList lo(2, node.dim(0)), hi(lo);
    llvm::append_range(lo, ownLo);
    // Windows that begin in the padding behind are dropped, and then less of it is needed.
    for (size_t i = 0; i < ownHi.size(); ++i)
      hi.push_back(ownHi[i] = node.known(DimExpr::min(ownHi[i], window.hi[i])));
    ones = node.create<graph::PadOp>(graph::PadMode::constant, ones,
                                     node.scalar(node.type(0).getElementType(), 1),
                                     listOf(node, lo), listOf(node, hi));
    for (size_t i = 0; i < window.lo.size(); ++i) {
      window.lo[i] = node.dim(0);
      window.hi[i] = node.known(DimExpr(window.hi[i]) - DimExpr(ownHi[i]));
    }
  }
  node.setOutput(node.div(sum, pool(node, graph::WindowKind::sum, ones, window)));
  return success();
}

static LogicalResult importGlobalAverage(Node &node) {
  if (failed(checkSpatial(node)))
    return failure();
  SmallVector<int64_t> axes = spatialAxes(node);
  Value mean = node.create<graph::MeanOp>(
      node.type(0).withDims(node.type(0).getDims().take_front(2)), node.input(0), axes);
  node.setOutput(node.keepDims(mean, node.input(0), axes));
  return success();
}

static LogicalResult importGlobalMax(Node &node) {
  if (failed(checkSpatial(node)))
    return failure();
  SmallVector<int64_t> axes = spatialAxes(node);
  node.setOutput(
      node.keepDims(node.reduce(graph::ReduceKind::max, node.input(0), axes), node.input(0), axes));
  return success();
}

ArrayRef<Operator> tessera::onnx::windowOperators() {
  static const Operator table[] = {
      {"AveragePool", 1, importAveragePool},
      {"Conv", 1, importConv},
      {"ConvTranspose", 1, importConvTranspose},
      {"GlobalAveragePool", 1, importGlobalAverage},
      {"GlobalMaxPool", 1, importGlobalMax},
      {"LpPool", 2, importLpPool},
      {"MaxPool", 1, importMaxPool},
  };
  return table;
}
