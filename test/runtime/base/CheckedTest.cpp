#include "runtime/base/Checked.h"

#include <gtest/gtest.h>

using namespace tessera::rt;

TEST(Checked, divisionRoundsAsItsNameSays) {
  struct {
    int64_t a, b, floor, ceil, mod;
  } cases[] = {{7, 2, 3, 4, 1},
               {-7, 2, -4, -3, 1},
               {7, -2, -4, -3, -1},
               {-7, -2, 3, 4, -1},
               {6, 3, 2, 2, 0},
               {0, 5, 0, 0, 0},
               {INT64_MIN, 1, INT64_MIN, INT64_MIN, 0}};
  for (const auto &c : cases) {
    int64_t result;
    ASSERT_TRUE(checkedFloorDiv(c.a, c.b, result));
    EXPECT_EQ(result, c.floor) << c.a << " / " << c.b;
    ASSERT_TRUE(checkedCeilDiv(c.a, c.b, result));
    EXPECT_EQ(result, c.ceil) << c.a << " / " << c.b;
    ASSERT_TRUE(checkedMod(c.a, c.b, result));
    EXPECT_EQ(result, c.mod) << c.a << " mod " << c.b;
  }
}

TEST(Checked, whatDoesNotFitIsRefused) {
  int64_t result;
  EXPECT_FALSE(checkedAdd(INT64_MAX, int64_t(1), result));
  EXPECT_FALSE(checkedSub(INT64_MIN, int64_t(1), result));
  EXPECT_FALSE(checkedMul(int64_t(1) << 32, int64_t(1) << 31, result));
  EXPECT_FALSE(checkedFloorDiv(1, 0, result));
  EXPECT_FALSE(checkedCeilDiv(1, 0, result));
  EXPECT_FALSE(checkedMod(1, 0, result));
  EXPECT_FALSE(checkedFloorDiv(INT64_MIN, -1, result));
  EXPECT_FALSE(checkedCeilDiv(INT64_MIN, -1, result));
  EXPECT_TRUE(checkedMod(INT64_MIN, -1, result));
  EXPECT_EQ(result, 0);
  uint64_t aligned;
  EXPECT_TRUE(checkedAlignUp(65, 64, aligned));
  EXPECT_EQ(aligned, 128u);
  EXPECT_TRUE(checkedAlignUp(0, 64, aligned));
  EXPECT_EQ(aligned, 0u);
  EXPECT_FALSE(checkedAlignUp(UINT64_MAX - 1, 64, aligned));
}
