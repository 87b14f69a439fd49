//===- WriteStream.cpp - The stream of a chain of reductions ----------------------------------===//
#include "compiler/transforms/graph/StreamChain.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;

using How = Term::How;

//===----------------------------------------------------------------------===//
// Sums from states
//===----------------------------------------------------------------------===//

Type StreamChain::typeOfState(unsigned number) const {
  if (number == 0)
    return graph::ReduceOp(maximum).getResult().getType();
  if (number <= states.size())
    return graph::getTensorType(states[number - 1].op->getResult(0))
        .withElementType(graph::getTensorType(scores).getElementType());
  return graph::ArgReduceOp(places[number - 1 - states.size()]).getType();
}

/// A value of the scores' dims without the axis, at the dims of a sum.
Value StreamChain::spread(graph::GraphBuilder &b, Operation *op, unsigned operand, Value kept,
                          ArrayRef<DimAttr> dims) {
  auto contract = llvm::dyn_cast<graph::ContractOp>(op);
  if (!contract)
    return kept;
  StringRef own = operand == 0 ? contract.getLhsLetters() : contract.getRhsLetters();
  SmallVector<int64_t> at;
  for (auto [place, letter] : llvm::enumerate(own))
    if (int64_t(place) != axis)
      at.push_back(contract.getResultLetters().find(letter));
  return b.broadcast(kept, at, dims);
}

const Sum *StreamChain::sumOf(Value value) const {
  for (const Sum &sum : sums)
    if (sum.result() == value)
      return &sum;
  return nullptr;
}

/// Whether finalize can compute it: from states, element by element.
bool StreamChain::isKnownInside(Value kept) const {
  if (kept == graph::ReduceOp(maximum).getResult())
    return true;
  if (const Sum *sum = sumOf(kept))
    return isWholeInside(*sum);
  Operation *op = kept.getDefiningOp();
  if (!op)
    return false;
  if (op->hasTrait<OpTrait::ConstantLike>() || llvm::isa<graph::DimValueOp>(op))
    return true;
  return (op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op)) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isKnownInside(operand); });
}

bool StreamChain::isWholeInside(const Sum &sum) const {
  return llvm::all_of(sum.terms, [&](const Term &term) {
    return llvm::all_of(term.fixed,
                        [&](const Term::Factor &factor) { return isKnownInside(factor.value); });
  });
}

Value StreamChain::findInside(graph::GraphBuilder &b, Value kept, ValueRange stateValues) {
  if (Value known = inside.lookupOrNull(kept))
    return known;
  Value found;
  if (const Sum *sum = sumOf(kept)) {
    found =
        addTerms(b, *sum, [&](unsigned term) { return scaleInside(b, *sum, term, stateValues); });
    if (const Term &first = sum->terms.front(); first.isInfinite)
      found = b.create<graph::SelectOp>(findInside(b, first.isInfinite, stateValues),
                                        findInside(b, first.atInfinite, stateValues), found);
    found = b.convert(found, graph::getTensorType(kept).getElementType());
  } else {
    Operation *op = kept.getDefiningOp();
    for (Value operand : op->getOperands())
      findInside(b, operand, stateValues);
    found = b.getBuilder().clone(*op, inside)->getResult(0);
  }
  inside.map(kept, found);
  return found;
}

