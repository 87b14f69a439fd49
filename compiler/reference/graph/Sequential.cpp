//===- Sequential.cpp - Elements that are computed one after another ------===//
#include "compiler/reference/graph/Reduce.h"
#include "compiler/reference/graph/Rules.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

namespace {
/// The elements of a tensor along one axis: `outer` x `length` x `inner` of them.
struct AxisView {
  int64_t outer = 1, length, inner = 1;
  AxisView(ArrayRef<int64_t> shape, int64_t axis) : length(shape[axis]) {
    for (int64_t extent : shape.take_front(axis))
      outer *= extent;
    for (int64_t extent : shape.drop_front(axis + 1))
      inner *= extent;
  }
  int64_t at(int64_t o, int64_t i, int64_t k) const { return (o * length + i) * inner + k; }
};
} // namespace

/// Calls back with the first place of every row along the axis; steps along it are `inner` places
/// long.
static void forEachRow(const AxisView &view, llvm::function_ref<void(int64_t, int64_t)> callback) {
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t k = 0; k < view.inner; ++k)
      callback(o, k);
}

static Tensors evaluateCumulative(graph::CumulativeOp op, Operands operands,
                                  Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getType());
  if (failed(result) || failed(evaluation.spend(x.size())))
    return failure();
  AxisView view(x.getShape(), op.getAxis());
  forEachRow(view, [&](int64_t o, int64_t k) {
    Reducer running(stringifyCumulativeKind(op.getKind()), x.getFormat());
    for (int64_t step = 0; step < view.length; ++step) {
      int64_t place = view.at(o, op.getReverse() ? view.length - 1 - step : step, k);
      if (op.getExclusive())
        running.finish(*result, place);
      running.add(x, place);
      if (!op.getExclusive())
        running.finish(*result, place);
    }
  });
  return single(*result);
}

/// Between a slice and the element `index` of the axis of a whole tensor.
static void copySlice(Tensor &whole, Tensor &slice, const AxisView &view, int64_t index,
                      bool intoSlice) {
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t k = 0; k < view.inner; ++k) {
      int64_t there = view.at(o, index, k), here = o * view.inner + k;
      if (intoSlice)
        slice.copyElement(here, whole, there);
      else
        whole.copyElement(there, slice, here);
    }
}

static Tensors evaluateScan(graph::ScanOp op, Operands operands, Evaluation &evaluation) {
  size_t states = op.getStates().size();
  int64_t axis = op.getAxis();
  SmallVector<Tensor> carried(operands.take_front(states)), outputs;
  for (Value result : op.getResults().drop_front(states)) {
    FailureOr<Tensor> output = evaluation.make(result.getType());
    if (failed(output))
      return failure();
    outputs.push_back(*output);
  }
  FailureOr<int64_t> length = evaluation.extent(op.getExtent());
  if (failed(length))
    return failure();
  for (int64_t step = 0; step < *length; ++step) {
    int64_t index = op.getReverse() ? *length - 1 - step : step;
    SmallVector<Tensor> arguments(carried);
    for (const Tensor &x : operands.drop_front(states)) {
      Tensor whole = x;
      SmallVector<int64_t> shape(x.getShape());
      shape.erase(shape.begin() + axis);
      FailureOr<Tensor> slice = evaluation.make(x.getElementType(), shape);
      if (failed(slice) || failed(evaluation.spend(slice->size())))
        return failure();
      copySlice(whole, *slice, AxisView(x.getShape(), axis), index, /*intoSlice=*/true);
      arguments.push_back(*slice);
    }
    Tensors yielded = evaluation.run(op.getBody(), arguments);
    if (failed(yielded))
      return failure();
    for (size_t i = 0; i < states; ++i)
      carried[i] = (*yielded)[i];
    for (size_t i = 0; i < outputs.size(); ++i)
      copySlice(outputs[i], (*yielded)[states + i], AxisView(outputs[i].getShape(), axis), index,
                /*intoSlice=*/false);
  }
  llvm::append_range(carried, outputs);
  return carried;
}

static void combineInto(Tensor &result, int64_t place, const Tensor &updates, int64_t from,
                        graph::ScatterKind kind) {
  if (kind == graph::ScatterKind::replace)
    return result.copyElement(place, updates, from);
  static constexpr StringRef kNames[] = {"", "sum", "prod", "max", "min"};
  Reducer both(kNames[unsigned(kind)], result.getFormat());
  both.add(result, place);
  both.add(updates, from);
  both.finish(result, place);
}

static Tensors evaluateScatter(graph::ScatterOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &indices = operands[1], &updates = operands[2];
  if (failed(evaluation.spend(operands[0].size() + updates.size())))
    return failure();
  Tensor result = operands[0].copy();
  AxisView view(result.getShape(), op.getAxis());
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < indices.size(); ++i) {
      int64_t index = indices.integer(i);
      index += index < 0 ? view.length : 0;
      if (index < 0 || index >= view.length)
        continue;
      for (int64_t k = 0; k < view.inner; ++k)
        combineInto(result, view.at(o, index, k), updates,
                    (o * indices.size() + i) * view.inner + k, op.getKind());
    }
  return single(result);
}

static Tensors evaluateSort(graph::SortOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> values = evaluation.make(op.getValues().getType());
  FailureOr<Tensor> places = evaluation.make(op.getIndices().getType());
  if (failed(values) || failed(places) || failed(evaluation.spend(32 * x.size())))
    return failure();
  bool isUnsigned = x.getElementType().isUnsignedInteger();
  auto isLess = [&](int64_t a, int64_t b) {
    if (x.isFloat()) {
      double p = x.real(a), q = x.real(b);
      return p < q || (!std::isnan(p) && std::isnan(q));
    }
    int64_t p = x.integer(a), q = x.integer(b);
    return isUnsigned ? uint64_t(p) < uint64_t(q) : p < q;
  };
  AxisView view(x.getShape(), op.getAxis()), wanted(values->getShape(), op.getAxis());
  std::vector<int64_t> order(view.length);
  forEachRow(view, [&](int64_t o, int64_t k) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
      if (op.getDescending())
        std::swap(i, j);
      return isLess(view.at(o, i, k), view.at(o, j, k));
    });
    for (int64_t i = 0; i < std::min(view.length, wanted.length); ++i) {
      values->copyElement(wanted.at(o, i, k), x, view.at(o, order[i], k));
      places->set(wanted.at(o, i, k), order[i]);
    }
  });
  return SmallVector<Tensor>{*values, *places};
}

void reference::attachSequential(MLIRContext &context) {
  attach<evaluateCumulative, evaluateScan, evaluateScatter, evaluateSort>(context);
}
