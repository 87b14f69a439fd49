//===- Finish.h - From LLVM IR to the object file of a kernel ---------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_FINISH_H
#define TESSERA_COMPILER_CODEGEN_LLVM_FINISH_H

#include "compiler/codegen/KernelImage.h"
#include "compiler/codegen/MatrixTiles.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace tessera::codegen {

/// A buffer of which a kernel writes a part (#kernel.place); per dimension, outermost first.
struct PartOfBuffer {
  unsigned argument = 0; ///< after the context
  unsigned elementBytes = 4;
  std::vector<int64_t> begin, end;
};

/// The function that a generator left in the module, and how it takes what a kernel is given. Its
/// parameters are, in order: the context; per input a buffer pointer, or an extent passed by
/// value; the output buffers. It returns i32, 0 when all went well.
struct KernelFunction {
  std::string name;
  std::vector<bool> isExtent;      ///< per argument after the context
  bool vectorizeLoops = false;     ///< leave loops to LLVM's vectorizer: no schedule has decided
  std::vector<PartOfBuffer> parts; ///< what it sees as buffers of their own
  std::vector<std::vector<float>> tables; ///< what it reads as LookupTables.h says
  std::vector<MatrixTiles> matrixTiles;   ///< what it calls
};

/// Name of the entry function in every object.
inline constexpr llvm::StringLiteral kEntryName = "tessera_kernel";

/// Position-independent code for a processor.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const CodeTarget &target);

/// Reads bitcode that a generator made.
llvm::Expected<std::unique_ptr<llvm::Module>> readBitcode(llvm::StringRef bitcode,
                                                          llvm::LLVMContext &context);

/// Optimises the module for the target and gives a relocatable object whose only visible function
/// is `kEntryName`. Our floating-point rules are applied here: products and sums may be contracted
/// to fused multiply-adds, nothing else may be reassociated or assumed.
llvm::Expected<llvm::SmallVector<char, 0>> finishKernel(llvm::Module &module,
                                                        const KernelFunction &function,
                                                        const CodeTarget &target,
                                                        CodeListing &listing);

/// Lays the sections of an object out as one image and applies all relocations. Fails, naming the
/// symbol, when the code needs anything that is not in the object, or has writable data.
llvm::Expected<KernelImage> linkKernel(llvm::ArrayRef<char> object);

} // namespace tessera::codegen

#endif
