//===- TileBulk.cpp - Factors of a tile as boxes of tensors ----------------------------------===//
//
// One thread begins the copies of a step (cp.async.bulk.tensor, PTX ISA, section 9.7.9.27): they
// find their own way through the tensor, write chunks in the order that wgmma reads, zeros where
// the tensor ends, and arrive at the mbarrier of their memory, for which all threads wait. What a
// box is, a map says that the runtime makes when launching (DeviceMap).
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// Every dimension of the tensor is a loop of its own: a box has one element of all but two.
bool BlockTile::mayBeBoxed(const Factor &factor) {
  if (!factor.argument || factor.axis->parts.size() != 1 || steps.parts.size() != 1 ||
      factor.lines > 256 || (factor.alongDepth && factor.chunks > 8))
    return false;
  const unsigned rank = factor.map.getNumResults();
  return rank >= 2 && rank <= rt::kMaxMapRank && factor.map.isProjectedPermutation();
}

/// Also whether zeros begin where the sum ends, which is where the tensor does.
SharedTile::MapRequest BlockTile::requestMap(Factor &factor) {
  const GpuFunction::Memory &memory = f.arguments.find(factor.argument)->second;
  const int64_t width = std::min<int64_t>(factor.chunks, 8);
  MapRequest request{factor.argument, {}, uint32_t(width * 16)};
  Value fits = arith::ConstantOp::create(b, b.getBoolAttr(true));
  for (auto [dim, expr] : llvm::enumerate(factor.map.getResults())) {
    const unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    const bool isDepth = isAlong(steps, loop);
    int64_t extent = 1;
    if (isDepth || isAlong(*factor.axis, loop))
      extent = isDepth == factor.alongDepth ? width * factor.perChunk : factor.lines;
    request.box.insert(request.box.begin(), uint32_t(extent));
    if (isDepth) {
      Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, memory.extents[dim],
                                            inner.extents.lookup(loopNames[loop]).value);
      fits = arith::AndIOp::create(b, fits, isWhole);
    }
  }
  factor.boxes = Map{{}, fits};
  return request;
}

void BlockTile::addMaps() {
  SmallVector<MapRequest> requests = {requestMap(left), requestMap(right)};
  for (auto [factor, map] :
       llvm::zip_equal(std::array{&left, &right}, SharedTile::addMaps(requests)))
    factor->boxes = Map{map.pointer, arith::AndIOp::create(b, factor->boxes->isMade, map.isMade)};
}

/// Both factors of a step, to the memory of a slot. Boxes that begin behind the end, of columns
/// that nobody stores, bring anything.
void BlockTile::beginBoxes(Value step, Value slot) {
  Value barrier = barrierOf(Full, slot);
  arriveExpecting(barrier, stepBytes);
  for (Factor *factor : {&left, &right})
    for (int64_t chunk = 0; chunk < factor->chunks; chunk += 8) {
      Value to = add(mul(slot, stepBytes), factor->offset + chunk * factor->lines * 16);
      Values loops = place(placeOf(*factor, step, i32(0), i32(chunk), 0)), at;
      for (AffineExpr expr : factor->map.getResults())
        at.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
      copyBox(*factor->boxes, to, at, barrier);
    }
}

/// As runCopies, but one thread begins what the others wait for.
LogicalResult BlockTile::runBulk(Value count) {
  const int64_t stages = directive.getStages();
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, i32(0));
  auto copyIf = [&](Value step, Value slot) {
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, step, count);
    return f.guard(arith::AndIOp::create(b, isFirst, isThere), {},
                   [&](Values) -> FailureOr<Values> {
                     beginBoxes(step, slot);
                     return Values();
                   });
  };
  FailureOr<Values> done = f.guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
    for (int64_t slot = 0; slot < stages; ++slot)
      initBarrier(barrierOffset + 8 * slot, 1);
    fenceBarriers();
    return Values();
  });
  if (failed(done))
    return failure();
  for (int64_t step = 0; step + 1 < stages; ++step)
    if (failed(copyIf(index(step), i32(step))))
      return failure();
  Values carried = {i32(0), i32(0)};
  carried.append(sums);
  FailureOr<Values> end =
      f.loop(count, carried, [&](Value step, Values values) -> FailureOr<Values> {
        Value slot = values[0], parity = values[1];
        // Barriers are there for all, and what the last step read is free.
        NVVM::Barrier0Op::create(b);
        if (failed(waitFor(barrierOf(Full, slot), parity)))
          return failure();
        Values next = beginGroups(mul(slot, stepBytes), Values(llvm::drop_begin(values, 2)));
        Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, slot, i32(0));
        Value previous = arith::SelectOp::create(b, isZero, i32(stages - 1), add(slot, -1));
        if (failed(copyIf(arith::AddIOp::create(b, step, index(stages - 1)), previous)))
          return failure();
        next = finishGroups(next);
        slot = turnSlot(slot, parity, stages);
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
