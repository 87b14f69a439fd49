//===- Passes.h - Kernel to kernel ----------------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_KERNEL_PASSES_H
#define TESSERA_COMPILER_TRANSFORMS_KERNEL_PASSES_H

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::transforms {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/kernel/Passes.h.inc"

} // namespace tessera::transforms

#endif
