#include "runtime/executor/Placement.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace tessera::rt;

static uint64_t place(std::vector<Place> &places) {
  std::vector<uint32_t> scratch(2 * places.size() + 1);
  return placeByBestFit({places.data(), places.size()}, scratch.data());
}

TEST(Placement, whatLivesAtDifferentTimesSharesMemory) {
  std::vector<Place> places = {{640, 0, 1, 0}, {640, 2, 3, 0}, {64, 1, 2, 0}};
  EXPECT_EQ(place(places), 704u);
  EXPECT_EQ(places[0].offset, places[1].offset);
  EXPECT_EQ(places[2].offset, 640u);
}

TEST(Placement, takesTheSmallestGapThatFits) {
  // At time 5 the second and the fourth are gone: gaps of 384 and 256.
  std::vector<Place> places = {{512, 0, 9, 0}, {384, 0, 4, 0}, {320, 0, 9, 0},
                               {256, 0, 4, 0}, {192, 0, 9, 0}, {128, 5, 9, 0}};
  EXPECT_EQ(place(places), 1664u);
  EXPECT_EQ(places[5].offset, places[3].offset);
}

TEST(Placement, touchingLivesOverlap) {
  // Instruction 1 reads the first and writes the second.
  std::vector<Place> places = {{64, 0, 1, 0}, {64, 1, 2, 0}};
  EXPECT_EQ(place(places), 128u);
}

TEST(Placement, nothingAndEmptyTensors) {
  std::vector<Place> none;
  EXPECT_EQ(place(none), 0u);
  std::vector<Place> empty = {{0, 0, 3, 7}, {64, 0, 3, 7}, {0, 1, 2, 7}};
  EXPECT_EQ(place(empty), 64u);
}

TEST(Placement, randomProgramsNeverOverlapAndStayNearTheLowerBound) {
  std::mt19937 random(1);
  double worst = 1;
  for (int round = 0; round < 200; ++round) {
    const uint32_t count = 1 + random() % 60, length = 1 + random() % 40;
    std::vector<Place> places(count);
    for (Place &p : places) {
      p.first = random() % length;
      p.last = std::min<uint32_t>(length - 1, p.first + random() % 8);
      p.bytes = 64 * (random() % 50);
    }
    const uint64_t total = place(places);
    uint64_t peak = 0;
    for (uint32_t time = 0; time < length; ++time) {
      uint64_t alive = 0;
      for (const Place &p : places)
        alive += p.first <= time && time <= p.last ? p.bytes : 0;
      peak = std::max(peak, alive);
    }
    for (uint32_t i = 0; i < count; ++i) {
      EXPECT_LE(places[i].offset + places[i].bytes, total);
      for (uint32_t j = 0; j < i; ++j) {
        const Place &a = places[i], &b = places[j];
        const bool together = a.first <= b.last && b.first <= a.last && a.bytes && b.bytes;
        ASSERT_FALSE(together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes);
      }
    }
    if (peak)
      worst = std::max(worst, double(total) / double(peak));
  }
  EXPECT_LT(worst, 1.5);
}
