//===- Structures.h - Sequences, maps and strings, while importing --------------*- C++ -*-===//
//
// The graph dialect has tensors alone. Whether an optional value is there has to be known when
// compiling. A sequence whose length is known is a list of tensors, which its operators take apart
// and put together, and costs nothing. One whose length is an extent is a stack, one tensor of all
// elements, where they have one shape; where each has its own it is ragged: all their values, one
// after the other, and a table of their extents. While a model is imported a structure is one
// value, of a tuple type, so that names, scopes and subgraphs hold it as they hold tensors; nothing
// of it is left in the graph.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_STRUCTURES_H
#define TESSERA_FRONTENDS_ONNX_STRUCTURES_H

#include "dialects/graph/ShapeContents.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace tessera::onnx {

/// No tensor of numbers: a sequence, a map, an optional value or strings.
bool isStructure(mlir::Value value);
bool isSequence(mlir::Value value);
/// A sequence of open length: its one content, a tensor or strings, has the elements along a first
/// axis.
bool isStack(mlir::Value value);
/// A sequence of open length whose elements have their own extents: its contents are the values of
/// all elements in row-major order, a tensor or strings of rank 1, and si64 [length, rank].
bool isRagged(mlir::Value value);
/// Either of the two.
bool isOpenSequence(mlir::Value value);
/// A sequence inside of a loop that only makes it longer: its contents are a token, which tells
/// which one it is, and what this iteration has added, elements and sequences of open length.
bool isGrowing(mlir::Value value);
bool isOptional(mlir::Value value);
/// A list of keys, and one of values; keys differ, and have no order.
bool isMap(mlir::Value value);
/// Strings are the bytes of their UTF-8 along a last axis of their own, padded with zeros (as
/// NumPy's strings of a fixed width are): a tensor of ui8, which is the one content of the
/// structure.
bool isStrings(mlir::Value value);

mlir::Value makeSequence(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange elements);
/// Empty when the content is null.
mlir::Value makeStack(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value elements);
/// `dims` are the extents of each element, null where elements differ.
mlir::Value makeRagged(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value values,
                       mlir::Value shapes, llvm::ArrayRef<graph::DimAttr> dims);
/// Those of a ragged sequence.
graph::DimList dimsOfElements(mlir::Value ragged);
mlir::Value makeGrowing(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange contents);
mlir::Value makeOptional(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value content);
mlir::Value makeStrings(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value bytes);
mlir::Value makeMap(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value keys,
                    mlir::Value values);
/// Elements of a sequence; keys and values; the content of an optional value, if it has one.
mlir::ValueRange contentsOf(mlir::Value structure);

/// The tensors of a value, itself when it is one.
void flatten(mlir::Value value, llvm::SmallVectorImpl<mlir::Value> &tensors);
/// As many tensors in the same places; their types are not compared, but for which extents the
/// elements of ragged sequences have in common.
bool haveSameStructure(mlir::Value a, mlir::Value b);
/// The structure of `like` with the first of these tensors, which are dropped from the list.
mlir::Value rebuild(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value like,
                    llvm::ArrayRef<mlir::Value> &tensors);

/// "a sequence of 3", "an empty optional value", "a tensor".
std::string describeStructure(mlir::Value value);

/// Removes what stood for structures. None may be used by anything else any more.
void eraseStructures(mlir::Operation *function);

} // namespace tessera::onnx

#endif
