//===- Groups.h - Which ops of a block share a kernel ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_GROUPS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_GROUPS_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

namespace tessera {

/// Ops that every kernel computes for itself instead of reading them from memory: splats, counters,
/// extents, and broadcasts of splats.
bool isRecomputed(mlir::Operation *op);

/// Whether an op reads what is recomputed from memory all the same: it becomes part of no kernel of
/// that block.
bool readsMemory(mlir::Operation *reader, mlir::Block &block);

/// What an op needs: its operands and the values that its regions use from outside.
llvm::SmallVector<mlir::Value> getInputs(mlir::Operation *op);

/// The ops of a function that give symbols their values (graph.bind_dim).
using BoundSymbols = llvm::StringMap<graph::BindDimOp>;

/// The ops of its block that an op has to stand behind: producers of what it and its regions read,
/// and whatever binds the symbols in its types and attributes.
llvm::SmallVector<mlir::Operation *> predecessorsOf(mlir::Operation *op, const BoundSymbols &bound);

/// Partitions the ops of a block that kernels can compute. Every group is convex: no path leaves it
/// and comes back. Ops of a group are in program order, groups in the order of their first op.
/// `explain`: remarks say why an op does not share the kernel of what it reads.
/// `takesRowsForShort`: groups may need rows of unknown length to be short (needsShortRows).
/// `forGpu`: an element has a thread of its own, and loops over pieces are not written out.
std::vector<llvm::SmallVector<mlir::Operation *>> formGroups(mlir::Block &block,
                                                             const BoundSymbols &bound,
                                                             bool explain, bool takesRowsForShort,
                                                             bool forGpu);

} // namespace tessera

#endif
