//===- LoopImporter.cpp - Loops: what the body makes ------------------------------------------===//

#include "frontends/onnx/LoopImporter.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

LoopImporter::LoopImporter(Node &node, LoopStart start, Body importIteration, size_t outputs)
    : node(node), scalars(node), importIteration(std::move(importIteration)), outputs(outputs),
      tripCount(start.tripCount), condition(start.condition), tripDim(start.tripDim),
      states(std::move(start.states)), tokens(states.size()), wholes(states.size()),
      noted(node.importer.notes()) {
  for (bool grows : start.grows)
    forms.push_back(grows ? Form::Additions : Form::AsItIs);
}

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
  Node inside = inBody(inner);
  for (size_t i = 0; i < states.size(); ++i) {
    if (forms[i] == Form::Additions) {
      tokens[i] = node.at(inner).scalar(node.getBuilder().getI1Type(), 0);
      arguments.push_back(makeGrowing(inner, loc, tokens[i]));
    } else if (forms[i] == Form::Whole) {
      arguments.push_back(wholes[i]->begin(inside, tensors));
      left = left.drop_front(2 * wholes[i]->roomCount());
    } else {
      arguments.push_back(rebuild(inner, loc, states[i], left));
      if (isGrowing(states[i]))
        tokens[i] = contentsOf(arguments.back()).front();
    }
  }
  if (failed(importIteration(inner, arguments, results)))
    return failure();
  return checkResults(node, results, states.size(), outputs);
}

/// Whether the importer is asked for all of a sequence of which this loop carries additions.
bool LoopImporter::wantsAllOf(size_t &i) {
  Value &needed = node.importer.needed;
  for (i = 0; needed && i < states.size(); ++i)
    if (tokens[i] == needed) {
      needed = {};
      return true;
    }
  return false;
}

/// The body with the states in their forms. It does not fit when some have to have others.
LogicalResult LoopImporter::tryBody(bool &fits) {
  fits = true;
  // What is wrong with a sequence that begins as a list may be that it does not stay one.
  SmallVector<size_t> lists;
  for (size_t i = 0; i < states.size(); ++i)
    if (forms[i] == Form::AsItIs && isSequence(states[i]))
      lists.push_back(i);
  std::vector<Diagnostic> errors;
  std::optional<Importer::Report> before;
  if (!lists.empty())
    before = node.importer.saveReport();
  LogicalResult result = failure();
  {
    std::optional<ScopedDiagnosticHandler> keep;
    if (!lists.empty())
      keep.emplace(node.getLoc().getContext(), [&](Diagnostic &diagnostic) {
        errors.push_back(std::move(diagnostic));
        return success();
      });
    result = importBody();
    if (succeeded(result))
      result = takeResults(fits);
  }
  size_t asked = 0;
  if (failed(result) && wantsAllOf(asked)) {
    fits = false;
    forgetBody();
    return carryWhole(asked);
  }
  if (succeeded(result) || lists.empty() || node.importer.needed) {
    for (Diagnostic &error : errors)
      node.getLoc().getContext()->getDiagEngine().emit(std::move(error));
    return result;
  }
  node.importer.restoreReport(*before);
  for (size_t i : lists)
    forms[i] = Form::Additions;
  fits = false;
  return success();
}

