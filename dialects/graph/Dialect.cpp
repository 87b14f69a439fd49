//===- Dialect.cpp - What the dialect is made of --------------------------------===//

#include "dialects/graph/Gradient.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/Host.h"
#include "dialects/graph/WeightStore.h"

using namespace mlir;
using namespace tessera::graph;

#include "dialects/graph/GraphDialect.cpp.inc"
#include "dialects/graph/GraphEnums.cpp.inc"
#include "dialects/graph/GraphInterfaces.cpp.inc"

void GraphDialect::initialize() {
  weightStore = std::make_shared<WeightStore>();
  registerAttributes();
  registerTypes();
  registerElementwiseOps();
  registerMovementOps();
  registerReductionOps();
  registerContractionOps();
  registerWindowOps();
  registerSequentialOps();
  registerRandomOps();
  registerControlOps();
  registerStateOps();
  registerQuantizationOps();
  registerShapeOps();
  registerStreamOps();
  registerCompositeOps();
  // Few files see these.
  addOperations<GradientOp, HostCallOp>();
}

Operation *GraphDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                             Location loc) {
  auto typed = llvm::dyn_cast<TypedAttr>(value);
  if (!typed || typed.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, type, typed);
}
