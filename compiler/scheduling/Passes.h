//===- Passes.h - Passes that schedule kernels ---------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_PASSES_H
#define TESSERA_COMPILER_SCHEDULING_PASSES_H

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::scheduling {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/scheduling/Passes.h.inc"

} // namespace tessera::scheduling

#endif
