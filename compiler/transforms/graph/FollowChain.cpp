//===- FollowChain.cpp - From the scores of a chain to the sums that it ends in ---------------===//
//
// What is computed for each element of the axis is followed as a sum of terms: factors that do not
// vary along the axis leave the sums at the end, and so do summands,
//   sum_j w_j (x_j + c) = sum_j w_j x_j + c sum_j w_j,
// so that weights may be normalised before or after, and the logarithm of a softmax may be summed
// up. The states are what is left: sums of what varies, weighted by e^(s - m) or not.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/MaximumChain.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;

using How = Term::How;

static std::string nameOf(Operation *op) { return op->getName().getStringRef().str(); }

/// Whether terms are the scores, or a map of them, and nothing of the chain's results.
static bool isPure(const Terms &terms) {
  return terms.size() == 1 && !terms[0].isWeight && !terms[0].isNegative &&
         terms[0].fixed.empty() && terms[0].varying.size() == 1;
}
static Terms pure(Value value) {
  Term term;
  term.varying.push_back({value, How::multiplies});
  return {term};
}

/// Floats of fewer bits.
static bool isNarrower(Type type, Type than) {
  return llvm::isa<FloatType>(type) && llvm::isa<FloatType>(than) &&
         type.getIntOrFloatBitWidth() < than.getIntOrFloatBitWidth();
}

static std::string neededElsewhere(const Terms &terms, Operation *user) {
  if (isPure(terms))
    return "has scores that are needed elsewhere: " + nameOf(user);
  if (terms[0].isWeight)
    return "has weights that are needed elsewhere: " + nameOf(user);
  return "no rule repairs " + nameOf(user) + " of x - max x";
}

std::string MaximumChain::followScores() {
  for (OpOperand &use : scores.getUses()) {
    Operation *user = use.getOwner();
    if (user == maximum)
      continue;
    auto sub = llvm::dyn_cast<graph::SubOp>(user);
    Value shift = sub && use.getOperandNumber() == 0 ? fixedPart(sub.getY()) : Value();
    Term weight;
    weight.isWeight = true;
    bool isShifted = shift && shift == maximum.getResult();
    if (shift && !isShifted) {
      if (Value factor = largerShift(shift)) {
        weight.fixed.push_back({factor, How::multiplies});
        isShifted = true;
      } else {
        isShifted = guardInfinite(shift, weight);
      }
    }
    std::string reason;
    if (isShifted) {
      members.insert(sub);
      reason = followShifted(sub.getResult(), shift, weight);
    } else {
      reason = followUse(use, pure(scores));
    }
    if (!reason.empty())
      return reason;
  }
  return "";
}

/// Of a shift x = max(m, c), such as by the logit of a sink, e^(s - x) = e^(s - m) e^(m - x): the
/// second factor, which is at most 1. Null for other shifts.
Value MaximumChain::largerShift(Value shift) {
  auto larger = shift.getDefiningOp<graph::MaxOp>();
  if (!larger ||
      llvm::none_of(larger->getOperands(), [&](Value x) { return x == maximum.getResult(); }))
    return {};
  OpBuilder builder(larger);
  builder.setInsertionPointAfter(larger);
  graph::GraphBuilder b(builder, larger.getLoc());
  return b.create<graph::ExpOp>(b.sub(maximum.getResult(), shift));
}

/// A shift by 0 where the maximum m is infinite, and by m elsewhere, as graph.logsumexp has it. The
/// sum of e^s is e^m there: inf with one score of inf, 0 when all are -inf.
bool MaximumChain::guardInfinite(Value shift, Term &weight) {
  auto select = shift.getDefiningOp<graph::SelectOp>();
  if (!select || select->getOperand(2) != maximum.getResult())
    return false;
  Value condition = select->getOperand(0);
  auto isInf = condition.getDefiningOp<graph::IsInfOp>();
  auto zero = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(select->getOperand(1)));
  if (!isInf || isInf->getOperand(0) != maximum.getResult() || !zero || !zero.getValue().isZero())
    return false;
  OpBuilder builder(select);
  weight.isInfinite = condition;
  weight.atInfinite =
      graph::GraphBuilder(builder, select.getLoc()).create<graph::ExpOp>(maximum.getResult());
  return true;
}

