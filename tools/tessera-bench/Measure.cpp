#include "tools/tessera-bench/Measure.h"

#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/Trace.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <thread>

namespace tessera::tools {

Distribution describe(std::vector<double> seconds) {
  Distribution result;
  if (seconds.empty())
    return result;
  std::sort(seconds.begin(), seconds.end());
  const size_t count = seconds.size();
  const auto rank = [&](double share) {
    return seconds[std::min(count - 1,
                            size_t(std::max(0.0, std::ceil(share * double(count)) - 1)))];
  };
  result.runs = count;
  result.min = seconds.front();
  result.median = (seconds[(count - 1) / 2] + seconds[count / 2]) / 2;
  result.p90 = rank(0.9);
  result.p99 = rank(0.99);
  for (double value : seconds)
    result.mean += value / double(count);
  const double half = 1.96 * std::sqrt(double(count)) / 2, middle = double(count - 1) / 2;
  result.low = seconds[size_t(std::max(0.0, std::floor(middle - half)))];
  result.high = seconds[std::min(count - 1, size_t(std::ceil(middle + half)))];
  return result;
}

static std::string runOnce(tessera_context *context, uint32_t function, double &seconds) {
  tessera_error *error = nullptr;
  const double start = now();
  if (tessera_run(context, function, nullptr, &error))
    return take(error);
  seconds = now() - start;
  return "";
}

std::string measure(tessera_context *context, uint32_t function, const MeasureOptions &options,
                    size_t &warmUps, Distribution &result) {
  double seconds = 0;
  const double start = now();
  for (warmUps = 0; warmUps < 2 || now() - start < options.seconds / 5; ++warmUps)
    if (std::string problem = runOnce(context, function, seconds); !problem.empty())
      return problem;
  std::vector<double> times;
  const double begin = now();
  constexpr size_t kMaxRuns = 1 << 20;
  while ((times.size() < options.minRuns || now() - begin < options.seconds) &&
         times.size() < kMaxRuns) {
    if (std::string problem = runOnce(context, function, seconds); !problem.empty())
      return problem;
    times.push_back(seconds);
  }
  result = describe(std::move(times));
  return "";
}

std::string profile(const tessera_module *module, tessera_context *context, uint32_t function,
                    std::vector<KernelTime> &kernels) {
  tessera_error *error = nullptr;
  constexpr uint64_t kRecords = 1 << 18;
  if (tessera_profile_start(context, kRecords, &error))
    return take(error);
  const double start = now();
  double seconds = 0;
  uint64_t perRun = 1;
  for (size_t runs = 0; runs < 3 || (now() - start < 0.5 && runs < 1000); ++runs) {
    if (tessera_profile_count(context) + perRun > kRecords)
      break;
    const uint64_t before = tessera_profile_count(context);
    if (std::string problem = runOnce(context, function, seconds); !problem.empty())
      return problem;
    perRun = std::max<uint64_t>(1, tessera_profile_count(context) - before);
  }
  std::map<int32_t, KernelTime> byKernel;
  std::map<int32_t, double> inThisRun;
  double runs = 0, whole = 0;
  for (uint64_t i = 0; i < tessera_profile_count(context); ++i) {
    tessera_record record{};
    tessera_profile_get(context, i, &record);
    const double took = double(record.duration) * 1e-9;
    if (record.kind == TESSERA_RECORD_RUN) { // Behind the launches of the run.
      ++runs;
      whole += took;
      for (const auto &[kernel, sum] : inThisRun) {
        double &best = byKernel[kernel].best;
        best = best > 0 ? std::min(best, sum) : sum;
      }
      inThisRun.clear();
    }
    if (record.kind != TESSERA_RECORD_LAUNCH)
      continue;
    KernelTime &entry = byKernel[record.kernel];
    if (entry.launches++ == 0)
      entry.operations = entry.bytes = 0;
    entry.seconds += took;
    inThisRun[record.kernel] += took;
    // One unknown makes the sum unknown.
    entry.operations = record.operations < 0 || entry.operations < 0
                           ? -1
                           : entry.operations + double(record.operations);
    entry.bytes = record.bytes < 0 || entry.bytes < 0 ? -1 : entry.bytes + double(record.bytes);
  }
  if (tessera_profile_start(context, 0, &error))
    return take(error);
  double inKernels = 0;
  for (auto &[kernel, entry] : byKernel) {
    entry.kernel = kernel;
    entry.name = kernelName(module, uint32_t(kernel));
    entry.nodes = nodesOf(module, uint32_t(kernel));
    inKernels += entry.seconds;
    for (double *value : {&entry.launches, &entry.seconds, &entry.operations, &entry.bytes})
      if (*value > 0)
        *value /= runs;
    kernels.push_back(std::move(entry));
  }
  std::sort(kernels.begin(), kernels.end(),
            [](const KernelTime &a, const KernelTime &b) { return a.seconds > b.seconds; });
  KernelTime rest;
  rest.name = "between kernels";
  rest.seconds = runs > 0 ? std::max(0.0, whole - inKernels) / runs : 0;
  kernels.push_back(rest);
  return "";
}

std::vector<std::string> findDisturbances(const Distribution &times) {
  std::vector<std::string> found;
  double load[1] = {0};
  const double cpus = std::max(1u, std::thread::hardware_concurrency());
  char text[160];
  // Our own run is one of the load's processes.
  if (::getloadavg(load, 1) == 1 && load[0] > 1 + cpus / 2) {
    std::snprintf(text, sizeof(text), "the machine is busy: load %.1f on %.0f CPUs", load[0], cpus);
    found.push_back(text);
  }
  if (times.p90 > times.median * 1.1) {
    std::snprintf(text, sizeof(text), "the times vary: p90 is %.0f %% above the median",
                  (times.p90 / times.median - 1) * 100);
    found.push_back(text);
  }
  std::string governor;
  if (readFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor).empty() &&
      governor.find("performance") == std::string::npos)
    found.push_back("the clock may change: the frequency governor is " +
                    governor.substr(0, governor.find('\n')));
  return found;
}

} // namespace tessera::tools
