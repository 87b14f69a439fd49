//===- WriteStream.cpp - The stream of a chain of reductions ----------------------------------===//
#include "compiler/transforms/graph/StreamChain.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;

bool StreamChain::isState(Value value) const {
  return value == graph::ReduceOp(maximum).getResult() || llvm::any_of(sums, [&](const Sum &sum) {
           return sum.result() == value && sum.weight.fixed.empty() && !sum.weight.isInfinite;
         });
}

unsigned StreamChain::numberOf(Value state) const {
  for (auto [number, sum] : llvm::enumerate(sums))
    if (sum.result() == state)
      return number + 1;
  return 0;
}

/// A value of the scores' dims without the axis, at the dims of a sum.
Value StreamChain::spread(graph::GraphBuilder &b, const Sum &sum, Value kept,
                          ArrayRef<DimAttr> dims) {
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
Value StreamChain::scale(graph::GraphBuilder &b, const Sum &sum, Value value, bool inside,
                         ValueRange states) {
  Value unscaled = value;
  for (const Weight::Factor &factor : sum.weight.fixed) {
    if (isState(factor.value) != inside)
      continue;
    Value kept = inside ? states[numberOf(factor.value)] : factor.value;
    Value spreadOut = spread(b, sum, kept, dimsOf(sum.result()));
    switch (factor.how) {
    case Weight::How::multiplies: value = b.mul(value, spreadOut); break;
    case Weight::How::divides: value = b.div(value, spreadOut); break;
    case Weight::How::keepsWhere:
    case Weight::How::zerosWhere:
      Value zero = b.fillLike(value, 0.0);
      bool keeps = factor.how == Weight::How::keepsWhere;
      value = b.create<graph::SelectOp>(spreadOut, keeps ? value : zero, keeps ? zero : value);
      value.getDefiningOp()->setAttr(graph::kIgnoresNonFinite, UnitAttr::get(value.getContext()));
      break;
    }
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

void StreamChain::writeLift(Region &region) {
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

void StreamChain::writeMerge(Region &region) {
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
  // One of e^(m - max), e^(m' - max) is 1, the other one e^-|m - m'|: one exponential, not two.
  Value m = b.max(first[0], second[0]);
  Value d = b.sub(makeFinite(b, first[0]), makeFinite(b, second[0]));
  Value one = b.fillLike(m, 1.0);
  Value less = b.create<graph::ExpOp>(b.create<graph::NegOp>(b.create<graph::AbsOp>(d)));
  Value isFirst = b.compare(graph::CompareKind::ge, d, b.fillLike(m, 0.0));
  Value a = b.create<graph::SelectOp>(isFirst, one, less),
        c = b.create<graph::SelectOp>(isFirst, less, one);
  SmallVector<Value> states{m};
  for (auto [number, sum] : llvm::enumerate(sums)) {
    ArrayRef<DimAttr> dims = dimsOf(sum.result());
    states.push_back(b.add(b.mul(first[number + 1], spread(b, sum, a, dims)),
                           b.mul(second[number + 1], spread(b, sum, c, dims))));
  }
  graph::YieldOp::create(builder, loc, states);
}

void StreamChain::writeFinalize(Region &region, SmallVectorImpl<Value> &results) {
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

void StreamChain::replace() {
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
    if (unsigned number = numberOf(original)) {
      const Weight &weight = sums[number - 1].weight;
      result = scale(b, sums[number - 1], result, /*inside=*/false, {});
      if (weight.isInfinite)
        result = b.create<graph::SelectOp>(weight.isInfinite, weight.atInfinite, result);
    }
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
