#include "runtime/device/Device.h"

#include <cstdio>
#include <cstring>

namespace tessera::rt {

static const Device *added[kMaxAddedDevices];
static uint32_t addedCount = 0;

static const Device *deviceAt(uint32_t index) {
  if (index < 2)
    return index ? &nullDevice() : &cpuDevice();
  return index - 2 < addedCount ? added[index - 2] : nullptr;
}

const Device *findDevice(const char *name) {
  const char *colon = std::strchr(name, ':');
  const size_t length = colon ? size_t(colon - name) : std::strlen(name);
  for (uint32_t i = 0; const Device *device = deviceAt(i); ++i) {
    if (std::strlen(device->name) != length || std::memcmp(device->name, name, length) != 0)
      continue;
    if (!colon)
      return device;
    uint32_t number = 0;
    const char *digit = colon + 1;
    for (; *digit >= '0' && *digit <= '9' && number < 100000; ++digit)
      number = number * 10 + uint32_t(*digit - '0');
    const bool isNumber = digit != colon + 1 && !*digit;
    return isNumber && device->numbered ? device->numbered(number) : nullptr;
  }
  return nullptr;
}

bool addDevice(const Device &device) {
  for (uint32_t i = 0; i < addedCount; ++i)
    if (added[i] == &device)
      return true;
  if (addedCount == kMaxAddedDevices)
    return false;
  added[addedCount++] = &device;
  return true;
}

void listDevices(char *text, size_t bytes) {
  size_t used = 0;
  for (uint32_t i = 0; const Device *device = deviceAt(i); ++i) {
    const bool isLast = !deviceAt(i + 1);
    const int size = std::snprintf(text + used, bytes - used, "%s%s",
                                   i == 0   ? ""
                                   : isLast ? " and "
                                            : ", ",
                                   device->name);
    used += size > 0 && size_t(size) < bytes - used ? size_t(size) : 0;
  }
}

} // namespace tessera::rt
