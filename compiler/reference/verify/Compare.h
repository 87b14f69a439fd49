//===- Compare.h - Whether two tensors say the same ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_VERIFY_COMPARE_H
#define TESSERA_COMPILER_REFERENCE_VERIFY_COMPARE_H

#include "compiler/reference/Tensor.h"

namespace tessera::reference {

/// How far floats may be apart: a number of units in the last place of the largest magnitude in the
/// tensor (64 for f32 and f64, 8 for shorter types), since sums in another order err at that scale.
double getTolerance(const Tensor &tensor);

/// Where and how two tensors differ, as a sentence's end ("at [1, 2] is 3, expected 4"); "" when
/// they do not. Integers and bools must be equal. NaN equals NaN, and the zeros equal each other;
/// with `mayLoseNaN` a number is as good as an expected NaN.
std::string describeDifference(const Tensor &found, const Tensor &expected,
                               bool mayLoseNaN = false);

} // namespace tessera::reference

#endif
