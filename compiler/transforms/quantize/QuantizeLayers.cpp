//===- QuantizeLayers.cpp - Products of 8 bits ----------------------------------------------===//
//
// Weights and roots of layers are quantized and dequantized where they are; who reads a root reads
// what is left of it, so that nobody needs its f32 form. `graph-lower-quantized` makes products of
// integers of that.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/quantize/QuantizeLayers.h"

#include "compiler/transforms/graph/QuantizeWeights.h"
#include "compiler/transforms/quantize/Passes.h"
#include "dialects/graph/WeightStore.h"

#include <cmath>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHQUANTIZELAYERS
#include "compiler/transforms/quantize/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::GraphBuilder;
using reference::Tensor;

static IntegerType getByte(MLIRContext *context, bool isSigned) {
  return IntegerType::get(context, 8, isSigned ? IntegerType::Signed : IntegerType::Unsigned);
}

/// Long constants are kept beside the IR.
static Value createConstant(GraphBuilder &b, const Tensor &tensor) {
  constexpr int64_t kDenseBytes = 1 << 10;
  auto type = graph::TensorType::get(tensor.getShape(), tensor.getElementType());
  TypedAttr value;
  if (tensor.getByteSize() <= kDenseBytes) {
    value = reference::toDense(tensor);
  } else {
    ArrayRef<char> bytes = tensor.getBytes();
    auto *dialect = b.getBuilder().getContext()->getLoadedDialect<graph::GraphDialect>();
    value = dialect->getWeightStore().addDerived({bytes.begin(), bytes.end()}, type);
  }
  return graph::ConstantOp::create(b.getBuilder(), b.getLoc(), value).getResult();
}

Quantized transforms::quantizeWeight(GraphBuilder &b, const QuantizableProduct &product,
                                     bool isPerTensor) {
  constexpr int64_t kLargest = 127;
  MLIRContext *context = b.getBuilder().getContext();
  Tensor weight = readWeight(product);
  std::optional<int64_t> axis;
  if (!isPerTensor)
    axis = product.weightAxis;
  int64_t stride = axis ? weight.strides()[*axis] : 1;
  int64_t channels = axis ? weight.getDim(*axis) : 1;
  auto channelOf = [&](int64_t i) { return axis ? i / stride % channels : 0; };
  const std::vector<double> numbers = weight.reals();
  std::vector<NumberRange> ranges(channels);
  for (auto [i, number] : llvm::enumerate(numbers)) {
    NumberRange &range = ranges[channelOf(i)];
    range.lo = std::min(range.lo, number);
    range.hi = std::max(range.hi, number);
  }
  Tensor scale(b.getBuilder().getF32Type(),
               axis ? SmallVector<int64_t>{channels} : SmallVector<int64_t>());
  for (int64_t c = 0; c < channels; ++c)
    scale.set(c, double(chooseScale(ranges[c], -kLargest, kLargest, true).scale));
  Tensor rounded(getByte(context, true), weight.getShape());
  for (auto [i, number] : llvm::enumerate(numbers))
    rounded.set(i, std::clamp<int64_t>(std::llrint(number / scale.real(channelOf(i))), -kLargest,
                                       kLargest));
  return {createConstant(b, rounded), createConstant(b, scale), Value(), axis};
}

Quantized transforms::quantizeValue(GraphBuilder &b, Value value, NumberRange range,
                                    bool isSymmetric) {
  Type byte = getByte(value.getContext(), isSymmetric);
  ScaleAndZero chosen =
      isSymmetric ? chooseScale(range, -127, 127, true) : chooseScale(range, 0, 255, false);
  Value scale = b.scalar(b.getBuilder().getF32Type(), chosen.scale);
  Value zero = isSymmetric ? Value() : b.scalar(byte, double(chosen.zero));
  auto type = graph::getTensorType(value).withElementType(byte);
  return {b.create<graph::QuantizeOp>(type, value, scale, zero, IntegerAttr(), IntegerAttr()),
          scale, zero, std::nullopt};
}

Value transforms::dequantize(GraphBuilder &b, const Quantized &quantized) {
  Builder &builder = b.getBuilder();
  auto type = graph::getTensorType(quantized.x).withElementType(builder.getF32Type());
  IntegerAttr axis = quantized.axis ? builder.getI64IntegerAttr(*quantized.axis) : IntegerAttr();
  return b.create<graph::DequantizeOp>(type, quantized.x, quantized.scale, quantized.zero, axis,
                                       IntegerAttr());
}

/// A builder behind what makes a value.
static OpBuilder getBuilderBehind(Value value) {
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  return builder;
}

