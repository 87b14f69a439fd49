//===- GradientScan.cpp - Derivatives of recurrences ----------------------------------------===//
//
// Back through time: a recurrence runs once more and keeps the states that each step begins with;
// then one in the other direction carries the adjoints of the states. A step of it is the gradient
// of the body: of the sum of what the body yields, weighted by the adjoints.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/Gradient.h"
#include "dialects/graph/GradientRules.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::graph {
namespace {

bool isReal(Value value) { return llvm::isa<FloatType>(getTensorType(value).getElementType()); }

class ScanRule {
public:
  ScanRule(ScanOp op, Adjoints &a) : op(op), a(a), body(op.getBody().front()) {}
  LogicalResult run();

private:
  ValueRange statesOf(ValueRange all) { return all.take_front(op.getStates().size()); }
  SmallVector<DimAttr> keptDims(TensorType state);
  SmallVector<Value> keepStates();
  FailureOr<ScanOp> runBack(ValueRange kept);
  FailureOr<SmallVector<Value>> differentiateStep(OpBuilder &builder, ValueRange arguments);
  Value adjointOf(Value result) { return a.of(result) ? a.of(result) : a.zeros(result); }

  ScanOp op;
  Adjoints &a;
  Block &body;
  SmallVector<unsigned> states, inputs, outputs; ///< whose elements have derivatives
  SmallVector<Value> captured;                   ///< from outside, likewise
};
} // namespace

/// With as many dims as stand before the axis: the states of all steps lie side by side along it.
SmallVector<DimAttr> ScanRule::keptDims(TensorType state) {
  SmallVector<DimAttr> dims(state.getDims());
  while (dims.size() < op.getAxis())
    dims.insert(dims.begin(), getDim(op.getContext(), 1));
  return dims;
}

/// The states that each step begins with, side by side along the axis.
SmallVector<Value> ScanRule::keepStates() {
  if (op.getStates().empty())
    return {};
  SmallVector<Type> types(statesOf(op.getResults()).getTypes());
  for (Value state : op.getStates())
    types.push_back(
        op.getStackedType(getTensorType(state).withDims(keptDims(getTensorType(state)))));
  auto scan = ScanOp::create(a.getBuilder(), a.getLoc(), types, op.getStates(), op.getXs(),
                             op.getAxis(), op.getReverse());
  IRMapping mapping;
  op.getBody().cloneInto(&scan.getBody(), mapping);
  Block &copy = scan.getBody().front();
  Operation *yield = copy.getTerminator();
  SmallVector<Value> yielded(statesOf(yield->getOperands()));
  OpBuilder builder(yield);
  GraphBuilder b(builder, a.getLoc());
  for (Value state : statesOf(copy.getArguments()))
    yielded.push_back(b.reshape(state, keptDims(getTensorType(state))));
  yield->setOperands(yielded);
  return SmallVector<Value>(scan.getResults().drop_front(op.getStates().size()));
}

/// The derivatives of one step by its states, elements and what it takes from outside. `arguments`:
/// the adjoints of the next states, the states, the elements, the adjoints of the outputs.
FailureOr<SmallVector<Value>> ScanRule::differentiateStep(OpBuilder &builder,
                                                          ValueRange arguments) {
  const size_t stateCount = op.getStates().size();
  ValueRange nextAdjoints = arguments.take_front(states.size());
  ValueRange before = arguments.drop_front(states.size()).take_front(stateCount);
  ValueRange elements =
      arguments.drop_front(states.size() + stateCount).take_front(op.getXs().size());
  ValueRange outputAdjoints = arguments.take_back(outputs.size());
  SmallVector<Value> inits;
  for (unsigned i : states)
    inits.push_back(before[i]);
  for (unsigned i : inputs)
    inits.push_back(elements[i]);
  llvm::append_range(inits, captured);
  Type sumType = TensorType::getScalar(builder.getF32Type());
  SmallVector<Type> types = {sumType};
  llvm::append_range(types, ValueRange(inits).getTypes());
  auto gradient = GradientOp::create(builder, a.getLoc(), types, inits);
  Block &inside = gradient.getBody().emplaceBlock();
  for (Value init : inits)
    inside.addArgument(init.getType(), a.getLoc());
  IRMapping mapping;
  mapping.map(body.getArguments().take_front(stateCount), before);
  mapping.map(body.getArguments().drop_front(stateCount), elements);
  size_t next = 0;
  for (unsigned i : states)
    mapping.map(body.getArgument(i), inside.getArgument(next++));
  for (unsigned i : inputs)
    mapping.map(body.getArgument(stateCount + i), inside.getArgument(next++));
  for (Value value : captured)
    mapping.map(value, inside.getArgument(next++));
  OpBuilder inner(op.getContext());
  inner.setInsertionPointToStart(&inside);
  for (Operation &each : body.without_terminator())
    inner.clone(each, mapping);
  GraphBuilder b(inner, a.getLoc());
  Value sum = b.fill(llvm::cast<TensorType>(sumType), 0);
  auto addTerm = [&](unsigned yielded, Value weight) {
    Value value = mapping.lookupOrDefault(body.getTerminator()->getOperand(yielded));
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, getTensorType(value).rank()));
    Value term = b.reduce(ReduceKind::sum, b.mul(value, weight), axes);
    sum = b.add(sum, b.convert(term, inner.getF32Type()));
  };
  for (auto [i, weight] : llvm::zip(states, nextAdjoints))
    addTerm(i, weight);
  for (auto [i, weight] : llvm::zip(outputs, outputAdjoints))
    addTerm(stateCount + i, weight);
  YieldOp::create(inner, a.getLoc(), sum);
  std::string why;
  FailureOr<SmallVector<Value>> results = expandGradient(gradient, builder, why);
  gradient.erase();
  if (failed(results))
    return a.fail("has a step that cannot be differentiated: " + why);
  results->erase(results->begin());
  return results;
}

