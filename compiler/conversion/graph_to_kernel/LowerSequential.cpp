//===- LowerSequential.cpp - Elements that are computed one after another become loops -----===//
//
// What is carried is a tensor of the kernel, updated where it is: slices are taken out, stages
// compute on them, and the results are put back. Loops whose iterations do not meet are marked as
// parallel.
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "compiler/conversion/graph_to_kernel/SequentialLoops.h"
#include "dialects/kernel/Atomic.h"

#include "mlir/Analysis/SliceAnalysis.h"

#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

static Type elementOf(Value graphValue) {
  return graph::getTensorType(graphValue).getElementType();
}

//===----------------------------------------------------------------------===//
// cumulative
//===----------------------------------------------------------------------===//

/// Loops over the dims before the axis (they do not meet), then along the axis; the dims after it
/// are a stage. The running values are kept apart, in the type they accumulate in.
static Tensors lowerCumulative(graph::CumulativeOp op, KernelEmitter &emitter) {
  StringRef kind = stringifyCumulativeKind(op.getKind());
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  ArrayRef<DimAttr> outer = dims.take_front(axis), inner = dims.drop_front(axis + 1);
  Type element = type.getElementType(), accumulator = accumulatorOf(kind, element);
  Type from = getKernelElementType(element);
  Value x = emitter.lookup(op.getX());
  auto combined = [&](BodyBuilder &b, ValueRange v) {
    return combineScalars(b, kind, accumulator, v[1], convertScalar(b, v[0], element, accumulator));
  };
  auto rounded = [&](BodyBuilder &b, ValueRange v) {
    return convertScalar(b, v[0], accumulator, element);
  };
  SmallVector<Value> result = forEach(
      emitter, kind, outer, emitter.empty(dims, from), true, {},
      [&](ArrayRef<Value> before, ValueRange carried) {
        Value start = emitter.fill("start", inner, neutralScalar(emitter, kind, accumulator));
        SmallVector<Value> row = forLoop(
            emitter, kind, emitter.constantIndex(0), emitter.extent(dims[axis]),
            emitter.constantIndex(1), {carried[0], start}, [&](Value step, ValueRange inside) {
              SmallVector<Value> at(before);
              at.push_back(op.getReverse() ? fromEnd(emitter, dims[axis], step) : step);
              at.resize(dims.size());
              Part here(emitter, dims, at, from);
              Value slice = here.take(emitter, x), out = here.take(emitter, inside[0]);
              Value sum = inside[1];
              if (op.getExclusive())
                out = update(emitter, "prefix", sum, out, rounded);
              Value next = update(emitter, "next", slice, sum, combined);
              if (!op.getExclusive())
                out = update(emitter, "prefix", next, out, rounded);
              return SmallVector<Value>{here.put(emitter, out, inside[0]), next};
            });
        return SmallVector<Value>{row[0]};
      });
  return result;
}

//===----------------------------------------------------------------------===//
// scan
//===----------------------------------------------------------------------===//

/// Where a scan stops doing anything: at steps of this number or more every state stays as it is,
/// and every output is a constant.
struct ScanEnd {
  Value numbers; ///< integers of the graph, from outside of the scan: the largest of them
  SmallVector<TypedAttr> rest; ///< of each output
};

/// What a step's number is less than where it does something: `cond` = number < numbers, both
/// repeated as needed.
static Value matchLimit(graph::ScanOp op, Value cond) {
  auto compare = cond.getDefiningOp<graph::CompareOp>();
  if (!compare || compare.getKind() != graph::CompareKind::lt)
    return {};
  auto strip = [](Value value) {
    auto broadcast = value.getDefiningOp<graph::BroadcastOp>();
    return broadcast ? broadcast.getX() : value;
  };
  auto number = llvm::dyn_cast<BlockArgument>(strip(compare.getX()));
  if (!number || number.getOwner() != &op.getBody().front() ||
      number.getArgNumber() < op.getStates().size())
    return {};
  // Narrower counters begin anew.
  auto counter =
      op.getXs()[number.getArgNumber() - op.getStates().size()].getDefiningOp<graph::IotaOp>();
  auto integer = llvm::dyn_cast<IntegerType>(elementOf(number));
  if (!counter || counter.getAxis() != op.getAxis() || !integer || integer.getWidth() < 32)
    return {};
  Value numbers = compare.getY();
  if (op->isAncestor(numbers.getParentBlock()->getParentOp()))
    numbers = strip(numbers);
  return op->isAncestor(numbers.getParentBlock()->getParentOp()) ? Value() : numbers;
}

