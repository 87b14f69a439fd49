//===- GraphToKernel.h - From the graph to kernels ------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_GRAPHTOKERNEL_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_GRAPHTOKERNEL_H

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/conversion/graph_to_kernel/Passes.h.inc"

/// Attaches the lowerings to the ops of the graph dialect.
void registerGraphToKernel(mlir::DialectRegistry &registry);

} // namespace tessera

#endif
