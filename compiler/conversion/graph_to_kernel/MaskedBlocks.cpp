//===- MaskedBlocks.cpp - Blocks of a stream that a mask leaves out ---------------------------===//

#include "compiler/conversion/graph_to_kernel/MaskedBlocks.h"

#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;

using BodyBuilder = ImplicitLocOpBuilder;

/// The stage that gives a tensor, and the scalar it yields for it.
static std::pair<linalg::GenericOp, Value> producerOf(Value tensor) {
  auto stage = tensor.getDefiningOp<linalg::GenericOp>();
  if (!stage)
    return {};
  unsigned number = llvm::cast<OpResult>(tensor).getResultNumber();
  return {stage, stage.getRegion().front().getTerminator()->getOperand(number)};
}

static bool isInside(Value value, linalg::GenericOp stage) {
  return stage.getRegion().isAncestor(value.getParentRegion());
}

//===----------------------------------------------------------------------===//
// Before there are blocks
//===----------------------------------------------------------------------===//

static bool isInfinite(Value value) {
  while (auto broadcast = value.getDefiningOp<graph::BroadcastOp>())
    value = broadcast->getOperand(0);
  auto constant = value.getDefiningOp<graph::ConstantOp>();
  auto dense = constant ? llvm::dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  return dense && dense.isSplat() && llvm::isa<FloatType>(dense.getElementType()) &&
         dense.getSplatValue<APFloat>().isInfinity();
}

