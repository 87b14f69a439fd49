//===- ScalarRegion.cpp - A region of graph ops as one scalar function ------------------------===//

#include "compiler/conversion/graph_to_kernel/Regions.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;

ScalarRegion::~ScalarRegion() {
  for (Operation *op : llvm::reverse(built))
    if (op->use_empty())
      op->erase();
}

LogicalResult ScalarRegion::addStage(linalg::GenericOp stage) {
  bool extracts = stage.getRegion()
                      .walk([](tensor::ExtractOp) { return WalkResult::interrupt(); })
                      .wasInterrupted();
  if (stage.getNumReductionLoops() || extracts)
    return stage.emitError(
        "an element depends on other elements here; only elementwise ops, broadcasts, "
        "transposes and constants can be merged element by element");
  AffineMap output = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  SmallVector<unsigned> dimOf(stage.getNumLoops());
  for (auto [dim, expr] : llvm::enumerate(output.getResults())) {
    dimOf[llvm::cast<AffineDimExpr>(expr).getPosition()] = dim;
    for (Value result : stage.getResults())
      classes.unionSets({stage->getResult(0).getAsOpaquePointer(), unsigned(dim)},
                        {result.getAsOpaquePointer(), unsigned(dim)});
  }
  for (OpOperand *operand : stage.getDpsInputOperands())
    for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(operand).getResults()))
      if (auto plain = llvm::dyn_cast<AffineDimExpr>(expr))
        classes.unionSets({operand->get().getAsOpaquePointer(), unsigned(dim)},
                          {stage->getResult(0).getAsOpaquePointer(), dimOf[plain.getPosition()]});
  return success();
}

ScalarRegion::Dimension ScalarRegion::dimensionOf(Value graphValue, unsigned dim) const {
  return {emitter.lookup(graphValue).getAsOpaquePointer(), dim};
}

bool ScalarRegion::areTied(Value x, Value y) {
  for (unsigned i = 0, rank = graph::getTensorType(x).rank(); i < rank; ++i)
    for (unsigned j = 0, other = graph::getTensorType(y).rank(); j < other; ++j)
      if (classes.isEquivalent(dimensionOf(x, i), dimensionOf(y, j)))
        return true;
  return false;
}

/// Ties each dimension of x to one of y of the same extent, in order; whether all are.
bool ScalarRegion::runAlong(Value x, Value y, ValueRange independent) {
  ArrayRef<DimAttr> own = graph::getTensorType(x).getDims(),
                    others = graph::getTensorType(y).getDims();
  SmallVector<std::pair<Dimension, Dimension>> pairs;
  for (unsigned i = 0, j = 0; j < others.size() && i < own.size(); ++j)
    if (own[i] == others[j])
      pairs.push_back({dimensionOf(x, i++), dimensionOf(y, j)});
  // No tensor may have one axis twice.
  auto holds = [&](Value value, const Dimension &dimension) {
    return llvm::any_of(
        llvm::seq<unsigned>(0, graph::getTensorType(value).rank()),
        [&](unsigned dim) { return classes.isEquivalent(dimensionOf(value, dim), dimension); });
  };
  for (auto &[mine, its] : pairs)
    for (Value value : independent)
      if (holds(value, mine) && holds(value, its))
        return false;
  if (pairs.size() < own.size())
    return false;
  for (auto &[mine, its] : pairs)
    classes.unionSets(mine, its);
  return true;
}

