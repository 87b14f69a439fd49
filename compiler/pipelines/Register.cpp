//===- Register.cpp - Everything the tools know -----------------------------------===//
#include "compiler/pipelines/Register.h"

#include "compiler/codegen/loops/Loops.h"
#include "compiler/conversion/graph_to_kernel/GraphToKernel.h"
#include "compiler/conversion/kernel_to_program/KernelToProgram.h"
#include "compiler/reference/graph/Register.h"
#include "compiler/reference/kernel/Register.h"
#include "compiler/scheduling/Passes.h"
#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/kernel/Passes.h"
#include "compiler/transforms/program/Passes.h"
#include "compiler/transforms/quantize/Passes.h"
#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

#include "mlir/Transforms/Passes.h"

namespace tessera {

void registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<graph::GraphDialect, kernel::KernelDialect, program::ProgramDialect,
                  schedule::ScheduleDialect, mlir::arith::ArithDialect, mlir::linalg::LinalgDialect,
                  mlir::math::MathDialect, mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
  registerGraphToKernel(registry);
  reference::registerGraphReference(registry);
  reference::registerKernelReference(registry);
}

void registerAllPasses() {
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerSymbolDCEPass();
  registerGraphToKernelPasses();
  registerKernelToProgramPasses();
  loops::registerLoopsPasses();
  scheduling::registerSchedulingPasses();
  transforms::registerGraphTransformsPasses();
  transforms::registerKernelTransformsPasses();
  transforms::registerProgramTransformsPasses();
  transforms::registerQuantizeTransformsPasses();
}

} // namespace tessera
