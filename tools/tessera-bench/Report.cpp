#include "tools/tessera-bench/Report.h"

#include "tools/common/CommandLine.h"

#include <thread>

namespace tessera::tools {
namespace {

std::string variantOf(const tessera_module *module) {
  tessera_variant_info info{};
  tessera_get_variant(module, tessera_active_variant(module), &info);
  return info.level ? info.level : "";
}

// Sums over kernels; -1 when one is unknown.
double total(const std::vector<KernelTime> &kernels, double KernelTime::*member) {
  double sum = 0;
  for (const KernelTime &kernel : kernels) {
    if (kernel.kernel >= 0 && kernel.*member < 0)
      return -1;
    if (kernel.kernel >= 0)
      sum += kernel.*member;
  }
  return sum;
}

// Right-aligned number, or nothing where it is unknown.
std::string cell(double value, double seconds, double scale, const char *format) {
  char text[32];
  std::snprintf(text, sizeof(text), format,
                value < 0 || seconds <= 0 ? 0 : value / seconds * scale);
  return value < 0 || seconds <= 0 ? "-" : text;
}

} // namespace

int vectorBits(const tessera_module *module) {
  const std::string level = variantOf(module);
  return level.starts_with("x86-64-v4") ? 512 : level.starts_with("x86-64-v3") ? 256 : 128;
}

void print(const Benchmark &b, size_t kernelLines) {
  const double flops = b.peak.flopsPerCore * b.threads, bandwidth = b.memoryRate;
  std::printf("%s: %s, %u threads", b.model.c_str(), variantOf(b.module).c_str(), b.threads);
  for (const BoundInput &input : b.inputs) {
    std::printf(", %s %s[", input.name.c_str(), tessera_type_name(input.array.type));
    for (size_t d = 0; d < input.array.dims.size(); ++d)
      std::printf("%s%lld", d ? "x" : "", (long long)input.array.dims[d]);
    std::printf("]");
  }
  std::printf("\n%s: a core does %.1f GFLOP/s (f32 multiply-adds, %d bits) and reads %.1f GB/s\n",
              cpuName().c_str(), b.peak.flopsPerCore * 1e-9, b.peak.vectorBits,
              b.peak.bytesPerSecond * 1e-9);
  std::printf("median %s (%s to %s), min %s, p90 %s, p99 %s; %zu runs after %zu to warm up\n",
              formatSeconds(b.times.median).c_str(), formatSeconds(b.times.low).c_str(),
              formatSeconds(b.times.high).c_str(), formatSeconds(b.times.min).c_str(),
              formatSeconds(b.times.p90).c_str(), formatSeconds(b.times.p99).c_str(), b.times.runs,
              b.warmUps);
  const double operations = total(b.kernels, &KernelTime::operations);
  const double bytes = total(b.kernels, &KernelTime::bytes);
  if (operations >= 0 && bytes >= 0)
    std::printf("%.3g GFLOP and %.3g GB a run: %.4g GFLOP/s, %.3g %% of the peak of %u threads; "
                "%.3g GB/s\n",
                operations * 1e-9, bytes * 1e-9, operations / b.times.median * 1e-9,
                operations / b.times.median / flops * 100, b.threads,
                bytes / b.times.median * 1e-9);
  std::printf("\n%6s %10s %9s %7s %8s %7s %7s  %s\n", "share", "time", "GFLOP/s", "of peak", "GB/s",
              "of mem", "times", "kernel: nodes of the model");
  double whole = 0;
  for (const KernelTime &kernel : b.kernels)
    whole += kernel.seconds;
  size_t lines = 0;
  for (const KernelTime &kernel : b.kernels) {
    if (lines++ >= kernelLines && kernel.kernel >= 0)
      continue;
    std::string nodes;
    for (size_t i = 0; i < kernel.nodes.size() && i < 2; ++i)
      nodes += (i ? ", " : ": ") + kernel.nodes[i];
    if (kernel.nodes.size() > 2)
      nodes += ", and " + std::to_string(kernel.nodes.size() - 2) + " more";
    std::printf("%5.1f%% %10s %9s %7s %8s %7s %7s  %s%s\n", kernel.seconds / whole * 100,
                formatSeconds(kernel.seconds).c_str(),
                cell(kernel.operations, kernel.seconds, 1e-9, "%.2f").c_str(),
                cell(kernel.operations, kernel.seconds, 100 / flops, "%.1f%%").c_str(),
                cell(kernel.bytes, kernel.seconds, 1e-9, "%.2f").c_str(),
                cell(kernel.bytes, kernel.seconds, 100 / bandwidth, "%.1f%%").c_str(),
                kernel.kernel < 0 ? "" : cell(kernel.launches, 1, 1, "%.0f").c_str(),
                kernel.name.c_str(), nodes.c_str());
  }
  if (b.kernels.size() > kernelLines + 1)
    std::printf("       (%zu more kernels; --kernels shows more)\n",
                b.kernels.size() - 1 - kernelLines);
  for (const std::string &disturbance : b.disturbances)
    std::fprintf(stderr, "tessera-bench: warning: %s\n", disturbance.c_str());
}

nlohmann::json toJson(const Benchmark &b) {
  nlohmann::json kernels = nlohmann::json::array(), inputs = nlohmann::json::object();
  for (const KernelTime &kernel : b.kernels)
    kernels.push_back({{"name", kernel.name},
                       {"nodes", kernel.nodes},
                       {"launches", kernel.launches},
                       {"seconds", kernel.seconds},
                       {"best_seconds", kernel.best},
                       {"operations", kernel.operations},
                       {"bytes", kernel.bytes}});
  for (const BoundInput &input : b.inputs)
    inputs[input.name] = {{"type", tessera_type_name(input.array.type)},
                          {"dims", input.array.dims},
                          {"generated", input.isGenerated}};
  return {{"schema", 1},
          {"model", b.model},
          {"variant", variantOf(b.module)},
          {"threads", b.threads},
          {"inputs", inputs},
          {"open_seconds", b.openSeconds},
          {"memory_bytes", b.memory},
          {"seconds",
           {{"median", b.times.median},
            {"low", b.times.low},
            {"high", b.times.high},
            {"min", b.times.min},
            {"p90", b.times.p90},
            {"p99", b.times.p99},
            {"mean", b.times.mean},
            {"runs", b.times.runs}}},
          {"kernels", kernels},
          {"machine",
           {{"cpu", cpuName()},
            {"cpus", std::thread::hardware_concurrency()},
            {"flops_per_core", b.peak.flopsPerCore},
            {"byte_products_per_core", b.peak.byteProductsPerCore},
            {"bfloat_products_per_core", b.peak.bfloatProductsPerCore},
            {"tile_byte_products_per_core", b.peak.tileBytesPerCore},
            {"tile_bfloat_products_per_core", b.peak.tileBfloatsPerCore},
            {"bytes_per_second", b.peak.bytesPerSecond},
            {"bytes_per_second_of_threads", b.memoryRate},
            {"vector_bits", b.peak.vectorBits}}},
          {"warnings", b.disturbances}};
}

} // namespace tessera::tools
