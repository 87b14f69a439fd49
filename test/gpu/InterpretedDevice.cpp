//===- InterpretedDevice.cpp - The device "ptx": CUDA kernels on the interpreter ----------===//
//
// Takes modules for CUDA devices. A kernel may access its arguments, each exactly as large as its
// tensor. Addresses are such that a host which uses one faults; new memory holds rubbish.
// TESSERA_PTX_WITHOUT=bar.sync leaves out instructions that begin so, in all kernels: a test sees
// that they are missed; TESSERA_PTX_INSTEAD=".align 1024>.align 128" has other text instead.
// TESSERA_PTX_TRAFFIC=FILE appends what each launch asks of memory
// (Traffic.h), as lines of JSON.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/Device.h"
#include "runtime/device/Launch.h"
#include "test/gpu/Machine.h"
#include "test/gpu/TensorMap.h"
#include "test/gpu/Traffic.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

namespace tessera::ptx {
namespace {

/// Above what a process has of an address space of 47 bits.
constexpr uint64_t kBias = uint64_t(1) << 48;

uint8_t *onHost(const void *address) {
  return reinterpret_cast<uint8_t *>(reinterpret_cast<uintptr_t>(address) - kBias);
}

rt::Status allocate(void *, uint64_t bytes, void *&address) {
  const uint64_t size =
      (bytes + rt::kBufferAlignment - 1) / rt::kBufferAlignment * rt::kBufferAlignment;
  void *memory = std::aligned_alloc(rt::kBufferAlignment, size);
  if (!memory)
    return rt::Status::outOfMemory();
  std::memset(memory, 0xA5, size);
  address = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(memory) + kBias);
  return {};
}

rt::Status fill(void *, void *, void *to, uint64_t pattern, uint32_t elementBytes,
                uint64_t elements) {
  for (uint64_t i = 0; i < elements; ++i)
    std::memcpy(onHost(to) + i * elementBytes, &pattern, elementBytes);
  return {};
}

template <bool toHost, bool fromHost>
rt::Status move(void *, void *, void *to, const void *from, uint64_t bytes) {
  std::memcpy(toHost ? to : onHost(to), fromHost ? from : onHost(from), bytes);
  return {};
}

constexpr rt::DeviceMemory kMemory{
    allocate,
    [](void *, void *address) { std::free(onHost(address)); },
    move<false, true>,
    move<true, false>,
    move<false, false>,
    fill,
    [](void *, void *) { return rt::Status(); },
};

struct Loaded {
  rt::DeviceKernel kernel;
  Program program;
};

/// Comments take the place of lines that begin so.
void leaveOut(std::string &text, std::string_view what) {
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    const size_t first = std::min(text.find_first_not_of(" \t", at), text.size());
    if (text.compare(first, what.size(), what) == 0)
      text.insert(first, "//");
  }
}

/// "old>new"
void replace(std::string &text, std::string_view what) {
  const size_t middle = what.find('>');
  const std::string_view from = what.substr(0, middle), to = what.substr(middle + 1);
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

rt::Status prepare(void *, const uint8_t *image, uint64_t bytes, void *&kernel) {
  auto loaded = new Loaded;
  rt::Status status = rt::readDeviceImage(image, bytes, loaded->kernel);
  if (status.ok()) {
    std::string text = loaded->kernel.text;
    if (const char *what = std::getenv("TESSERA_PTX_WITHOUT"))
      leaveOut(text, what);
    if (const char *what = std::getenv("TESSERA_PTX_INSTEAD"))
      replace(text, what);
    loaded->program = parse(text);
    if (!loaded->program.error.empty())
      status = rt::Status::error(rt::Code::Malformed, "PTX, %s", loaded->program.error.c_str());
  }
  if (!status.ok()) {
    delete loaded;
    return status;
  }
  kernel = loaded;
  return {};
}

bool makeMap(const void *, const rt::MapRequest &r, void *map) {
  return encode(*static_cast<TensorMap *>(map), r.elementBytes, r.rank, r.address, r.extents,
                r.strides + 1, r.box, r.swizzle);
}

int32_t launch(void *handle, const rt::KernelContext *, void *, void *const *args,
               rt::Status &error) {
  auto &loaded = *static_cast<Loaded *>(handle);
  const rt::DeviceKernel &kernel = loaded.kernel;
  Launch request;
  std::vector<uint64_t> parameters(kernel.parameters);
  rt::fillParameters(kernel, args, parameters.data());
  for (uint32_t i = 0; i < kernel.header.args; ++i) {
    const rt::DeviceArg arg = kernel.arg(i);
    if (arg.kind == uint32_t(rt::DeviceArgKind::Scalar))
      continue;
    const auto &buffer = *static_cast<const rt::KernelBuffer *>(args[i]);
    const bool isOutput = arg.kind == uint32_t(rt::DeviceArgKind::Output);
    request.memory.push_back({reinterpret_cast<uintptr_t>(buffer.host),
                              rt::bytesOf(buffer, arg.elementBytes),
                              "argument " + std::to_string(i), isOutput, kBias});
  }
  for (uint32_t i = 0; i < kernel.header.launches; ++i) {
    rt::DeviceGrid grid;
    bool isEmpty = false;
    if (error = rt::findGrid(kernel, i, args, grid, isEmpty); !error.ok())
      return 0;
    if (isEmpty)
      continue;
    parameters.resize(kernel.parametersOf(i));
    rt::fillMaps(kernel, i, args, makeMap, nullptr, parameters.data());
    request.params.resize(parameters.size() * 8);
    std::memcpy(request.params.data(), parameters.data(), request.params.size());
    request.dynamicShared = kernel.launch(i).sharedBytes;
    std::memcpy(request.grid, grid.grid, sizeof grid.grid);
    std::memcpy(request.block, grid.block, sizeof grid.block);
    Traffic traffic;
    const char *file = std::getenv("TESSERA_PTX_TRAFFIC");
    request.traffic = file ? &traffic : nullptr;
    const std::string message = run(loaded.program, kernel.name(i), request);
    if (file)
      std::ofstream(file, std::ios::app) << traffic.print(loaded.program, kernel.name(i));
    if (!message.empty()) {
      error = rt::Status::error(rt::Code::KernelFailed, "%s", message.c_str());
      return 0;
    }
  }
  return 0;
}

constexpr rt::Device kDevice{"ptx",   "cuda",
                             false,   launch,
                             prepare, [](void *kernel) { delete static_cast<Loaded *>(kernel); },
                             &kMemory};
[[maybe_unused]] const bool isAdded = rt::addDevice(kDevice);

} // namespace
} // namespace tessera::ptx
