//===- WidenElements.cpp - Narrow elements are computed in wider types ------------------------===//
//
// Floats of at most 8 bits and integers of fewer than 8 are bytes to a kernel. Ops that only move
// elements move these as they are; every other op gets its operands converted, computes in the wide
// type (f32, si8, ui8) and has its result converted back. A result of one op is the right one then:
// of floats, f32 has more than twice the digits, so that rounding twice changes nothing; of
// integers, the low bits of sums and products do not depend on the others.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"
#include "dialects/common/NarrowElements.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHWIDENELEMENTS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

/// Ops that do not care what an element is.
static bool onlyMoves(Operation *op) {
  if (auto scatter = llvm::dyn_cast<graph::ScatterOp>(op))
    return scatter.getKind() == graph::ScatterKind::replace;
  return op->getNumRegions() != 0 || op->hasTrait<OpTrait::IsTerminator>() ||
         llvm::isa<graph::BroadcastOp, graph::ReshapeOp, graph::TransposeOp, graph::SliceOp,
                   graph::ConcatOp, graph::PadOp, graph::ReverseOp, graph::GatherOp,
                   graph::SelectOp, graph::ConstantOp, graph::ShapeOfOp, graph::ReadVariableOp,
                   graph::WriteVariableOp, graph::CallOp>(op);
}

static graph::TensorType getNarrowType(Value value) {
  auto type = llvm::dyn_cast<graph::TensorType>(value.getType());
  return type && isNarrow(type.getElementType()) ? type : graph::TensorType();
}

namespace {
struct GraphWidenElements : transforms::impl::GraphWidenElementsBase<GraphWidenElements> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      // Kernels decode and encode in conversions.
      if (llvm::isa<graph::GraphDialect>(op->getDialect()) && !onlyMoves(op) &&
          !llvm::isa<graph::ConvertOp, graph::BitcastOp, graph::VariableOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      widen(op);
  }

  void widen(Operation *op) {
    OpBuilder before(op), after(&getContext());
    after.setInsertionPointAfter(op);
    for (OpOperand &operand : op->getOpOperands())
      if (graph::TensorType type = getNarrowType(operand.get()))
        operand.set(graph::ConvertOp::create(before, op->getLoc(), operand.get(),
                                             getWideElementType(type.getElementType())));
    for (Value result : op->getResults())
      if (graph::TensorType type = getNarrowType(result)) {
        result.setType(type.withElementType(getWideElementType(type.getElementType())));
        auto convert = graph::ConvertOp::create(after, op->getLoc(), result, type.getElementType());
        result.replaceAllUsesExcept(convert.getResult(), convert);
        ++numWidened;
      }
  }
};
} // namespace
