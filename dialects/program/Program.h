//===- Program.h - The program dialect ------------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_PROGRAM_PROGRAM_H
#define TESSERA_DIALECTS_PROGRAM_PROGRAM_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/program/ProgramDialect.h.inc"
#include "dialects/program/ProgramEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/program/ProgramTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/program/ProgramOps.h.inc"

namespace tessera::program {

/// Whether the buffer, or what it is a view of, is the host's.
bool isOnHost(mlir::Value buffer);

} // namespace tessera::program

#endif
