// JPEG by libjpeg-turbo, with its usual (smooth) upsampling of colours.
#include "runtime/hostops/Image.h"

#include <csetjmp>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

namespace tessera::hostops {
namespace {

using namespace rt;

struct Handler {
  jpeg_error_mgr manager; // first: the library gives it back
  std::jmp_buf back;
  const Work *work;
  int32_t code;
};

Handler &handlerOf(j_common_ptr info) { return *reinterpret_cast<Handler *>(info->err); }

[[noreturn]] void leave(j_common_ptr info) {
  Handler &handler = handlerOf(info);
  if (!handler.code) {
    char text[JMSG_LENGTH_MAX];
    handler.manager.format_message(info, text);
    handler.code = info->err->msg_code == JERR_OUT_OF_MEMORY
                       ? handler.work->fail(kHostOutOfMemory, "there is no memory for the image")
                       : handler.work->fail(kHostBadData, "JPEG: %s", text);
  }
  std::longjmp(handler.back, 1);
}

// Warnings are what a viewer would show half an image for. Bytes between segments change nothing.
void warn(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code != JWRN_EXTRANEOUS_DATA &&
      info->err->msg_code != JWRN_ADOBE_XFORM)
    leave(info);
}

// Asked for each row of blocks and each scan.
void watch(j_common_ptr info) {
  Handler &handler = handlerOf(info);
  if (handler.work->shouldStop())
    handler.code = kHostStopped;
  else if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxJpegScans)
    handler.code = handler.work->fail(
        kHostTooLarge, "the JPEG has more than %d scans (kMaxJpegScans)", kMaxJpegScans);
  if (handler.code)
    leave(info);
}

// Ink on paper, as Adobe's programs write it: inverted.
void toRgb(const uint8_t *cmyk, uint8_t *rgb, uint32_t width, bool isInverted) {
  const auto scale = [](unsigned a, unsigned b) {
    const unsigned product = a * b + 128;
    return int((product + (product >> 8)) >> 8);
  };
  for (uint32_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const uint8_t flip = isInverted ? 255 : 0;
    const int light = 255 - (cmyk[3] ^ flip);
    for (int c = 0; c < 3; ++c) {
      const int value = light - scale(cmyk[c] ^ flip, unsigned(light));
      rgb[c] = uint8_t(value < 0 ? 0 : value);
    }
  }
}

// Nothing here has a destructor: errors leave by longjmp. `rows`: what is decoded into.
int32_t run(Bytes bytes, const Work &work, Extents *measured, Buffer &rows) {
  jpeg_decompress_struct info;
  jpeg_progress_mgr progress{};
  Handler handler{};
  handler.work = &work;
  info.err = jpeg_std_error(&handler.manager);
  handler.manager.error_exit = leave;
  handler.manager.emit_message = warn;
  if (setjmp(handler.back)) {
    jpeg_destroy_decompress(&info);
    return handler.code;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data, bytes.size);
  jpeg_read_header(&info, TRUE);
  if (measured) {
    *measured = {info.image_width, info.image_height};
    // A block of 64 pixels has a code of its own, which has a bit at least.
    const bool isTooShort = !info.arith_code && measured->pixels() / (64 * 8) > bytes.size;
    jpeg_destroy_decompress(&info);
    return isTooShort ? work.cannotHold("JPEG", bytes.size, *measured) : int32_t(kHostOk);
  }
  progress.progress_monitor = watch;
  info.progress = &progress;
  const bool isInk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = isInk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  uint8_t *row = rows.data(), *rgb = row + size_t(info.output_width) * 4;
  while (info.output_scanline < info.output_height) {
    const uint32_t y = info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
    if (isInk)
      toRgb(row, rgb, info.output_width, info.saw_Adobe_marker);
    work.put(y, isInk ? rgb : row);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return kHostOk;
}

int32_t measure(Bytes bytes, const Work &work, Extents &extents) {
  Buffer none;
  return run(bytes, work, &extents, none);
}

int32_t decode(Bytes bytes, const Work &work) {
  // Scans that refine each other keep the coefficients: two bytes of up to four components.
  if (int32_t code = work.admit(work.extents, 10))
    return code;
  Buffer rows;
  if (!rows.allocate(size_t(work.extents.width) * 7))
    return kHostOutOfMemory;
  return run(bytes, work, nullptr, rows);
}

} // namespace

const Codec kJpeg = {"JPEG", [](Bytes bytes) { return bytes.startsWith("\xff\xd8\xff", 3); },
                     measure, decode};

} // namespace tessera::hostops
