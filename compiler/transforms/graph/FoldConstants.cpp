//===- FoldConstants.cpp - What only depends on constants is computed now ---------===//
//
// In program order, so that a chain of ops folds in one walk. The interpreter computes; this pass
// only decides what is worth it: results never take more memory than the constants they replace (a
// broadcast stays an op, through which what reads it is folded), unless they are small.
//
//===----------------------------------------------------------------------===//
#include "compiler/reference/graph/Evaluation.h"
#include "compiler/transforms/graph/Passes.h"
#include "dialects/graph/Folding.h"
#include "dialects/graph/WeightStore.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

#include <cstring>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFOLDCONSTANTS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using reference::Tensor;

/// Results up to this size are folded whatever they are folded from.
static constexpr int64_t kSmallBytes = 1024;
/// Longer constants are weights: attributes live as long as the context.
static constexpr int64_t kDenseBytes = 4096;

/// What is made of a few numbers and of positions, and read by products, is laid out for them once
/// instead of in every run, up to this size: windows, tables of sines, filters of resamplers.
/// Weights in fewer bits are no less than this share of what they are decoded to.
static constexpr int64_t kMadeBytes = int64_t(1) << 25;
static constexpr int64_t kMadeShare = 32;

/// The bytes that a constant occupies: of a splat, one element.
static int64_t getStoredBytes(graph::ConstantOp constant) {
  if (auto weight = llvm::dyn_cast<graph::WeightAttr>(constant.getValue()))
    return weight.getLength();
  auto dense = llvm::dyn_cast<DenseElementsAttr>(constant.getValue());
  return dense ? int64_t(dense.getRawData().size()) : 0;
}

static bool isSplat(const Tensor &tensor) {
  int64_t size = tensor.getFormat().getByteSize();
  for (int64_t i = 1; i < tensor.size(); ++i)
    if (std::memcmp(tensor.at(i), tensor.at(0), size) != 0)
      return false;
  return tensor.size() > 0;
}

namespace {
struct GraphFoldConstants : transforms::impl::GraphFoldConstantsBase<GraphFoldConstants> {
  using GraphFoldConstantsBase::GraphFoldConstantsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    store = &getContext().getLoadedDialect<graph::GraphDialect>()->getWeightStore();
    if (!placed)
      module.walk([&](Operation *op) {
        if (llvm::isa<graph::ContractOp, graph::ConvOp>(op))
          for (Value operand : op->getOperands())
            markMade(operand);
      });
    for (auto function : module.getOps<graph::FuncOp>())
      function.walk<WalkOrder::PreOrder>([&](Block *block) {
        for (Operation &op : llvm::make_early_inc_range(*block))
          if (!foldEmpty(&op))
            fold(&op);
      });
    releaseUnused();
  }

  void markMade(Value operand);
  std::optional<SmallVector<graph::ConstantOp>> getConstants(Operation *op);
  bool foldEmpty(Operation *op);
  void fold(Operation *op);
  TypedAttr toAttribute(const Tensor &tensor, ArrayRef<graph::ConstantOp> constants,
                        ArrayRef<Tensor> operands);
  void eraseUnused(graph::ConstantOp constant);
  void releaseUnused();

  graph::WeightStore *store = nullptr;
  /// Derived weights that an erased constant had.
  llvm::SetVector<graph::WeightAttr> candidates;
};
} // namespace

static bool isComputable(Operation *op) {
  return llvm::isa<graph::GraphDialect>(op->getDialect()) && op->getNumRegions() == 0 &&
         op->getNumResults() > 0 && isPure(op) && llvm::all_of(op->getResultTypes(), [](Type type) {
           auto tensor = llvm::dyn_cast<graph::TensorType>(type);
           return tensor && tensor.hasStaticShape() && tensor.getElementType().isIntOrFloat();
         });
}

/// Marks all that an operand is made of where that is constants, much shorter than it, and
/// positions.
void GraphFoldConstants::markMade(Value operand) {
  std::optional<int64_t> bytes = graph::getTensorType(operand).getByteSize();
  if (!bytes || *bytes > kMadeBytes)
    return;
  llvm::SetVector<Operation *> made;
  int64_t storedBytes = 0;
  SmallVector<Value> pending{operand};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (auto constant = llvm::dyn_cast_or_null<graph::ConstantOp>(op)) {
      storedBytes += getStoredBytes(constant);
      continue;
    }
    if (!op || !isComputable(op))
      return;
    if (made.insert(op))
      llvm::append_range(pending, op->getOperands());
  }
  if (storedBytes * kMadeShare > *bytes)
    return;
  for (Operation *op : made)
    op->setAttr(graph::kFoldAttr, UnitAttr::get(&getContext()));
}

/// The constant that a value is, or that it repeats.
static graph::ConstantOp constantBehind(Value value) {
  if (auto broadcast = value.getDefiningOp<graph::BroadcastOp>())
    value = broadcast.getX();
  return value.getDefiningOp<graph::ConstantOp>();
}

