//===- Program.cpp - The program dialect ---------------------------------------------------===//
#include "dialects/program/Program.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tessera::program;

#include "dialects/program/ProgramDialect.cpp.inc"
#include "dialects/program/ProgramEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/program/ProgramTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/program/ProgramOps.cpp.inc"

void ProgramDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/program/ProgramTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/program/ProgramOps.cpp.inc"
      >();
}