/// A sequence that begins without elements has those that the first iterations give.
FailureOr<OpenSequence> LoopImporter::firstElements(size_t i) {
  constexpr int64_t kMost = 4;
  OperationState state(node.getLoc(), graph::WhileOp::getOperationName());
  Block &block = state.addRegion()->emplaceBlock();
  Operation *holding = node.getBuilder().create(state);
  auto erase = llvm::scope_exit([&] {
    node.importer.forget(holding);
    node.importer.restore(noted);
  });
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  Node inside = inBody(inner);
  SmallVector<Value> current(states);
  for (int64_t k = 0; k <= kMost; ++k) {
    Value number = ShapeScalars(inside).number(k);
    if (k == kMost) // Any later one.
      number = block.addArgument(number.getType(), node.getLoc());
    SmallVector<Value> arguments{number, condition}, made;
    llvm::append_range(arguments, current);
    if (failed(node.importer.countRepeated(node, node.attribute("body")->g())) ||
        failed(importIteration(inner, arguments, made)) ||
        failed(checkResults(node, made, states.size(), outputs)))
      return failure();
    current.assign(made.begin() + 1, made.begin() + 1 + states.size());
    Value given = current[i];
    if (!isSequence(given) && !isOpenSequence(given))
      return node.error("carried value " + Twine(i) + " begins as " + describeStructure(states[i]) +
                        " and goes on as " + describeStructure(given));
    if (isSequence(given) && contentsOf(given).empty())
      continue;
    SmallVector<Value> parts;
    if (isOpenSequence(given))
      parts.push_back(given);
    else
      llvm::append_range(parts, contentsOf(given));
    FailureOr<OpenSequence> whole = openSequenceOf(inside, parts);
    if (failed(whole))
      return failure();
    OpenSequence none;
    none.areStrings = whole->areStrings;
    DimList dims{node.dim(0)};
    bool areAlike = true;
    for (DimAttr dim : whole->dims) {
      areAlike &= dim && !dependsOnBody(dim, block);
      none.dims.push_back(dim && !dependsOnBody(dim, block) ? dim : DimAttr());
    }
    if (areAlike)
      llvm::append_range(dims, none.dims);
    if (none.areStrings)
      dims.push_back(node.dim(0));
    none.values =
        node.fill(node.typeOf(dims, graph::getTensorType(whole->values).getElementType()), 0);
    if (!areAlike)
      none.shapes = node.fill(
          node.typeOf({node.dim(0), node.dim(int64_t(none.dims.size()))}, node.si64()), 0);
    return none;
  }
  return node.error(
      "carries a sequence without elements, to which its body adds none, so what they "
      "are is not known");
}

LogicalResult LoopImporter::carryWhole(size_t i) {
  Value state = states[i];
  if (isGrowing(state)) // A loop around this one makes it longer.
    return node.importer.needAllOf(state);
  forms[i] = Form::Whole;
  FailureOr<OpenSequence> init = OpenSequence();
  if (isOpenSequence(state))
    init = takeApart(state);
  else if (!contentsOf(state).empty())
    init = openSequenceOf(node, llvm::to_vector(contentsOf(state)));
  else
    init = firstElements(i);
  if (failed(init))
    return failure();
  wholes[i].emplace(i, *init);
  // As much as anything, until it is known how much there has to be.
  wholes[i]->setRoom({node.dim(1), node.dim(1)});
  return success();
}

/// Whether an extent is another one behind the body: one that depends on data inside of it, or is
/// computed of the same symbols. Of others nothing is known.
static bool isOther(DimAttr before, DimAttr behind, Block &body) {
  if (before == behind)
    return false;
  if (graph::isKnownDifferent(before, behind) || dependsOnBody(behind, body))
    return true;
  llvm::StringSet<> symbols;
  graph::walkDimSymbols(before, [&](StringRef symbol) { symbols.insert(symbol); });
  bool areSame = true;
  graph::walkDimSymbols(behind, [&](StringRef symbol) { areSame &= symbols.contains(symbol); });
  return areSame;
}

/// Whether elements of a list get other extents; only of lists whose elements may stand in one
/// sequence.
static bool haveOtherExtents(Value list, Value next, Block &body) {
  bool areOther = false;
  std::optional<graph::TensorType> first;
  for (auto [element, made] : llvm::zip(contentsOf(list), contentsOf(next))) {
    if (isStructure(element) && !isStrings(element))
      return false;
    graph::TensorType before =
        graph::getTensorType(isStrings(element) ? contentsOf(element)[0] : element);
    graph::TensorType behind = graph::getTensorType(isStrings(made) ? contentsOf(made)[0] : made);
    first = first ? first : before;
    for (graph::TensorType type : {before, behind})
      if (type.rank() != first->rank() || type.getElementType() != first->getElementType())
        return false;
    const size_t extents = size_t(first->rank()) - isStrings(element);
    for (size_t d = 0; d < extents; ++d)
      areOther |= isOther(before.getDim(d), behind.getDim(d), body);
  }
  return areOther;
}

