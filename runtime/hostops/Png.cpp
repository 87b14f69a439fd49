// PNG by libpng: colours of 8 bits, without transparency; what has 16 bits loses the lower ones.
#include "runtime/hostops/Image.h"

#include <csetjmp>

#include <png.h>

namespace tessera::hostops {
namespace {

using namespace rt;

// Deflate makes at most about 1032 bytes of one.
constexpr uint64_t kMaxInflation = 1040;

struct Reader {
  Bytes rest;
  const Work *work;
  int32_t code;
};

void read(png_structp png, png_bytep to, size_t size) {
  auto &reader = *static_cast<Reader *>(png_get_io_ptr(png));
  if (size > reader.rest.size)
    png_error(png, "the file ends too early");
  std::memcpy(to, reader.rest.data, size);
  reader.rest = reader.rest.from(size);
}

[[noreturn]] void leave(png_structp png, png_const_charp message) {
  auto &reader = *static_cast<Reader *>(png_get_error_ptr(png));
  if (!reader.code)
    reader.code = reader.work->fail(kHostBadData, "PNG: %s", message);
  png_longjmp(png, 1);
}
void ignore(png_structp, png_const_charp) {}

// Nothing here has a destructor: errors leave by longjmp. `pixels`: all of them where the image is
// interlaced, else one row.
int32_t run(png_structp png, png_infop info, Reader &reader, Extents *measured, Buffer &pixels) {
  if (setjmp(png_jmpbuf(png)))
    return reader.code ? reader.code : int32_t(kHostOutOfMemory);
  const Work &work = *reader.work;
  const uint64_t size = reader.rest.size;
  png_set_read_fn(png, &reader, read);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff); // Ours come with names.
  png_read_info(png, info);
  const Extents extents{png_get_image_width(png, info), png_get_image_height(png, info)};
  if (png_get_rowbytes(png, info) * uint64_t(extents.height) / kMaxInflation > size)
    return work.cannotHold("PNG", size, extents);
  if (measured) {
    *measured = extents;
    return kHostOk;
  }
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const size_t rowBytes = size_t(extents.width) * 3;
  if (png_get_rowbytes(png, info) != rowBytes)
    png_error(png, "an unknown kind of pixels");
  if (!pixels.allocate(passes > 1 ? rowBytes * extents.height : rowBytes))
    return kHostOutOfMemory;
  for (int pass = 0; pass < passes; ++pass)
    for (uint32_t y = 0; y < extents.height; ++y) {
      if (work.shouldStop())
        return kHostStopped;
      uint8_t *row = pixels.data() + (passes > 1 ? rowBytes * y : 0);
      png_read_row(png, row, nullptr);
      if (pass + 1 == passes)
        work.put(y, row);
    }
  png_read_end(png, nullptr); // Sees that the rest is whole.
  return kHostOk;
}

int32_t open(Bytes bytes, const Work &work, Extents *measured) {
  Reader reader{bytes, &work, 0};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, leave, ignore);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  Buffer pixels;
  const int32_t code = info ? run(png, info, reader, measured, pixels) : int32_t(kHostOutOfMemory);
  png_destroy_read_struct(&png, &info, nullptr);
  return code;
}

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  return open(bytes, work, &extents);
}
int32_t decode(Bytes bytes, const Work &work) {
  if (int32_t code = work.admit(work.extents, 3))
    return code;
  return open(bytes, work, nullptr);
}

} // namespace

const Codec kPng = {"PNG", [](Bytes bytes) { return bytes.startsWith("\x89PNG\r\n\x1a\n", 8); },
                    measure, decode};

} // namespace tessera::hostops
