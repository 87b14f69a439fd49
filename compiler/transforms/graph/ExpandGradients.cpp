//===- ExpandGradients.cpp - Gradients become the ops that compute them ------------------===//

#include "compiler/transforms/graph/Passes.h"
#include "dialects/graph/Gradient.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHEXPANDGRADIENTS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

namespace {
struct GraphExpandGradients : transforms::impl::GraphExpandGradientsBase<GraphExpandGradients> {
  void runOnOperation() override {
    // A gradient expands those inside of it.
    SmallVector<graph::GradientOp> gradients;
    getOperation()->walk<WalkOrder::PreOrder>([&](graph::GradientOp op) {
      gradients.push_back(op);
      return WalkResult::skip();
    });
    for (graph::GradientOp op : gradients) {
      OpBuilder builder(op);
      std::string why;
      FailureOr<SmallVector<Value>> results = graph::expandGradient(op, builder, why);
      if (failed(results)) {
        op.emitOpError("cannot be computed: ") << why;
        return signalPassFailure();
      }
      op->replaceAllUsesWith(*results);
      op.erase();
    }
  }
};
} // namespace
