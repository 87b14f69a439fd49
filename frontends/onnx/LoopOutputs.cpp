//===- LoopOutputs.cpp - Loops: what all iterations hold --------------------------------------===//

#include "frontends/onnx/LoopImporter.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

Value LoopImporter::carry(Value init) {
  inits.push_back(init);
  return body->addArgument(init.getType(), node.getLoc());
}

/// Tensors of all iterations, in which one slice after the other is replaced.
void LoopImporter::addSlices() {
  if (slices.empty())
    return;
  bindTripDim();
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  Node inside = inBody(inner);
  for (Value slice : slices) {
    graph::TensorType type = graph::getTensorType(slice);
    DimList dims{tripDim};
    llvm::append_range(dims, type.getDims());
    Value all = carry(node.fill(node.typeOf(dims, type.getElementType()), 0));
    DimList one{node.dim(1)};
    Value place = inside.reshape(body->getArgument(0), one);
    llvm::append_range(one, type.getDims());
    next.push_back(inside.create<graph::ScatterOp>(graph::ScatterKind::replace, all, place,
                                                   inside.reshape(slice, one), 0));
  }
}

/// Room for sequences that are carried as a whole, where that follows from the number of
/// iterations.
LogicalResult LoopImporter::giveRoom(bool &isKnown) {
  isKnown = true;
  if (llvm::none_of(wholes, [](const auto &whole) { return bool(whole); }))
    return success();
  if (tripCount)
    bindTripDim();
  std::vector<DimList> rooms(wholes.size());
  for (auto [whole, room] : llvm::zip(wholes, rooms)) {
    FailureOr<DimList> bound = failure();
    if (whole && tripCount)
      bound = whole->boundRoom(node, tripDim, *body);
    if (whole && failed(bound))
      isKnown = false;
    else if (whole)
      room = *bound;
  }
  mayLackRoom = !isKnown;
  if (!isKnown)
    return success();
  for (auto [whole, room] : llvm::zip(wholes, rooms))
    if (whole)
      whole->setRoom(room);
  return importAgain();
}

/// A loop around the loop: where there was too little room, again with more. It carries the room,
/// whether there was too little, and what the loop has counted.
Operation *LoopImporter::tryRoom(Operation *holding, Operation *loop) {
  constexpr int64_t kFactor = 4, kElements = 256, kValues = 4096;
  OpBuilder &builder = node.getBuilder();
  Block *trial = &holding->getRegion(1).front();
  SmallVector<Value> room(trial->getArguments()), starts, yielded, more;
  SmallVector<Value> ends(loop->getResults().slice(2, carried));
  for (auto &whole : wholes)
    if (whole)
      llvm::append_range(more, whole->additions(node, ends));
  Value isShort = node.scalar(builder.getI1Type(), 0);
  for (auto [had, needed] : llvm::zip(room, more)) {
    Value lacks = node.compare(graph::CompareKind::gt, needed, had);
    Value next = node.max(needed, node.mul(had, scalars.number(kFactor)));
    yielded.push_back(scalars.select(lacks, next, had));
    isShort = node.create<graph::OrOp>(isShort, lacks);
  }
  const size_t flag = yielded.size();
  yielded.push_back(isShort);
  yielded.push_back(loop->getResult(0));
  llvm::append_range(yielded, loop->getResults().drop_front(2 + carried));
  graph::YieldOp::create(builder, node.getLoc(), yielded);
  for (Value value : ArrayRef(yielded).drop_front(flag))
    trial->addArgument(value.getType(), node.getLoc());

  builder.setInsertionPoint(holding);
  for (auto &whole : wholes)
    for (size_t k = 0; whole && k < whole->roomCount(); ++k)
      starts.push_back(scalars.number(k ? kValues : kElements));
  starts.push_back(node.scalar(builder.getI1Type(), 1));
  while (starts.size() < yielded.size())
    starts.push_back(scalars.number(0));
  OperationState state(node.getLoc(), graph::WhileOp::getOperationName());
  state.addOperands(starts);
  state.addTypes(ValueRange(starts).getTypes());
  Block &check = state.addRegion()->emplaceBlock();
  for (Value start : starts)
    check.addArgument(start.getType(), node.getLoc());
  OpBuilder inCheck(builder.getContext());
  inCheck.setInsertionPointToEnd(&check);
  graph::ConditionOp::create(inCheck, node.getLoc(), check.getArgument(flag));
  state.addRegion()->takeBody(holding->getRegion(1));
  Operation *search = builder.create(state);
  holding->erase();
  builder.setInsertionPointAfter(search);
  ValueRange found = search->getResults();
  for (auto &whole : wholes) {
    DimList dims;
    for (size_t k = 0; whole && k < whole->roomCount(); ++k, found = found.drop_front())
      dims.push_back(scalars.bind(found.front(), "the room for a sequence"));
    if (whole)
      whole->setRoom(dims);
  }
  return search;
}

