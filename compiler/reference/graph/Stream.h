//===- Stream.h - The neutral states of a stream ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_STREAM_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_STREAM_H

#include "compiler/reference/graph/Evaluation.h"

namespace tessera::reference {

/// The states that are neutral in a merge.
Evaluation::Tensors makeIdentity(graph::StreamOp op, Evaluation &evaluation);

} // namespace tessera::reference

#endif