/// The scale and zero point of ui8 for the range that a value, or each row of it, has when it runs.
/// NaN makes the scale NaN, and with it all that is computed.
static Quantized quantizeDynamically(GraphBuilder &b, Value value, bool isSymmetric,
                                     bool isByRow = false) {
  Type f32 = b.getBuilder().getF32Type(), byte = getByte(value.getContext(), isSymmetric);
  SmallVector<int64_t> axes =
      llvm::to_vector(llvm::seq<int64_t>(isByRow, graph::getTensorType(value).rank()));
  auto reduce = [&](graph::ReduceKind kind) {
    return axes.empty() ? value : b.reduce(kind, value, axes);
  };
  Value hi = b.max(reduce(graph::ReduceKind::max), 0.0);
  Value lo = b.min(reduce(graph::ReduceKind::min), 0.0);
  Value steps = isSymmetric ? b.max(b.mul(hi, 1.0 / 127), b.mul(lo, -1.0 / 127))
                            : b.mul(b.sub(hi, lo), 1.0 / 255);
  // `graph-lower-quantized` asks for scales in bounds.
  Value scale = b.min(b.max(steps, 0x1p-90), 0x1p90);
  const IntegerAttr axis = isByRow ? b.getBuilder().getI64IntegerAttr(0) : IntegerAttr();
  Value zero;
  if (!isSymmetric) {
    zero = b.create<graph::QuantizeOp>(graph::getTensorType(scale).withElementType(byte),
                                       b.div(b.create<graph::NegOp>(lo), scale), b.scalar(f32, 1.0),
                                       Value(), IntegerAttr(), IntegerAttr());
  }
  auto type = graph::getTensorType(value).withElementType(byte);
  return {b.create<graph::QuantizeOp>(type, value, scale, zero, axis, IntegerAttr()), scale, zero,
          isByRow ? std::optional<int64_t>(0) : std::nullopt};
}

/// The weight is dequantized before the outermost loop.
static void quantizeStep(const QuantizableProduct &product, const QuantizationStyle &style) {
  Operation *outside = product.op;
  while (llvm::isa<graph::ScanOp>(outside->getParentOp()))
    outside = outside->getParentOp();
  OpBuilder before(outside), inside(product.op);
  GraphBuilder b(before, product.op->getLoc()), inner(inside, product.op->getLoc());
  Value weight = dequantize(b, quantizeWeight(b, product, style.weightsPerTensor));
  Operation *constant = product.op->getOperand(product.weight).getDefiningOp();
  product.op->setOperand(product.weight, weight);
  if (constant->use_empty())
    constant->erase();
  Value rows = product.op->getOperand(product.activation);
  product.op->setOperand(product.activation,
                         dequantize(inner, quantizeDynamically(inner, rows, style.symmetric,
                                                               /*isByRow=*/true)));
}

static void quantizeLayer(const QuantizedLayer &layer, const QuantizationStyle &style,
                          llvm::function_ref<Quantized(GraphBuilder &, Value)> quantize) {
  for (const QuantizableProduct &product : layer.products) {
    OpBuilder builder(product.op);
    GraphBuilder b(builder, product.op->getLoc());
    Value weight = dequantize(b, quantizeWeight(b, product, style.weightsPerTensor));
    Operation *constant = product.op->getOperand(product.weight).getDefiningOp();
    product.op->setOperand(product.weight, weight);
    if (constant->use_empty())
      constant->erase();
  }
  for (Value root : layer.roots) {
    SmallVector<OpOperand *> readers;
    for (OpOperand &use : root.getUses())
      if (!llvm::isa<graph::ReturnOp>(use.getOwner()))
        readers.push_back(&use);
    OpBuilder builder = getBuilderBehind(root);
    GraphBuilder b(builder, root.getLoc());
    Value rounded = dequantize(b, quantize(b, root));
    for (OpOperand *use : readers)
      use->set(rounded);
  }
}

void transforms::quantizeLayers(const LayerList &list, ArrayRef<std::optional<NumberRange>> ranges,
                                const QuantizationStyle &style) {
  for (auto [layer, range] : llvm::zip_equal(list.layers, ranges))
    if (range)
      quantizeLayer(layer, style, [&, &layer = layer, range = *range](GraphBuilder &b, Value root) {
        return quantizeValue(b, root, range, style.symmetric || layer.isSigned);
      });
}

void transforms::quantizeLayersDynamically(const LayerList &list, const QuantizationStyle &style) {
  for (const QuantizedLayer &layer : list.layers)
    if (layer.isStep)
      quantizeStep(layer.products.front(), style);
    else if (!layer.isBetween) // The range would have to be found before anything is stored.
      quantizeLayer(layer, style, [&](GraphBuilder &b, Value root) {
        return quantizeDynamically(b, root, style.symmetric || layer.isSigned);
      });
}

namespace {
struct GraphQuantizeLayers : transforms::impl::GraphQuantizeLayersBase<GraphQuantizeLayers> {
  using GraphQuantizeLayersBase::GraphQuantizeLayersBase;

  void runOnOperation() override {
    auto functions = getOperation().getOps<graph::FuncOp>();
    if (functions.empty())
      return;
    const LayerList list = findLayers(*functions.begin(), /*withSteps=*/dynamic);
    if (explain) {
      for (const QuantizedLayer &layer : list.layers)
        emitRemark(getOperation().getLoc()) << "layer: " << layer.name;
      for (const LeftProduct &left : list.left)
        emitRemark(getOperation().getLoc()) << left.place << " is left: " << left.reason;
    }
    const QuantizationStyle style{symmetric, weightsPerTensor};
    numQuantized += list.layers.size();
    if (dynamic)
      return quantizeLayersDynamically(list, style);
    if (ranges.size() != 2 * list.layers.size()) {
      emitError(getOperation().getLoc())
          << "expected " << 2 * list.layers.size() << " ranges, the least and the greatest number "
          << "of each of " << list.layers.size() << " layers, found " << ranges.size();
      return signalPassFailure();
    }
    std::vector<std::optional<NumberRange>> given(list.layers.size());
    for (auto [i, range] : llvm::enumerate(given))
      if (!std::isnan(ranges[2 * i]))
        range = NumberRange{ranges[2 * i], ranges[2 * i + 1]};
    quantizeLayers(list, given, style);
  }
};
} // namespace
