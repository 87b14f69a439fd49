//===- ElementFormat.h - How the elements of a type are stored and rounded -*- C++ -*-===//
//
// The interpreters compute floats in f64 and integers in 64 bits, and round to the element type
// when they store. A sum, product, quotient or square root of floats of at most 24 bits of
// precision, rounded to f64 and then to the type, is the correctly rounded one (Figueroa, "When is
// double rounding innocuous?", 1995).
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_REFERENCE_ELEMENTFORMAT_H
#define TESSERA_COMPILER_REFERENCE_ELEMENTFORMAT_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/APFloat.h"

#include <cstdint>
#include <vector>

namespace tessera::reference {

/// The numbers of a float type whose values are all f64 values.
class FloatFormat {
public:
  /// Null when the type holds more than f64 does.
  static const FloatFormat *find(const llvm::fltSemantics &semantics);

  /// The nearest number of the type, ties to even. Beyond the largest: infinity, or the largest
  /// where the type has no infinity. NaN in a type without NaN is 0.
  double round(double value) const;
  /// An integer rounded once.
  double roundInteger(int64_t value, bool isSigned) const;
  double decode(uint64_t bits) const;
  /// The bits of a number of the type.
  uint64_t encode(double value) const;

private:
  explicit FloatFormat(const llvm::fltSemantics &semantics);
  double decodeSlowly(uint64_t bits) const;

  const llvm::fltSemantics &semantics;
  int width, precision, minExponent;
  double largest, smallest;
  bool hasInfinity, hasNan, hasNegativeZero, hasZero;
  uint64_t nanBits = 0, infinityBits = 0;
  std::vector<double> table; ///< of all bit patterns, for types of at most 16 bits
};

/// An element type as the interpreters see it: its class, its size, its conversions.
class ElementFormat {
public:
  enum class Class { None, Bool, Integer, Float, Opaque };

  ElementFormat() = default;
  /// Class None when the type has no reference (f80, f128). Integers without a sign are read as
  /// signed.
  explicit ElementFormat(mlir::Type type);

  explicit operator bool() const { return elementClass != Class::None; }
  bool isFloat() const { return elementClass == Class::Float; }
  bool isInteger() const { return elementClass == Class::Integer; }
  bool isBool() const { return elementClass == Class::Bool; }
  /// Packed blocks and strings: elements that only move.
  bool isOpaque() const { return elementClass == Class::Opaque; }
  bool isUnsigned() const { return !isSigned; }
  unsigned getWidth() const { return width; }
  int64_t getByteSize() const { return bytes; }

  /// Floats as numbers, integers converted (rounded to f64 where they are longer).
  double loadReal(const char *element) const;
  void storeReal(char *element, double value) const;
  /// Integers and bools; ui64 as the same 64 bits.
  int64_t loadInteger(const char *element) const;
  void storeInteger(char *element, int64_t value) const;

  /// What storing and loading again gives.
  double round(double value) const;
  int64_t wrap(int64_t value) const;
  /// Of a float type: an integer rounded once.
  double roundInteger(int64_t value, bool isSignedValue) const;
  /// Truncates a number towards zero into this integer type: saturates, NaN gives 0.
  int64_t saturate(double value) const;
  /// An integer of another type: the nearest this type has.
  int64_t saturate(int64_t value, bool isSignedValue) const;

private:
  Class elementClass = Class::None;
  bool isSigned = false;
  unsigned width = 0;
  int64_t bytes = 0;
  const FloatFormat *format = nullptr;
};

} // namespace tessera::reference

#endif
