//===- Contraction.cpp - Sums of products ---------------------------------===//
#include "compiler/reference/graph/Accumulate.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

/// How far a step of each letter moves in an operand.
static SmallVector<int64_t> stepsOf(StringRef letters, const Tensor &operand, StringRef loops) {
  SmallVector<int64_t> strides = operand.strides();
  return llvm::map_to_vector(loops, [&](char letter) -> int64_t {
    size_t place = letters.find(letter);
    return place == StringRef::npos ? 0 : strides[place];
  });
}

static Tensors evaluateContract(graph::ContractOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &lhs = operands[0], &rhs = operands[1];
  FailureOr<Tensor> result = evaluation.make(op.getType());
  if (failed(result))
    return failure();
  StringRef lhsLetters = op.getLhsLetters(), rhsLetters = op.getRhsLetters();
  std::string kept = op.getResultLetters().str(), summed;
  SmallVector<int64_t> extents;
  int64_t products = result->size();
  for (auto [letters, operand] : {std::pair(lhsLetters, &lhs), std::pair(rhsLetters, &rhs)})
    for (auto [letter, extent] : llvm::zip(letters, operand->getShape())) {
      if ((kept + summed).find(letter) != std::string::npos)
        continue;
      summed += letter;
      extents.push_back(extent);
      products *= std::max<int64_t>(extent, 1);
    }
  if (failed(evaluation.spend(products)))
    return failure();
  auto lhsOuter = stepsOf(lhsLetters, lhs, kept), rhsOuter = stepsOf(rhsLetters, rhs, kept);
  auto lhsInner = stepsOf(lhsLetters, lhs, summed), rhsInner = stepsOf(rhsLetters, rhs, summed);
  ProductSum sum(lhs, rhs, op.getAccumulatorType());
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    int64_t i = 0, j = 0;
    for (size_t k = 0; k < index.size(); ++k) {
      i += index[k] * lhsOuter[k];
      j += index[k] * rhsOuter[k];
    }
    sum.clear();
    forEachIndex(extents, [&](ArrayRef<int64_t> inner, int64_t) {
      int64_t p = i, q = j;
      for (size_t k = 0; k < inner.size(); ++k) {
        p += inner[k] * lhsInner[k];
        q += inner[k] * rhsInner[k];
      }
      sum.add(p, q);
    });
    sum.store(*result, place);
  });
  return single(*result);
}

void reference::attachContraction(MLIRContext &context) { attach<evaluateContract>(context); }
