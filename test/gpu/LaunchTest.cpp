// Images of device kernels: what a launch computes from one, and every damage that is refused.
#include "runtime/device/Launch.h"

#include "gtest/gtest.h"

#include <cstring>
#include <functional>

using namespace tessera::rt;

namespace {
struct Image {
  DeviceImageHeader header{};
  DeviceArg args[3] = {{uint32_t(DeviceArgKind::Input), 2, 4},
                       {uint32_t(DeviceArgKind::Scalar), 0, 0},
                       {uint32_t(DeviceArgKind::Output), 1, 4}};
  // ceil(extent 1 of argument 0 * scalar, 256)
  DeviceStep steps[6] = {{DeviceStepKind::Extent, 0, 1},     {DeviceStepKind::Scalar, 1, 0},
                         {DeviceStepKind::Multiply, 0, 1},   {DeviceStepKind::Number, 256, 0},
                         {DeviceStepKind::CeilDivide, 2, 3}, {DeviceStepKind::Max, 4, 1}};
  DeviceLaunch launches[2] = {};
  DeviceMap map = {1, 0, 128, {64, 2}};
  char names[2][4] = {"abc", "def"};
  char text[8] = "the PTX";

  Image() {
    const auto offset = [&](const char *field) {
      return uint32_t(field - reinterpret_cast<const char *>(this));
    };
    header = {kDeviceImageMagic, kDeviceImageVersion, sizeof(Image), 3, 6, 2, 1, offset(text)};
    launches[0] = {offset(names[0]), {4, 5, kNoStep, 3, kNoStep, kNoStep}, 0};
    launches[1] = {offset(names[1]), {1, kNoStep, kNoStep, 3, kNoStep, kNoStep}, 1000};
  }
};

Status read(const Image &image, DeviceKernel &kernel, uint64_t bytes = sizeof(Image)) {
  return readDeviceImage(reinterpret_cast<const uint8_t *>(&image), bytes, kernel);
}

void expectRefused(const std::function<void(Image &)> &damage, const char *expected) {
  Image image;
  damage(image);
  DeviceKernel kernel;
  const Status status = read(image, kernel);
  EXPECT_NE(std::strstr(status.message(), expected), nullptr)
      << expected << ": " << status.message();
}
} // namespace

