// The devices of this machine.
#ifndef TESSERA_TOOLS_COMMON_DEVICES_H
#define TESSERA_TOOLS_COMMON_DEVICES_H

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tools {

struct DeviceEntry {
  std::string name;        // as --device takes it: "cuda:1"
  std::string description; // "NVIDIA H100 80GB HBM3"
  uint32_t capability;     // 90: sm_90; of GPUs
  uint64_t memory;         // bytes; of GPUs
};

// "cuda", "cuda:1".
bool isCuda(const std::string &device);

// The CPU first. `problem`: why there is no GPU among them, "" where there is one.
std::vector<DeviceEntry> findDevices(std::string &problem);

// A line each, for people.
std::string listDevices();

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_DEVICES_H