LogicalResult ScalarRegion::analyze(Block &block, ArrayRef<std::pair<Value, Value>> ties,
                                    ValueRange independent) {
  Recorder recorder(emitter.getBuilder());
  for (Value argument : block.getArguments()) {
    graph::TensorType type = graph::getTensorType(argument);
    placeholders.push_back(
        emitter.empty(type.getDims(), getKernelElementType(type.getElementType())));
  }
  FailureOr<SmallVector<Value>> yielded = lowerRegion(emitter, block, placeholders);
  built = recorder.take();
  if (failed(yielded))
    return failure();
  for (Operation *op : built)
    if (auto stage = llvm::dyn_cast<linalg::GenericOp>(op))
      if (failed(addStage(stage)))
        return failure();
  for (auto [a, b] : ties)
    for (int64_t dim = 0, rank = graph::getTensorType(a).rank(); dim < rank; ++dim)
      classes.unionSets({emitter.lookup(a).getAsOpaquePointer(), unsigned(dim)},
                        {emitter.lookup(b).getAsOpaquePointer(), unsigned(dim)});
  SmallVector<Value> byRank(independent);
  llvm::stable_sort(byRank, [](Value a, Value b) {
    return graph::getTensorType(a).rank() < graph::getTensorType(b).rank();
  });
  for (auto [number, x] : llvm::enumerate(byRank))
    for (Value y : ArrayRef(byRank).drop_front(number + 1))
      if (areTied(x, y) || runAlong(x, y, independent))
        break;
  for (Value argument : block.getArguments())
    for (int64_t dim = 0, rank = graph::getTensorType(argument).rank(); dim < rank; ++dim) {
      Dimension leader = classes.getOrInsertLeaderValue(
          {emitter.lookup(argument).getAsOpaquePointer(), unsigned(dim)});
      if (!llvm::is_contained(leaders, leader))
        leaders.push_back(leader);
    }
  for (Operation *op : built)
    for (Region &region : op->getRegions())
      for (auto index : region.getOps<linalg::IndexOp>())
        if (axisOf(op->getResult(0), index.getDim()) >= leaders.size())
          return op->emitError("counts along an axis that no state has");
  return success();
}

unsigned ScalarRegion::axisOf(Value tensor, unsigned dim) const {
  Dimension key{tensor.getAsOpaquePointer(), dim};
  auto it = classes.findLeader(key);
  return it == classes.member_end() ? ~0u : llvm::find(leaders, *it) - leaders.begin();
}

SmallVector<unsigned> ScalarRegion::axesOf(Value graphValue) const {
  Value tensor = emitter.lookup(graphValue);
  return llvm::map_to_vector(
      llvm::seq<unsigned>(0, llvm::cast<RankedTensorType>(tensor.getType()).getRank()),
      [&](unsigned dim) { return axisOf(tensor, dim); });
}

llvm::SmallBitVector ScalarRegion::argumentsOf(Value graphValue) const {
  llvm::SmallBitVector arguments(placeholders.size());
  SmallVector<Value> work{emitter.lookup(graphValue)};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (const auto *it = llvm::find(placeholders, value); it != placeholders.end())
      arguments.set(it - placeholders.begin());
    else if (auto stage = value.getDefiningOp<linalg::GenericOp>())
      for (OpOperand *operand : stage.getDpsInputOperands())
        work.push_back(operand->get());
  }
  return arguments;
}

Value ScalarRegion::build(ImplicitLocOpBuilder &b, Value graphValue, ArrayRef<Value> arguments,
                          llvm::function_ref<Value(unsigned)> indexOf) const {
  // Stages stand in the order of the region, so each finds its operands done.
  llvm::DenseMap<Value, Value> scalars;
  for (auto [placeholder, argument] : llvm::zip(placeholders, arguments))
    scalars[placeholder] = argument;
  llvm::DenseSet<Operation *> needed;
  SmallVector<Value> work{emitter.lookup(graphValue)};
  while (!work.empty())
    if (auto stage = work.pop_back_val().getDefiningOp<linalg::GenericOp>();
        stage && needed.insert(stage).second)
      llvm::append_range(work, stage.getDpsInputs());
  for (Operation *op : built) {
    if (auto fill = llvm::dyn_cast<linalg::FillOp>(op)) {
      scalars[fill.getResult(0)] = fill.getInputs()[0];
      continue;
    }
    auto stage = llvm::dyn_cast<linalg::GenericOp>(op);
    if (!stage || !needed.contains(op))
      continue;
    IRMapping mapping;
    Block &body = stage.getRegion().front();
    for (OpOperand *operand : stage.getDpsInputOperands())
      mapping.map(stage.getMatchingBlockArgument(operand), scalars.lookup(operand->get()));
    AffineMap output = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
    for (Operation &inner : body.without_terminator()) {
      if (auto index = llvm::dyn_cast<linalg::IndexOp>(inner)) {
        std::optional<unsigned> dim =
            output.getResultPosition(b.getAffineDimExpr(unsigned(index.getDim())));
        mapping.map(index.getResult(), indexOf(axisOf(stage->getResult(0), *dim)));
        continue;
      }
      b.clone(inner, mapping);
    }
    for (auto [result, value] : llvm::zip(stage.getResults(), body.getTerminator()->getOperands()))
      scalars[result] = mapping.lookupOrDefault(value);
  }
  return scalars.lookup(emitter.lookup(graphValue));
}