bool tessera::lower::mayLeaveOutBlocks(graph::StreamOp op) {
  const auto result = op.getLift().walk([](graph::SelectOp select) {
    if (!isInfinite(select->getOperand(1)) && !isInfinite(select->getOperand(2)))
      return WalkResult::advance();
    SmallVector<Value> conditions{select->getOperand(0)};
    llvm::SmallDenseSet<Operation *> seen;
    while (!conditions.empty()) {
      Operation *condition = conditions.pop_back_val().getDefiningOp();
      if (!condition || !seen.insert(condition).second)
        continue;
      if (isa<graph::CompareOp>(condition) &&
          llvm::cast<graph::TensorType>(condition->getOperand(0).getType())
              .getElementType()
              .isInteger())
        return WalkResult::interrupt();
      llvm::append_range(conditions, condition->getOperands());
    }
    return WalkResult::advance();
  });
  return result.wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Constants behind a mask that is false
//===----------------------------------------------------------------------===//

namespace {
class Constants {
public:
  explicit Constants(arith::SelectOp mask) : mask(mask) {}

  /// The value of all elements.
  std::optional<APFloat> ofTensor(Value tensor) {
    auto [it, isNew] = known.try_emplace(tensor, std::nullopt);
    if (!isNew)
      return it->second;
    std::optional<APFloat> value = compute(tensor);
    known.insert_or_assign(tensor, value);
    return value;
  }

private:
  std::optional<APFloat> compute(Value tensor) {
    if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
      return literal(fill.getInputs()[0]);
    auto [stage, yielded] = producerOf(tensor);
    if (!stage)
      return std::nullopt;
    if (!stage.getNumReductionLoops())
      return ofScalar(yielded, stage, std::nullopt);
    // A reduction that stays where it starts.
    if (stage.getNumDpsInits() != 1)
      return std::nullopt;
    std::optional<APFloat> start = ofTensor(stage.getDpsInits()[0]);
    std::optional<APFloat> next = start ? ofScalar(yielded, stage, start) : std::nullopt;
    return next && next->compare(*start) == APFloat::cmpEqual ? start : std::nullopt;
  }

  static std::optional<APFloat> literal(Value value) {
    APFloat number(0.0);
    if (matchPattern(value, m_ConstantFloat(&number)))
      return number;
    return std::nullopt;
  }

  std::optional<APFloat> ofScalar(Value value, linalg::GenericOp stage,
                                  const std::optional<APFloat> &carried) {
    if (auto argument = llvm::dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() != &stage.getRegion().front())
        return std::nullopt;
      unsigned number = argument.getArgNumber();
      return number < stage.getNumDpsInputs() ? ofTensor(stage.getDpsInputs()[number]) : carried;
    }
    if (std::optional<APFloat> number = literal(value))
      return number;
    Operation *op = value.getDefiningOp();
    auto operand = [&](unsigned number) {
      return ofScalar(op->getOperand(number), stage, carried);
    };
    if (auto extract = llvm::dyn_cast<tensor::ExtractOp>(op))
      return ofTensor(extract.getTensor());
    if (auto select = llvm::dyn_cast<arith::SelectOp>(op)) {
      if (select == mask)
        return operand(2);
      std::optional<APFloat> x = operand(1), y = operand(2);
      return x && y && x->bitwiseIsEqual(*y) ? x : std::nullopt;
    }
    if (!llvm::isa<FloatType>(value.getType()) || op->getNumOperands() > 2 ||
        op->getNumOperands() == 0)
      return std::nullopt;
    std::optional<APFloat> x = operand(0);
    if (op->getNumOperands() == 1) {
      if (!x)
        return std::nullopt;
      if (llvm::isa<arith::NegFOp>(op))
        return neg(*x);
      if (llvm::isa<math::AbsFOp>(op))
        return abs(*x);
      if (llvm::isa<math::ExpOp>(op) && (x->isInfinity() || x->isLargest() || x->isZero())) {
        // Of what no rounding reaches: 0, 1 or inf.
        APFloat result(std::exp(x->isZero() ? 0.0 : x->isNegative() ? -INFINITY : INFINITY));
        bool inexact;
        result.convert(x->getSemantics(), APFloat::rmNearestTiesToEven, &inexact);
        return result;
      }
      return std::nullopt;
    }
    std::optional<APFloat> y = operand(1);
    if (llvm::isa<arith::MulFOp>(op)) {
      for (const std::optional<APFloat> &factor : {x, y})
        if (factor && factor->isZero())
          return APFloat::getZero(factor->getSemantics());
    }
    if (llvm::isa<arith::AddFOp>(op)) {
      for (const auto &[one, other] : {std::pair(x, y), std::pair(y, x)})
        if (one && !other && one->isInfinity())
          return one;
    }
    if (!x || !y)
      return std::nullopt;
    APFloat result = *x;
    if (llvm::isa<arith::MulFOp>(op))
      result.multiply(*y, APFloat::rmNearestTiesToEven);
    else if (llvm::isa<arith::AddFOp>(op))
      result.add(*y, APFloat::rmNearestTiesToEven);
    else if (llvm::isa<arith::SubFOp>(op))
      result.subtract(*y, APFloat::rmNearestTiesToEven);
    else if (llvm::isa<arith::DivFOp>(op))
      result.divide(*y, APFloat::rmNearestTiesToEven);
    else if (llvm::isa<arith::MaximumFOp>(op))
      result = maximum(*x, *y);
    else if (llvm::isa<arith::MinimumFOp>(op))
      result = minimum(*x, *y);
    else
      return std::nullopt;
    return result;
  }

  arith::SelectOp mask;
  llvm::DenseMap<Value, std::optional<APFloat>> known;
};
} // namespace

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

namespace {
/// Both ends included, as index values.
struct Interval {
  Value lo, hi;
};
/// Which values a condition can have.
struct Truth {
  Value canHold, canFail;
};
/// A stage and where its loops are.
struct Frame {
  linalg::GenericOp stage;
  SmallVector<std::optional<Interval>> loops;
};

class Intervals {
public:
  explicit Intervals(BodyBuilder &b) : b(b) {}

  static std::optional<Interval> exact(Value value) { return Interval{value, value}; }

  /// The frame in which an element at these places is computed.
  Frame frameOf(linalg::GenericOp stage, ArrayRef<std::optional<Interval>> at) {
    Frame frame{stage, SmallVector<std::optional<Interval>>(stage.getNumLoops())};
    AffineMap output = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
    for (auto [expr, place] : llvm::zip(output.getResults(), at))
      frame.loops[llvm::cast<AffineDimExpr>(expr).getPosition()] = place;
    for (unsigned loop = 0; loop < stage.getNumLoops(); ++loop)
      if (stage.getIteratorTypesArray()[loop] == utils::IteratorType::reduction)
        frame.loops[loop] = wholeLoop(stage, loop);
    return frame;
  }

