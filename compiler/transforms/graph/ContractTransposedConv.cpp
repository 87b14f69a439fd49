//===- ContractTransposedConv.cpp - Windows that do not overlap are a contraction
//---------------===//

#include "compiler/transforms/graph/ContractTransposedConv.h"

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHCONTRACTTRANSPOSEDCONV
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

bool transforms::isContraction(graph::ConvTransposeOp op) {
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  if (op.getGroups() != 1 || !llvm::all_of(op.getLo(), isZero) ||
      !llvm::all_of(op.getHi(), isZero) || !llvm::all_of(op.getOutputPadding(), isZero))
    return false;
  graph::ConvLayout layout = op.getConvLayout();
  graph::TensorType weight = graph::getTensorType(op.getWeight());
  for (auto [dim, stride, dilation] :
       llvm::zip_equal(layout.weightSpatial, op.getStrides(), op.getDilations()))
    if (dilation != 1 || weight.getDim(dim).getConstant() != stride)
      return false;
  return true;
}

/// With strides equal to the window, out[n, o, y * s + k] = sum over c of x[n, c, y] w[c, o, k]: a
/// contraction whose result has y and k as neighbours, and a view. Every tensor keeps its layout.
static void rewrite(graph::ConvTransposeOp op) {
  if (!transforms::isContraction(op))
    return;
  graph::ConvLayout layout = op.getConvLayout();
  graph::TensorType x = graph::getTensorType(op.getX()),
                    weight = graph::getTensorType(op.getWeight());
  size_t spatial = layout.spatialRank();
  // Letters: n, c, o, then y (u, v, w) and k (U, V, W) of every axis.
  std::string lhs(x.rank(), ' '), rhs(weight.rank(), ' ');
  lhs[layout.xBatch] = 'n';
  lhs[layout.xChannel] = rhs[layout.weightInput] = 'c';
  rhs[layout.weightOutput] = 'o';
  SmallVector<std::string> letters(x.rank()); // of the result, by its dims
  SmallVector<SmallVector<DimAttr>> extents(x.rank());
  letters[layout.resultBatch] = "n";
  extents[layout.resultBatch] = {x.getDim(layout.xBatch)};
  letters[layout.resultChannel] = "o";
  extents[layout.resultChannel] = {weight.getDim(layout.weightOutput)};
  for (size_t i = 0; i < spatial; ++i) {
    lhs[layout.xSpatial[i]] = char('u' + i);
    rhs[layout.weightSpatial[i]] = char('U' + i);
    letters[layout.resultSpatial[i]] = {char('u' + i), char('U' + i)};
    extents[layout.resultSpatial[i]] = {x.getDim(layout.xSpatial[i]),
                                        weight.getDim(layout.weightSpatial[i])};
  }
  std::string result;
  SmallVector<DimAttr> dims;
  for (auto [part, sizes] : llvm::zip_equal(letters, extents)) {
    result += part;
    llvm::append_range(dims, sizes);
  }
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  Value sum =
      b.create<graph::ContractOp>(op.getType().withDims(dims), lhs + "," + rhs + "->" + result,
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