/// What the operands are, or repeat, when all are constants, and what is made of them is worth
/// keeping.
std::optional<SmallVector<graph::ConstantOp>> GraphFoldConstants::getConstants(Operation *op) {
  SmallVector<graph::ConstantOp> constants;
  int64_t storedBytes = 0, resultBytes = 0;
  for (Value operand : op->getOperands()) {
    graph::ConstantOp constant = constantBehind(operand);
    if (!constant)
      return std::nullopt;
    storedBytes += getStoredBytes(constant);
    constants.push_back(constant);
  }
  for (Type type : op->getResultTypes()) {
    std::optional<int64_t> bytes = llvm::cast<graph::TensorType>(type).getByteSize();
    if (!bytes || *bytes > maxBytes)
      return std::nullopt;
    resultBytes += *bytes;
  }
  bool mayGrow = op->hasAttr(graph::kFoldAttr) || (placed && !llvm::isa<graph::BroadcastOp>(op));
  if (resultBytes > storedBytes && resultBytes > kSmallBytes && !mayGrow)
    return std::nullopt;
  return constants;
}

TypedAttr GraphFoldConstants::toAttribute(const Tensor &tensor,
                                          ArrayRef<graph::ConstantOp> constants,
                                          ArrayRef<Tensor> operands) {
  auto type = graph::TensorType::get(tensor.getShape(), tensor.getElementType());
  // The same bytes seen otherwise (a reshape) are the same weight.
  for (auto [source, operand] : llvm::zip(constants, operands))
    if (auto weight = llvm::dyn_cast<graph::WeightAttr>(graph::ConstantOp(source).getValue());
        weight && operand.getBytes().data() == tensor.getBytes().data())
      return graph::WeightAttr::get(&getContext(), weight.getFile(), weight.getOffset(),
                                    weight.getLength(), type);
  if (isSplat(tensor)) {
    Tensor one(tensor.getElementType(), {});
    one.copyElement(0, tensor, 0);
    return llvm::cast<TypedAttr>(DenseElementsAttr(reference::toDense(one)).resizeSplat(type));
  }
  if (tensor.getByteSize() <= kDenseBytes)
    return reference::toDense(tensor);
  ArrayRef<char> bytes = tensor.getBytes();
  return store->addDerived({bytes.begin(), bytes.end()}, type);
}

/// A tensor without elements is a constant, whatever computes it. Returns whether the op is gone.
bool GraphFoldConstants::foldEmpty(Operation *op) {
  if (!llvm::isa<graph::GraphDialect>(op->getDialect()) || llvm::isa<graph::ConstantOp>(op) ||
      !isMemoryEffectFree(op))
    return false;
  OpBuilder builder(op);
  for (Value result : op->getResults()) {
    auto type = llvm::dyn_cast<graph::TensorType>(result.getType());
    if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat() ||
        type.getByteSize() != 0 || result.use_empty())
      continue;
    auto value = DenseElementsAttr::getFromRawBuffer(type, {});
    result.replaceAllUsesWith(graph::ConstantOp::create(builder, op->getLoc(), value).getResult());
    ++numFolded;
  }
  if (op->getNumResults() == 0 || !isOpTriviallyDead(op))
    return false;
  op->erase();
  return true;
}

void GraphFoldConstants::fold(Operation *op) {
  // Not what may fail: host operators run where the module does, in the libraries that are there.
  bool isCandidate =
      isComputable(op) && (op->getNumOperands() > 0 || op->hasAttr(graph::kFoldAttr));
  bool isPlaced = llvm::isa<graph::ReshapeOp, graph::TransposeOp, graph::SliceOp, graph::ReverseOp,
                            graph::PadOp, graph::BroadcastOp>(op);
  if (!isCandidate || (placed && !isPlaced))
    return;
  auto constants = getConstants(op);
  if (!constants)
    return;
  reference::Evaluation evaluation(getOperation(), {maxBytes, maxSteps});
  SmallVector<Tensor> operands;
  llvm::SetVector<Operation *> broadcasts;
  for (auto [operand, constant] : llvm::zip(op->getOperands(), *constants)) {
    llvm::Expected<Tensor> tensor = reference::toTensor(graph::ConstantOp(constant).getValue());
    if (!tensor) // Who needs the bytes says so.
      return llvm::consumeError(tensor.takeError());
    operands.push_back(std::move(*tensor));
    auto broadcast = operand.getDefiningOp<graph::BroadcastOp>();
    if (!broadcast)
      continue;
    if (!isComputable(broadcast))
      return;
    auto repeated = evaluation.evaluate(broadcast, operands.back());
    if (failed(repeated))
      return;
    operands.back() = std::move(repeated->front());
    broadcasts.insert(broadcast);
  }
  auto results = evaluation.evaluate(op, operands);
  if (failed(results))
    return; // An error of the model shows when it runs; too much work stays an op.
  OpBuilder builder(op);
  for (auto [value, tensor] : llvm::zip(op->getResults(), *results))
    value.replaceAllUsesWith(
        graph::ConstantOp::create(builder, op->getLoc(), toAttribute(tensor, *constants, operands))
            .getResult());
  op->erase();
  ++numFolded;
  for (Operation *broadcast : broadcasts)
    if (broadcast->use_empty())
      broadcast->erase();
  for (graph::ConstantOp constant :
       llvm::SetVector<graph::ConstantOp>(constants->begin(), constants->end()))
    if (constant->use_empty())
      eraseUnused(constant);
}

void GraphFoldConstants::eraseUnused(graph::ConstantOp constant) {
  if (auto weight = llvm::dyn_cast<graph::WeightAttr>(constant.getValue());
      weight && weight.isDerived())
    candidates.insert(weight);
  constant.erase();
}

/// Derived weights that nothing in the module refers to any more.
void GraphFoldConstants::releaseUnused() {
  store->releaseUnused(getOperation(), candidates.getArrayRef());
  candidates.clear();
}
