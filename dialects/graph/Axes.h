//===- Axes.h - Lists of axes that disappear ---------------------------------------===//
#ifndef TESSERA_DIALECTS_GRAPH_AXES_H
#define TESSERA_DIALECTS_GRAPH_AXES_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/Diagnostics.h"

namespace tessera::graph {

/// "(C1) axes are strictly increasing and below the rank."
inline llvm::LogicalResult checkAxes(std::optional<mlir::Location> loc, TensorType type,
                                     llvm::ArrayRef<int64_t> axes) {
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (axis <= previous || axis >= type.rank())
      return mlir::emitOptionalError(
          loc, "(C1) axes must be strictly increasing and below the rank, ", type.rank());
    previous = axis;
  }
  return mlir::success();
}

/// The dims that are no axes.
inline llvm::SmallVector<DimAttr> dropAxes(TensorType type, llvm::ArrayRef<int64_t> axes) {
  llvm::SmallVector<DimAttr> dims;
  for (int64_t i = 0; i < type.rank(); ++i)
    if (!llvm::is_contained(axes, i))
      dims.push_back(type.getDim(i));
  return dims;
}

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_AXES_H