/// Sequences that are over keep their states and give zeros: select(step < lengths, new, old).
static std::optional<ScanEnd> matchEnd(graph::ScanOp op) {
  ScanEnd end;
  Value cond;
  Block &body = op.getBody().front();
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    const bool isState = i < op.getStates().size();
    if (isState && value == body.getArgument(i))
      continue;
    auto select = value.getDefiningOp<graph::SelectOp>();
    if (!select || (cond && select.getCond() != cond))
      return std::nullopt;
    cond = select.getCond();
    if (isState && select.getY() != body.getArgument(i))
      return std::nullopt;
    if (isState)
      continue;
    Attribute splat = graph::getSplat(select.getY());
    Type element = getKernelElementType(elementOf(value));
    if (auto integer = llvm::dyn_cast_or_null<IntegerAttr>(splat))
      splat = IntegerAttr::get(element, integer.getValue());
    auto rest = llvm::dyn_cast_or_null<TypedAttr>(splat);
    if (!rest || rest.getType() != element)
      return std::nullopt;
    end.rest.push_back(rest);
  }
  end.numbers = cond ? matchLimit(op, cond) : Value();
  return end.numbers ? std::optional(std::move(end)) : std::nullopt;
}

/// How many steps do something: the largest of the numbers, between 0 and all.
static Value countSteps(KernelEmitter &emitter, Value numbers, Value all) {
  Type element = elementOf(numbers);
  Value tensor = emitter.lookup(numbers);
  const unsigned rank = unsigned(graph::getTensorType(numbers).rank());
  Builder &builder = emitter.getBuilder();
  Value largest = emitter.reduce(
      "steps", 0, rank, {{tensor, builder.getMultiDimIdentityMap(rank)}},
      emitter.fill("steps_init", {}, neutralScalar(emitter, "max", element)),
      AffineMap::get(rank, 0, {}, builder.getContext()),
      [&](BodyBuilder &b, ValueRange x, ValueRange running) {
        return SmallVector<Value>{combineScalars(b, "max", element, running[0], x[0])};
      })[0];
  ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
  Value number = tensor::ExtractOp::create(b, largest, ValueRange());
  if (element.isUnsignedInteger())
    return arith::MinUIOp::create(b, arith::IndexCastUIOp::create(b, b.getIndexType(), number),
                                  all);
  Value steps = arith::IndexCastOp::create(b, b.getIndexType(), number);
  steps = arith::MinSIOp::create(b, steps, all);
  return arith::MaxSIOp::create(b, steps, emitter.constantIndex(0));
}

/// The scalar without which a step does nothing: every state is select(condition, new, old). Null
/// where there is none, or a step has outputs.
static Value matchCondition(graph::ScanOp op) {
  if (op.getNumResults() != op.getStates().size())
    return {};
  Value condition;
  Block &body = op.getBody().front();
  for (auto [state, value] : llvm::zip(body.getArguments(), body.getTerminator()->getOperands())) {
    if (value == state)
      continue;
    auto select = value.getDefiningOp<graph::SelectOp>();
    if (!select || select.getY() != state)
      return {};
    Value scalar = select.getCond();
    if (auto broadcast = scalar.getDefiningOp<graph::BroadcastOp>())
      scalar = broadcast.getX();
    if (graph::getTensorType(scalar).rank() || (condition && scalar != condition))
      return {};
    condition = scalar;
  }
  return condition;
}

/// The condition that is tested before the rest of a step is computed. Threads of a GPU would wait
/// for it.
static Value conditionOf(graph::ScanOp op, KernelEmitter &emitter) {
  return emitter.isForGpu() ? Value() : matchCondition(op);
}

/// Whether a scatter makes the next state of a scan from the last one, which nothing reads after it
/// (but the select of a condition that is tested before).
static bool updatesState(graph::ScatterOp op, KernelEmitter &emitter) {
  auto state = llvm::dyn_cast<BlockArgument>(op.getX());
  auto scan = llvm::dyn_cast<graph::ScanOp>(op->getParentOp());
  if (!state || !scan || state.getOwner() != op->getBlock() ||
      state.getArgNumber() >= scan.getStates().size() || !op->hasOneUse())
    return false;
  Operation *terminator = op->getBlock()->getTerminator(), *last = *op->user_begin();
  Value next = terminator->getOperand(state.getArgNumber());
  if (next != op.getResult() &&
      (next.getDefiningOp() != last || !next.hasOneUse() || !conditionOf(scan, emitter)))
    return false;
  return llvm::all_of(state.getUsers(), [&](Operation *user) {
    Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
    return here == op || here->isBeforeInBlock(op) || (here == last && here != terminator);
  });
}

