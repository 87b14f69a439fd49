//===- StreamGroups.cpp - Streams by four warps that multiply together, and four that copy ---===//
//
// Keys and values of several steps lie in a ring of memories. Four warps fill it: by boxes of
// tensors, which one thread begins, or by chunks, which arrive while the next ones are begun. The
// other warps, 64 rows for each four of them, multiply what is there by wgmma and hand the memory
// back. For each memory two mbarriers say so: it is full; it is empty. Sums lie in the lanes as
// those of mma do, so all that follows from scores is the same.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockStream.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tessera::nvgpu {

/// Of a thread that copies: a multiple of 8.
static constexpr int64_t kCopyRegisters = 72;

SharedTile::GroupLayout BlockStream::layoutOf(const Factor &factor) {
  const bool alongDepth = factor.reduction->kind == Reduction::Scores;
  return {factor.lines, factor.chunks, factor.perChunk, alongDepth};
}

/// What comes at a time: keys, then values.
SmallVector<SmallVector<BlockStream::Factor *>> BlockStream::parts() {
  SmallVector<SmallVector<Factor *>> all(1);
  for (ScoreFactors &both : factors)
    all[0].push_back(&both.keys);
  if (stream.sums())
    all.push_back({&values});
  return all;
}

/// The first one is that of the queries.
Value BlockStream::barrierOf(Event event, size_t part, Value slot) {
  const int64_t first = 1 + (event == Full ? 0 : 2) + int64_t(part);
  return add(mul(slot, 32), barrierOffset + 8 * first);
}

