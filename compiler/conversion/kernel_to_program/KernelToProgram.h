//===- KernelToProgram.h - From launches to instructions ------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_KERNELTOPROGRAM_H
#define TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_KERNELTOPROGRAM_H

#include "dialects/program/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tessera {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/conversion/kernel_to_program/Passes.h.inc"

} // namespace tessera

#endif
