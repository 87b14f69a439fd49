#include "tools/common/Devices.h"

#include "runtime/api/tessera_cuda.h"

#include <cstdio>
#include <unistd.h>

namespace tessera::tools {

bool isCuda(const std::string &device) {
  return device == "cuda" || device.compare(0, 5, "cuda:") == 0;
}

std::vector<DeviceEntry> findDevices(std::string &problem) {
  const long usable = ::sysconf(_SC_NPROCESSORS_ONLN);
  std::vector<DeviceEntry> devices{
      {"cpu", std::to_string(usable) + (usable == 1 ? " CPU" : " CPUs"), 0, 0}};
  char text[600] = "";
  const uint32_t count = tessera_cuda_device_count(text, sizeof(text));
  problem = text;
  for (uint32_t number = 0; number < count; ++number) {
    tessera_cuda_device device;
    if (tessera_cuda_get_device(number, &device) == TESSERA_OK)
      devices.push_back(
          {"cuda:" + std::to_string(number), device.name, device.capability, device.memory});
  }
  return devices;
}

std::string listDevices() {
  std::string problem, text;
  for (const DeviceEntry &device : findDevices(problem)) {
    char line[200];
    if (device.memory)
      std::snprintf(line, sizeof(line), "%-8s %s, sm_%u, %.1f GB\n", device.name.c_str(),
                    device.description.c_str(), device.capability, double(device.memory) / 1e9);
    else
      std::snprintf(line, sizeof(line), "%-8s %s\n", device.name.c_str(),
                    device.description.c_str());
    text += line;
  }
  return problem.empty() ? text : text + "no GPU: " + problem + "\n";
}

} // namespace tessera::tools
