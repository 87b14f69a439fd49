// Fuzzes the decoding of images: any bytes end in pixels or in a message, within the memory that
// the call allows, never in a crash.
#include "runtime/hostops/Image.h"

#include <vector>

using namespace tessera;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const int64_t bytes = int64_t(size);
  int64_t extents[2] = {}, two = 2;
  const rt::HostTensor file{const_cast<uint8_t *>(data), &bytes, 1, rt::ElementType::U8};
  rt::HostTensor result{extents, &two, 1, rt::ElementType::I64};
  char message[400] = {};
  rt::HostCall call{};
  call.options = size % 3 == 0 ? "RGB" : size % 3 == 1 ? "BGR" : "Grayscale";
  call.inputs = &file;
  call.outputs = &result;
  call.inputCount = call.outputCount = 1;
  call.memory = uint64_t(1) << 26;
  call.message = message;
  call.messageBytes = sizeof(message);
  if (hostops::imageExtents(&call) != rt::kHostOk) {
    if (!message[0])
      __builtin_trap(); // Refused without a reason.
    return 0;
  }
  const int64_t dims[3] = {extents[0], extents[1], call.options[0] == 'G' ? 1 : 3};
  // Larger ones take their time; that they are admitted at all is the runtime's matter.
  if (dims[0] * dims[1] > 1 << 18)
    return 0;
  std::vector<uint8_t> pixels(size_t(dims[0] * dims[1] * dims[2]));
  result = {pixels.data(), dims, 3, rt::ElementType::U8};
  (void)hostops::imageDecode(&call);
  return 0;
}
