//===- FormStreams.cpp - Chains of reductions over one axis become streams --------------------===//
//
// Looks for reductions that need an earlier one of the same axis and can be repaired when that
// changes:
//   m = max s,  sums of e^(s - m) * gamma,   repaired by e^(m - m')
// where gamma is anything of the elements: 1, a factor, the other operand of a contraction. Factors
// that do not vary along the axis leave the sums first (distributivity), so that weights may be
// normalised before or after; so do zeros that take the place of all weights of a row. A shift may
// be larger than the maximum of the axis (a sink's logit).
// The theorem is "the general rule" of the design's section on streams.
//
// A chain is found from its maximum: forward, whatever is computed from the scores; backward, what
// the scores are computed from. What is needed elsewhere too would have to be stored all the same.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/graph/StreamChain.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFORMSTREAMS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;

ArrayRef<DimAttr> transforms::dimsOf(Value value) { return graph::getTensorType(value).getDims(); }

SmallVector<DimAttr> transforms::without(ArrayRef<DimAttr> dims, int64_t axis) {
  SmallVector<DimAttr> kept(dims);
  kept.erase(kept.begin() + axis);
  return kept;
}

std::optional<int64_t> transforms::axisOfOperand(OpOperand &operand, int64_t axis) {
  Operation *op = operand.getOwner();
  if (axis < 0)
    return -1;
  if (op->hasTrait<graph::Elementwise>())
    return axis;
  if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(op)) {
    ArrayRef<int64_t> dims = broadcast.getDims();
    auto at = llvm::find(dims, axis);
    if (at == dims.end())
      return -1;
    int64_t place = at - dims.begin();
    // An extent of 1 is repeated: it is no part of the axis.
    return dimsOf(broadcast.getX())[place] == broadcast.getType().getDim(axis)
               ? std::optional(place)
               : std::nullopt;
  }
  if (auto transpose = llvm::dyn_cast<graph::TransposeOp>(op))
    return transpose.getPerm()[axis];
  if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
    char letter = contract.getResultLetters()[axis];
    size_t at =
        (operand.getOperandNumber() == 0 ? contract.getLhsLetters() : contract.getRhsLetters())
            .find(letter);
    return at == StringRef::npos ? -1 : int64_t(at);
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

std::string StreamChain::find() {
  if (maximum.getKind() != graph::ReduceKind::max || maximum.getAxes().size() != 1)
    return "is no maximum along one axis";
  Type element = graph::getTensorType(scores).getElementType();
  if (!element.isF32() && !element.isF64())
    return "has scores that are neither f32 nor f64";
  axis = maximum.getAxes()[0];
  members.insert(maximum);
  if (std::string reason = followScores(); !reason.empty())
    return reason;
  if (sums.empty())
    return "is followed by no sum of e^(x - max x)";
  pull(scores, axis, /*mayContract=*/true);
  for (Sum &sum : sums)
    for (Value factor : sum.weight.varying)
      pull(factor, axis, /*mayContract=*/false);
  bool savesMemory =
      llvm::any_of(pulled, [](Operation *op) { return llvm::isa<graph::ContractOp>(op); }) ||
      llvm::any_of(sums, [](Sum &sum) { return llvm::isa<graph::ContractOp>(sum.op); });
  if (!savesMemory)
    return "has neither scores nor weights that a stream would not store";
  if (std::string reason = checkInputs(); !reason.empty())
    return reason;
  return checkCost();
}

/// When one kernel pays. Scores that are known to stay in the cache between kernels are as well off
/// there; the states of a block have to be small, and their size known.
std::string StreamChain::checkCost() const {
  constexpr int64_t kCachedScores = 128 << 10, kMaxColumns = 512;
  int64_t count = 1;
  for (DimAttr dim : dimsOf(scores))
    count =
        dim.isConstant() && count >= 0 ? count * std::min<int64_t>(dim.getValue(), 1 << 24) : -1;
  if (count >= 0 && count <= kCachedScores)
    return "has only " + std::to_string(count) + " scores, which stay in the cache";
  for (const Sum &sum : sums) {
    auto contract = llvm::dyn_cast<graph::ContractOp>(sum.op);
    if (!contract)
      continue;
    StringRef own = sum.operand == 0 ? contract.getLhsLetters() : contract.getRhsLetters();
    int64_t columns = 1;
    for (auto [letter, dim] :
         llvm::zip(contract.getResultLetters(), dimsOf(contract.getResult()))) {
      if (own.contains(letter))
        continue;
      if (!dim.isConstant())
        return "has weighted sums of " + dim.str() + " columns, a number that is not known";
      columns = std::min<int64_t>(dim.getValue(), kMaxColumns + 1) * columns;
      if (columns < 1 || columns > kMaxColumns)
        return "has weighted sums of " + std::to_string(dim.getValue()) +
               " columns; a stream keeps 1 to " + std::to_string(kMaxColumns);
    }
  }
  return "";
}