/// Exponentials of x - max x are weights; elsewhere it is a sum of two terms.
std::string MaximumChain::followShifted(Value shifted, Value shift, const Term &weight) {
  Terms difference = pure(scores);
  Term &subtracted = difference.emplace_back();
  subtracted.isNegative = true;
  subtracted.fixed.push_back({shift, How::multiplies});
  for (OpOperand &use : shifted.getUses()) {
    bool isExponent = llvm::isa<graph::ExpOp>(use.getOwner());
    std::string reason = isExponent ? goOn(use.getOwner(), {weight}) : followUse(use, difference);
    if (!reason.empty())
      return reason;
  }
  return "";
}

std::string MaximumChain::followValue(Value value, const Terms &terms) {
  for (OpOperand &use : value.getUses())
    if (std::string reason = followUse(use, terms); !reason.empty())
      return reason;
  return "";
}

/// A member of the chain, which is followed once.
std::string MaximumChain::goOn(Operation *user, const Terms &terms) {
  return members.insert(user) ? followValue(user->getResult(0), terms) : "";
}

std::string MaximumChain::followUse(OpOperand &use, const Terms &terms) {
  Operation *user = use.getOwner();
  if (user->getBlock() != maximum->getBlock())
    return "has weights that a region needs";
  if (llvm::isa<graph::ReduceOp, graph::ContractOp>(user))
    return addSum(use, terms);
  if (auto place = llvm::dyn_cast<graph::ArgReduceOp>(user))
    return use.get() == scores ? addPlace(place) : neededElsewhere(terms, user);
  // Maps of the scores that know nothing of the chain's results are as good as scores.
  if (isPure(terms) && user->hasTrait<graph::Elementwise>() &&
      llvm::none_of(user->getOperands(), [&](Value operand) { return isResult(operand); }))
    return maps.insert(user).second ? followValue(user->getResult(0), pure(user->getResult(0)))
                                    : "";
  // Rounded weights are no terms any more, but operands of products: a stream rounds those of a
  // block, before factors that do not vary are applied, to numbers with as many digits.
  Type element = graph::getTensorType(scores).getElementType();
  if (auto convert = llvm::dyn_cast<graph::ConvertOp>(user);
      convert && mayRound && terms[0].isWeight &&
      isNarrower(convert.getType().getElementType(), element) &&
      llvm::all_of(user->getUsers(),
                   [](Operation *op) { return llvm::isa<graph::ContractOp>(op); }))
    return goOn(user, terms);
  if (llvm::isa<graph::SelectOp, graph::IsNanOp>(user))
    return followSelect(use.get(), user, terms);
  if (llvm::isa<graph::NegOp>(user)) {
    Terms next = terms;
    for (Term &term : next)
      term.isNegative = !term.isNegative;
    return goOn(user, next);
  }
  if (llvm::isa<graph::AddOp, graph::SubOp>(user))
    return followSummand(use, terms);
  if (llvm::isa<graph::MulOp, graph::DivOp>(user))
    return followFactor(use, terms);
  return neededElsewhere(terms, user);
}

std::string MaximumChain::followSummand(OpOperand &use, const Terms &terms) {
  constexpr size_t kMaxTerms = 4;
  Operation *user = use.getOwner();
  Value other = user->getOperand(1 - use.getOperandNumber());
  // A weight and a number are no logarithm of a softmax: nobody needs their sum.
  if (other == use.get() || terms[0].isWeight || terms.size() == kMaxTerms)
    return neededElsewhere(terms, user);
  bool isDifference = llvm::isa<graph::SubOp>(user);
  Terms next = terms;
  if (isDifference && use.getOperandNumber() == 1)
    for (Term &term : next)
      term.isNegative = !term.isNegative;
  Term &added = next.emplace_back();
  added.isNegative = isDifference && use.getOperandNumber() == 0;
  if (Value fixed = fixedPart(other))
    added.fixed.push_back({fixed, How::multiplies});
  else
    added.varying.push_back({other, How::multiplies});
  return goOn(user, next);
}