/// Carries the adjoints of states and the sums for what comes from outside; gives the adjoints of
/// the elements.
FailureOr<ScanOp> ScanRule::runBack(ValueRange kept) {
  SmallVector<Value> carried, xs(kept);
  for (unsigned i : states)
    carried.push_back(adjointOf(op.getResult(i)));
  for (Value value : captured)
    carried.push_back(a.zeros(value));
  llvm::append_range(xs, op.getXs());
  for (unsigned i : outputs)
    xs.push_back(adjointOf(op.getResult(op.getStates().size() + i)));
  SmallVector<Type> types(ValueRange(carried).getTypes());
  for (unsigned i : inputs)
    types.push_back(op.getXs()[i].getType());
  auto scan = ScanOp::create(a.getBuilder(), a.getLoc(), types, carried, xs, op.getAxis(),
                             !op.getReverse());
  Block &block = scan.getBody().emplaceBlock();
  for (Value value : carried)
    block.addArgument(value.getType(), a.getLoc());
  for (Value value : xs)
    block.addArgument(op.getSliceType(value.getType()), a.getLoc());
  OpBuilder builder(op.getContext());
  builder.setInsertionPointToStart(&block);
  // Without the sums, which a step only adds to.
  SmallVector<Value> arguments(block.getArguments().take_front(states.size()));
  llvm::append_range(arguments, block.getArguments().drop_front(carried.size()));
  GraphBuilder b(builder, a.getLoc());
  for (auto [i, state] : llvm::enumerate(op.getStates())) {
    Value &before = arguments[states.size() + i];
    before = b.reshape(before, getTensorType(state).getDims());
  }
  FailureOr<SmallVector<Value>> results = differentiateStep(builder, arguments);
  if (failed(results)) {
    scan.erase();
    return failure();
  }
  ArrayRef<Value> byStates = ArrayRef(*results).take_front(states.size()),
                  byElements = ArrayRef(*results).slice(states.size(), inputs.size()),
                  byCaptured = ArrayRef(*results).take_back(captured.size());
  SmallVector<Value> yielded(byStates);
  for (auto [i, part] : llvm::enumerate(byCaptured))
    yielded.push_back(b.add(block.getArgument(states.size() + i), part));
  llvm::append_range(yielded, byElements);
  YieldOp::create(builder, a.getLoc(), yielded);
  return scan;
}

LogicalResult ScanRule::run() {
  for (auto [i, state] : llvm::enumerate(op.getStates()))
    if (isReal(state))
      states.push_back(i);
  for (auto [i, x] : llvm::enumerate(op.getXs()))
    if (a.wants(x))
      inputs.push_back(i);
  for (auto [i, output] : llvm::enumerate(op.getResults().drop_front(op.getStates().size())))
    if (isReal(output) && a.of(output))
      outputs.push_back(i);
  llvm::SetVector<Value> outside;
  op.getBody().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *owner = operand.getParentBlock()->getParentOp(); // Null in a copy of a region.
      if (a.wants(operand) && (!owner || !op->isAncestor(owner)))
        outside.insert(operand);
    }
  });
  captured = outside.takeVector();
  FailureOr<ScanOp> back = runBack(keepStates());
  if (failed(back))
    return failure();
  ValueRange results = back->getResults();
  for (auto [i, result] : llvm::zip(states, results))
    a.give(op.getStates()[i], result);
  for (auto [value, result] : llvm::zip(captured, results.drop_front(states.size())))
    a.give(value, result);
  for (auto [i, result] : llvm::zip(inputs, results.take_back(inputs.size())))
    a.give(op.getXs()[i], result);
  return success();
}

static LogicalResult ofScan(ScanOp op, Adjoints &a) { return ScanRule(op, a).run(); }

void addScanRules(SmallVectorImpl<GradientRow> &rows) { addRules<ofScan>(rows); }

} // namespace tessera::graph
