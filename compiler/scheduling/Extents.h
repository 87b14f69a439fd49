//===- Extents.h - The extents of a kernel at given sizes ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_EXTENTS_H
#define TESSERA_COMPILER_SCHEDULING_EXTENTS_H

#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseMap.h"

#include <optional>
#include <vector>

namespace tessera::scheduling {

/// What a launch hands over: extents of the tensor arguments as the model has them (before
/// packing), and values of the `index` arguments behind them. ShapedType::kDynamic is unknown.
struct KernelSizes {
  std::vector<llvm::SmallVector<int64_t>> tensors;
  std::vector<int64_t> values;
};

/// Follows the arithmetic of a kernel on extents.
class Extents {
public:
  Extents(kernel::FuncOp kernel, const KernelSizes &sizes) : kernel(kernel), sizes(sizes) {}
  std::optional<int64_t> valueOf(mlir::Value index);
  std::optional<int64_t> extentOf(mlir::Value tensor, int64_t dim);
  /// Of every loop of a stage; none when one is unknown.
  std::optional<llvm::SmallVector<int64_t>> loopsOf(mlir::linalg::GenericOp stage);
  /// Of all elements, each once; none when an extent is unknown.
  std::optional<double> bytesOf(mlir::Value tensor);

private:
  std::optional<int64_t> compute(mlir::Value index);
  kernel::FuncOp kernel;
  const KernelSizes &sizes;
  llvm::DenseMap<mlir::Value, std::optional<int64_t>> known;
};

} // namespace tessera::scheduling

#endif
