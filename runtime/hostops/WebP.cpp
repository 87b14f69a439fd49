// WebP by libwebp: still images; transparency is dropped.
#include "runtime/hostops/Image.h"

#include <webp/decode.h>

namespace tessera::hostops {
namespace {

using namespace rt;

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes.data, bytes.size, &features);
  if (status != VP8_STATUS_OK)
    return work.bad(status == VP8_STATUS_NOT_ENOUGH_DATA ? "WebP: the file ends too early"
                                                         : "WebP: the header is damaged");
  if (features.has_animation)
    return work.bad("WebP: animations are not decoded");
  extents = {uint32_t(features.width), uint32_t(features.height)};
  return kHostOk;
}

int32_t decode(Bytes bytes, const Work &work) {
  const Extents &extents = work.extents;
  // The picture here, and what the library keeps of it.
  if (int32_t code = work.admit(extents, 3 + 8))
    return code;
  const size_t rowBytes = size_t(extents.width) * 3, all = rowBytes * extents.height;
  Buffer pixels;
  if (!pixels.allocate(all))
    return kHostOutOfMemory;
  if (!WebPDecodeRGBInto(bytes.data, bytes.size, pixels.data(), all, int(rowBytes)))
    return work.bad("WebP: the file is damaged, or ends too early");
  for (uint32_t y = 0; y < extents.height; ++y)
    work.put(y, pixels.data() + rowBytes * y);
  return kHostOk;
}

} // namespace

const Codec kWebP = {
    "WebP",
    [](Bytes bytes) { return bytes.startsWith("RIFF", 4) && bytes.from(8).startsWith("WEBP", 4); },
    measure, decode};

} // namespace tessera::hostops
