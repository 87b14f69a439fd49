//===- StreamMerge.cpp - From scores to states ------------------------------------------------===//
//
// 1. Reductions of a row: each lane reduces its scores, then the lanes of the row combine.
// 2. Weights, where there are sums.
// 3. The scalar code of the merging stage, once for a row as far as it is the same for all columns,
//    then for each column.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockStream.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

using kernel::StreamStages;

FailureOr<SmallVector<Value>> BlockStream::merge(const Step &step, ArrayRef<Value> scores,
                                                 ArrayRef<Value> states) {
  now = step;
  rowValues.clear();
  for (const Reduction &reduction : stream.reductions)
    if (reduction.kind == Reduction::Row && failed(reduceRows(reduction, scores)))
      return failure();
  Values weights;
  if (stream.sums()) {
    FailureOr<Values> computed = computeWeights(scores);
    if (failed(computed))
      return failure();
    weights = std::move(*computed);
  }
  FailureOr<Values> next = mergeStates(weights, states);
  for (const Reduction &reduction : stream.reductions)
    f.sharedValues.erase(reduction.stage);
  return next;
}

/// Stages of one row give what was reduced for this one.
void BlockStream::setRow(unsigned row) {
  for (auto &[reduced, values] : rowValues)
    f.sharedValues[reduced] = values[row];
}

void BlockStream::setScore(ArrayRef<Value> scores, size_t number) {
  const size_t count = scores.size() / factors.size();
  for (auto [product, score] : llvm::enumerate(stream.scores()))
    f.sharedValues[score->stage] = {scores[product * count + number]};
}

/// What the lane so far away has: words of 32 bits, of which narrow numbers fill a part.
Value BlockStream::exchange(Value value, int64_t distance) {
  auto ofWord = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, word.getType(), i32(-1), word, i32(distance), i32(31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  const unsigned bits = value.getType().getIntOrFloatBitWidth();
  if (bits == 32)
    return ofWord(value);
  if (bits < 32) {
    Value own = LLVM::BitcastOp::create(b, b.getIntegerType(bits), value);
    Value other = ofWord(LLVM::ZExtOp::create(b, b.getI32Type(), own));
    return LLVM::BitcastOp::create(b, value.getType(),
                                   LLVM::TruncOp::create(b, own.getType(), other));
  }
  auto type = VectorType::get({2}, b.getI32Type());
  Value words = LLVM::BitcastOp::create(b, type, value), other = LLVM::PoisonOp::create(b, type);
  for (int64_t half = 0; half < 2; ++half)
    other = LLVM::InsertElementOp::create(
        b, other, ofWord(LLVM::ExtractElementOp::create(b, words, i32(half))), i32(half));
  return LLVM::BitcastOp::create(b, value.getType(), other);
}

/// Lanes beside each other have a row.
Value BlockStream::acrossRow(Value value, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t distance = 1; distance < lanesOfRow(); distance *= 2) {
    Value other = exchange(value, distance);
    value = combine(value, other);
  }
  return value;
}

/// The place of a score, and whether it is one of a key of the block (null: it always is).
static Value boundKey(ImplicitLocOpBuilder &b, Value &key, Value count) {
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, key, count);
  Value last = arith::SubIOp::create(b, count, arith::ConstantIndexOp::create(b, 1));
  key = arith::MinSIOp::create(b, key, last);
  return isThere;
}

