//===- Compare.cpp - Whether two tensors say the same ------------------------------===//
#include "compiler/reference/verify/Compare.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace tessera::reference;

double tessera::reference::getTolerance(const Tensor &tensor) {
  auto type = llvm::cast<FloatType>(tensor.getElementType());
  unsigned precision = llvm::APFloat::semanticsPrecision(type.getFloatSemantics());
  double largest = 0;
  for (int64_t i = 0; i < tensor.size(); ++i)
    if (double value = std::fabs(tensor.real(i)); std::isfinite(value))
      largest = std::max(largest, value);
  return std::ldexp(largest, 1 - int(precision)) * (type.getWidth() >= 32 ? 64 : 8);
}

std::string tessera::reference::describeDifference(const Tensor &found, const Tensor &expected,
                                                   bool mayLoseNaN) {
  if (found.getElementType() != expected.getElementType() ||
      found.getShape() != expected.getShape())
    return "is " + describe(found.getElementType(), found.getShape()) + ", expected " +
           describe(expected.getElementType(), expected.getShape());
  double tolerance = expected.isFloat() ? getTolerance(expected) : 0;
  auto isEqual = [&](int64_t i) {
    if (!expected.isFloat())
      return std::memcmp(found.at(i), expected.at(i), expected.getFormat().getByteSize()) == 0;
    double x = found.real(i), y = expected.real(i);
    if (std::isnan(x) || std::isnan(y))
      return std::isnan(y) && (std::isnan(x) || mayLoseNaN);
    return x == y || std::fabs(x - y) <= tolerance;
  };
  std::string text;
  int64_t differing = 0;
  forEachIndex(expected.getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    if (isEqual(place) || differing++ > 0)
      return;
    llvm::raw_string_ostream os(text);
    os << "at [";
    llvm::interleaveComma(index, os);
    os << "] is " << printElement(found, place) << ", expected " << printElement(expected, place);
  });
  if (differing > 1)
    text += " (" + std::to_string(differing) + " of " + std::to_string(expected.size()) +
            " elements differ)";
  return text;
}
