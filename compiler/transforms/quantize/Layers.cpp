//===- Layers.cpp - What of a function can compute in 8 bits --------------------------------===//
//
// 1. A product is a candidate when its operands are f32, one of them computed, and integer sums of
//    it fit 32 bits.
// 2. Values that ops which only place elements make of each other are one class: they can have one
//    scale, and then these ops work on 8 bits (`graph-lower-quantized` moves them there).
// 3. A class that products read is a layer; its roots are the values that no such op makes.
// 4. So is one that lies between products and is stored in any case, as one of its readers sums it
//    and another one goes on with its elements: what squeezes and excites channels.
// 5. Where ranges are found when it runs, a product with a constant in the body of a scan is a
// layer
//    of its own.
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
/// The same of each row of a step (an LSTM of 32 states).
static constexpr int64_t kLeastStepWork = 1 << 12;

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

/// Whether it is computed in each step of recurrences, and nowhere else.
static bool isInSteps(Operation *op) {
  Operation *parent = op->getParentOp();
  while (llvm::isa<graph::ScanOp>(parent))
    parent = parent->getParentOp();
  return parent != op->getParentOp() && llvm::isa<graph::FuncOp>(parent);
}

/// Why the operands and sums of a product are not what integers could stand for, or "".
template <typename OpType> static std::string examineSums(OpType op, bool withSteps) {
  for (Value operand : op->getOperands())
    if (llvm::isa_and_nonnull<graph::DequantizeOp>(getSource(operand).getDefiningOp()))
      return "the model quantizes what it reads";
  if (!isF32(op->getOperand(0)) || !isF32(op->getOperand(1)) || !isF32(op->getResult(0)))
    return "its elements are not f32";
  if (!llvm::isa<graph::FuncOp>(op->getParentOp()) && !(withSteps && isInSteps(op)))
    return ("it is inside of " + op->getParentOp()->getName().getStringRef()).str();
  graph::DimExpr summed = getSummedExtent(op);
  std::optional<int64_t> count = summed ? summed.get().getConstant() : std::nullopt;
  if (!count || *count > std::numeric_limits<int32_t>::max() / (255 * 128))
    return "sums of its products may not fit 32 bits";
  return "";
}

static bool sumsOneOperand(graph::ContractOp op) {
  for (char letter : (op.getLhsLetters() + op.getRhsLetters()).str())
    if (!op.getResultLetters().contains(letter) &&
        !(op.getLhsLetters().contains(letter) && op.getRhsLetters().contains(letter)))
      return true;
  return false;
}

static std::string examineForm(graph::ContractOp op) {
  return sumsOneOperand(op) ? "it sums over an axis of one operand only" : "";
}
static std::string examineForm(graph::ConvOp op) {
  return hasFewChannels(op) ? "few channels, an odd number of them, are summed in f32 in any case"
                            : "";
}

static std::string sayIsSmall(int64_t work) {
  return "it is small: " + std::to_string(work) + " of at least " + std::to_string(kLeastWork) +
         " multiply-adds";
}

/// Why a product of a step stays as it is, or "".
static std::string examineStep(graph::ContractOp op, const QuantizableProduct &product) {
  StringRef rows = product.activation == 0 ? op.getLhsLetters() : op.getRhsLetters();
  StringRef other = product.activation == 0 ? op.getRhsLetters() : op.getLhsLetters();
  if (rows.size() != 2 || other.contains(rows[0]) || !op.getResultLetters().contains(rows[0]))
    return "it is inside of a loop and does not multiply the rows of a matrix";
  std::optional<int64_t> work =
      graph::getTensorType(op->getOperand(product.weight)).getElementCount();
  return work && *work < kLeastStepWork
             ? "it is small: " + std::to_string(*work) + " of at least " +
                   std::to_string(kLeastStepWork) + " multiply-adds for each row of a step"
             : "";
}

/// Why a product with a constant operand stays as it is, or "".
static std::string examine(Operation *op, QuantizableProduct &product, bool withSteps) {
  std::string reason;
  if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
    product.weightAxis = chooseAxis(contract, product.weight);
    reason = examineSums(contract, withSteps);
    reason = reason.empty() ? examineForm(contract) : reason;
    if (reason.empty() && isInSteps(op))
      reason = examineStep(contract, product);
  } else {
    auto conv = llvm::cast<graph::ConvOp>(op);
    product.weightAxis = conv.getConvLayout().weightOutput;
    reason = examineSums(conv, /*withSteps=*/false);
    reason = reason.empty() ? examineForm(conv) : reason;
  }
  if (!reason.empty())
    return reason;
  if (std::optional<int64_t> work = getWork(op, op->getOperand(product.weight), product.weightAxis);
      work && *work < kLeastWork && !isInSteps(op))
    return sayIsSmall(*work);
  reference::Tensor numbers = readWeight({op, product.activation, product.weight, {}});
  if (!numbers)
    return "its weight cannot be read";
  for (double number : numbers.reals())
    if (!std::isfinite(number))
      return "its weight has NaN or infinities";
  return "";
}