LogicalResult BlockStream::reduceRows(const Reduction &reduction, ArrayRef<Value> scores) {
  linalg::GenericOp stage = reduction.stage;
  const bool isWhole = stream.keyStep % tile.keys == 0;
  SmallVector<Values> all;
  for (int64_t row = 0; row < rowsOfLane(); ++row) {
    setRow(unsigned(row));
    SmallVector<kernel::Combiner> combiners;
    Values running;
    for (unsigned i = 0; i < stage.getNumDpsInits(); ++i) {
      combiners.push_back(*kernel::matchCombiner(stage, i));
      running.push_back(arith::ConstantOp::create(b, combiners.back().identity));
    }
    Place place{now.block, rowAt(rowOfLane(row)), {}, {}, {}};
    for (int64_t unit = 0; unit < keyUnits(); ++unit)
      for (int64_t element = 0; element < keyWidth(); ++element) {
        place.key = arith::AddIOp::create(b, now.first, index(keyOfLane(unit, element)));
        Value isThere = isWhole ? Value() : boundKey(b, place.key, keyCount);
        setScore(scores, size_t((unit * rowsOfLane() + row) * keyWidth() + element));
        FailureOr<Values> next = f.body(stage, loopsOf(reduction.follows, place), running);
        if (failed(next))
          return failure();
        for (auto [value, other] : llvm::zip_equal(running, *next))
          value = isThere ? Value(arith::SelectOp::create(b, isThere, other, value)) : other;
      }
    for (auto [number, value, combiner] : llvm::enumerate(running, combiners)) {
      auto combine = [&](Value x, Value y) { return combiner.combine(b, b.getLoc(), x, y); };
      auto init = stage.getDpsInits()[number].getDefiningOp<linalg::FillOp>();
      value = combine(f.scalars.lookupOrDefault(init.getInputs()[0]), acrossRow(value, combine));
    }
    all.push_back(running);
  }
  rowValues[stage] = all;
  return success();
}

FailureOr<SmallVector<Value>> BlockStream::computeWeights(ArrayRef<Value> scores) {
  const Reduction &sums = *stream.sums();
  const bool isWhole = stream.keyStep % tile.keys == 0;
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(sums.left.getType()));
  Values weights(scores.size() / factors.size());
  for (int64_t row = 0; row < rowsOfLane(); ++row) {
    setRow(unsigned(row));
    Place place{now.block, rowAt(rowOfLane(row)), {}, {}, {}};
    for (int64_t unit = 0; unit < keyUnits(); ++unit)
      for (int64_t element = 0; element < keyWidth(); ++element) {
        place.key = arith::AddIOp::create(b, now.first, index(keyOfLane(unit, element)));
        Value isThere = isWhole ? Value() : boundKey(b, place.key, keyCount);
        const auto number = size_t((unit * rowsOfLane() + row) * keyWidth() + element);
        setScore(scores, number);
        IRMapping known;
        FailureOr<Value> weight =
            f.scalar(sums.stage, sums.left, loopsOf(sums.follows, place), known);
        if (failed(weight))
          return failure();
        weights[number] =
            isThere ? Value(arith::SelectOp::create(b, isThere, *weight, zero)) : *weight;
      }
  }
  return weights;
}

/// Whether a scalar of the merging stage differs from column to column.
bool BlockStream::followsColumns(Value scalar) {
  Block &body = stage.getRegion().front();
  SmallVector<Value> left = {scalar};
  llvm::SmallPtrSet<Value, 16> seen;
  while (!left.empty()) {
    Value value = left.pop_back_val();
    if (!stage.getRegion().isAncestor(value.getParentRegion()) || !seen.insert(value).second)
      continue;
    auto argument = dyn_cast<BlockArgument>(value);
    if (argument && argument.getOwner() == &body) {
      const unsigned number = argument.getArgNumber(), inputs = unsigned(stage.getNumDpsInputs());
      if (number >= inputs && !stream.isAlike.test(number - inputs))
        return true;
      if (number < inputs && stream.columns &&
          stage.getMatchingIndexingMap(stage.getDpsInputOperand(number))
              .isFunctionOfDim(*stream.columns))
        return true;
      continue;
    }
    Operation *producer = value.getDefiningOp();
    if (!producer)
      continue;
    if (auto number = dyn_cast<linalg::IndexOp>(producer);
        number && number.getDim() == stream.columns)
      return true;
    producer->walk([&](Operation *op) { left.append(op->operand_begin(), op->operand_end()); });
  }
  return false;
}

