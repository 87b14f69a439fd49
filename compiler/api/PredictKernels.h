//===- PredictKernels.h - How long the kernels of a model take, estimated -------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_PREDICTKERNELS_H
#define TESSERA_COMPILER_API_PREDICTKERNELS_H

#include "compiler/api/Compiler.h"
#include "compiler/scheduling/Prediction.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace tessera {

/// A kernel in all its launches.
struct PredictedKernel {
  std::string name;
  std::vector<std::string> nodes; ///< of the model
  size_t launches = 0;
  scheduling::Prediction mean; ///< of a launch; the reason of the longest
  std::string whyNot;          ///< why it is not predicted; "": it is
};

/// Values of the symbols of a model's first function, from the shapes of its inputs. Symbols that
/// no shape gives count as the least they may be, or 1, and are named in `assumed`.
/// "" or a sentence.
std::string findSymbols(mlir::ModuleOp module, llvm::ArrayRef<InputShape> shapes,
                        llvm::StringMap<int64_t> &symbols, std::vector<std::string> &assumed);

/// `module`: kernels with schedules, and the functions that launch them. `level`: a CPU's.
std::vector<PredictedKernel> predictKernels(mlir::ModuleOp module, llvm::StringRef level,
                                            const llvm::StringMap<int64_t> &symbols,
                                            scheduling::Machine machine);

/// What --require-roofline says: "" when every kernel reaches `least` of its roofline.
std::string findSlowKernels(llvm::ArrayRef<PredictedKernel> kernels, double least);

} // namespace tessera

#endif
