//===- SortNetwork.h - Rows in order, by many threads ------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_SORTNETWORK_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_SORTNETWORK_H

#include "compiler/conversion/graph_to_kernel/SequentialLoops.h"

namespace tessera::lower {

/// Whether x must stand before y: strictly, so that equal elements keep their order. NaN is the
/// largest number.
mlir::Value isBefore(mlir::ImplicitLocOpBuilder &b, mlir::Type element, bool descending,
                     mlir::Value x, mlir::Value y);

/// The stages of a sort whose every step is a comparison of all elements with a partner each
/// (Batcher, 1968), in parts of rows, whose elements are then counted in the other parts: more work
/// than merging, and nothing in it waits for a neighbour.
llvm::SmallVector<mlir::Value> lowerSortByNetwork(graph::SortOp op, KernelEmitter &emitter);

} // namespace tessera::lower

#endif
