//===- Prediction.h - How long a scheduled kernel takes, estimated -------------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_PREDICTION_H
#define TESSERA_COMPILER_SCHEDULING_PREDICTION_H

#include "compiler/scheduling/Extents.h"
#include "compiler/scheduling/Machine.h"

#include "dialects/schedule/Schedule.h"

namespace tessera::scheduling {

/// Of one launch.
struct Prediction {
  double seconds = 0;
  /// What no schedule can be faster than: starting it, and the longer of its useful operations at
  /// the machine's peak and its bytes at the rate of the memory they fit in, on all threads.
  double roofSeconds = 0;
  double operations = 0, bytes = 0;
  llvm::StringRef bound; ///< what the roof is made of: "arithmetic", "memory" or "launch"
  std::string reason;    ///< what most of the rest is lost by; "": nothing that stands out
  double share() const { return seconds > 0 ? roofSeconds / seconds : 1; }
};

/// `kernel` as it was formed, `schedule` with the directives that restructure it. None: `why` says
/// what is not known.
std::optional<Prediction> predict(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                  const KernelSizes &sizes, const Machine &machine,
                                  std::string &why);

} // namespace tessera::scheduling

#endif
