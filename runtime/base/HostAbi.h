// The binary interface between the runtime and the library of host operators
// (libtessera_hostops.so): work that is no numeric kernel, such as decoding images. The runtime
// opens the library when a module needs it; it exports one function, which gives a table.
//
// A function gets tensors whose memory the runtime has planned and allocated, results included, and
// fills the results. What an operator's results have for extents is, where it depends on data, a
// function of its own, which comes first.
#ifndef TESSERA_RUNTIME_BASE_HOSTABI_H
#define TESSERA_RUNTIME_BASE_HOSTABI_H

#include "runtime/schema/ModuleFormat.h"

namespace tessera::rt {

// Raised with every change here; the runtime takes its own number only.
constexpr uint32_t kHostAbi = 1;

// Dense, row-major, dims outermost first. Those of inputs are only read.
struct HostTensor {
  void *data;
  const int64_t *dims;
  uint32_t rank;
  ElementType type;
};

enum HostResult : int32_t {
  kHostOk = 0,
  kHostBadData = 1,     // what is in the inputs
  kHostTooLarge = 2,    // beyond a limit of the library
  kHostMemoryLimit = 3, // more than `memory`
  kHostOutOfMemory = 4,
  kHostStopped = 5,   // shouldStop said so
  kHostWrongCall = 6, // not the tensors or options that the function takes
};

struct HostCall {
  const char *options; // what the function is told besides its inputs, as it defines; never null
  const HostTensor *inputs, *outputs;
  uint32_t inputCount, outputCount;
  uint64_t memory; // bytes that the function may take for itself while it works
  bool (*shouldStop)(const HostCall *call); // asked now and then
  void *runtime;
  // Where one sentence goes that says what is wrong.
  char *message;
  uint32_t messageBytes;
};

struct HostFunction {
  const char *name;                     // "image.decode"
  int32_t (*run)(const HostCall *call); // HostResult; from any thread
};

struct HostTable {
  uint32_t abi; // kHostAbi
  uint32_t count;
  const HostFunction *functions;
};

// The exported function.
using HostEntry = const HostTable *(*)();
constexpr char kHostEntryName[] = "tessera_host_operators";
constexpr char kHostLibraryName[] = "libtessera_hostops.so";

// Tensors of one call.
constexpr uint32_t kMaxHostTensors = 32;

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_HOSTABI_H
