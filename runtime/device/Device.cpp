#include "runtime/device/Device.h"

#include <cstring>
#include <initializer_list>

const tessera::rt::Device *tessera::rt::findDevice(const char *name) {
  for (const Device *device : {&cpuDevice(), &nullDevice()})
    if (std::strcmp(device->name, name) == 0)
      return device;
  return nullptr;
}
