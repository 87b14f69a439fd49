//===- WriteStream.cpp - The stream of a chain of reductions ----------------------------------===//
#include "compiler/transforms/graph/ReductionChain.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;

//===----------------------------------------------------------------------===//
// Finalize
//===----------------------------------------------------------------------===//

static bool isMap(Operation *op) {
  return op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op);
}

/// Whether finalize can compute it: from states, element by element.
bool ReductionChain::isKnownInside(Value kept) const {
  if (isOwn(kept))
    return true;
  Operation *op = kept.getDefiningOp();
  if (!op)
    return false;
  if (isHeldByRegions(op) || llvm::isa<graph::DimValueOp>(op))
    return true;
  return isMap(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isKnownInside(operand); });
}

Value ReductionChain::findInside(graph::GraphBuilder &b, Value kept, ValueRange states) {
  if (Value known = inside.lookupOrNull(kept))
    return known;
  Value found;
  if (isOwn(kept)) {
    found = makeOwn(b, kept, states);
  } else {
    Operation *op = kept.getDefiningOp();
    for (Value operand : op->getOperands())
      findInside(b, operand, states);
    found = b.getBuilder().clone(*op, inside)->getResult(0);
  }
  inside.map(kept, found);
  return found;
}

llvm::SetVector<Value> ReductionChain::takeMaps(const llvm::SmallPtrSetImpl<Operation *> &kept) {
  results.clear(); // Some came since.
  isResult(first.getResult());
  // What only the chain reads goes with it.
  bool changed = true;
  while (changed) {
    changed = false;
    for (Operation *op : results)
      if (!members.contains(op) && !kept.contains(op) &&
          (llvm::isa<graph::BroadcastOp>(op) || (isMap(op) && isKnownInside(op->getResult(0)))) &&
          llvm::all_of(op->getUsers(), [&](Operation *user) { return members.contains(user); }))
        changed |= gone.insert(op) | members.insert(op);
  }
  // Maps of results go with it: one tensor is written instead of several.
  llvm::SetVector<Operation *> maps;
  for (Operation *op : results)
    if (!members.contains(op) && isMap(op) && isKnownInside(op->getResult(0)))
      maps.insert(op);
  auto isGone = [&](Operation *op) { return members.contains(op) || maps.contains(op); };
  maps.remove_if([&](Operation *op) {
    return llvm::isa<graph::BroadcastOp>(op) && !llvm::all_of(op->getUsers(), isGone);
  });
  llvm::SetVector<Value> needed;
  for (Operation *op : llvm::concat<Operation *const>(members, maps))
    for (Value result : op->getResults())
      if (!llvm::all_of(result.getUsers(), isGone))
        needed.insert(result);
  gone.insert(maps.begin(), maps.end());
  return needed;
}

Value ReductionChain::count(graph::GraphBuilder &b, ArrayRef<DimAttr> dims) {
  Value number = b.create<graph::DimValueOp>(dimsOf(elements)[axis]);
  return b.broadcast(b.convert(number, graph::getTensorType(elements).getElementType()), {}, dims);
}

bool ReductionChain::mayBeZero(DimAttr dim) {
  auto function = first->getParentOfType<graph::FuncOp>();
  return graph::evaluateDimRange(dim, [&](StringRef symbol) {
           graph::RangeAttr range = function.getRange(symbol);
           return graph::DimInterval{range.getLo(), range.getHi().value_or(INT64_MAX)};
         }).lo <= 0;
}

//===----------------------------------------------------------------------===//
// Lift
//===----------------------------------------------------------------------===//

graph::TensorType ReductionChain::liftedType(Value value, int64_t axis) const {
  graph::TensorType type = graph::getTensorType(value);
  SmallVector<DimAttr> dims(type.getDims());
  if (axis >= 0)
    dims[axis] = block;
  return type.withDims(dims);
}

