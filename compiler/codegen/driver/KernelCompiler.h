//===- KernelCompiler.h - Compiles many kernels -----------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_DRIVER_KERNELCOMPILER_H
#define TESSERA_COMPILER_CODEGEN_DRIVER_KERNELCOMPILER_H

#include "compiler/codegen/driver/Cache.h"
#include "compiler/codegen/driver/Wire.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/schedule/Schedule.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tessera::codegen {

struct KernelCompilerOptions {
  unsigned jobs = 0;       ///< processes at a time; 0: one per core
  std::string worker;      ///< program to run; "": see `defaultWorker`
  std::string cacheFolder; ///< "": no cache
};

/// What came of one kernel, and what it took.
struct CompiledKernel {
  KernelReply reply;
  bool fromCache = false;
  double seconds = 0;
};

/// Compiles kernels in worker processes, in parallel, each kernel in a process of its own. The same
/// request gives the same bytes whatever the number of jobs, the order, or the machine.
class KernelCompiler {
public:
  explicit KernelCompiler(KernelCompilerOptions options);

  /// The program `tessera-kernelc`: $TESSERA_KERNELC, or beside the program or library that holds
  /// this code. "" when there is none.
  static std::string defaultWorker();

  /// A request is independent of the kernel's name, of its place in the model and of who asks:
  /// equal kernels make equal requests. `schedule` may be null.
  static KernelRequest makeRequest(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                   const CodeTarget &target);

  /// Compiles all requests; equal ones once. `progress` is called with the number of finished
  /// requests, from one thread at a time.
  std::vector<CompiledKernel> compile(llvm::ArrayRef<KernelRequest> requests,
                                      llvm::function_ref<void(size_t done)> progress = {});

private:
  std::string keyOf(const KernelRequest &request) const;

  KernelCompilerOptions options;
  Cache cache;
  std::string generatorVersion; ///< hash of the worker program
};

} // namespace tessera::codegen

#endif
