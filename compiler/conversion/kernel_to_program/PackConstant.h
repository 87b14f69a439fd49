//===- PackConstant.h - Constants in the layout a kernel wants ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_PACKCONSTANT_H
#define TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_PACKCONSTANT_H

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/Support/Error.h"

namespace tessera {

/// The elements of a constant of the logical type as a weight in the packed layout: a derived
/// buffer of the weight store, named by its content. Equal constants in equal layouts give equal
/// weights.
llvm::Expected<graph::WeightAttr> packConstant(mlir::TypedAttr constant, graph::TensorType logical,
                                               kernel::PackedAttr layout);

} // namespace tessera

#endif
