//===- CarriedStrings.h - Strings that a loop carries ---------------------------*- C++ -*-===//
//
// What a loop carries keeps its type, so strings need room for all bytes that they will ever have.
// How much that is, the body says: it is imported, and imported again with more room until its
// results fit. Strings that get longer by as much in each iteration have room for all iterations;
// where they get longer otherwise, a known number of iterations is followed one by one.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_CARRIEDSTRINGS_H
#define TESSERA_FRONTENDS_ONNX_CARRIEDSTRINGS_H

#include "frontends/onnx/Strings.h"

namespace tessera::onnx {

class CarriedStrings {
public:
  /// `tripCount` gives the number of iterations as an extent, null when none is known.
  CarriedStrings(Node &node, llvm::function_ref<DimAttr()> tripCount)
      : node(node), tripCount(tripCount), noted(node.importer.notes()) {}

  /// `inits` are the tensors that are carried, `results` what the body, which ends at the builder,
  /// makes of them; those with a mark are bytes of strings. True: the results have the types of the
  /// inits now. False: the inits have more room, and the body has to be erased and imported again.
  FailureOr<bool> fit(graph::GraphBuilder &b, llvm::MutableArrayRef<Value> inits,
                      llvm::ArrayRef<bool> areStrings, llvm::MutableArrayRef<Value> results);

private:
  struct Room {
    Value first;   ///< what the loop begins with
    DimAttr start; ///< bytes before the first iteration
    DimExpr step;  ///< bytes that each iteration adds, null while that is not supposed
    unsigned tries = 0;
  };
  LogicalResult enlarge(size_t i, Value &init, Room &room, DimAttr needed, mlir::Block &body);
  LogicalResult refuse(size_t i, DimAttr own, DimAttr needed, const llvm::Twine &why);
  LogicalResult follow(llvm::MutableArrayRef<Value> inits, llvm::ArrayRef<bool> areStrings,
                       llvm::ArrayRef<Value> results);

  Node &node;
  llvm::function_ref<DimAttr()> tripCount;
  Importer::Notes noted;
  llvm::SmallVector<Room> rooms;
  /// Iterations to follow one by one; the import has gone through `followed` of them.
  int64_t toFollow = 0, followed = 0;
};

} // namespace tessera::onnx

#endif
