//===- TensorNumbers.cpp - What is in tensors, and how much they differ ---------------------===//
#include "compiler/api/TensorNumbers.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace tessera;

/// The low bits of each byte.
template <unsigned width, bool isSigned>
static void readBits(const HostTensor &tensor, std::vector<double> &numbers) {
  for (uint8_t byte : tensor.data) {
    int code = byte & ((1 << width) - 1);
    numbers.push_back(isSigned && code >> (width - 1) ? code - (1 << width) : code);
  }
}

template <typename T> static void readAs(const HostTensor &tensor, std::vector<double> &numbers) {
  numbers.resize(tensor.data.size() / sizeof(T));
  for (size_t i = 0; i < numbers.size(); ++i) {
    T element;
    std::memcpy(&element, tensor.data.data() + i * sizeof(T), sizeof(T));
    numbers[i] = double(element);
  }
}

std::vector<double> tessera::readNumbers(const HostTensor &tensor) {
  using Read = void (*)(const HostTensor &, std::vector<double> &);
  std::vector<double> numbers;
  if (Read read = llvm::StringSwitch<Read>(tensor.type)
                      .Case("f64", readAs<double>)
                      .Case("f32", readAs<float>)
                      .Case("i8", readAs<int8_t>)
                      .Case("i16", readAs<int16_t>)
                      .Case("i32", readAs<int32_t>)
                      .Case("i64", readAs<int64_t>)
                      .Cases({"u8", "bool"}, readAs<uint8_t>)
                      .Case("u16", readAs<uint16_t>)
                      .Case("u32", readAs<uint32_t>)
                      .Case("u64", readAs<uint64_t>)
                      .Case("i4", readBits<4, true>)
                      .Case("u4", readBits<4, false>)
                      .Case("i2", readBits<2, true>)
                      .Case("u2", readBits<2, false>)
                      .Default(nullptr)) {
    read(tensor, numbers);
    return numbers;
  }
  const llvm::fltSemantics *format = llvm::StringSwitch<const llvm::fltSemantics *>(tensor.type)
                                         .Case("f16", &llvm::APFloat::IEEEhalf())
                                         .Case("bf16", &llvm::APFloat::BFloat())
                                         .Case("f8e4m3fn", &llvm::APFloat::Float8E4M3FN())
                                         .Case("f8e5m2", &llvm::APFloat::Float8E5M2())
                                         .Case("f8e4m3fnuz", &llvm::APFloat::Float8E4M3FNUZ())
                                         .Case("f8e5m2fnuz", &llvm::APFloat::Float8E5M2FNUZ())
                                         .Case("f8e8m0fnu", &llvm::APFloat::Float8E8M0FNU())
                                         .Case("f6e2m3fn", &llvm::APFloat::Float6E2M3FN())
                                         .Case("f6e3m2fn", &llvm::APFloat::Float6E3M2FN())
                                         .Case("f4e2m1fn", &llvm::APFloat::Float4E2M1FN())
                                         .Default(nullptr);
  if (!format)
    return numbers;
  const unsigned width = llvm::APFloat::getSizeInBits(*format);
  const size_t bytes = (width + 7) / 8;
  for (size_t i = 0; i + bytes <= tensor.data.size(); i += bytes) {
    uint64_t bits = 0;
    std::memcpy(&bits, tensor.data.data() + i, bytes);
    llvm::APFloat number(*format, llvm::APInt(width, bits, false, /*implicitTrunc=*/true));
    // A NaN of f8E8M0FNU would become an infinity.
    numbers.push_back(number.isNaN() ? std::numeric_limits<double>::quiet_NaN()
                                     : number.convertToDouble());
  }
  return numbers;
}

void OutputError::add(const HostTensor &expected, const HostTensor &actual) {
  const std::vector<double> wanted = readNumbers(expected), found = readNumbers(actual);
  if (wanted.size() != found.size()) { // Extents that depend on data.
    differences = largest = std::numeric_limits<double>::infinity();
    return;
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == found[i] || (std::isnan(wanted[i]) && std::isnan(found[i]))) {
      if (std::isfinite(wanted[i])) {
        numbers += wanted[i] * wanted[i];
        largestNumber = std::max(largestNumber, std::fabs(wanted[i]));
      }
      continue;
    }
    double difference = std::fabs(wanted[i] - found[i]);
    if (!std::isfinite(difference))
      difference = std::numeric_limits<double>::infinity();
    differences += difference * difference;
    largest = std::max(largest, difference);
    if (std::isfinite(wanted[i])) {
      numbers += wanted[i] * wanted[i];
      largestNumber = std::max(largestNumber, std::fabs(wanted[i]));
    }
  }
}

double OutputError::getRelative() const {
  if (differences == 0)
    return 0;
  return std::sqrt(differences / numbers); // Of nothing but zeros: infinity.
}