  /// Where a stage reads an operand.
  SmallVector<std::optional<Interval>> placesOf(const Frame &frame, AffineMap map) {
    SmallVector<std::optional<Interval>> places;
    for (AffineExpr expr : map.getResults()) {
      if (auto loop = llvm::dyn_cast<AffineDimExpr>(expr))
        places.push_back(frame.loops[loop.getPosition()]);
      else if (auto number = llvm::dyn_cast<AffineConstantExpr>(expr))
        places.push_back(exact(arith::ConstantIndexOp::create(b, number.getValue())));
      else
        places.push_back(std::nullopt);
    }
    return places;
  }

  SmallVector<std::optional<Interval>> placesOf(const Frame &frame, tensor::ExtractOp extract) {
    return llvm::map_to_vector(extract.getIndices(),
                               [&](Value index) { return integer(index, frame); });
  }

  std::optional<Interval> integer(Value value, const Frame &frame) {
    if (!isInside(value, frame.stage)) {
      if (value.getType().isIndex())
        return exact(value);
    } else if (auto found = source(value, frame)) {
      return integer(found->second, found->first);
    }
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return exact(arith::ConstantIndexOp::create(b, constant.getSExtValue()));
    Operation *op = value.getDefiningOp();
    if (!op || !isInside(value, frame.stage))
      return std::nullopt;
    if (auto index = llvm::dyn_cast<linalg::IndexOp>(op))
      return frame.loops[index.getDim()];
    // Positions are below 2^31.
    if (llvm::isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op))
      return integer(op->getOperand(0), frame);
    if (op->getNumOperands() != 2)
      return std::nullopt;
    std::optional<Interval> x = integer(op->getOperand(0), frame),
                            y = integer(op->getOperand(1), frame);
    if (!x || !y)
      return std::nullopt;
    if (llvm::isa<arith::AddIOp>(op))
      return Interval{arith::AddIOp::create(b, x->lo, y->lo),
                      arith::AddIOp::create(b, x->hi, y->hi)};
    if (llvm::isa<arith::SubIOp>(op))
      return Interval{arith::SubIOp::create(b, x->lo, y->hi),
                      arith::SubIOp::create(b, x->hi, y->lo)};
    if (llvm::isa<arith::MinSIOp>(op))
      return Interval{arith::MinSIOp::create(b, x->lo, y->lo),
                      arith::MinSIOp::create(b, x->hi, y->hi)};
    if (llvm::isa<arith::MaxSIOp>(op))
      return Interval{arith::MaxSIOp::create(b, x->lo, y->lo),
                      arith::MaxSIOp::create(b, x->hi, y->hi)};
    // Only by what is not negative: a constant, or an extent.
    if (llvm::isa<arith::MulIOp>(op))
      for (const auto &[one, other, factor] :
           {std::tuple(x, y, op->getOperand(1)), std::tuple(y, x, op->getOperand(0))})
        if (isNotNegative(factor, frame))
          return Interval{arith::MulIOp::create(b, one->lo, other->lo),
                          arith::MulIOp::create(b, one->hi, other->hi)};
    return std::nullopt;
  }

  std::optional<Truth> truth(Value value, const Frame &frame) {
    if (auto found = source(value, frame))
      return truth(found->second, found->first);
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return Truth{boolean(!constant.isZero()), boolean(constant.isZero())};
    Operation *op = value.getDefiningOp();
    if (!op || !isInside(value, frame.stage))
      return std::nullopt;
    if (auto compare = llvm::dyn_cast<arith::CmpIOp>(op))
      return compared(compare, frame);
    if (!llvm::isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op))
      return std::nullopt;
    std::optional<Truth> x = truth(op->getOperand(0), frame), y = truth(op->getOperand(1), frame);
    auto both = [&](Value one, Value other) -> Value {
      return arith::AndIOp::create(b, one, other);
    };
    auto any = [&](Value one, Value other) -> Value { return arith::OrIOp::create(b, one, other); };
    if (llvm::isa<arith::XOrIOp>(op)) { // "not"
      for (auto [one, other] : {std::pair(x, op->getOperand(1)), std::pair(y, op->getOperand(0))})
        if (one && matchPattern(other, m_One()))
          return Truth{one->canFail, one->canHold};
      return std::nullopt;
    }
    // What is not known can be either.
    Truth unknown{boolean(true), boolean(true)};
    Truth one = x.value_or(unknown), other = y.value_or(unknown);
    if (llvm::isa<arith::AndIOp>(op))
      return Truth{both(one.canHold, other.canHold), any(one.canFail, other.canFail)};
    return Truth{any(one.canHold, other.canHold), both(one.canFail, other.canFail)};
  }

