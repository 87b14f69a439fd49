//===- Accumulate.h - Sums of products in an accumulator's type -*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_ACCUMULATE_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_ACCUMULATE_H

#include "compiler/reference/graph/Rules.h"

namespace tessera::reference {

/// The elements of two operands as numbers, and the sums of products of them. Floats are summed in
/// f64 and rounded once to the accumulator, integers wrap in it; then the result is converted,
/// integers saturate.
class ProductSum {
public:
  ProductSum(const Tensor &lhs, const Tensor &rhs, mlir::Type accumulator)
      : isReal(lhs.isFloat()), sum(accumulator, {}) {
    if (isReal) {
      realLhs = lhs.reals();
      realRhs = rhs.reals();
    } else {
      wholeLhs = lhs.integers();
      wholeRhs = rhs.integers();
    }
  }
  void clear() { real = 0, whole = 0; }
  /// An element that is -1 reads as 0 (padding).
  void add(int64_t i, int64_t j) {
    if (isReal)
      real += (i < 0 ? 0.0 : realLhs[i]) * realRhs[j];
    else if (i >= 0)
      whole += uint64_t(wholeLhs[i]) * uint64_t(wholeRhs[j]);
  }
  void store(Tensor &result, int64_t i) {
    if (isReal)
      sum.set(0, real);
    else
      sum.set(0, int64_t(whole));
    convertElement(result, i, sum, 0, /*saturateIntegers=*/true);
  }

private:
  bool isReal;
  Tensor sum;
  std::vector<double> realLhs, realRhs;
  std::vector<int64_t> wholeLhs, wholeRhs;
  double real = 0;
  uint64_t whole = 0;
};

} // namespace tessera::reference

#endif
