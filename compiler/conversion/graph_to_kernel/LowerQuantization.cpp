//===- LowerQuantization.cpp - Packed blocks ---------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

#include "dialects/common/BlockDecode.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;

using BodyBuilder = ImplicitLocOpBuilder;

/// Each element by the format's rule, from the bytes of its block.
static Tensors lowerDecodeBlocks(graph::DecodeBlocksOp op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op.getResult());
  StringRef name =
      llvm::cast<graph::BlockType>(graph::getTensorType(op.getX()).getElementType()).getFormat();
  const BlockFormat &format = *findBlockFormat(name);
  Value bytes = emitter.lookup(op.getX());
  Type element = type.getElementType();
  return SmallVector<Value>{emitter.mapIndexed(
      "decode", type.getDims(), getKernelElementType(element), [&](BodyBuilder &b, ValueRange i) {
        Value size = arith::ConstantIndexOp::create(b, format.elements);
        Value first = arith::MulIOp::create(b, arith::DivUIOp::create(b, i.back(), size),
                                            arith::ConstantIndexOp::create(b, format.getBytes()));
        Value number =
            decodeElement(b, format, arith::RemUIOp::create(b, i.back(), size), [&](Value place) {
              SmallVector<Value> at(i);
              at.back() = arith::AddIOp::create(b, first, place);
              return extract(b, bytes, at);
            });
        return convertScalar(b, number, b.getF32Type(), element);
      })};
}

void tessera::lower::attachQuantization(MLIRContext &context) {
  graph::DecodeBlocksOp::attachInterface<
      Model<graph::DecodeBlocksOp, FusionClass::Unpack, lowerDecodeBlocks>>(context);
}
