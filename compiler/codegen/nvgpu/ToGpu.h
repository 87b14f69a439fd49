//===- ToGpu.h - Kernels of parallel stages as CUDA device functions --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_TOGPU_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_TOGPU_H

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"
#include "runtime/base/DeviceImage.h"

#include "mlir/IR/BuiltinOps.h"

namespace tessera::nvgpu {

/// How a device function is launched: its arguments, and what computes its grid.
struct LaunchRecord {
  std::vector<rt::DeviceArg> args;
  std::vector<rt::DeviceStep> steps;
  std::vector<rt::DeviceMap> maps;
  std::vector<rt::DeviceLaunch> launches; ///< names as offsets are for the image
  std::vector<std::string> names;         ///< of the functions, one for each launch
};

/// Builds a module with one device function for each launch. Their parameters (all 64 bits) are
/// those of runtime/base/DeviceImage.h, of the inputs, the index arguments, then the outputs; the
/// innermost stride is taken to be 1. A bool takes a byte. The grid covers the loops that the
/// schedule calls gpu_blocks, a block those it calls gpu_threads, x first; threads past the end do
/// nothing.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
convertToGpu(kernel::FuncOp kernel, schedule::FuncOp schedule, LaunchRecord &launch);

/// Powers of two of f32 become an instruction of the device.
void writePowersOfTwo(mlir::ModuleOp module);

} // namespace tessera::nvgpu

#endif