/// Whatever makes the stage keep its states as they are is about one block.
FailureOr<SmallVector<Value>> BlockStream::mergeElement(const Place &place, ArrayRef<Value> running,
                                                        ArrayRef<Value> added) {
  IRMapping known;
  for (auto [number, value] : llvm::enumerate(running))
    known.map(stage.getRegionOutputArgs()[number], value);
  for (auto [number, value] : llvm::enumerate(added))
    known.map(stage.getRegionInputArgs()[number], value);
  if (Value condition = findCondition())
    known.map(condition, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  SmallVector<int> follows = llvm::to_vector(llvm::seq<int>(0, int(stage.getNumLoops())));
  Values next;
  for (Value yielded : stage.getRegion().front().getTerminator()->getOperands()) {
    FailureOr<Value> value = f.scalar(stage, yielded, loopsOf(follows, place), known);
    if (failed(value))
      return failure();
    next.push_back(*value);
  }
  return next;
}

FailureOr<SmallVector<Value>> BlockStream::mergeStates(ArrayRef<Value> weights,
                                                       ArrayRef<Value> states) {
  Operation *yield = stage.getRegion().front().getTerminator();
  const int64_t alike = int64_t(stream.isAlike.count());
  SmallVector<int> follows = llvm::to_vector(llvm::seq<int>(0, int(stage.getNumLoops())));
  std::vector<IRMapping> known;
  SmallVector<Place> places;
  Values next;
  for (int64_t row = 0; row < rowsOfLane(); ++row) {
    setRow(unsigned(row));
    places.push_back({now.block, rowAt(rowOfLane(row)), {}, {}, {}});
    IRMapping &map = known.emplace_back();
    for (auto [number, result] : llvm::enumerate(stream.isAlike.set_bits()))
      map.map(stage.getRegionOutputArgs()[result], states[size_t(row * alike) + number]);
    const Values loops = loopsOf(follows, places.back());
    for (Operation &op : stage.getRegion().front().without_terminator())
      for (Value value : op.getResults())
        if (!followsColumns(value) && failed(f.scalar(stage, value, loops, map)))
          return failure();
    for (unsigned result : stream.isAlike.set_bits()) {
      FailureOr<Value> value = f.scalar(stage, yield->getOperand(result), loops, map);
      if (failed(value))
        return failure();
      next.push_back(*value);
    }
  }
  const Reduction *sums = stream.sums();
  if (!sums)
    return next;
  const unsigned varying = stream.varying();
  Values fragments = stream.isMatrix ? packWeights(weights) : Values();
  if (!stream.isMatrix)
    writeWeights(weights);
  ArrayRef<Value> before = states.drop_front(size_t(rowsOfLane() * alike));
  for (int64_t first = 0; first < columnUnits(); first += unitsAtOnce()) {
    const int64_t units = std::min(unitsAtOnce(), columnUnits() - first);
    FailureOr<Values> added = multiplyWeights(fragments, first, units);
    if (failed(added))
      return failure();
    for (int64_t unit = 0; unit < units; ++unit)
      for (int64_t row = 0; row < rowsOfLane(); ++row) {
        setRow(unsigned(row));
        for (int64_t element = 0; element < columnWidth(); ++element) {
          const int64_t own = (unit * rowsOfLane() + row) * columnWidth() + element;
          IRMapping map = known[size_t(row)];
          map.map(stage.getRegionOutputArgs()[varying],
                  before[size_t(first * rowsOfLane() * columnWidth() + own)]);
          f.sharedValues[sums->stage] = {(*added)[size_t(own)]};
          Place place = places[size_t(row)];
          place.column = arith::MinUIOp::create(b, index(columnOfLane(first + unit, element)),
                                                index(stream.columnExtent - 1));
          FailureOr<Value> value =
              f.scalar(stage, yield->getOperand(varying), loopsOf(follows, place), map);
          if (failed(value))
            return failure();
          next.push_back(*value);
        }
      }
  }
  return next;
}

} // namespace tessera::nvgpu
