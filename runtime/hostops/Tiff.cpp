// TIFF by libtiff: the first image of the file, whatever its compression.
#include "runtime/hostops/Image.h"

#include <cstdarg>
#include <cstdio>

#include <tiffio.h>

namespace tessera::hostops {
namespace {

using namespace rt;

struct Stream {
  Bytes bytes;
  uint64_t at;
  const Work *work;
  bool hasMessage;
};

Stream &streamOf(thandle_t handle) { return *static_cast<Stream *>(handle); }

tmsize_t read(thandle_t handle, void *to, tmsize_t size) {
  Stream &stream = streamOf(handle);
  const Bytes rest = stream.bytes.from(size_t(stream.at));
  const size_t taken = size_t(size) < rest.size ? size_t(size) : rest.size;
  std::memcpy(to, rest.data, taken);
  stream.at += taken;
  return tmsize_t(taken);
}
tmsize_t write(thandle_t, void *, tmsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t place, int from) {
  Stream &stream = streamOf(handle);
  const uint64_t base = from == SEEK_CUR ? stream.at : from == SEEK_END ? stream.bytes.size : 0;
  stream.at = base + place;
  return stream.at;
}
int close(thandle_t) { return 0; }
toff_t sizeOf(thandle_t handle) { return streamOf(handle).bytes.size; }

// The first message is the one that helps.
int onError(TIFF *, void *user, const char *, const char *format, va_list arguments) {
  auto &stream = *static_cast<Stream *>(user);
  if (stream.hasMessage)
    return 1;
  char text[200];
  std::vsnprintf(text, sizeof(text), format, arguments);
  (void)stream.work->fail(kHostBadData, "TIFF: %s", text);
  stream.hasMessage = true;
  return 1;
}
int onWarning(TIFF *, void *, const char *, const char *, va_list) { return 1; }

int32_t run(Bytes bytes, const Work &work, Extents *measured, Buffer &pixels) {
  Stream stream{bytes, 0, &work, false};
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options)
    return kHostOutOfMemory;
  // Nothing in a file of this size needs more at once than the pixels themselves.
  const uint64_t most = kMaxImagePixels * 4;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options,
                                      tmsize_t(work.call.memory < most ? work.call.memory : most));
  TIFFOpenOptionsSetErrorHandlerExtR(options, onError, &stream);
  TIFFOpenOptionsSetWarningHandlerExtR(options, onWarning, &stream);
  TIFF *file = TIFFClientOpenExt("image", "rm", &stream, read, write, seek, close, sizeOf, nullptr,
                                 nullptr, options);
  TIFFOpenOptionsFree(options);
  const auto bad = [&](const char *message) {
    return stream.hasMessage ? int32_t(kHostBadData) : work.bad(message);
  };
  if (!file)
    return bad("TIFF: the header is damaged");
  int32_t code = kHostOk;
  Extents extents;
  if (!TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &extents.width) ||
      !TIFFGetField(file, TIFFTAG_IMAGELENGTH, &extents.height))
    code = bad("TIFF: the file does not say how large the image is");
  else if (measured)
    *measured = extents;
  else if (!TIFFReadRGBAImageOriented(file, extents.width, extents.height,
                                      reinterpret_cast<uint32_t *>(pixels.data()),
                                      ORIENTATION_TOPLEFT, /*stop_on_error=*/1) ||
           stream.hasMessage)
    code = bad("TIFF: the file is damaged, or of a kind that is not decoded");
  TIFFClose(file);
  return code;
}

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  Buffer none;
  return run(bytes, work, &extents, none);
}

int32_t decode(Bytes bytes, const Work &work) {
  const Extents &extents = work.extents;
  // All pixels in four bytes, and a strip or tile that may be as large.
  if (int32_t code = work.admit(extents, 4 + 8))
    return code;
  Buffer pixels, row;
  if (!pixels.allocate(extents.pixels() * 4) || !row.allocate(size_t(extents.width) * 3))
    return kHostOutOfMemory;
  if (int32_t code = run(bytes, work, nullptr, pixels))
    return code;
  for (uint32_t y = 0; y < extents.height; ++y) {
    const uint8_t *from = pixels.data() + size_t(y) * extents.width * 4;
    for (uint32_t x = 0; x < extents.width; ++x)
      std::memcpy(row.data() + 3 * x, from + 4 * x, 3);
    work.put(y, row.data());
  }
  return kHostOk;
}

} // namespace

const Codec kTiff = {"TIFF",
                     [](Bytes bytes) {
                       return bytes.startsWith("II*\0", 4) || bytes.startsWith("MM\0*", 4) ||
                              bytes.startsWith("II+\0", 4) || bytes.startsWith("MM\0+", 4);
                     },
                     measure, decode};

} // namespace tessera::hostops
