//===- OpsControl.cpp - If and Loop ------------------------------------------------------===//

#include "frontends/onnx/CarriedStrings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;
using graph::CompareKind;

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

//===----------------------------------------------------------------------===//
// If
//===----------------------------------------------------------------------===//

namespace {
/// Moves what binds an extent inside of a branch before the `if`, when it is computed from extents.
class BindingHoister {
public:
  BindingHoister(graph::IfOp branches, graph::FuncOp function) : branches(branches) {
    bound = function.getBoundSymbols();
  }
  /// Whether every symbol of the extent is known before the `if` now.
  bool hoist(DimAttr dim) {
    if (!collect(dim))
      return false;
    for (Operation *op : order)
      op->moveBefore(branches);
    order.clear();
    return true;
  }

private:
  bool collect(DimAttr dim) {
    bool works = true;
    graph::walkDimSymbols(dim, [&](StringRef symbol) {
      graph::BindDimOp bind = bound.lookup(symbol);
      works &= !bind || collect(bind);
    });
    return works;
  }
  bool collect(Operation *op) {
    if (!branches->isProperAncestor(op) || llvm::is_contained(order, op))
      return true;
    // Arithmetic on a few integers: it may be done for nothing when the other branch is taken.
    bool isCheap = llvm::all_of(op->getResults(), [](Value result) {
      graph::TensorType type = graph::getTensorType(result);
      DimAttr count = graph::multiplyDims(type.getContext(), type.getDims());
      return isa<IntegerType>(type.getElementType()) && count.getConstant() &&
             *count.getConstant() <= 16;
    });
    isCheap &= isPure(op) || isa<graph::BindDimOp>(op);
    WalkResult walk = op->walk([&](Operation *inner) {
      if (auto value = dyn_cast<graph::DimValueOp>(inner))
        return collect(value.getDim()) ? WalkResult::advance() : WalkResult::interrupt();
      if (inner != op ? !isa<graph::YieldOp>(inner) : !isCheap && !isa<graph::IfOp>(inner))
        return WalkResult::interrupt();
      for (Value operand : inner->getOperands()) {
        Operation *source = operand.getDefiningOp();
        if (!source || (!op->isAncestor(source) && !collect(source)))
          return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return false;
    order.push_back(op);
    return true;
  }

  graph::IfOp branches;
  llvm::StringMap<graph::BindDimOp> bound;
  SmallVector<Operation *> order;
};
} // namespace

/// An extent that the branches give differently: chosen by an if of its own, before.
static FailureOr<DimAttr> chooseExtent(Node &node, Value condition, DimAttr whenTrue,
                                       DimAttr whenFalse, graph::IfOp branches, size_t result) {
  BindingHoister hoister(branches, branches->getParentOfType<graph::FuncOp>());
  if (!hoister.hoist(whenTrue) || !hoister.hoist(whenFalse))
    return node.error(
        "output " + Twine(result) +
        " has an extent that depends on data inside of a branch, which is not supported");
  if (whenTrue == whenFalse)
    return whenTrue;
  auto scalar = graph::TensorType::getScalar(si64(node));
  auto choice = graph::IfOp::create(node.getBuilder(), node.getLoc(), TypeRange(scalar), condition);
  for (auto [region, dim] : {std::pair(&choice.getThenRegion(), whenTrue),
                             std::pair(&choice.getElseRegion(), whenFalse)}) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    Value value = graph::DimValueOp::create(inner, node.getLoc(), dim);
    graph::YieldOp::create(inner, node.getLoc(), value);
  }
  return ShapeScalars(node).bind(choice.getResult(0),
                                 "an extent of output " + std::to_string(result));
}

/// Whether `condition` asks if an extent equals a number.
static bool asksForExtent(Value condition) {
  Operation *op = condition.getDefiningOp();
  while (op && isa<graph::ReshapeOp, graph::ConvertOp>(op))
    op = op->getOperand(0).getDefiningOp();
  auto compare = dyn_cast_or_null<graph::CompareOp>(op);
  return compare && compare.getKind() == CompareKind::eq && graph::getShapeScalar(compare.getX()) &&
         graph::getShapeScalar(compare.getY());
}

/// Whether `x` is `whole` without one axis, whose extent is not known to be 1: what a program that
/// runs checks.
static bool dropsOpenAxis(Value x, graph::TensorType whole) {
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims(), all = whole.getDims();
  if (!x.getDefiningOp<graph::ReshapeOp>() || dims.size() + 1 != all.size())
    return false;
  for (size_t axis = 0; axis < all.size(); ++axis)
    if (!all[axis].isConstant() && all.take_front(axis) == dims.take_front(axis) &&
        all.drop_front(axis + 1) == dims.drop_front(axis))
      return true;
  return false;
}

static LogicalResult importIf(Node &node) {
  const ::onnx::AttributeProto *thenBranch = node.attribute("then_branch");
  const ::onnx::AttributeProto *elseBranch = node.attribute("else_branch");
  OpBuilder &builder = node.getBuilder();
  if (isStructure(node.input(0)))
    return node.error("asks " + describeStructure(node.input(0)) + ", expected a bool");
  Value condition = node.reshape(node.input(0), {});
  // A condition that follows from extents is decided now.
  if (DimAttr known = graph::getShapeScalar(condition); known && known.isConstant()) {
    SmallVector<Value> results;
    if (failed(node.importer.importSubgraph((known.getValue() ? thenBranch : elseBranch)->g(),
                                            builder, {}, results)))
      return failure();
    for (Value result : results)
      node.setOutput(result);
    return success();
  }
  // Both branches go into blocks of their own, which tell the types.
  auto op = graph::IfOp::create(builder, node.getLoc(), TypeRange(), condition);
  SmallVector<SmallVector<Value>> results(2);
  Region *regions[] = {&op.getThenRegion(), &op.getElseRegion()};
  const ::onnx::AttributeProto *branches[] = {thenBranch, elseBranch};
  for (auto [region, branch, values] : llvm::zip(regions, branches, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    if (failed(node.importer.importSubgraph(branch->g(), inner, {}, values)))
      return failure();
  }
  if (results[0].size() != results[1].size())
    return node.error("its branches give " + Twine(results[0].size()) + " and " +
                      Twine(results[1].size()) + " outputs");
  // Sequences and optional values are chosen tensor by tensor.
  SmallVector<Value> likes = results[0];
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1])))
    if (auto [a, b] = pair; !haveSameStructure(a, b))
      return node.error("its branches give " + describeStructure(a) + " and " +
                        describeStructure(b) + " as output " + Twine(number) +
                        "; which one has to be known when compiling");
  for (SmallVector<Value> &values : results) {
    SmallVector<Value> tensors;
    for (Value value : values)
      flatten(value, tensors);
    values = tensors;
  }
  SmallVector<Type> types;
  auto alignRanks = [&](Value &x, Value &y, OpBuilder inner) {
    // Operators broadcast one element alike whatever its rank: it gets the higher one.
    DimList ones(std::max(graph::getTensorType(x).rank(), graph::getTensorType(y).rank()),
                 node.dim(1));
    auto isOne = [](Value value) { return graph::getTensorType(value).getElementCount() == 1; };
    if (isOne(x) && isOne(y))
      x = node.at(inner).reshape(x, ones);
  };
  for (auto [x, y] : llvm::zip(results[0], results[1])) {
    alignRanks(x, y, OpBuilder::atBlockEnd(&regions[0]->front()));
    alignRanks(y, x, OpBuilder::atBlockEnd(&regions[1]->front()));
  }
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1]))) {
    graph::TensorType a = graph::getTensorType(std::get<0>(pair)),
                      b = graph::getTensorType(std::get<1>(pair));
    // if extent == 1 then squeeze(x) else x: a rank that depends on an extent. Who reads it expects
    // one rank, and that is the smaller one; a model that runs with another extent ends with an
    // error, as the squeezing does when it is written without the if.
    if (asksForExtent(condition) && results[0].size() == 1 &&
        dropsOpenAxis(results[0][0], graph::getTensorType(results[1][0]))) {
      op->getBlock()->getOperations().splice(op->getIterator(),
                                             op.getThenRegion().front().getOperations());
      op.erase();
      node.setOutput(results[0][0]);
      return success();
    }
    if (a.getElementType() != b.getElementType() || a.rank() != b.rank())
      return node.error("its branches give output " + Twine(number) +
                        " of different types or ranks");
    DimList dims;
    for (auto [x, y] : llvm::zip(a.getDims(), b.getDims())) {
      FailureOr<DimAttr> dim = x;
      if (x != y)
        dim = chooseExtent(node, condition, x, y, op, number);
      if (failed(dim))
        return failure();
      dims.push_back(*dim);
    }
    types.push_back(a.withDims(dims));
  }
  auto typed = graph::IfOp::create(builder, node.getLoc(), types, condition);
  typed.getThenRegion().takeBody(op.getThenRegion());
  typed.getElseRegion().takeBody(op.getElseRegion());
  op.erase();
  Region *typedRegions[] = {&typed.getThenRegion(), &typed.getElseRegion()};
  for (auto [region, values] : llvm::zip(typedRegions, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->front());
    graph::GraphBuilder b = node.at(inner);
    for (auto [value, type] : llvm::zip(values, types))
      value = b.reshape(value, llvm::cast<graph::TensorType>(type).getDims());
    graph::YieldOp::create(inner, node.getLoc(), values);
  }
  SmallVector<Value> chosen(typed.getResults());
  ArrayRef<Value> left(chosen);
  for (Value like : likes)
    node.setOutput(rebuild(builder, node.getLoc(), like, left));
  return success();
}

