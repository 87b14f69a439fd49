//===- CompileKernel.h - Kernel and schedule to machine code ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_COMPILEKERNEL_H
#define TESSERA_COMPILER_CODEGEN_COMPILEKERNEL_H

#include "compiler/codegen/KernelImage.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

namespace tessera::codegen {

/// Compiles one kernel in this process. `schedule` may be null: every stage is then inlined or
/// computed at root with plain loops. Halide makes the code, or the loops generator where the
/// kernel has loops of its own or its schedule says so. Halide numbers its names from a global
/// counter, so only the first call in a process gives reproducible bytes: everything but
/// `tessera-kernelc` goes through driver/KernelCompiler.h.
mlir::FailureOr<KernelImage> compileKernel(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                           const CodeTarget &target, CodeListing &listing);

} // namespace tessera::codegen

#endif
