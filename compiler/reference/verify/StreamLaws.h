//===- StreamLaws.h - Whether the regions of a stream fit together --*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_VERIFY_STREAMLAWS_H
#define TESSERA_COMPILER_REFERENCE_VERIFY_STREAMLAWS_H

#include "compiler/reference/graph/Evaluation.h"

namespace tessera::reference {

/// Tries the laws of graph.stream on random values, e the identity and a ++ b two blocks in a row:
///   merge(e, s) = s = merge(s, e)
///   merge(merge(s, t), u) = merge(s, merge(t, u))
///   lift(a ++ b) = merge(lift(a), lift(b)), where lift takes blocks
/// The broken law as a sentence ("merge is not associative: state 1 at [0] is ..."), "" when all
/// hold, and none when the regions cannot be run within the limits.
std::optional<std::string> describeBrokenLaw(graph::StreamOp stream, Limits limits);

} // namespace tessera::reference

#endif
