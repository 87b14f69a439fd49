//===- TileRing.cpp - Four warps that copy for those that multiply ----------------------------===//
//
// Factors of several steps lie in a ring of memories. Four warps fill it, by boxes of tensors,
// which one thread begins, or by chunks; the others, four or two times four, multiply what is there
// and hand the memory back. For each memory two mbarriers say so: it is full; it is empty. Whoever
// multiplies never waits for a copy to begin, nor for the other four warps.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// Of a thread that copies, a multiple of 8: chunks of two factors at once, which boxes do not
/// need.
static constexpr int64_t kCopyRegisters = 104;

Value BlockTile::barrierOf(Event event, Value slot) {
  const int64_t first = event == Full ? 0 : int64_t(directive.getStages());
  return add(mul(slot, 8), barrierOffset + 8 * first);
}

LogicalResult BlockTile::runRing() {
  const int64_t stages = directive.getStages();
  Value count = inner.extents.lookup(steps.split.getOuter()).value;
  Value one = arith::ConstantOp::create(b, b.getBoolAttr(true)), mayBox;
  if (left.boxes)
    mayBox = arith::AndIOp::create(b, left.boxes->isMade, right.boxes->isMade);
  auto isThread = [&](int64_t number) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, i32(number));
  };
  auto guarded = [&](Value condition, llvm::function_ref<LogicalResult()> body) {
    FailureOr<Values> done = f.guard(condition, {}, [&](Values) -> FailureOr<Values> {
      if (failed(body()))
        return failure();
      return Values();
    });
    return success(succeeded(done));
  };
  // Boxes are begun by one thread, chunks brought by all that copy.
  Value filling = i32(kCopyThreads);
  if (mayBox)
    filling = arith::SelectOp::create(b, mayBox, i32(1), filling);
  LogicalResult made = guarded(isThread(0), [&] {
    for (int64_t slot = 0; slot < stages; ++slot) {
      initBarrier(barrierOffset + 8 * slot, filling);
      initBarrier(barrierOffset + 8 * (stages + slot), i32(multiplying));
    }
    fenceBarriers();
    return success();
  });
  NVVM::Barrier0Op::create(b);
  const int64_t all = threads;
  Value own = thread;
  Value copies = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, own, i32(multiplying));
  LogicalResult produced = guarded(copies, [&]() -> LogicalResult {
    if (multiplying == 256)
      giveRegisters(/*copies=*/true, kCopyRegisters);
    if (mayBox && failed(guarded(arith::AndIOp::create(b, mayBox, isThread(multiplying)),
                                 [&] { return produceBoxes(count); })))
      return failure();
    thread = add(own, -multiplying);
    threads = kCopyThreads;
    Value byChunks = mayBox ? Value(arith::XOrIOp::create(b, mayBox, one)) : one;
    return guarded(byChunks, [&] { return produceChunks(count); });
  });
  thread = own;
  threads = all;
  LogicalResult consumed = guarded(arith::XOrIOp::create(b, copies, one), [&]() -> LogicalResult {
    if (multiplying == 256)
      giveRegisters(/*copies=*/false, kCopyRegisters);
    return success(succeeded(beginSums()) && succeeded(consume(count)) && succeeded(storeTile()));
  });
  return success(succeeded(made) && succeeded(produced) && succeeded(consumed));
}

/// The first time nobody has to hand memory back.
LogicalResult BlockTile::produceBoxes(Value count) {
  FailureOr<Values> end =
      f.loop(count, {i32(0), i32(1)}, [&](Value step, Values values) -> FailureOr<Values> {
        Value slot = values[0], parity = values[1];
        if (failed(waitFor(barrierOf(Empty, slot), parity)))
          return failure();
        beginBoxes(step, slot);
        slot = turnSlot(slot, parity, int64_t(directive.getStages()));
        return Values{slot, parity};
      });
  return success(succeeded(end));
}

/// Chunks of a step arrive while those of the next one are begun.
LogicalResult BlockTile::produceChunks(Value count) {
  FailureOr<Values> end =
      f.loop(count, {i32(0), i32(1), i32(-1)}, [&](Value step, Values values) -> FailureOr<Values> {
        Value slot = values[0], parity = values[1], pending = values[2];
        if (failed(waitFor(barrierOf(Empty, slot), parity)))
          return failure();
        for (Factor *factor : {&left, &right})
          if (failed(copy(*factor, step, add(mul(slot, stepBytes), factor->offset))))
            return failure();
        NVVM::CpAsyncCommitGroupOp::create(b);
        if (failed(settle(pending, 1)))
          return failure();
        pending = barrierOf(Full, slot);
        slot = turnSlot(slot, parity, int64_t(directive.getStages()));
        return Values{slot, parity, pending};
      });
  return success(succeeded(end) && succeeded(settle((*end)[2], 0)));
}

LogicalResult BlockTile::consume(Value count) {
  Values carried = {i32(0), i32(0)};
  carried.append(sums);
  FailureOr<Values> end = f.loop(count, carried, [&](Value, Values values) -> FailureOr<Values> {
    Value slot = values[0], parity = values[1];
    if (failed(waitFor(barrierOf(Full, slot), parity)))
      return failure();
    Values next =
        finishGroups(beginGroups(mul(slot, stepBytes), Values(llvm::drop_begin(values, 2))));
    arriveAt(barrierOf(Empty, slot));
    slot = turnSlot(slot, parity, int64_t(directive.getStages()));
    Values result = {slot, parity};
    result.append(next);
    return result;
  });
  if (failed(end))
    return failure();
  sums.assign(std::next(end->begin(), 2), end->end());
  return success();
}

} // namespace tessera::nvgpu