/// The ops of the region become stages of the loop's body. States change at the end of a step, when
/// all of the next ones are known. Steps that do nothing are left out (not on a GPU, whose threads
/// would wait for the number of them).
static Tensors lowerScan(graph::ScanOp op, KernelEmitter &emitter) {
  size_t states = op.getStates().size();
  int64_t axis = op.getAxis();
  SmallVector<Value> carried;
  for (Value init : op.getStates())
    carried.push_back(
        copyOf(emitter, "state", emitter.lookup(init), graph::getTensorType(init).getDims()));
  for (Value output : op.getResults().drop_front(states))
    carried.push_back(emitter.empty(graph::getTensorType(output).getDims(),
                                    getKernelElementType(elementOf(output))));
  bool failed = false;
  auto partOf = [&](Value graphValue, Value index) {
    graph::TensorType type = graph::getTensorType(graphValue);
    SmallVector<Value> at(type.rank());
    at[axis] = index;
    return Part(emitter, type.getDims(), at, getKernelElementType(type.getElementType()));
  };
  const std::optional<ScanEnd> end = emitter.isForGpu() ? std::nullopt : matchEnd(op);
  Value zero = emitter.constantIndex(0), one = emitter.constantIndex(1);
  Value first = zero, last = emitter.extent(op.getExtent()), steps = last;
  if (end) {
    steps = countSteps(emitter, end->numbers, last);
    if (op.getReverse())
      first = arith::SubIOp::create(emitter.getBuilder(), emitter.getLoc(), last, steps);
    else
      last = steps;
  }
  Block &body = op.getBody().front();
  Value condition = end ? Value() : conditionOf(op, emitter);
  llvm::SetVector<Operation *> before; // what says whether the rest of a step is computed
  if (condition) {
    BackwardSliceOptions options;
    options.inclusive = true;
    options.filter = [&](Operation *inner) { return inner->getBlock() == &body; };
    if (mlir::failed(getBackwardSlice(condition, &before, options)))
      return failure();
  }
  // Selects between the next states and the old ones: decided by then.
  auto isDecided = [&](Operation &inner) {
    return condition && llvm::isa<graph::SelectOp>(inner) && inner.hasOneUse() &&
           *inner.user_begin() == body.getTerminator();
  };
  auto lowerOps = [&](bool isBefore) {
    for (Operation &inner : body.without_terminator())
      if (!failed && before.contains(&inner) == isBefore && !isDecided(inner) &&
          mlir::failed(emitter.lower(&inner)))
        failed = true;
  };
  // What a state becomes, and whether it is that already.
  auto nextOf = [&](size_t i) -> std::pair<Value, bool> {
    Value value = body.getTerminator()->getOperand(i);
    if (condition && value != body.getArgument(i))
      value = value.getDefiningOp<graph::SelectOp>().getX();
    auto scatter = value.getDefiningOp<graph::ScatterOp>();
    return {emitter.lookup(value),
            scatter && scatter.getX() == body.getArgument(i) && updatesState(scatter, emitter)};
  };
  auto finishStep = [&](Value index, ValueRange inside) {
    lowerOps(/*isBefore=*/false);
    SmallVector<Value> next(inside);
    if (failed)
      return next;
    llvm::SmallBitVector isUpdated(states);
    for (size_t i = 0; i < states; ++i) {
      auto [value, updated] = nextOf(i);
      next[i] = value;
      isUpdated[i] = updated;
    }
    for (size_t i = states; i < next.size(); ++i)
      next[i] = partOf(op.getResult(i), index)
                    .put(emitter, emitter.lookup(body.getTerminator()->getOperand(i)), inside[i]);
    // A state that becomes another one is read before it is overwritten.
    for (size_t i = 0; i < states; ++i)
      if (next[i] != inside[i] && llvm::is_contained(inside, next[i]))
        next[i] =
            copyOf(emitter, "state", next[i], graph::getTensorType(op.getStates()[i]).getDims());
    for (size_t i = 0; i < states; ++i)
      if (next[i] != inside[i] && !isUpdated[i])
        next[i] = copyInto(emitter, "state", next[i], inside[i]);
    return next;
  };
  SmallVector<Value> results =
      forLoop(emitter, "scan", first, last, one, carried, [&](Value step, ValueRange inside) {
        Value index = op.getReverse() ? fromEnd(emitter, op.getExtent(), step) : step;
        for (auto [argument, tensor] : llvm::zip(body.getArguments(), inside.take_front(states)))
          emitter.bind(argument, tensor);
        for (auto [argument, x] : llvm::zip(body.getArguments().drop_front(states), op.getXs()))
          emitter.bind(argument, partOf(x, index).take(emitter, emitter.lookup(x)));
        if (!condition)
          return finishStep(index, inside);
        lowerOps(/*isBefore=*/true);
        if (failed)
          return SmallVector<Value>(inside);
        OpBuilder &builder = emitter.getBuilder();
        Value holds = tensor::ExtractOp::create(builder, emitter.getLoc(),
                                                emitter.lookup(condition), ValueRange());
        auto branch = scf::IfOp::create(builder, emitter.getLoc(), inside.getTypes(), holds,
                                        /*withElse=*/true);
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPointToStart(branch.thenBlock());
        scf::YieldOp::create(builder, emitter.getLoc(), finishStep(index, inside));
        builder.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(builder, emitter.getLoc(), inside);
        return SmallVector<Value>(branch.getResults());
      });
  if (failed)
    return failure();
  if (!end || end->rest.empty())
    return results;
  SmallVector<Value> outputs = forLoop(
      emitter, "rest", steps, emitter.extent(op.getExtent()), one,
      ArrayRef<Value>(results).drop_front(states),
      [&](Value index, ValueRange inside) {
        SmallVector<Value> next;
        for (auto [i, rest] : llvm::enumerate(end->rest)) {
          Value output = op.getResult(states + i);
          ArrayRef<DimAttr> dims = op.getSliceType(output.getType()).getDims();
          Value filled = emitter.fill("rest", dims, emitter.constant(rest));
          next.push_back(partOf(output, index).put(emitter, filled, inside[i]));
        }
        return next;
      },
      /*isParallel=*/true);
  results.resize(states);
  llvm::append_range(results, outputs);
  return results;
}