std::string MaximumChain::followFactor(OpOperand &use, const Terms &terms) {
  Operation *user = use.getOwner();
  bool isQuotient = llvm::isa<graph::DivOp>(user);
  Value other = user->getOperand(1 - use.getOperandNumber());
  if (isQuotient && use.getOperandNumber() == 1)
    return neededElsewhere(terms, user);
  Value fixed = fixedPart(other);
  if (!fixed && (isQuotient || other == use.get()))
    return "has weights that are multiplied with each other or divided by what varies";
  Terms next = terms;
  for (Term &term : next) {
    // Zeros that were chosen would have to be divided, too.
    if (isQuotient && llvm::any_of(term.fixed, [](const Term::Factor &factor) {
          return factor.how == How::keepsWhere || factor.how == How::zerosWhere;
        }))
      return "has weights that are divided after some were replaced by 0";
    if (fixed)
      term.fixed.push_back({fixed, isQuotient ? How::divides : How::multiplies});
    else
      term.varying.push_back({other, How::multiplies});
  }
  return goOn(user, next);
}

/// The sum that weights were divided by, when they are nothing else than e^(x - m) by its own sum;
/// null otherwise: a factor might be NaN, too.
Value MaximumChain::totalOf(Value value, const Terms &terms) const {
  auto quotient = value.getDefiningOp<graph::DivOp>();
  if (!quotient || !terms[0].isWeight || terms[0].fixed.size() != 1 || !terms[0].varying.empty())
    return {};
  Value divisor = terms[0].fixed[0].value;
  auto total = divisor.getDefiningOp<graph::ReduceOp>();
  bool isOwnSum = total && total.getKind() == graph::ReduceKind::sum &&
                  total.getAxes() == ArrayRef<int64_t>{axis} && total.getX() == quotient.getX() &&
                  total.getX().getDefiningOp<graph::ExpOp>();
  return isOwnSum ? divisor : Value();
}

/// Zeros instead of weights: where a condition says so, of rows or of single elements, or where
/// weights are NaN. Once they are divided by their sum, all of a row are when one is, and the sum
/// is NaN, or 0 in a stream, which takes e^-inf to be 0 also where nothing is larger.
std::string MaximumChain::followSelect(Value value, Operation *user, const Terms &terms) {
  auto isZero = [](Value x) {
    auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(x));
    return splat && splat.getValue().isZero();
  };
  auto zerosNaN = [&](Operation *select) {
    return llvm::isa<graph::SelectOp>(select) && isZero(select->getOperand(1)) &&
           select->getOperand(2) == value;
  };
  Value total = totalOf(value, terms);
  if (llvm::isa<graph::IsNanOp>(user)) {
    if (!total || !llvm::all_of(user->getUsers(), zerosNaN))
      return neededElsewhere(terms, user);
    members.insert(user);
    return "";
  }
  Value condition = user->getOperand(0);
  bool isFirst = user->getOperand(1) == value;
  if (value == condition || !isZero(user->getOperand(isFirst ? 2 : 1)))
    return "has weights that are replaced by something else than 0";
  OpBuilder builder(user);
  graph::GraphBuilder b(builder, user->getLoc());
  auto isTotalThere = [&]() -> Term::Factor {
    return {b.compare(graph::CompareKind::gt, total, b.fillLike(total, 0.0)), How::keepsWhere};
  };
  Terms next = terms;
  auto isNaN = condition.getDefiningOp<graph::IsNanOp>();
  if (isNaN && isNaN->getOperand(0) == value && total) {
    next[0].fixed.push_back(isTotalThere());
    return goOn(user, next);
  }
  How how = isFirst ? How::keepsWhere : How::zerosWhere;
  Value fixed = fixedPart(condition);
  for (Term &term : next) {
    (fixed ? term.fixed : term.varying).push_back({fixed ? fixed : condition, how});
    // A row of -inf alone, whose weights are NaN: 0 is what takes their place.
    if (!fixed && total)
      term.fixed.push_back(isTotalThere());
  }
  return goOn(user, next);
}

