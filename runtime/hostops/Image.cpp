#include "runtime/hostops/Image.h"

#include <cstdarg>
#include <cstdio>

namespace tessera::hostops {

using namespace rt;

int32_t Work::fail(HostResult code, const char *format, ...) const {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(call.message, call.messageBytes, format, arguments);
  va_end(arguments);
  return code;
}

int32_t Work::cannotHold(const char *format, uint64_t bytes, const Extents &extents) const {
  return fail(kHostBadData, "a %s of %llu bytes cannot hold %u x %u pixels", format,
              (unsigned long long)bytes, extents.width, extents.height);
}

int32_t Work::admit(const Extents &extents, uint64_t bytesPerPixel) const {
  if (!extents.width || !extents.height)
    return bad("the image has no pixels");
  if (extents.width > kMaxImageExtent || extents.height > kMaxImageExtent)
    return fail(kHostTooLarge,
                "the image has %u x %u pixels, up to %u are decoded along a side (kMaxImageExtent)",
                extents.width, extents.height, kMaxImageExtent);
  if (extents.pixels() > kMaxImagePixels)
    return fail(kHostTooLarge,
                "the image has %u x %u pixels, images of up to %llu are decoded (kMaxImagePixels)",
                extents.width, extents.height, (unsigned long long)kMaxImagePixels);
  const uint64_t needed = extents.pixels() * bytesPerPixel;
  if (needed > call.memory)
    return fail(kHostMemoryLimit,
                "decoding takes up to %llu bytes, the context's limit leaves %llu",
                (unsigned long long)needed, (unsigned long long)call.memory);
  return kHostOk;
}

int32_t Work::parse(const char *options) {
  if (std::strcmp(options, "RGB") == 0)
    format = Format::RGB;
  else if (std::strcmp(options, "BGR") == 0)
    format = Format::BGR;
  else if (std::strcmp(options, "Grayscale") == 0)
    format = Format::Grayscale;
  else
    return fail(kHostWrongCall, "the pixel format is '%s', not RGB, BGR or Grayscale", options);
  return kHostOk;
}

void Work::put(uint32_t row, const uint8_t *rgb) const {
  const size_t width = extents.width;
  uint8_t *to = output + size_t(row) * width * channels();
  switch (format) {
  case Format::RGB: std::memcpy(to, rgb, width * 3); return;
  case Format::BGR:
    for (size_t x = 0; x < width; ++x) {
      to[3 * x] = rgb[3 * x + 2];
      to[3 * x + 1] = rgb[3 * x + 1];
      to[3 * x + 2] = rgb[3 * x];
    }
    return;
  case Format::Grayscale:
    // ITU-R 601-2 luma in 16 bits; the weights add up to 1, so that grey stays what it is.
    for (size_t x = 0; x < width; ++x)
      to[x] = uint8_t(
          (rgb[3 * x] * 19595u + rgb[3 * x + 1] * 38470u + rgb[3 * x + 2] * 7471u + 0x8000u) >> 16);
    return;
  }
}

static const Codec *findCodec(Bytes bytes) {
  // Those with a signature of several bytes come first.
  static constexpr const Codec *codecs[] = {&kPng,  &kJpeg, &kJpeg2000, &kWebP,
                                            &kTiff, &kBmp,  &kPnm};
  for (const Codec *codec : codecs)
    if (codec->matches(bytes))
      return codec;
  return nullptr;
}

// The file of a call, and its format.
static int32_t begin(const HostCall &call, Work &work, Bytes &bytes, const Codec *&codec) {
  if (call.inputCount != 1 || call.outputCount != 1 || call.inputs[0].rank != 1 ||
      call.inputs[0].type != ElementType::U8)
    return work.fail(kHostWrongCall, "an image is one tensor of bytes");
  bytes = {static_cast<const uint8_t *>(call.inputs[0].data), size_t(call.inputs[0].dims[0])};
  codec = findCodec(bytes);
  if (!codec)
    return work.bad("the image is in no known format (BMP, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP)");
  return kHostOk;
}

// One si64 tensor of two: height and width.
int32_t imageExtents(const HostCall *call) {
  Work work(*call);
  Bytes bytes{};
  const Codec *codec = nullptr;
  if (int32_t code = begin(*call, work, bytes, codec))
    return code;
  const HostTensor &result = call->outputs[0];
  if (result.type != ElementType::I64 || result.rank != 1 || result.dims[0] != 2)
    return work.fail(kHostWrongCall, "extents are two integers of 64 bits");
  Extents extents;
  if (int32_t code = codec->measure(bytes, work, extents))
    return code;
  if (int32_t code = work.admit(extents, 0))
    return code;
  const int64_t numbers[2] = {extents.height, extents.width};
  std::memcpy(result.data, numbers, sizeof(numbers));
  return kHostOk;
}

// [height, width, channels] in bytes; the options name the pixel format.
int32_t imageDecode(const HostCall *call) {
  Work work(*call);
  Bytes bytes{};
  const Codec *codec = nullptr;
  if (int32_t code = begin(*call, work, bytes, codec))
    return code;
  if (int32_t code = work.parse(call->options))
    return code;
  const HostTensor &result = call->outputs[0];
  Extents extents;
  if (int32_t code = codec->measure(bytes, work, extents))
    return code;
  const int64_t channels = work.format == Work::Format::Grayscale ? 1 : 3;
  if (result.type != ElementType::U8 || result.rank != 3 || result.dims[0] != extents.height ||
      result.dims[1] != extents.width || result.dims[2] != channels)
    return work.fail(kHostWrongCall, "the image has %u x %u pixels of %d channels, its tensor not",
                     extents.width, extents.height, int(channels));
  work.extents = extents;
  work.output = static_cast<uint8_t *>(result.data);
  return codec->decode(bytes, work);
}

} // namespace tessera::hostops
