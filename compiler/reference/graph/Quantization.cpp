//===- Quantization.cpp - Between numbers and their quantized form --------===//
#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static Tensors evaluateDecodeBlocks(graph::DecodeBlocksOp op, Operands operands,
                                    Evaluation &evaluation) {
  const Tensor &blocks = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  auto type = llvm::cast<graph::BlockType>(blocks.getElementType());
  const BlockFormat *format = findBlockFormat(type.getFormat());
  const BlockCodec codec(*format);
  std::vector<float> numbers(format->elements);
  for (int64_t i = 0; i < blocks.size(); ++i) {
    codec.decode(reinterpret_cast<const uint8_t *>(blocks.at(i)), numbers.data());
    for (auto [k, number] : llvm::enumerate(numbers))
      result->set(i * format->elements + int64_t(k), double(number));
  }
  return single(*result);
}

void reference::attachQuantization(MLIRContext &context) { attach<evaluateDecodeBlocks>(context); }
