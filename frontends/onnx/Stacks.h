//===- Stacks.h - Sequences of open length --------------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_STACKS_H
#define TESSERA_FRONTENDS_ONNX_STACKS_H

#include "frontends/onnx/DataShapes.h"
#include "frontends/onnx/Structures.h"

namespace tessera::onnx {

/// Tensors, and the elements of stacks, one after the other along a new first axis. Extents that
/// cannot be compared are taken to be equal, which a run checks.
FailureOr<Value> stackOf(Node &node, graph::GraphBuilder &builder, llvm::ArrayRef<Value> parts);

/// How many elements a stack has.
DimAttr lengthOf(Value stack);

// The operators, of node inputs that are stacks.
LogicalResult insertIntoStack(Node &node);
LogicalResult eraseFromStack(Node &node);
LogicalResult readFromStack(Node &node);
LogicalResult joinStack(Node &node);
/// Sequences of which one is a stack, and tensors that are the same for all elements.
LogicalResult mapStacks(Node &node);
/// An axis in parts of one place each.
LogicalResult splitToStack(Node &node, int64_t axis, bool keepsAxis);

} // namespace tessera::onnx

#endif
