//===- PlaceResults.h - Producers write where their results go ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_PLACERESULTS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_PLACERESULTS_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/Builders.h"

#include <string>

namespace tessera {

/// Replaces a padding or a concatenation whose operands are results of launches by those results,
/// written into the tensor itself (`kernel.place`, `kernel.join`), and by small kernels for what is
/// left: the border, operands that others read as well. False: nothing was changed, as too little
/// would be saved. `moduleBuilder` makes kernels, `makeName` their names.
bool placeResults(mlir::Operation *op, mlir::OpBuilder &moduleBuilder,
                  llvm::function_ref<std::string(llvm::StringRef)> makeName);

} // namespace tessera

#endif
