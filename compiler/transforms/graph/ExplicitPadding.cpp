//===- ExplicitPadding.cpp - The padding of windows becomes graph.pad ---------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHEXPLICITPADDING
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimArrayAttr;
using graph::DimAttr;

static bool isZero(DimArrayAttr pads) {
  return llvm::all_of(pads, [](DimAttr dim) { return dim.getConstant() == 0; });
}

/// Pads x at the given dims; lo and hi have one entry for each of them.
static Value pad(graph::GraphBuilder &b, Value x, ArrayRef<int64_t> dims, DimArrayAttr lo,
                 DimArrayAttr hi, TypedAttr filler) {
  MLIRContext *context = x.getContext();
  graph::TensorType type = graph::getTensorType(x);
  SmallVector<DimAttr> before(type.rank(), graph::getDim(context, 0)), after(before);
  for (auto [i, dim] : llvm::enumerate(dims)) {
    before[dim] = lo[i];
    after[dim] = hi[i];
  }
  auto scalar = graph::TensorType::getScalar(type.getElementType());
  Value value = b.create<graph::ConstantOp>(
      scalar, DenseElementsAttr::get(llvm::cast<ShapedType>(scalar), Attribute(filler)));
  return b.create<graph::PadOp>(graph::PadMode::constant, x, value,
                                DimArrayAttr::get(context, ArrayRef<DimAttr>(before)),
                                DimArrayAttr::get(context, ArrayRef<DimAttr>(after)));
}

/// x padded, and the op's own padding gone.
template <typename OpType>
static void makeExplicit(OpType op, ArrayRef<int64_t> dims, StringRef kind) {
  if (isZero(op.getLo()) && isZero(op.getHi()))
    return;
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  Type element = graph::getTensorType(op.getX()).getElementType();
  TypedAttr filler = graph::getNeutralElement(kind, element);
  op.getXMutable().assign(pad(b, op.getX(), dims, op.getLo(), op.getHi(), filler));
  SmallVector<int64_t> none(dims.size(), 0);
  op.setLoAttr(DimArrayAttr::get(op.getContext(), ArrayRef<int64_t>(none)));
  op.setHiAttr(DimArrayAttr::get(op.getContext(), ArrayRef<int64_t>(none)));
}

/// Vectors go along the last axis, which has to have elements for them.
static void dropLastUnits(graph::PadOp op) {
  graph::TensorType type = op.getType();
  auto isUnit = [&](size_t axis) {
    return graph::getTensorType(op.getX()).getDim(axis).getConstant() == 1 &&
           type.getDim(axis).getConstant() == 1;
  };
  size_t kept = type.getDims().size();
  while (kept > 1 && isUnit(kept - 1))
    --kept;
  if (kept == type.getDims().size())
    return;
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  auto front = [&](DimArrayAttr dims) {
    return DimArrayAttr::get(op.getContext(), dims.getDims().take_front(kept));
  };
  Value x = b.reshape(op.getX(), graph::getTensorType(op.getX()).getDims().take_front(kept));
  Value padded =
      b.create<graph::PadOp>(op.getMode(), x, op.getValue(), front(op.getLo()), front(op.getHi()));
  op.replaceAllUsesWith(b.reshape(padded, type.getDims()));
  op.erase();
}

namespace {
struct GraphExplicitPadding : transforms::impl::GraphExplicitPaddingBase<GraphExplicitPadding> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      if (auto conv = llvm::dyn_cast<graph::ConvOp>(op))
        makeExplicit(conv, conv.getConvLayout().xSpatial, "sum");
      if (auto window = llvm::dyn_cast<graph::WindowReduceOp>(op))
        makeExplicit(window, window.getAxes(), stringifyWindowKind(window.getKind()));
    });
    getOperation().walk([](graph::PadOp pad) { dropLastUnits(pad); });
  }
};
} // namespace
