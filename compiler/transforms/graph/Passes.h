//===- Passes.h - Graph to graph ------------------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_PASSES_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_PASSES_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::transforms {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/graph/Passes.h.inc"

} // namespace tessera::transforms

#endif
