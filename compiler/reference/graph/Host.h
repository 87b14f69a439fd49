//===- Host.h - What runs host operators for the interpreter --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_HOST_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_HOST_H

#include "compiler/reference/Tensor.h"

namespace tessera::reference {

/// Calls a host operator: fills the results, which have their types and shapes. Returns what is
/// wrong, or "".
using HostRunner = std::string (*)(llvm::StringRef function, llvm::StringRef options,
                                   llvm::ArrayRef<Tensor> operands,
                                   llvm::MutableArrayRef<Tensor> results);

/// The interpreter knows nothing of libraries: who links it and the runtime says what runs them.
/// Without one such ops have no value.
void setHostRunner(HostRunner runner);

/// The rule of graph.host_call.
void attachHost(mlir::MLIRContext &context);

} // namespace tessera::reference

#endif
