//===- State.cpp - Variables that keep their value between calls ----------===//
#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static Tensors evaluateRead(graph::ReadVariableOp op, Operands, Evaluation &evaluation) {
  return single(evaluation.read(op.getVariable()));
}

static Tensors evaluateWrite(graph::WriteVariableOp op, Operands operands, Evaluation &evaluation) {
  evaluation.write(op.getVariable(), operands[0]);
  return SmallVector<Tensor>{};
}

void reference::attachState(MLIRContext &context) { attach<evaluateRead, evaluateWrite>(context); }
