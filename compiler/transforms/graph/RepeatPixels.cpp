//===- RepeatPixels.cpp - Nearest neighbours of a multiple are repetitions
//----------------------===//
// Where the extent of each axis grows by a whole factor s, the nearest neighbour of y is y / s
// (rounded down), whether coordinates start at borders or at centres: q * s + r, r < s, is at
// q + (r + 1/2) / s - 1/2, nearer to q than to any other. So each element stands s times in a row:
// a broadcast and a view, whose copies compute no coordinates.

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHREPEATPIXELS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

/// The factor of each axis, if all are whole.
static std::optional<SmallVector<int64_t>> getFactors(graph::ResizeOp op) {
  constexpr int64_t kMost = 64;
  bool fromBorders = op.getCoordinates() == graph::CoordinateMode::asymmetric &&
                     op.getRounding() == graph::NearestMode::floor;
  bool fromCentres = op.getCoordinates() == graph::CoordinateMode::half_pixel &&
                     (op.getRounding() == graph::NearestMode::round_prefer_floor ||
                      op.getRounding() == graph::NearestMode::round_prefer_ceil);
  if (op.getMode() != graph::ResizeMode::nearest || (!fromBorders && !fromCentres))
    return std::nullopt;
  graph::TensorType from = graph::getTensorType(op.getX()),
                    to = graph::getTensorType(op.getResult());
  SmallVector<int64_t> factors;
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    auto fits = [&, i = i, axis = axis](int64_t factor) {
      return (DimExpr(from.getDim(axis)) * factor).get() == to.getDim(axis) &&
             (!op.getScales() || (*op.getScales())[i] == double(factor));
    };
    int64_t factor = 1;
    while (factor <= kMost && !fits(factor))
      ++factor;
    if (factor > kMost)
      return std::nullopt;
    factors.push_back(factor);
  }
  return factors;
}

static void rewrite(graph::ResizeOp op) {
  std::optional<SmallVector<int64_t>> factors = getFactors(op);
  if (!factors)
    return;
  SmallVector<DimAttr> dims;
  SmallVector<int64_t> places;
  for (auto [dim, extent] : llvm::enumerate(graph::getTensorType(op.getX()).getDims())) {
    places.push_back(dims.size());
    dims.push_back(extent);
    auto at = llvm::find(op.getAxes(), int64_t(dim));
    int64_t factor = at == op.getAxes().end() ? 1 : (*factors)[at - op.getAxes().begin()];
    if (factor != 1)
      dims.push_back(graph::getDim(op.getContext(), factor));
  }
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  Value repeated = b.broadcast(op.getX(), places, dims);
  op.replaceAllUsesWith(b.reshape(repeated, graph::getTensorType(op.getResult()).getDims()));
  op.erase();
}

namespace {
struct GraphRepeatPixels : transforms::impl::GraphRepeatPixelsBase<GraphRepeatPixels> {
  void runOnOperation() override {
    SmallVector<graph::ResizeOp> ops;
    getOperation().walk([&](graph::ResizeOp op) { ops.push_back(op); });
    for (graph::ResizeOp op : ops)
      rewrite(op);
  }
};
} // namespace
