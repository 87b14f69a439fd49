// The roof of benchmarks: what no program can exceed, measured in reasonable bounds.
#include "tools/common/MachinePeak.h"
#include "tools/common/MachineRates.h"

#include <gtest/gtest.h>

using tessera::tools::MachinePeak;
using tessera::tools::measureMachinePeak;

TEST(MachinePeak, IsPlausible) {
  const MachinePeak peak = measureMachinePeak();
  EXPECT_GT(peak.bytesPerSecond, 1e8);
  EXPECT_LT(peak.bytesPerSecond, 1e12);
  if (peak.vectorBits == 0)
    GTEST_SKIP() << "this processor has no fused multiply-add";
  // Between one multiply-add every tenth cycle at 1 GHz and four a cycle at 6 GHz.
  const double lanes = peak.vectorBits / 32;
  EXPECT_GT(peak.flopsPerCore, 0.1e9 * 2 * lanes);
  EXPECT_LT(peak.flopsPerCore, 24e9 * 2 * lanes);
}

TEST(MachinePeak, ProductsOfBytesHaveOneOfTheirOwn) {
  const MachinePeak peak = measureMachinePeak();
  if (peak.byteProductsPerCore == 0)
    GTEST_SKIP() << "this processor has no vpdpbusd";
  // It multiplies four pairs where a multiply-add of f32 has one, on as many units or half as many.
  EXPECT_GT(peak.byteProductsPerCore, 1.2 * peak.flopsPerCore);
  EXPECT_LT(peak.byteProductsPerCore, 10 * peak.flopsPerCore);
  EXPECT_EQ(measureMachinePeak(128).byteProductsPerCore, 0);
}

TEST(MachinePeak, ProductsOfBfloatsHaveOneOfTheirOwn) {
  const MachinePeak peak = measureMachinePeak();
  if (peak.bfloatProductsPerCore == 0)
    GTEST_SKIP() << "this processor has no vdpbf16ps";
  // It multiplies two pairs where a multiply-add of f32 has one, on as many units or half as many,
  // and takes half as many of them on some processors (Granite Rapids).
  EXPECT_GT(peak.bfloatProductsPerCore, 0.35 * peak.flopsPerCore);
  EXPECT_LT(peak.bfloatProductsPerCore, 5 * peak.flopsPerCore);
  EXPECT_EQ(measureMachinePeak(256).bfloatProductsPerCore, 0);
}

TEST(MachinePeak, TilesMultiplyTwiceAsManyBytes) {
  const MachinePeak peak = measureMachinePeak();
  if (peak.tileBytesPerCore == 0)
    GTEST_SKIP() << "this processor has no tiles of matrices";
  EXPECT_GT(peak.tileBytesPerCore, 1.5 * peak.tileBfloatsPerCore);
  EXPECT_LT(peak.tileBytesPerCore, 2.7 * peak.tileBfloatsPerCore);
  EXPECT_GT(peak.tileBfloatsPerCore, 2 * peak.flopsPerCore);
  EXPECT_EQ(measureMachinePeak(256).tileBytesPerCore, 0);
}

TEST(MachinePeak, MemoryIsReadByAllThreadsTogether) {
  const double one = tessera::tools::measureMemoryRate(1, 128);
  EXPECT_GT(one, 1e8);
  EXPECT_GT(tessera::tools::measureMemoryRate(2, 128), 0.5 * one);
}

TEST(MachinePeak, NarrowerVectorsDoLess) {
  const MachinePeak narrow = measureMachinePeak(128), wide = measureMachinePeak();
  if (wide.vectorBits <= 128)
    GTEST_SKIP() << "this processor has no wider vectors";
  EXPECT_EQ(narrow.vectorBits, 128);
  EXPECT_LT(narrow.flopsPerCore, 0.8 * wide.flopsPerCore);
}