std::string StreamChain::describe() const {
  auto list = [](ArrayRef<Operation *> ops) {
    std::string names;
    for (Operation *op : ops)
      names += (names.empty() ? "" : ", ") + op->getName().getStringRef().str();
    return names;
  };
  SmallVector<Operation *> reductions, again;
  for (const Sum &sum : sums)
    reductions.push_back(sum.op);
  for (Operation *op : pulled)
    if (!llvm::isa<graph::BroadcastOp>(op) && !op->hasTrait<OpTrait::ConstantLike>())
      again.push_back(op);
  return "along " + dimsOf(scores)[axis].str() + ": the maximum, and " + list(reductions) +
         " of e^(x - max x), repaired by e^(m - m') when the maximum changes" +
         (again.empty() ? "" : "; not stored: " + list(again));
}

std::string StreamChain::followScores() {
  for (Operation *user : scores.getUsers()) {
    if (user == maximum)
      continue;
    auto sub = llvm::dyn_cast<graph::SubOp>(user);
    Value shift = sub && sub.getX() == scores ? fixedPart(sub.getY()) : Value();
    Weight weight;
    if (shift && shift != maximum.getResult())
      if (Value factor = largerShift(shift))
        weight.fixed.push_back({factor, Weight::How::multiplies});
    if (!shift ||
        (shift != maximum.getResult() && weight.fixed.empty() && !guardInfinite(shift, weight)))
      return "has scores that are needed elsewhere: " + user->getName().getStringRef().str();
    members.insert(sub);
    if (std::string reason = followShifted(sub.getResult(), weight); !reason.empty())
      return reason;
  }
  return "";
}

/// Of a shift x = max(m, c), such as by the logit of a sink, e^(s - x) = e^(s - m) e^(m - x): the
/// second factor, which is at most 1. Null for other shifts.
Value StreamChain::largerShift(Value shift) {
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
bool StreamChain::guardInfinite(Value shift, Weight &weight) {
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

std::string StreamChain::followShifted(Value shifted, const Weight &weight) {
  for (Operation *user : shifted.getUsers()) {
    auto exp = llvm::dyn_cast<graph::ExpOp>(user);
    if (!exp)
      return "no rule repairs " + user->getName().getStringRef().str() + " of x - max x";
    if (members.insert(exp))
      if (std::string reason = followWeight(exp.getResult(), weight); !reason.empty())
        return reason;
  }
  return "";
}

/// What a value repeats along the axis; null when it varies.
Value StreamChain::fixedPart(Value expanded) {
  auto broadcast = expanded.getDefiningOp<graph::BroadcastOp>();
  if (!broadcast || llvm::is_contained(broadcast.getDims(), axis))
    return {};
  SmallVector<DimAttr> kept = keptDims();
  if (dimsOf(broadcast.getX()) == ArrayRef(kept)) {
    SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(0, kept.size() + 1));
    places.erase(places.begin() + axis);
    if (broadcast.getDims() == ArrayRef(places))
      return broadcast.getX();
  }
  SmallVector<int64_t> places;
  for (int64_t place : broadcast.getDims())
    places.push_back(place - (place > axis));
  OpBuilder builder(broadcast);
  return graph::GraphBuilder(builder, broadcast.getLoc()).broadcast(broadcast.getX(), places, kept);
}

std::string StreamChain::followWeight(Value value, const Weight &weight) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (user->getBlock() != maximum->getBlock())
      return "has weights that a region needs";
    if (llvm::isa<graph::ReduceOp, graph::ContractOp>(user)) {
      if (std::string reason = addSum(use, weight); !reason.empty())
        return reason;
      continue;
    }
    if (llvm::isa<graph::SelectOp, graph::IsNanOp>(user)) {
      if (std::string reason = followSelect(value, user, weight); !reason.empty())
        return reason;
      continue;
    }
    bool isProduct = llvm::isa<graph::MulOp>(user),
         isQuotient = llvm::isa<graph::DivOp>(user) && use.getOperandNumber() == 0;
    if (!isProduct && !isQuotient)
      return "has weights that are needed elsewhere: " + user->getName().getStringRef().str();
    Value other = user->getOperand(1 - use.getOperandNumber());
    // Zeros that were chosen would have to be divided, too.
    if (isQuotient && llvm::any_of(weight.fixed, [](const Weight::Factor &factor) {
          return factor.how == Weight::How::keepsWhere || factor.how == Weight::How::zerosWhere;
        }))
      return "has weights that are divided after some were replaced by 0";
    Weight next = weight;
    if (Value fixed = fixedPart(other))
      next.fixed.push_back({fixed, isQuotient ? Weight::How::divides : Weight::How::multiplies});
    else if (isProduct && other != value)
      next.varying.push_back(other);
    else
      return "has weights that are multiplied with each other or divided by what varies";
    if (members.insert(user))
      if (std::string reason = followWeight(user->getResult(0), next); !reason.empty())
        return reason;
  }
  return "";
}

