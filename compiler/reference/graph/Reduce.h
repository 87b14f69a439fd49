//===- Reduce.h - A running combination of elements -------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_REDUCE_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_REDUCE_H

#include "compiler/reference/Tensor.h"

namespace tessera::reference {

/// Combines elements of one format by the name of a kind (sum, prod, max, min, and, or), beginning
/// with the neutral element.
class Reducer {
public:
  Reducer(llvm::StringRef kind, const ElementFormat &format);
  void add(const Tensor &x, int64_t i);
  void finish(Tensor &result, int64_t i) const;

private:
  void addReal(double x);
  void addInteger(int64_t x);

  llvm::StringRef kind;
  const ElementFormat &format;
  double real = 0;
  int64_t whole = 0;
};

} // namespace tessera::reference

#endif
