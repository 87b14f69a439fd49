//===- Storage.h - What tensors are in memory ----------------------------------------------===//
#ifndef TESSERA_DIALECTS_GRAPH_STORAGE_H
#define TESSERA_DIALECTS_GRAPH_STORAGE_H

#include "dialects/graph/Graph.h"

namespace tessera::graph {

/// The type in memory: packed blocks are bytes, and the last extent counts them; all else stays.
TensorType getStorageType(TensorType type);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_STORAGE_H
