//===- Window.cpp - Sliding windows: convolution, pooling -----------------===//
#include "compiler/reference/graph/Accumulate.h"
#include "compiler/reference/graph/Reduce.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

namespace {
/// Where the elements of a convolution are: index arithmetic over the dims of its layout.
struct Places {
  SmallVector<int64_t> strides;
  int64_t outer, inner;            ///< strides of (N, C) or (O, I)
  SmallVector<int64_t, 3> spatial; ///< strides of the spatial dims
  SmallVector<int64_t, 3> extents; ///< their extents

  Places(const Tensor &tensor, int64_t outerDim, int64_t innerDim, ArrayRef<int64_t> spatialDims)
      : strides(tensor.strides()), outer(strides[outerDim]), inner(strides[innerDim]) {
    for (int64_t dim : spatialDims) {
      spatial.push_back(strides[dim]);
      extents.push_back(tensor.getDim(dim));
    }
  }
  int64_t at(int64_t i, int64_t j, ArrayRef<int64_t> position) const {
    int64_t place = i * outer + j * inner;
    for (auto [p, stride] : llvm::zip(position, spatial))
      place += p * stride;
    return place;
  }
};
} // namespace

static int64_t countOf(ArrayRef<int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

static Tensors evaluateConv(graph::ConvOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0], &weight = operands[1];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  auto lo = evaluation.extents(op.getLo().getDims());
  if (failed(result) || failed(lo))
    return failure();
  graph::ConvLayout layout = op.getConvLayout();
  Places from(x, layout.xBatch, layout.xChannel, layout.xSpatial);
  Places window(weight, layout.weightOutput, layout.weightInput, layout.weightSpatial);
  Places to(*result, layout.resultBatch, layout.resultChannel, layout.resultSpatial);
  int64_t channels = weight.getDim(layout.weightInput);
  int64_t outputs = weight.getDim(layout.weightOutput), perGroup = outputs / op.getGroups();
  if (failed(evaluation.spend(result->size() *
                              std::max<int64_t>(channels * countOf(window.extents), 1))))
    return failure();
  ProductSum sum(x, weight, op.getAccumulatorType());
  SmallVector<int64_t> at(layout.spatialRank());
  for (int64_t n = 0; n < x.getDim(layout.xBatch); ++n)
    for (int64_t o = 0; o < outputs; ++o)
      forEachIndex(to.extents, [&](ArrayRef<int64_t> y, int64_t) {
        sum.clear();
        int64_t first = perGroup ? o / perGroup * channels : 0;
        for (int64_t c = 0; c < channels; ++c)
          forEachIndex(window.extents, [&](ArrayRef<int64_t> k, int64_t) {
            bool inside = true;
            for (size_t i = 0; i < at.size(); ++i) {
              at[i] = y[i] * op.getStrides()[i] + k[i] * op.getDilations()[i] - (*lo)[i];
              inside &= at[i] >= 0 && at[i] < from.extents[i];
            }
            sum.add(inside ? from.at(n, first + c, at) : -1, window.at(o, c, k));
          });
        sum.store(*result, to.at(n, o, y));
      });
  return single(*result);
}

/// As a gather: the elements of x whose windows meet a result's element.
static Tensors evaluateConvTranspose(graph::ConvTransposeOp op, Operands operands,
                                     Evaluation &evaluation) {
  const Tensor &x = operands[0], &weight = operands[1];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  auto lo = evaluation.extents(op.getLo().getDims());
  if (failed(result) || failed(lo))
    return failure();
  graph::ConvLayout layout = op.getConvLayout();
  Places from(x, layout.xBatch, layout.xChannel, layout.xSpatial);
  Places window(weight, layout.weightInput, layout.weightOutput, layout.weightSpatial);
  Places to(*result, layout.resultBatch, layout.resultChannel, layout.resultSpatial);
  int64_t groups = op.getGroups(), channels = x.getDim(layout.xChannel) / groups;
  int64_t outputs = weight.getDim(layout.weightOutput);
  if (failed(evaluation.spend(result->size() *
                              std::max<int64_t>(channels * countOf(window.extents), 1))))
    return failure();
  ProductSum sum(x, weight, op.getAccumulatorType());
  SmallVector<int64_t> at(layout.spatialRank());
  for (int64_t n = 0; n < x.getDim(layout.xBatch); ++n)
    for (int64_t o = 0; o < outputs * groups; ++o)
      forEachIndex(to.extents, [&](ArrayRef<int64_t> y, int64_t) {
        sum.clear();
        int64_t first = o / outputs * channels;
        for (int64_t c = first; c < first + channels; ++c)
          forEachIndex(window.extents, [&](ArrayRef<int64_t> k, int64_t) {
            for (size_t i = 0; i < at.size(); ++i) {
              int64_t shifted = y[i] + (*lo)[i] - k[i] * op.getDilations()[i];
              if (shifted < 0 || shifted % op.getStrides()[i] != 0)
                return;
              at[i] = shifted / op.getStrides()[i];
              if (at[i] >= from.extents[i])
                return;
            }
            sum.add(from.at(n, c, at), window.at(c, o % outputs, k));
          });
        sum.store(*result, to.at(n, o, y));
      });
  return single(*result);
}

static Tensors evaluateWindowReduce(graph::WindowReduceOp op, Operands operands,
                                    Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  auto lo = evaluation.extents(op.getLo().getDims());
  if (failed(result) || failed(lo) ||
      failed(evaluation.spend(result->size() * countOf(op.getWindow()))))
    return failure();
  StringRef kind = graph::stringifyWindowKind(op.getKind());
  SmallVector<int64_t> at(x.getRank());
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    Reducer reducer(kind, x.getFormat());
    forEachIndex(op.getWindow(), [&](ArrayRef<int64_t> k, int64_t) {
      at.assign(index.begin(), index.end());
      for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
        at[axis] = index[axis] * op.getStrides()[i] + k[i] * op.getDilations()[i] - (*lo)[i];
        if (at[axis] < 0 || at[axis] >= x.getDim(axis))
          return; // Padding is neutral.
      }
      reducer.add(x, x.position(at));
    });
    reducer.finish(*result, place);
  });
  return single(*result);
}

void reference::attachWindow(MLIRContext &context) {
  attach<evaluateConv, evaluateConvTranspose, evaluateWindowReduce>(context);
  attachSampling(context);
}
