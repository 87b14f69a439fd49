//===- Gradient.h - Derivatives of a region --------------------------------------*- C++ -*-===//
//
// A gradient becomes ordinary ops by reverse accumulation: the region's ops, then, from the yielded
// value back to the arguments, what each op's operands change the sum by. What one op contributes
// is its rule, a function that `GradientRules.h` describes and one row of the table in
// Gradient.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_GRADIENT_H
#define TESSERA_DIALECTS_GRAPH_GRADIENT_H

#include "dialects/graph/Graph.h"

#define GET_OP_CLASSES
#include "dialects/graph/Gradient.h.inc"

namespace tessera::graph {

/// The results of the op as ops at the builder's insertion point. Fails with the reason in `why`
/// ("graph.scan has no derivative rule"); then nothing was built.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
expandGradient(GradientOp op, mlir::OpBuilder &builder, std::string &why);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_GRADIENT_H