LogicalResult BlockStream::runGroups() {
  const int64_t consumers = 32 * tile.warps();
  Value own = thread;
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, own, i32(0));
  FailureOr<Values> made = f.guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
    initBarrier(barrierOffset, kCopyThreads);
    for (int64_t number = 0; number < 4 * tile.stages; ++number)
      initBarrier(barrierOffset + 8 * (1 + number), number % 4 < 2 ? kCopyThreads : consumers);
    fenceBarriers();
    return Values();
  });
  NVVM::Barrier0Op::create(b);
  Value begin = f.i64Constant(0);
  FailureOr<Value> first = findCondition() ? skipBlocks(begin) : FailureOr(begin);
  if (failed(made) || failed(first))
    return failure();
  for (bool copies : {true, false}) {
    Value isOne = arith::CmpIOp::create(
        b, copies ? arith::CmpIPredicate::uge : arith::CmpIPredicate::ult, own, i32(consumers));
    FailureOr<Values> done = f.guard(isOne, {}, [&](Values) -> FailureOr<Values> {
      if (failed(copies ? produce(*first, add(own, -consumers)) : consume(*first, own)))
        return failure();
      return Values();
    });
    if (failed(done))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Four warps that copy
//===----------------------------------------------------------------------===//

/// Whether a place follows the keys one by one, within bounds.
bool BlockStream::followsByOne(linalg::GenericOp stage, Value place, unsigned keys) {
  if (auto index = place.getDefiningOp<linalg::IndexOp>())
    return index.getDim() == keys;
  Operation *op = place.getDefiningOp();
  if (!isa_and_present<arith::AddIOp, arith::MinSIOp, arith::MaxSIOp, arith::MinUIOp>(op))
    return false;
  const bool left = kernel::getLoopsOf(stage, op->getOperand(0)).test(keys),
             right = kernel::getLoopsOf(stage, op->getOperand(1)).test(keys);
  return left != right && followsByOne(stage, op->getOperand(left ? 0 : 1), keys);
}

/// The dimension of the argument along which keys follow each other; as findSource goes.
std::optional<unsigned> BlockStream::findKeys(linalg::GenericOp stage, Value scalar,
                                              unsigned keys) {
  auto follows = [&](Value other) { return kernel::getLoopsOf(stage, other).test(keys); };
  if (arith::SelectOp select = zeroedBy(scalar))
    return follows(select.getCondition()) ? std::nullopt
                                          : findKeys(stage, select.getTrueValue(), keys);
  Value tensor;
  std::optional<unsigned> dim;
  if (auto argument = dyn_cast<BlockArgument>(scalar)) {
    OpOperand &operand = stage->getOpOperand(argument.getArgNumber());
    tensor = operand.get();
    AffineMap map = stage.getMatchingIndexingMap(&operand);
    dim = map.getResultPosition(b.getAffineDimExpr(keys));
    if (llvm::count_if(map.getResults(),
                       [&](AffineExpr expr) { return expr.isFunctionOfDim(keys); }) != 1)
      return std::nullopt;
  } else {
    auto extract = scalar.getDefiningOp<tensor::ExtractOp>();
    tensor = extract.getTensor();
    for (auto [number, at] : llvm::enumerate(extract.getIndices())) {
      if (!follows(at))
        continue;
      if (dim || !followsByOne(stage, at, keys))
        return std::nullopt;
      dim = unsigned(number);
    }
  }
  if (!dim || f.arguments.count(tensor))
    return dim;
  auto [from, yielded] = placedBy(tensor);
  AffineMap result = from.getMatchingIndexingMap(from.getDpsInitOperand(0));
  return findKeys(from, yielded, result.getDimPosition(*dim));
}

/// Lines that are filled up beyond what the factor has need zeros there: the end of the tensor.
bool BlockStream::mayBeBoxed(const Factor &factor, MapRequest &request) {
  if (!factor.argument)
    return false;
  linalg::GenericOp from = factor.reduction->stage;
  const auto *loop = llvm::find(factor.reduction->follows, int(kernel::StreamStages::kKeys));
  std::optional<unsigned> keys =
      findKeys(from, factor.scalar, unsigned(loop - factor.reduction->follows.begin()));
  auto type = cast<RankedTensorType>(factor.argument.getType());
  const int64_t rank = type.getRank(), width = std::min<int64_t>(factor.chunks, 8);
  if (!keys || *keys + 1 == rank || rank > rt::kMaxMapRank ||
      (factor.chunks * factor.perChunk != factor.extent &&
       type.getDimSize(rank - 1) != factor.extent))
    return false;
  request = {factor.argument, {}, uint32_t(16 * width)};
  request.box.assign(size_t(rank), 1);
  request.box[0] = uint32_t(width * factor.perChunk);
  request.box[size_t(rank) - 1 - *keys] = uint32_t(factor.lines);
  return true;
}

void BlockStream::addMaps() {
  SmallVector<MapRequest> requests;
  SmallVector<Factor *> boxed;
  for (ArrayRef<Factor *> part : parts())
    for (Factor *factor : part)
      if (MapRequest request; mayBeBoxed(*factor, request)) {
        requests.push_back(request);
        boxed.push_back(factor);
      }
  if (requests.empty())
    return;
  for (auto [factor, map] : llvm::zip_equal(boxed, SharedTile::addMaps(requests)))
    factor->boxes = map;
}

/// Places are bounded: where the last key of a step is as far behind the first one as it should be,
/// all between are. Nothing is 0 by a condition.
FailureOr<Value> BlockStream::isBox(const Factor &factor, const Step &step) {
  linalg::GenericOp from = factor.reduction->stage;
  Value isThere, isLastThere;
  FailureOr<Source> first =
      source(from, factor.scalar, placeOf(factor, step, i32(0), i32(0), isThere));
  FailureOr<Source> last =
      source(from, factor.scalar, placeOf(factor, step, i32(tile.keys - 1), i32(0), isLastThere));
  if (failed(first) || failed(last))
    return failure();
  Value fits = factor.boxes->isMade, distance;
  for (auto [x, y] : llvm::zip_equal(first->place, last->place)) {
    Value behind = arith::SubIOp::create(b, y, x);
    distance = distance ? Value(arith::AddIOp::create(b, distance, behind)) : behind;
  }
  Value isWhole =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, distance, index(tile.keys - 1));
  fits = arith::AndIOp::create(b, fits, isWhole);
  if (first->isThere)
    fits = arith::AndIOp::create(b, fits, first->isThere);
  return fits;
}

LogicalResult BlockStream::beginBoxes(const Factor &factor, const Step &step, Value barrier) {
  for (int64_t chunk = 0; chunk < factor.chunks; chunk += 8) {
    Value isThere;
    FailureOr<Source> from =
        source(factor.reduction->stage, factor.scalar,
               placeOf(factor, step, i32(0), i32(chunk * factor.perChunk), isThere));
    if (failed(from))
      return failure();
    copyBox(*factor.boxes, byteOf(factor, i32(chunk * factor.lines * 16)), from->place, barrier);
  }
  return success();
}

