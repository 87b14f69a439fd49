//===- OpsControl.cpp - Loop -------------------------------------------------------------===//

#include "frontends/onnx/LoopImporter.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// Loop (trip count, condition, carried values). Where it carries sequences or optional values and
/// its trip count is known, the body is repeated when compiling: they may change their structure
/// then. So it is for strings where iterations are few. Everything else is a LoopImporter's. A
/// tensor to which each iteration appends rows is a scan output of these rows, behind the first
/// ones. One that gets longer, or shorter, along an axis in any other way is carried as what it is
/// along that axis: a sequence of open length.
class LoopReader {
public:
  explicit LoopReader(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  LogicalResult readTripCount();
  LogicalResult readStates();
  bool mayUnroll();
  FailureOr<bool> unroll();
  bool isAppended(size_t i) const;
  FailureOr<Value> nextParts(Node &inside, size_t i, Value value);
  LogicalResult findGrown(std::optional<LoopImporter::Outgrown> &found);
  LogicalResult runWithAppended(std::optional<LoopImporter::Outgrown> &outgrown);

  Node &node;
  ShapeScalars scalars;
  LoopStart start;
  SmallVector<Value> first; ///< what the loop carries, as the node has it
  llvm::SmallSetVector<size_t, 2> appended;
  llvm::MapVector<size_t, size_t> grown; ///< carried values, and the axis along which they grow
};
} // namespace

/// How often a name is read in a graph and its subgraphs.
static size_t countReads(const ::onnx::GraphProto &graph, StringRef name) {
  size_t reads = 0;
  for (const ::onnx::NodeProto &reader : graph.node()) {
    reads += size_t(llvm::count(reader.input(), name));
    for (const ::onnx::AttributeProto &attribute : reader.attribute())
      if (attribute.has_g())
        reads += countReads(attribute.g(), name);
  }
  for (const ::onnx::ValueInfoProto &output : graph.output())
    reads += output.name() == name;
  return reads;
}

static const ::onnx::NodeProto *producerOf(const ::onnx::GraphProto &graph, StringRef name) {
  for (const ::onnx::NodeProto &producer : graph.node())
    if (llvm::is_contained(producer.output(), name))
      return &producer;
  return nullptr;
}

/// Whether the body only appends rows to a carried value: the next one is a concatenation that
/// begins with it, and nothing else reads either. (A single cast of it is one to its own type.)
bool LoopReader::isAppended(size_t i) const {
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  if (body.input_size() <= int(2 + i) || body.output_size() <= int(1 + i) ||
      isStructure(start.states[i]) || graph::getTensorType(start.states[i]).rank() == 0)
    return false;
  const std::string &next = body.output(int(1 + i)).name(), &state = body.input(int(2 + i)).name();
  const ::onnx::NodeProto *concat = producerOf(body, next);
  if (!concat || concat->op_type() != "Concat" || !concat->domain().empty() ||
      concat->input_size() != 2 || countReads(body, next) != 1)
    return false;
  bool isRows = llvm::any_of(concat->attribute(), [](const ::onnx::AttributeProto &attribute) {
    return attribute.name() == "axis" && attribute.i() == 0;
  });
  std::string before = concat->input(0);
  int casts = 0;
  while (isRows && before != state) {
    const ::onnx::NodeProto *same = producerOf(body, before);
    if (!same || !same->domain().empty() || countReads(body, before) != 1 ||
        !llvm::is_contained({"Cast", "Identity"}, same->op_type()))
      return false;
    casts += same->op_type() == "Cast";
    if (casts > 1) // to another type and back
      return false;
    before = same->input(0);
  }
  return isRows && countReads(body, state) == 1;
}

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
  first = start.states;
  for (size_t i = 0; i < start.states.size(); ++i)
    if (isAppended(i))
      appended.insert(i);
  // Each time one more carried value is known to grow.
  std::optional<LoopImporter::Outgrown> outgrown;
  do
    if (failed(findGrown(outgrown)))
      return failure();
  while (outgrown);
  return success();
}

/// The loop as far as it is known; what is wrong with it may be that a carried value grows.
LogicalResult LoopReader::findGrown(std::optional<LoopImporter::Outgrown> &outgrown) {
  std::vector<Diagnostic> errors;
  const Importer::Notes noted = node.importer.notes();
  const Importer::Report report = node.importer.saveReport();
  LogicalResult result = failure();
  outgrown.reset();
  {
    ScopedDiagnosticHandler keep(node.getLoc().getContext(), [&](Diagnostic &diagnostic) {
      errors.push_back(std::move(diagnostic));
      return success();
    });
    result = runWithAppended(outgrown);
  }
  if (!outgrown) {
    for (Diagnostic &error : errors)
      node.getLoc().getContext()->getDiagEngine().emit(std::move(error));
    return result;
  }
  node.importer.restore(noted);
  node.importer.restoreReport(report);
  size_t i = 0; // Of all carried values.
  for (size_t left = outgrown->state; appended.contains(i) || left > 0; ++i)
    left -= appended.contains(i) ? 0 : 1;
  grown.insert({i, outgrown->axis});
  return node.importer.countRepeated(node, node.attribute("body")->g());
}

/// The parts of a tensor along an axis, and back.
static Value partsAlong(Node &node, Value tensor, size_t axis) {
  return makeStack(node.getBuilder(), node.getLoc(), node.moveAxis(tensor, int64_t(axis), 0));
}
static Value joinedAlong(Node &node, Value parts, size_t axis) {
  return node.moveAxis(takeApart(parts).values, 0, int64_t(axis));
}

