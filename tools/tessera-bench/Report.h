// A benchmark as text and as JSON.
#ifndef TESSERA_TOOLS_TESSERA_BENCH_REPORT_H
#define TESSERA_TOOLS_TESSERA_BENCH_REPORT_H

#include "tools/common/Bindings.h"
#include "tools/common/MachinePeak.h"
#include "tools/tessera-bench/Measure.h"

#include <nlohmann/json.hpp>

namespace tessera::tools {

struct Benchmark {
  const tessera_module *module;
  uint32_t function = 0, threads = 1;
  std::string model;
  double openSeconds = 0; // compiling or loading
  size_t warmUps = 0;
  std::vector<BoundInput> inputs;
  Distribution times;
  std::vector<KernelTime> kernels;
  MachinePeak peak;
  double memoryRate = 0; // bytes a second that all threads read together
  std::vector<std::string> disturbances;
  uint64_t memory = 0; // bytes that the context holds
};

// As wide as the active variant's vectors are: for measureMachinePeak.
int vectorBits(const tessera_module *module);

void print(const Benchmark &benchmark, size_t kernelLines);
nlohmann::json toJson(const Benchmark &benchmark);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_BENCH_REPORT_H
