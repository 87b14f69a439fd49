//===- OpsControl.cpp - Loop -------------------------------------------------------------===//

#include "frontends/onnx/LoopImporter.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// Loop (trip count, condition, carried values). Where it carries sequences or optional values and
/// its trip count is known, the body is repeated when compiling: they may change their structure
/// then. So it is for strings where iterations are few. Everything else is a LoopImporter's.
class LoopReader {
public:
  explicit LoopReader(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  LogicalResult readTripCount();
  LogicalResult readStates();
  bool mayUnroll();
  FailureOr<bool> unroll();

  Node &node;
  ShapeScalars scalars;
  LoopStart start;
};
} // namespace

LogicalResult LoopReader::readTripCount() {
  for (size_t i : {0, 1})
    if (isStructure(node.input(i)))
      return node.error("has " + describeStructure(node.input(i)) +
                        " as trip count or condition, expected a number and a bool");
  if (Value count = node.input(0)) {
    DimAttr known = graph::getShapeScalar(count);
    // Exporters write the largest number for "no limit".
    if (!known || !known.isConstant() || known.getValue() < INT32_MAX)
      start.tripCount = node.convert(node.reshape(count, {}), node.si64());
    if (start.tripCount && known)
      start.tripDim = DimExpr::max(known, node.dim(0));
  }
  Type boolean = node.getBuilder().getI1Type();
  start.condition = node.input(1) ? node.reshape(node.input(1), {}) : node.scalar(boolean, 1);
  return success();
}

LogicalResult LoopReader::readStates() {
  for (size_t i = 2; i < node.inputCount(); ++i) {
    start.states.push_back(node.input(i));
    if (!start.states.back())
      return node.error("carried value " + Twine(i - 2) + " has no start");
  }
  if (node.proto.output_size() < int(start.states.size()))
    return node.error("has " + Twine(node.proto.output_size()) + " outputs for " +
                      Twine(start.states.size()) + " carried values");
  start.grows.resize(start.states.size());
  return success();
}

bool LoopReader::mayUnroll() {
  constexpr int64_t kFew = 16;
  if (!start.tripCount || !start.tripDim || !start.tripDim.isConstant())
    return false;
  // A loop that only makes sequences longer needs no repeats: it may run more often.
  const int64_t trips = start.tripDim.getValue();
  const int64_t most = int64_t(kMaxUnrolledNodes / (countNodes(node.attribute("body")->g()) + 1));
  return llvm::any_of(start.states, [&](Value state) {
    return isStructure(state) && (!isStrings(state) || trips <= kFew) &&
           (!isSequence(state) || trips <= std::min(most, int64_t(kMaxSequence)));
  });
}

/// The body again and again, each time with the number of the iteration as a constant. False: a
/// condition that is not known when compiling may end the loop, and nothing was imported.
FailureOr<bool> LoopReader::unroll() {
  Block *block = node.getBuilder().getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  const Importer::Notes noted = node.importer.notes();
  SmallVector<Value> states = start.states;
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  SmallVector<SmallVector<Value>> stacks(node.proto.output_size() - states.size());
  llvm::SmallDenseSet<size_t> stringStacks;
  Value goesOn = start.condition;
  DimAttr known = graph::getShapeScalar(goesOn);
  for (int64_t i = 0; i < start.tripDim.getValue(); ++i) {
    if (!known || !known.isConstant()) {
      while (!block->empty() && &block->back() != before)
        block->back().erase();
      node.importer.restore(noted);
      return false;
    }
    if (known.getValue() == 0)
      break;
    SmallVector<Value> arguments{scalars.number(i), goesOn}, results;
    llvm::append_range(arguments, states);
    if (failed(node.importer.importUnrolled(node, body, arguments, results)) ||
        failed(LoopImporter::checkResults(node, results, states.size(),
                                          size_t(node.proto.output_size()))))
      return failure();
    if (results[0] != goesOn)
      known = graph::getShapeScalar(results[0]);
    goesOn = results[0];
    for (auto [k, state] : llvm::enumerate(states))
      state = results[1 + k];
    for (auto [k, stack] : llvm::enumerate(stacks)) {
      Value slice = results[1 + states.size() + k];
      if (isStrings(slice)) {
        slice = contentsOf(slice).front();
        stringStacks.insert(k);
      }
      DimList dims(graph::getTensorType(slice).getDims());
      dims.insert(dims.begin(), node.dim(1));
      stack.push_back(node.reshape(slice, dims));
    }
  }
  for (Value state : states)
    node.setOutput(state);
  for (auto [k, stack] : llvm::enumerate(stacks)) {
    if (stack.empty())
      return node.error("has a scan output of no iteration, whose shape is not known");
    if (stringStacks.contains(k)) {
      DimExpr width = node.dim(0);
      for (Value slice : stack)
        width = DimExpr::max(width, graph::getTensorType(slice).getDims().back());
      for (Value &slice : stack)
        slice = widen(node, slice, width);
    }
    for (Value slice : stack)
      if (slice.getType() != stack.front().getType())
        return node.error("has a scan output whose shape changes");
    Value all = node.concat(stack, 0);
    node.setOutput(stringStacks.contains(k) ? makeStrings(node.getBuilder(), node.getLoc(), all)
                                            : all);
  }
  return true;
}

LogicalResult LoopReader::run() {
  if (failed(readTripCount()) || failed(readStates()))
    return failure();
  if (mayUnroll()) {
    FailureOr<bool> isDone = unroll();
    if (failed(isDone) || *isDone)
      return success(succeeded(isDone));
  }
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  auto importIteration = [&](OpBuilder &inner, ArrayRef<Value> arguments,
                             SmallVectorImpl<Value> &results) {
    return node.importer.importSubgraph(body, inner, arguments, results);
  };
  return LoopImporter(node, start, importIteration, size_t(node.proto.output_size())).run();
}

static LogicalResult importLoop(Node &node) { return LoopReader(node).run(); }

ArrayRef<Operator> tessera::onnx::controlOperators() {
  static const Operator table[] = {
      {"Loop", 1, importLoop, true},
  };
  return table;
}
