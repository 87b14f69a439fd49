//===- Sums.h - In what types a kernel keeps running sums -----------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_SUMS_H
#define TESSERA_DIALECTS_KERNEL_SUMS_H

#include "dialects/kernel/Kernel.h"

namespace tessera::kernel {

/// Types that the model itself asks for where sums would have more bits (array of types), on
/// kernel.func.
constexpr llvm::StringLiteral kAskedSumsAttr = "kernel.asked_sums";

/// A result of a stage that is computed from its running value by arithmetic. What only selects
/// (a maximum, the index of one) loses nothing in any type, and is no sum.
struct Sum {
  mutable mlir::linalg::GenericOp stage;
  unsigned result;
  mlir::Type type;   ///< of the running value
  mlir::Type widest; ///< of the elements of the same class that are summed; null: none
  bool ofProducts;   ///< integers: products are what is added
};
llvm::SmallVector<Sum> findSums(FuncOp kernel);

/// The types of all sums of a kernel, each once.
llvm::SmallVector<mlir::Type> getSumTypes(FuncOp kernel);

/// The fewest bits in which such a sum may be kept: 32 for floats and for products of integers, and
/// never fewer than what is summed.
unsigned getLeastBits(const Sum &sum);

} // namespace tessera::kernel

#endif
