//===- Register.h - Launches have a meaning -----------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_KERNEL_REGISTER_H
#define TESSERA_COMPILER_REFERENCE_KERNEL_REGISTER_H

namespace mlir {
class DialectRegistry;
}

namespace tessera::reference {

/// Lets the interpreter of the graph run kernel.launch.
void registerKernelReference(mlir::DialectRegistry &registry);

} // namespace tessera::reference

#endif
