//===- Strings.h - Tensors of strings as tensors of bytes -----------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_STRINGS_H
#define TESSERA_FRONTENDS_ONNX_STRINGS_H

#include "frontends/onnx/DataShapes.h"
#include "frontends/onnx/Structures.h"

namespace tessera::onnx {

/// Bytes of constant strings together, padded.
constexpr size_t kMaxStringBytes = size_t(1) << 26;

/// Strings as a table: one row each.
struct Rows {
  Value bytes; ///< ui8 [count, width]
  DimList dims;
  DimAttr count, width;
};

/// The rows of an input; fails with an error when it holds no strings.
FailureOr<Rows> rowsOf(Node &node, size_t input);
/// A table as strings of these dims.
Value stringsOf(Node &node, Value bytes, llvm::ArrayRef<DimAttr> dims);
/// Strings that are known, one for each element of `places` (of integers, in the list).
Value stringsAt(Node &node, llvm::ArrayRef<std::string> strings, Value places);
/// ui8 [count, width] of strings that are known; null after an error: too many, or one that ends
/// with a zero.
Value constantRows(graph::GraphBuilder &b, llvm::ArrayRef<llvm::StringRef> strings,
                   llvm::StringRef name);
/// A constant of type STRING; null after an error.
Value importStrings(graph::GraphBuilder &b, const ::onnx::TensorProto &tensor,
                    llvm::StringRef name);

/// Bytes along the last axis, with zeros behind them up to a width that is not smaller.
Value widen(Node &node, Value bytes, DimAttr width);
/// x with so many more elements, all zero, before and behind those of one axis.
Value padded(Node &node, Value x, int64_t axis, DimExpr before, DimExpr behind);
/// x [count, width] at the place that is `by` earlier in the row (later where it is negative); zero
/// outside of it.
Value shifted(Node &node, Value x, int64_t by);
/// An extent of bytes that depends on data: the scalar, or inside of a body, where no extent is
/// bound, the most that it can be. `what` is for the message when it is no extent.
DimAttr bindBytes(Node &node, Value scalar, DimExpr most, llvm::StringRef what);
/// How many bytes each row has: si64 [count].
Value lengthsOf(Node &node, Value bytes);
/// The byte of its row that si64 [count, ...] names; 0 outside of the row.
Value bytesAt(Node &node, Value bytes, Value places);
/// si64 [count]: the last of the known strings that each row is, -1 when it is none; null after an
/// error.
Value indexAmong(Node &node, Value bytes, llvm::ArrayRef<llvm::StringRef> strings);
/// si32 [count, width]: the character that begins at each byte, -1 where none does.
Value charactersOf(Node &node, Value bytes);

/// i1 [count]: which rows an automaton accepts.
struct Automaton;
Value matchRows(Node &node, const Rows &rows, const Automaton &automaton);

/// x == y of strings, broadcast.
LogicalResult equalStrings(Node &node);

/// Whether there are strings in a value, which may be a sequence.
bool holdsStrings(Value value);
/// Whether an operator only moves elements: it is imported with the places of its strings then, and
/// they are read from there.
bool movesStrings(const ::onnx::NodeProto &node);
LogicalResult importMoved(Node &node, LogicalResult (*import)(Node &));

} // namespace tessera::onnx

#endif
