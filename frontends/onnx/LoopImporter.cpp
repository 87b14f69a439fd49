//===- LoopImporter.cpp - Loops: what the body makes ------------------------------------------===//

#include "frontends/onnx/LoopImporter.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

LoopImporter::LoopImporter(Node &node, LoopStart start, Body importIteration, size_t outputs)
    : node(node), scalars(node), importIteration(std::move(importIteration)), outputs(outputs),
      tripCount(start.tripCount), condition(start.condition), tripDim(start.tripDim),
      states(std::move(start.states)), grows(std::move(start.grows)), tokens(states.size()) {}

LogicalResult LoopImporter::checkResults(Node &node, ArrayRef<Value> results, size_t states,
                                         size_t outputs) {
  if (results.size() < 1 + states || results.size() != 1 + outputs)
    return node.error("its body gives " + Twine(results.size()) + " values for " + Twine(states) +
                      " carried ones and " + Twine(outputs) + " outputs");
  if (isStructure(results[0]))
    return node.error("goes on as " + describeStructure(results[0]) + " says, expected a bool");
  for (Value slice : results.drop_front(1 + states))
    if (isStructure(slice) && !isStrings(slice))
      return node.error("has a scan output that is " + describeStructure(slice));
  return success();
}

LogicalResult LoopImporter::importBody() {
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
  if (failed(importIteration(inner, arguments, results)))
    return failure();
  return checkResults(node, results, states.size(), outputs);
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
    // A sequence of another length is another type.
    if (isSame && isOpenSequence(state))
      isSame = state.getType() == result.getType();
    if (isSame) {
      flatten(result, next);
      continue;
    }
    bool mayGrow = isSequence(state) || isOpenSequence(state) || isGrowing(state);
    if (!mayGrow || grows[i])
      return node.error(
          "carried value " + Twine(i) + " begins as " + describeStructure(state) +
          " and goes on as " + describeStructure(result) +
          (mayGrow ? "; where the number of iterations is not known when compiling, or "
                     "more than are repeated then, a loop may only add elements at the end"
                   : "; the trip count has to be known when compiling"));
    grows[i] = true;
    fits = false;
  }
  if (!fits)
    return success();
  nextCondition = b.reshape(results[0], {});
  if (failed(takeAdditions()))
    return failure();
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

/// What this iteration adds to each of the sequences that grow, and to scan outputs.
LogicalResult LoopImporter::takeAdditions() {
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  Node inside = inBody(inner);
  for (size_t i = 0; i < outputs; ++i) {
    const bool isScan = i >= states.size();
    if (!isScan && !grows[i])
      continue;
    Value result = results[1 + i];
    FailureOr<OpenSequence> added =
        isScan ? openSequenceOf(inside, result)
               : openSequenceOf(inside, llvm::to_vector(contentsOf(result).drop_front()));
    if (failed(added))
      return failure();
    additions.emplace_back();
    additions.back().result = i;
    additions.back().added = *added;
  }
  return success();
}

void LoopImporter::forgetBody() {
  if (holder)
    holder->erase();
  holder = nullptr;
  results.clear();
  next.clear();
  slices.clear();
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
  auto replace = [&](DimList dims) {
    for (DimAttr &dim : dims)
      if (DimAttr outside = dim ? known.lookup(dim) : DimAttr())
        dim = outside;
    return dims;
  };
  for (Addition &addition : additions) {
    OpenSequence &added = addition.added;
    added.dims = replace(added.dims);
    added.values = b.reshape(added.values, replace(added.valueDims(0)));
  }
  return sortAdditions();
}

/// What is as much in each iteration becomes slices. Extents that depend on data inside of the body
/// are the elements' own, outside of it.
LogicalResult LoopImporter::sortAdditions() {
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  Node inside = inBody(inner);
  for (Addition &addition : additions) {
    OpenSequence &added = addition.added;
    if (added.areStrings && dependsOnBody(added.valueDims(0).back(), *body))
      return node.error("has a scan output, or adds to a sequence, strings whose number of bytes "
                        "depends on data inside of the body");
    DimList own = added.dims;
    for (DimAttr &dim : own)
      if (dim && dependsOnBody(dim, *body))
        dim = {};
    const bool haveOneShape =
        !added.shapes && llvm::all_of(own, [](DimAttr dim) { return bool(dim); });
    if (!haveOneShape)
      added = asRagged(inside, added, own);
    addition.isFixed = haveOneShape && !dependsOnBody(added.length(), *body);
    if (!addition.isFixed)
      continue;
    addition.slice = slices.size();
    slices.push_back(added.values);
  }
  return success();
}