private:
  Value boolean(bool value) { return arith::ConstantIntOp::create(b, value, 1); }
  Value test(arith::CmpIPredicate predicate, Value x, Value y) {
    return arith::CmpIOp::create(b, predicate, x, y);
  }

  /// A value that is read: the stage it comes from, where that is computed, and its scalar there.
  std::optional<std::pair<Frame, Value>> source(Value value, const Frame &frame) {
    Value tensor;
    SmallVector<std::optional<Interval>> at;
    if (auto argument = llvm::dyn_cast<BlockArgument>(value)) {
      linalg::GenericOp stage = frame.stage;
      if (argument.getOwner() != &stage.getRegion().front() ||
          argument.getArgNumber() >= stage.getNumDpsInputs())
        return std::nullopt;
      OpOperand *operand = stage.getDpsInputOperand(argument.getArgNumber());
      tensor = operand->get();
      at = placesOf(frame, stage.getMatchingIndexingMap(operand));
    } else if (auto extract = value.getDefiningOp<tensor::ExtractOp>()) {
      tensor = extract.getTensor();
      at = placesOf(frame, extract);
    } else {
      return std::nullopt;
    }
    auto [stage, yielded] = producerOf(tensor);
    if (!stage || stage.getNumReductionLoops())
      return std::nullopt;
    return std::pair(frameOf(stage, at), yielded);
  }

  std::optional<Interval> wholeLoop(linalg::GenericOp stage, unsigned loop) {
    for (OpOperand &operand : stage->getOpOperands()) {
      auto type = llvm::dyn_cast<RankedTensorType>(operand.get().getType());
      AffineMap map = stage.getMatchingIndexingMap(&operand);
      std::optional<unsigned> dim =
          map.getResultPosition(getAffineDimExpr(loop, stage.getContext()));
      if (!type || !dim)
        continue;
      Value zero = arith::ConstantIndexOp::create(b, 0);
      if (!type.isDynamicDim(*dim))
        return Interval{zero, arith::ConstantIndexOp::create(b, type.getDimSize(*dim) - 1)};
      Value tensor = operand.get();
      while (auto producer = tensor.getDefiningOp<linalg::LinalgOp>())
        tensor = producer.getDpsInits()[llvm::cast<OpResult>(tensor).getResultNumber()];
      if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>()) {
        Value one = arith::ConstantIndexOp::create(b, 1);
        return Interval{zero, arith::SubIOp::create(b, empty.getDynamicSize(*dim), one)};
      }
    }
    return std::nullopt;
  }

  static bool isNotNegative(Value value, const Frame &frame) {
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return !constant.isNegative();
    // Index values of a kernel are extents.
    return value.getType().isIndex() && !isInside(value, frame.stage);
  }

  std::optional<Truth> compared(arith::CmpIOp compare, const Frame &frame) {
    using Predicate = arith::CmpIPredicate;
    std::optional<Interval> x = integer(compare.getLhs(), frame),
                            y = integer(compare.getRhs(), frame);
    if (!x || !y)
      return std::nullopt;
    Predicate predicate = compare.getPredicate();
    switch (predicate) {
    case Predicate::slt:
    case Predicate::sle:
      return Truth{
          test(predicate, x->lo, y->hi),
          test(predicate == Predicate::slt ? Predicate::sge : Predicate::sgt, x->hi, y->lo)};
    case Predicate::sgt:
    case Predicate::sge:
      return Truth{
          test(predicate, x->hi, y->lo),
          test(predicate == Predicate::sgt ? Predicate::sle : Predicate::slt, x->lo, y->hi)};
    case Predicate::eq:
    case Predicate::ne: {
      Value meet = arith::AndIOp::create(b, test(Predicate::sle, x->lo, y->hi),
                                         test(Predicate::sle, y->lo, x->hi));
      Truth equal{meet, boolean(true)};
      return predicate == Predicate::eq ? equal : Truth{equal.canFail, equal.canHold};
    }
    default: return std::nullopt;
    }
  }

  BodyBuilder &b;
};
} // namespace

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

