//===- StageCost.h - What the loops of a scheduled stage cost ------------------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_STAGECOST_H
#define TESSERA_COMPILER_SCHEDULING_STAGECOST_H

#include "compiler/scheduling/Extents.h"
#include "compiler/scheduling/KernelAnalysis.h"

#include "dialects/schedule/Schedule.h"

namespace tessera::scheduling {

/// How directives cut the loops of a stage.
struct StageLoops {
  llvm::SmallVector<double> extents;
  llvm::SmallVector<double> lanes;      ///< of a vector, per loop; 1: none lie along it
  llvm::SmallVector<double> inRegister; ///< iterations that are written out, lanes included
  double tasks = 1;                     ///< that threads share
  bool isParallel = false;
  llvm::StringRef consumer; ///< the stage in whose loops it is computed; "": none
};
/// `directives`: the body of a schedule.stage or schedule.update; null: none.
StageLoops readLoops(const StageInfo &stage, llvm::ArrayRef<int64_t> extents,
                     mlir::Block *directives);

/// What one iteration of a stage does, with all that is inlined into it.
struct StageBody {
  struct Read {
    llvm::SmallBitVector loops, contiguous; ///< that it depends on; along which neighbours lie
    double bits;
    bool isAtData = false;        ///< at an index that is read
    llvm::SmallBitVector clamped; ///< loops along which the index is bounded
    /// Loops that one index is a sum of, times what; of reads of the stage itself.
    llvm::SmallVector<llvm::SmallVector<std::pair<unsigned, int64_t>>> sums = {};
  };
  double operations = 0; ///< instructions on vectors
  std::vector<Read> reads;
  double bits = 32;     ///< of the widest element
  bool isBytes = false; ///< sums products of bytes
  bool isPairs = false; ///< sums products of bf16, which one instruction may take in pairs
};
using IsInlined = llvm::function_ref<bool(const StageInfo &)>;
StageBody readBody(const KernelInfo &info, const StageInfo &stage, IsInlined isInlined);

/// The unit of time is that of a multiply-add of full vectors when nothing is in its way: half a
/// cycle on most machines.
struct StageCost {
  double units = 0;
  double points = 0;               ///< iterations that are computed, those that pad included
  double operations = 0;           ///< units that its operations alone take
  double lanes = 1, fullLanes = 1; ///< of a vector; of the machine's
  double loads = 0, latency = 0;   ///< units of one step, as `step` is
  double step = 0;
};
/// `isPadded`: the last tile is not full.
StageCost costOf(const StageInfo &stage, const StageBody &body, const StageLoops &loops,
                 bool isPadded, int64_t vectorBits);

} // namespace tessera::scheduling

#endif
