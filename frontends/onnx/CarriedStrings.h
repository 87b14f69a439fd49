//===- CarriedStrings.h - Strings that a loop carries ---------------------------*- C++ -*-===//
//
// What a loop carries keeps its type, so strings need room for all bytes that they will ever have.
// How much that is, the body says: it is imported, and imported again with more room until its
// results fit. Strings that get longer by as much in each iteration have room for all iterations.
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
    DimAttr start; ///< bytes before the first iteration
    DimExpr step;  ///< bytes that each iteration adds, null while that is not supposed
    unsigned tries = 0;
  };
  LogicalResult enlarge(size_t i, Value &init, Room &room, DimAttr needed, mlir::Block &body);

  Node &node;
  llvm::function_ref<DimAttr()> tripCount;
  Importer::Notes noted;
  llvm::SmallVector<Room> rooms;
};

} // namespace tessera::onnx

#endif