/// Applies the factors that left the sum of a term, those that are found.
Value StreamChain::scale(graph::GraphBuilder &b, const Sum &sum, const Term &term, Value value,
                         llvm::function_ref<Value(Value)> find) {
  Value unscaled = value;
  ArrayRef<DimAttr> dims = dimsOf(sum.result());
  for (const Term::Factor &factor : term.fixed) {
    Value kept = find(factor.value);
    if (!kept)
      continue;
    Value spreadOut = spread(b, sum.op, sum.operand, kept, dims);
    switch (factor.how) {
    case How::multiplies: value = b.mul(value, spreadOut); break;
    case How::divides: value = b.div(value, spreadOut); break;
    case How::keepsWhere:
    case How::zerosWhere:
      Value zero = b.fillLike(value, 0.0);
      bool keeps = factor.how == How::keepsWhere;
      value = b.create<graph::SelectOp>(spreadOut, keeps ? value : zero, keeps ? zero : value);
      value.getDefiningOp()->setAttr(graph::kIgnoresNonFinite, UnitAttr::get(value.getContext()));
      break;
    }
  }
  if (value == unscaled)
    return value;
  // Where no element was chosen the sum is 0, whatever the factors are.
  bool chooses = !term.isWeight && llvm::any_of(term.varying, [](const Term::Factor &factor) {
    return factor.how != How::multiplies;
  });
  if (chooses) {
    Value zero = b.fillLike(value, 0.0);
    value =
        b.create<graph::SelectOp>(b.compare(graph::CompareKind::eq, unscaled, zero), zero, value);
  }
  // So is the sum of nothing.
  DimAttr extent = dimsOf(scores)[axis];
  if (!mayBeZero(extent))
    return value;
  auto scalar =
      graph::TensorType::getScalar(IntegerType::get(maximum.getContext(), 64, IntegerType::Signed));
  Value count = b.create<graph::DimValueOp>(extent);
  Value isEmpty = b.compare(graph::CompareKind::eq, count, b.splat(scalar, 0));
  return b.create<graph::SelectOp>(b.broadcast(isEmpty, {}, dims), unscaled, value);
}

Value StreamChain::scaleInside(graph::GraphBuilder &b, const Sum &sum, unsigned term,
                               ValueRange stateValues) {
  std::optional<unsigned> state = sum.states[term];
  Value value = state ? stateValues[*state + 1] : count(b, sum);
  return scale(b, sum, sum.terms[term], value, [&](Value kept) {
    return isKnownInside(kept) ? findInside(b, kept, stateValues) : Value();
  });
}

/// The number of elements along the axis, at the dims of a sum.
Value StreamChain::count(graph::GraphBuilder &b, const Sum &sum) {
  graph::TensorType type = graph::getTensorType(sum.result());
  Value number = b.create<graph::DimValueOp>(dimsOf(scores)[axis]);
  return b.broadcast(b.convert(number, type.getElementType()), {}, type.getDims());
}

Value StreamChain::addTerms(graph::GraphBuilder &b, const Sum &sum,
                            llvm::function_ref<Value(unsigned)> get) {
  Value total;
  for (auto [number, term] : llvm::enumerate(sum.terms)) {
    Value value = get(number);
    if (!total)
      total = term.isNegative ? b.create<graph::NegOp>(value) : value;
    else
      total = term.isNegative ? b.sub(total, value) : b.add(total, value);
  }
  return total;
}

//===----------------------------------------------------------------------===//
// Lift
//===----------------------------------------------------------------------===//

graph::TensorType StreamChain::liftedType(Value value, int64_t axis) const {
  graph::TensorType type = graph::getTensorType(value);
  SmallVector<DimAttr> dims(type.getDims());
  if (axis >= 0)
    dims[axis] = block;
  return type.withDims(dims);
}

bool StreamChain::mayBeZero(DimAttr dim) {
  auto function = maximum->getParentOfType<graph::FuncOp>();
  return graph::evaluateDimRange(dim, [&](StringRef symbol) {
           graph::RangeAttr range = function.getRange(symbol);
           return graph::DimInterval{range.getLo(), range.getHi().value_or(INT64_MAX)};
         }).lo <= 0;
}

Value StreamChain::inLift(graph::GraphBuilder &b, Value value, int64_t axis) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (OpOperand &operand : op->getOpOperands())
    if (!mapping.contains(operand.get()))
      inLift(b, operand.get(), *axisOfOperand(operand, axis));
  Operation *copy = b.getBuilder().clone(*op, mapping);
  copy->getResult(0).setType(liftedType(value, axis));
  mapping.map(value, copy->getResult(0));
  return copy->getResult(0);
}

/// What scores are compared with. Without any score above -inf that is the lowest number, because
/// -inf - -inf is none.
static Value makeFinite(graph::GraphBuilder &b, Value maximum) {
  auto type = llvm::cast<FloatType>(graph::getTensorType(maximum).getElementType());
  APFloat lowest = APFloat::getLargest(type.getFloatSemantics(), /*Negative=*/true);
  return b.max(maximum, lowest.convertToDouble());
}

