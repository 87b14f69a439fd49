//===- SplitTransposedConv.cpp - Transposed convolutions are convolutions
//-----------------------===//
// Result element y * s + r of an axis sums the elements k = t * s + r of the window: for each r < s
// an ordinary convolution of x with every s-th element, and all of them are one with s times the
// channels. Which channel is at which place is a shuffle.
//
// 1. The window is cut into pieces of s elements: w[c, o, k] => w[(r, o), c, t], t reversed.
// 2. z = conv(x, w) padded by a piece less one on both sides: z[n, (r, o), q].
// 3. Shuffle: [n, (r, o), q] => [n, o, q * s + r], of which a slice is the result.

#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/graph/PixelShuffle.h"

#include "compiler/reference/Tensor.h"

#include <cmath>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSPLITTRANSPOSEDCONV
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimArrayAttr;
using graph::DimAttr;
using graph::DimExpr;
using graph::GraphBuilder;

namespace {
/// One axis of the picture.
struct Axis {
  int64_t stride, window, pieces, lo, extra; ///< extra: steps behind the last piece
};

class Split {
public:
  Split(graph::ConvTransposeOp op, bool isFinite)
      : op(op), layout(op.getConvLayout()), isFinite(isFinite), builder(op),
        b(builder, op.getLoc()) {}
  void run();

private:
  bool readAxes();
  Value placeWeight(Value weight, Value zero);
  Value buildWeight();
  Value tile(Value channels);
  bool isFiniteWeight();

  graph::ConvTransposeOp op;
  graph::ConvLayout layout;
  bool isFinite; ///< the pass may take all numbers for finite
  OpBuilder builder;
  GraphBuilder b;
  SmallVector<Axis> axes;
};
} // namespace

static DimArrayAttr asDims(MLIRContext *context, ArrayRef<int64_t> values) {
  return DimArrayAttr::get(context, values);
}

/// A constant, or what integers stand for.
bool Split::isFiniteWeight() {
  auto dequantize = op.getWeight().getDefiningOp<graph::DequantizeOp>();
  if (isFinite ||
      (dequantize && isInteger(graph::getTensorType(dequantize.getX()).getElementType())))
    return true;
  auto constant = op.getWeight().getDefiningOp<graph::ConstantOp>();
  if (!constant)
    return false;
  llvm::Expected<reference::Tensor> numbers = reference::toTensor(constant.getValue());
  if (!numbers) {
    llvm::consumeError(numbers.takeError()); // Who needs the bytes says so.
    return false;
  }
  return !numbers->getElementType().isFloat() ||
         llvm::all_of(numbers->reals(), [](double number) { return std::isfinite(number); });
}

bool Split::readAxes() {
  graph::TensorType weight = graph::getTensorType(op.getWeight());
  bool overlaps = false, isPadded = false;
  for (size_t i = 0; i < layout.spatialRank(); ++i) {
    std::optional<int64_t> window = weight.getDim(layout.weightSpatial[i]).getConstant(),
                           lo = op.getLo()[i].getConstant(), hi = op.getHi()[i].getConstant(),
                           more = op.getOutputPadding()[i].getConstant();
    if (!window || *window < 1 || !lo || !hi || !more || op.getDilations()[i] != 1)
      return false;
    int64_t stride = op.getStrides()[i], pieces = llvm::divideCeil(*window, stride);
    int64_t missing = *window - *hi + *more - pieces * stride;
    axes.push_back({stride, *window, pieces, *lo,
                    missing > 0 ? int64_t(llvm::divideCeil(missing, stride)) : 0});
    overlaps |= pieces > 1 || axes.back().extra > 0;
    isPadded |= *window % stride != 0;
  }
  // Zeros beside x are multiplied by weights, and zeros in the window by x: of what is not finite
  // that makes NaN.
  bool isQuantized = bool(op.getX().getDefiningOp<graph::DequantizeOp>());
  return op.getGroups() == 1 && (!overlaps || isFiniteWeight()) &&
         (!isPadded || isFinite || isQuantized) && weight.getDim(layout.weightOutput).isConstant();
}

/// (1) Of the numbers, or of the integers that stand for them.
Value Split::placeWeight(Value weight, Value zero) {
  MLIRContext *context = op.getContext();
  SmallVector<int64_t> perm{layout.weightInput, layout.weightOutput};
  perm.append(layout.weightSpatial.begin(), layout.weightSpatial.end());
  if (!llvm::is_sorted(perm))
    weight = b.transpose(weight, perm);
  SmallVector<int64_t> hi(2, 0), none(perm.size(), 0);
  for (const Axis &axis : axes)
    hi.push_back(axis.pieces * axis.stride - axis.window);
  if (hi != none) {
    Type element = graph::getTensorType(weight).getElementType();
    weight =
        b.create<graph::PadOp>(graph::PadMode::constant, weight, zero ? zero : b.scalar(element, 0),
                               asDims(context, none), asDims(context, hi));
  }
  ArrayRef<DimAttr> dims = graph::getTensorType(weight).getDims();
  SmallVector<DimAttr> cut(dims.take_front(2)), pieces{dims[0]};
  SmallVector<int64_t> reversed, order;
  DimExpr channels(dims[1]);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    reversed.push_back(cut.size());
    order.push_back(cut.size() + 1);
    cut.push_back(graph::getDim(context, axis.pieces));
    pieces.push_back(cut.back());
    cut.push_back(graph::getDim(context, axis.stride));
    channels = channels * axis.stride;
  }
  order.append({1, 0});
  order.append(reversed);
  pieces.insert(pieces.begin(), channels.get());
  weight = b.create<graph::ReverseOp>(b.reshape(weight, cut), reversed);
  return b.reshape(b.transpose(weight, order), pieces);
}

