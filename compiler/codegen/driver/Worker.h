//===- Worker.h - The process in which kernels are compiled -----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_DRIVER_WORKER_H
#define TESSERA_COMPILER_CODEGEN_DRIVER_WORKER_H

namespace tessera::codegen {

/// Serves requests from `socket` until the other side closes it: one child process per kernel, so
/// that each begins with fresh name counters and none can harm the next. Never starts a thread.
int serveKernels(int socket);

} // namespace tessera::codegen

#endif
