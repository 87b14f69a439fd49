// What range of numbers 8 bits should cover.
#include "compiler/transforms/quantize/Ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace tessera::transforms;

static RangeObserver observe(const std::vector<float> &numbers) {
  RangeObserver observer;
  EXPECT_TRUE(observer.add(numbers));
  return observer;
}

/// Normal numbers, and one that is far away.
static std::vector<float> getOutlier() {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> numbers(20000);
  for (float &number : numbers)
    number = normal(generator);
  numbers.push_back(100);
  return numbers;
}

TEST(Ranges, MinMaxIsExact) {
  RangeObserver observer = observe({-0.25f, 3});
  EXPECT_TRUE(observer.add({-7.5f, 1e-30f}));
  EXPECT_EQ(observer.getRange({}).lo, -7.5);
  EXPECT_EQ(observer.getRange({}).hi, 3);
  EXPECT_EQ(RangeObserver().getRange({RangeMethod::Entropy}).hi, 0);
}

TEST(Ranges, PercentileAndEntropyCutWhatIsRare) {
  RangeObserver observer = observe(getOutlier());
  EXPECT_EQ(observer.getRange({}).hi, 100);
  NumberRange kept = observer.getRange({RangeMethod::Percentile, 99.0});
  EXPECT_NEAR(kept.hi, 2.576, 0.2); // The quantile of a normal distribution at 0.995.
  EXPECT_NEAR(kept.lo, -2.576, 0.2);
  kept = observer.getRange({RangeMethod::Percentile, 100});
  EXPECT_EQ(kept.hi, 100);
  kept = observer.getRange({RangeMethod::Entropy});
  EXPECT_LT(kept.hi, 20);
  EXPECT_GT(kept.hi, 2);
}

TEST(Ranges, NumbersInAnyOrderGiveTheSame) {
  std::vector<float> numbers = getOutlier(), reversed(numbers.rbegin(), numbers.rend());
  RangeObserver parts;
  for (float number : reversed)
    EXPECT_TRUE(parts.add(number));
  for (RangeMethod::Kind kind :
       {RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Entropy}) {
    EXPECT_EQ(parts.getRange({kind}).lo, observe(numbers).getRange({kind}).lo);
    EXPECT_EQ(parts.getRange({kind}).hi, observe(numbers).getRange({kind}).hi);
  }
}

TEST(Ranges, NoNumbersThatAreNone) {
  RangeObserver observer;
  EXPECT_FALSE(observer.add({1, std::numeric_limits<float>::quiet_NaN()}));
  EXPECT_FALSE(observer.add({-std::numeric_limits<float>::infinity()}));
  EXPECT_TRUE(observer.add({}));
  EXPECT_TRUE(
      observer.add({std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()}));
}

TEST(Ranges, ScalesCoverTheRangeAndZero) {
  ScaleAndZero chosen = chooseScale({-1, 3}, 0, 255, false);
  EXPECT_FLOAT_EQ(chosen.scale, 4.0f / 255);
  EXPECT_EQ(chosen.zero, 64);
  EXPECT_EQ(chooseScale({1, 3}, 0, 255, false).zero, 0); // 0 is always in it.
  EXPECT_EQ(chooseScale({-3, -1}, 0, 255, false).zero, 255);
  EXPECT_FLOAT_EQ(chooseScale({-1, 3}, -127, 127, true).scale, 3.0f / 127);
  EXPECT_EQ(chooseScale({0, 0}, 0, 255, false).scale, 1);
}