//===----------------------------------------------------------------------===//
// Loop
//===----------------------------------------------------------------------===//

namespace {
/// Loop (trip count, condition, carried values) becomes a graph.while that carries the number of
/// the iteration, the condition, the values, and a tensor for each scan output, which holds all
/// iterations. Where it carries sequences or optional values and its trip count is known, the body
/// is repeated when compiling instead: they may change their structure then. So it is for strings
/// where iterations are few.
class LoopImporter {
public:
  explicit LoopImporter(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  LogicalResult readTripCount();
  LogicalResult readStates();
  LogicalResult unroll();
  LogicalResult checkResults(ArrayRef<Value> results);
  LogicalResult importBody();
  LogicalResult importFittingBody();
  void bindTripDim();
  LogicalResult checkCarried();
  LogicalResult addScanOutputs();
  void build();

  Node &node;
  ShapeScalars scalars;
  Value tripCount;           // si64 scalar, null: no limit
  DimAttr tripDim;           // the same as an extent, when scan outputs need it
  Value condition;           // at the start
  size_t carried = 0;        // tensors
  SmallVector<Value> states; // what the node carries, as it begins
  Operation *holder =
      nullptr;           // a graph.while without types, which holds the body until they are known
  Block *body = nullptr; // takes iteration, condition, carried values, scan tensors
  Value nextCondition;
  SmallVector<Value> inits, next; // carried values, then scan tensors
  SmallVector<bool> areStrings;   // of carried tensors: bytes of strings
  SmallVector<Value> slices;      // of scan outputs
  SmallVector<bool> stringSlices; // which of them are bytes of strings
  bool alwaysGoesOn = false;      // the condition never ends the loop
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
      tripCount = node.convert(node.reshape(count, {}), si64(node));
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

/// The body again and again, each time with the number of the iteration as a constant.
LogicalResult LoopImporter::unroll() {
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  SmallVector<SmallVector<Value>> stacks(node.proto.output_size() - states.size());
  llvm::SmallDenseSet<size_t> stringStacks;
  Value goesOn = condition;
  DimAttr known = graph::getShapeScalar(goesOn);
  for (int64_t i = 0; i < tripDim.getValue(); ++i) {
    if (!known || !known.isConstant())
      return node.error("carries a sequence or an optional value, and ends where its condition "
                        "says, which is not known when compiling");
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
  return success();
}

LogicalResult LoopImporter::importBody() {
  const ::onnx::AttributeProto *attribute = node.attribute("body");
  Location loc = node.getLoc();
  OperationState state(loc, graph::WhileOp::getOperationName());
  state.addRegion();
  body = &state.addRegion()->emplaceBlock();
  holder = node.getBuilder().create(state);
  SmallVector<Value> arguments{
      body->addArgument(graph::TensorType::getScalar(si64(node)), loc),
      body->addArgument(graph::TensorType::getScalar(node.getBuilder().getI1Type()), loc)};
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  SmallVector<Value> tensors;
  for (Value init : inits)
    tensors.push_back(body->addArgument(init.getType(), loc));
  ArrayRef<Value> left(tensors);
  for (Value state : states)
    arguments.push_back(rebuild(inner, loc, state, left));
  SmallVector<Value> results;
  if (failed(node.importer.importSubgraph(attribute->g(), inner, arguments, results)))
    return failure();
  if (failed(checkResults(results)))
    return failure();
  auto nextStates = ArrayRef(results).slice(1, states.size());
  for (auto [i, state, result] : llvm::enumerate(states, nextStates)) {
    if (!haveSameStructure(state, result))
      return node.error("carried value " + Twine(i) + " begins as " + describeStructure(state) +
                        " and goes on as " + describeStructure(result) +
                        "; the trip count has to be known when compiling");
    flatten(result, next);
  }
  graph::GraphBuilder b = node.at(inner);
  nextCondition = b.reshape(results[0], {});
  for (Value slice : ArrayRef(results).drop_front(1 + states.size())) {
    stringSlices.push_back(isStrings(slice));
    slices.push_back(isStrings(slice) ? contentsOf(slice).front() : slice);
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
  for (Value state : states) {
    flatten(state, inits);
    markStrings(state, areStrings);
  }
  carried = inits.size();
  auto trips = [&] {
    if (tripCount)
      bindTripDim();
    return tripDim;
  };
  CarriedStrings strings(node, trips);
  for (;;) {
    if (failed(importBody()))
      return failure();
    OpBuilder inner = OpBuilder::atBlockEnd(body);
    graph::GraphBuilder b = node.at(inner);
    FailureOr<bool> fits = strings.fit(b, inits, areStrings, next);
    if (failed(fits) || *fits)
      return success(succeeded(fits));
    holder->erase();
    next.clear();
    slices.clear();
    stringSlices.clear();
  }
}

void LoopImporter::bindTripDim() {
  if (!tripDim)
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
  if (!tripCount)
    return node.error("has scan outputs but no trip count, so how much they hold is not known");
  bindTripDim();
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  for (Value slice : slices) {
    graph::TensorType type = graph::getTensorType(slice);
    bool isInside = false;
    for (DimAttr dim : type.getDims())
      graph::walkDimSymbols(dim, [&](StringRef symbol) {
        body->walk([&](graph::BindDimOp bind) { isInside |= bind.getSymbol() == symbol; });
      });
    if (isInside)
      return node.error("has a scan output whose shape depends on data inside of the body");
    DimList dims{tripDim};
    llvm::append_range(dims, type.getDims());
    inits.push_back(node.fill(type.withDims(dims), 0));
    Value all = body->addArgument(inits.back().getType(), node.getLoc());
    graph::TensorType counters = type.withDims(dims).withElementType(si64(node));
    Value isHere = b.compare(CompareKind::eq, b.create<graph::IotaOp>(counters, 0),
                             b.broadcast(body->getArgument(0), {}, dims));
    SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(1, dims.size()));
    next.push_back(b.create<graph::SelectOp>(isHere, b.broadcast(slice, places, dims), all));
  }
  return success();
}

void LoopImporter::build() {
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
  SmallVector<Value> yielded{b.add(body->getArgument(0), b.scalar(si64(node), 1)), nextCondition};
  llvm::append_range(yielded, next);
  graph::YieldOp::create(inner, loc, yielded);
  repeated->takeBody(holder->getRegion(1));
  holder->erase();
  Operation *loop = builder.create(state);

  SmallVector<Value> last(loop->getResults().slice(2, carried));
  ArrayRef<Value> left(last);
  for (Value state : states)
    node.setOutput(rebuild(builder, loc, state, left));
  if (slices.empty())
    return;
  DimAttr count = tripDim;
  if (!alwaysGoesOn)
    count = scalars.bind(loop->getResult(0), "the number of iterations");
  for (size_t i = 0; i < slices.size(); ++i) {
    Value all = loop->getResult(2 + carried + i);
    graph::TensorType type = graph::getTensorType(all);
    if (count != tripDim) {
      DimList zeros(type.rank(), node.dim(0)), ones(type.rank(), node.dim(1)), dims(type.getDims());
      dims[0] = count;
      all = node.create<graph::SliceOp>(all, zeros, ones, dims);
    }
    node.setOutput(stringSlices[i] ? makeStrings(builder, loc, all) : all);
  }
}

LogicalResult LoopImporter::run() {
  if (failed(readTripCount()) || failed(readStates()))
    return failure();
  constexpr int64_t kFew = 16;
  auto needsRepeats = [&](Value state) {
    return isStructure(state) && (!isStrings(state) || tripDim.getValue() <= kFew);
  };
  if (tripCount && tripDim && tripDim.isConstant() && llvm::any_of(states, needsRepeats))
    return unroll();
  if (failed(importFittingBody()) || failed(checkCarried()) || failed(addScanOutputs()))
    return failure();
  build();
  return success();
}

static LogicalResult importLoop(Node &node) { return LoopImporter(node).run(); }

ArrayRef<Operator> tessera::onnx::controlOperators() {
  static const Operator table[] = {
      {"If", 1, importIf, true},
      {"Loop", 1, importLoop, true},
  };
  return table;
}
