//===- CodePoints.h - Sets of characters ----------------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_CODEPOINTS_H
#define TESSERA_FRONTENDS_ONNX_CODEPOINTS_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace tessera::onnx {

constexpr uint32_t kLastPoint = 0x10FFFF;

/// A set of code points: ranges, sorted and apart once `normalize` was called.
struct Points {
  std::vector<std::pair<uint32_t, uint32_t>> ranges;

  Points() = default;
  Points(std::initializer_list<std::pair<uint32_t, uint32_t>> ranges) : ranges(ranges) {}

  void add(uint32_t low, uint32_t high) { ranges.push_back({low, high}); }
  void add(const Points &other) {
    ranges.insert(ranges.end(), other.ranges.begin(), other.ranges.end());
  }
  // The others leave a normal set.
  void normalize();
  void invert();
  /// Adds what differs from an element in case only.
  void foldCase();
  /// Adds the characters of a general category of Unicode ("Lu"), of all that begin with a letter
  /// ("L"), of a script ("Greek", "Old_Italic"), or all ("Any"); false when there is no such name.
  bool addNamed(llvm::StringRef name);

private:
  bool contains(uint32_t point) const; // of a normal set
};

} // namespace tessera::onnx

#endif
