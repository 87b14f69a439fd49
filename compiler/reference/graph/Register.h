//===- Register.h - Attaches all reference rules ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_REGISTER_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_REGISTER_H

namespace mlir {
class DialectRegistry;
}

namespace tessera::reference {

/// Gives the ops of the graph dialect their meaning (ReferenceOpInterface).
void registerGraphReference(mlir::DialectRegistry &registry);

} // namespace tessera::reference

#endif
