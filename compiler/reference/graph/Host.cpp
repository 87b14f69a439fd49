//===- Host.cpp - Host operators ------------------------------------------===//
#include "compiler/reference/graph/Host.h"
#include "compiler/reference/graph/Rules.h"
#include "dialects/graph/Host.h"

#include <atomic>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static std::atomic<HostRunner> hostRunner = nullptr;

void reference::setHostRunner(HostRunner runner) { hostRunner = runner; }

static Tensors evaluateHostCall(graph::HostCallOp op, Operands operands, Evaluation &evaluation) {
  HostRunner run = hostRunner;
  if (!run)
    return evaluation.fail("'" + op.getFunction() + "' is run by nothing here");
  SmallVector<Tensor> results;
  for (Type type : op.getResultTypes()) {
    FailureOr<Tensor> result = evaluation.make(type);
    if (failed(result))
      return failure();
    results.push_back(std::move(*result));
  }
  if (std::string problem = run(op.getFunction(), op.getOptions(), operands, results);
      !problem.empty())
    return evaluation.fail(problem);
  return results;
}

void reference::attachHost(MLIRContext &context) { attach<evaluateHostCall>(context); }
