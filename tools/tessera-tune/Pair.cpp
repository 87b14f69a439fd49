#include "tools/tessera-tune/Pair.h"

#include "tools/common/CommandLine.h"
#include "tools/common/Trace.h"

#include <algorithm>

namespace tessera::tools {
namespace {

// Of one side: seconds of each run, whole and by kernel.
struct Runs {
  std::vector<double> whole;
  std::map<int32_t, std::vector<double>> kernels;
  std::map<int32_t, double> launches;
};

double quiet(std::vector<double> &times) {
  if (times.empty())
    return 0;
  const auto place = times.begin() + std::ptrdiff_t(times.size() / 4);
  std::nth_element(times.begin(), place, times.end());
  return *place;
}

std::string runOnce(Loaded &loaded, Runs &runs) {
  tessera_error *error = nullptr;
  constexpr uint64_t kRecords = 1 << 16;
  if (tessera_profile_start(loaded.context.get(), kRecords, &error))
    return take(error);
  const double start = now();
  if (tessera_run(loaded.context.get(), 0, nullptr, &error))
    return take(error);
  runs.whole.push_back(now() - start);
  std::map<int32_t, double> sums;
  const uint64_t count = tessera_profile_count(loaded.context.get());
  for (uint64_t i = 0; i < count; ++i) {
    tessera_record record{};
    tessera_profile_get(loaded.context.get(), i, &record);
    if (record.kind != TESSERA_RECORD_LAUNCH)
      continue;
    sums[record.kernel] += double(record.duration) * 1e-9;
    ++runs.launches[record.kernel];
  }
  for (const auto &[kernel, sum] : sums)
    runs.kernels[kernel].push_back(sum);
  return "";
}

} // namespace

std::string Loaded::load(const CompilerLibrary &compiler, const tessera_compilation *compilation,
                         const std::vector<std::string> &inputTexts, uint32_t threads) {
  context.reset();
  module.reset();
  tessera_error *error = nullptr;
  tessera_module *loaded = nullptr;
  if (tessera_module_load_memory(compiler.compilation_bytes(compilation),
                                 compiler.compilation_size(compilation), nullptr, &loaded, &error))
    return take(error);
  module.reset(loaded);
  if (std::string problem = bindInputs(loaded, 0, inputTexts, inputs); !problem.empty())
    return problem;
  if (std::string problem = makeContext(loaded, threads, context); !problem.empty())
    return problem;
  return setInputs(context.get(), 0, inputs);
}

std::string compareInTurns(Loaded &first, Loaded &second, double seconds, size_t rounds,
                           PairTimes &times) {
  Runs a, b, warm;
  for (Loaded *side : {&first, &second, &first, &second})
    if (std::string problem = runOnce(*side, warm); !problem.empty())
      return problem;
  times = {};
  constexpr size_t kMostRounds = 2000;
  for (const double start = now();
       times.rounds < rounds || (now() - start < seconds && times.rounds < kMostRounds);
       ++times.rounds) {
    // First the one, then the other: neither always follows a pause.
    const bool isSwapped = times.rounds % 2;
    std::string problem = runOnce(isSwapped ? second : first, isSwapped ? b : a);
    if (problem.empty())
      problem = runOnce(isSwapped ? first : second, isSwapped ? a : b);
    if (!problem.empty())
      return problem;
  }
  times.first = quiet(a.whole);
  times.second = quiet(b.whole);
  for (auto &[kernel, list] : a.kernels) {
    const std::string name = kernelName(first.module.get(), uint32_t(kernel));
    times.kernels[name].first = quiet(list);
    times.kernels[name].launches = a.launches[kernel] / double(times.rounds);
  }
  for (auto &[kernel, list] : b.kernels)
    times.kernels[kernelName(second.module.get(), uint32_t(kernel))].second = quiet(list);
  return "";
}

} // namespace tessera::tools
