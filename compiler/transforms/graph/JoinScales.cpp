//===- JoinScales.cpp - A product of two scaled factors is scaled once ------------------------===//
//
// Attention is often written with queries and keys that are both scaled by the root of what scores
// are to be scaled by. Keys are the longer ones, up to the whole past of a sequence for one query,
// and what is scaled is stored.
//
//===----------------------------------------------------------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHJOINSCALES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

namespace {
/// x * c, of which a contraction reads a view.
struct Scaled {
  graph::MulOp op;
  unsigned x;
  APFloat by;
};

/// Nothing where anyone else reads the scaled numbers: they would be there twice.
std::optional<Scaled> scaledBehind(Value factor) {
  while (factor.hasOneUse()) {
    Operation *op = factor.getDefiningOp();
    if (llvm::isa_and_nonnull<graph::TransposeOp, graph::ReshapeOp, graph::BroadcastOp>(op)) {
      factor = op->getOperand(0);
      continue;
    }
    auto mul = llvm::dyn_cast_or_null<graph::MulOp>(op);
    if (!mul)
      return std::nullopt;
    for (unsigned x : {0u, 1u})
      if (auto by = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(mul->getOperand(1 - x)));
          by && by.getValue().isNormal())
        return Scaled{mul, x, by.getValue()};
    return std::nullopt;
  }
  return std::nullopt;
}

bool mayBeLonger(Value x, Value than) {
  auto elements = [](Value value) {
    return graph::multiplyDims(value.getContext(), graph::getTensorType(value).getDims());
  };
  graph::DimExpr own = elements(x), other = elements(than);
  return !own || !other || !graph::isKnownLessEqual(own, other);
}

struct GraphJoinScales : transforms::impl::GraphJoinScalesBase<GraphJoinScales> {
  void runOnOperation() override {
    getOperation().walk([&](graph::ContractOp op) { join(op); });
  }

private:
  void join(graph::ContractOp op) {
    // Narrower floats would round the joined number otherwise.
    if (!op.getAccumulatorType().isF32() && !op.getAccumulatorType().isF64())
      return;
    std::optional<Scaled> lhs = scaledBehind(op.getLhs()), rhs = scaledBehind(op.getRhs());
    if (!lhs || !rhs || lhs->op == rhs->op ||
        lhs->op.getType().getElementType() != op.getAccumulatorType() ||
        rhs->op.getType().getElementType() != op.getAccumulatorType())
      return;
    if (mayBeLonger(op.getLhs(), op.getRhs()) && !mayBeLonger(op.getRhs(), op.getLhs()))
      std::swap(lhs, rhs);
    APFloat both = lhs->by;
    both.multiply(rhs->by, APFloat::rmNearestTiesToEven);
    if (!both.isNormal())
      return;
    OpBuilder builder(lhs->op);
    graph::GraphBuilder b(builder, lhs->op.getLoc());
    lhs->op->setOperand(1 - lhs->x, b.fillLike(lhs->op.getResult(), both.convertToDouble()));
    rhs->op.getResult().replaceAllUsesWith(rhs->op->getOperand(rhs->x));
    rhs->op.erase();
    ++numJoined;
  }
};
} // namespace