//===----------------------------------------------------------------------===//
// scatter
//===----------------------------------------------------------------------===//

static Value combineUpdate(BodyBuilder &b, graph::ScatterKind kind, Type element, Value old,
                           Value x) {
  switch (kind) {
  case graph::ScatterKind::replace: return x;
  case graph::ScatterKind::add: return combineScalars(b, "sum", element, old, x);
  case graph::ScatterKind::mul: return combineScalars(b, "prod", element, old, x);
  case graph::ScatterKind::max: return combineScalars(b, "max", element, old, x);
  case graph::ScatterKind::min: return combineScalars(b, "min", element, old, x);
  }
  return {};
}

/// On a GPU each of so many takes every so manieth place along the axis, and leaves the updates of
/// others to them: all read all indices, and those of one place are still made in their order.
static DimExpr scatterParts(ArrayRef<DimAttr> dims, int64_t axis) {
  MLIRContext *context = dims[axis].getContext();
  // Blocks where the dims after the axis are shared by threads, else threads.
  const int64_t wanted = axis + 1 == int64_t(dims.size()) ? 1024 : 64;
  const DimExpr one = DimExpr::constant(context, 1), many = DimExpr::constant(context, wanted);
  const DimExpr rows = graph::multiplyDims(context, dims.take_front(axis));
  return DimExpr::max(one, DimExpr::min(dims[axis], many.ceilDiv(DimExpr::max(rows, one))));
}

/// Whether updates of one place may come in any order, and a GPU has an atomic operation for them
/// (for 8 and 16 bits: one that replaces the word around them). Sums of floats have another result
/// in every order, and minima and maxima of them a NaN or a sign.
static bool hasAtomicUpdate(graph::ScatterKind kind, Type builtin) {
  return builtin.isInteger() && builtin.getIntOrFloatBitWidth() >= 8 &&
         llvm::is_contained(
             {graph::ScatterKind::add, graph::ScatterKind::min, graph::ScatterKind::max}, kind);
}

