// From a file to a module that may run. Steps, each of which trusts only what came before:
//  1. map the file; header: magic, version, own hash, sizes;
//  2. copy the metadata (a mapped file can change under the reader), check its hash;
//  3. FlatBuffers' verifier, then every number in it (Decode.cpp, VerifyFunction.cpp);
//  4. segments: places, zero padding, hashes of their chunks;
//  5. choose the variant, map its code executable.
#include "runtime/base/Checked.h"
#include "runtime/base/Hash.h"
#include "runtime/module/CpuFeatures.h"
#include "runtime/module/Module.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera::rt {
namespace {

bool isZero(const uint8_t *data, uint64_t size) {
  for (uint64_t i = 0; i < size; ++i)
    if (data[i])
      return false;
  return true;
}

uint64_t chunkCount(uint64_t size) { return (size + kChunkBytes - 1) / kChunkBytes; }

// A text of several parts; what does not fit is left out.
class Parts {
public:
  void add(const char *separator, const char *part) {
    const int size = std::snprintf(text + used, sizeof(text) - used, "%s%s", separator, part);
    used = size < 0                             ? used
           : used + size_t(size) < sizeof(text) ? used + size_t(size)
                                                : sizeof(text) - 1;
  }
  bool empty() const { return !used; }
  const char *c_str() const { return text; }

private:
  char text[1024] = "";
  size_t used = 0;
};

const char *kindOf(const Device &device) { return device.hasFeature ? "device" : "CPU"; }

// " (NVIDIA H100, sm_90)", or nothing.
void describeDevice(const Device &device, char *text, size_t bytes) {
  char what[128] = "";
  if (device.describe)
    device.describe(device.state, what, sizeof(what));
  std::snprintf(text, bytes, *what ? " (%s)" : "", what);
}

} // namespace

Module::~Module() {
  if (device && variants.size)
    releaseKernels();
  if (deviceConstants)
    deviceMemory->release(deviceMemory->device, deviceConstants);
  if (code)
    ::munmap(code, codeBytes);
  if (file)
    ::munmap(const_cast<uint8_t *>(file), fileBytes);
}

void Module::release() {
  if (references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  const Allocator copy = allocator;
  destroy(copy, this);
}

Status Module::map(const char *path, uint64_t offset, uint64_t bytes) {
  const auto failed = [&](const char *what) {
    return Status::error(Code::FileError, "cannot %s '%s': %s", what, path, std::strerror(errno));
  };
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return failed("open");
  struct stat info;
  Status status;
  if (::fstat(fd, &info) != 0)
    status = failed("read");
  else if (!S_ISREG(info.st_mode))
    status = Status::error(Code::FileError, "cannot read '%s': it is not a regular file", path);
  else if (offset % kPageBytes != 0)
    status = Status::error(Code::InvalidArgument,
                           "a module begins at a multiple of %llu bytes in its file, not at %llu",
                           (unsigned long long)kPageBytes, (unsigned long long)offset);
  else if (offset > uint64_t(info.st_size) || bytes > uint64_t(info.st_size) - offset)
    status = Status::error(
        Code::Truncated, "'%s' has %lld bytes, too few for a module of %llu at byte %llu", path,
        (long long)info.st_size, (unsigned long long)bytes, (unsigned long long)offset);
  else if (const uint64_t size = bytes ? bytes : uint64_t(info.st_size) - offset;
           size < sizeof(FileHeader))
    status = Status::error(Code::NotAModule,
                           "'%s' is not a Tessera module: it has %llu bytes, a module at least %zu",
                           path, (unsigned long long)size, sizeof(FileHeader));
  else {
    void *memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, off_t(offset));
    if (memory == MAP_FAILED)
      status = failed("map");
    else {
      file = static_cast<const uint8_t *>(memory);
      fileBytes = size;
    }
  }
  ::close(fd);
  return status;
}

Status Module::mapCopy(const void *data, uint64_t size) {
  if (!data || size < sizeof(FileHeader))
    return Status::error(Code::NotAModule,
                         "the memory is not a Tessera module: it has %llu bytes, a module at least "
                         "%zu",
                         (unsigned long long)size, sizeof(FileHeader));
  void *memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return Status::outOfMemory();
  file = static_cast<const uint8_t *>(memory);
  fileBytes = size;
  std::memcpy(memory, data, size);
  if (::mprotect(memory, size, PROT_READ) != 0)
    return Status::error(Code::SystemError, "cannot protect memory: %s", std::strerror(errno));
  return {};
}