/// Tensors of the body's results. It does not fit when a state has to have another form.
LogicalResult LoopImporter::takeResults(bool &fits) {
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  Node inside = inBody(inner);
  fits = true;
  for (size_t i = 0; i < states.size(); ++i) {
    Value state = states[i], result = results[1 + i];
    const bool isList = isSequence(result) || isOpenSequence(result);
    if (forms[i] == Form::Whole && isList) {
      FailureOr<bool> isSame = wholes[i]->take(node, inside, result, *body, next);
      if (failed(isSame))
        return failure();
      fits &= *isSame;
      continue;
    }
    if (forms[i] == Form::Additions && isGrowing(result) && contentsOf(result).front() == tokens[i])
      continue;
    bool isSame = forms[i] == Form::AsItIs && haveSameStructure(state, result);
    // A sequence of another length is another type.
    if (isSame && isOpenSequence(state))
      isSame = state.getType() == result.getType();
    // Neither does an element have to keep its extents.
    if (isSame && isSequence(state))
      isSame = !haveOtherExtents(state, result, *body);
    if (isSame) {
      flatten(result, next);
      continue;
    }
    const bool mayChange = isSequence(state) || isOpenSequence(state) || isGrowing(state);
    if (!mayChange || !(isList || isGrowing(result)))
      return node.error("carried value " + Twine(i) + " begins as " + describeStructure(state) +
                        " and goes on as " + describeStructure(result) +
                        (mayChange ? "" : "; the trip count has to be known when compiling"));
    if (isGrowing(result) && contentsOf(result).front() != tokens[i])
      return node.importer.needAllOf(result);
    fits = false;
    if (forms[i] == Form::Additions && failed(carryWhole(i)))
      return failure();
    if (forms[i] == Form::AsItIs)
      forms[i] = Form::Additions;
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
    if (!isScan && forms[i] != Form::Additions)
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
    node.importer.forget(holder);
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

/// One number that goes on with more axes than it begins with has them from the beginning.
bool LoopImporter::addUnitAxes() {
  auto isOneNumber = [](ArrayRef<DimAttr> dims) {
    return llvm::all_of(dims, [](DimAttr dim) { return dim.getConstant() == 1; });
  };
  bool anyAdded = false;
  for (size_t i = 0; i < states.size(); ++i) {
    Value &state = states[i], next = results[1 + i];
    if (forms[i] != Form::AsItIs || isStructure(state) || isStructure(next))
      continue;
    graph::TensorType begins = graph::getTensorType(state), goesOn = graph::getTensorType(next);
    if (begins.rank() >= goesOn.rank() || begins.getElementType() != goesOn.getElementType() ||
        !isOneNumber(begins.getDims()) || !isOneNumber(goesOn.getDims()))
      continue;
    state = node.reshape(state, goesOn.getDims());
    anyAdded = true;
  }
  return anyAdded;
}

/// The body, with room for the strings that it carries.
LogicalResult LoopImporter::importFittingBody() {
  for (bool fits = false; !fits;) {
    inits.clear();
    areStrings.clear();
    for (size_t i = 0; i < states.size(); ++i) {
      if (forms[i] == Form::Whole)
        wholes[i]->addInits(node, inits, areStrings);
      if (forms[i] != Form::AsItIs)
        continue;
      flatten(states[i], inits);
      markStrings(states[i], areStrings);
    }
    if (failed(tryBody(fits)))
      return failure();
    if (fits && !addUnitAxes())
      break;
    if (isSettled)
      return node.error("carries a sequence whose elements are others when its body is imported "
                        "again");
    fits = false;
    forgetBody();
    if (failed(node.importer.countRepeated(node, node.attribute("body")->g())))
      return failure();
    node.importer.restore(noted);
  }
  isSettled = true;
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
    if (!isSame)
      return node.error("carries a sequence whose elements are others when strings are longer");
  }
}

/// The same body, of which now more is known outside.
LogicalResult LoopImporter::importAgain() {
  forgetBody();
  if (failed(node.importer.countRepeated(node, node.attribute("body")->g())))
    return failure();
  node.importer.restore(noted);
  return success(succeeded(importFittingBody()) && succeeded(checkCarried()));
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

/// A carried value that the body does not read may begin as something else: only the last one is
/// seen, and the loop has to run once for it, which is checked.
bool LoopImporter::carryUnread(size_t i) {
  graph::TensorType type = graph::getTensorType(next[i]);
  BlockArgument argument = body->getArgument(2 + i);
  if (!argument.use_empty() || dependsOnBody(type.getDims(), *body))
    return false;
  std::string text;
  llvm::raw_string_ostream(text) << "whether it runs once (carried value " << i << " begins as "
                                 << inits[i].getType() << " and goes on as " << type << ")";
  Value runs = node.convert(condition, node.si64());
  if (tripCount)
    runs = node.min(runs, node.max(tripCount, scalars.number(0)));
  node.importer.checkInRun(node, runs, text);
  inits[i] = node.fill(type, 0);
  argument.setType(type);
  return true;
}

/// Carried values keep their shape: extents that cannot be compared are taken to be equal, and
/// checked. An extent that the body computes is known then, also where a scan output has it.
LogicalResult LoopImporter::checkCarried() {
  llvm::DenseMap<DimAttr, DimAttr> known;
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  graph::GraphBuilder b = node.at(inner);
  llvm::StringMap<graph::BindDimOp> bound;
  if (!isChecked)
    body->walk([&](graph::BindDimOp bind) { bound[bind.getSymbol()] = bind; });
  for (auto [i, init, value] : llvm::enumerate(inits, next)) {
    if (llvm::any_of(wholes, [i = i](const auto &whole) { return whole && whole->holds(i); }))
      continue;
    graph::TensorType wanted = graph::getTensorType(init), type = graph::getTensorType(value);
    bool fits = wanted.getElementType() == type.getElementType() && wanted.rank() == type.rank();
    for (size_t d = 0; fits && d < wanted.getDims().size(); ++d)
      fits = !graph::isKnownDifferent(wanted.getDim(d), type.getDim(d));
    if (!fits && carryUnread(i))
      continue;
    if (!isChecked)
      outgrown = findOutgrown(i, bound);
    if (!fits || outgrown) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "carried value " << i << " begins as " << wanted << " and goes on as " << type
          << "; a carried value has to keep its type and shape";
      if (outgrown)
        forgetBody();
      return node.error(text);
    }
    next[i] = b.reshape(value, wanted.getDims());
    for (auto [inside, outside] : llvm::zip(type.getDims(), wanted.getDims()))
      if (inside != outside)
        known.try_emplace(inside, outside);
  }
  isChecked = true;
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
  SmallVector<Value> arguments(body->getArguments().drop_front(2)), roomy;
  Node inside = inBody(inner);
  auto replaced = [&](Operation *from, Operation *to) {
    auto follow = [&](Value &value) {
      if (value && value.getDefiningOp() == from)
        value = to->getResult(llvm::cast<OpResult>(value).getResultNumber());
    };
    llvm::for_each(next, follow);
    llvm::for_each(results, follow);
    follow(nextCondition);
    for (Addition &addition : additions) {
      follow(addition.added.values);
      follow(addition.added.shapes);
    }
  };
  for (auto &whole : wholes)
    if (whole)
      whole->write(inside, arguments, next, mayLackRoom ? &roomy : nullptr, replaced);
  for (Value fits : roomy)
    nextCondition = inside.create<graph::AndOp>(nextCondition, fits);
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