/// Of what an iteration gives: extents along other axes stay what they are, which a run checks.
FailureOr<Value> LoopReader::nextParts(Node &inside, size_t i, Value value) {
  const size_t axis = grown.lookup(i);
  Value state = first[i];
  DimList dims(graph::getTensorType(state).getDims());
  if (!isStructure(value)) {
    graph::TensorType type = graph::getTensorType(value);
    if (type.rank() == int64_t(dims.size()))
      dims[axis] = type.getDim(int64_t(axis));
    if (type.getElementType() == graph::getTensorType(state).getElementType() &&
        mayBe(type.getDims(), dims))
      return partsAlong(inside, inside.reshape(value, dims), axis);
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "carried value " << i << " begins as " << state.getType() << " and goes on as ";
  if (isStructure(value))
    stream << describeStructure(value);
  else
    stream << value.getType();
  return node.error(text +
                    "; a carried value has to keep its type, and its shape but for one axis");
}

LogicalResult LoopReader::runWithAppended(std::optional<LoopImporter::Outgrown> &outgrown) {
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  start.states.clear();
  for (auto [i, state] : llvm::enumerate(first)) {
    if (auto axis = grown.find(i); axis != grown.end())
      start.states.push_back(partsAlong(node, state, axis->second));
    else if (!appended.contains(i))
      start.states.push_back(state);
  }
  start.grows.resize(start.states.size());
  auto importIteration = [&](OpBuilder &inner, ArrayRef<Value> arguments,
                             SmallVectorImpl<Value> &results) -> LogicalResult {
    SmallVector<Value> all(arguments.take_front(2)), made, rows;
    ArrayRef<Value> carried = arguments.drop_front(2);
    Node inside(node.importer, inner, node.getLoc(), node.proto, node.opset);
    for (auto [i, state] : llvm::enumerate(first)) {
      // Nothing but the concatenation reads it, and nothing reads that.
      Value value = appended.contains(i) ? state : carried.front();
      carried = carried.drop_front(appended.contains(i) ? 0 : 1);
      if (grown.contains(i) && isGrowing(value)) // What it has to be, in a form that can be read.
        return node.importer.needAllOf(value);
      if (grown.contains(i))
        value = joinedAlong(inside, value, grown.lookup(i));
      all.push_back(value);
    }
    if (failed(node.importer.importSubgraph(body, inner, all, made)))
      return failure();
    if (made.size() <= first.size())
      return node.error("its body gives " + Twine(made.size()) + " values for " +
                        Twine(first.size()) + " carried ones");
    results.clear();
    for (auto [i, value] : llvm::enumerate(made)) {
      if (i != 0 && grown.contains(i - 1)) {
        FailureOr<Value> parts = nextParts(inside, i - 1, value);
        if (failed(parts))
          return failure();
        results.push_back(*parts);
        continue;
      }
      if (i == 0 || !appended.contains(i - 1)) {
        results.push_back(value);
        continue;
      }
      auto concat = value.getDefiningOp<graph::ConcatOp>();
      if (!concat)
        return node.error("carried value " + Twine(i - 1) +
                          " is no tensor to which rows are "
                          "appended");
      rows.push_back(concat.getInputs().back());
    }
    llvm::append_range(results, rows);
    return success();
  };
  const size_t outputs = size_t(node.proto.output_size());
  LoopImporter loop(node, start, importIteration, outputs);
  if (failed(loop.run())) {
    outgrown = loop.outgrown;
    return failure();
  }
  size_t place = 0; // of an output, of those that are no scan outputs now
  for (size_t i = 0; i < first.size(); place += appended.contains(i) ? 0 : 1, ++i)
    if (grown.contains(i))
      node.outputs[place] = joinedAlong(node, node.outputs[place], grown.lookup(i));
  if (appended.empty())
    return success();
  // The order that the node has: carried values, among them those, then its scan outputs.
  SmallVector<Value> made = std::exchange(node.outputs, {});
  ArrayRef<Value> others(made), stacks = others.take_back(appended.size());
  others = others.drop_back(appended.size());
  for (size_t i = 0; i < outputs; ++i) {
    if (!appended.contains(i)) {
      node.setOutput(others.front());
      others = others.drop_front();
      continue;
    }
    DimList dims(graph::getTensorType(stacks.front()).getDims());
    DimExpr rows = DimExpr(dims[0]) * DimExpr(dims[1]);
    dims.erase(dims.begin());
    dims[0] = node.known(rows);
    Value all = node.reshape(stacks.front(), dims), begin = first[i];
    stacks = stacks.drop_front();
    graph::TensorType type = graph::getTensorType(begin);
    if (type.getDim(0).getConstant() == 0) {
      node.setOutput(all);
      continue;
    }
    dims[0] = type.getDim(0);
    if (!mayBe(type.getDims(), dims))
      return node.error("carried value " + Twine(i) + " begins as " + describeStructure(begin) +
                        " and gets rows of " + describeStructure(all));
    node.setOutput(node.concat({node.reshape(begin, dims), all}, 0));
  }
  return success();
}

static LogicalResult importLoop(Node &node) { return LoopReader(node).run(); }

ArrayRef<Operator> tessera::onnx::controlOperators() {
  static const Operator table[] = {
      {"Loop", 1, importLoop, true},
  };
  return table;
}
