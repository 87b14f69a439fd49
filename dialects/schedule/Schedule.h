//===- Schedule.h - The schedule dialect ----------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_SCHEDULE_SCHEDULE_H
#define TESSERA_DIALECTS_SCHEDULE_SCHEDULE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/schedule/ScheduleDialect.h.inc"
#include "dialects/schedule/ScheduleEnums.h.inc"

#define GET_OP_CLASSES
#include "dialects/schedule/ScheduleOps.h.inc"

namespace tessera::schedule {

/// Whether an operation in a schedule.func rewrites the kernel (and is no loop directive).
bool isRestructuring(mlir::Operation *op);

} // namespace tessera::schedule

#endif