/// Where the maximum is; NaN is the maximum where there is one.
static Value isWhere(graph::GraphBuilder &b, Value x, Value maximum) {
  return b.create<graph::OrOp>(b.compare(graph::CompareKind::eq, x, maximum),
                               b.create<graph::IsNanOp>(x));
}

/// A place behind all others, or before them where the last one is looked for.
static IntegerAttr noPlace(graph::ArgReduceOp place) {
  auto type = llvm::cast<IntegerType>(graph::getTensorType(place.getResult()).getElementType());
  return IntegerAttr::get(type, place.getSelectLast() ? APInt(type.getWidth(), -1, true)
                                                      : APInt::getSignedMaxValue(type.getWidth()));
}
static Value fillNoPlace(graph::GraphBuilder &b, graph::ArgReduceOp place, graph::TensorType type) {
  IntegerAttr none = noPlace(place);
  auto scalar = graph::TensorType::getScalar(none.getType());
  Value constant = b.create<graph::ConstantOp>(
      scalar, DenseElementsAttr::get(llvm::cast<ShapedType>(scalar), none.getValue()));
  return b.broadcast(constant, {}, type.getDims());
}

/// What a state sums up, for every element of a block.
Value StreamChain::liftSummand(graph::GraphBuilder &b, const State &state, Value s, Value weight) {
  Value value = state.isWeight ? weight : Value();
  for (const Term::Factor &factor : state.varying) {
    Value own = inLift(b, factor.value, axis);
    if (factor.how == How::multiplies) {
      value = value ? b.mul(value, own) : own;
      continue;
    }
    if (!value)
      value = b.fillLike(s, 1.0);
    Value zero = b.fillLike(value, 0.0);
    bool keeps = factor.how == How::keepsWhere;
    value = b.create<graph::SelectOp>(own, keeps ? value : zero, keeps ? zero : value);
  }
  return value ? value : b.fillLike(s, 1.0);
}

void StreamChain::writeLift(Region &region) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  Location loc = maximum.getLoc();
  for (auto [value, inputAxis] : inputs)
    mapping.map(value, body->addArgument(liftedType(value, inputAxis), value.getLoc()));
  graph::GraphBuilder b(builder, loc);
  Value s = inLift(b, scores, axis);
  Value m = b.reduce(graph::ReduceKind::max, s, {axis});
  Value weight;
  if (hasWeights())
    weight = b.create<graph::ExpOp>(b.sub(s, b.expand(makeFinite(b, m), {axis}, s)));
  SmallVector<Value> yielded{m};
  for (const State &state : states) {
    Value summand = liftSummand(b, state, s, weight);
    if (llvm::isa<graph::ReduceOp>(state.op)) {
      yielded.push_back(b.reduce(graph::ReduceKind::sum, summand, {axis}));
      continue;
    }
    IRMapping operands(mapping);
    Value operand = state.op->getOperand(state.operand);
    operands.map(operand, b.convert(summand, graph::getTensorType(operand).getElementType()));
    Operation *copy = builder.clone(*state.op, operands);
    copy->getResult(0).setType(typeOfState(unsigned(yielded.size())));
    yielded.push_back(copy->getResult(0));
  }
  for (auto [place, positions] : llvm::zip_equal(places, positionsOfPlaces)) {
    Value at = b.broadcast(mapping.lookup(positions), {axis}, dimsOf(s));
    Value none = fillNoPlace(b, place, graph::getTensorType(at));
    Value candidates = b.create<graph::SelectOp>(isWhere(b, s, b.expand(m, {axis}, s)), at, none);
    bool isLast = graph::ArgReduceOp(place).getSelectLast();
    yielded.push_back(
        b.reduce(isLast ? graph::ReduceKind::max : graph::ReduceKind::min, candidates, {axis}));
  }
  graph::YieldOp::create(builder, loc, yielded);
}

//===----------------------------------------------------------------------===//
// Merge and finalize
//===----------------------------------------------------------------------===//

bool StreamChain::hasWeights() const {
  return llvm::any_of(states, [](const State &state) { return state.isWeight; });
}

