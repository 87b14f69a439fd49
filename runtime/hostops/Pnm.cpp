// Portable bitmaps, grey maps and pixel maps (PBM, PGM, PPM), as text (P1 to P3) or bytes (P4 to
// P6).
#include "runtime/hostops/Image.h"

namespace tessera::hostops {
namespace {

using namespace rt;

constexpr uint32_t kMaxLevel = 65535;

struct Header {
  int kind; // 1 to 6
  Extents extents;
  uint32_t levels; // the number that is white
  Bytes rest;

  bool isText() const { return kind <= 3; }
  bool isBits() const { return kind == 1 || kind == 4; }
  uint32_t channels() const { return kind == 3 || kind == 6 ? 3 : 1; }
};

bool isSpace(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool isDigit(uint8_t c) { return c >= '0' && c <= '9'; }

// Space and comments, which go to the end of their line.
void skipSpace(Bytes &bytes) {
  while (bytes.size && (isSpace(*bytes.data) || *bytes.data == '#')) {
    if (*bytes.data == '#')
      while (bytes.size && *bytes.data != '\n' && *bytes.data != '\r')
        bytes = bytes.from(1);
    else
      bytes = bytes.from(1);
  }
}

bool readNumber(Bytes &bytes, uint32_t &value, bool isOneDigit = false) {
  skipSpace(bytes);
  if (!bytes.size || !isDigit(*bytes.data))
    return false;
  uint64_t number = 0;
  do {
    number = number * 10 + (*bytes.data - '0');
    bytes = bytes.from(1);
  } while (!isOneDigit && bytes.size && isDigit(*bytes.data) && number <= UINT32_MAX);
  value = uint32_t(number);
  return number <= UINT32_MAX;
}

int32_t readHeader(Bytes bytes, const Work &work, Header &header) {
  header = {bytes.data[1] - '0', {}, 1, bytes.from(2)};
  if (!readNumber(header.rest, header.extents.width) ||
      !readNumber(header.rest, header.extents.height) ||
      (!header.isBits() && !readNumber(header.rest, header.levels)) || !header.levels ||
      header.levels > kMaxLevel)
    return work.bad("PNM: the header is damaged");
  // One character of space stands before bytes.
  if (!header.isText()) {
    if (!header.rest.size || !isSpace(*header.rest.data))
      return work.bad("PNM: the header is damaged");
    header.rest = header.rest.from(1);
  }
  return kHostOk;
}

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  Header header;
  if (int32_t code = readHeader(bytes, work, header))
    return code;
  extents = header.extents;
  // As text a number has a digit at least; eight bits are a byte.
  const uint64_t perByte = header.kind == 4 ? 8 : 1;
  if (extents.pixels() / perByte > header.rest.size)
    return work.cannotHold("PNM", bytes.size, extents);
  return kHostOk;
}

// The next number of a row; false where the file ends or the number is too large.
bool readSample(Header &header, uint32_t x, uint32_t &value) {
  Bytes &rest = header.rest;
  switch (header.kind) {
  case 1: return readNumber(rest, value, true) && value <= 1;
  case 2:
  case 3: return readNumber(rest, value) && value <= header.levels;
  case 4: // Rows begin with a byte of their own.
    if (x / 8 >= rest.size)
      return false;
    value = rest.data[x / 8] >> (7 - x % 8) & 1;
    return true;
  default: {
    const size_t size = header.levels > 255 ? 2 : 1;
    if (rest.size < size)
      return false;
    value = size == 2 ? uint32_t(rest.data[0]) << 8 | rest.data[1] : rest.data[0];
    rest = rest.from(size);
    return value <= header.levels;
  }
  }
}

// To the nearest, halves to the even one.
uint8_t toByte(uint32_t level, uint32_t levels) {
  const uint32_t scaled = level * 255, whole = scaled / levels, twice = 2 * (scaled % levels);
  return uint8_t(whole + (twice > levels || (twice == levels && whole % 2)));
}

int32_t decode(Bytes bytes, const Work &work) {
  Header header;
  if (int32_t code = readHeader(bytes, work, header))
    return code;
  const uint32_t width = header.extents.width, channels = header.channels();
  Buffer row;
  if (!row.allocate(size_t(width) * 3))
    return kHostOutOfMemory;
  for (uint32_t y = 0; y < header.extents.height; ++y) {
    if (work.shouldStop())
      return kHostStopped;
    for (uint32_t x = 0; x < width; ++x)
      for (uint32_t c = 0; c < channels; ++c) {
        uint32_t value = 0;
        if (!readSample(header, x, value))
          return work.bad("PNM: the file ends too early, or holds what is no pixel");
        // Of bitmaps 1 is black.
        const uint32_t level = header.isBits() ? 1 - value : value;
        const uint8_t byte = toByte(level, header.levels);
        uint8_t *to = row.data() + 3 * size_t(x);
        if (channels == 3)
          to[c] = byte;
        else
          to[0] = to[1] = to[2] = byte;
      }
    if (header.kind == 4)
      header.rest = header.rest.from((size_t(width) + 7) / 8);
    work.put(y, row.data());
  }
  return kHostOk;
}

} // namespace

const Codec kPnm = {"PNM",
                    [](Bytes bytes) {
                      return bytes.size >= 3 && bytes.data[0] == 'P' && bytes.data[1] >= '1' &&
                             bytes.data[1] <= '6' &&
                             (isSpace(bytes.data[2]) || bytes.data[2] == '#');
                    },
                    measure, decode};

} // namespace tessera::hostops
