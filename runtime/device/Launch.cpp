#include "runtime/device/Launch.h"

#include "runtime/base/Checked.h"

#include <cstring>

namespace tessera::rt {

static const uint8_t *argsOf(const uint8_t *image) { return image + sizeof(DeviceImageHeader); }

DeviceArg DeviceKernel::arg(uint32_t index) const {
  DeviceArg result;
  std::memcpy(&result, argsOf(image) + size_t(index) * sizeof(result), sizeof(result));
  return result;
}

DeviceStep DeviceKernel::step(uint32_t index) const {
  DeviceStep result;
  std::memcpy(&result,
              argsOf(image) + size_t(header.args) * sizeof(DeviceArg) +
                  size_t(index) * sizeof(result),
              sizeof(result));
  return result;
}

DeviceLaunch DeviceKernel::launch(uint32_t index) const {
  DeviceLaunch result;
  std::memcpy(&result,
              argsOf(image) + size_t(header.args) * sizeof(DeviceArg) +
                  size_t(header.steps) * sizeof(DeviceStep) + size_t(index) * sizeof(result),
              sizeof(result));
  return result;
}

DeviceMap DeviceKernel::map(uint32_t index) const {
  DeviceMap result;
  std::memcpy(&result,
              argsOf(image) + size_t(header.args) * sizeof(DeviceArg) +
                  size_t(header.steps) * sizeof(DeviceStep) +
                  size_t(header.launches) * sizeof(DeviceLaunch) + size_t(index) * sizeof(result),
              sizeof(result));
  return result;
}

uint32_t DeviceKernel::mapsOf(uint32_t launch) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < header.maps; ++i)
    count += map(i).launch == launch;
  return count;
}

// Maps begin at a multiple of 64 bytes.
static uint32_t firstMapWord(const DeviceKernel &kernel, uint32_t maps) {
  return (kernel.parameters + maps + 7) / 8 * 8;
}

uint32_t DeviceKernel::parametersOf(uint32_t launch) const {
  const uint32_t maps = mapsOf(launch);
  return maps ? firstMapWord(*this, maps) + maps * kMapWords : parameters;
}

const char *DeviceKernel::name(uint32_t index) const {
  return reinterpret_cast<const char *>(image) + launch(index).name;
}

static Status malformed(const char *what) {
  return Status::error(Code::Malformed, "its image is damaged: %s", what);
}

static Status checkStep(const DeviceKernel &kernel, uint32_t index) {
  const DeviceStep step = kernel.step(index);
  switch (step.kind) {
  case DeviceStepKind::Number: return {};
  case DeviceStepKind::Extent:
    if (step.a >= kernel.header.args ||
        kernel.arg(step.a).kind == uint32_t(DeviceArgKind::Scalar) ||
        step.b >= kernel.arg(step.a).rank)
      return malformed("it asks for an extent that no argument has");
    return {};
  case DeviceStepKind::Scalar:
    if (step.a >= kernel.header.args || kernel.arg(step.a).kind != uint32_t(DeviceArgKind::Scalar))
      return malformed("it asks for a scalar that is none");
    return {};
  case DeviceStepKind::Multiply:
  case DeviceStepKind::CeilDivide:
  case DeviceStepKind::Max:
    if (step.a >= index || step.b >= index)
      return malformed("a step uses a later one");
    return {};
  }
  return malformed("it has an unknown step");
}