/// The sum that weights were divided by, when they are nothing else than e^(x - m) by its own sum;
/// null otherwise: a factor might be NaN, too.
Value StreamChain::totalOf(Value value, const Weight &weight) const {
  auto quotient = value.getDefiningOp<graph::DivOp>();
  if (!quotient || weight.fixed.size() != 1 || !weight.varying.empty())
    return {};
  auto total = weight.fixed[0].value.getDefiningOp<graph::ReduceOp>();
  bool isOwnSum = total && total.getKind() == graph::ReduceKind::sum &&
                  total.getAxes() == ArrayRef<int64_t>{axis} && total.getX() == quotient.getX() &&
                  total.getX().getDefiningOp<graph::ExpOp>();
  return isOwnSum ? weight.fixed[0].value : Value();
}

/// Zeros instead of weights, in whole rows: of a condition that does not vary along the axis, or
/// where weights are NaN. Once they are divided by their sum, all of a row are when one is, and the
/// sum is NaN, or 0 in a stream, which takes e^-inf to be 0 also where nothing is larger.
std::string StreamChain::followSelect(Value value, Operation *user, const Weight &weight) {
  auto isZero = [](Value x) {
    auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(x));
    return splat && splat.getValue().isZero();
  };
  auto zerosNaN = [&](Operation *select) {
    return llvm::isa<graph::SelectOp>(select) && isZero(select->getOperand(1)) &&
           select->getOperand(2) == value;
  };
  Value total = totalOf(value, weight);
  if (llvm::isa<graph::IsNanOp>(user)) {
    if (!total || !llvm::all_of(user->getUsers(), zerosNaN))
      return "has weights that are needed elsewhere: " + user->getName().getStringRef().str();
    members.insert(user);
    return "";
  }
  Value condition = user->getOperand(0);
  bool isFirst = user->getOperand(1) == value;
  if (value == condition || !isZero(user->getOperand(isFirst ? 2 : 1)))
    return "has weights that are replaced by something else than 0";
  Weight next = weight;
  auto isNaN = condition.getDefiningOp<graph::IsNanOp>();
  if (isNaN && isNaN->getOperand(0) == value && total) {
    OpBuilder builder(user);
    graph::GraphBuilder b(builder, user->getLoc());
    next.fixed.push_back({b.compare(graph::CompareKind::gt, total, b.fillLike(total, 0.0)),
                          Weight::How::keepsWhere});
  } else if (Value fixed = fixedPart(condition)) {
    next.fixed.push_back({fixed, isFirst ? Weight::How::keepsWhere : Weight::How::zerosWhere});
  } else {
    return "has weights that are replaced by 0 where a condition says so that varies along the "
           "axis";
  }
  return members.insert(user) ? followWeight(user->getResult(0), next) : "";
}

std::string StreamChain::addSum(OpOperand &use, const Weight &weight) {
  Operation *op = use.getOwner();
  if (weight.isInfinite &&
      (!llvm::isa<graph::ReduceOp>(op) || !weight.varying.empty() || !weight.fixed.empty()))
    return "has a shift of 0 at infinite maxima, and weights that are not just summed";
  if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op)) {
    if (reduce.getKind() != graph::ReduceKind::sum || reduce.getAxes() != ArrayRef<int64_t>{axis})
      return "has weights that are reduced otherwise than by a sum along the axis";
  } else {
    auto contract = llvm::cast<graph::ContractOp>(op);
    StringRef own = contract.getLhsLetters(), other = contract.getRhsLetters();
    if (use.getOperandNumber() == 1)
      std::swap(own, other);
    for (auto [place, letter] : llvm::enumerate(own))
      if (contract.getResultLetters().contains(letter) == (int64_t(place) == axis))
        return "has weights that are contracted along other axes";
    if (!other.contains(own[axis]))
      return "has weights that are contracted along other axes";
    Type element = graph::getTensorType(scores).getElementType();
    if (contract.getAccumulatorType() != element ||
        graph::getTensorType(contract.getResult()).getElementType() != element)
      return "has a contraction in another type";
  }
  if (!members.insert(op))
    return "has weights that are multiplied with each other";
  sums.push_back({op, weight, use.getOperandNumber()});
  return "";
}

