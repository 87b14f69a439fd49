//===- Machine.cpp - What a machine can do, for predictions --------------------------------===//
#include "compiler/scheduling/Machine.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cmath>

namespace tessera::scheduling {

namespace {
/// A field of the text; vectorBits, which is no double, stands first and apart.
struct Field {
  llvm::StringLiteral name;
  double Machine::*value;
};
} // namespace

static constexpr llvm::StringLiteral kVectorBits = "vector_bits";
static constexpr Field kFields[] = {{"threads", &Machine::threads},
                                    {"flops", &Machine::flopsPerCore},
                                    {"byte_products", &Machine::byteProductsPerCore},
                                    {"bf16_products", &Machine::bf16ProductsPerCore},
                                    {"l1_bytes", &Machine::l1Bytes},
                                    {"l2_bytes", &Machine::l2Bytes},
                                    {"l3_bytes", &Machine::l3Bytes},
                                    {"l1_rate", &Machine::l1Rate},
                                    {"l2_rate", &Machine::l2Rate},
                                    {"l3_rate", &Machine::l3Rate},
                                    {"memory_rate", &Machine::memoryRate},
                                    {"all_memory_rate", &Machine::allMemoryRate},
                                    {"launch_seconds", &Machine::launchSeconds},
                                    {"share_seconds", &Machine::shareSeconds}};

double Machine::readRate(double bytes, double cores) const {
  // What all cores read is shared among them, and half of a cache holds other things.
  if (bytes <= cores * l1Bytes / 2)
    return l1Rate * cores;
  if (bytes <= cores * l2Bytes / 2)
    return l2Rate * cores;
  if (bytes <= l3Bytes / 2)
    return l3Rate * cores;
  return cores > 1 ? std::max(memoryRate, allMemoryRate) : memoryRate;
}

Machine Machine::forCode(int64_t bits, bool hasByteProducts, bool hasBf16Products) const {
  Machine machine = *this;
  if (bits < vectorBits) {
    machine.flopsPerCore *= double(bits) / double(vectorBits);
    machine.byteProductsPerCore *= double(bits) / double(vectorBits);
    machine.bf16ProductsPerCore *= double(bits) / double(vectorBits);
    machine.vectorBits = bits;
  }
  if (!hasByteProducts)
    machine.byteProductsPerCore = 0;
  if (!hasBf16Products)
    machine.bf16ProductsPerCore = 0;
  return machine;
}

std::optional<Machine> Machine::parse(llvm::StringRef text, std::string &problem) {
  Machine machine;
  llvm::SmallVector<llvm::StringRef> words;
  llvm::SplitString(text, words, " ,");
  for (llvm::StringRef word : words) {
    auto [name, number] = word.split('=');
    double value = 0;
    const bool isNumber = !number.getAsDouble(value) && std::isfinite(value) && value >= 0;
    const Field *field = llvm::find_if(kFields, [&](const Field &f) { return f.name == name; });
    const bool mayBeZero = name.ends_with("_products") || name.ends_with("_seconds");
    if (!isNumber || (value == 0 && !mayBeZero)) {
      problem = "the machine's '" + word.str() + "': expected NAME=NUMBER, positive";
      return std::nullopt;
    }
    if (name == kVectorBits) {
      machine.vectorBits = int64_t(value);
    } else if (field != std::end(kFields)) {
      machine.*(field->value) = value;
    } else {
      problem = "a machine has no '" + name.str() + "'";
      return std::nullopt;
    }
  }
  return machine;
}

} // namespace tessera::scheduling
