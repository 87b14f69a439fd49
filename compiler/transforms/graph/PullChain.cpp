//===- PullChain.cpp - From the scores of a chain back to what it reads -----------------------===//
//
// What the scores and factors are computed from is computed again for every block, unless somebody
// else needs it: that would have to be stored all the same.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/MaximumChain.h"

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

Value ReductionChain::fixedPart(Value expanded) {
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

bool ReductionChain::isResult(Value value) {
  if (results.empty()) {
    results.insert(first);
    for (unsigned i = 0; i < results.size(); ++i)
      for (Operation *user : results[i]->getUsers())
        if (Operation *here = first->getBlock()->findAncestorOpInBlock(*user))
          results.insert(here);
  }
  return value.getDefiningOp() && results.contains(value.getDefiningOp());
}

bool tessera::transforms::isHeldByRegions(Operation *op) {
  return op->hasTrait<OpTrait::ConstantLike>() && graph::getSplat(op->getResult(0));
}

static bool isMap(Operation *op) {
  return op->hasTrait<graph::Elementwise>() || llvm::isa<graph::BroadcastOp>(op);
}

/// Maps of what the model is given: no kernel before the stream could compute them on its way.
static bool isGiven(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->hasTrait<OpTrait::ConstantLike>())
    return true;
  return isMap(op) && llvm::all_of(op->getOperands(), isGiven);
}

/// Maps of positions and of what does not vary along the axis, such as whether this is the label:
/// nobody would store them.
static bool isPositional(Value value, int64_t axis) {
  Operation *op = value.getDefiningOp();
  if (axis < 0 || (op && llvm::isa<graph::IotaOp>(op)))
    return true;
  return op && isMap(op) && llvm::all_of(op->getOpOperands(), [&](OpOperand &operand) {
           std::optional<int64_t> own = axisOfOperand(operand, axis);
           return own && isPositional(operand.get(), *own);
         });
}

void MaximumChain::pullAll() {
  // What reads a value comes before it: until nothing more can be pulled.
  size_t before;
  do {
    before = pulled.size();
    pull(scores, axis, /*mayContract=*/true);
    for (const State &state : states)
      for (const Term::Factor &factor : state.varying)
        pull(factor.value, axis, /*mayContract=*/false);
  } while (pulled.size() > before);
}

/// Computes a value for every block, when nothing else needs it and it may be cut along the axis,
/// or does not have it and would be a kernel of its own.
void ReductionChain::pull(Value value, int64_t axis, bool mayContract) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != first->getBlock() || members.contains(op))
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
  bool isView = llvm::isa<graph::BroadcastOp, graph::TransposeOp>(op);
  if (!isMap(op) && !isView && !(isContraction && mayContract))
    return;
  // Views cost nothing: they may have other readers.
  if (!isView && !isPositional(value, axis) && !llvm::all_of(op->getUsers(), [&](Operation *user) {
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

/// What a product sums up with weights, and where it has the axis.
ReductionChain::Cut MaximumChain::otherFactor(graph::ContractOp sum, unsigned weights) const {
  StringRef own = sum.getLhsLetters(), other = sum.getRhsLetters();
  if (weights == 1)
    std::swap(own, other);
  return {sum->getOperand(1 - weights), int64_t(other.find(own[axis]))};
}

/// What lift reads: it must be there before the chain.
std::string MaximumChain::checkInputs() {
  for (Operation *user : scores.getUsers())
    if (!members.contains(user) && !pulled.contains(user))
      return "has scores that are needed elsewhere: " + user->getName().getStringRef().str();
  collectInputs(scores, axis);
  for (const State &state : states)
    for (const Term::Factor &factor : state.varying)
      collectInputs(factor.value, axis);
  for (const Sum &sum : sums)
    if (auto contract = llvm::dyn_cast<graph::ContractOp>(sum.op))
      inputs.insert(otherFactor(contract, sum.operand));
  for (auto [value, inputAxis] : inputs)
    if (isResult(value))
      return "reads what is computed from its own results";
  if (llvm::none_of(inputs, [](const Cut &input) { return input.second >= 0; }))
    return "reads nothing along the axis";
  return "";
}

std::optional<SmallVector<int64_t>> ReductionChain::pulledAxes(Value value, int64_t axis) const {
  Operation *op = value.getDefiningOp();
  if (!op || !pulled.contains(op))
    return std::nullopt;
  // It may have been pulled along another axis, of which more is known.
  SmallVector<int64_t> axes;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> found = axisOfOperand(operand, axis);
    if (!found)
      return std::nullopt;
    axes.push_back(*found);
  }
  return axes;
}

void ReductionChain::collectInputs(Value value, int64_t axis) {
  Operation *op = value.getDefiningOp();
  if (axis < 0 && op && isHeldByRegions(op))
    return;
  std::optional<SmallVector<int64_t>> axes = pulledAxes(value, axis);
  if (!axes) {
    inputs.insert({value, axis});
    return;
  }
  for (auto [operand, own] : llvm::zip(op->getOperands(), *axes))
    collectInputs(operand, own);
}
