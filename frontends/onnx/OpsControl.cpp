//===- OpsControl.cpp - Loop -------------------------------------------------------------===//

#include "frontends/onnx/CarriedStrings.h"
#include "frontends/onnx/Stacks.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;
using graph::CompareKind;

namespace {
/// Loop (trip count, condition, carried values) becomes a graph.while that carries the number of
/// the iteration, the condition, the values, and a tensor for each scan output, which holds all
/// iterations. Where it carries sequences or optional values and its trip count is known, the body
/// is repeated when compiling instead: they may change their structure then. So it is for strings
/// where iterations are few. What else an iteration adds to a sequence is held like a scan output.
class LoopImporter {
public:
  explicit LoopImporter(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  LogicalResult readTripCount();
  LogicalResult readStates();
  bool mayUnroll();
  FailureOr<bool> unroll();
  LogicalResult checkResults(ArrayRef<Value> results);
  LogicalResult importBody();
  LogicalResult takeResults(bool &fits);
  void forgetBody();
  LogicalResult importFittingBody();
  void bindTripDim();
  LogicalResult checkCarried();
  LogicalResult addScanOutputs();
  LogicalResult countIterations();
  Operation *buildLoop();
  LogicalResult setOutputs(Operation *loop);
  FailureOr<Value> longer(Value state, Value added);

  Node &node;
  ShapeScalars scalars;
  Value tripCount;            // si64 scalar, null: no limit
  DimAttr tripDim;            // the same as an extent, when scan outputs need it
  Value condition;            // at the start
  size_t carried = 0;         // tensors
  SmallVector<Value> states;  // what the node carries, as it begins
  SmallVector<bool> grows;    // of states: a sequence that the body only makes longer
  SmallVector<Value> tokens;  // of those, in the body
  SmallVector<Value> results; // of the body
  Operation *holder =
      nullptr;           // a graph.while without types, which holds the body until they are known
  Block *body = nullptr; // takes iteration, condition, carried values, scan tensors
  Value nextCondition;
  SmallVector<Value> inits, next;                   // carried values, then scan tensors
  SmallVector<bool> areStrings;                     // of carried tensors: bytes of strings
  SmallVector<Value> slices;                        // of scan outputs, then of what grows
  SmallVector<std::pair<size_t, size_t>> additions; // states that grow, and their slices
  SmallVector<bool> stringSlices;                   // which of them are bytes of strings
  bool alwaysGoesOn = false;                        // the condition never ends the loop
};
} // namespace

LogicalResult LoopImporter::readTripCount() {
  for (size_t i : {0, 1})
    if (isStructure(node.input(i)))
      return node.error("has " + describeStructure(node.input(i)) +
                        " as trip count or condition, expected a number and a bool");
  if (Value count = node.input(0)) {
    DimAttr known = graph::getShapeScalar(count);
    // Exporters write the largest number for "no limit".
    if (!known || !known.isConstant() || known.getValue() < INT32_MAX)
      tripCount = node.convert(node.reshape(count, {}), node.si64());
    if (tripCount && known)
      tripDim = DimExpr::max(known, node.dim(0));
  }
  Type boolean = node.getBuilder().getI1Type();
  condition = node.input(1) ? node.reshape(node.input(1), {}) : node.scalar(boolean, 1);
  return success();
}

LogicalResult LoopImporter::readStates() {
  for (size_t i = 2; i < node.inputCount(); ++i) {
    states.push_back(node.input(i));
    if (!states.back())
      return node.error("carried value " + Twine(i - 2) + " has no start");
  }
  if (node.proto.output_size() < int(states.size()))
    return node.error("has " + Twine(node.proto.output_size()) + " outputs for " +
                      Twine(states.size()) + " carried values");
  grows.resize(states.size());
  tokens.resize(states.size());
  return success();
}

LogicalResult LoopImporter::checkResults(ArrayRef<Value> results) {
  if (results.size() < 1 + states.size() || int(results.size()) - 1 != node.proto.output_size())
    return node.error("its body gives " + Twine(results.size()) + " values for " +
                      Twine(states.size()) + " carried ones and " +
                      Twine(node.proto.output_size()) + " outputs");
  if (isStructure(results[0]))
    return node.error("goes on as " + describeStructure(results[0]) + " says, expected a bool");
  for (Value slice : results.drop_front(1 + states.size()))
    if (isStructure(slice) && !isStrings(slice))
      return node.error("has a scan output that is " + describeStructure(slice));
  return success();
}

bool LoopImporter::mayUnroll() {
  constexpr int64_t kFew = 16;
  auto needsRepeats = [&](Value state) {
    return isStructure(state) && (!isStrings(state) || tripDim.getValue() <= kFew);
  };
  return tripCount && tripDim && tripDim.isConstant() && llvm::any_of(states, needsRepeats);
}

/// The body again and again, each time with the number of the iteration as a constant. False: a
/// condition that is not known when compiling may end the loop, and nothing was imported.
FailureOr<bool> LoopImporter::unroll() {
  Block *block = node.getBuilder().getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  const Importer::Notes noted = node.importer.notes();
  const SmallVector<Value> starts = states;
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  SmallVector<SmallVector<Value>> stacks(node.proto.output_size() - states.size());
  llvm::SmallDenseSet<size_t> stringStacks;
  Value goesOn = condition;
  DimAttr known = graph::getShapeScalar(goesOn);
  for (int64_t i = 0; i < tripDim.getValue(); ++i) {
    if (!known || !known.isConstant()) {
      while (!block->empty() && &block->back() != before)
        block->back().erase();
      node.importer.restore(noted);
      states = starts;
      return false;
    }
    if (known.getValue() == 0)
      break;
    SmallVector<Value> arguments{scalars.number(i), goesOn}, results;
    llvm::append_range(arguments, states);
    if (failed(node.importer.importUnrolled(node, body, arguments, results)) ||
        failed(checkResults(results)))
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

LogicalResult LoopImporter::importBody() {
  const ::onnx::AttributeProto *attribute = node.attribute("body");
  Location loc = node.getLoc();
  OperationState state(loc, graph::WhileOp::getOperationName());
  state.addRegion();
  body = &state.addRegion()->emplaceBlock();
  holder = node.getBuilder().create(state);
  SmallVector<Value> arguments{
      body->addArgument(graph::TensorType::getScalar(node.si64()), loc),
      body->addArgument(graph::TensorType::getScalar(node.getBuilder().getI1Type()), loc)};
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  SmallVector<Value> tensors;
  for (Value init : inits)
    tensors.push_back(body->addArgument(init.getType(), loc));
  ArrayRef<Value> left(tensors);
  for (size_t i = 0; i < states.size(); ++i) {
    if (grows[i]) {
      tokens[i] = node.at(inner).scalar(node.getBuilder().getI1Type(), 0);
      arguments.push_back(makeGrowing(inner, loc, tokens[i]));
    } else {
      arguments.push_back(rebuild(inner, loc, states[i], left));
    }
  }
  if (failed(node.importer.importSubgraph(attribute->g(), inner, arguments, results)))
    return failure();
  return checkResults(results);
}

/// Tensors of the body's results. It does not fit when a sequence grows that was not known to.
LogicalResult LoopImporter::takeResults(bool &fits) {
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  fits = true;
  for (size_t i = 0; i < states.size(); ++i) {
    Value state = states[i], result = results[1 + i];
    if (grows[i] && isGrowing(result) && contentsOf(result).front() == tokens[i])
      continue;
    bool isSame = !grows[i] && haveSameStructure(state, result);
    // A stack of another length is another type.
    if (isSame && isStack(state))
      isSame = contentsOf(state).front().getType() == contentsOf(result).front().getType();
    if (isSame) {
      flatten(result, next);
      continue;
    }
    bool mayGrow = isSequence(state) || isStack(state) || isGrowing(state);
    if (!mayGrow || grows[i])
      return node.error("carried value " + Twine(i) + " begins as " + describeStructure(state) +
                        " and goes on as " + describeStructure(result) +
                        (mayGrow
                             ? "; where the number of iterations is not known when compiling, a "
                               "loop may only add elements at the end, the same number in each"
                             : "; the trip count has to be known when compiling"));
    grows[i] = true;
    fits = false;
  }
  if (!fits)
    return success();
  nextCondition = b.reshape(results[0], {});
  for (Value slice : ArrayRef(results).drop_front(1 + states.size())) {
    stringSlices.push_back(isStrings(slice));
    slices.push_back(isStrings(slice) ? contentsOf(slice).front() : slice);
  }
  for (size_t i = 0; i < states.size(); ++i) {
    if (!grows[i])
      continue;
    SmallVector<Value> added(contentsOf(results[1 + i]).drop_front());
    FailureOr<Value> all = stackOf(node, b, added);
    if (failed(all))
      return failure();
    additions.emplace_back(i, slices.size());
    slices.push_back(*all);
    stringSlices.push_back(false);
  }
  auto isTrue = [&](Value value) {
    auto splat = llvm::dyn_cast_or_null<IntegerAttr>(graph::getSplat(value));
    return splat && !splat.getValue().isZero();
  };
  // Passing the condition through leaves it what it was.
  Value source = results[0];
  while (auto reshape = source.getDefiningOp<graph::ReshapeOp>())
    source = reshape.getX();
  alwaysGoesOn = isTrue(condition) && (isTrue(source) || source == body->getArgument(1));
  return success();
}

void LoopImporter::forgetBody() {
  if (holder)
    holder->erase();
  holder = nullptr;
  results.clear();
  next.clear();
  slices.clear();
  stringSlices.clear();
  additions.clear();
}

/// Marks the tensors of a value that are bytes of strings.
static void markStrings(Value value, SmallVectorImpl<bool> &marks) {
  if (isStrings(value) || !isStructure(value))
    marks.push_back(isStrings(value));
  else
    for (Value content : contentsOf(value))
      markStrings(content, marks);
}

/// The body, with room for the strings that it carries.
LogicalResult LoopImporter::importFittingBody() {
  const Importer::Notes noted = node.importer.notes();
  for (bool fits = false; !fits;) {
    inits.clear();
    areStrings.clear();
    for (auto [state, isLonger] : llvm::zip(states, grows))
      if (!isLonger) {
        flatten(state, inits);
        markStrings(state, areStrings);
      }
    if (failed(importBody()) || failed(takeResults(fits)))
      return failure();
    if (fits)
      break;
    forgetBody();
    if (failed(node.importer.countRepeated(node, node.attribute("body")->g())))
      return failure();
    node.importer.restore(noted);
  }
  carried = inits.size();
  auto trips = [&] {
    if (tripCount)
      bindTripDim();
    return tripDim;
  };
  CarriedStrings strings(node, trips);
  for (;;) {
    OpBuilder inner = OpBuilder::atBlockEnd(body);
    graph::GraphBuilder b = node.at(inner);
    FailureOr<bool> fits = strings.fit(b, inits, areStrings, next);
    if (failed(fits) || *fits)
      return success(succeeded(fits));
    forgetBody();
    bool isSame = false;
    if (failed(importBody()) || failed(takeResults(isSame)))
      return failure();
    assert(isSame && "what grows was found before");
  }
}

void LoopImporter::bindTripDim() {
  if (tripDim)
    return;
  // Beside the number itself: a loop around this one, which does not change it, knows it then.
  Value given = node.input(0);
  OpBuilder &builder = node.getBuilder();
  OpBuilder::InsertionGuard guard(builder);
  if (given.getParentBlock() != builder.getInsertionBlock()) {
    builder.setInsertionPointAfterValue(given);
    tripCount = node.convert(node.reshape(given, {}), node.si64());
  }
  tripDim = scalars.bind(node.max(tripCount, scalars.number(0)), "the trip count");
}

/// Carried values keep their shape: extents that cannot be compared are taken to be equal, and
/// checked. An extent that the body computes is known then, also where a scan output has it.
LogicalResult LoopImporter::checkCarried() {
  llvm::DenseMap<DimAttr, DimAttr> known;
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  for (auto [i, init, value] : llvm::enumerate(inits, next)) {
    graph::TensorType wanted = graph::getTensorType(init), type = graph::getTensorType(value);
    bool fits = wanted.getElementType() == type.getElementType() && wanted.rank() == type.rank();
    for (size_t d = 0; fits && d < wanted.getDims().size(); ++d)
      fits = !graph::isKnownDifferent(wanted.getDim(d), type.getDim(d));
    if (!fits) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "carried value " << i << " begins as " << wanted << " and goes on as " << type
          << "; a carried value has to keep its type and shape";
      return node.error(text);
    }
    next[i] = b.reshape(value, wanted.getDims());
    for (auto [inside, outside] : llvm::zip(type.getDims(), wanted.getDims()))
      if (inside != outside)
        known.try_emplace(inside, outside);
  }
  for (Value &slice : slices) {
    DimList dims(graph::getTensorType(slice).getDims());
    for (DimAttr &dim : dims)
      if (DimAttr outside = known.lookup(dim))
        dim = outside;
    slice = b.reshape(slice, dims);
  }
  return success();
}

/// Each scan output is a tensor of all iterations, in which one slice after the other is replaced.
LogicalResult LoopImporter::addScanOutputs() {
  if (slices.empty())
    return success();
  bindTripDim();
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  for (Value slice : slices) {
    graph::TensorType type = graph::getTensorType(slice);
    if (dependsOnBody(type.getDims(), *body))
      return node.error(
          "has a scan output, or adds an element to a sequence, whose shape depends on "
          "data inside of the body");
    DimList dims{tripDim};
    llvm::append_range(dims, type.getDims());
    inits.push_back(node.fill(type.withDims(dims), 0));
    Value all = body->addArgument(inits.back().getType(), node.getLoc());
    graph::TensorType counters = type.withDims(dims).withElementType(node.si64());
    Value isHere = b.compare(CompareKind::eq, b.create<graph::IotaOp>(counters, 0),
                             b.broadcast(body->getArgument(0), {}, dims));
    SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(1, dims.size()));
    next.push_back(b.create<graph::SelectOp>(isHere, b.broadcast(slice, places, dims), all));
  }
  return success();
}

/// A sequence and what all iterations have added to it: [iterations, elements of each, ...].
FailureOr<Value> LoopImporter::longer(Value state, Value added) {
  DimList dims(graph::getTensorType(added).getDims());
  dims[1] = node.known(DimExpr(dims[0]) * DimExpr(dims[1]));
  dims.erase(dims.begin());
  Value all = makeStack(node.getBuilder(), node.getLoc(), node.reshape(added, dims));
  SmallVector<Value> parts;
  if (isStack(state))
    parts.push_back(state);
  else
    llvm::append_range(parts, contentsOf(state));
  parts.push_back(all);
  if (isGrowing(state))
    return makeGrowing(node.getBuilder(), node.getLoc(), parts);
  FailureOr<Value> whole = stackOf(node, node, parts);
  if (failed(whole))
    return failure();
  return makeStack(node.getBuilder(), node.getLoc(), *whole);
}

Operation *LoopImporter::buildLoop() {
  OpBuilder &builder = node.getBuilder();
  Location loc = node.getLoc();
  SmallVector<Value> starts{scalars.number(0), condition};
  llvm::append_range(starts, inits);
  OperationState state(loc, graph::WhileOp::getOperationName());
  state.addOperands(starts);
  state.addTypes(ValueRange(starts).getTypes());
  Region *test = state.addRegion(), *repeated = state.addRegion();
  Block *check = &test->emplaceBlock();
  for (Value start : starts)
    check->addArgument(start.getType(), loc);
  OpBuilder inTest(builder.getContext());
  inTest.setInsertionPointToEnd(check);
  graph::GraphBuilder t = node.at(inTest);
  Value goesOn = check->getArgument(1);
  if (tripCount)
    goesOn = t.create<graph::AndOp>(goesOn,
                                    t.compare(CompareKind::lt, check->getArgument(0), tripCount));
  graph::ConditionOp::create(inTest, loc, goesOn);

  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  SmallVector<Value> yielded{b.add(body->getArgument(0), b.scalar(node.si64(), 1)), nextCondition};
  llvm::append_range(yielded, next);
  graph::YieldOp::create(inner, loc, yielded);
  repeated->takeBody(holder->getRegion(1));
  holder->erase();
  holder = nullptr;
  return builder.create(state);
}

LogicalResult LoopImporter::setOutputs(Operation *loop) {
  OpBuilder &builder = node.getBuilder();
  Location loc = node.getLoc();
  SmallVector<Value> last(loop->getResults().slice(2, carried));
  ArrayRef<Value> left(last);
  DimAttr count = tripDim;
  if (!slices.empty() && !alwaysGoesOn)
    count = scalars.bind(loop->getResult(0), "the number of iterations");
  SmallVector<Value> held;
  for (size_t i = 0; i < slices.size(); ++i) {
    Value all = loop->getResult(2 + carried + i);
    graph::TensorType type = graph::getTensorType(all);
    if (count != tripDim) {
      DimList zeros(type.rank(), node.dim(0)), ones(type.rank(), node.dim(1)), dims(type.getDims());
      dims[0] = count;
      all = node.create<graph::SliceOp>(all, zeros, ones, dims);
    }
    held.push_back(stringSlices[i] ? makeStrings(builder, loc, all) : all);
  }
  const auto *addition = additions.begin();
  for (size_t i = 0; i < states.size(); ++i) {
    FailureOr<Value> last = grows[i] ? longer(states[i], held[addition++->second])
                                     : FailureOr<Value>(rebuild(builder, loc, states[i], left));
    if (failed(last))
      return failure();
    node.setOutput(*last);
  }
  for (Value all : ArrayRef(held).drop_back(additions.size()))
    node.setOutput(all);
  return success();
}

/// Where only the condition ends the loop, it runs once for the number of its iterations alone,
/// which is how much scan outputs hold, and then again.
LogicalResult LoopImporter::countIterations() {
  if (drawsNumbers(*body))
    return node.error(
        "draws random numbers, and has scan outputs, or a sequence that gets longer, but "
        "no trip count, so how much they hold is not known");
  const Importer::Notes noted = node.importer.notes();
  Operation *loop = buildLoop();
  forgetBody();
  tripCount = loop->getResult(0);
  tripDim = scalars.bind(tripCount, "the number of iterations");
  if (failed(node.importer.countRepeated(node, node.attribute("body")->g())))
    return failure();
  node.importer.restore(noted);
  if (failed(importFittingBody()) || failed(checkCarried()))
    return failure();
  alwaysGoesOn = true; // as often as was counted
  return success();
}

LogicalResult LoopImporter::run() {
  if (failed(readTripCount()) || failed(readStates()))
    return failure();
  if (mayUnroll()) {
    FailureOr<bool> isDone = unroll();
    if (failed(isDone) || *isDone)
      return success(succeeded(isDone));
  }
  if (failed(importFittingBody()) || failed(checkCarried()))
    return failure();
  if (!slices.empty() && !tripCount && failed(countIterations()))
    return failure();
  if (failed(addScanOutputs()))
    return failure();
  return setOutputs(buildLoop());
}

static LogicalResult importLoop(Node &node) { return LoopImporter(node).run(); }

ArrayRef<Operator> tessera::onnx::controlOperators() {
  static const Operator table[] = {
      {"Loop", 1, importLoop, true},
  };
  return table;
}
