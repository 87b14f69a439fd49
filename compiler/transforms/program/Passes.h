//===- Passes.h - Program to program --------------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_PROGRAM_PASSES_H
#define TESSERA_COMPILER_TRANSFORMS_PROGRAM_PASSES_H

#include "dialects/program/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::transforms {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/program/Passes.h.inc"

} // namespace tessera::transforms

#endif
