//===- FormStreams.cpp - Chains of reductions over one axis become streams --------------------===//
//
// Looks for reductions that need an earlier one of the same axis and can be repaired when that
// changes:
//   m = max s,  sums of e^(s - m) * gamma,   repaired by e^(m - m')
//   m = max s,  the place where it is,       repaired by choosing again
//   t = sum x,  sums of (x - mean)^2,        repaired by the distance of means (MomentChain.cpp)
// where gamma is anything of the elements: 1, a factor, the other operand of a contraction. Sums
// that need no maximum come along: the logit of the label beside the log-sum-exp of all. A shift
// may be larger than the maximum of the axis (a sink's logit). The theorem is "the general rule" of
// the design's section on streams.
//
// A chain is found from its first reduction: forward, whatever is computed from the scores
// (FollowChain.cpp); backward, what the scores are computed from (PullChain.cpp).
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/MaximumChain.h"
#include "compiler/transforms/graph/MomentChain.h"
#include "compiler/transforms/graph/Passes.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFORMSTREAMS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;

std::string MaximumChain::find() {
  if (maximum.getKind() != graph::ReduceKind::max || maximum.getAxes().size() != 1)
    return "is no maximum along one axis";
  Type element = graph::getTensorType(scores).getElementType();
  if (!element.isF32() && !element.isF64())
    return "has scores that are neither f32 nor f64";
  axis = maximum.getAxes()[0];
  members.insert(maximum);
  if (std::string reason = followScores(); !reason.empty())
    return reason;
  if (places.empty() && llvm::none_of(states, [](const State &state) { return state.isWeight; }))
    return "is followed by no sum of e^(x - max x)";
  pullAll();
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
std::string MaximumChain::checkCost() const {
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

std::string MaximumChain::describe() const {
  auto list = [](ArrayRef<Operation *> ops) {
    std::string names;
    for (Operation *op : ops)
      names += (names.empty() ? "" : ", ") + op->getName().getStringRef().str();
    return names;
  };
  SmallVector<Operation *> weighted, plain, again;
  for (const Sum &sum : sums)
    (llvm::any_of(sum.terms, [](const Term &term) { return term.isWeight; }) ? weighted : plain)
        .push_back(sum.op);
  for (Operation *op : pulled)
    if (!llvm::isa<graph::BroadcastOp>(op) && !op->hasTrait<OpTrait::ConstantLike>())
      again.push_back(op);
  std::string text = "along " + dimsOf(scores)[axis].str() + ": the maximum";
  if (!weighted.empty())
    text += ", and " + list(weighted) +
            " of e^(x - max x), repaired by e^(m - m') when the maximum changes";
  if (!places.empty())
    text += ", and its place, chosen again when the maximum changes";
  if (!plain.empty())
    text += ", and " + list(plain) + ", which needs no repair";
  return text + (again.empty() ? "" : "; not stored: " + list(again));
}

namespace {
struct GraphFormStreams : tessera::transforms::impl::GraphFormStreamsBase<GraphFormStreams> {
  using GraphFormStreamsBase::GraphFormStreamsBase;

  void runOnOperation() override {
    SmallVector<graph::ContractOp> products;
    getOperation().walk([&](graph::ContractOp product) { products.push_back(product); });
    for (graph::ContractOp product : products)
      orient(product);
    // One chain may hold the maximum of another: what is gone is not looked at.
    while (formOne())
      ;
  }

  void orient(graph::ContractOp product) {
    Location where = product.getLoc(); // It may be gone behind.
    std::string done = orientScores(product, roundedWeights);
    if (explain && !done.empty())
      emitRemark(where) << "graph.contract " << done;
  }

  bool formOne() {
    bool formed = false;
    getOperation().walk([&](Operation *op) {
      if (!llvm::isa<graph::ReduceOp, graph::ArgReduceOp>(op) ||
          op->getParentOfType<graph::StreamOp>() || seen.contains(op))
        return WalkResult::advance();
      auto reduce = llvm::dyn_cast<graph::ReduceOp>(op);
      formed = reduce ? formFrom(reduce) : formFrom(llvm::cast<graph::ArgReduceOp>(op));
      return formed ? WalkResult::interrupt() : WalkResult::advance();
    });
    return formed;
  }

  bool formFrom(graph::ReduceOp reduce) {
    Operation *op = reduce;
    seen.insert(op);
    if (reduce.getKind() == graph::ReduceKind::max)
      return form(reduce, std::make_unique<MaximumChain>(reduce, roundedWeights));
    if (longRows && reduce.getKind() == graph::ReduceKind::sum && joinLongAxes(reduce)) {
      seen.erase(op); // It is gone.
      return true;
    }
    if (longRows && reduce.getKind() == graph::ReduceKind::sum)
      return form(reduce, std::make_unique<MomentChain>(reduce));
    return false;
  }

  bool form(graph::ReduceOp reduce, std::unique_ptr<ReductionChain> chain) {
    std::string reason = chain->find();
    // Most sums are no beginning of anything: only of those that are, it is told why not.
    if (explain && (reason.empty() || chain->isBegun()))
      reduce.emitRemark() << (reason.empty() ? "begins a stream " + chain->describe()
                                             : "begins no stream: it " + reason);
    if (!reason.empty())
      return false;
    chain->replace();
    ++numFormed;
    return true;
  }

  /// The place of a maximum without the maximum itself, which its chain begins with. The smallest
  /// element is the largest one of what is negated.
  bool formFrom(graph::ArgReduceOp place) {
    seen.insert(place);
    Value x = place.getX();
    int64_t axis = place.getAxis();
    bool isMaximum = place.getKind() == graph::ArgReduceKind::max;
    auto isKnown = [&](Operation *user) {
      auto reduce = llvm::dyn_cast<graph::ReduceOp>(user);
      return reduce && reduce.getKind() == graph::ReduceKind::max &&
             reduce.getAxes() == ArrayRef<int64_t>{axis};
    };
    if (!llvm::isa<FloatType>(graph::getTensorType(x).getElementType()) ||
        (isMaximum && llvm::any_of(x.getUsers(), isKnown)))
      return false;
    OpBuilder builder(place);
    graph::GraphBuilder b(builder, place.getLoc());
    auto setKind = [&](graph::ArgReduceKind kind, Value operand) {
      place.setKind(kind);
      place.getXMutable().assign(operand);
    };
    Value negated = isMaximum ? x : b.create<graph::NegOp>(x);
    setKind(graph::ArgReduceKind::max, negated);
    Operation *maximum = b.reduce(graph::ReduceKind::max, negated, {axis}).getDefiningOp();
    if (formFrom(llvm::cast<graph::ReduceOp>(maximum)))
      return true;
    seen.erase(maximum);
    maximum->erase();
    if (!isMaximum) {
      setKind(graph::ArgReduceKind::min, x);
      negated.getDefiningOp()->erase();
    }
    return false;
  }

  llvm::DenseSet<Operation *> seen;
};
} // namespace
