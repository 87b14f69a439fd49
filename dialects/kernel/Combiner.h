//===- Combiner.h - How a stage reduces -------------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_COMBINER_H
#define TESSERA_DIALECTS_KERNEL_COMBINER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace tessera::kernel {

/// How a reducing stage combines: `yield op(acc, element)`.
struct Combiner {
  mlir::Operation *op = nullptr; ///< an associative and commutative operation, or math.fma
  mlir::Value element;           ///< null for math.fma
  mlir::TypedAttr identity;
  /// Builds `combine(a, b)`.
  mlir::Value combine(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value a,
                      mlir::Value b) const;
};
/// The combiner of one result, or none when the reduction is not known to be associative.
std::optional<Combiner> matchCombiner(mlir::linalg::GenericOp stage, unsigned result);

} // namespace tessera::kernel

#endif
