//===- Precision.h - What products may round ---------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_GRAPH_PRECISION_H
#define TESSERA_DIALECTS_GRAPH_PRECISION_H

#include "llvm/ADT/StringRef.h"

namespace tessera::graph {

/// On a contraction or convolution of f32 (unit): who multiplies may round its operands to the 10
/// bits of a mantissa that instructions for matrices read (tf32), or not. Whoever drops it gets
/// f32.
constexpr llvm::StringLiteral kTf32Attr = "graph.tf32";

/// On a contraction or convolution of 8-bit floats (unit): who multiplies may keep sums as
/// instructions for matrices of such floats do, of whose f32 some 14 bits take part in an addition.
constexpr llvm::StringLiteral kF8SumsAttr = "graph.f8_sums";

} // namespace tessera::graph

#endif
