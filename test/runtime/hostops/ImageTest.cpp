// Decoding below the interface that the runtime uses: memory, stopping, wrong calls, and files that
// are cut off or changed.
#include "runtime/hostops/Image.h"

#include <png.h>

#include <gtest/gtest.h>
#include <string>
#include <vector>

using namespace tessera;
using namespace tessera::rt;

namespace {

struct Call {
  std::vector<uint8_t> file;
  std::string options = "RGB";
  std::vector<int64_t> dims; // of the result
  uint64_t memory = UINT64_MAX;
  bool stops = false;
  std::string message;
  std::vector<uint8_t> pixels;

  int32_t measure(int64_t (&extents)[2]) {
    const int64_t two = 2;
    return run(hostops::imageExtents, {extents, &two, 1, ElementType::I64});
  }
  int32_t decode() {
    pixels.assign(size_t(dims[0] * dims[1] * dims[2]), 0);
    return run(hostops::imageDecode, {pixels.data(), dims.data(), 3, ElementType::U8});
  }
  int32_t run(int32_t (*function)(const HostCall *), HostTensor result) {
    const int64_t bytes = int64_t(file.size());
    const HostTensor input{file.data(), &bytes, 1, ElementType::U8};
    char text[400] = "";
    HostCall call{};
    call.options = options.c_str();
    call.inputs = &input;
    call.outputs = &result;
    call.inputCount = call.outputCount = 1;
    call.memory = memory;
    call.runtime = this;
    call.shouldStop = [](const HostCall *c) { return static_cast<Call *>(c->runtime)->stops; };
    call.message = text;
    call.messageBytes = sizeof(text);
    const int32_t code = function(&call);
    message = text;
    return code;
  }
};

std::vector<uint8_t> makePng(uint32_t width, uint32_t height) {
  std::vector<uint8_t> pixels(size_t(width) * height * 3), file(1 << 16);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = uint8_t(i * 7 + i / 50);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = file.size();
  EXPECT_TRUE(png_image_write_to_memory(&image, file.data(), &size, 0, pixels.data(), 0, nullptr));
  file.resize(size);
  return file;
}

Call makeCall() {
  Call call;
  call.file = makePng(20, 10);
  call.dims = {10, 20, 3};
  return call;
}

} // namespace

TEST(Images, areDecoded) {
  Call call = makeCall();
  int64_t extents[2] = {};
  EXPECT_EQ(call.measure(extents), kHostOk) << call.message;
  EXPECT_EQ(extents[0], 10);
  EXPECT_EQ(extents[1], 20);
  EXPECT_EQ(call.decode(), kHostOk) << call.message;
  EXPECT_EQ(call.pixels[1], 7);
  call.options = "BGR";
  EXPECT_EQ(call.decode(), kHostOk) << call.message;
  EXPECT_EQ(call.pixels[1], 7);
  EXPECT_EQ(call.pixels[0], 14);
}

TEST(Images, takeNoMoreMemoryThanAllowed) {
  Call call = makeCall();
  call.memory = 20 * 10 * 3 - 1;
  EXPECT_EQ(call.decode(), kHostMemoryLimit);
  EXPECT_NE(call.message.find("the context's limit leaves 599"), std::string::npos) << call.message;
  call.memory = 20 * 10 * 3;
  EXPECT_EQ(call.decode(), kHostOk) << call.message;
}

TEST(Images, stopWhenAsked) {
  Call call = makeCall();
  call.stops = true;
  EXPECT_EQ(call.decode(), kHostStopped);
}

TEST(Images, wrongCallsAreRefused) {
  Call call = makeCall();
  call.options = "CMYK";
  EXPECT_EQ(call.decode(), kHostWrongCall);
  EXPECT_EQ(call.message, "the pixel format is 'CMYK', not RGB, BGR or Grayscale");
  call.options = "Grayscale";
  EXPECT_EQ(call.decode(), kHostWrongCall);
  call.options = "RGB";
  for (const std::vector<int64_t> &dims :
       {std::vector<int64_t>{20, 10, 3}, {10, 20, 1}, {10, 19, 3}, {11, 20, 3}}) {
    call.dims = dims;
    EXPECT_EQ(call.decode(), kHostWrongCall);
  }
  int64_t numbers[3];
  const int64_t three = 3;
  EXPECT_EQ(call.run(hostops::imageExtents, {numbers, &three, 1, ElementType::I64}),
            kHostWrongCall);
}

// Every bit and every length of a small file.
TEST(Images, damagedFilesAreRefusedOrDecoded) {
  const Call sound = makeCall();
  int refused = 0;
  const auto check = [&](std::vector<uint8_t> file) {
    Call call = sound;
    call.file = std::move(file);
    int64_t extents[2];
    if (call.measure(extents) == kHostOk && extents[0] == 10 && extents[1] == 20 &&
        call.decode() == kHostOk)
      return;
    ++refused;
    EXPECT_FALSE(call.message.empty());
  };
  for (size_t size = 0; size < sound.file.size(); ++size)
    check({sound.file.begin(), sound.file.begin() + ptrdiff_t(size)});
  EXPECT_EQ(size_t(refused), sound.file.size());
  for (size_t bit = 0; bit < sound.file.size() * 8; ++bit) {
    std::vector<uint8_t> file = sound.file;
    file[bit / 8] ^= uint8_t(1 << bit % 8);
    check(std::move(file));
  }
  // Every chunk has a checksum; only names of chunks that are not needed may change.
  EXPECT_GT(size_t(refused), sound.file.size() * 8);
}