/// Why a product of two computed tensors stays as it is, or "".
static std::string examineComputed(graph::ContractOp op) {
  if (std::string reason = examineSums(op, /*withSteps=*/false); !reason.empty())
    return reason;
  if (std::string reason = examineForm(op); !reason.empty())
    return reason;
  std::optional<int64_t> results = graph::getTensorType(op.getResult()).getElementCount();
  std::optional<int64_t> work = results;
  if (work)
    *work *= getSummedExtent(op).get().getConstant().value_or(1);
  return work && *work < kLeastWork ? sayIsSmall(*work) : "";
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
  Finder(graph::FuncOp function, bool withSteps) : function(function), withSteps(withSteps) {}
  LayerList run();

private:
  void tie();
  void findProducts();
  void findBetween();
  QuantizedLayer &layerOf(Value value) {
    return layers[classes.getLeaderValue(value.getAsOpaquePointer())];
  }
  void leaveStreams();
  bool isInLayer(Value value) const;
  bool followsProduct(Value value) const;
  bool leadsToLayer(Value value) const;

  graph::FuncOp function;
  bool withSteps;
  llvm::EquivalenceClasses<void *> classes;
  SmallVector<Value> values; ///< in order
  std::vector<QuantizableProduct> products;
  std::vector<graph::ContractOp> computed;        ///< products of two computed tensors
  llvm::MapVector<void *, QuantizedLayer> layers; ///< by the leader of a class
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
    auto contract = llvm::dyn_cast<graph::ContractOp>(op);
    if (contract && !isLeft && !isRight) {
      left.reason = examineComputed(contract);
      if (left.reason.empty())
        computed.push_back(contract);
      else
        list.left.push_back(std::move(left));
      return;
    }
    if (!contract && !isRight)
      left.reason =
          llvm::isa_and_nonnull<graph::DequantizeOp>(getSource(op->getOperand(1)).getDefiningOp())
              ? "the model quantizes what it reads"
              : "its filter is no constant";
    else if (isLeft && isRight)
      left.reason = "both operands are constants";
    unsigned weight = isRight ? 1 : 0;
    QuantizableProduct product{op, 1 - weight, weight, std::nullopt};
    if (left.reason.empty())
      left.reason = examine(op, product, withSteps);
    if (left.reason.empty())
      products.push_back(product);
    else
      list.left.push_back(std::move(left));
  });
}

/// The operand whose elements lie side by side in the results: it stands where weights stand.
static unsigned findColumns(graph::ContractOp op) {
  if (op.getResultLetters().empty())
    return 1;
  char last = op.getResultLetters().back();
  return op.getLhsLetters().contains(last) && !op.getRhsLetters().contains(last) ? 0 : 1;
}

static ArrayRef<graph::DimAttr> getDims(Value value) {
  return graph::getTensorType(value).getDims();
}

/// Whether an op goes on with the elements of an operand: its result has the same places.
static bool goesOn(Operation *op, Value operand) {
  return op->getNumResults() == 1 && isF32(op->getResult(0)) &&
         !llvm::isa<graph::ContractOp, graph::ConvOp>(op) &&
         getDims(op->getResult(0)) == getDims(operand);
}

/// Whether the maximum along an axis is taken of a value.
static bool isWeighed(Value value) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    auto reduce = llvm::dyn_cast<graph::ReduceOp>(user);
    return llvm::isa<graph::SoftmaxOp, graph::LogSoftmaxOp, graph::LogSumExpOp>(user) ||
           (reduce && reduce.getKind() == graph::ReduceKind::max);
  });
}

