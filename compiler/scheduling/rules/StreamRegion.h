//===- StreamRegion.h - What is computed for a merging stage alone ---------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RULES_STREAMREGION_H
#define TESSERA_COMPILER_SCHEDULING_RULES_STREAMREGION_H

#include "compiler/scheduling/rules/Plan.h"

namespace tessera::scheduling {

/// The stages that are computed for the merging stage alone.
struct StreamRegion {
  /// Per loop of a stage: the loop of the merging stage it follows, or kOwn.
  static constexpr int kOwn = -1;
  llvm::MapVector<mlir::Operation *, llvm::SmallVector<int>> follows;
  llvm::SmallDenseSet<int> tangled; ///< loops that an index depends on otherwise than plainly
  bool holds = true;

  std::optional<unsigned> loopThatFollows(mlir::Operation *stage, int loop) const;
};

/// `isWhole`: what is kept as a whole, and read from memory.
StreamRegion findStreamRegion(const KernelInfo &info, const StageInfo &merge,
                              llvm::function_ref<bool(const StageInfo &)> isWhole);

/// How the merging stage is computed; nothing when it is not as a stream.
std::optional<StreamPlan> planStream(const KernelInfo &info, const StageInfo &merge,
                                     const Target &target,
                                     llvm::function_ref<bool(const StageInfo &)> isWhole);

/// The loops of the dimensions of a stage's results.
llvm::SmallVector<unsigned> outputLoops(const StageInfo &stage);
/// Whether an index is a loop, and nothing else.
bool isPlain(const IndexForm &form);

} // namespace tessera::scheduling

#endif
