// BMP: 1, 4 and 8 bits with a palette, 16, 24 and 32 bits, without compression. The headers are
// those of OS/2 (12 bytes) and Windows (40 bytes and more).
#include "runtime/hostops/Image.h"

namespace tessera::hostops {
namespace {

using namespace rt;

enum : uint32_t { kPlain = 0, kBitFields = 3, kAlphaBitFields = 6 };

uint32_t read16(const uint8_t *at) { return uint32_t(at[0]) | uint32_t(at[1]) << 8; }
uint32_t read32(const uint8_t *at) { return read16(at) | read16(at + 2) << 16; }

struct Header {
  Extents extents;
  bool isTopDown = false;
  uint32_t bits = 0, compression = 0;
  uint32_t masks[3] = {}; // of red, green and blue
  Bytes palette{}, pixels{};
  uint32_t entryBytes = 4, entries = 0; // of the palette

  size_t rowBytes() const { return (size_t(extents.width) * bits + 31) / 32 * 4; }
};

int32_t readHeader(Bytes bytes, const Work &work, Header &header) {
  if (bytes.size < 14 + 12)
    return work.bad("BMP: the file ends too early");
  const uint32_t pixelOffset = read32(bytes.data + 10), size = read32(bytes.data + 14);
  const uint8_t *at = bytes.data + 14;
  if (size > bytes.size - 14 || (size != 12 && size < 40))
    return work.bad("BMP: the header is damaged");
  int64_t width, height;
  uint32_t colours = 0;
  if (size == 12) {
    width = read16(at + 4), height = read16(at + 6);
    header.bits = read16(at + 10);
    header.entryBytes = 3;
  } else {
    width = int32_t(read32(at + 4)), height = int32_t(read32(at + 8));
    header.bits = read16(at + 14);
    header.compression = read32(at + 16);
    colours = read32(at + 32);
  }
  header.isTopDown = height < 0;
  height = height < 0 ? -height : height;
  if (width <= 0 || height <= 0 || pixelOffset > bytes.size)
    return work.bad("BMP: the header is damaged");
  header.extents = {uint32_t(width), uint32_t(height)};
  header.pixels = bytes.from(pixelOffset);
  const bool hasMasks = header.compression == kBitFields || header.compression == kAlphaBitFields;
  if (header.compression != kPlain && !hasMasks)
    return work.fail(kHostBadData, "BMP: compression %u is not decoded", header.compression);
  const uint32_t bits = header.bits;
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    return work.fail(kHostBadData, "BMP: %u bits for each pixel are not decoded", bits);
  if (hasMasks && bits != 16 && bits != 32)
    return work.bad("BMP: the header is damaged");
  size_t behind = 14 + size;
  if (hasMasks) {
    if (bytes.from(14 + 40).size < 12)
      return work.bad("BMP: the file ends too early");
    for (int c = 0; c < 3; ++c)
      header.masks[c] = read32(bytes.data + 14 + 40 + 4 * c); // In the header, or right behind it.
  } else if (bits == 16) {
    header.masks[0] = 0x7c00, header.masks[1] = 0x03e0, header.masks[2] = 0x001f;
  }
  if (bits <= 8) {
    header.entries = colours && colours <= (1u << bits) ? colours : 1u << bits;
    header.palette = bytes.from(behind);
    if (header.palette.size / header.entryBytes < header.entries)
      return work.bad("BMP: the file ends too early");
  }
  if (header.pixels.size / header.rowBytes() < header.extents.height)
    return work.bad("BMP: the file ends too early");
  return kHostOk;
}

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  Header header;
  const int32_t code = readHeader(bytes, work, header);
  extents = header.extents;
  return code;
}

// The bits of a mask as a number up to 255.
uint8_t extract(uint32_t pixel, uint32_t mask) {
  if (!mask)
    return 0;
  const int shift = __builtin_ctz(mask);
  const uint64_t most = mask >> shift, value = (pixel & mask) >> shift;
  return uint8_t((value * 255 * 2 + most) / (2 * most));
}

bool readRow(const Header &header, const uint8_t *from, uint8_t *rgb) {
  const uint32_t bits = header.bits;
  for (uint32_t x = 0; x < header.extents.width; ++x, rgb += 3) {
    if (bits <= 8) {
      const uint32_t place = x * bits;
      const uint32_t index = from[place / 8] >> (8 - bits - place % 8) & ((1u << bits) - 1);
      if (index >= header.entries)
        return false;
      const uint8_t *entry = header.palette.data + size_t(index) * header.entryBytes;
      rgb[0] = entry[2], rgb[1] = entry[1], rgb[2] = entry[0];
    } else if (bits == 24 || (bits == 32 && header.compression == kPlain)) {
      const uint8_t *pixel = from + size_t(x) * (bits / 8);
      rgb[0] = pixel[2], rgb[1] = pixel[1], rgb[2] = pixel[0];
    } else {
      const uint32_t pixel =
          bits == 16 ? read16(from + size_t(x) * 2) : read32(from + size_t(x) * 4);
      for (int c = 0; c < 3; ++c)
        rgb[c] = extract(pixel, header.masks[c]);
    }
  }
  return true;
}

int32_t decode(Bytes bytes, const Work &work) {
  Header header;
  if (int32_t code = readHeader(bytes, work, header))
    return code;
  const Extents &extents = header.extents;
  Buffer row;
  if (!row.allocate(size_t(extents.width) * 3))
    return kHostOutOfMemory;
  for (uint32_t y = 0; y < extents.height; ++y) {
    if (work.shouldStop())
      return kHostStopped;
    if (!readRow(header, header.pixels.data + header.rowBytes() * y, row.data()))
      return work.bad("BMP: a pixel has no colour in the palette");
    work.put(header.isTopDown ? y : extents.height - 1 - y, row.data());
  }
  return kHostOk;
}

} // namespace

const Codec kBmp = {"BMP", [](Bytes bytes) { return bytes.startsWith("BM", 2); }, measure, decode};

} // namespace tessera::hostops
