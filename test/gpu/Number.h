//===- Number.h - Formats and rounding --------------------------------------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_NUMBER_H
#define TESSERA_TEST_GPU_NUMBER_H

#include "test/gpu/Ptx.h"

namespace tessera::ptx {

/// The value of a float's bits; exact for every format.
double toDouble(Type type, uint64_t bits);

/// The bits of the nearest number of the format in the direction `round`. Halfway cases go to even.
/// `isSaturated`: what is too large becomes the largest finite number instead of infinity or NaN
/// (cvt to the 8-bit formats, section 9.7.9.21).
uint64_t fromDouble(Type type, double value, Round round, bool isSaturated = false);

/// a * b + c, rounded once to the format.
uint64_t fusedMultiplyAdd(Type type, double a, double b, double c, Round round);
uint64_t add(Type type, double a, double b, Round round);
uint64_t multiply(Type type, double a, double b, Round round);
uint64_t divide(Type type, double a, double b, Round round);
uint64_t squareRoot(Type type, double a, Round round);

/// Rounds to an integer of the type; NaN is 0, what is out of range is the nearest end
/// (section 9.7.9.21).
uint64_t toInteger(Type type, double value, Round round);
/// To the nearest integral value of a float.
double toIntegral(double value, Round round);
/// From an integer of 64 bits, rounded once.
uint64_t fromInteger(Type type, uint64_t bits, bool isSigned, Round round);

bool isNan(Type type, uint64_t bits);
bool isSubnormal(Type type, uint64_t bits);
/// The NaN that arithmetic gives (section 9.7.3): 0x7fffffff, 0x7fff, ...
uint64_t canonicalNan(Type type);
uint64_t signBit(Type type);

} // namespace tessera::ptx

#endif
