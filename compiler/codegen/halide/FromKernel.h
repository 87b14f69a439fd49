//===- FromKernel.h - From the kernel dialect to a Halide program ------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_FROMKERNEL_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_FROMKERNEL_H

#include "compiler/codegen/halide/HalideProgram.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

namespace tessera::halide {

/// Describes a kernel for Halide. Fails, with an error on the operation concerned, for what Halide
/// cannot express: see the README of this folder.
mlir::FailureOr<HalideProgram> describeKernel(kernel::FuncOp func);

/// Appends the directives of a schedule to the description of its kernel.
/// The name of a tensor argument, by its number in the kernel.
inline std::string argumentName(uint64_t number) { return "arg" + std::to_string(number); }

mlir::LogicalResult describeSchedule(schedule::FuncOp schedule, HalideProgram &program);

} // namespace tessera::halide

#endif
