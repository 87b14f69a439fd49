// What this machine can do, measured: what the compiler predicts the times of kernels with.
#ifndef TESSERA_TOOLS_COMMON_MACHINERATES_H
#define TESSERA_TOOLS_COMMON_MACHINERATES_H

#include "tools/common/MachinePeak.h"

#include <string>

namespace tessera::tools {

struct MachineRates {
  MachinePeak peak;
  unsigned threads = 1;
  // Caches: of a core, the last one of all cores. Rates: bytes a second that one core reads over
  // and over from a piece of memory that fits there.
  double l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
  double l1Rate = 0, l2Rate = 0, l3Rate = 0;
  double memoryRate = 0, allMemoryRate = 0; // one core; all of them at once
  double shareSeconds = 0; // to hand work to another thread and hear that it is done

  // As the compiler takes it (tessera_prediction::machine).
  std::string text() const;
};

// Bytes a second that so many threads read from memory together, each a part of its own, on pages
// of the usual size: the best of some passes, in one piece or two side by side. 0 without memory.
double measureMemoryRate(unsigned threads, int vectorBits);

// About a second, on all CPUs; the best of many short runs counts.
MachineRates measureMachineRates(int vectorBits);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_MACHINERATES_H