Status Module::readHeader(FileHeader &header) const {
  std::memcpy(&header, file, sizeof(header));
  if (std::memcmp(header.magic, kFileMagic, sizeof(kFileMagic)) != 0)
    return Status::error(Code::NotAModule, "not a Tessera module: the first bytes are not those of "
                                           "a .tsm file");
  // The version first: a newer header may look different from here on.
  if (header.version > kModuleVersion)
    return Status::error(Code::NewerVersion,
                         "the module has format version %u, this runtime reads up to %u; use a "
                         "newer runtime or compile the model again",
                         header.version, kModuleVersion);
  if (header.version < kOldestModuleVersion)
    return Status::error(Code::OlderVersion,
                         "the module has format version %u, this runtime reads from %u on; compile "
                         "the model again",
                         header.version, kOldestModuleVersion);
  if (header.headerHash != hashBytes(&header, offsetof(FileHeader, headerHash)))
    return Status::error(Code::Corrupt,
                         "the module is damaged: the checksum of its header differs");
  if (header.headerBytes != sizeof(FileHeader) || header.metadataOffset != sizeof(FileHeader) ||
      header.reserved != 0)
    return Status::error(Code::Malformed, "the module's header has unexpected sizes");
  if (fileBytes < header.fileBytes)
    return Status::error(Code::Truncated, "the module is cut short: it has %llu of %llu bytes",
                         (unsigned long long)fileBytes, (unsigned long long)header.fileBytes);
  if (fileBytes > header.fileBytes)
    return Status::error(Code::Corrupt, "the module has %llu bytes, its header says %llu",
                         (unsigned long long)fileBytes, (unsigned long long)header.fileBytes);
  if (header.metadataBytes > kMaxMetadataBytes)
    return Status::error(Code::LimitExceeded,
                         "the module's metadata has %llu bytes, the limit is "
                         "%llu (kMaxMetadataBytes)",
                         (unsigned long long)header.metadataBytes,
                         (unsigned long long)kMaxMetadataBytes);
  if (header.metadataBytes > fileBytes - sizeof(FileHeader))
    return Status::error(Code::Malformed, "the module's metadata is larger than the file");
  return {};
}

Status Module::checkSegments(uint64_t metadataEnd, bool verifyAll) {
  uint64_t end = metadataEnd, hashIndex = 0;
  for (size_t i = 0; i < segments.size; ++i) {
    Segment &segment = segments[i];
    uint64_t begin;
    if (!checkedAlignUp(end, kPageBytes, begin) || segment.offset != begin || begin > fileBytes ||
        segment.size > fileBytes - begin)
      return Status::error(Code::Malformed, "segment %zu lies at an unexpected place", i);
    if (!isZero(file + end, begin - end))
      return Status::error(Code::Corrupt,
                           "the module is damaged: the padding before segment %zu is not zero", i);
    const uint64_t chunks = chunkCount(segment.size);
    if (chunks > chunkHashes.size - hashIndex)
      return Status::error(Code::Malformed, "checksums of segment %zu are missing", i);
    segment.firstHash = hashIndex;
    if (segment.kind == SegmentKind::Code || segment.size <= kAlwaysHashedBytes || verifyAll)
      for (uint64_t c = 0; c < chunks; ++c) {
        const uint64_t at = c * kChunkBytes;
        const uint64_t size = segment.size - at < kChunkBytes ? segment.size - at : kChunkBytes;
        if (hashBytes(file + begin + at, size) != chunkHashes[hashIndex + c])
          return Status::error(Code::Corrupt,
                               "the module is damaged: the checksum of segment %zu, chunk %llu "
                               "differs",
                               i, (unsigned long long)c);
      }
    hashIndex += chunks;
    end = begin + segment.size;
  }
  if (end != fileBytes || hashIndex != chunkHashes.size)
    return Status::error(Code::Malformed, "the module does not end with its last segment");
  return {};
}

bool Module::hasFamily(const char *family) const {
  for (const Variant &variant : variants)
    if (std::strcmp(variant.family, family) == 0)
      return true;
  return false;
}

