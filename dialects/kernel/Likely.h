//===- Likely.h - What holds but for the ends of loops ------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_LIKELY_H
#define TESSERA_DIALECTS_KERNEL_LIKELY_H

#include "llvm/ADT/StringRef.h"

namespace tessera::kernel {

/// Says that a comparison of indices is mostly true, and of a minimum that it is mostly the first
/// operand (unit): code generators may make loops of their own for where that is known, in which
/// vectors are read at once.
inline constexpr llvm::StringLiteral kLikelyAttr = "kernel.likely";

} // namespace tessera::kernel

#endif