void StreamChain::writeMerge(Region &region) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  Location loc = maximum.getLoc();
  for (int side = 0; side < 2; ++side)
    for (unsigned number = 0; number < countStates(); ++number)
      body->addArgument(typeOfState(number), loc);
  graph::GraphBuilder b(builder, loc);
  ValueRange first = body->getArguments().take_front(countStates()),
             second = body->getArguments().drop_front(countStates());
  Value m = b.max(first[0], second[0]), a, c;
  if (hasWeights()) {
    // One of e^(m - max), e^(m' - max) is 1, the other one e^-|m - m'|: one exponential, not two.
    Value d = b.sub(makeFinite(b, first[0]), makeFinite(b, second[0]));
    Value one = b.fillLike(m, 1.0);
    Value less = b.create<graph::ExpOp>(b.create<graph::NegOp>(b.create<graph::AbsOp>(d)));
    Value isFirst = b.compare(graph::CompareKind::ge, d, b.fillLike(m, 0.0));
    a = b.create<graph::SelectOp>(isFirst, one, less);
    c = b.create<graph::SelectOp>(isFirst, less, one);
  }
  SmallVector<Value> merged{m};
  for (auto [number, state] : llvm::enumerate(states)) {
    Value x = first[number + 1], y = second[number + 1];
    if (state.isWeight) {
      ArrayRef<DimAttr> dims = dimsOf(x);
      x = b.mul(x, spread(b, state.op, state.operand, a, dims));
      y = b.mul(y, spread(b, state.op, state.operand, c, dims));
    }
    merged.push_back(b.add(x, y));
  }
  for (auto [number, place] : llvm::enumerate(places)) {
    unsigned state = 1 + states.size() + number;
    Value none = fillNoPlace(b, place, graph::getTensorType(first[state]));
    Value x = b.create<graph::SelectOp>(isWhere(b, first[0], m), first[state], none);
    Value y = b.create<graph::SelectOp>(isWhere(b, second[0], m), second[state], none);
    merged.push_back(graph::ArgReduceOp(place).getSelectLast() ? b.max(x, y) : b.min(x, y));
  }
  graph::YieldOp::create(builder, loc, merged);
}

/// What the stream gives: results of the chain, and terms of sums that are added up behind it.
void StreamChain::chooseOutputs() {
  // Maps of results go with it: one tensor is written instead of several.
  llvm::SetVector<Operation *> maps;
  for (Operation *op : results)
    if (!members.contains(op) &&
        (op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op)) &&
        isKnownInside(op->getResult(0)))
      maps.insert(op);
  auto isGone = [&](Operation *op) { return members.contains(op) || maps.contains(op); };
  maps.remove_if([&](Operation *op) {
    return llvm::isa<graph::BroadcastOp>(op) && !llvm::all_of(op->getUsers(), isGone);
  });
  members.insert(maps.begin(), maps.end());
  llvm::SetVector<Value> needed;
  auto need = [&](Value value) {
    if (sumOf(value) || isKnownInside(value))
      needed.insert(value);
  };
  for (Operation *op : members)
    for (Value result : op->getResults())
      if (!llvm::all_of(result.getUsers(), isGone))
        need(result);
  for (unsigned i = 0; i < needed.size(); ++i) {
    const Sum *sum = sumOf(needed[i]);
    if (!sum || isWholeInside(*sum)) {
      outputs.push_back({needed[i], std::nullopt});
      continue;
    }
    for (auto [number, term] : llvm::enumerate(sum->terms)) {
      outputs.push_back({needed[i], number});
      for (const Term::Factor &factor : term.fixed)
        if (!isKnownInside(factor.value))
          need(factor.value);
    }
  }
}

void StreamChain::writeFinalize(Region &region) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  for (unsigned number = 0; number < countStates(); ++number)
    body->addArgument(typeOfState(number), maximum.getLoc());
  graph::GraphBuilder b(builder, maximum.getLoc());
  inside.map(maximum.getResult(), body->getArgument(0));
  SmallVector<Value> yielded;
  for (const Output &output : outputs)
    yielded.push_back(output.term
                          ? scaleInside(b, *sumOf(output.value), *output.term, body->getArguments())
                          : findInside(b, output.value, body->getArguments()));
  for (unsigned number = 1 + states.size(); number < countStates(); ++number)
    yielded.push_back(body->getArgument(number));
  graph::YieldOp::create(builder, maximum.getLoc(), yielded);
}

