// JPEG 2000 (a code stream, or one in a JP2 file) by OpenJPEG.
#include "runtime/hostops/Image.h"

#include <openjpeg.h>

namespace tessera::hostops {
namespace {

using namespace rt;

// A code stream and its first marker, which says how large the image is.
constexpr char kStart[] = "\xff\x4f\xff\x51";
constexpr char kBox[] = "\0\0\0\x0cjP  \r\n\x87\n";
// Each tile takes memory of its own in the library.
constexpr uint64_t kMaxTiles = 65535;

struct Stream {
  Bytes bytes;
  size_t at;
};

OPJ_SIZE_T read(void *to, OPJ_SIZE_T size, void *user) {
  auto &stream = *static_cast<Stream *>(user);
  const Bytes rest = stream.bytes.from(stream.at);
  if (!rest.size)
    return OPJ_SIZE_T(-1);
  size = size < rest.size ? size : rest.size;
  std::memcpy(to, rest.data, size);
  stream.at += size;
  return size;
}
OPJ_OFF_T skip(OPJ_OFF_T size, void *user) {
  auto &stream = *static_cast<Stream *>(user);
  const size_t left = stream.bytes.size - stream.at;
  if (size < 0 || uint64_t(size) > left) {
    stream.at = stream.bytes.size;
    return -1;
  }
  stream.at += size_t(size);
  return size;
}
OPJ_BOOL seek(OPJ_OFF_T place, void *user) {
  auto &stream = *static_cast<Stream *>(user);
  if (place < 0 || uint64_t(place) > stream.bytes.size)
    return OPJ_FALSE;
  stream.at = size_t(place);
  return OPJ_TRUE;
}

uint32_t number(const uint8_t *at) {
  return uint32_t(at[0]) << 24 | uint32_t(at[1]) << 16 | uint32_t(at[2]) << 8 | at[3];
}

// From the marker itself, before the library takes memory for what it says.
int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  Bytes stream = bytes;
  while (stream.size >= 4 && !stream.startsWith(kStart, 4)) {
    const void *next = std::memchr(stream.data + 1, 0xff, stream.size - 1);
    stream = next ? stream.from(size_t(static_cast<const uint8_t *>(next) - stream.data))
                  : Bytes{stream.data, 0};
  }
  if (stream.size < 4 + 4 + 8 * 4)
    return work.bad("JPEG 2000: the file ends too early");
  const uint8_t *at = stream.data + 8; // Behind the marker's length and the capabilities.
  const uint32_t right = number(at), bottom = number(at + 4), left = number(at + 8),
                 top = number(at + 12), tileWidth = number(at + 16), tileHeight = number(at + 20);
  if (right <= left || bottom <= top || !tileWidth || !tileHeight)
    return work.bad("JPEG 2000: the header is damaged");
  extents = {right - left, bottom - top};
  const uint64_t tiles = ((uint64_t(right) + tileWidth - 1) / tileWidth) *
                         ((uint64_t(bottom) + tileHeight - 1) / tileHeight);
  if (tiles > kMaxTiles)
    return work.fail(kHostTooLarge, "JPEG 2000: %llu tiles, up to %llu are decoded (kMaxTiles)",
                     (unsigned long long)tiles, (unsigned long long)kMaxTiles);
  return kHostOk;
}

uint8_t toByte(int32_t value, const opj_image_comp_t &component) {
  int64_t number = value;
  if (component.sgnd)
    number += int64_t(1) << (component.prec - 1);
  if (component.prec > 8)
    number >>= component.prec - 8;
  else if (component.prec < 8)
    number = number * 255 / ((1 << component.prec) - 1);
  return uint8_t(number < 0 ? 0 : number > 255 ? 255 : number);
}

int32_t deliver(const opj_image_t &image, const Work &work) {
  const Extents &extents = work.extents;
  const uint32_t count = image.numcomps < 3 ? 1 : 3;
  for (uint32_t c = 0; c < count; ++c) {
    const opj_image_comp_t &component = image.comps[c];
    if (component.w != extents.width || component.h != extents.height || !component.data)
      return work.bad("JPEG 2000: components of different sizes are not decoded");
    if (component.prec < 1 || component.prec > 31)
      return work.bad("JPEG 2000: the header is damaged");
  }
  if (count == 3 && (image.color_space == OPJ_CLRSPC_SYCC || image.color_space == OPJ_CLRSPC_EYCC ||
                     image.color_space == OPJ_CLRSPC_CMYK))
    return work.bad("JPEG 2000: only grey and RGB are decoded");
  Buffer row;
  if (!row.allocate(size_t(extents.width) * 3))
    return kHostOutOfMemory;
  for (uint32_t y = 0; y < extents.height; ++y) {
    for (uint32_t x = 0; x < extents.width; ++x)
      for (uint32_t c = 0; c < 3; ++c) {
        const opj_image_comp_t &component = image.comps[count == 3 ? c : 0];
        row.data()[3 * x + c] = toByte(component.data[size_t(y) * extents.width + x], component);
      }
    work.put(y, row.data());
  }
  return kHostOk;
}

int32_t decode(Bytes bytes, const Work &work) {
  // Four bytes a sample, for up to four components, twice.
  if (int32_t code = work.admit(work.extents, 32))
    return code;
  Stream stream{bytes, 0};
  opj_codec_t *codec =
      opj_create_decompress(bytes.startsWith(kStart, 4) ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
  opj_stream_t *input = opj_stream_default_create(OPJ_TRUE);
  opj_image_t *image = nullptr;
  int32_t code = kHostOutOfMemory;
  if (codec && input) {
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_stream_set_read_function(input, read);
    opj_stream_set_skip_function(input, skip);
    opj_stream_set_seek_function(input, seek);
    opj_stream_set_user_data(input, &stream, nullptr);
    opj_stream_set_user_data_length(input, bytes.size);
    const bool isWhole =
        opj_setup_decoder(codec, &parameters) && opj_read_header(input, codec, &image) &&
        image->x1 - image->x0 == work.extents.width &&
        image->y1 - image->y0 == work.extents.height && image->numcomps >= 1 &&
        image->numcomps <= 4 && opj_decode(codec, input, image) && opj_end_decompress(codec, input);
    code = isWhole ? deliver(*image, work)
                   : work.bad("JPEG 2000: the file is damaged, ends too early, or has more than 4 "
                              "components");
  }
  opj_image_destroy(image);
  opj_stream_destroy(input);
  opj_destroy_codec(codec);
  return code;
}

} // namespace

const Codec kJpeg2000 = {
    "JPEG 2000",
    [](Bytes bytes) { return bytes.startsWith(kBox, 12) || bytes.startsWith(kStart, 4); }, measure,
    decode};

} // namespace tessera::hostops