Value ReductionChain::inLift(graph::GraphBuilder &b, Value value, int64_t axis) {
  if (Value known = lifted.lookup({value, axis}))
    return known;
  Operation *op = value.getDefiningOp();
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands())
    operands.push_back(inLift(b, operand.get(), *axisOfOperand(operand, axis)));
  Operation *copy = b.getBuilder().clone(*op);
  copy->setOperands(operands);
  copy->getResult(0).setType(liftedType(value, axis));
  lifted[{value, axis}] = copy->getResult(0);
  return copy->getResult(0);
}

//===----------------------------------------------------------------------===//
// Instead of the chain
//===----------------------------------------------------------------------===//

graph::StreamOp ReductionChain::writeStream(OpBuilder &builder, StringRef symbol) {
  Location loc = first.getLoc();
  SmallVector<Value> operands;
  SmallVector<int64_t> axes;
  for (auto [value, inputAxis] : inputs) {
    operands.push_back(value);
    axes.push_back(inputAxis);
  }
  SmallVector<Attribute> neutral = identity();
  SmallVector<Type> states;
  for (unsigned number = 0; number < neutral.size(); ++number)
    states.push_back(typeOfState(number));
  auto write = [&](Region &region, TypeRange types,
                   llvm::function_ref<SmallVector<Value>(graph::GraphBuilder &, Block &)> body) {
    OpBuilder inner(first.getContext());
    Block *entry = inner.createBlock(&region);
    for (Type type : types)
      entry->addArgument(type, loc);
    graph::GraphBuilder b(inner, loc);
    graph::YieldOp::create(inner, loc, body(b, *entry));
  };
  Region lifting, merging, finalizing;
  SmallVector<Type> blocks, pair(states);
  for (auto [value, inputAxis] : inputs)
    blocks.push_back(liftedType(value, inputAxis));
  pair.append(states);
  write(lifting, blocks, [&](graph::GraphBuilder &b, Block &entry) {
    for (auto [input, argument] : llvm::zip(inputs, entry.getArguments()))
      lifted[input] = argument;
    return lift(b);
  });
  write(merging, pair, [&](graph::GraphBuilder &b, Block &entry) {
    ValueRange both = entry.getArguments();
    return merge(b, both.take_front(states.size()), both.drop_front(states.size()));
  });
  write(finalizing, states,
        [&](graph::GraphBuilder &b, Block &entry) { return finalize(b, entry.getArguments()); });
  TypeRange types = finalizing.front().getTerminator()->getOperandTypes();
  auto stream =
      graph::StreamOp::create(builder, loc, types, operands, axes, builder.getArrayAttr(neutral),
                              builder.getStringAttr(symbol));
  stream.getLift().takeBody(lifting);
  stream.getMerge().takeBody(merging);
  stream.getFinalize().takeBody(finalizing);
  return stream;
}

void ReductionChain::replace() {
  auto function = first->getParentOfType<graph::FuncOp>();
  MLIRContext *context = first.getContext();
  Block *around = first->getBlock();
  OpBuilder builder(first);
  for (Operation *op : members)
    if (builder.getInsertionPoint() != around->end() &&
        !op->isBeforeInBlock(&*builder.getInsertionPoint()))
      builder.setInsertionPointAfter(op);
  graph::GraphBuilder b(builder, first.getLoc());
  prepare(b);
  std::string symbol = function.getFreshSymbol("block");
  function.setRange(symbol, graph::RangeAttr::get(context, 1, std::nullopt));
  block = DimExpr::symbol(context, symbol);
  graph::StreamOp stream = writeStream(builder, symbol);
  members.insert(gone.begin(), gone.end());
  auto isOutside = [&](OpOperand &use) { return !members.contains(use.getOwner()); };
  for (auto [original, result] : resultsOf(b, stream.getResults()))
    original.replaceUsesWithIf(result, isOutside);
  for (Operation *op : llvm::reverse(members))
    op->dropAllUses();
  for (Operation *op : llvm::reverse(members))
    op->erase();
  for (Operation *op : llvm::make_early_inc_range(llvm::reverse(pulled)))
    if (op->use_empty())
      op->erase();
  sortTopologically(around);
}
