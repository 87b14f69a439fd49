//===- LaunchCost.h - What a launch computes and moves, over the model's symbols -*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_LAUNCHCOST_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_LAUNCHCOST_H

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

namespace tessera {

/// Attributes of kernel.launch (DimAttr), there when the number is known from extents alone. They
/// are taken from the kernel as it was formed: padding and packing that scheduling adds is not
/// useful work.
constexpr llvm::StringLiteral kOperationsAttr = "operations"; ///< as kernel::countOperations counts
constexpr llvm::StringLiteral kBytesAttr = "bytes"; ///< operands and results, each element once

/// Bytes that fusion saves: what is made and used inside is neither written nor read again.
constexpr llvm::StringLiteral kSavedAttr = "saved";

void annotateCost(kernel::LaunchOp launch, kernel::FuncOp kernel);
void annotateSaved(kernel::LaunchOp launch, llvm::ArrayRef<graph::TensorType> kept);

} // namespace tessera

#endif