//===----------------------------------------------------------------------===//
// Backward
//===----------------------------------------------------------------------===//

/// Maps of what the model is given: no kernel before the stream could compute them on its way.
static bool isGiven(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->hasTrait<OpTrait::ConstantLike>())
    return true;
  return (op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op)) &&
         llvm::all_of(op->getOperands(), isGiven);
}

/// Computes a value for every block, when nothing else needs it and it may be cut along the axis,
/// or does not have it and would be a kernel of its own.
void StreamChain::pull(Value value, int64_t axis, bool mayContract) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != maximum->getBlock() || pulled.contains(op))
    return;
  if (axis < 0) {
    if (op->hasTrait<OpTrait::ConstantLike>() || !isGiven(value) ||
        !llvm::all_of(op->getUsers(), [&](Operation *user) { return pulled.contains(user); }))
      return;
    pulled.insert(op);
    for (Value operand : op->getOperands())
      pull(operand, -1, mayContract);
    return;
  }
  bool isContraction = llvm::isa<graph::ContractOp>(op);
  if (!(op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op) ||
        (isContraction && mayContract)))
    return;
  // Broadcasts cost nothing: they may have other readers.
  if (!llvm::isa<graph::BroadcastOp>(op) && !llvm::all_of(op->getUsers(), [&](Operation *user) {
        return members.contains(user) || pulled.contains(user);
      }))
    return;
  SmallVector<int64_t> axes;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> found = axisOfOperand(operand, axis);
    if (!found)
      return;
    axes.push_back(*found);
  }
  if (isContraction && (axes[0] >= 0) == (axes[1] >= 0))
    return;
  pulled.insert(op);
  for (auto [operand, own] : llvm::zip(op->getOperands(), axes))
    if (!isContraction || own < 0)
      pull(operand, own, mayContract);
}

/// What lift reads: it must be there before the chain.
std::string StreamChain::checkInputs() {
  collectInputs(scores, axis);
  for (Sum &sum : sums) {
    for (Value factor : sum.weight.varying)
      collectInputs(factor, axis);
    if (auto contract = llvm::dyn_cast<graph::ContractOp>(sum.op)) {
      StringRef own = contract.getLhsLetters(), other = contract.getRhsLetters();
      if (sum.operand == 1)
        std::swap(own, other);
      Value value = sum.op->getOperand(1 - sum.operand);
      int64_t otherAxis = other.find(own[axis]);
      auto [entry, isNew] = inputs.insert({value, otherAxis});
      if (!isNew && entry->second != otherAxis)
        return "reads one tensor along two axes";
    }
  }
  llvm::SetVector<Operation *> after;
  after.insert(members.begin(), members.end());
  for (unsigned i = 0; i < after.size(); ++i)
    for (Operation *user : after[i]->getUsers())
      if (Operation *here = maximum->getBlock()->findAncestorOpInBlock(*user))
        after.insert(here);
  for (auto [value, inputAxis] : inputs)
    if (value.getDefiningOp() && after.contains(value.getDefiningOp()))
      return "reads what is computed from its own results";
  if (llvm::none_of(inputs, [](auto &input) { return input.second >= 0; }))
    return "reads nothing along the axis";
  return "";
}

void StreamChain::collectInputs(Value value, int64_t axis) {
  Operation *op = value.getDefiningOp();
  if (axis < 0 && op && op->hasTrait<OpTrait::ConstantLike>())
    return;
  if (!op || !pulled.contains(op)) {
    inputs.insert({value, axis});
    return;
  }
  for (OpOperand &operand : op->getOpOperands())
    collectInputs(operand.get(), *axisOfOperand(operand, axis));
}

namespace {
struct GraphFormStreams : tessera::transforms::impl::GraphFormStreamsBase<GraphFormStreams> {
  using GraphFormStreamsBase::GraphFormStreamsBase;

  void runOnOperation() override {
    // One chain may hold the maximum of another: what is gone is not looked at.
    while (formOne())
      ;
  }

  bool formOne() {
    bool formed = false;
    getOperation().walk([&](graph::ReduceOp op) {
      if (op.getKind() != graph::ReduceKind::max || op->getParentOfType<graph::StreamOp>() ||
          !seen.insert(op).second)
        return WalkResult::advance();
      StreamChain chain(op);
      std::string reason = chain.find();
      if (explain)
        op.emitRemark() << (reason.empty() ? "begins a stream " + chain.describe()
                                           : "begins no stream: it " + reason);
      if (!reason.empty())
        return WalkResult::advance();
      chain.replace();
      ++numFormed;
      formed = true;
      return WalkResult::interrupt();
    });
    return formed;
  }

  llvm::DenseSet<Operation *> seen;
};
} // namespace
