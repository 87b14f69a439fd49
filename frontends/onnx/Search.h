//===- Search.h - Keys that are known, found among data -------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_SEARCH_H
#define TESSERA_FRONTENDS_ONNX_SEARCH_H

#include "frontends/onnx/Importer.h"

namespace tessera::onnx {

/// A search by halves: as many gathers as their number has bits. `sorted` holds a power of two of
/// numbers, the last of which nothing is above of: si32 places of the first that is not below x, in
/// x's dims.
Value lowerBound(Node &node, Value sorted, Value x);

/// Different integers, of which the place of each element of x (si64) among them is asked for.
class IntegerMap {
public:
  /// `results[i]` stands for `keys[i]`, of equal keys the last one's.
  IntegerMap(Node &node, llvm::ArrayRef<int64_t> keys, llvm::ArrayRef<int64_t> results);
  /// si64 in x's dims; `otherwise` for what is no key.
  Value find(Value x, int64_t otherwise);

private:
  Node &node;
  std::vector<int64_t> sorted, values;
};

} // namespace tessera::onnx

#endif