Status readDeviceImage(const uint8_t *image, uint64_t bytes, DeviceKernel &kernel) {
  DeviceImageHeader &header = kernel.header;
  if (bytes < sizeof(header))
    return malformed("it is too short");
  std::memcpy(&header, image, sizeof(header));
  if (header.magic != kDeviceImageMagic)
    return malformed("it does not begin as one");
  if (header.version != kDeviceImageVersion)
    return Status::error(Code::NewerVersion, "its image has version %u, this runtime reads %u",
                         header.version, kDeviceImageVersion);
  if (header.args > kMaxDeviceArgs || header.steps > kMaxDeviceSteps ||
      header.launches > kMaxDeviceLaunches || header.maps > kMaxDeviceMaps)
    return Status::error(Code::LimitExceeded,
                         "its image has %u arguments, %u steps, %u launches and %u maps",
                         header.args, header.steps, header.launches, header.maps);
  const uint64_t tables = sizeof(header) + uint64_t(header.args) * sizeof(DeviceArg) +
                          uint64_t(header.steps) * sizeof(DeviceStep) +
                          uint64_t(header.launches) * sizeof(DeviceLaunch) +
                          uint64_t(header.maps) * sizeof(DeviceMap);
  if (header.bytes > bytes || header.bytes <= tables)
    return malformed("its size is wrong");
  const auto isOutside = [&](uint32_t at) { return at < tables || at >= header.bytes; };
  if (isOutside(header.text))
    return malformed("its text lies outside");
  if (image[header.bytes - 1] != 0)
    return malformed("its text has no end");
  kernel.image = image;
  kernel.text = reinterpret_cast<const char *>(image) + header.text;
  kernel.parameters = 0;
  for (uint32_t i = 0; i < header.args; ++i) {
    const DeviceArg arg = kernel.arg(i);
    if (arg.kind > uint32_t(DeviceArgKind::Scalar) || arg.rank > kMaxDeviceRank ||
        arg.elementBytes > 8)
      return malformed("it has an impossible argument");
    kernel.parameters += arg.kind == uint32_t(DeviceArgKind::Scalar) ? 1 : 1 + 2 * arg.rank;
  }
  for (uint32_t i = 0; i < header.steps; ++i)
    TESSERA_TRY(checkStep(kernel, i));
  for (uint32_t i = 0; i < header.launches; ++i) {
    const DeviceLaunch launch = kernel.launch(i);
    if (isOutside(launch.name))
      return malformed("a name lies outside");
    if (launch.sharedBytes > kMaxSharedBytes)
      return Status::error(Code::LimitExceeded,
                           "its blocks take %u bytes of shared memory, no device has more than %u",
                           launch.sharedBytes, kMaxSharedBytes);
    for (uint32_t step : launch.extents)
      if (step != kNoStep && step >= header.steps)
        return malformed("an extent of the grid is no step");
  }
  for (uint32_t i = 0; i < header.maps; ++i) {
    const DeviceMap map = kernel.map(i);
    if (map.launch >= header.launches || map.arg >= header.args)
      return malformed("a map is of no launch or of no argument");
    const DeviceArg arg = kernel.arg(map.arg);
    if (arg.kind == uint32_t(DeviceArgKind::Scalar) || arg.rank < 1 || arg.rank > kMaxMapRank)
      return malformed("a map is of no tensor with 1 to 5 dimensions");
  }
  return {};
}

static int64_t extentOf(const KernelBuffer &buffer, uint32_t dim) {
  return buffer.dim[buffer.dimensions - 1 - int32_t(dim)].extent;
}

// A step uses earlier ones only, and chains are short: no memory is needed.
static bool evaluate(const DeviceKernel &kernel, void *const *args, uint32_t index, uint32_t depth,
                     int64_t &value) {
  const DeviceStep step = kernel.step(index);
  int64_t a = 0, b = 0;
  switch (step.kind) {
  case DeviceStepKind::Number: value = int64_t(uint64_t(step.b) << 32 | step.a); return true;
  case DeviceStepKind::Extent:
    value = extentOf(*static_cast<const KernelBuffer *>(args[step.a]), step.b);
    return true;
  case DeviceStepKind::Scalar: value = *static_cast<const int64_t *>(args[step.a]); return true;
  case DeviceStepKind::Multiply:
  case DeviceStepKind::CeilDivide:
  case DeviceStepKind::Max: break;
  }
  if (depth == 0 || !evaluate(kernel, args, step.a, depth - 1, a) ||
      !evaluate(kernel, args, step.b, depth - 1, b))
    return false;
  if (step.kind == DeviceStepKind::Max) {
    value = a > b ? a : b;
    return true;
  }
  return step.kind == DeviceStepKind::Multiply ? checkedMul(a, b, value)
                                               : checkedCeilDiv(a, b, value);
}

