//===- Restructure.h - Directives that rewrite a kernel ------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_RESTRUCTURE_H
#define TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_RESTRUCTURE_H

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

namespace tessera::scheduling {

/// Applies one restructuring directive to a kernel, which stays legal. Errors stand on the
/// directive.
mlir::LogicalResult applyRestructuring(kernel::FuncOp kernel, mlir::Operation *directive);

mlir::LogicalResult padToTile(kernel::FuncOp kernel, schedule::PadToTileOp directive);
mlir::LogicalResult packOperand(kernel::FuncOp kernel, schedule::PackOperandOp directive);
mlir::LogicalResult copyPacked(kernel::FuncOp kernel, schedule::CopyPackedOp directive);
mlir::LogicalResult copyWindow(kernel::FuncOp kernel, schedule::CopyWindowOp directive);
mlir::LogicalResult widenOperand(kernel::FuncOp kernel, schedule::WidenOperandOp directive);
mlir::LogicalResult groupReduction(kernel::FuncOp kernel, schedule::GroupReductionOp directive);
mlir::LogicalResult blockReduction(kernel::FuncOp kernel, schedule::BlockReductionOp directive);
mlir::LogicalResult peelReduction(kernel::FuncOp kernel, schedule::PeelReductionOp directive);
mlir::LogicalResult factorReduction(kernel::FuncOp kernel, schedule::FactorReductionOp directive);
/// Whether `factor` steps of the reduction `loop` share a factor: what factor_reduction wants.
bool hasFactors(mlir::linalg::GenericOp stage, unsigned loop, int64_t factor);
mlir::LogicalResult cacheWrite(kernel::FuncOp kernel, schedule::CacheWriteOp directive);
mlir::LogicalResult clampReads(kernel::FuncOp kernel, schedule::ClampReadsOp directive);
mlir::LogicalResult keepInScratch(kernel::FuncOp kernel, schedule::ScratchOp directive);

} // namespace tessera::scheduling

#endif