/// Scores and what they weigh are one kernel that stores no score (`graph-form-streams`): in 8 bits
/// they would have to be stored.
void Finder::leaveStreams() {
  llvm::SmallPtrSet<Operation *, 8> streams;
  for (graph::ContractOp op : computed) {
    SmallVector<Value> open{op.getResult()};
    SmallVector<Operation *> reached;
    llvm::SmallPtrSet<Operation *, 16> seen;
    bool weighed = false;
    while (!open.empty()) {
      Value next = open.pop_back_val();
      weighed |= isWeighed(next);
      for (Operation *user : next.getUsers())
        if (llvm::isa<graph::ContractOp>(user))
          reached.push_back(user);
        else if (goesOn(user, next) && seen.insert(user).second)
          open.push_back(user->getResult(0));
    }
    if (!weighed)
      continue;
    streams.insert(op);
    streams.insert(reached.begin(), reached.end());
  }
  llvm::erase_if(computed, [&](graph::ContractOp op) {
    if (!streams.contains(op))
      return false;
    list.left.push_back(
        {describePlace(op), "it belongs to a softmax, whose scores are not stored"});
    return true;
  });
}

//===----------------------------------------------------------------------===//
// (4)
//===----------------------------------------------------------------------===//

bool Finder::isInLayer(Value value) const {
  auto leader = classes.findLeader(value.getAsOpaquePointer());
  return leader != classes.member_end() && layers.contains(*leader);
}

/// Whether a value is made of the results of a product that is quantized, element by element.
bool Finder::followsProduct(Value value) const {
  SmallVector<Value> open{value};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    if (llvm::any_of(products, [&](const QuantizableProduct &product) { return product.op == op; }))
      return true;
    for (Value operand : op->getOperands())
      if (isF32(operand) && goesOn(op, operand))
        open.push_back(operand);
  }
  return false;
}

/// Whether what is made of a value element by element is in 8 bits.
bool Finder::leadsToLayer(Value value) const {
  SmallVector<Value> open{value};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    for (Operation *user : next.getUsers()) {
      if (!goesOn(user, next) || !seen.insert(user).second)
        continue;
      if (isInLayer(user->getResult(0)))
        return true;
      open.push_back(user->getResult(0));
    }
  }
  return false;
}

void Finder::findBetween() {
  SmallVector<Value> found;
  for (Value value : values) {
    Operation *op = value.getDefiningOp();
    if (!op || isConstant(value) || !getPlaced(op).empty() || isInLayer(value))
      continue;
    bool isSummed = llvm::any_of(value.getUsers(), [&](Operation *user) {
      auto reduce = llvm::dyn_cast<graph::ReduceOp>(user);
      return llvm::isa<graph::MeanOp>(user) ||
             (reduce && reduce.getKind() == graph::ReduceKind::sum);
    });
    if (isSummed && followsProduct(value) && leadsToLayer(value))
      found.push_back(value);
  }
  for (Value value : found) {
    QuantizedLayer &layer = layerOf(value);
    layer.isBetween = true;
    layer.name += (layer.name.empty() ? "" : ", ") + describePlace(value.getDefiningOp());
  }
}

LayerList Finder::run() {
  tie();
  findProducts();
  leaveStreams();
  llvm::SmallPtrSet<void *, 8> rows; // leaders of what products take as activations
  auto read = [&](Operation *op, unsigned operand, bool isRow = true) -> QuantizedLayer & {
    Value value = op->getOperand(operand);
    QuantizedLayer &layer = layerOf(value);
    layer.name +=
        (layer.name.empty() ? "" : ", ") + describePlace(op) + (isRow ? "" : " (columns)");
    if (isRow)
      rows.insert(classes.getLeaderValue(value.getAsOpaquePointer()));
    return layer;
  };
  std::vector<QuantizedLayer> steps;
  for (const QuantizableProduct &product : products) {
    if (!isInSteps(product.op)) {
      read(product.op, product.activation).products.push_back(product);
      continue;
    }
    QuantizedLayer &step = steps.emplace_back();
    step.name = describePlace(product.op) + " (steps)";
    step.products.push_back(product);
    step.isStep = true;
  }
  for (graph::ContractOp op : computed)
    for (unsigned operand = 0; operand < 2; ++operand)
      read(op, operand, operand != findColumns(op));
  for (auto &[leader, layer] : layers)
    layer.isSigned = !rows.contains(leader);
  findBetween();
  for (Value value : values) {
    auto it = layers.find(classes.getLeaderValue(value.getAsOpaquePointer()));
    Operation *op = value.getDefiningOp();
    if (it != layers.end() && (!op || getPlaced(op).empty()))
      it->second.roots.push_back(value);
  }
  for (auto &entry : layers)
    list.layers.push_back(std::move(entry.second));
  llvm::move(steps, std::back_inserter(list.layers));
  return std::move(list);
}

LayerList transforms::findLayers(graph::FuncOp function, bool withSteps) {
  return Finder(function, withSteps).run();
}