/// Where iterations add elements of other shapes, or other numbers of them, the loop runs once for
/// how much they add alone, and then again. So it does for the number of iterations where only the
/// condition ends it: that is how much scan outputs hold. And so it does, as often as it takes, for
/// the room of sequences that are carried as a whole.
LogicalResult LoopImporter::measure(bool triesRoom) {
  if (drawsNumbers(*body))
    return node.error(
        "draws random numbers, and has scan outputs, or a sequence that gets longer, but no trip "
        "count or elements of other shapes each time, so how much they hold is not known");
  OpBuilder &builder = node.getBuilder();
  Operation *holding = nullptr;
  if (triesRoom) {
    OperationState state(node.getLoc(), graph::WhileOp::getOperationName());
    state.addRegion();
    Block *trial = &state.addRegion()->emplaceBlock();
    holding = builder.create(state);
    forgetBody();
    builder.setInsertionPointToEnd(trial);
    for (auto &whole : wholes) {
      DimList room;
      for (size_t k = 0; whole && k < whole->roomCount(); ++k)
        room.push_back(scalars.bind(trial->addArgument(scalars.number(0).getType(), node.getLoc()),
                                    "the room for a sequence"));
      if (whole)
        whole->setRoom(room);
    }
    if (failed(importAgain()))
      return failure();
  }
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  Node inside = inBody(inner);
  auto count = [&](DimAttr each) {
    Value before = carry(scalars.number(0));
    next.push_back(inside.add(before, ShapeScalars(inside).number(each)));
  };
  for (Addition &addition : additions) {
    if (addition.isFixed)
      continue;
    count(addition.added.length());
    if (addition.added.shapes)
      count(addition.added.valueDims(0).front());
  }
  Operation *loop = buildLoop();
  Value iterations = loop->getResult(0);
  ValueRange totals = loop->getResults().drop_front(2 + carried);
  if (triesRoom) {
    const size_t counted = totals.size();
    loop = tryRoom(holding, loop);
    totals = loop->getResults().take_back(counted);
    iterations = loop->getResult(loop->getNumResults() - counted - 1);
  }
  SmallVector<DimAttr> measured;
  for (Value total : totals)
    measured.push_back(scalars.bind(total, "the number of what all iterations add"));
  if (!tripCount || !alwaysGoesOn) {
    tripCount = iterations;
    tripDim = scalars.bind(tripCount, "the number of iterations");
  }
  if (failed(importAgain()))
    return failure();
  ArrayRef<DimAttr> left(measured);
  for (Addition &addition : additions) {
    if (addition.isFixed)
      continue;
    addition.length = left.front();
    addition.values = addition.added.shapes ? left[1] : DimAttr();
    left = left.drop_front(addition.added.shapes ? 2 : 1);
  }
  alwaysGoesOn = true; // as often as was counted
  return success();
}

