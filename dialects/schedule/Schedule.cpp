//===- Schedule.cpp - The schedule dialect ------------------------------------------===//
#include "dialects/schedule/Schedule.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

#include "dialects/schedule/ScheduleDialect.cpp.inc"
#include "dialects/schedule/ScheduleEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/schedule/ScheduleOps.cpp.inc"

namespace tessera::schedule {

void ScheduleDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/schedule/ScheduleOps.cpp.inc"
      >();
}

bool isRestructuring(Operation *op) {
  return isa<PadToTileOp, PackOperandOp, CopyPackedOp, CopyWindowOp, WidenOperandOp,
             GroupReductionOp, BlockReductionOp, PeelReductionOp, FactorReductionOp, CacheWriteOp,
             ClampReadsOp, ScratchOp>(op);
}

LogicalResult FuncOp::verifyRegions() {
  bool sawLoops = false;
  for (Operation &op : getBody().front()) {
    bool loops = isa<StageOp, UpdateOp>(op);
    // (C3)
    if (isa<GeneratorOp>(op)) {
      if (!llvm::hasSingleElement(getBody().front()))
        return op.emitOpError() << "expected no other directive beside it";
      continue;
    }
    // (C1)
    if (!loops && !isRestructuring(&op))
      return op.emitOpError()
             << "expected only restructuring directives, schedule.stage and schedule.update here";
    // (C2)
    if (!loops && sawLoops)
      return op.emitOpError() << "expected restructuring directives before the loop directives";
    sawLoops |= loops;
  }
  return success();
}

// (C1)
static LogicalResult verifyNames(Operation *op, StringRef outer, StringRef inner) {
  if (outer == inner)
    return op->emitOpError() << "expected different names for the outer and the inner loop";
  return success();
}

// (C1)
LogicalResult GeneratorOp::verify() {
  if (getGenerator() != "loops")
    return emitOpError() << "'" << getGenerator()
                         << "' is no generator to choose; expected \"loops\"";
  return success();
}

// (C2)
LogicalResult GpuTileOp::verify() {
  if (getUnit() == Unit::Wgmma && int64_t(getRowWarps()) % 4 != 0)
    return emitOpError() << "expected a multiple of 4 warps along rows for wgmma, found "
                         << getRowWarps();
  // (C3)
  if (getBulk() && getUnit() != Unit::Wgmma)
    return emitOpError("expected wgmma beside bulk copies");
  // (C4)
  if (getByteFloats() && getUnit() == Unit::Fma)
    return emitOpError("expected mma or wgmma for 8-bit floats, found fma");
  // (C5)
  const int64_t warps = int64_t(getRowWarps()) * int64_t(getColumnWarps());
  if (getCopyWarps() && (getUnit() != Unit::Wgmma || warps > 8))
    return emitOpError() << "expected 8 warps at most by wgmma beside those that copy, found "
                         << warps;
  return success();
}

LogicalResult GpuStreamOp::verify() {
  const int64_t unit = getUnit() == Unit::Fma ? 8 : 16;
  // (C1)
  if (int64_t(getKeys()) % unit != 0)
    return emitOpError() << "expected a multiple of " << unit << " keys, found " << getKeys();
  // (C2)
  if (getKeyWarps() > 1 && (getRowWarps() > 1 || getColumnWarps() > 1))
    return emitOpError() << "expected one warp along rows and columns beside " << getKeyWarps()
                         << " along keys";
  // (C3)
  const bool isGroup = getUnit() == Unit::Wgmma;
  if (isGroup && (int64_t(getRowWarps()) % 4 != 0 || getKeyWarps() > 1))
    return emitOpError() << "expected a multiple of 4 warps along rows and one along keys for "
                            "wgmma, found "
                         << getRowWarps() << " and " << getKeyWarps();
  if (!isGroup && getStages() > 1)
    return emitOpError() << "expected wgmma beside " << getStages() << " stages";
  return success();
}

LogicalResult PadToTileOp::verify() { return verifyNames(*this, getOuter(), getInner()); }
LogicalResult FactorReductionOp::verify() { return verifyNames(*this, getLoop(), getInner()); }
LogicalResult GroupReductionOp::verify() { return verifyNames(*this, getLoop(), getInner()); }
// (C1)
LogicalResult WidenOperandOp::verify() {
  if (getType().isSignlessInteger() || isa<FloatType>(getType()))
    return success();
  return emitOpError() << "expected a signless integer or a float type, found " << getType();
}
LogicalResult BlockReductionOp::verify() {
  // (C2)
  if (getContiguous() && getRuns())
    return emitOpError() << "expected contiguous parts or runs, found both";
  return verifyNames(*this, getOuter(), getInner()); // (C1)
}
LogicalResult PeelReductionOp::verify() { return verifyNames(*this, getOuter(), getInner()); }

// (C1)
static LogicalResult verifyPacking(Operation *op, ArrayRef<int64_t> positions,
                                   ArrayRef<int64_t> tiles, ArrayRef<int64_t> permutation) {
  if (positions.size() != tiles.size() || llvm::any_of(tiles, [](int64_t t) { return t <= 0; }))
    return op->emitOpError()
           << "expected one positive entry of inner_tiles per entry of inner_dims_pos";
  if (!isPermutationVector(permutation))
    return op->emitOpError() << "expected outer_dims_perm to be a permutation";
  llvm::SmallDenseSet<int64_t> seen;
  for (int64_t dim : positions)
    if (dim < 0 || dim >= static_cast<int64_t>(permutation.size()) || !seen.insert(dim).second)
      return op->emitOpError() << "expected inner_dims_pos to name dimensions below "
                               << permutation.size() << ", each at most once";
  return success();
}

LogicalResult PackOperandOp::verify() {
  return verifyPacking(*this, getInnerDimsPos(), getInnerTiles(), getOuterDimsPerm());
}
LogicalResult CopyPackedOp::verify() {
  return verifyPacking(*this, getInnerDimsPos(), getInnerTiles(), getOuterDimsPerm());
}

} // namespace tessera::schedule