/// Calls back for every stage that a tensor is computed by.
static void walkStages(Value tensor, llvm::SmallPtrSetImpl<Operation *> &seen,
                       llvm::function_ref<void(linalg::GenericOp)> callback) {
  auto stage = tensor.getDefiningOp<linalg::GenericOp>();
  if (!stage || !seen.insert(stage).second)
    return;
  callback(stage);
  for (Value input : stage.getDpsInputs())
    walkStages(input, seen, callback);
  stage.getRegion().walk(
      [&](tensor::ExtractOp extract) { walkStages(extract.getTensor(), seen, callback); });
}

MaskedBlocks::MaskedBlocks(ArrayRef<Value> states, ArrayRef<TypedAttr> identity) : states(states) {
  SmallVector<arith::SelectOp> selects;
  llvm::SmallPtrSet<Operation *, 16> seen;
  for (Value state : states)
    walkStages(state, seen, [&](linalg::GenericOp stage) {
      stage.getRegion().walk([&](arith::SelectOp select) {
        if (llvm::isa<FloatType>(select.getType()) && select.getCondition().getType().isInteger(1))
          selects.push_back(select);
      });
    });
  for (arith::SelectOp select : selects) {
    Constants constants(select);
    bool allNeutral = llvm::all_of(llvm::zip(states, identity), [&](auto pair) {
      auto neutral = llvm::dyn_cast<FloatAttr>(std::get<1>(pair));
      std::optional<APFloat> value = constants.ofTensor(std::get<0>(pair));
      return neutral && value && value->compare(neutral.getValue()) == APFloat::cmpEqual;
    });
    if (allNeutral)
      masks.push_back(select);
  }
}

Value MaskedBlocks::mayDiffer(BodyBuilder &b, unsigned state, ArrayRef<unsigned> loops) const {
  Operation *last = b.getInsertionPoint() == b.getInsertionBlock()->begin()
                        ? nullptr
                        : &*std::prev(b.getInsertionPoint());
  Intervals intervals(b);
  Value result;
  llvm::SmallPtrSet<Operation *, 16> seen;
  std::function<void(Value, ArrayRef<std::optional<Interval>>)> visit =
      [&](Value tensor, ArrayRef<std::optional<Interval>> at) {
        auto stage = tensor.getDefiningOp<linalg::GenericOp>();
        if (!stage || !seen.insert(stage).second)
          return;
        Frame frame = intervals.frameOf(stage, at);
        for (arith::SelectOp mask : masks) {
          if (mask->getParentOp() != stage.getOperation())
            continue;
          std::optional<Truth> truth = intervals.truth(mask.getCondition(), frame);
          if (truth)
            result =
                result ? Value(arith::AndIOp::create(b, result, truth->canHold)) : truth->canHold;
        }
        for (OpOperand *operand : stage.getDpsInputOperands())
          visit(operand->get(), intervals.placesOf(frame, stage.getMatchingIndexingMap(operand)));
        SmallVector<tensor::ExtractOp> extracts(
            stage.getRegion().front().getOps<tensor::ExtractOp>());
        for (tensor::ExtractOp extract : extracts)
          visit(extract.getTensor(), intervals.placesOf(frame, extract));
      };
  SmallVector<std::optional<Interval>> at;
  for (unsigned loop : loops)
    at.push_back(Intervals::exact(linalg::IndexOp::create(b, loop)));
  visit(states[state], at);
  // Intervals that led to no mask.
  Block *block = b.getInsertionBlock();
  auto begin = last ? std::next(last->getIterator()) : block->begin();
  SmallVector<Operation *> built;
  for (Operation &op : llvm::make_range(begin, b.getInsertionPoint()))
    built.push_back(&op);
  for (Operation *op : llvm::reverse(built))
    if (op->use_empty() && (!result || op != result.getDefiningOp()))
      op->erase();
  return result;
}