/// Keys or values of a step. Gives the barrier at which to arrive when they are there.
FailureOr<Value> BlockStream::bring(size_t part, const Step &step, Value slot, Value parity,
                                    Value pending) {
  const SmallVector<Factor *> brought = parts()[part];
  Value full = barrierOf(Full, part, slot);
  if (failed(waitFor(barrierOf(Empty, part, slot), parity)))
    return failure();
  auto copyChunks = [&](Values before) -> FailureOr<Values> {
    for (const Factor *factor : brought)
      if (failed(copy(*factor, step)))
        return failure();
    NVVM::CpAsyncCommitGroupOp::create(b);
    if (failed(settle(before[0], 1)))
      return failure();
    return Values{full};
  };
  if (!llvm::all_of(brought, [](const Factor *factor) { return factor->boxes.has_value(); })) {
    FailureOr<Values> copied = copyChunks({pending});
    if (failed(copied))
      return failure();
    return (*copied)[0];
  }
  Value boxes, one = arith::ConstantOp::create(b, b.getBoolAttr(true));
  int64_t bytes = 0;
  for (const Factor *factor : brought) {
    FailureOr<Value> fits = isBox(*factor, step);
    if (failed(fits))
      return failure();
    boxes = boxes ? Value(arith::AndIOp::create(b, boxes, *fits)) : *fits;
    bytes += factor->lines * factor->chunks * 16;
  }
  auto beginCopies = [&](Values before) -> FailureOr<Values> {
    if (failed(settle(before[0], 0)))
      return failure();
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, i32(0));
    Value isOther = arith::XOrIOp::create(b, isFirst, one);
    FailureOr<Values> begun = f.guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
      arriveExpecting(full, bytes);
      for (const Factor *factor : brought)
        if (failed(beginBoxes(*factor, step, full)))
          return failure();
      return Values();
    });
    FailureOr<Values> arrived = f.guard(isOther, {}, [&](Values) -> FailureOr<Values> {
      arriveAt(full);
      return Values();
    });
    if (failed(begun) || failed(arrived))
      return failure();
    return Values{i32(-1)};
  };
  FailureOr<Values> after = f.guard(boxes, {pending}, beginCopies);
  if (failed(after))
    return failure();
  after = f.guard(arith::XOrIOp::create(b, boxes, one), *after, copyChunks);
  if (failed(after))
    return failure();
  return (*after)[0];
}

LogicalResult BlockStream::produce(Value first, Value own) {
  if (tile.warps() == 8)
    giveRegisters(/*copies=*/true, kCopyRegisters);
  setThread(own);
  for (const ScoreFactors &both : factors)
    if (failed(copy(both.queries, {})))
      return failure();
  NVVM::CpAsyncCommitGroupOp::create(b);
  // The first time nobody has to hand memory back.
  FailureOr<Values> end = f.loopWhile(
      {first, i32(0), i32(1), i32(barrierOffset)},
      [&](Values current) -> FailureOr<Value> {
        return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, current[0], total));
      },
      [&](Values current) -> FailureOr<Values> {
        Value number = opaque(current[0], current[0]), slot = current[1], parity = current[2];
        Value pending = current[3];
        setThread(opaque(own, current[0]));
        ring = mul(slot, stageBytes);
        for (size_t part = 0; part < parts().size(); ++part) {
          FailureOr<Value> next = bring(part, stepOf(number), slot, parity, pending);
          if (failed(next))
            return failure();
          pending = *next;
        }
        FailureOr<Value> next = nextStep(number);
        if (failed(next))
          return failure();
        slot = turnSlot(slot, parity, tile.stages);
        return Values{*next, slot, parity, pending};
      });
  return success(succeeded(end) && succeeded(settle((*end)[3], 0)));
}

//===----------------------------------------------------------------------===//
// Four or eight warps that multiply
//===----------------------------------------------------------------------===//

