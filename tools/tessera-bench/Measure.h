// Measuring: how long calls take, and which kernels the time goes to.
#ifndef TESSERA_TOOLS_TESSERA_BENCH_MEASURE_H
#define TESSERA_TOOLS_TESSERA_BENCH_MEASURE_H

#include "tools/common/Session.h"

#include <string>
#include <vector>

namespace tessera::tools {

struct Distribution {
  size_t runs = 0;
  double min = 0, median = 0, p90 = 0, p99 = 0, mean = 0;
  double low = 0, high = 0; // 95 % confidence interval of the median
};
// Nearest-rank percentiles; the interval by order statistics (binomial, normal approximation).
Distribution describe(std::vector<double> seconds);

struct MeasureOptions {
  double seconds = 1; // measured for about this long, but at least minRuns
  size_t minRuns = 10;
};

// Runs until caches, plans and clocks are warm, then measures. "" or the message.
[[nodiscard]] std::string measure(tessera_context *context, uint32_t function,
                                  const MeasureOptions &options, size_t &warmUps,
                                  Distribution &result);

// What one kernel did in one call of the model.
struct KernelTime {
  int32_t kernel = -1; // -1: all that is no kernel
  std::string name;
  std::vector<std::string> nodes;
  double launches = 0, seconds = 0;
  double best = 0;                    // seconds of its launches in the run in which they took least
  double operations = -1, bytes = -1; // -1: unknown
};
// The mean over profiled calls, longest first; a last entry has the time between kernels.
[[nodiscard]] std::string profile(const tessera_module *module, tessera_context *context,
                                  uint32_t function, std::vector<KernelTime> &kernels);

// What disturbs measurements here, in sentences; none: nothing found.
std::vector<std::string> findDisturbances(const Distribution &times);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_BENCH_MEASURE_H
