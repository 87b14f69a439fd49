//===- Ranges.cpp - What range of numbers 8 bits should cover -------------------------------===//
#include "compiler/transforms/quantize/Ranges.h"

#include <algorithm>
#include <cmath>

using namespace tessera::transforms;

/// The range of the histogram doubles: two bins become one, nearer to zero.
void RangeObserver::grow(double magnitude) {
  if (bins.empty()) {
    bins.assign(2 * kHalf, 0);
    // A power of two, so that what is merged later has the same edges.
    limit = std::exp2(std::ceil(std::log2(std::max(magnitude, 0x1p-126))));
  }
  while (!(magnitude < limit)) {
    std::vector<uint64_t> merged(2 * kHalf, 0);
    for (int64_t i = 0; i < 2 * kHalf; ++i)
      merged[kHalf / 2 + i / 2] += bins[i];
    bins = std::move(merged);
    limit *= 2;
  }
}

bool RangeObserver::add(llvm::ArrayRef<float> numbers) {
  float lo = 0, hi = 0;
  bool isFinite = true;
  for (float number : numbers) {
    isFinite &= std::isfinite(number);
    lo = std::min(lo, number);
    hi = std::max(hi, number);
  }
  if (!isFinite)
    return false;
  least = std::min<double>(least, lo);
  greatest = std::max<double>(greatest, hi);
  if (numbers.empty())
    return true;
  grow(std::max(-least, greatest));
  const double steps = 1 / widthOfBin();
  // 0 is always exact. Counted, it would make entropy prefer levels as narrow as a bin.
  for (float number : numbers)
    if (number != 0)
      ++bins[int64_t(std::floor(double(number) * steps)) + kHalf];
  count += numbers.size();
  return true;
}

NumberRange RangeObserver::getPercentile(double share) const {
  const double outside = double(count) * (1 - share) / 2;
  int64_t first = 0, last = 2 * kHalf - 1;
  for (double below = double(bins[first]); below <= outside && first < last;)
    below += double(bins[++first]);
  for (double above = double(bins[last]); above <= outside && first < last;)
    above += double(bins[--last]);
  return {std::max(least, getEdge(first)), std::min(greatest, getEdge(last + 1))};
}

/// KL(seen || quantized) for the range of the bins `first` to `last`.
double RangeObserver::divergence(int64_t first, int64_t last) const {
  constexpr int64_t kLevels = 256;
  const int64_t size = last - first + 1;
  std::vector<double> seen(size), quantized(size);
  for (int64_t i = 0; i < 2 * kHalf; ++i)
    seen[std::clamp(i, first, last) - first] += double(bins[i]);
  // Each level spreads what it holds over those of its bins that are not empty. What was cut is not
  // in it: that makes cutting cost.
  for (int64_t level = 0; level < kLevels; ++level) {
    const int64_t begin = level * size / kLevels, end = (level + 1) * size / kLevels;
    double sum = 0, filled = 0;
    for (int64_t i = begin; i < end; ++i) {
      sum += double(bins[first + i]);
      filled += bins[first + i] != 0;
    }
    for (int64_t i = begin; i < end; ++i)
      if (bins[first + i])
        quantized[i] = sum / filled;
  }
  double total = 0, kept = 0;
  for (int64_t i = 0; i < size; ++i) {
    // An edge that only holds what was cut off.
    if (seen[i] > 0 && quantized[i] == 0)
      quantized[i] = 0.5;
    total += seen[i];
    kept += quantized[i];
  }
  double sum = 0;
  for (int64_t i = 0; i < size; ++i)
    if (seen[i] > 0)
      sum += seen[i] / total * std::log(seen[i] / total / (quantized[i] / kept));
  return sum;
}

NumberRange RangeObserver::getEntropy() const {
  constexpr int64_t kLeast = 256, kStep = 16;
  auto binOf = [&](double number) {
    return std::clamp<int64_t>(int64_t(std::floor(number / widthOfBin())) + kHalf, 0,
                               2 * kHalf - 1);
  };
  const int64_t lowest = binOf(least), highest = binOf(greatest);
  NumberRange best{least, greatest};
  double leastFound = divergence(lowest, highest);
  for (int64_t half = kStep; half < kHalf; half += kStep) {
    const int64_t first = std::max(lowest, kHalf - half),
                  last = std::min(highest, kHalf + half - 1);
    // Fewer bins than levels would look like no loss.
    if (last - first + 1 < kLeast || (first == lowest && last == highest))
      continue;
    if (const double found = divergence(first, last); found < leastFound) {
      leastFound = found;
      best = {std::max(least, getEdge(first)), std::min(greatest, getEdge(last + 1))};
    }
  }
  return best;
}

NumberRange RangeObserver::getRange(const RangeMethod &method) const {
  if (count == 0)
    return {};
  switch (method.kind) {
  case RangeMethod::MinMax: break;
  case RangeMethod::Percentile: return getPercentile(method.percentile / 100);
  case RangeMethod::Entropy: return getEntropy();
  }
  return {least, greatest};
}

ScaleAndZero tessera::transforms::chooseScale(NumberRange range, int64_t lowest, int64_t highest,
                                              bool isSymmetric) {
  double lo = std::min(range.lo, 0.0), hi = std::max(range.hi, 0.0);
  // Whatever it is, all numbers are as good as 0.
  constexpr double kLeastRange = 0x1p-90;
  if (!(hi - lo > kLeastRange))
    return {1.0f, isSymmetric ? 0 : lowest};
  if (isSymmetric)
    return {float(std::max(hi / double(highest), -lo / double(-lowest))), 0};
  const auto scale = float((hi - lo) / double(highest - lowest));
  return {scale, std::clamp<int64_t>(std::llround(double(lowest) - lo / scale), lowest, highest)};
}