LogicalResult BlockStream::consume(Value first, Value own) {
  if (tile.warps() == 8)
    giveRegisters(/*copies=*/false, kCopyRegisters);
  setThread(own);
  if (failed(waitFor(i32(barrierOffset), i32(0))))
    return failure();
  Values carried = {first, i32(0), i32(0)};
  carried.append(firstStates());
  FailureOr<Values> end = f.loopWhile(
      carried,
      [&](Values current) -> FailureOr<Value> {
        return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, current[0], total));
      },
      [&](Values current) -> FailureOr<Values> {
        // Else LLVM computes the places of all lanes and pointers to them before the loop.
        Value number = opaque(current[0], current[0]), slot = current[1], parity = current[2];
        setThread(opaque(own, current[0]));
        ring = mul(slot, stageBytes);
        if (failed(waitFor(barrierOf(Full, 0, slot), parity)))
          return failure();
        FailureOr<Values> scores = multiplyScores();
        if (failed(scores))
          return failure();
        arriveAt(barrierOf(Empty, 0, slot));
        if (stream.sums() && failed(waitFor(barrierOf(Full, 1, slot), parity)))
          return failure();
        FailureOr<Values> merged =
            merge(stepOf(number), *scores, Values(llvm::drop_begin(current, 3)));
        if (failed(merged))
          return failure();
        if (stream.sums())
          arriveAt(barrierOf(Empty, 1, slot));
        FailureOr<Value> following = nextStep(number);
        if (failed(following))
          return failure();
        slot = turnSlot(slot, parity, tile.stages);
        Values next = {*following, slot, parity};
        next.append(*merged);
        return next;
      });
  if (failed(end))
    return failure();
  setThread(own);
  // States pass through memory that others may still read.
  NVVM::BarrierOp::create(b, TypeRange(), i32(1), i32(32 * tile.warps()),
                          NVVM::BarrierReductionAttr(), Value());
  return store(Values(llvm::drop_begin(*end, 3)));
}

static StringRef nameOf(Type element) { return element.isF16() ? "f16" : "bf16"; }
static const char *const kBegin = "{\n.reg .pred p;\n.reg .b64 x, y;\nsetp.ne.b32 p, 1, 0;\n"
                                  "wgmma.fence.sync.aligned;\n";
static const char *const kEnd =
    "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n}";

static std::string listOf(size_t first, size_t count) {
  std::string text = "{";
  for (size_t number = first; number < first + count; ++number)
    text += (number == first ? "$" : ", $") + std::to_string(number);
  return text + "}";
}

/// 64 rows for each four warps, all keys.
SmallVector<Value> BlockStream::groupScores(const Factor &queries, const Factor &keys) {
  Values sums(size_t(keyUnits() * 4), initial(*queries.reduction));
  Value rows = mul(rowGroup(), 64);
  Values descriptors = {describe(layoutOf(queries), i32(queries.offset), rows),
                        describe(layoutOf(keys), byteOf(keys, i32(0)), i32(0))};
  const size_t next = 2 * sums.size();
  std::string text = kBegin;
  for (int64_t step = 0; step < queries.chunks / 2; ++step)
    text += ("add.s64 x, $" + Twine(next) + ", " + Twine(sixteensBehind(layoutOf(queries), step)) +
             ";\nadd.s64 y, $" + Twine(next + 1) + ", " +
             Twine(sixteensBehind(layoutOf(keys), step)) + ";\nwgmma.mma_async.sync.aligned.m64n" +
             Twine(tile.keys) + "k16.f32." + nameOf(queries.element) + "." + nameOf(keys.element) +
             " " + listOf(0, sums.size()) + ", x, y, p, 1, 1, 0, 0;\n")
                .str();
  return callOnSums(text + kEnd, std::move(sums), descriptors);
}

/// Weights are fragments of the first operand, in registers: of 16 keys four of them.
SmallVector<Value> BlockStream::groupColumns(ArrayRef<Value> weights, int64_t unit, int64_t units) {
  Values sums(size_t(units * 4), initial(*stream.sums()));
  Values others;
  for (Value weight : weights)
    others.push_back(weight.getType().isInteger()
                         ? weight
                         : Value(LLVM::BitcastOp::create(b, b.getI32Type(), weight)));
  const GroupLayout layout = layoutOf(values);
  Value first = add(mul(columnPart(), 8 * columnUnits()), 8 * unit);
  others.push_back(describe(layout, byteOf(values, i32(0)), first));
  const size_t next = 2 * sums.size(), last = next + others.size() - 1;
  std::string text = kBegin;
  for (int64_t step = 0; step < keyUnits() / 2; ++step)
    text += ("add.s64 y, $" + Twine(last) + ", " + Twine(sixteensBehind(layout, step)) +
             ";\nwgmma.mma_async.sync.aligned.m64n" + Twine(8 * units) + "k16.f32." +
             nameOf(values.element) + "." + nameOf(values.element) + " " + listOf(0, sums.size()) +
             ", " + listOf(next + size_t(4 * step), 4) + ", y, p, 1, 1, 1;\n")
                .str();
  return callOnSums(text + kEnd, std::move(sums), others);
}

} // namespace tessera::nvgpu