TEST(DeviceImage, GivesGridAndParameters) {
  Image image;
  DeviceKernel kernel;
  ASSERT_TRUE(read(image, kernel).ok());
  EXPECT_STREQ(kernel.name(0), "abc");
  EXPECT_STREQ(kernel.name(1), "def");
  EXPECT_STREQ(kernel.text, "the PTX");
  EXPECT_EQ(kernel.parameters, 9u);
  EXPECT_EQ(kernel.launch(1).sharedBytes, 1000u);
  KernelDim dims[] = {{0, 100, 1, 0}, {0, 3, 120, 0}}, outDims[] = {{0, 7, 1, 0}};
  KernelBuffer in{}, out{};
  in.dim = dims, in.dimensions = 2;
  out.dim = outDims, out.dimensions = 1;
  int64_t scalar = 10;
  void *args[] = {&in, &scalar, &out};
  DeviceGrid grid;
  bool isEmpty = true;
  ASSERT_TRUE(findGrid(kernel, 0, args, grid, isEmpty).ok());
  EXPECT_FALSE(isEmpty);
  EXPECT_EQ(grid.grid[0], 4u); // 1000 / 256, up
  EXPECT_EQ(grid.grid[1], 10u);
  EXPECT_EQ(grid.grid[2], 1u);
  EXPECT_EQ(grid.block[0], 256u);
  ASSERT_TRUE(findGrid(kernel, 1, args, grid, isEmpty).ok());
  EXPECT_EQ(grid.grid[0], 10u);
  EXPECT_EQ(grid.grid[1], 1u);
  uint64_t parameters[9];
  fillParameters(kernel, args, parameters);
  const uint64_t expected[] = {0, 3, 100, 120, 1, 10, 0, 7, 1};
  EXPECT_EQ(std::memcmp(parameters, expected, sizeof expected), 0);
  EXPECT_EQ(bytesOf(in, 4), 4u * (2 * 120 + 100));
  // Launch 1 has a map: 9 parameters, whether it could be made, and from word 16 on the map.
  EXPECT_EQ(kernel.parametersOf(0), 9u);
  EXPECT_EQ(kernel.parametersOf(1), 32u);
  static MapRequest seen;
  const MakeMap make = [](const void *, const MapRequest &request, void *map) {
    seen = request;
    std::memset(map, 7, 128);
    return true;
  };
  uint64_t all[32] = {};
  fillMaps(kernel, 1, args, make, nullptr, all);
  EXPECT_EQ(all[9], 1u);
  EXPECT_EQ(all[15], 0u);
  EXPECT_EQ(all[16], 0x0707070707070707u);
  EXPECT_EQ(all[31], 0x0707070707070707u);
  EXPECT_EQ(seen.extents[0], 100u);
  EXPECT_EQ(seen.extents[1], 3u);
  EXPECT_EQ(seen.strides[1], 480u);
  EXPECT_EQ(seen.box[0], 64u);
  dims[1].stride = 121; // no multiple of 16 bytes
  fillMaps(kernel, 1, args, make, nullptr, all);
  EXPECT_EQ(all[9], 0u);
  dims[1].stride = 120;
  scalar = 0;
  ASSERT_TRUE(findGrid(kernel, 0, args, grid, isEmpty).ok());
  EXPECT_TRUE(isEmpty);
  scalar = 100000;
  EXPECT_NE(std::strstr(findGrid(kernel, 0, args, grid, isEmpty).message(), "the limit is 65535"),
            nullptr);
  scalar = INT64_MAX;
  EXPECT_NE(std::strstr(findGrid(kernel, 0, args, grid, isEmpty).message(), "overflows"), nullptr);
}

TEST(DeviceImage, RefusesDamage) {
  expectRefused([](Image &i) { i.header.magic = 1; }, "does not begin as one");
  expectRefused([](Image &i) { i.header.version = 9; }, "its image has version 9");
  expectRefused([](Image &i) { i.header.args = 5000; }, "5000 arguments");
  expectRefused([](Image &i) { i.header.bytes += 1; }, "its size is wrong");
  expectRefused([](Image &i) { i.header.steps = 100; }, "its size is wrong");
  expectRefused([](Image &i) { i.header.launches = 65; }, "65 launches");
  expectRefused([](Image &i) { i.header.text = 4; }, "its text lies outside");
  expectRefused([](Image &i) { i.launches[1].name = 4; }, "a name lies outside");
  expectRefused([](Image &i) { i.text[7] = 'x'; }, "its text has no end");
  expectRefused([](Image &i) { i.args[0].rank = 99; }, "an impossible argument");
  expectRefused([](Image &i) { i.steps[0].b = 2; }, "an extent that no argument has");
  expectRefused([](Image &i) { i.steps[0].a = 1; }, "an extent that no argument has");
  expectRefused([](Image &i) { i.steps[1].a = 0; }, "a scalar that is none");
  expectRefused([](Image &i) { i.steps[2].a = 2; }, "a step uses a later one");
  expectRefused([](Image &i) { i.steps[2].kind = DeviceStepKind(9); }, "an unknown step");
  expectRefused([](Image &i) { i.launches[1].extents[0] = 6; }, "no step");
  expectRefused([](Image &i) { i.launches[0].sharedBytes = 1 << 20; }, "1048576 bytes of shared");
  expectRefused([](Image &i) { i.header.maps = 65; }, "65 maps");
  expectRefused([](Image &i) { i.map.launch = 2; }, "a map is of no launch");
  expectRefused([](Image &i) { i.map.arg = 1; }, "a map is of no tensor");
  DeviceKernel kernel;
  EXPECT_FALSE(read(Image(), kernel, 8).ok());
}
