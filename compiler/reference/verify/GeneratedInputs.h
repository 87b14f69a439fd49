//===- GeneratedInputs.h - Inputs to try a function on ----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_VERIFY_GENERATEDINPUTS_H
#define TESSERA_COMPILER_REFERENCE_VERIFY_GENERATEDINPUTS_H

#include "compiler/reference/Tensor.h"
#include "dialects/graph/Graph.h"

#include "llvm/ADT/StringMap.h"

#include <random>

namespace tessera::reference {

enum class InputKind {
  Ordinary, ///< floats around 0, small integers
  Special   ///< the same, mixed with NaN, infinities, zeros of both signs, extreme integers
};

/// Fills a tensor; false when its type has no generated values (strings).
bool fillRandomly(Tensor &tensor, InputKind kind, std::mt19937_64 &random);

/// Small extents for the symbols of a function, inside their ranges: odd and different for the
/// first attempts, then rounder ones, for models that need them. None after the last attempt.
std::optional<llvm::StringMap<int64_t>> chooseExtents(graph::FuncOp function, unsigned attempt);

/// Inputs of these extents; the same for the same seed. None when an input has no generated values
/// (strings), or an extent is negative or large.
std::optional<llvm::SmallVector<Tensor>> generateInputs(graph::FuncOp function,
                                                        const llvm::StringMap<int64_t> &extents,
                                                        InputKind kind, uint64_t seed);

} // namespace tessera::reference

#endif
