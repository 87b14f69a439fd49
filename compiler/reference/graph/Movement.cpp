//===- Movement.cpp - Elements change place, not value --------------------===//
#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

/// Every element of the result is the element of x that `source` finds for its index (-1: it stays
/// 0).
static Tensors move(Operation *op, const Tensor &x, Evaluation &evaluation,
                    llvm::function_ref<int64_t(ArrayRef<int64_t>)> source) {
  FailureOr<Tensor> result = evaluation.make(op->getResult(0).getType());
  if (failed(result))
    return failure();
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    result->copyElement(place, x, source(index));
  });
  return single(*result);
}

static Tensors evaluateBroadcast(graph::BroadcastOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<SmallVector<int64_t>> extents = evaluation.extents(op.getType().getDims());
  if (failed(extents))
    return failure();
  for (auto [extent, dim] : llvm::zip(x.getShape(), op.getDims()))
    if (extent != 1 && extent != (*extents)[dim])
      return evaluation.fail("an extent of " + llvm::Twine(extent) + " cannot be repeated to " +
                             llvm::Twine((*extents)[dim]));
  SmallVector<int64_t> at(x.getRank());
  return move(op, x, evaluation, [&](ArrayRef<int64_t> index) {
    for (auto [i, dim] : llvm::enumerate(op.getDims()))
      at[i] = x.getDim(i) == 1 ? 0 : index[dim];
    return x.position(at);
  });
}

static Tensors evaluateReshape(graph::ReshapeOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<SmallVector<int64_t>> shape = evaluation.extents(op.getType().getDims());
  if (failed(shape))
    return failure();
  int64_t count = 1;
  for (int64_t extent : *shape)
    count *= extent;
  if (count != operands[0].size())
    return evaluation.fail(describe(operands[0].getElementType(), operands[0].getShape()) +
                           " has " + llvm::Twine(operands[0].size()) + " elements, " +
                           describe(operands[0].getElementType(), *shape) + " has " +
                           llvm::Twine(count));
  return single(operands[0].withShape(*shape));
}

static Tensors evaluateTranspose(graph::TransposeOp op, Operands operands, Evaluation &evaluation) {
  SmallVector<int64_t> at(operands[0].getRank());
  return move(op, operands[0], evaluation, [&](ArrayRef<int64_t> index) {
    for (auto [i, dim] : llvm::enumerate(op.getPerm()))
      at[dim] = index[i];
    return operands[0].position(at);
  });
}

static Tensors evaluateSlice(graph::SliceOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  auto starts = evaluation.extents(op.getStarts().getDims());
  auto steps = evaluation.extents(op.getSteps().getDims());
  auto extents = evaluation.extents(op.getType().getDims());
  if (failed(starts) || failed(steps) || failed(extents))
    return failure();
  for (int64_t i = 0; i < x.getRank(); ++i) {
    int64_t start = (*starts)[i], step = (*steps)[i], extent = (*extents)[i];
    int64_t last = start + (extent - 1) * step;
    if (extent > 0 && (start < 0 || step <= 0 || last >= x.getDim(i)))
      return evaluation.fail("(C3) elements " + llvm::Twine(start) + " to " + llvm::Twine(last) +
                             " in steps of " + llvm::Twine(step) + " of axis " + llvm::Twine(i) +
                             ", which has " + llvm::Twine(x.getDim(i)));
  }
  SmallVector<int64_t> at(x.getRank());
  return move(op, x, evaluation, [&](ArrayRef<int64_t> index) {
    for (size_t i = 0; i < at.size(); ++i)
      at[i] = (*starts)[i] + index[i] * (*steps)[i];
    return x.position(at);
  });
}

static Tensors evaluateConcat(graph::ConcatOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  int64_t axis = op.getAxis(), begin = 0;
  SmallVector<int64_t> at(result->getRank());
  for (const Tensor &x : operands) {
    forEachIndex(x.getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
      at.assign(index.begin(), index.end());
      at[axis] += begin;
      result->copyElement(result->position(at), x, place);
    });
    begin += x.getDim(axis);
  }
  return single(*result);
}

