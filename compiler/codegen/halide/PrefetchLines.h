// Prefetches of Halide, by lines of the cache. For files that see Halide.
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_PREFETCHLINES_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_PREFETCHLINES_H

#include "Halide.h"

namespace tessera::halide {

/// Halide asks for a region in a loop over its lines, whose steps of 64 bytes it adds to an offset
/// that counts elements: of f32 it asks for every fourth line. Here each line is asked for once,
/// and few of them without a loop.
///
///   for l in [0, 4): prefetch(w, i + l * 64)   ==>   prefetch(w, i); ... prefetch(w, i + 48)
class PrefetchLines : public Halide::Internal::IRMutator {
public:
  using IRMutator::visit;

protected:
  Halide::Internal::Stmt visit(const Halide::Internal::For *loop) override;
};

} // namespace tessera::halide

#endif // TESSERA_COMPILER_CODEGEN_HALIDE_PREFETCHLINES_H