/// Loops over the dims before the axis, then over the indices in order; the dims after the axis are
/// a stage.
static Tensors lowerScatter(graph::ScatterOp op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op.getX());
  int64_t axis = op.getAxis();
  ArrayRef<DimAttr> dims = type.getDims();
  graph::TensorType indexType = graph::getTensorType(op.getIndices());
  graph::TensorType updateType = graph::getTensorType(op.getUpdates());
  Type element = type.getElementType(), builtin = getKernelElementType(element);
  emitter.askForSumsIn(builtin); // It adds to the elements that are there.
  Value indices = emitter.lookup(op.getIndices()), updates = emitter.lookup(op.getUpdates());
  Value extent = emitter.extent(dims[axis]), zero = emitter.constantIndex(0);
  bool isUnsigned = indexType.getElementType().isUnsignedInteger();
  Value start = emitter.lookup(op.getX());
  if (!updatesState(op, emitter))
    start = copyOf(emitter, "copy", start, dims);

  Value parts = emitter.isForGpu() ? emitter.extent(scatterParts(dims, axis).get()) : Value();
  // Of one index: all places after the axis, or the one at `after`.
  auto scatterOne = [&](ArrayRef<Value> before, Value own, ArrayRef<Value> at,
                        ArrayRef<Value> after, Value result) -> Value {
    ImplicitLocOpBuilder b(emitter.getLoc(), emitter.getBuilder());
    Value number = tensor::ExtractOp::create(b, indices, at);
    Value index = isUnsigned ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), number))
                             : Value(arith::IndexCastOp::create(b, b.getIndexType(), number));
    using P = arith::CmpIPredicate;
    Value isNegative = arith::CmpIOp::create(b, P::slt, index, zero);
    index = arith::SelectOp::create(b, isNegative, arith::AddIOp::create(b, index, extent), index);
    // One comparison finds both: what is still negative is large without a sign.
    Value isInside = arith::CmpIOp::create(b, P::ult, index, extent);
    if (own) {
      Value part = arith::RemUIOp::create(b, index, parts);
      isInside = arith::AndIOp::create(b, isInside, arith::CmpIOp::create(b, P::eq, part, own));
    }
    auto branch = scf::IfOp::create(b, TypeRange(result.getType()), isInside, /*withElse=*/true);
    OpBuilder &builder = emitter.getBuilder();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> target(before), source(before);
    target.push_back(index);
    llvm::append_range(target, after);
    target.resize(dims.size());
    llvm::append_range(source, at);
    llvm::append_range(source, after);
    source.resize(updateType.rank());
    Part here(emitter, dims, target, builtin),
        there(emitter, updateType.getDims(), source, builtin);
    Value part = update(emitter, stringifyScatterKind(op.getKind()), there.take(emitter, updates),
                        here.take(emitter, result), [&](BodyBuilder &inner, ValueRange x) {
                          return combineUpdate(inner, op.getKind(), element, x[1], x[0]);
                        });
    scf::YieldOp::create(builder, emitter.getLoc(), here.put(emitter, part, result));
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, emitter.getLoc(), result);
    return branch.getResult(0);
  };
  auto scatterAll = [&](ArrayRef<Value> before, Value own, ValueRange carried) {
    return forEach(emitter, "scatter", indexType.getDims(), carried, false, {},
                   [&](ArrayRef<Value> at, ValueRange inside) {
                     return SmallVector<Value>{scatterOne(before, own, at, {}, inside[0])};
                   });
  };
  const bool isAtomic =
      emitter.isForGpu() && indexType.rank() > 0 && hasAtomicUpdate(op.getKind(), builtin);
  return forEach(
      emitter, "scatter", dims.take_front(axis), start, true, {},
      [&](ArrayRef<Value> before, ValueRange carried) {
        if (isAtomic) { // All elements of all updates at once.
          SmallVector<DimAttr> all(indexType.getDims());
          llvm::append_range(all, dims.drop_front(axis + 1));
          SmallVector<Value> results = forEach(
              emitter, "scatter", all, carried, true, {},
              [&](ArrayRef<Value> place, ValueRange inside) {
                const size_t rank = size_t(indexType.rank());
                return SmallVector<Value>{scatterOne(before, Value(), place.take_front(rank),
                                                     place.drop_front(rank), inside[0])};
              });
          if (auto loop = results[0].getDefiningOp<scf::ForOp>())
            loop->setAttr(kernel::kAtomicAttr, emitter.getBuilder().getUnitAttr());
          return results;
        }
        if (!parts)
          return scatterAll(before, Value(), carried);
        return forLoop(
            emitter, "part", zero, parts, emitter.constantIndex(1), carried,
            [&](Value own, ValueRange inside) { return scatterAll(before, own, inside); },
            /*isParallel=*/true);
      });
}

void tessera::lower::attachSequential(MLIRContext &context) {
  using namespace graph;
  constexpr FusionClass kClass = FusionClass::Sequential;
  CumulativeOp::attachInterface<Model<CumulativeOp, kClass, lowerCumulative>>(context);
  graph::ScanOp::attachInterface<Model<graph::ScanOp, kClass, lowerScan>>(context);
  graph::ScatterOp::attachInterface<Model<graph::ScatterOp, kClass, lowerScatter>>(context);
}
