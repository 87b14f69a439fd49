// Decoding of images into rows of 8-bit pixels: what the formats share.
//
// Each format has two functions: one reads the header alone and says how large the image is, one
// decodes it into an image of that size. Bytes come from anywhere: nothing is taken for granted,
// and what a decoder takes for itself is bounded before it takes it.
#ifndef TESSERA_RUNTIME_HOSTOPS_IMAGE_H
#define TESSERA_RUNTIME_HOSTOPS_IMAGE_H

#include "runtime/base/HostAbi.h"

#include <cstdlib>
#include <cstring>

namespace tessera::hostops {

using rt::HostCall;

// Limits, named in the messages.
constexpr uint64_t kMaxImagePixels = uint64_t(1) << 28;
constexpr uint32_t kMaxImageExtent = 1u << 20;
// Passes over one image: each may cost as much as a whole decode.
constexpr int kMaxJpegScans = 200;

struct Bytes {
  const uint8_t *data;
  size_t size;

  bool startsWith(const char *text, size_t length) const {
    return size >= length && std::memcmp(data, text, length) == 0;
  }
  Bytes from(size_t offset) const {
    return offset <= size ? Bytes{data + offset, size - offset} : Bytes{data + size, 0};
  }
};

struct Extents {
  uint32_t width = 0, height = 0;
  uint64_t pixels() const { return uint64_t(width) * height; }
};

// What a decoder works with: its errors, its memory, and where rows go.
class Work {
public:
  enum class Format { RGB, BGR, Grayscale };

  explicit Work(const HostCall &call) : call(call) {}

  // Says what is wrong; returns the code.
  int32_t fail(rt::HostResult code, const char *format, ...) const
      __attribute__((format(printf, 3, 4)));
  int32_t bad(const char *message) const { return fail(rt::kHostBadData, "%s", message); }
  int32_t cannotHold(const char *format, uint64_t bytes, const Extents &extents) const;
  bool shouldStop() const { return call.shouldStop && call.shouldStop(&call); }

  // Whether an image of these extents may be decoded, with so many bytes of working memory for each
  // pixel (in the library that decodes it).
  int32_t admit(const Extents &extents, uint64_t bytesPerPixel) const;
  int32_t parse(const char *options);

  // A row of pixels in RGB, as the caller wants it. Rows may come in any order.
  void put(uint32_t row, const uint8_t *rgb) const;

  const HostCall &call;
  Format format = Format::RGB;
  Extents extents; // of the output
  uint8_t *output = nullptr;

private:
  uint32_t channels() const { return format == Format::Grayscale ? 1 : 3; }
};

// Bytes of one's own, released at the end.
class Buffer {
public:
  Buffer() = default;
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { std::free(memory); }
  // Zeros. False: there is no memory.
  bool allocate(uint64_t bytes) {
    std::free(memory);
    memory = static_cast<uint8_t *>(std::calloc(bytes ? bytes : 1, 1));
    return memory;
  }
  uint8_t *data() const { return memory; }

private:
  uint8_t *memory = nullptr;
};

struct Codec {
  const char *name;
  bool (*matches)(Bytes bytes);
  int32_t (*measure)(Bytes bytes, const Work &work, Extents &extents);
  int32_t (*decode)(Bytes bytes, const Work &work);
};

extern const Codec kBmp, kJpeg, kJpeg2000, kPng, kPnm, kTiff, kWebP;

// Functions of the table.
int32_t imageExtents(const HostCall *call);
int32_t imageDecode(const HostCall *call);

} // namespace tessera::hostops

#endif // TESSERA_RUNTIME_HOSTOPS_IMAGE_H
