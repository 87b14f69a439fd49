//===- Pipelines.h - The order of passes ----------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_PIPELINES_PIPELINES_H
#define TESSERA_COMPILER_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"

namespace tessera {

/// The levels a module goes through.
enum class Level { Graph, Kernel, Schedule, Program };

/// Frontend's graph to the graph that kernels are formed from.
void addGraphPasses(mlir::OpPassManager &passes);
/// To kernels that codegen accepts.
void addKernelPasses(mlir::OpPassManager &passes);
/// To instructions.
void addProgramPasses(mlir::OpPassManager &passes);

} // namespace tessera

#endif
