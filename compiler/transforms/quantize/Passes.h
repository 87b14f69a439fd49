//===- Passes.h - Layers in 8 bits --------------------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_QUANTIZE_PASSES_H
#define TESSERA_COMPILER_TRANSFORMS_QUANTIZE_PASSES_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::transforms {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/quantize/Passes.h.inc"

} // namespace tessera::transforms

#endif
