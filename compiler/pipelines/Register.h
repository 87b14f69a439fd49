//===- Register.h - Everything the tools know ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_PIPELINES_REGISTER_H
#define TESSERA_COMPILER_PIPELINES_REGISTER_H

namespace mlir {
class DialectRegistry;
}

namespace tessera {

/// Adds every dialect of Tessera, the upstream dialects its levels are built on, and the external
/// models of their interfaces.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers every pass and pipeline with the pass registry of the process.
void registerAllPasses();

} // namespace tessera

#endif
