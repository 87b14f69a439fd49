//===- ContractTransposedConv.h - Which transposed convolutions are contractions ------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_CONTRACTTRANSPOSEDCONV_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_CONTRACTTRANSPOSEDCONV_H

#include "dialects/graph/Graph.h"

namespace tessera::transforms {

/// Whether the windows of a transposed convolution neither overlap nor leave gaps, and nothing is
/// cut off: then every result is one sum over the channels.
bool isContraction(graph::ConvTransposeOp op);

} // namespace tessera::transforms

#endif // TESSERA_COMPILER_TRANSFORMS_GRAPH_CONTRACTTRANSPOSEDCONV_H