Status Module::chooseVariant(const char *level, uint32_t first) {
  Parts missing;
  bool found = false;
  // A device that takes all takes what this machine is most likely to have.
  const char *family = device->family               ? device->family
                       : !level && hasFamily("cpu") ? "cpu"
                                                    : nullptr;
  for (size_t i = first; i < variants.size; ++i) {
    const Variant &variant = variants[i];
    if ((family && std::strcmp(variant.family, family) != 0) ||
        (level && std::strcmp(variant.level, level) != 0))
      continue;
    bool fits = true;
    for (const char *feature : variant.features)
      if (device->hasFeature ? !device->hasFeature(device->state, feature)
                             : device->runsCode && !hasCpuFeature(feature)) {
        missing.add(fits ? (missing.empty() ? "" : "; ") : " ", fits ? variant.level : "");
        missing.add(fits ? " needs " : "", feature);
        fits = false;
      }
    found = true;
    if (!fits)
      continue;
    for (const char *feature : variant.features)
      if (device->runsCode && !enableCpuFeature(feature))
        return Status::error(Code::UnsupportedCpu,
                             "the operating system does not let this process use '%s'", feature);
    active = uint32_t(i);
    return {};
  }
  if (!found && level)
    return Status::error(Code::UnsupportedCpu, "the module has no variant '%s' for device '%s'",
                         level, device->name);
  if (!found)
    return Status::error(Code::UnsupportedCpu,
                         "the module has no code for device '%s', it has some for '%s'",
                         device->name, variants.empty() ? "" : variants[0].family);
  char what[160];
  describeDevice(*device, what, sizeof(what));
  return Status::error(Code::UnsupportedCpu,
                       "this %s%s cannot run the module: %s; compile the model for this machine",
                       kindOf(*device), what, missing.c_str());
}

// Code that fits a device may be newer than the software that makes it ready; then the next that
// fits is tried. What was refused becomes a note, or an error where nothing is left.
Status Module::chooseAndPrepare(const char *level) {
  Parts refused;
  for (uint32_t first = 0;; first = active + 1) {
    Status chosen = chooseVariant(level, first);
    if (!chosen.ok() && refused.empty())
      return chosen;
    if (!chosen.ok()) {
      char what[160];
      describeDevice(*device, what, sizeof(what));
      return Status::error(Code::UnsupportedCpu, "this %s%s takes none of the module's code: %s",
                           kindOf(*device), what, refused.c_str());
    }
    Status made = makeExecutable();
    if (made.ok())
      break;
    if (!device->prepare || made.code() != Code::UnsupportedCpu)
      return made;
    releaseKernels();
    refused.add(refused.empty() ? "" : "; ", variant().level);
    refused.add(": ", made.message());
  }
  if (refused.empty())
    return {};
  refused.add("; it runs ", variant().level);
  const size_t bytes = std::strlen(refused.c_str()) + 1;
  auto *text = static_cast<char *>(arena.bytes(bytes, 1));
  if (!text)
    return Status::outOfMemory();
  std::memcpy(text, refused.c_str(), bytes);
  note = text;
  return {};
}

void Module::releaseKernels() {
  for (Kernel &kernel : variants[active].kernels)
    if (device->release && kernel.function && !kernel.host) {
      device->release(kernel.function);
      kernel.function = nullptr;
    }
}

// What each host operator of the active variant is called by. A device that computes nothing needs
// none.
Status Module::findHostFunctions(HostOpener openHost) {
  for (Kernel &kernel : variants[active].kernels) {
    if (!kernel.host || !(device->runsCode || device->prepare))
      continue;
    Result<const HostFunction *> found = findHostFunction(openHost, kernel.host);
    if (!found.ok())
      return found.takeStatus().at("'%s'",
                                   kernel.sources.empty() ? kernel.name : kernel.sources[0]);
    kernel.hostFunction = *found;
  }
  return {};
}

