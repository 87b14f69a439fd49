//===- Passes.h - Passes that schedule kernels ---------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_PASSES_H
#define TESSERA_COMPILER_SCHEDULING_PASSES_H

#include "compiler/scheduling/Choices.h"

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera::scheduling {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/scheduling/Passes.h.inc"

/// With what a search gives and learns; `tuning` lives longer than the pass, null: nothing.
std::unique_ptr<mlir::Pass> createScheduleDefault(const ScheduleDefaultOptions &options,
                                                  Tuning *tuning);
/// Of what a kernel computes, not of its name: 16 hexadecimal digits. What records are kept by.
std::string hashOf(kernel::FuncOp kernel);

} // namespace tessera::scheduling

#endif
