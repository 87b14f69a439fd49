//===- ToGpu.h - Kernels of parallel stages as CUDA device functions --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_TOGPU_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_TOGPU_H

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

#include "mlir/IR/BuiltinOps.h"

namespace tessera::nvgpu {

/// Builds a module with one device function. Its parameters: for every tensor a pointer and its
/// extents (i64, outermost first), then the index arguments (i64), then for every output a pointer
/// and its extents. Tensors are row-major without gaps; a bool takes a byte. The grid covers the
/// loops that the schedule calls gpu_blocks, a block those it calls gpu_threads, x first; threads
/// past the end do nothing.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> convertToGpu(kernel::FuncOp kernel,
                                                                schedule::FuncOp schedule);

} // namespace tessera::nvgpu

#endif