Status Module::makeExecutable() {
  Variant &variant = variants[active];
  const Segment &segment = segments[variant.codeSegment];
  if (device->prepare) {
    for (Kernel &kernel : variant.kernels)
      if (!kernel.host)
        TESSERA_TRY(device
                        ->prepare(device->state, file + segment.offset + kernel.entry,
                                  segment.size - kernel.entry, kernel.function)
                        .at("kernel '%s'", kernel.name));
    return {};
  }
  if (!device->runsCode || !segment.size)
    return {};
  // Never writable and executable at once. A copy, not a second mapping of the file: what runs is
  // what was hashed, whatever happens to the file, and a noexec file system does not matter.
  void *memory =
      ::mmap(nullptr, segment.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return Status::outOfMemory();
  code = memory;
  codeBytes = segment.size;
  std::memcpy(memory, file + segment.offset, segment.size);
  if (::mprotect(memory, segment.size, PROT_READ | PROT_EXEC) != 0)
    return Status::error(Code::SystemError, "cannot make code executable: %s",
                         std::strerror(errno));
  for (Kernel &kernel : variant.kernels)
    if (!kernel.host)
      kernel.function = static_cast<uint8_t *>(memory) + kernel.entry;
  return {};
}

// What kernels see of constants: the file, or a copy in the device's memory of those that the
// active variant reads.
Status Module::uploadConstants() {
  deviceMemory = device->memory;
  if (!deviceMemory) {
    for (Constant &constant : constants)
      constant.seen = constant.data;
    return {};
  }
  const auto forEachUsed = [&](auto &&visit) -> Status {
    for (const Function &function : variant().functions)
      for (const Buffer &buffer : function.buffers)
        if (buffer.kind == BufferKind::Constant && buffer.space == Space::Kernels &&
            !constants[buffer.source].seen)
          TESSERA_TRY(visit(constants[buffer.source]));
    return {};
  };
  uint64_t bytes = 0;
  // The place that it will have, first: each is counted once.
  TESSERA_TRY(forEachUsed([&](Constant &constant) -> Status {
    uint64_t begin;
    if (!checkedAlignUp(bytes, kBufferAlignment, begin) || constant.bytes > UINT64_MAX - begin)
      return Status::error(Code::TooLarge, "the module's constants have more than 2^64 bytes");
    constant.seen = reinterpret_cast<const uint8_t *>(uintptr_t(begin) + 1);
    bytes = begin + constant.bytes;
    return {};
  }));
  if (bytes)
    TESSERA_TRY(deviceMemory->allocate(deviceMemory->device, bytes, deviceConstants)
                    .at("the module's constants"));
  for (Constant &constant : constants) {
    if (!constant.seen)
      continue;
    auto *to =
        static_cast<uint8_t *>(deviceConstants) + (reinterpret_cast<uintptr_t>(constant.seen) - 1);
    if (constant.bytes)
      TESSERA_TRY(
          deviceMemory->toDevice(deviceMemory->device, nullptr, to, constant.data, constant.bytes));
    constant.seen = to;
  }
  return bytes ? deviceMemory->wait(deviceMemory->device, nullptr) : Status();
}

Status Module::load(const LoadOptions &options) {
  device = options.device ? options.device : &cpuDevice();
  FileHeader header;
  TESSERA_TRY(readHeader(header));
  version = header.version;
  auto *metadata = static_cast<uint8_t *>(arena.bytes(header.metadataBytes, 16));
  if (!metadata)
    return Status::outOfMemory();
  std::memcpy(metadata, file + header.metadataOffset, header.metadataBytes);
  if (hashBytes(metadata, header.metadataBytes) != header.metadataHash)
    return Status::error(Code::Corrupt,
                         "the module is damaged: the checksum of its metadata differs");
  TESSERA_TRY(decode(metadata, header.metadataBytes));
  TESSERA_TRY(checkSegments(header.metadataOffset + header.metadataBytes, options.verifyAll));
  for (Constant &constant : constants)
    constant.data = file + segments[constant.segment].offset + constant.offset;
  // Another device may still run it.
  const auto offer = [&](Status status) {
    return status.ok() ? Status()
                       : std::move(status).at(hasFamily("cpu")
                                                  ? "device '%s' (the module also runs on 'cpu')"
                                                  : "device '%s'",
                                              device->name);
  };
  if (device->open)
    TESSERA_TRY(offer(device->open(device->state)));
  Status chosen = chooseAndPrepare(options.variant);
  TESSERA_TRY(device->hasFeature ? offer(std::move(chosen)) : std::move(chosen));
  if (device->memory) {
    if (version < kOldestDeviceVersion)
      return Status::error(
          Code::OlderVersion,
          "the module has format version %u, whose programs for device '%s' do not "
          "say what is copied there and back; this runtime runs those of version "
          "%u and newer: compile the model again",
          version, device->name, kOldestDeviceVersion);
    for (const Function &function : variant().functions)
      TESSERA_TRY(verifySpaces(function, variant().kernels));
  }
  TESSERA_TRY(findHostFunctions(options.openHost));
  return uploadConstants();
}

Result<Module *> Module::finishLoad(Module *module, const LoadOptions &options) {
  if (Status status = module->load(options); !status.ok()) {
    module->release();
    return status;
  }
  return module;
}

Result<Module *> Module::loadFile(const char *path, const LoadOptions &options) {
  const Allocator &allocator = options.allocator ? *options.allocator : systemAllocator();
  Module *module = create<Module>(allocator, allocator);
  if (!module)
    return Status::outOfMemory();
  if (Status status = module->map(path, options.offset, options.bytes); !status.ok()) {
    module->release();
    return status;
  }
  Result<Module *> result = finishLoad(module, options);
  if (!result.ok())
    return result.takeStatus().at("'%s'", path);
  return result;
}

Result<Module *> Module::loadMemory(const void *data, uint64_t size, const LoadOptions &options) {
  const Allocator &allocator = options.allocator ? *options.allocator : systemAllocator();
  Module *module = create<Module>(allocator, allocator);
  if (!module)
    return Status::outOfMemory();
  if (Status status = module->mapCopy(data, size); !status.ok()) {
    module->release();
    return status;
  }
  return finishLoad(module, options);
}

} // namespace tessera::rt
