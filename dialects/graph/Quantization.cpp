//===- Quantization.cpp - Between numbers and their quantized form ----------------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Quantization.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerQuantizationOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Quantization.cpp.inc"
      >();
}

LogicalResult DecodeBlocksOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                               Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  if (type.rank() == 0)
    return emitOptionalError(loc, "(C1) the operand has rank 0");
  StringRef name = llvm::cast<BlockType>(type.getElementType()).getFormat();
  SmallVector<DimAttr> dims(type.getDims());
  DimExpr extent = DimExpr(dims.back()) * findBlockFormat(name)->elements;
  if (!extent)
    return emitOptionalError(loc, "the extent of the last axis overflows 64 bits");
  dims.back() = extent;
  inferred.push_back(TensorType::get(dims, Float32Type::get(context)));
  return success();
}

} // namespace tessera::graph
