//===- EmitPtx.h - Kernel and schedule to PTX --------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_EMITPTX_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_EMITPTX_H

#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

namespace tessera::nvgpu {

/// The PTX of one kernel for a processor such as "sm_80"; no CUDA toolkit is needed. `llvmText`,
/// when not null, gets the LLVM IR it is made of. `image` gets what a module
/// holds of it (runtime/base/DeviceImage.h).
mlir::FailureOr<std::string> emitPtx(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                     llvm::StringRef processor, std::string *llvmText,
                                     std::vector<uint8_t> &image);

} // namespace tessera::nvgpu

#endif
