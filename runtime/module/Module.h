// A loaded module: immutable, shared by its contexts, freed with the last reference.
#ifndef TESSERA_RUNTIME_MODULE_MODULE_H
#define TESSERA_RUNTIME_MODULE_MODULE_H

#include "runtime/device/Memory.h"
#include "runtime/module/HostFunctions.h"
#include "runtime/module/Program.h"

#include <atomic>

namespace tessera::rt {

struct LoadOptions {
  const Allocator *allocator = nullptr; // null: the system's
  const char *variant = nullptr;        // a level; null: the first that fits
  const Device *device = nullptr;       // null: the CPU
  bool verifyAll = false;               // hash large constants too
  uint64_t offset = 0, bytes = 0;       // of the module in its file; 0 bytes: up to its end
  HostOpener openHost = nullptr;        // null: there are no host operators
};

// Constants up to this size are always hashed.
constexpr uint64_t kAlwaysHashedBytes = uint64_t(16) << 20;

class Module {
public:
  static Result<Module *> loadFile(const char *path, const LoadOptions &options);
  static Result<Module *> loadMemory(const void *data, uint64_t size, const LoadOptions &options);

  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void release();

  explicit Module(const Allocator &allocator) : allocator(allocator), arena(this->allocator) {}
  ~Module();

  // Immutable once loaded.
  const Allocator allocator;
  const Device *device = nullptr;
  Arena arena;
  const uint8_t *file = nullptr; // the mapping
  uint64_t fileBytes = 0;
  uint32_t version = 0;
  const char *compiler = "";
  Span<Segment> segments;
  Span<const uint64_t> chunkHashes;
  Span<Constant> constants;
  Span<Variable> variables;
  Span<Variant> variants;
  uint32_t active = 0;   // index of the chosen variant
  const char *note = ""; // variants that fit better, and why they were not chosen

  const Variant &variant() const { return variants[active]; }

private:
  static Result<Module *> finishLoad(Module *module, const LoadOptions &options);
  Status map(const char *path, uint64_t offset, uint64_t bytes);
  Status mapCopy(const void *data, uint64_t size);
  Status load(const LoadOptions &options);
  Status readHeader(FileHeader &header) const;
  Status decode(const uint8_t *metadata, uint64_t size); // Decode.cpp
  Status checkSegments(uint64_t metadataEnd, bool verifyAll);
  bool hasFamily(const char *family) const;
  Status chooseVariant(const char *level, uint32_t first);
  Status chooseAndPrepare(const char *level);
  Status findHostFunctions(HostOpener openHost);
  Status makeExecutable();
  void releaseKernels();
  Status uploadConstants();

  std::atomic<uint32_t> references{1};
  const DeviceMemory *deviceMemory = nullptr; // that has `deviceConstants`
  void *deviceConstants = nullptr;
  void *code = nullptr; // of the active variant, read and execute only
  uint64_t codeBytes = 0;
};

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_MODULE_MODULE_H
