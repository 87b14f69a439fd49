//===- Control.cpp - Branches and loops -----------------------------------===//
#include "compiler/reference/graph/Rules.h"
#include "dialects/graph/Gradient.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static Tensors evaluateIf(graph::IfOp op, Operands operands, Evaluation &evaluation) {
  return evaluation.run(operands[0].integer(0) ? op.getThenRegion() : op.getElseRegion(), {});
}

static Tensors evaluateWhile(graph::WhileOp op, Operands operands, Evaluation &evaluation) {
  SmallVector<Tensor> carried(operands);
  while (true) {
    Tensors condition = evaluation.run(op.getCondRegion(), carried);
    // An endless loop ends at the limit.
    if (failed(condition) || failed(evaluation.spend(1024)))
      return failure();
    if (!condition->front().integer(0))
      return carried;
    Tensors next = evaluation.run(op.getBodyRegion(), carried);
    if (failed(next))
      return failure();
    carried = std::move(*next);
  }
}

/// The callee has symbols of its own, and the caller's variables.
static Tensors evaluateCall(graph::CallOp op, Operands operands, Evaluation &evaluation) {
  auto callee = evaluation.getModule().lookupSymbol<graph::FuncOp>(op.getCallee());
  if (failed(evaluation.spend(1024)))
    return failure();
  Evaluation inner(evaluation.getModule(), {.steps = evaluation.getRemainingSteps()});
  for (const auto &variable : evaluation.getVariables())
    inner.write(variable.getKey(), variable.getValue());
  Tensors results = inner.call(callee, operands);
  if (failed(results))
    return evaluation.fail("in '" + op.getCallee() + "': " + inner.getError());
  for (const auto &variable : inner.getVariables())
    evaluation.write(variable.getKey(), variable.getValue());
  return results;
}

/// A gradient means the ops that it expands to.
static Tensors evaluateGradient(graph::GradientOp op, Operands operands, Evaluation &evaluation) {
  Region region;
  Block &block = region.emplaceBlock();
  IRMapping mapping;
  for (Value operand : op.getOperands())
    mapping.map(operand, block.addArgument(operand.getType(), operand.getLoc()));
  OpBuilder builder(op.getContext());
  builder.setInsertionPointToStart(&block);
  auto copy = llvm::cast<graph::GradientOp>(builder.clone(*op, mapping));
  std::string why;
  FailureOr<SmallVector<Value>> results = graph::expandGradient(copy, builder, why);
  if (failed(results))
    return evaluation.fail(why);
  copy.erase();
  graph::YieldOp::create(builder, op.getLoc(), *results);
  return evaluation.run(region, operands);
}

void reference::attachControl(MLIRContext &context) {
  attach<evaluateCall, evaluateGradient, evaluateIf, evaluateWhile>(context);
}
