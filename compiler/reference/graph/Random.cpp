//===- Random.cpp - Random bits -------------------------------------------===//
#include "compiler/reference/graph/Rules.h"

#include <array>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

/// Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, 2011): one block of four words.
static std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(counter[0]) * 0xD2511F53u, b = uint64_t(counter[2]) * 0xCD9E8D57u;
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

static Tensors evaluateRandomBits(graph::RandomBitsOp op, Operands operands,
                                  Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getType());
  if (failed(result) || failed(evaluation.spend(32 * result->size())))
    return failure();
  std::array<uint32_t, 2> key{uint32_t(operands[0].integer(0)), uint32_t(operands[0].integer(1))};
  for (int64_t i = 0; i < result->size(); ++i) {
    uint64_t block = uint64_t(i) / 4;
    result->set(i, int64_t(philox({uint32_t(block), uint32_t(block >> 32), 0, 0}, key)[i % 4]));
  }
  return single(*result);
}

void reference::attachRandom(MLIRContext &context) { attach<evaluateRandomBits>(context); }
