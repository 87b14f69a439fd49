//===- OpenSequences.h - Sequences of open length -------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_OPENSEQUENCES_H
#define TESSERA_FRONTENDS_ONNX_OPENSEQUENCES_H

#include "frontends/onnx/DataShapes.h"
#include "frontends/onnx/Structures.h"

namespace tessera::onnx {

/// A sequence of open length, taken apart.
struct OpenSequence {
  /// Of a stack [length, dims...], of a ragged sequence [elements of all]. Of strings the bytes,
  /// along one more axis.
  Value values;
  Value shapes; ///< si64 [length, rank]; null for a stack
  DimList dims; ///< of each element; null where elements differ, which needs shapes
  bool areStrings = false;

  DimAttr length() const { return graph::getTensorType(shapes ? shapes : values).getDim(0); }
  /// The extents of the values from this axis on.
  DimList valueDims(size_t from) const {
    return DimList(graph::getTensorType(values).getDims().drop_front(from));
  }
};

/// The parts of a stack or a ragged sequence.
OpenSequence takeApart(Value sequence);
Value putTogether(Node &node, const OpenSequence &sequence);
/// Tensors, and the elements of other sequences, one after the other. Ragged where they have, or
/// may have, different shapes.
FailureOr<OpenSequence> openSequenceOf(Node &node, llvm::ArrayRef<Value> parts);
/// The same of an input, which may be of known length.
FailureOr<OpenSequence> openInput(Node &node, size_t i);
/// With a table of shapes; `common` are the extents that elements have in common with those of
/// other sequences.
OpenSequence asRagged(Node &node, const OpenSequence &sequence, llvm::ArrayRef<DimAttr> common);
/// Extents that are in both lists, null where they are not the same.
DimList commonDims(llvm::ArrayRef<DimAttr> a, llvm::ArrayRef<DimAttr> b);
/// Elements of one shape, which a run checks, along a new first axis.
Value stackElements(Node &node, const OpenSequence &sequence);
/// The element at a place.
Value elementAt(Node &node, const OpenSequence &sequence, DimExpr place);

// The operators.
LogicalResult insertInto(Node &node, OpenSequence sequence);
LogicalResult eraseFrom(Node &node, OpenSequence sequence);
LogicalResult readFrom(Node &node, OpenSequence sequence);
LogicalResult joinElements(Node &node, const OpenSequence &sequence);
/// Sequences of which one is of open length, and tensors that are the same for all elements.
LogicalResult mapElements(Node &node);
/// An axis in parts of one length, of which it has a multiple.
LogicalResult splitEvenly(Node &node, int64_t axis, DimAttr length, bool keepsAxis);
/// An axis in parts of these lengths, si64 [parts], whose sum it is.
LogicalResult splitByLengths(Node &node, int64_t axis, Value lengths);

} // namespace tessera::onnx

#endif
