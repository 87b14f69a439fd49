//===- Schedule.cpp - The schedule dialect ------------------------------------------===//
#include "dialects/schedule/Schedule.h"

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

LogicalResult FuncOp::verifyRegions() {
  // (C1)
  for (Operation &op : getBody().front())
    if (!isa<StageOp, UpdateOp>(op))
      return op.emitOpError() << "expected only schedule.stage and schedule.update here";
  return success();
}

} // namespace tessera::schedule