/// The index in the operand that padding of a mode repeats; out of bounds for mode constant.
static int64_t unpad(graph::PadMode mode, int64_t at, int64_t extent) {
  switch (mode) {
  case graph::PadMode::constant: break;
  case graph::PadMode::reflect: at = std::abs(at); return std::min(at, 2 * (extent - 1) - at);
  case graph::PadMode::edge: return std::clamp<int64_t>(at, 0, extent - 1);
  case graph::PadMode::wrap: return at < 0 ? at + extent : at >= extent ? at - extent : at;
  }
  return at;
}

static Tensors evaluatePad(graph::PadOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  auto lo = evaluation.extents(op.getLo().getDims()), hi = evaluation.extents(op.getHi().getDims());
  if (failed(result) || failed(lo) || failed(hi))
    return failure();
  graph::PadMode mode = op.getMode();
  for (int64_t i = 0; i < x.getRank(); ++i) {
    int64_t padding = std::max((*lo)[i], (*hi)[i]), extent = x.getDim(i);
    bool fits = mode == graph::PadMode::constant || padding <= 0 ||
                (mode == graph::PadMode::reflect ? padding < extent
                 : mode == graph::PadMode::wrap  ? padding <= extent
                                                 : extent > 0);
    if (!fits && result->size() > 0)
      return evaluation.fail("(C3) axis " + llvm::Twine(i) + " of extent " + llvm::Twine(extent) +
                             " cannot be padded by " + llvm::Twine((*lo)[i]) + " and " +
                             llvm::Twine((*hi)[i]));
  }
  SmallVector<int64_t> at(x.getRank());
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    bool inside = true;
    for (size_t i = 0; i < at.size(); ++i) {
      at[i] = unpad(mode, index[i] - (*lo)[i], x.getDim(i));
      inside &= at[i] >= 0 && at[i] < x.getDim(i);
    }
    if (inside)
      result->copyElement(place, x, x.position(at));
    else
      result->copyElement(place, operands[1], 0);
  });
  return single(*result);
}

static Tensors evaluateReverse(graph::ReverseOp op, Operands operands, Evaluation &evaluation) {
  SmallVector<int64_t> at(operands[0].getRank());
  return move(op, operands[0], evaluation, [&](ArrayRef<int64_t> index) {
    at.assign(index.begin(), index.end());
    for (int64_t axis : op.getAxes())
      at[axis] = operands[0].getDim(axis) - 1 - at[axis];
    return operands[0].position(at);
  });
}

static Tensors evaluateGather(graph::GatherOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0], &indices = operands[1];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  int64_t axis = op.getAxis(), rank = indices.getRank(), extent = x.getDim(axis);
  if (extent == 0 && result->size() > 0)
    return evaluation.fail("(C2) axis " + llvm::Twine(axis) + " is empty");
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    int64_t chosen = indices.integer(indices.position(index.slice(axis, rank)));
    // An index beyond 2^63 is beyond the last.
    if (indices.getFormat().isUnsigned() && chosen < 0)
      chosen = extent - 1;
    else if (chosen < 0)
      chosen += extent;
    SmallVector<int64_t> at(index.take_front(axis));
    at.push_back(std::clamp<int64_t>(chosen, 0, extent - 1));
    llvm::append_range(at, index.drop_front(axis + rank));
    result->copyElement(place, x, x.position(at));
  });
  return single(*result);
}

static Tensors evaluateIota(graph::IotaOp op, Operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getType());
  if (failed(result))
    return failure();
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    result->set(place, index[op.getAxis()]);
  });
  return single(*result);
}

void reference::attachMovement(MLIRContext &context) {
  attach<evaluateBroadcast, evaluateReshape, evaluateTranspose, evaluateSlice, evaluateConcat,
         evaluatePad, evaluateReverse, evaluateGather, evaluateIota>(context);
}
