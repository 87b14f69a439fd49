//===- ContractTransposedConv.cpp - Windows that do not overlap are a contraction ---------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHCONTRACTTRANSPOSEDCONV
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

/// With strides equal to the window, out[n, o, y * s + k] = sum over c of x[n, c, y] w[c, o, k]: a
/// contraction whose result has y and k as neighbours, and a view.
static void rewrite(graph::ConvTransposeOp op) {
  graph::TensorType x = graph::getTensorType(op.getX()), weight = graph::getTensorType(op.getWeight());
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  if (op.getLayout() || op.getGroups() != 1 || !llvm::all_of(op.getLo(), isZero) ||
      !llvm::all_of(op.getHi(), isZero) || !llvm::all_of(op.getOutputPadding(), isZero))
    return;
  size_t spatial = x.rank() - 2;
  for (size_t i = 0; i < spatial; ++i)
    if (op.getDilations()[i] != 1 || weight.getDim(2 + i).getConstant() != op.getStrides()[i])
      return;
  // Letters: n, c, o, then y and k of every axis.
  std::string lhs = "nc", rhs = "co", result = "no";
  SmallVector<DimAttr> dims = {x.getDim(0), weight.getDim(1)};
  for (size_t i = 0; i < spatial; ++i) {
    lhs += char('u' + i);
    rhs += char('U' + i);
    result += {char('u' + i), char('U' + i)};
    dims.push_back(x.getDim(2 + i));
    dims.push_back(weight.getDim(2 + i));
  }
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  Value sum = b.create<graph::ContractOp>(op.getType().withDims(dims), lhs + "," + rhs + "->" + result,
                                          op.getX(), op.getWeight(), op.getAccAttr());
  op.replaceAllUsesWith(b.reshape(sum, op.getType().getDims()));
  op.erase();
}

namespace {
struct GraphContractTransposedConv
    : transforms::impl::GraphContractTransposedConvBase<GraphContractTransposedConv> {
  void runOnOperation() override {
    SmallVector<graph::ConvTransposeOp> ops;
    getOperation().walk([&](graph::ConvTransposeOp op) { ops.push_back(op); });
    for (graph::ConvTransposeOp op : ops)
      rewrite(op);
  }
};
} // namespace
