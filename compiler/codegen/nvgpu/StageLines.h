//===- StageLines.h - From which stage an instruction is -------------------------*- C++ -*-===//
//
// PTX says so by its line directives: the "file" is the list of a kernel's stages, line n the n-th
// of them, line 0 what belongs to none. Faults of the interpreter (test/gpu) name the stage, tools
// for GPUs show it; code stays the same.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_STAGELINES_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_STAGELINES_H

#include "dialects/kernel/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace tessera::nvgpu {

class StageLines {
public:
  explicit StageLines(kernel::FuncOp kernel);

  /// The place of what a stage is emitted as; null: of what no stage is.
  mlir::Location of(mlir::Operation *stage) const;
  /// All that a stage holds gets its place.
  void mark(mlir::Operation *stage) const;
  /// To be called on a module of LLVM's dialect: operations of other places become those of no
  /// stage, and functions get what the translation to LLVM IR needs.
  mlir::LogicalResult attach(mlir::ModuleOp module) const;

private:
  mlir::StringAttr names;
  llvm::StringMap<unsigned> lines;
};

} // namespace tessera::nvgpu

#endif
