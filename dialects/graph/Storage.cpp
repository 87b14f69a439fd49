//===- Storage.cpp - What tensors are in memory --------------------------------------------===//

#include "dialects/graph/Storage.h"

using namespace mlir;

namespace tessera::graph {

TensorType getStorageType(TensorType type) {
  auto block = llvm::dyn_cast<BlockType>(type.getElementType());
  if (!block)
    return type;
  int64_t bytes = findBlockFormat(block.getFormat())->getBytes();
  SmallVector<DimAttr> dims(type.getDims());
  if (dims.empty())
    dims.push_back(getDim(type.getContext(), 1));
  dims.back() = DimExpr(dims.back()) * bytes;
  return TensorType::get(dims, IntegerType::get(type.getContext(), 8, IntegerType::Unsigned));
}

} // namespace tessera::graph
