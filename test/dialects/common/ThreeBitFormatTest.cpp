//===- ThreeBitFormatTest.cpp - A format of one's own, from data to machine code ----===//
//
// Everything that a new block format takes: its data. Quantizing, interpreting, forming kernels and
// compiling them follow.
//
//===----------------------------------------------------------------------===//

#include "compiler/api/Compiler.h"
#include "dialects/common/BlockFormat.h"
#include "runtime/api/tessera.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstdlib>
#include <random>

using namespace tessera;

static constexpr float kEntries[8] = {-4, -2, -1, 0, 0.5f, 1, 2, 4};
static const BlockFormat threeBits = {
    "q3_test",       "3-bit numbers, a power of two for 16", 16, 3, BlockCode::lookup(kEntries),
    BlockScale::E8M0};

TEST(ThreeBitFormat, PacksAndUnpacks) {
  EXPECT_EQ(threeBits.getBytes(), 7);
  std::vector<float> values(16), out(16);
  for (int i = 0; i < 16; ++i)
    values[i] = std::ldexp(kEntries[i * 5 % 8], -3);
  uint8_t block[7];
  const BlockCodec codec(threeBits);
  codec.encode(values.data(), block);
  codec.decode(block, out.data());
  EXPECT_EQ(out, values);
}

TEST(ThreeBitFormat, ComputesFromThePackedBytes) {
  registerBlockFormat(threeBits);
  ::setenv("TESSERA_KERNELC", TESSERA_TEST_KERNELC, /*overwrite=*/0);
  constexpr int kRows = 5, kBlocks = 6, kColumns = kBlocks * 16;
  const char *model = R"(
graph.func @main(%w: !graph.tensor<[5, 6], !graph.block<"q3_test">> {graph.name = "w"},
                 %x: !graph.tensor<[2, 96], f32> {graph.name = "x"})
    -> (!graph.tensor<[2, 5], f32> {graph.name = "y"}) {
  %d = graph.decode_blocks %w : !graph.tensor<[5, 6], !graph.block<"q3_test">> -> !graph.tensor<[5, 96], f32>
  %y = graph.contract "bk,nk->bn" %x, %d
      : (!graph.tensor<[2, 96], f32>, !graph.tensor<[5, 96], f32>) -> !graph.tensor<[2, 5], f32>
  graph.return %y : !graph.tensor<[2, 5], f32>
})";
  CompileOptions options;
  options.verifyNumerically = true; // Kernels, interpreted, give what the graph gives.
  CompileResult compiled = compileBytes(model, "three-bits.mlir", "", options);
  ASSERT_EQ(compiled.error, "");

  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<uint8_t> w(kRows * kBlocks * threeBits.getBytes());
  std::vector<float> x(2 * kColumns), weights(kRows * kColumns);
  for (float &value : x)
    value = normal(random);
  for (float &value : weights)
    value = normal(random);
  const BlockCodec codec(threeBits);
  for (int i = 0; i < kRows * kBlocks; ++i) {
    codec.encode(&weights[i * 16], &w[i * threeBits.getBytes()]);
    codec.decode(&w[i * threeBits.getBytes()], &weights[i * 16]);
  }
  tessera_module *module = nullptr;
  tessera_context *context = nullptr;
  ASSERT_EQ(tessera_module_load_memory(compiled.bytes.data(), compiled.bytes.size(), nullptr,
                                       &module, nullptr),
            0);
  ASSERT_EQ(tessera_context_create(module, nullptr, &context, nullptr), 0);
  const int64_t packedDims[] = {kRows, kBlocks * 7}, xDims[] = {2, kColumns};
  tessera_tensor packed, input, output;
  tessera_tensor_init(&packed, TESSERA_U8, 2, packedDims, w.data());
  tessera_tensor_init(&input, TESSERA_F32, 2, xDims, x.data());
  ASSERT_EQ(tessera_set_input(context, 0, 0, &packed, nullptr), 0);
  ASSERT_EQ(tessera_set_input(context, 0, 1, &input, nullptr), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, nullptr), 0);
  ASSERT_EQ(tessera_get_output(context, 0, 0, &output, nullptr), 0);
  for (int b = 0; b < 2; ++b)
    for (int n = 0; n < kRows; ++n) {
      double sum = 0;
      for (int k = 0; k < kColumns; ++k)
        sum += double(x[b * kColumns + k]) * weights[n * kColumns + k];
      EXPECT_NEAR(static_cast<const float *>(output.data)[b * kRows + n], sum, 1e-4);
    }
  tessera_context_destroy(context);
  tessera_module_destroy(module);
}
