//===- Layers.cpp - What of a function can compute in 8 bits --------------------------------===//
//
// 1. A product is a candidate when its operands are f32, one of them a constant, and integer sums
//    of it fit 32 bits.
// 2. Values that ops which only place elements make of each other are one class: they can have one
//    scale, and then these ops work on 8 bits (`graph-lower-quantized` moves them there).
// 3. A class that products read is a layer; its roots are the values that no such op makes.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/quantize/Layers.h"

#include "compiler/transforms/graph/IntegerProduct.h"
#include "compiler/transforms/graph/PlacesElements.h"
#include "compiler/transforms/graph/QuantizeWeights.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;

//===----------------------------------------------------------------------===//
// (1)
//===----------------------------------------------------------------------===//

/// Products of fewer multiply-adds are left: quantizing their operands costs more than they do.
static constexpr int64_t kLeastWork = 1 << 16;

static bool isF32(Value value) {
  auto type = llvm::dyn_cast<graph::TensorType>(value.getType());
  return type && type.getElementType().isF32();
}

/// What a product computes with, seen through what places elements.
static Value getSource(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!placesElements(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

static bool isConstant(Value value) { return bool(value.getDefiningOp<graph::ConstantOp>()); }

/// The multiply-adds of a product, if they are known.
static std::optional<int64_t> getWork(Operation *op, Value weight, std::optional<int64_t> axis) {
  std::optional<int64_t> results = graph::getTensorType(op->getResult(0)).getElementCount();
  std::optional<int64_t> weights = graph::getTensorType(weight).getElementCount();
  if (!results || !weights)
    return std::nullopt;
  int64_t outputs = axis ? graph::getTensorType(weight).getDim(*axis).getValue() : 1;
  return *results * (*weights / std::max<int64_t>(outputs, 1));
}

/// The axis of a contraction's weight that has a scale for each index: the longest of those that
/// the result keeps and the other operand lacks.
static std::optional<int64_t> chooseAxis(graph::ContractOp op, unsigned weight) {
  StringRef letters = weight == 0 ? op.getLhsLetters() : op.getRhsLetters();
  StringRef other = weight == 0 ? op.getRhsLetters() : op.getLhsLetters();
  graph::TensorType type = graph::getTensorType(op->getOperand(weight));
  std::optional<int64_t> best;
  for (auto [axis, letter] : llvm::enumerate(letters))
    if (op.getResultLetters().contains(letter) && !other.contains(letter) &&
        (!best || type.getDim(axis).getValue() > type.getDim(*best).getValue()))
      best = axis;
  return best;
}

/// Why a product with a constant operand stays as it is, or "".
static std::string examine(Operation *op, QuantizableProduct &product) {
  Value weight = op->getOperand(product.weight);
  if (llvm::isa_and_nonnull<graph::DequantizeOp>(
          getSource(op->getOperand(product.activation)).getDefiningOp()))
    return "the model quantizes what it reads";
  if (!isF32(op->getOperand(product.activation)) || !isF32(weight) || !isF32(op->getResult(0)))
    return "its elements are not f32";
  if (!llvm::isa<graph::FuncOp>(op->getParentOp()))
    return ("it is inside of " + op->getParentOp()->getName().getStringRef()).str();
  graph::DimExpr summed;
  if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
    product.weightAxis = chooseAxis(contract, product.weight);
    summed = getSummedExtent(contract);
    for (char letter : (contract.getLhsLetters() + contract.getRhsLetters()).str())
      if (!contract.getResultLetters().contains(letter) &&
          !(contract.getLhsLetters().contains(letter) && contract.getRhsLetters().contains(letter)))
        return "it sums over an axis of one operand only";
  } else {
    auto conv = llvm::cast<graph::ConvOp>(op);
    product.weightAxis = conv.getConvLayout().weightOutput;
    summed = getSummedExtent(conv);
    if (hasFewChannels(conv))
      return "few channels, an odd number of them, are summed in f32 in any case";
  }
  std::optional<int64_t> count = summed ? summed.get().getConstant() : std::nullopt;
  if (!count || *count > std::numeric_limits<int32_t>::max() / (255 * 128))
    return "sums of its products may not fit 32 bits";
  if (std::optional<int64_t> work = getWork(op, weight, product.weightAxis);
      work && *work < kLeastWork)
    return "it is small: " + std::to_string(*work) + " of at least " + std::to_string(kLeastWork) +
           " multiply-adds";
  reference::Tensor numbers = readWeight({op, product.activation, product.weight, {}});
  if (!numbers)
    return "its weight cannot be read";
  for (double number : numbers.reals())
    if (!std::isfinite(number))
      return "its weight has NaN or infinities";
  return "";
}

reference::Tensor transforms::readWeight(const QuantizableProduct &product) {
  auto constant = product.op->getOperand(product.weight).getDefiningOp<graph::ConstantOp>();
  llvm::Expected<reference::Tensor> tensor = reference::toTensor(constant.getValue());
  if (tensor)
    return std::move(*tensor);
  llvm::consumeError(tensor.takeError());
  return {};
}

//===----------------------------------------------------------------------===//
// (2) and (3)
//===----------------------------------------------------------------------===//

/// The operands whose elements, and no others but zeros, are in the result.
static SmallVector<Value> getPlaced(Operation *op) {
  if (llvm::isa<graph::ConcatOp>(op))
    return op->getOperands();
  if (op->getNumOperands() > 0 && placesElements(op))
    return {op->getOperand(0)};
  return {};
}

namespace {
class Finder {
public:
  explicit Finder(graph::FuncOp function) : function(function) {}
  LayerList run();

private:
  void tie();
  void findProducts();

  graph::FuncOp function;
  llvm::EquivalenceClasses<void *> classes;
  SmallVector<Value> values; ///< in order
  std::vector<QuantizableProduct> products;
  LayerList list;
};
} // namespace

void Finder::tie() {
  auto note = [&](Value value) {
    if (isF32(value)) {
      values.push_back(value);
      classes.insert(value.getAsOpaquePointer());
    }
  };
  for (BlockArgument argument : function.getBody().getArguments())
    note(argument);
  for (Operation &op : function.getBody().front()) {
    for (Value result : op.getResults())
      note(result);
    for (Value operand : getPlaced(&op))
      if (isF32(operand) && isF32(op.getResult(0)))
        classes.unionSets(operand.getAsOpaquePointer(), op.getResult(0).getAsOpaquePointer());
  }
}

void Finder::findProducts() {
  function.walk([&](Operation *op) {
    if (!llvm::isa<graph::ContractOp, graph::ConvOp>(op))
      return;
    bool isLeft = isConstant(op->getOperand(0)), isRight = isConstant(op->getOperand(1));
    LeftProduct left{describePlace(op), ""};
    if (llvm::isa<graph::ConvOp>(op) ? !isRight : !isLeft && !isRight)
      left.reason = llvm::isa_and_nonnull<graph::DequantizeOp>(
                        getSource(op->getOperand(1)).getDefiningOp()) ||
                            llvm::isa_and_nonnull<graph::DequantizeOp>(
                                getSource(op->getOperand(0)).getDefiningOp())
                        ? "the model quantizes what it reads"
                        : "no operand is a constant";
    else if (isLeft && isRight)
      left.reason = "both operands are constants";
    unsigned weight = isRight ? 1 : 0;
    QuantizableProduct product{op, 1 - weight, weight, std::nullopt};
    if (left.reason.empty())
      left.reason = examine(op, product);
    if (left.reason.empty())
      products.push_back(product);
    else
      list.left.push_back(std::move(left));
  });
}

LayerList Finder::run() {
  tie();
  findProducts();
  llvm::MapVector<void *, QuantizedLayer> layers; // by the leader of a class
  for (const QuantizableProduct &product : products) {
    Value read = product.op->getOperand(product.activation);
    QuantizedLayer &layer = layers[classes.getLeaderValue(read.getAsOpaquePointer())];
    layer.products.push_back(product);
    layer.name += (layer.name.empty() ? "" : ", ") + describePlace(product.op);
  }
  for (Value value : values) {
    auto it = layers.find(classes.getLeaderValue(value.getAsOpaquePointer()));
    Operation *op = value.getDefiningOp();
    if (it != layers.end() && (!op || getPlaced(op).empty()))
      it->second.roots.push_back(value);
  }
  for (auto &entry : layers)
    list.layers.push_back(std::move(entry.second));
  return std::move(list);
}

LayerList transforms::findLayers(graph::FuncOp function) { return Finder(function).run(); }
