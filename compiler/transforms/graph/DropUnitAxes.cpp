//===- DropUnitAxes.cpp - Convolutions without axes that do nothing ---------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHDROPUNITAXES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

/// Dims without those at the positions.
static SmallVector<DimAttr> without(ArrayRef<DimAttr> dims, ArrayRef<int64_t> positions) {
  SmallVector<DimAttr> kept;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (!llvm::is_contained(positions, int64_t(i)))
      kept.push_back(dim);
  return kept;
}

/// One spatial axis always stays: the layouts need it.
static void dropUnitAxes(graph::ConvOp op) {
  if (op.getLayout())
    return;
  graph::ConvLayout layout = op.getConvLayout();
  graph::TensorType x = graph::getTensorType(op.getX()),
                    weight = graph::getTensorType(op.getWeight());
  SmallVector<int64_t> dropped, strides, dilations;
  SmallVector<DimAttr> lo, hi;
  for (size_t i = 0; i < layout.spatialRank(); ++i) {
    bool isUnit = x.getDim(layout.xSpatial[i]).getConstant() == 1 &&
                  weight.getDim(layout.weightSpatial[i]).getConstant() == 1 &&
                  op.getLo()[i].getConstant() == 0 && op.getHi()[i].getConstant() == 0;
    if (isUnit && dropped.size() + 1 < layout.spatialRank()) {
      dropped.push_back(layout.xSpatial[i]); // The same place in x, weight and result.
      continue;
    }
    strides.push_back(op.getStrides()[i]);
    dilations.push_back(op.getDilations()[i]);
    lo.push_back(op.getLo()[i]);
    hi.push_back(op.getHi()[i]);
  }
  if (dropped.empty())
    return;
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  MLIRContext *context = op.getContext();
  graph::TensorType type = op.getType();
  Value result = b.create<graph::ConvOp>(
      type.withDims(without(type.getDims(), dropped)),
      b.reshape(op.getX(), without(x.getDims(), dropped)),
      b.reshape(op.getWeight(), without(weight.getDims(), dropped)),
      builder.getDenseI64ArrayAttr(strides), builder.getDenseI64ArrayAttr(dilations),
      graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
      graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)), op.getGroupsAttr(), StringAttr(),
      op.getAccAttr());
  op.replaceAllUsesWith(b.reshape(result, type.getDims()));
  op.erase();
}

namespace {
struct GraphDropUnitAxes : transforms::impl::GraphDropUnitAxesBase<GraphDropUnitAxes> {
  void runOnOperation() override {
    SmallVector<graph::ConvOp> ops;
    getOperation().walk([&](graph::ConvOp op) { ops.push_back(op); });
    for (graph::ConvOp op : ops)
      dropUnitAxes(op);
  }
};
} // namespace
