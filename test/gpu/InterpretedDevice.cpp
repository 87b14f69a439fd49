//===- InterpretedDevice.cpp - The device "ptx": CUDA kernels on the interpreter ----------===//
//
// Takes modules for CUDA devices. Its memory is that of the host, so the executor's buffers are
// what kernels see, each exactly as large as its tensor.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/Device.h"
#include "runtime/device/Launch.h"
#include "test/gpu/Machine.h"

#include <cstring>

namespace tessera::ptx {
namespace {

struct Loaded {
  rt::DeviceKernel kernel;
  Program program;
};

rt::Status prepare(const uint8_t *image, uint64_t bytes, void *&kernel) {
  auto loaded = new Loaded;
  rt::Status status = rt::readDeviceImage(image, bytes, loaded->kernel);
  if (status.ok()) {
    loaded->program = parse(loaded->kernel.text);
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

int32_t launch(void *handle, const rt::KernelContext *, void *const *args, rt::Status &error) {
  auto &loaded = *static_cast<Loaded *>(handle);
  const rt::DeviceKernel &kernel = loaded.kernel;
  rt::DeviceGrid grid;
  bool isEmpty = false;
  if (error = rt::findGrid(kernel, args, grid, isEmpty); !error.ok() || isEmpty)
    return 0;
  Launch request;
  std::memcpy(request.grid, grid.grid, sizeof grid.grid);
  std::memcpy(request.block, grid.block, sizeof grid.block);
  request.dynamicShared = kernel.header.sharedBytes;
  std::vector<uint64_t> parameters(kernel.parameters);
  rt::fillParameters(kernel, args, parameters.data());
  request.params.resize(parameters.size() * 8);
  std::memcpy(request.params.data(), parameters.data(), request.params.size());
  for (uint32_t i = 0; i < kernel.header.args; ++i) {
    const rt::DeviceArg arg = kernel.arg(i);
    if (arg.kind == uint32_t(rt::DeviceArgKind::Scalar))
      continue;
    const auto &buffer = *static_cast<const rt::KernelBuffer *>(args[i]);
    const bool isOutput = arg.kind == uint32_t(rt::DeviceArgKind::Output);
    request.memory.push_back({reinterpret_cast<uintptr_t>(buffer.host),
                              rt::bytesOf(buffer, arg.elementBytes),
                              "argument " + std::to_string(i), isOutput});
  }
  if (const std::string message = run(loaded.program, kernel.name, request); !message.empty())
    error = rt::Status::error(rt::Code::KernelFailed, "%s", message.c_str());
  return 0;
}

constexpr rt::Device kDevice{"ptx",   "cuda",
                             false,   launch,
                             prepare, [](void *kernel) { delete static_cast<Loaded *>(kernel); }};
[[maybe_unused]] const bool isAdded = rt::addDevice(kDevice);

} // namespace
} // namespace tessera::ptx
