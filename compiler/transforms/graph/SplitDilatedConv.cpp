//===- SplitDilatedConv.cpp - Taps that lie far apart are products of their own ---------------===//
//
// A tap whose distance from the centre is a large share of the picture reads padding for most
// elements of the result. It is a product of the part of the input that it reads:
//   conv(x, w) = sum over taps k of pad(conv1x1(slice of x, w[.., k]))
// where slice and padding leave out what lies outside. (Nothing times a weight is nothing: weights
// are taken for finite.)
//
//===----------------------------------------------------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSPLITDILATEDCONV
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

namespace {
/// What one tap reads and writes along an axis.
struct Reach {
  int64_t tap = 0;
  DimAttr from, count, before, behind; ///< of the input; zeros around them in the result
};

class DilatedConv {
public:
  explicit DilatedConv(graph::ConvOp op)
      : op(op), layout(op.getConvLayout()), x(graph::getTensorType(op.getX())),
        weight(graph::getTensorType(op.getWeight())) {}

  bool isSparse();
  void split();

private:
  int64_t offsetOf(size_t axis, int64_t tap) {
    return tap * op.getDilations()[axis] - *op.getLo()[axis].getConstant();
  }
  int64_t tapsOf(size_t axis) const { return weight.getDim(layout.weightSpatial[axis]).getValue(); }
  Reach reachOf(size_t axis, int64_t tap);
  Value partOf(graph::GraphBuilder &b, ArrayRef<Reach> reaches);

  graph::ConvOp op;
  graph::ConvLayout layout;
  graph::TensorType x, weight;
};
} // namespace

/// Whether enough products are with padding to pay for a sum of several tensors. Extents that are
/// not known are taken for those of features of a picture.
bool DilatedConv::isSparse() {
  constexpr int64_t kAssumedExtent = 64, kFewestChannels = 128;
  constexpr double kMostOfAll = 0.8;
  auto isOne = [](int64_t number) { return number == 1; };
  if (op.getLayout() || op.getGroups() != 1 || !llvm::all_of(op.getStrides(), isOne) ||
      llvm::all_of(op.getDilations(), isOne) || !weight.hasStaticShape() ||
      op.getAccumulatorType() != x.getElementType() ||
      !(x.getElementType().isF32() || x.getElementType().isF64()) ||
      weight.getDim(layout.weightInput).getValue() < kFewestChannels)
    return false;
  double share = 1;
  int64_t taps = 1;
  for (size_t axis = 0; axis < layout.spatialRank(); ++axis) {
    if (!op.getLo()[axis].isConstant() || !op.getHi()[axis].isConstant())
      return false;
    const int64_t extent = x.getDim(layout.xSpatial[axis]).getConstant().value_or(kAssumedExtent);
    const int64_t reach = (tapsOf(axis) - 1) * op.getDilations()[axis];
    const int64_t result =
        extent + *op.getLo()[axis].getConstant() + *op.getHi()[axis].getConstant() - reach;
    int64_t inside = 0;
    for (int64_t tap = 0; tap < tapsOf(axis); ++tap) {
      const int64_t offset = offsetOf(axis, tap);
      inside +=
          std::max<int64_t>(0, std::min(result, extent - offset) - std::max<int64_t>(0, -offset));
    }
    share *= double(inside) / double(std::max<int64_t>(1, result * tapsOf(axis)));
    taps *= tapsOf(axis);
  }
  constexpr int64_t kMostTaps = 25;
  return taps > 1 && taps <= kMostTaps && share < kMostOfAll;
}

Reach DilatedConv::reachOf(size_t axis, int64_t tap) {
  MLIRContext *context = op->getContext();
  const int64_t offset = offsetOf(axis, tap);
  DimExpr extent = x.getDim(layout.xSpatial[axis]),
          result = op.getType().getDim(layout.resultSpatial[axis]);
  DimExpr zero = DimExpr::constant(context, 0), before = DimExpr::constant(context, -offset);
  DimExpr begin = DimExpr::max(zero, DimExpr::min(result, before));
  DimExpr end = DimExpr::min(result, extent + before);
  DimExpr count = DimExpr::max(zero, end - begin);
  // Where nothing is inside, nothing is read at a place that there is.
  DimExpr from = DimExpr::min(begin - before, extent - count);
  return {tap, DimExpr::max(zero, from), count, begin, result - begin - count};
}

