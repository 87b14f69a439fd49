//===- State.cpp - Variables that keep their value between calls -----------------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/State.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerStateOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/State.cpp.inc"
      >();
}

LogicalResult VariableOp::verify() {
  if (!llvm::cast<TensorType>(getType()).hasStaticShape())
    return emitOpError("(C1) the shape of ") << getType() << " is not static";
  if (getInitial().getType() != getType())
    return emitOpError("(C2) the initial value is ")
           << getInitial().getType() << ", not " << getType();
  return success();
}

static LogicalResult verifyUse(Operation *op, SymbolTableCollection &symbols,
                               FlatSymbolRefAttr name, Type type) {
  auto variable = symbols.lookupNearestSymbolFrom<VariableOp>(op, name);
  if (!variable)
    return op->emitOpError("(C1) there is no graph.variable ") << name;
  if (variable.getType() != type)
    return op->emitOpError("(C1) variable ")
           << name << " is " << variable.getType() << ", not " << type;
  return success();
}

LogicalResult ReadVariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyUse(*this, symbols, getVariableAttr(), getType());
}
LogicalResult WriteVariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyUse(*this, symbols, getVariableAttr(), getValue().getType());
}

} // namespace tessera::graph