/// Tensors for all elements that iterations add, in which those of one stand behind those of the
/// iterations before it.
void LoopImporter::addGrowth() {
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  Node inside = inBody(inner);
  auto grow = [&](Value part, DimAttr extent) {
    graph::TensorType type = graph::getTensorType(part);
    DimAttr own = type.getDim(0);
    DimList dims(type.getDims());
    dims[0] = extent;
    Value all = carry(node.fill(node.typeOf(dims, type.getElementType()), 0)),
          before = carry(scalars.number(0));
    Value places = inside.add(inside.iota({own}, 0), inside.broadcast(before, {}, {own}));
    next.push_back(
        inside.create<graph::ScatterOp>(graph::ScatterKind::replace, all, places, part, 0));
    next.push_back(inside.add(before, ShapeScalars(inside).number(own)));
  };
  for (Addition &addition : additions) {
    if (addition.isFixed)
      continue;
    grow(addition.added.values, addition.added.shapes ? addition.values : addition.length);
    if (addition.added.shapes)
      grow(addition.added.shapes, addition.length);
  }
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
    goesOn = t.create<graph::AndOp>(
        goesOn, t.compare(graph::CompareKind::lt, check->getArgument(0), tripCount));
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

/// A sequence and what all iterations have added to it.
FailureOr<Value> LoopImporter::longer(Value state, const OpenSequence &added) {
  SmallVector<Value> parts;
  if (isOpenSequence(state))
    parts.push_back(state);
  else
    llvm::append_range(parts, contentsOf(state));
  parts.push_back(putTogether(node, added));
  if (isGrowing(state))
    return makeGrowing(node.getBuilder(), node.getLoc(), parts);
  FailureOr<OpenSequence> whole = openSequenceOf(node, parts);
  if (failed(whole))
    return failure();
  return putTogether(node, *whole);
}

LogicalResult LoopImporter::setOutputs(Operation *loop) {
  OpBuilder &builder = node.getBuilder();
  Location loc = node.getLoc();
  SmallVector<Value> last(loop->getResults().slice(2, carried));
  ArrayRef<Value> left(last);
  DimAttr count = tripDim;
  if (!slices.empty() && !alwaysGoesOn)
    count = scalars.bind(loop->getResult(0), "the number of iterations");
  // What is as much each time is [iterations, elements of each, ...].
  ValueRange all = loop->getResults().drop_front(2 + carried),
             grown = all.drop_front(slices.size());
  for (Addition &addition : additions) {
    OpenSequence &added = addition.added;
    if (addition.isFixed) {
      Value whole = all[addition.slice];
      if (count != tripDim)
        whole = node.cut(whole, 0, node.dim(0), count);
      DimList dims(graph::getTensorType(whole).getDims());
      dims[1] = node.known(DimExpr(dims[0]) * DimExpr(dims[1]));
      dims.erase(dims.begin());
      added.values = node.reshape(whole, dims);
      continue;
    }
    added.values = grown[0];
    if (added.shapes)
      added.shapes = grown[2];
    grown = grown.drop_front(added.shapes ? 4 : 2);
  }
  const Addition *addition = additions.begin();
  for (size_t i = 0; i < outputs; ++i) {
    FailureOr<Value> result = Value();
    if (i >= states.size())
      result = stackElements(node, addition++->added);
    else if (forms[i] == Form::Additions)
      result = longer(states[i], addition++->added);
    else if (forms[i] == Form::Whole)
      result = wholes[i]->end(node, last, mayLackRoom);
    else
      result = rebuild(builder, loc, states[i], left);
    if (failed(result))
      return failure();
    if (i < states.size() && forms[i] == Form::Whole)
      left = left.drop_front(2 * wholes[i]->roomCount());
    node.setOutput(*result);
  }
  return success();
}

LogicalResult LoopImporter::run() {
  bool hasRoom = true;
  if (failed(importFittingBody()) || failed(checkCarried()) || failed(giveRoom(hasRoom)))
    return failure();
  const bool isOpen =
      llvm::any_of(additions, [](const Addition &addition) { return !addition.isFixed; });
  if ((isOpen || !hasRoom || (!slices.empty() && !tripCount)) && failed(measure(!hasRoom)))
    return failure();
  addSlices();
  addGrowth();
  return setOutputs(buildLoop());
}
