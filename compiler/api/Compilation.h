//===- Compilation.h - The steps of one compilation -------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_COMPILATION_H
#define TESSERA_COMPILER_API_COMPILATION_H

#include "compiler/api/Calibration.h"
#include "compiler/api/Report.h"
#include "compiler/api/TuningRecords.h"
#include "compiler/codegen/driver/KernelCompiler.h"
#include "compiler/module/EmitModule.h"
#include "compiler/pipelines/Quantization.h"
#include "compiler/pipelines/Register.h"
#include "frontends/onnx/Import.h"

#include "mlir/IR/MLIRContext.h"

#include <chrono>

namespace tessera {

/// Of one model for its targets: up to kernels once for each family of devices (Compiler.cpp), from
/// schedules on once for each level of instruction sets (CompileVariants.cpp).
class Compilation {
public:
  Compilation(const std::string &path, const std::string &folder, const CompileOptions &options,
              EditModel edit = nullptr)
      : path(path), folder(folder), options(options), edit(std::move(edit)),
        registry(makeRegistry()), context(registry) {}
  /// With the model's bytes, or those of the file.
  CompileResult run(std::optional<llvm::StringRef> bytes);

private:
  static mlir::DialectRegistry makeRegistry() {
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  llvm::LogicalResult load(std::optional<llvm::StringRef> bytes);
  llvm::LogicalResult parse(llvm::StringRef text);
  llvm::LogicalResult checkPassNames();
  llvm::LogicalResult prepareAndEdit();
  /// The graph, later the kernels, of the variants of a device family: what is fused differs.
  struct Family {
    bool isGpu;
    mlir::OwningOpRef<mlir::ModuleOp> module;
  };
  llvm::LogicalResult quantize(Family &family);
  llvm::LogicalResult steps(std::optional<llvm::StringRef> bytes);
  void check();
  void note(const mlir::Diagnostic &diagnostic);
  /// One program of a device family: the kernels scheduled and compiled for a level of instruction
  /// sets.
  struct Variant {
    std::string level;
    mlir::OwningOpRef<mlir::ModuleOp> module;
    llvm::StringMap<EmittedKernel> kernels;
  };
  using AddPasses = llvm::function_ref<void(mlir::OpPassManager &)>;
  llvm::LogicalResult runPasses(mlir::ModuleOp module, AddPasses add, bool keepValues = true);
  llvm::LogicalResult runGraphPasses();
  llvm::LogicalResult makeFamilies();
  llvm::LogicalResult makeFamily(Family &family);
  llvm::LogicalResult formKernels();
  llvm::LogicalResult runPassesOfVariants(AddPasses add);
  llvm::LogicalResult makeVariants();
  llvm::LogicalResult applySchedules();
  llvm::LogicalResult predict();
  llvm::LogicalResult readRecords();
  llvm::LogicalResult compileKernels();
  llvm::LogicalResult emit();
  llvm::LogicalResult printIR(mlir::ModuleOp module);
  llvm::LogicalResult printFamilies();
  llvm::LogicalResult printVariants();
  llvm::LogicalResult fail(const llvm::Twine &message);
  /// A step begins: what it is called, where the whole is, what a failure in it means.
  void begin(llvm::StringRef stage, double fraction, CompileCode failure);
  void time(llvm::StringRef step);

  const std::string &path, &folder;
  const CompileOptions &options;
  EditModel edit; ///< null: none
  mlir::DialectRegistry registry;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  const QuantizationMode *quantization = nullptr;
  std::vector<Family> families;
  std::vector<Variant> variants; ///< most demanding level first: as they are tried at load
  CompileResult result;
  CompileCode failureCode = CompileCode::Internal;
  onnx::ImportReport importReport;
  TuningRecords records;
  Report report; ///< filled where the options ask for it
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// What is printed of each kernel's code.
inline bool isListing(EmitKind kind) {
  return kind == EmitKind::Loops || kind == EmitKind::LLVM || kind == EmitKind::Assembly;
}

inline bool isForGpu(llvm::StringRef level) { return level.starts_with(codegen::kCudaPrefix); }

} // namespace tessera

#endif
