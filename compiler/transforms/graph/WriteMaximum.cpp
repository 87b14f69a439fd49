//===- WriteMaximum.cpp - The states of a maximum and of what follows from it -----------------===//
#include "compiler/transforms/graph/MaximumChain.h"
#include "dialects/common/AnyWhereNan.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;

using How = Term::How;

//===----------------------------------------------------------------------===//
// Sums from states
//===----------------------------------------------------------------------===//

/// A value of the scores' dims without the axis, at the dims of a sum.
Value MaximumChain::spread(graph::GraphBuilder &b, Operation *op, unsigned operand, Value kept,
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

const Sum *MaximumChain::sumOf(Value value) const {
  for (const Sum &sum : sums)
    if (sum.result() == value)
      return &sum;
  return nullptr;
}

bool MaximumChain::isWholeInside(const Sum &sum) const {
  return llvm::all_of(sum.terms, [&](const Term &term) {
    return llvm::all_of(term.fixed,
                        [&](const Term::Factor &factor) { return isKnownInside(factor.value); });
  });
}

bool MaximumChain::isOwn(Value value) const {
  if (value == graph::ReduceOp(maximum).getResult())
    return true;
  const Sum *sum = sumOf(value);
  return sum && isWholeInside(*sum);
}

Value MaximumChain::makeOwn(graph::GraphBuilder &b, Value value, ValueRange stateValues) {
  const Sum *sum = sumOf(value);
  if (!sum)
    return stateValues[0];
  Value total =
      addTerms(b, *sum, [&](unsigned term) { return scaleInside(b, *sum, term, stateValues); });
  if (const Term &term = sum->terms.front(); term.isInfinite)
    total = b.create<graph::SelectOp>(findInside(b, term.isInfinite, stateValues),
                                      findInside(b, term.atInfinite, stateValues), total);
  return b.convert(total, graph::getTensorType(value).getElementType());
}

/// Applies the factors that left the sum of a term, those that are found.
Value MaximumChain::scale(graph::GraphBuilder &b, const Sum &sum, const Term &term, Value value,
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

Value MaximumChain::scaleInside(graph::GraphBuilder &b, const Sum &sum, unsigned term,
                                ValueRange stateValues) {
  std::optional<unsigned> state = sum.states[term];
  Value value = state ? stateValues[*state + 1] : count(b, dimsOf(sum.result()));
  return scale(b, sum, sum.terms[term], value, [&](Value kept) {
    return isKnownInside(kept) ? findInside(b, kept, stateValues) : Value();
  });
}

Value MaximumChain::addTerms(graph::GraphBuilder &b, const Sum &sum,
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
// Lift and merge
//===----------------------------------------------------------------------===//

/// What scores are compared with. Without any score above -inf that is the lowest number, because
/// -inf - -inf is none.
Value MaximumChain::makeFinite(graph::GraphBuilder &b, Value maximum) const {
  auto type = llvm::cast<FloatType>(graph::getTensorType(maximum).getElementType());
  APFloat lowest = APFloat::getLargest(type.getFloatSemantics(), /*Negative=*/true);
  return mark(b.max(maximum, lowest.convertToDouble()));
}

/// A maximum that need not be NaN where a score is takes one instruction instead of several.
Value MaximumChain::mark(Value larger) const {
  if (showsNan)
    larger.getDefiningOp()->setAttr(graph::kAnyWhereNan, UnitAttr::get(larger.getContext()));
  return larger;
}

/// Whether everything that is given is NaN where a score is because sums of weights are, without
/// the maximum: e^(s - m) is NaN whatever m is.
bool MaximumChain::outputsShowNan() {
  auto dropsNan = [](const Term::Factor &factor) { return factor.how != How::multiplies; };
  if (!places.empty() || llvm::any_of(states, [&](const State &state) {
        return state.isWeight && llvm::any_of(state.varying, dropsNan);
      }))
    return false;
  return llvm::all_of(outputs, [&](const Output &output) { return showsNanIn(output.value); });
}

bool MaximumChain::showsNanIn(Value value) {
  if (const Sum *sum = sumOf(value))
    return llvm::all_of(sum->terms,
                        [](const Term &term) { return term.isWeight && !term.isInfinite; });
  Operation *op = value.getDefiningOp();
  bool handsOn =
      isResult(value) && (llvm::isa<graph::BroadcastOp>(op) ||
                          (op->hasTrait<graph::Elementwise>() && !llvm::isa<graph::SelectOp>(op) &&
                           llvm::isa<FloatType>(graph::getTensorType(value).getElementType())));
  return handsOn &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return showsNanIn(operand); });
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
Value MaximumChain::liftSummand(graph::GraphBuilder &b, const State &state, Value s, Value weight) {
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

SmallVector<Value> MaximumChain::lift(graph::GraphBuilder &b) {
  Value s = inLift(b, scores, axis);
  Value m = mark(b.reduce(graph::ReduceKind::max, s, {axis}));
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
    auto contract = llvm::cast<graph::ContractOp>(state.op);
    Value operand = contract->getOperand(state.operand);
    Value rounded = b.convert(summand, graph::getTensorType(operand).getElementType());
    Operation *copy = b.getBuilder().clone(*state.op);
    copy->setOperand(state.operand, rounded);
    copy->setOperand(1 - state.operand, lifted.lookup(otherFactor(contract, state.operand)));
    copy->getResult(0).setType(typeOfState(unsigned(yielded.size())));
    yielded.push_back(copy->getResult(0));
  }
  for (auto [place, positions] : llvm::zip_equal(places, positionsOfPlaces)) {
    Value at = b.broadcast(lifted.lookup({positions, 0}), {axis}, dimsOf(s));
    Value none = fillNoPlace(b, place, graph::getTensorType(at));
    Value candidates = b.create<graph::SelectOp>(isWhere(b, s, b.expand(m, {axis}, s)), at, none);
    bool isLast = graph::ArgReduceOp(place).getSelectLast();
    yielded.push_back(
        b.reduce(isLast ? graph::ReduceKind::max : graph::ReduceKind::min, candidates, {axis}));
  }
  return yielded;
}

bool MaximumChain::hasWeights() const {
  return llvm::any_of(states, [](const State &state) { return state.isWeight; });
}

SmallVector<Value> MaximumChain::merge(graph::GraphBuilder &b, ValueRange x, ValueRange y) {
  Value m = mark(b.max(x[0], y[0])), a, c;
  if (hasWeights()) {
    // One of e^(m - max), e^(m' - max) is 1, the other one e^-|m - m'|: one exponential, not two.
    Value d = b.sub(makeFinite(b, x[0]), makeFinite(b, y[0]));
    Value one = b.fillLike(m, 1.0);
    Value less = b.create<graph::ExpOp>(b.create<graph::NegOp>(b.create<graph::AbsOp>(d)));
    Value isFirst = b.compare(graph::CompareKind::ge, d, b.fillLike(m, 0.0));
    a = b.create<graph::SelectOp>(isFirst, one, less);
    c = b.create<graph::SelectOp>(isFirst, less, one);
  }
  SmallVector<Value> merged{m};
  for (auto [number, state] : llvm::enumerate(states)) {
    Value left = x[number + 1], right = y[number + 1];
    if (state.isWeight) {
      ArrayRef<DimAttr> dims = dimsOf(left);
      left = b.mul(left, spread(b, state.op, state.operand, a, dims));
      right = b.mul(right, spread(b, state.op, state.operand, c, dims));
    }
    merged.push_back(b.add(left, right));
  }
  for (auto [number, place] : llvm::enumerate(places)) {
    unsigned state = 1 + states.size() + number;
    Value none = fillNoPlace(b, place, graph::getTensorType(x[state]));
    Value left = b.create<graph::SelectOp>(isWhere(b, x[0], m), x[state], none);
    Value right = b.create<graph::SelectOp>(isWhere(b, y[0], m), y[state], none);
    bool isLast = graph::ArgReduceOp(place).getSelectLast();
    merged.push_back(isLast ? b.max(left, right) : b.min(left, right));
  }
  return merged;
}

//===----------------------------------------------------------------------===//
// Instead of the chain
//===----------------------------------------------------------------------===//

Type MaximumChain::typeOfState(unsigned number) {
  if (number == 0)
    return maximum.getType();
  if (number <= states.size()) {
    Operation *op = states[number - 1].op;
    // Products may round their results, which comes behind the stream.
    graph::TensorType type = graph::getTensorType(op->getResult(0));
    return llvm::isa<graph::ReduceOp>(op)
               ? type
               : type.withElementType(graph::getTensorType(scores).getElementType());
  }
  return places[number - 1 - states.size()].getType();
}

SmallVector<Attribute> MaximumChain::identity() {
  auto element = llvm::cast<FloatType>(graph::getTensorType(scores).getElementType());
  SmallVector<Attribute> neutral{
      FloatAttr::get(element, APFloat::getInf(element.getFloatSemantics(), /*Negative=*/true))};
  for (unsigned number = 1; number <= states.size(); ++number) {
    Type type = llvm::cast<graph::TensorType>(typeOfState(number)).getElementType();
    neutral.push_back(OpBuilder(maximum).getZeroAttr(type));
  }
  for (graph::ArgReduceOp place : places)
    neutral.push_back(noPlace(place));
  return neutral;
}

void MaximumChain::prepare(graph::GraphBuilder &b) {
  // Factors that are known behind the stream only.
  llvm::SmallPtrSet<Operation *, 8> kept;
  for (const Sum &sum : sums)
    for (const Term &term : sum.terms)
      for (const Term::Factor &factor : term.fixed)
        if (!isKnownInside(factor.value))
          kept.insert(factor.value.getDefiningOp());
  llvm::SetVector<Value> needed;
  for (Value value : takeMaps(kept))
    if (sumOf(value) || isKnownInside(value))
      needed.insert(value);
  for (unsigned i = 0; i < needed.size(); ++i) {
    const Sum *sum = sumOf(needed[i]);
    if (!sum || isWholeInside(*sum)) {
      outputs.push_back({needed[i], std::nullopt});
      continue;
    }
    for (auto [number, term] : llvm::enumerate(sum->terms)) {
      outputs.push_back({needed[i], number});
      for (const Term::Factor &factor : term.fixed)
        if (!isKnownInside(factor.value) && sumOf(factor.value))
          needed.insert(factor.value);
    }
  }
  for (graph::ArgReduceOp place : places) {
    Type type = graph::getTensorType(place.getResult()).getElementType();
    Value positions =
        b.create<graph::IotaOp>(graph::TensorType::get({dimsOf(scores)[axis]}, type), int64_t(0));
    positionsOfPlaces.push_back(positions);
    inputs.insert({positions, 0});
  }
  showsNan = outputsShowNan();
}

SmallVector<Value> MaximumChain::finalize(graph::GraphBuilder &b, ValueRange stateValues) {
  SmallVector<Value> yielded;
  for (const Output &output : outputs)
    yielded.push_back(output.term ? scaleInside(b, *sumOf(output.value), *output.term, stateValues)
                                  : findInside(b, output.value, stateValues));
  llvm::append_range(yielded, stateValues.drop_front(1 + states.size()));
  return yielded;
}

/// A result of the chain behind the stream.
Value MaximumChain::findOutside(graph::GraphBuilder &b, Value value, ValueRange streamed) {
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

SmallVector<std::pair<Value, Value>> MaximumChain::resultsOf(graph::GraphBuilder &b,
                                                             ValueRange streamed) {
  SmallVector<std::pair<Value, Value>> pairs;
  for (const Output &output : outputs)
    pairs.push_back({output.value, findOutside(b, output.value, streamed)});
  for (auto [place, result] : llvm::zip(places, streamed.drop_front(outputs.size())))
    pairs.push_back({place.getResult(), result});
  return pairs;
}
