//===- TensorNumbers.h - What is in tensors, and how much they differ -----------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_TENSORNUMBERS_H
#define TESSERA_COMPILER_API_TENSORNUMBERS_H

#include "compiler/api/HostTensor.h"

namespace tessera {

/// The elements of a tensor of any type that the runtime has.
std::vector<double> readNumbers(const HostTensor &tensor);

/// How far one output is from what it should be, over all that was added.
class OutputError {
public:
  void add(const HostTensor &expected, const HostTensor &actual);
  /// The root of the mean square of the differences over that of the expected numbers.
  double getRelative() const;
  double getLargest() const { return largest; } ///< |difference|
  double getLargestNumber() const { return largestNumber; }

private:
  double differences = 0, numbers = 0; ///< sums of squares
  double largest = 0, largestNumber = 0;
};

} // namespace tessera

#endif
