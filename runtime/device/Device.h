// What runs kernels. A device is a constant table.
#ifndef TESSERA_RUNTIME_DEVICE_DEVICE_H
#define TESSERA_RUNTIME_DEVICE_DEVICE_H

#include "runtime/base/KernelAbi.h"
#include "runtime/base/Status.h"

namespace tessera::rt {

// Memory that the host cannot reach. Addresses are the device's; see Memory.h for the order.
// `device` is the table's own. `queue` is one that makeQueue made, or where there is no makeQueue
// one of the device's own kind (a CUstream); null: the ordinary one.
struct DeviceMemory {
  // Aligned to kBufferAlignment at least. An error says how much there is.
  Status (*allocate)(void *device, uint64_t bytes, void *&address);
  void (*release)(void *device, void *address);
  // Bytes of the host are read and written until `wait` returns.
  Status (*toDevice)(void *device, void *queue, void *to, const void *from, uint64_t bytes);
  Status (*toHost)(void *device, void *queue, void *to, const void *from, uint64_t bytes);
  Status (*copy)(void *device, void *queue, void *to, const void *from, uint64_t bytes);
  // The low bytes of `pattern` in every element of 1, 2, 4 or 8 bytes.
  Status (*fill)(void *device, void *queue, void *to, uint64_t pattern, uint32_t elementBytes,
                 uint64_t elements);
  Status (*wait)(void *device, void *queue);
  // Notes a place in the queue, and the device's time when it is reached; a mark that is null is
  // made first. Null functions: there is one queue, and what a launch takes is what the host waits.
  Status (*mark)(void *device, void *queue, void *&mark) = nullptr;
  // Between two marks that were reached.
  Status (*elapsed)(void *device, void *first, void *last, int64_t &nanoseconds) = nullptr;
  void (*releaseMark)(void *device, void *mark) = nullptr;
  // A queue of a context's own, in which launches, copies and fills may wait until the host waits
  // for them, moves bytes, or asks to submit them. Null functions: nothing waits.
  Status (*makeQueue)(void *device, void *&queue) = nullptr;
  // From now on what it does is done in that stream of the device (a CUstream). What was not
  // submitted is forgotten: the call that asked for it has failed.
  void (*setStream)(void *queue, void *stream) = nullptr;
  void (*releaseQueue)(void *device, void *queue) = nullptr;
  Status (*submit)(void *device, void *queue) = nullptr;
  // A queue beside the others, in no order with them but what `after` asks for. Null functions: all
  // is done in one order.
  Status (*makeSide)(void *device, void *&queue) = nullptr;
  // What is asked of the queue from now on waits until the mark is reached.
  Status (*after)(void *device, void *queue, void *mark) = nullptr;
  // Until then the host waits.
  Status (*waitFor)(void *device, void *mark) = nullptr;
  // Bytes that are free now, of how many. Null: nobody knows.
  Status (*available)(void *device, uint64_t &free, uint64_t &total) = nullptr;
  void *device = nullptr;
};

struct Device {
  const char *name;
  const char *family; // of the variants that it takes; null: it takes all
  bool runsCode;      // false: no CPU feature is asked for, code is not made executable
  // `kernel` is the entry of the code, or what `prepare` gave. Where the device knows more than a
  // number about what went wrong, it says so in `error`.
  int32_t (*launch)(void *kernel, const KernelContext *context, void *queue, void *const *args,
                    Status &error);
  // For devices whose kernels are no code of this process: makes one ready when the module is
  // loaded. `image` has `bytes` bytes that nobody has checked; it lives as long as the module.
  Status (*prepare)(void *state, const uint8_t *image, uint64_t bytes, void *&kernel) = nullptr;
  void (*release)(void *kernel) = nullptr;
  const DeviceMemory *memory = nullptr; // null: kernels see the host's
  // Whether code of a feature ("sm_80") runs there, for devices that are not the host.
  bool (*hasFeature)(void *state, const char *feature) = nullptr;
  // Says why there is no such device on this machine; before all else.
  Status (*open)(void *state) = nullptr;
  // Several of a kind: "cuda:1" is number 1 of "cuda", which is its own number 0. Null: there is no
  // such number on any machine.
  const Device *(*numbered)(uint32_t number) = nullptr;
  void *state = nullptr; // the device's own, as in its memory's table
  // What it is, for messages: "NVIDIA H100 80GB HBM3, sm_90". Null: nothing to say.
  void (*describe)(void *state, char *text, size_t bytes) = nullptr;
};

// Raised when a field is added to Device or DeviceMemory.
constexpr uint32_t kDeviceAbi = 7;

const Device &cpuDevice();
// Runs programs, checks everything, launches nothing.
const Device &nullDevice();

// "cpu", "cuda", "cuda:1". Null for an unknown name.
const Device *findDevice(const char *name);
// A device of the host program, found by its name from then on; not while others look for devices.
// False: there are kMaxAddedDevices already.
bool addDevice(const Device &device);
constexpr uint32_t kMaxAddedDevices = 4;
// Space for people: "cpu, null".
void listDevices(char *text, size_t bytes);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_DEVICE_H
