//===- PartsOfStrings.h - Strings cut out of strings ----------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_PARTSOFSTRINGS_H
#define TESSERA_FRONTENDS_ONNX_PARTSOFSTRINGS_H

#include "frontends/onnx/Strings.h"

namespace tessera::onnx {

/// Parts of each row: where they begin and end.
class Parts {
public:
  Parts(Node &node, const Rows &rows) : node(node), rows(rows) {}

  /// How many each row has, si64 [count]; the most of them are bound as an extent.
  void setCount(Value perRow);
  /// si64 [count, most]: the value at the place where `number` is that of the part (from 1); 0
  /// where there is none. All are [count, width].
  Value find(Value isSet, Value number, Value value);
  /// ui8 [count * most, bytes of the longest]; what a row does not have is empty.
  Value bytes();

  DimList dims; ///< [count, most]
  Value count, begins, ends;

private:
  Node &node;
  const Rows &rows;
};

} // namespace tessera::onnx

#endif
