//===- Atomic.h - Loops whose iterations meet ------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_ATOMIC_H
#define TESSERA_DIALECTS_KERNEL_ATOMIC_H

#include "llvm/ADT/StringRef.h"

namespace tessera::kernel {

/// On an scf.for that is `kernel.parallel` (unit): its iterations meet, but only where stages
/// update integers by an operation whose order does not matter (sums, minima, maxima). Who runs
/// them at the same time updates by atomics; the result is the same number in every order.
constexpr llvm::StringLiteral kAtomicAttr = "kernel.atomic";

} // namespace tessera::kernel

#endif
