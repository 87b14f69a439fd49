//===- AnyWhereNan.h - Maxima that need not hand on NaN ----------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_COMMON_ANYWHERENAN_H
#define TESSERA_DIALECTS_COMMON_ANYWHERENAN_H

#include "llvm/ADT/StringRef.h"

namespace tessera::graph {

/// A mark of maxima and minima that may be any number where one of their operands is NaN: whatever
/// they end in is NaN there by other ways.
inline constexpr llvm::StringLiteral kAnyWhereNan = "graph.any_where_nan";

} // namespace tessera::graph

namespace tessera::kernel {

/// The same of arith.maximumf and arith.minimumf.
inline constexpr llvm::StringLiteral kAnyWhereNan = "kernel.any_where_nan";

} // namespace tessera::kernel

#endif
