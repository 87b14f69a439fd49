//===- Stream.cpp - A chain of reductions in one read ---------------------===//
#include "compiler/reference/graph/Stream.h"

#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

/// Element i of the axis, which stays (extent 1) when the lift takes blocks.
static Tensor takeSlice(const Tensor &x, int64_t axis, int64_t i, bool keepAxis) {
  SmallVector<int64_t> shape(x.getShape());
  shape[axis] = 1;
  Tensor slice(x.getElementType(), shape);
  forEachIndex(shape, [&](ArrayRef<int64_t> index, int64_t place) {
    SmallVector<int64_t> at(index);
    at[axis] = i;
    slice.copyElement(place, x, x.position(at));
  });
  if (!keepAxis)
    shape.erase(shape.begin() + axis);
  return slice.withShape(shape);
}

Tensors reference::makeIdentity(graph::StreamOp op, Evaluation &evaluation) {
  SmallVector<Tensor> states;
  for (auto [type, value] : llvm::zip(op.getStateTypes(), op.getIdentity())) {
    FailureOr<Tensor> state = evaluation.make(type);
    if (failed(state))
      return failure();
    for (int64_t i = 0; i < state->size(); ++i) {
      if (auto real = llvm::dyn_cast<FloatAttr>(value))
        state->set(i, real.getValueAsDouble());
      else
        state->set(i, llvm::cast<IntegerAttr>(value).getValue().getSExtValue());
    }
    states.push_back(std::move(*state));
  }
  return states;
}

/// Lifts one element after the other (blocks of one, where the lift takes blocks) and merges from
/// the identity on.
static Tensors evaluateStream(graph::StreamOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<int64_t> extent = evaluation.extent(op.getExtent());
  if (failed(extent))
    return failure();
  bool inBlocks = op.getBlock().has_value();
  if (inBlocks)
    evaluation.bind(*op.getBlock(), 1);
  Tensors states = makeIdentity(op, evaluation);
  for (int64_t i = 0; succeeded(states) && i < *extent; ++i) {
    SmallVector<Tensor> elements;
    for (auto [x, axis] : llvm::zip(operands, op.getAxes()))
      elements.push_back(axis < 0 ? x : takeSlice(x, axis, i, inBlocks));
    Tensors lifted = evaluation.run(op.getLift(), elements);
    if (failed(lifted))
      return failure();
    SmallVector<Tensor> both(*states);
    llvm::append_range(both, *lifted);
    states = evaluation.run(op.getMerge(), both);
  }
  if (failed(states))
    return failure();
  return evaluation.run(op.getFinalize(), *states);
}

void reference::attachStream(MLIRContext &context) { attach<evaluateStream>(context); }