Value DilatedConv::partOf(graph::GraphBuilder &b, ArrayRef<Reach> reaches) {
  MLIRContext *context = op->getContext();
  const DimAttr zero = graph::getDim(context, 0), one = graph::getDim(context, 1);
  SmallVector<DimAttr> starts(x.rank(), zero), dims(x.getDims()), places(x.rank(), zero),
      taps(weight.getDims()), lo(x.rank(), zero), hi(x.rank(), zero), whole(op.getType().getDims());
  bool isPadded = false;
  for (auto [axis, reach] : llvm::enumerate(reaches)) {
    starts[layout.xSpatial[axis]] = reach.from;
    dims[layout.xSpatial[axis]] = reach.count;
    places[layout.weightSpatial[axis]] = graph::getDim(context, reach.tap);
    taps[layout.weightSpatial[axis]] = one;
    lo[layout.resultSpatial[axis]] = reach.before;
    hi[layout.resultSpatial[axis]] = reach.behind;
    whole[layout.resultSpatial[axis]] = reach.count;
    isPadded |= reach.before != zero || reach.behind != zero;
  }
  auto cut = [&](Value value, ArrayRef<DimAttr> from, ArrayRef<DimAttr> extents) -> Value {
    SmallVector<DimAttr> steps(extents.size(), one);
    return b.create<graph::SliceOp>(value, from, ArrayRef<DimAttr>(steps), extents);
  };
  Builder &builder = b.getBuilder();
  const SmallVector<int64_t> ones(reaches.size(), 1);
  const SmallVector<DimAttr> none(reaches.size(), zero);
  auto unpadded = graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(none));
  Value part = b.create<graph::ConvOp>(
      op.getType().withDims(whole), cut(op.getX(), starts, dims), cut(op.getWeight(), places, taps),
      builder.getDenseI64ArrayAttr(ones), builder.getDenseI64ArrayAttr(ones), unpadded, unpadded,
      op.getGroupsAttr(), StringAttr(), op.getAccAttr());
  if (!isPadded)
    return part;
  return b.create<graph::PadOp>(graph::PadMode::constant, part,
                                b.scalar(op.getType().getElementType(), 0),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
}

void DilatedConv::split() {
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  SmallVector<SmallVector<Reach>> taps{{}};
  for (size_t axis = 0; axis < layout.spatialRank(); ++axis) {
    SmallVector<SmallVector<Reach>> longer;
    for (ArrayRef<Reach> begun : taps)
      for (int64_t tap = 0; tap < tapsOf(axis); ++tap) {
        longer.emplace_back(begun);
        longer.back().push_back(reachOf(axis, tap));
      }
    taps = std::move(longer);
  }
  auto isKnown = [](const Reach &reach) {
    return reach.from && reach.count && reach.before && reach.behind;
  };
  if (!llvm::all_of(taps, [&](ArrayRef<Reach> reaches) { return llvm::all_of(reaches, isKnown); }))
    return; // Expressions grow too large.
  auto isOutside = [](const Reach &reach) { return reach.count.getConstant() == 0; };
  Value sum;
  for (ArrayRef<Reach> reaches : taps) {
    if (llvm::any_of(reaches, isOutside))
      continue;
    Value part = partOf(b, reaches);
    sum = sum ? b.add(sum, part) : part;
  }
  if (!sum)
    return;
  op.replaceAllUsesWith(sum);
  op.erase();
}

namespace {
struct GraphSplitDilatedConv : transforms::impl::GraphSplitDilatedConvBase<GraphSplitDilatedConv> {
  void runOnOperation() override {
    SmallVector<graph::ConvOp> ops;
    getOperation().walk([&](graph::ConvOp op) { ops.push_back(op); });
    for (graph::ConvOp op : ops)
      if (DilatedConv conv(op); conv.isSparse())
        conv.split();
  }
};
} // namespace
