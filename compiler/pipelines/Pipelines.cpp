//===- Pipelines.cpp - The order of passes -----------------------------------------------===//
#include "compiler/pipelines/Pipelines.h"

#include "compiler/codegen/loops/Loops.h"
#include "compiler/conversion/graph_to_kernel/GraphToKernel.h"
#include "compiler/conversion/kernel_to_program/KernelToProgram.h"
#include "compiler/scheduling/Machine.h"
#include "compiler/scheduling/Passes.h"
#include "compiler/scheduling/Target.h"
#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/kernel/Passes.h"
#include "compiler/transforms/program/Passes.h"

#include "mlir/Transforms/Passes.h"

void tessera::addGraphPasses(mlir::OpPassManager &passes) {
  passes.addPass(transforms::createGraphInlineCalls());
  // Before anything is rewritten that it has rules for; behind it gradients are ops like all
  // others.
  passes.addPass(transforms::createGraphExpandGradients());
  // Transposed convolutions are ordinary ones for all that follows.
  passes.addPass(transforms::createGraphSplitTransposedConv());
  // Before quantize and dequantize become the ops that they stand for.
  passes.addPass(transforms::createGraphLowerQuantized());
  passes.addPass(transforms::createGraphDecompose());
  // Behind it there are primitives only, and kernels convert narrow elements but compute with none.
  passes.addPass(transforms::createGraphWidenElements());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(transforms::createGraphFoldConstants());
  passes.addPass(transforms::createGraphDropUnitAxes());
  passes.addPass(transforms::createGraphSplitDilatedConv());
  passes.addPass(transforms::createGraphMergeAxes());
  passes.addPass(transforms::createGraphSplitConcats());
  passes.addPass(transforms::createGraphSinkReshapes());
  passes.addPass(transforms::createGraphSplitBatches());
  passes.addPass(transforms::createGraphChannelsLast());
  passes.addPass(mlir::createCanonicalizerPass());
  // In the layout that was chosen.
  passes.addPass(transforms::createGraphSinkShuffles());
  passes.addPass(transforms::createGraphRepeatPixels());
  passes.addPass(transforms::createGraphJoinScales());
  passes.addPass(transforms::createGraphFoldTransposes());
  passes.addPass(transforms::createGraphExplicitPadding());
  // Again: weights were transposed and padded for the layouts chosen above.
  passes.addPass(transforms::createGraphFoldConstants());
  passes.addPass(mlir::createCanonicalizerPass());
  // Behind all that makes linear layers of other things, and transposes are gone.
  passes.addPass(transforms::createGraphMergeRows());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createLoopInvariantCodeMotionPass());
  passes.addPass(mlir::createCSEPass());
  passes.addPass(transforms::createGraphUseBounds());
  // Behind all that looks for the readers of a concatenation.
  passes.addPass(transforms::createGraphNestConcats());
}

void tessera::addStreamPasses(mlir::OpPassManager &passes, bool forGpu, bool explain) {
  // Last: what is equal is one value now, and nothing looks into streams afterwards.
  transforms::GraphFormStreamsOptions streams;
  streams.roundedWeights = forGpu;
  streams.longRows = !forGpu;
  streams.explain = explain;
  passes.addPass(transforms::createGraphFormStreams(streams));
  passes.addPass(mlir::createCanonicalizerPass());
}

llvm::ArrayRef<llvm::StringRef> tessera::getConvolutionForms() {
  static constexpr llvm::StringRef kForms[] = {"direct", "winograd", "winograd-always"};
  return kForms;
}

void tessera::addConvolutionPasses(mlir::OpPassManager &passes, llvm::StringRef form,
                                   llvm::StringRef level, bool explain) {
  if (!form.starts_with("winograd"))
    return;
  // By the description of the level, not by the machine that compiles: equal inputs give equal
  // modules.
  const scheduling::Target target = scheduling::Target::ofLevel(level);
  const scheduling::Machine machine;
  const double flops =
      machine.flopsPerCore * double(target.vectorBits) / double(machine.vectorBits);
  transforms::GraphWinogradConvOptions options;
  options.flopsPerL2Byte = flops / machine.l2Rate;
  options.flopsPerL3Byte = flops / machine.l3Rate;
  options.flopsPerMemoryByte = flops / machine.memoryRate;
  options.l2Bytes = double(target.l2Bytes);
  options.l3Bytes = machine.l3Bytes;
  options.always = form == "winograd-always";
  options.explain = explain;
  passes.addPass(transforms::createGraphWinogradConv(options));
  // Filters that are constant.
  passes.addPass(transforms::createGraphFoldConstants());
  passes.addPass(mlir::createCanonicalizerPass());
}

void tessera::addKernelPasses(mlir::OpPassManager &passes, bool forGpu, bool explain) {
  // Behind everything that rounds operands. CPUs multiply in f32 faster than they convert twice.
  if (forGpu) {
    passes.addPass(transforms::createGraphNarrowFactors());
    passes.addPass(mlir::createCanonicalizerPass());
  }
  GraphFormKernelsOptions options;
  options.gpu = forGpu;
  options.explain = explain;
  passes.addPass(createGraphFormKernels(options));
  // Before schedules are made: equal kernels get equal ones.
  if (!forGpu)
    passes.addPass(transforms::createKernelLiftConstants());
}

void tessera::addSchedulePasses(mlir::OpPassManager &passes, llvm::StringRef level, bool explain,
                                scheduling::Tuning *tuning) {
  scheduling::Target target = scheduling::Target::ofLevel(level);
  scheduling::ScheduleDefaultOptions options;
  options.vectorBits = target.vectorBits;
  options.vectorRegisters = target.vectorRegisters;
  options.dotProducts = target.dotProducts;
  options.bf16Products = target.bf16Products;
  options.matrixTiles = target.matrixTiles;
  options.groupBytes = target.groupBytes;
  if (target.matrixTiles) // Others were measured with what is usual.
    options.l2Bytes = target.l2Bytes;
  options.gpu = level.starts_with("cuda:");
  const scheduling::GpuTarget gpu = scheduling::GpuTarget::ofLevel(level);
  options.sharedBytes = gpu.sharedBytes;
  options.warpGroups = gpu.warpGroups;
  options.byteFloats = gpu.byteFloats;
  options.explain = explain;
  passes.addPass(scheduling::createScheduleDefault(options, tuning));
}

void tessera::addLoweringPasses(mlir::OpPassManager &passes) {
  passes.addPass(scheduling::createKernelApplyRestructure());
  passes.addPass(transforms::createKernelExpandMath());
  passes.addPass(loops::createKernelPackLoopOperands());
  passes.addPass(loops::createKernelReserveScratch());
  // Last: whatever was rewritten, sums have the bits that were asked for.
  passes.addPass(transforms::createKernelCheckSums());
}

void tessera::addProgramPasses(mlir::OpPassManager &passes) {
  passes.addPass(createKernelToProgram());
  // For devices with memory of their own.
  passes.addPass(transforms::createProgramPlaceCopies());
}
