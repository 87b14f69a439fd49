//===- CarriedSequence.h - Sequences that a loop carries as a whole -------------*- C++ -*-===//
//
// A loop that reads the sequence which it changes carries all of it: tensors with room for more
// elements than there are, and how many there are. In the body it is a sequence of open length like
// any other, the first elements of those tensors, and operators do with it what they do elsewhere;
// what they give is written back. Elements that stay where they are are not written.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_CARRIEDSEQUENCE_H
#define TESSERA_FRONTENDS_ONNX_CARRIEDSEQUENCE_H

#include "frontends/onnx/OpenSequences.h"

namespace tessera::onnx {

class CarriedSequence {
public:
  CarriedSequence(size_t number, OpenSequence init) : number(number), init(std::move(init)) {}

  bool isRagged() const { return bool(init.shapes); }
  /// What there is room for: elements, and of ragged ones values.
  size_t roomCount() const { return isRagged() ? 2 : 1; }
  /// Room for so many more than the loop begins with.
  void setRoom(llvm::ArrayRef<DimAttr> more) { room.assign(more.begin(), more.end()); }
  /// The room that is enough for so many iterations; fails where that depends on what they compute.
  FailureOr<DimList> boundRoom(Node &node, DimAttr trips, mlir::Block &body) const;

  /// Adds the tensors that the loop carries, and which of them are bytes of strings.
  void addInits(Node &node, llvm::SmallVectorImpl<Value> &inits,
                llvm::SmallVectorImpl<bool> &areStrings);
  bool holds(size_t init) const { return init >= first && init < first + 2 * roomCount(); }
  /// The sequence in the body, of these tensors.
  Value begin(Node &inside, llvm::ArrayRef<Value> carried);
  /// Adds the tensors of what the body makes of it. False where its elements have less in common
  /// than was known: then the body has to be imported again.
  FailureOr<bool> take(Node &node, Node &inside, Value result, mlir::Block &body,
                       llvm::SmallVectorImpl<Value> &next);
  /// An operation of the body was replaced by one with more results.
  using Replaced = llvm::function_ref<void(mlir::Operation *from, mlir::Operation *to)>;
  /// Makes of these tensors what the loop carries. Where there may be too little room, whether
  /// there is enough (i1 scalars).
  void write(Node &inside, llvm::ArrayRef<Value> carried, llvm::MutableArrayRef<Value> next,
             llvm::SmallVectorImpl<Value> *fits, Replaced replaced);
  /// What the loop gives, of its results.
  Value end(Node &node, llvm::ArrayRef<Value> carried, bool mayLackRoom) const;
  /// Of the loop's results: how many elements, and values, there are more than at the beginning.
  llvm::SmallVector<Value> additions(Node &node, llvm::ArrayRef<Value> carried) const;

private:
  llvm::ArrayRef<Value> mine(llvm::ArrayRef<Value> carried) const {
    return carried.slice(first, 2 * roomCount());
  }
  /// The tensors with room, of what is carried; their extents at the beginning.
  llvm::SmallVector<DimAttr> starts() const;

  size_t number; ///< of the carried value, for messages
  OpenSequence init;
  DimList room;
  size_t first = 0; ///< among what the loop carries: tensors with room, then how much there is
  // In the body: how much there is before and behind an iteration.
  DimList before, behind;
};

} // namespace tessera::onnx

#endif
