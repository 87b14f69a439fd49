//===- Compiler.h - From a model file to a module -------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_COMPILER_H
#define TESSERA_COMPILER_API_COMPILER_H

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tessera {

/// What compileFile produces.
enum class EmitKind { Module, Graph, Kernel, Schedule, Program, LLVM, Assembly };

struct CompileOptions {
  std::vector<std::string> targets; ///< levels ("x86-64-v3"), or "host"; empty: host
  EmitKind emit = EmitKind::Module;
  std::map<std::string, int64_t> dims; ///< symbols that get a value
  std::string scheduleFile;            ///< schedules (text) that replace the default ones, by kernel
  std::vector<std::string> dumpAfter;  ///< passes after which the IR goes to standard error
  unsigned jobs = 0;                   ///< kernels compiled at a time; 0: one per core
  std::string cacheFolder;             ///< "": no cache
  /// Called with what is being done; `done` of `total` kernels.
  std::function<void(const char *step, size_t done, size_t total)> progress;
};

struct CompileTiming {
  std::string step;
  double seconds;
};

struct CompileResult {
  std::string error;          ///< sentences with places, one a line; empty: it worked
  std::vector<uint8_t> bytes; ///< the module, or text
  std::vector<std::string> targets;
  std::vector<CompileTiming> timings;
  size_t kernels = 0, cachedKernels = 0;
};

/// The best level this machine can run ("x86-64-v4").
std::string getHostLevel();

/// Compiles a model. The format is recognised by content: the textual IR.
CompileResult compileFile(const std::string &path, const CompileOptions &options);

} // namespace tessera

#endif
