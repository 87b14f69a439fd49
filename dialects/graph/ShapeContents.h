//===- ShapeContents.h - Integer tensors as expressions over symbols ---------------------===//
//
// Models compute shapes with tensors: shape_of, gather, concat, arithmetic, also by way of floats
// (ceil(h / 32) * 32). This analysis says what such a tensor holds.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_SHAPECONTENTS_H
#define TESSERA_DIALECTS_GRAPH_SHAPECONTENTS_H

#include "dialects/graph/Graph.h"

namespace tessera::graph {

using DimList = llvm::SmallVector<DimAttr>;

/// The elements (row-major) of an integer or bool tensor as expressions over the symbols of its
/// function; none when they depend on data, or there are more than kMaxShapeContents of them.
std::optional<DimList> getShapeContents(mlir::Value value);
constexpr int64_t kMaxShapeContents = 256;

/// The only element, when the tensor has one.
DimAttr getShapeScalar(mlir::Value value);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_SHAPECONTENTS_H