//===----------------------------------------------------------------------===//
// Instead of the chain
//===----------------------------------------------------------------------===//

graph::StreamOp StreamChain::writeStream(OpBuilder &builder, StringRef symbol) {
  auto element = llvm::cast<FloatType>(graph::getTensorType(scores).getElementType());
  SmallVector<Attribute> identity{
      FloatAttr::get(element, APFloat::getInf(element.getFloatSemantics(), /*Negative=*/true))};
  identity.append(states.size(), FloatAttr::get(element, 0.0));
  for (graph::ArgReduceOp place : places)
    identity.push_back(noPlace(place));
  SmallVector<Value> operands;
  SmallVector<int64_t> axes;
  for (auto [value, inputAxis] : inputs) {
    operands.push_back(value);
    axes.push_back(inputAxis);
  }
  Region lift, merge, finalize;
  writeLift(lift);
  writeMerge(merge);
  writeFinalize(finalize);
  TypeRange types = finalize.front().getTerminator()->getOperandTypes();
  auto stream =
      graph::StreamOp::create(builder, maximum.getLoc(), types, operands, axes,
                              builder.getArrayAttr(identity), builder.getStringAttr(symbol));
  stream.getLift().takeBody(lift);
  stream.getMerge().takeBody(merge);
  stream.getFinalize().takeBody(finalize);
  return stream;
}

/// A result of the chain behind the stream.
Value StreamChain::findOutside(graph::GraphBuilder &b, Value value, ValueRange streamed) {
  if (Value known = outside.lookup(value))
    return known;
  const Sum *sum = sumOf(value);
  Value found;
  if (!sum || isWholeInside(*sum)) {
    for (auto [output, result] : llvm::zip(outputs, streamed))
      if (output.value == value)
        found = result;
  } else {
    found = addTerms(b, *sum, [&](unsigned number) {
      Value result;
      for (auto [output, own] : llvm::zip(outputs, streamed))
        if (output.value == value && output.term == number)
          result = own;
      return scale(b, *sum, sum->terms[number], result, [&](Value kept) {
        if (isKnownInside(kept))
          return Value();
        return sumOf(kept) ? findOutside(b, kept, streamed) : kept;
      });
    });
    found = b.convert(found, graph::getTensorType(value).getElementType());
  }
  outside[value] = found;
  return found;
}

void StreamChain::replace() {
  auto function = maximum->getParentOfType<graph::FuncOp>();
  MLIRContext *context = maximum.getContext();
  results.clear(); // Some came since.
  isResult(maximum.getResult());
  chooseOutputs();
  std::string symbol = function.getFreshSymbol("block");
  function.setRange(symbol, graph::RangeAttr::get(context, 1, std::nullopt));
  block = DimExpr::symbol(context, symbol);

  Block *around = maximum->getBlock();
  OpBuilder builder(maximum);
  builder.setInsertionPointAfter(members.back());
  for (Operation *op : members)
    if (builder.getInsertionPoint() != around->end() &&
        !op->isBeforeInBlock(&*builder.getInsertionPoint()))
      builder.setInsertionPointAfter(op);
  graph::GraphBuilder b(builder, maximum.getLoc());
  for (graph::ArgReduceOp place : places) {
    Type type = graph::getTensorType(place.getResult()).getElementType();
    Value positions =
        b.create<graph::IotaOp>(graph::TensorType::get({dimsOf(scores)[axis]}, type), int64_t(0));
    positionsOfPlaces.push_back(positions);
    inputs.insert({positions, 0});
  }
  graph::StreamOp stream = writeStream(builder, symbol);

  auto isOutside = [&](OpOperand &use) { return !members.contains(use.getOwner()); };
  SmallVector<std::pair<Value, Value>> replaced;
  for (const Output &output : outputs)
    replaced.push_back({output.value, findOutside(b, output.value, stream.getResults())});
  for (auto [place, result] : llvm::zip(places, stream.getResults().drop_front(outputs.size())))
    replaced.push_back({graph::ArgReduceOp(place).getResult(), result});
  for (auto [original, result] : replaced)
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
