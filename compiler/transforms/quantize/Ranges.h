//===- Ranges.h - What range of numbers 8 bits should cover -----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_QUANTIZE_RANGES_H
#define TESSERA_COMPILER_TRANSFORMS_QUANTIZE_RANGES_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tessera::transforms {

struct NumberRange {
  double lo = 0, hi = 0;
};

/// How the range is chosen from the numbers that were seen.
struct RangeMethod {
  enum Kind { MinMax, Percentile, Entropy } kind = MinMax;
  double percentile = 99.99; ///< the share of numbers that a range by percentile keeps
};

/// Collects numbers, of which it keeps a histogram.
class RangeObserver {
public:
  /// False when a number is NaN or infinite.
  [[nodiscard]] bool add(llvm::ArrayRef<float> numbers);
  /// Without numbers: 0 to 0.
  ///
  /// Entropy: of the ranges that cut both ends at some magnitude, the one whose quantized
  /// distribution has the least Kullback-Leibler divergence from what was seen (S. Migacz, "8-bit
  /// inference with TensorRT", GTC 2017; there with one end, here with both).
  NumberRange getRange(const RangeMethod &method) const;

private:
  static constexpr int64_t kHalf = 2048; ///< bins for one sign
  double widthOfBin() const { return limit / kHalf; }
  void grow(double magnitude);
  double getEdge(int64_t bin) const { return double(bin - kHalf) * widthOfBin(); }
  NumberRange getPercentile(double share) const;
  NumberRange getEntropy() const;
  double divergence(int64_t first, int64_t last) const;

  double least = 0, greatest = 0, limit = 0;
  uint64_t count = 0;
  std::vector<uint64_t> bins; ///< of [-limit, limit), without zeros
};

/// The scale and zero point with which integers from `lowest` to `highest` cover a range. 0 is one
/// of the numbers that they stand for exactly.
struct ScaleAndZero {
  float scale;
  int64_t zero;
};
ScaleAndZero chooseScale(NumberRange range, int64_t lowest, int64_t highest, bool isSymmetric);

} // namespace tessera::transforms

#endif
