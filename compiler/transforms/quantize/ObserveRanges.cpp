//===- ObserveRanges.cpp - Values that calibration looks at become outputs ------------------===//
#include "compiler/transforms/quantize/Passes.h"
#include "compiler/transforms/quantize/QuantizeLayers.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHOBSERVERANGES
#include "compiler/transforms/quantize/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;

void transforms::observeRanges(graph::FuncOp function, const LayerList &list) {
  auto end = llvm::cast<graph::ReturnOp>(function.getBody().front().getTerminator());
  for (const QuantizedLayer &layer : list.layers)
    for (Value root : layer.roots) {
      (void)function.insertResult(end->getNumOperands(), root.getType(), {});
      end->insertOperands(end->getNumOperands(), root);
    }
}

namespace {
struct GraphObserveRanges : transforms::impl::GraphObserveRangesBase<GraphObserveRanges> {
  void runOnOperation() override {
    auto functions = getOperation().getOps<graph::FuncOp>();
    if (!functions.empty())
      observeRanges(*functions.begin(), findLayers(*functions.begin()));
  }
};
} // namespace