Status findGrid(const DeviceKernel &kernel, uint32_t launch, void *const *args, DeviceGrid &grid,
                bool &isEmpty) {
  isEmpty = false;
  const DeviceLaunch extents = kernel.launch(launch);
  for (uint32_t i = 0; i < 6; ++i) {
    int64_t value = 1;
    if (extents.extents[i] != kNoStep && !evaluate(kernel, args, extents.extents[i], 64, value))
      return Status::error(Code::ArithmeticOverflow, "the size of its grid overflows");
    // CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
    constexpr int64_t limits[] = {0x7fffffff, 65535, 65535, 1024, 1024, 64};
    const int64_t limit = limits[i];
    if (value < 0 || value > limit)
      return Status::error(Code::TooLarge,
                           "its grid would have an extent of %lld, the limit is %lld",
                           (long long)value, (long long)limit);
    isEmpty |= value == 0;
    (i < 3 ? grid.grid[i] : grid.block[i - 3]) = uint32_t(value);
  }
  return {};
}

void fillParameters(const DeviceKernel &kernel, void *const *args, uint64_t *parameters) {
  for (uint32_t i = 0; i < kernel.header.args; ++i) {
    const DeviceArg arg = kernel.arg(i);
    if (arg.kind == uint32_t(DeviceArgKind::Scalar)) {
      *parameters++ = uint64_t(*static_cast<const int64_t *>(args[i]));
      continue;
    }
    const auto &buffer = *static_cast<const KernelBuffer *>(args[i]);
    *parameters++ = reinterpret_cast<uintptr_t>(buffer.host);
    for (uint32_t d = 0; d < arg.rank; ++d)
      *parameters++ = uint64_t(extentOf(buffer, d));
    for (uint32_t d = 0; d < arg.rank; ++d)
      *parameters++ = uint64_t(int64_t(buffer.dim[arg.rank - 1 - d].stride));
  }
}

// What a map can say (CUDA driver API, cuTensorMapEncodeTiled).
static bool fillRequest(const DeviceArg &arg, const DeviceMap &map, const KernelBuffer &buffer,
                        MapRequest &request) {
  constexpr uint64_t mostStride = uint64_t(1) << 40, mostExtent = uint64_t(1) << 32;
  request.address = reinterpret_cast<uintptr_t>(buffer.host);
  request.rank = arg.rank;
  request.elementBytes = arg.elementBytes;
  request.swizzle = map.swizzle;
  bool fits = request.address % 16 == 0 && arg.elementBytes <= 4;
  for (uint32_t d = 0; d < arg.rank; ++d) {
    const KernelDim &dim = buffer.dim[d];
    request.extents[d] = uint64_t(dim.extent);
    request.strides[d] = uint64_t(int64_t(dim.stride) * arg.elementBytes);
    request.box[d] = map.box[d];
    const bool isInner = d == 0;
    fits = fits && dim.extent > 0 && uint64_t(dim.extent) <= mostExtent && dim.stride > 0 &&
           (isInner ? dim.stride == 1
                    : request.strides[d] % 16 == 0 && request.strides[d] < mostStride);
  }
  return fits;
}

void fillMaps(const DeviceKernel &kernel, uint32_t launch, void *const *args, MakeMap make,
              const void *context, uint64_t *parameters) {
  const uint32_t count = kernel.mapsOf(launch);
  uint64_t *flag = parameters + kernel.parameters, *to = parameters + firstMapWord(kernel, count);
  for (uint32_t i = 0; i < kernel.header.maps; ++i) {
    const DeviceMap map = kernel.map(i);
    if (map.launch != launch)
      continue;
    MapRequest request{};
    alignas(64) uint64_t made[kMapWords] = {};
    *flag++ = fillRequest(kernel.arg(map.arg), map,
                          *static_cast<const KernelBuffer *>(args[map.arg]), request) &&
              make(context, request, made);
    std::memcpy(to, made, sizeof(made));
    to += kMapWords;
  }
}

uint64_t bytesOf(const KernelBuffer &buffer, uint32_t elementBytes) {
  int64_t last = 0;
  for (int32_t d = 0; d < buffer.dimensions; ++d) {
    if (buffer.dim[d].extent == 0)
      return 0;
    last += int64_t(buffer.dim[d].extent - 1) * buffer.dim[d].stride;
  }
  return uint64_t(last + 1) * elementBytes;
}

} // namespace tessera::rt
