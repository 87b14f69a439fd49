//===- FormStreams.cpp - Chains of reductions over one axis become streams --------------------===//
//
// Looks for reductions that need an earlier one of the same axis and can be repaired when that
// changes:
//   m = max s,  sums of e^(s - m) * gamma,   repaired by e^(m - m')
// where gamma is anything of the elements: 1, a factor, the other operand of a contraction. Factors
// that do not vary along the axis leave the sums first (distributivity), so that weights may be
// normalised before or after. The theorem is "the general rule" of the design's section on streams.
//
// A chain is found from its maximum: forward, whatever is computed from the scores; backward, what
// the scores are computed from. What is needed elsewhere too would have to be stored all the same.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHFORMSTREAMS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

static ArrayRef<DimAttr> dimsOf(Value value) { return graph::getTensorType(value).getDims(); }

static SmallVector<DimAttr> without(ArrayRef<DimAttr> dims, int64_t axis) {
  SmallVector<DimAttr> kept(dims);
  kept.erase(kept.begin() + axis);
  return kept;
}

/// Where an operand has the axis of the op's result: -1 when it lacks it. Nothing for ops that do
/// not keep the axis apart.
static std::optional<int64_t> axisOfOperand(OpOperand &operand, int64_t axis) {
  Operation *op = operand.getOwner();
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

namespace {
/// e^(scores - maximum), times what varies along the axis, times what does not.
struct Weight {
  struct Factor {
    Value value; // without the axis
    bool divides;
  };
  SmallVector<Value> varying;
  SmallVector<Factor> fixed;
};

/// A sum of weights: a state of the stream.
struct Sum {
  Operation *op; // graph.reduce sum, or graph.contract
  Weight weight;
  unsigned operand = 0; // which one of op is the weight
  Value result() const { return op->getResult(0); }
};

class Chain {
public:
  explicit Chain(graph::ReduceOp maximum) : maximum(maximum), scores(maximum.getX()) {}

  /// "" when the ops around the maximum are a chain, else why they are not.
  std::string find();
  void replace();

private:
  std::string followScores();
  std::string followShifted(Value shifted);
  std::string followWeight(Value value, const Weight &weight);
  std::string addSum(OpOperand &use, const Weight &weight);
  std::string checkInputs();
  Value fixedPart(Value expanded);
  void pull(Value value, int64_t axis, bool mayContract);

  SmallVector<DimAttr> keptDims() const { return without(dimsOf(scores), axis); }
  bool isState(Value value) const;
  unsigned numberOf(Value state) const;
  Value spread(graph::GraphBuilder &b, const Sum &sum, Value kept, ArrayRef<DimAttr> dims);
  Value scale(graph::GraphBuilder &b, const Sum &sum, Value value, bool inside, ValueRange states);

  bool mayBeZero(DimAttr dim);
  Value inLift(graph::GraphBuilder &b, Value value, int64_t axis);
  graph::TensorType liftedType(Value value, int64_t axis) const;
  void collectInputs(Value value, int64_t axis);
  void writeLift(Region &region);
  void writeMerge(Region &region);
  void writeFinalize(Region &region, SmallVectorImpl<Value> &yielded);

  graph::ReduceOp maximum;
  Value scores;
  int64_t axis = 0;
  std::vector<Sum> sums;
  llvm::SetVector<Operation *> members; // forward: the maximum, maps of weights, the sums
  llvm::SetVector<Operation *> pulled;  // backward: computed again for every block
  llvm::MapVector<Value, int64_t> inputs;
  DimAttr block; // the extent of a block
  IRMapping mapping;
};
} // namespace

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

std::string Chain::find() {
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
  return checkInputs();
}

std::string Chain::followScores() {
  for (Operation *user : scores.getUsers()) {
    if (user == maximum)
      continue;
    auto sub = llvm::dyn_cast<graph::SubOp>(user);
    if (!sub || sub.getX() != scores || fixedPart(sub.getY()) != maximum.getResult())
      return "has scores that are needed elsewhere: " + user->getName().getStringRef().str();
    members.insert(sub);
    if (std::string reason = followShifted(sub.getResult()); !reason.empty())
      return reason;
  }
  return "";
}

std::string Chain::followShifted(Value shifted) {
  for (Operation *user : shifted.getUsers()) {
    auto exp = llvm::dyn_cast<graph::ExpOp>(user);
    if (!exp)
      return "no rule repairs " + user->getName().getStringRef().str() + " of x - max x";
    if (members.insert(exp))
      if (std::string reason = followWeight(exp.getResult(), {}); !reason.empty())
        return reason;
  }
  return "";
}

/// What a value repeats along the axis; null when it varies.
Value Chain::fixedPart(Value expanded) {
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

std::string Chain::followWeight(Value value, const Weight &weight) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (user->getBlock() != maximum->getBlock())
      return "has weights that a region needs";
    if (llvm::isa<graph::ReduceOp, graph::ContractOp>(user)) {
      if (std::string reason = addSum(use, weight); !reason.empty())
        return reason;
      continue;
    }
    bool isProduct = llvm::isa<graph::MulOp>(user),
         isQuotient = llvm::isa<graph::DivOp>(user) && use.getOperandNumber() == 0;
    if (!isProduct && !isQuotient)
      return "has weights that are needed elsewhere: " + user->getName().getStringRef().str();
    Value other = user->getOperand(1 - use.getOperandNumber());
    Weight next = weight;
    if (Value fixed = fixedPart(other))
      next.fixed.push_back({fixed, isQuotient});
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

std::string Chain::addSum(OpOperand &use, const Weight &weight) {
  Operation *op = use.getOwner();
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

/// Computes a value for every block, when nothing else needs it and it may be cut along the axis.
void Chain::pull(Value value, int64_t axis, bool mayContract) {
  Operation *op = value.getDefiningOp();
  if (!op || axis < 0 || op->getBlock() != maximum->getBlock() || pulled.contains(op))
    return;
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
  if (!isContraction)
    for (auto [operand, own] : llvm::zip(op->getOperands(), axes))
      pull(operand, own, mayContract);
}

/// What lift reads: it must be there before the chain.
std::string Chain::checkInputs() {
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

void Chain::collectInputs(Value value, int64_t axis) {
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

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

bool Chain::isState(Value value) const {
  return value == graph::ReduceOp(maximum).getResult() || llvm::any_of(sums, [&](const Sum &sum) {
           return sum.result() == value && sum.weight.fixed.empty();
         });
}

unsigned Chain::numberOf(Value state) const {
  for (auto [number, sum] : llvm::enumerate(sums))
    if (sum.result() == state)
      return number + 1;
  return 0;
}

/// A value of the scores' dims without the axis, at the dims of a sum.
Value Chain::spread(graph::GraphBuilder &b, const Sum &sum, Value kept, ArrayRef<DimAttr> dims) {
  auto contract = llvm::dyn_cast<graph::ContractOp>(sum.op);
  if (!contract)
    return kept;
  StringRef own = sum.operand == 0 ? contract.getLhsLetters() : contract.getRhsLetters();
  SmallVector<int64_t> places;
  for (auto [place, letter] : llvm::enumerate(own))
    if (int64_t(place) != axis)
      places.push_back(contract.getResultLetters().find(letter));
  return b.broadcast(kept, places, dims);
}

/// Applies the factors that left the sum: those that are states inside of the stream, others
/// outside.
Value Chain::scale(graph::GraphBuilder &b, const Sum &sum, Value value, bool inside,
                   ValueRange states) {
  Value unscaled = value;
  for (const Weight::Factor &factor : sum.weight.fixed) {
    if (isState(factor.value) != inside)
      continue;
    Value kept = inside ? states[numberOf(factor.value)] : factor.value;
    Value spreadOut = spread(b, sum, kept, dimsOf(sum.result()));
    value = factor.divides ? b.div(value, spreadOut) : b.mul(value, spreadOut);
  }
  // The sum of nothing is 0, whatever the factors are.
  DimAttr extent = dimsOf(scores)[axis];
  if (value == unscaled || !mayBeZero(extent))
    return value;
  auto scalar =
      graph::TensorType::getScalar(IntegerType::get(maximum.getContext(), 64, IntegerType::Signed));
  Value count = b.create<graph::DimValueOp>(extent);
  Value isEmpty = b.compare(graph::CompareKind::eq, count, b.splat(scalar, 0));
  return b.create<graph::SelectOp>(b.broadcast(isEmpty, {}, dimsOf(value)), unscaled, value);
}

graph::TensorType Chain::liftedType(Value value, int64_t axis) const {
  graph::TensorType type = graph::getTensorType(value);
  SmallVector<DimAttr> dims(type.getDims());
  if (axis >= 0)
    dims[axis] = block;
  return type.withDims(dims);
}

bool Chain::mayBeZero(DimAttr dim) {
  auto function = maximum->getParentOfType<graph::FuncOp>();
  return graph::evaluateDimRange(dim, [&](StringRef symbol) {
           graph::RangeAttr range = function.getRange(symbol);
           return graph::DimInterval{range.getLo(), range.getHi().value_or(INT64_MAX)};
         }).lo <= 0;
}

Value Chain::inLift(graph::GraphBuilder &b, Value value, int64_t axis) {
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

void Chain::writeLift(Region &region) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  Location loc = maximum.getLoc();
  for (auto [value, inputAxis] : inputs)
    mapping.map(value, body->addArgument(liftedType(value, inputAxis), value.getLoc()));
  graph::GraphBuilder b(builder, loc);
  Value s = inLift(b, scores, axis);
  Value m = b.reduce(graph::ReduceKind::max, s, {axis});
  Value p = b.create<graph::ExpOp>(b.sub(s, b.expand(makeFinite(b, m), {axis}, s)));
  SmallVector<Value> states{m};
  for (const Sum &sum : sums) {
    Value weight = p;
    for (Value factor : sum.weight.varying)
      weight = b.mul(weight, inLift(b, factor, axis));
    if (llvm::isa<graph::ReduceOp>(sum.op)) {
      states.push_back(b.reduce(graph::ReduceKind::sum, weight, {axis}));
      continue;
    }
    IRMapping operands(mapping);
    operands.map(sum.op->getOperand(sum.operand), weight);
    states.push_back(builder.clone(*sum.op, operands)->getResult(0));
  }
  graph::YieldOp::create(builder, loc, states);
}

void Chain::writeMerge(Region &region) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  Location loc = maximum.getLoc();
  for (int side = 0; side < 2; ++side) {
    body->addArgument(maximum.getType(), loc);
    for (const Sum &sum : sums)
      body->addArgument(sum.result().getType(), loc);
  }
  size_t count = sums.size() + 1;
  graph::GraphBuilder b(builder, loc);
  ValueRange first = body->getArguments().take_front(count),
             second = body->getArguments().drop_front(count);
  Value m = b.max(first[0], second[0]), finite = makeFinite(b, m);
  Value a = b.create<graph::ExpOp>(b.sub(makeFinite(b, first[0]), finite)),
        c = b.create<graph::ExpOp>(b.sub(makeFinite(b, second[0]), finite));
  SmallVector<Value> states{m};
  for (auto [number, sum] : llvm::enumerate(sums)) {
    ArrayRef<DimAttr> dims = dimsOf(sum.result());
    states.push_back(b.add(b.mul(first[number + 1], spread(b, sum, a, dims)),
                           b.mul(second[number + 1], spread(b, sum, c, dims))));
  }
  graph::YieldOp::create(builder, loc, states);
}

void Chain::writeFinalize(Region &region, SmallVectorImpl<Value> &results) {
  OpBuilder builder(maximum.getContext());
  Block *body = builder.createBlock(&region);
  Location loc = maximum.getLoc();
  body->addArgument(maximum.getType(), loc);
  for (const Sum &sum : sums)
    body->addArgument(sum.result().getType(), loc);
  graph::GraphBuilder b(builder, loc);
  auto isNeeded = [&](Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) { return !members.contains(user); });
  };
  SmallVector<Value> yielded;
  if (isNeeded(maximum.getResult())) {
    results.push_back(maximum.getResult());
    yielded.push_back(body->getArgument(0));
  }
  for (auto [number, sum] : llvm::enumerate(sums))
    if (isNeeded(sum.result())) {
      results.push_back(sum.result());
      yielded.push_back(
          scale(b, sum, body->getArgument(number + 1), /*inside=*/true, body->getArguments()));
    }
  graph::YieldOp::create(builder, loc, yielded);
}

void Chain::replace() {
  auto function = maximum->getParentOfType<graph::FuncOp>();
  MLIRContext *context = maximum.getContext();
  // Broadcasts of results back to the chain go with it.
  for (unsigned i = 0; i < members.size(); ++i)
    for (Operation *user : members[i]->getUsers())
      if (llvm::isa<graph::BroadcastOp>(user) &&
          llvm::all_of(user->getUsers(), [&](Operation *op) { return members.contains(op); }))
        members.insert(user);
  std::string symbol = function.getFreshSymbol("block");
  function.setRange(symbol, graph::RangeAttr::get(context, 1, std::nullopt));
  block = DimExpr::symbol(context, symbol);

  Type element = graph::getTensorType(scores).getElementType();
  SmallVector<Attribute> identity{
      FloatAttr::get(element, APFloat::getInf(llvm::cast<FloatType>(element).getFloatSemantics(),
                                              /*Negative=*/true))};
  identity.append(sums.size(), FloatAttr::get(element, 0.0));
  SmallVector<Value> operands, results;
  SmallVector<int64_t> axes;
  for (auto [value, inputAxis] : inputs) {
    operands.push_back(value);
    axes.push_back(inputAxis);
  }
  Block *around = maximum->getBlock();
  OpBuilder builder(sums.back().op);
  Region lift, merge, finalize;
  writeLift(lift);
  writeMerge(merge);
  writeFinalize(finalize, results);
  auto stream =
      graph::StreamOp::create(builder, maximum.getLoc(), ValueRange(results).getTypes(), operands,
                              axes, builder.getArrayAttr(identity), builder.getStringAttr(symbol));
  stream.getLift().takeBody(lift);
  stream.getMerge().takeBody(merge);
  stream.getFinalize().takeBody(finalize);

  graph::GraphBuilder b(builder, maximum.getLoc());
  auto isOutside = [&](OpOperand &use) { return !members.contains(use.getOwner()); };
  for (auto [original, streamed] : llvm::zip(results, stream.getResults())) {
    Value result = streamed;
    if (unsigned number = numberOf(original))
      result = scale(b, sums[number - 1], result, /*inside=*/false, {});
    Value(original).replaceUsesWithIf(result, isOutside);
  }
  for (Operation *op : llvm::reverse(members))
    op->dropAllUses();
  for (Operation *op : llvm::reverse(members))
    op->erase();
  for (Operation *op : llvm::make_early_inc_range(llvm::reverse(pulled)))
    if (op->use_empty())
      op->erase();
  sortTopologically(around);
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
      Chain chain(op);
      std::string reason = chain.find();
      if (explain)
        op.emitRemark() << (reason.empty() ? "begins a stream: e^(m - m') repairs sums of e^(x - m)"
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
