//===- SwitchLayers.cpp - Layers that are quantized when running, or not --------------------===//
//
// One module answers what any choice of layers would cost, so that a search need not compile.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/quantize/Passes.h"
#include "compiler/transforms/quantize/QuantizeLayers.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSWITCHLAYERS
#include "compiler/transforms/quantize/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::GraphBuilder;

/// The numbers that 8 bits give where the switch is on, else the value.
static Value choose(GraphBuilder &b, Value isOn, Value rounded, Value value) {
  Value everywhere = b.broadcast(isOn, {}, graph::getTensorType(value).getDims());
  return b.create<graph::SelectOp>(everywhere, rounded, value);
}

void transforms::switchLayers(graph::FuncOp function, const LayerList &list,
                              ArrayRef<NumberRange> ranges, const QuantizationStyle &style) {
  MLIRContext *context = function.getContext();
  auto count = int64_t(list.layers.size());
  auto type = graph::TensorType::get({count}, IntegerType::get(context, 1));
  unsigned number = function.getArgumentTypes().size();
  (void)function.insertArgument(number, type, {}, function.getLoc());
  Value switches = function.getBody().getArgument(number);
  for (auto [i, layer, range] : llvm::enumerate(list.layers, ranges)) {
    OpBuilder start = OpBuilder::atBlockBegin(&function.getBody().front());
    GraphBuilder atStart(start, function.getLoc());
    int64_t from = i, step = 1;
    auto asDims = [&](const int64_t &number) {
      return graph::DimArrayAttr::get(context, ArrayRef<int64_t>(number));
    };
    Value one = atStart.create<graph::SliceOp>(graph::TensorType::get({1}, type.getElementType()),
                                               switches, asDims(from), asDims(step));
    Value isOn = atStart.reshape(one, {});
    for (const QuantizableProduct &product : layer.products) {
      OpBuilder builder(product.op);
      GraphBuilder b(builder, product.op->getLoc());
      Value weight = product.op->getOperand(product.weight);
      Value rounded = dequantize(b, quantizeWeight(b, product, style.weightsPerTensor));
      product.op->setOperand(product.weight, choose(b, isOn, rounded, weight));
    }
    for (Value root : layer.roots) {
      OpBuilder builder(context);
      builder.setInsertionPointAfterValue(llvm::isa<BlockArgument>(root) ? isOn : root);
      GraphBuilder b(builder, root.getLoc());
      SmallVector<OpOperand *> readers;
      for (OpOperand &use : root.getUses())
        if (!llvm::isa<graph::ReturnOp>(use.getOwner()))
          readers.push_back(&use);
      Value rounded =
          dequantize(b, quantizeValue(b, root, range, style.symmetric || layer.isSigned));
      Value chosen = choose(b, isOn, rounded, root);
      for (OpOperand *use : readers)
        use->set(chosen);
    }
  }
}

namespace {
struct GraphSwitchLayers : transforms::impl::GraphSwitchLayersBase<GraphSwitchLayers> {
  using GraphSwitchLayersBase::GraphSwitchLayersBase;

  void runOnOperation() override {
    auto functions = getOperation().getOps<graph::FuncOp>();
    if (functions.empty())
      return;
    const LayerList list = findLayers(*functions.begin());
    const std::vector<NumberRange> same(list.layers.size(), NumberRange{least, greatest});
    switchLayers(*functions.begin(), list, same, {});
  }
};
} // namespace