unsigned MaximumChain::addState(Operation *op, unsigned operand, const Term &term) {
  bool mayBeShared = llvm::isa<graph::ReduceOp>(op);
  for (auto [number, state] : llvm::enumerate(states))
    if (state.isWeight == term.isWeight && state.varying == term.varying &&
        (state.op == op || (mayBeShared && llvm::isa<graph::ReduceOp>(state.op))))
      return number;
  states.push_back({op, operand, term.isWeight, term.varying});
  return states.size() - 1;
}

std::string MaximumChain::addSum(OpOperand &use, const Terms &terms) {
  Operation *op = use.getOwner();
  if (llvm::any_of(terms, [&](const Term &term) {
        return term.isInfinite &&
               (!llvm::isa<graph::ReduceOp>(op) || !term.varying.empty() || !term.fixed.empty());
      }))
    return "has a shift of 0 at infinite maxima, and weights that are not just summed";
  if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op)) {
    // Sums of maps of the scores may be of integers, which blocks do not round: how many there are
    // of a kind.
    const Type element = reduce.getType().getElementType();
    const bool isExact = isPure(terms) && llvm::isa<IntegerType>(element);
    if (reduce.getKind() != graph::ReduceKind::sum || reduce.getAxes() != ArrayRef<int64_t>{axis} ||
        (!isExact && element != graph::getTensorType(scores).getElementType()))
      return isPure(terms) ? neededElsewhere(terms, op)
                           : "has weights that are reduced otherwise than by a sum along the axis";
  } else {
    auto contract = llvm::cast<graph::ContractOp>(op);
    StringRef own = contract.getLhsLetters(), other = contract.getRhsLetters();
    if (use.getOperandNumber() == 1)
      std::swap(own, other);
    bool isAlong = other.contains(own[axis]);
    for (auto [place, letter] : llvm::enumerate(own))
      isAlong &= contract.getResultLetters().contains(letter) != (int64_t(place) == axis);
    if (!isAlong)
      return isPure(terms) ? neededElsewhere(terms, op)
                           : "has weights that are contracted along other axes";
    // It may round its result: that comes after what is merged.
    Type element = graph::getTensorType(scores).getElementType(),
         given = contract.getType().getElementType();
    if (contract.getAccumulatorType() != element ||
        (given != element && !(mayRound && isNarrower(given, element))))
      return "has a contraction in another type";
    // Each term would be a product of its own.
    if (terms.size() > 1 && llvm::any_of(other, [&](char letter) { return !own.contains(letter); }))
      return "has logarithms of weights that are contracted to several columns";
  }
  if (!members.insert(op))
    return "has weights that are multiplied with each other";
  Sum sum{op, use.getOperandNumber(), terms, {}};
  for (const Term &term : terms) {
    bool isCount = llvm::isa<graph::ReduceOp>(op) && !term.isWeight && term.varying.empty();
    sum.states.push_back(isCount ? std::nullopt
                                 : std::optional(addState(op, use.getOperandNumber(), term)));
  }
  sums.push_back(std::move(sum));
  return "";
}

std::string MaximumChain::addPlace(graph::ArgReduceOp place) {
  if (place.getKind() != graph::ArgReduceKind::max || int64_t(place.getAxis()) != axis)
    return neededElsewhere(pure(scores), place);
  members.insert(place);
  places.push_back(place);
  return "";
}
