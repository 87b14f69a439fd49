//===- LowerQuantization.cpp - Packed blocks ---------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

#include "dialects/common/BlockDecode.h"
#include "dialects/graph/WeightStore.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;

using BodyBuilder = ImplicitLocOpBuilder;

/// Whether the blocks are a constant, and none has numbers for which the format's rule needs care.
static bool areOrdinary(graph::DecodeBlocksOp op, const BlockFormat &format) {
  graph::ConstantOp constant = graph::getConstantSource(op.getX());
  if (!constant || format.code.kind != BlockCode::Float)
    return false;
  graph::WeightStore &store =
      op.getContext()->getLoadedDialect<graph::GraphDialect>()->getWeightStore();
  std::vector<char> storage;
  llvm::Expected<ArrayRef<char>> bytes = store.getBytes(constant.getValue(), storage);
  if (!bytes) {
    llvm::consumeError(bytes.takeError()); // Whoever writes the constant reports it.
    return false;
  }
  const BlockCodec codec(format);
  for (size_t at = 0; at + format.getBytes() <= bytes->size(); at += format.getBytes())
    if (!isOrdinaryBlock(format, codec, reinterpret_cast<const uint8_t *>(bytes->data() + at)))
      return false;
  return true;
}

/// Each element by the format's rule, from the bytes of its block.
static Tensors lowerDecodeBlocks(graph::DecodeBlocksOp op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op.getResult());
  StringRef name =
      llvm::cast<graph::BlockType>(graph::getTensorType(op.getX()).getElementType()).getFormat();
  const BlockFormat &format = *findBlockFormat(name);
  Value bytes = emitter.lookup(op.getX());
  Type element = type.getElementType();
  bool ordinary = areOrdinary(op, format);
  return SmallVector<Value>{emitter.mapIndexed(
      "decode", type.getDims(), getKernelElementType(element), [&](BodyBuilder &b, ValueRange i) {
        Value size = arith::ConstantIndexOp::create(b, format.elements);
        Value first = arith::MulIOp::create(b, arith::DivUIOp::create(b, i.back(), size),
                                            arith::ConstantIndexOp::create(b, format.getBytes()));
        Value number = decodeElement(
            b, format, arith::RemUIOp::create(b, i.back(), size),
            [&](Value place) {
              SmallVector<Value> at(i);
              at.back() = arith::AddIOp::create(b, first, place);
              return extract(b, bytes, at);
            },
            ordinary);
        return convertScalar(b, number, b.getF32Type(), element);
      })};
}

void tessera::lower::attachQuantization(MLIRContext &context) {
  graph::DecodeBlocksOp::attachInterface<
      Model<graph::DecodeBlocksOp, FusionClass::Unpack, lowerDecodeBlocks>>(context);
}
