//===- Rows.h - Ops that work on the same rows ----------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_ROWS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_ROWS_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

namespace tessera {

/// Where a thread can keep a row beside what it computes.
struct ShortRows {
  graph::DimAttr extent; ///< that is not known; null: all is known, and short
  int64_t most = 0;      ///< that the extent may be
};

/// What reductions along trailing axes of tensors of one shape have in common: a row, which stays
/// in cache while everything about it is computed.
struct RowDomain {
  llvm::ArrayRef<graph::DimAttr> dims; // of what is reduced
  llvm::ArrayRef<int64_t> axes;
  bool operator==(const RowDomain &other) const { return dims == other.dims && axes == other.axes; }
  llvm::ArrayRef<graph::DimAttr> kept() const { return dims.drop_back(axes.size()); }
  /// When a row is short: always, never, or where one extent is small enough.
  std::optional<ShortRows> whenShort() const;
};

/// The rows that a reduction works on, when its axes are the trailing ones. A whole tensor is no
/// row: it need not fit in cache.
std::optional<RowDomain> rowDomainOf(mlir::Operation *op);
/// The rows that all reductions of a group work on.
std::optional<RowDomain> rowDomainOf(llvm::ArrayRef<mlir::Operation *> group);

/// Whether a costly map of groups with reductions would be computed several times if they were one
/// kernel: for a reduction, and again for what follows from it. A short row of it is kept for one
/// result, so it would not.
bool repeatsCost(llvm::ArrayRef<llvm::ArrayRef<mlir::Operation *>> groups, bool rowsAreShort);

/// For a group that is one kernel only where its rows are short: when they are.
std::optional<ShortRows> needsShortRows(llvm::ArrayRef<mlir::Operation *> group);

} // namespace tessera

#endif
