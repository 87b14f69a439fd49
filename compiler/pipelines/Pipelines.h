//===- Pipelines.h - The order of passes ----------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_PIPELINES_PIPELINES_H
#define TESSERA_COMPILER_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"

namespace tessera {
namespace scheduling {
struct Tuning;
} // namespace scheduling

/// Frontend's graph to the graph that streams and kernels are formed from.
void addGraphPasses(mlir::OpPassManager &passes);
/// Behind addGraphPasses, for one family of devices: chains of reductions become streams. `forGpu`:
/// softmaxes of 16-bit models, too, which GPUs compute by instructions for matrices; CPUs are
/// faster with their scores in memory. `explain`, here and below: remarks say what was decided, and
/// why.
void addStreamPasses(mlir::OpPassManager &passes, bool forGpu = false, bool explain = false);
/// Values of --convolution: how convolutions are computed; "direct" is what they are without it.
llvm::ArrayRef<llvm::StringRef> getConvolutionForms();
/// Behind everything that rounds operands, for CPUs, of which `level` is the best. Results are
/// rounded otherwise.
void addConvolutionPasses(mlir::OpPassManager &passes, llvm::StringRef form, llvm::StringRef level,
                          bool explain = false);
/// To launches and kernels: what is computed together. The same for every variant of a device
/// family.
void addKernelPasses(mlir::OpPassManager &passes, bool forGpu = false, bool explain = false);
/// Schedules for the kernels that have none, for one level of instruction sets ("x86-64-v3").
/// `tuning`: what a search found, and what there was to choose; null: rules alone.
void addSchedulePasses(mlir::OpPassManager &passes, llvm::StringRef level, bool explain = false,
                       scheduling::Tuning *tuning = nullptr);
/// To kernels that codegen accepts, with loop directives only.
void addLoweringPasses(mlir::OpPassManager &passes);
/// To instructions.
void addProgramPasses(mlir::OpPassManager &passes);

} // namespace tessera

#endif