/// A number for each output channel, or one for all, for each channel of the convolution.
Value Split::tile(Value channels) {
  if (!channels || graph::getTensorType(channels).rank() == 0)
    return channels;
  int64_t copies = 1;
  for (const Axis &axis : axes)
    copies *= axis.stride;
  DimAttr count = graph::getTensorType(channels).getDim(0);
  Value tiled = b.broadcast(channels, {1}, {graph::getDim(op.getContext(), copies), count});
  return b.reshape(tiled, {(DimExpr(count) * copies).get()});
}

/// Null: it cannot be placed.
Value Split::buildWeight() {
  auto dequantize = op.getWeight().getDefiningOp<graph::DequantizeOp>();
  if (!dequantize)
    return placeWeight(op.getWeight(), {});
  Value zero = dequantize.getZeroPoint();
  std::optional<int64_t> axis = dequantize.getAxis();
  auto splat = zero ? llvm::dyn_cast_or_null<IntegerAttr>(graph::getSplat(zero)) : IntegerAttr();
  if (dequantize.getBlock() || (axis && *axis != layout.weightOutput))
    return {};
  if (axis && zero && !(splat && splat.getValue().isZero()) &&
      llvm::any_of(axes, [](const Axis &a) { return a.window % a.stride != 0; }))
    return {}; // Each channel has its own zero.
  Value placed = placeWeight(dequantize.getX(), axis ? Value() : zero);
  auto type = graph::getTensorType(placed).withElementType(
      graph::getTensorType(dequantize.getResult()).getElementType());
  return b.create<graph::DequantizeOp>(type, placed, tile(dequantize.getScale()), tile(zero),
                                       axis ? builder.getI64IntegerAttr(0) : IntegerAttr(),
                                       IntegerAttr());
}

void Split::run() {
  Value weight;
  if (!readAxes() || !(weight = buildWeight()))
    return;
  MLIRContext *context = op.getContext();
  // (2)
  SmallVector<int64_t> perm{layout.xBatch, layout.xChannel};
  perm.append(layout.xSpatial.begin(), layout.xSpatial.end());
  Value x = llvm::is_sorted(perm) ? op.getX() : b.transpose(op.getX(), perm);
  SmallVector<int64_t> ones(axes.size(), 1), lo, hi;
  for (const Axis &axis : axes) {
    lo.push_back(axis.pieces - 1);
    hi.push_back(axis.pieces - 1 + axis.extra);
  }
  SmallVector<DimAttr> dims(graph::getTensorType(x).getDims());
  dims[1] = graph::getTensorType(weight).getDim(0);
  for (auto [i, axis] : llvm::enumerate(axes))
    dims[2 + i] = (DimExpr(dims[2 + i]) + (axis.pieces - 1 + axis.extra)).get();
  Value sums = b.create<graph::ConvOp>(op.getType().withDims(dims), x, weight, ones, ones,
                                       asDims(context, lo), asDims(context, hi), int64_t(1),
                                       StringAttr(), op.getAccAttr());
  // (3)
  DimAttr outputs = graph::getTensorType(op.getWeight()).getDim(layout.weightOutput);
  SmallVector<DimAttr> split{dims[0]}, shuffled{dims[0], outputs};
  SmallVector<int64_t> factors;
  for (const Axis &axis : axes) {
    factors.push_back(axis.stride == 1 ? 0 : int64_t(split.size()));
    if (axis.stride != 1)
      split.push_back(graph::getDim(context, axis.stride));
  }
  SmallVector<int64_t> order{0, int64_t(split.size())};
  split.push_back(outputs);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    order.push_back(split.size());
    split.push_back(dims[2 + i]);
    if (factors[i])
      order.push_back(factors[i]);
    shuffled.push_back((DimExpr(dims[2 + i]) * axis.stride).get());
  }
  Value result =
      split.size() == dims.size() ? sums : buildPixelShuffle(b, sums, split, order, shuffled);
  // The result's dims, channels first.
  SmallVector<int64_t> resultPerm{layout.resultBatch, layout.resultChannel}, back(perm.size());
  resultPerm.append(layout.resultSpatial.begin(), layout.resultSpatial.end());
  SmallVector<DimAttr> wanted, starts(2, graph::getDim(context, 0)),
      steps(perm.size(), graph::getDim(context, 1));
  for (auto [i, dim] : llvm::enumerate(resultPerm)) {
    wanted.push_back(op.getType().getDim(dim));
    back[dim] = i;
  }
  for (const Axis &axis : axes)
    starts.push_back(graph::getDim(context, axis.lo));
  bool isWhole = llvm::all_of(axes, [](const Axis &axis) { return axis.lo == 0; }) &&
                 ArrayRef<DimAttr>(wanted) == graph::getTensorType(result).getDims();
  if (!isWhole)
    result = graph::SliceOp::create(builder, op.getLoc(), result, starts, steps, wanted);
  if (!llvm::is_sorted(resultPerm))
    result = b.transpose(result, back);
  op.replaceAllUsesWith(result);
  op.erase();
}

namespace {
struct GraphSplitTransposedConv
    : transforms::impl::GraphSplitTransposedConvBase<GraphSplitTransposedConv> {
  using GraphSplitTransposedConvBase::GraphSplitTransposedConvBase;
  void runOnOperation() override {
    SmallVector<graph::ConvTransposeOp> ops;
    getOperation().walk([&](graph::ConvTransposeOp op) { ops.push_back(op); });
    for (graph::ConvTransposeOp op : ops)
      Split(op, finite).run();
  }
};
} // namespace
