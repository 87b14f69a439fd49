//===- Register.cpp - Attaches all reference rules ------------------------===//
#include "compiler/reference/graph/Register.h"

#include "compiler/reference/graph/Host.h"
#include "compiler/reference/graph/Rules.h"

using namespace mlir;
using namespace tessera;

void reference::registerGraphReference(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, graph::GraphDialect *) {
    attachContraction(*context);
    attachControl(*context);
    attachElementwise(*context);
    attachHost(*context);
    attachMovement(*context);
    attachQuantization(*context);
    attachRandom(*context);
    attachReduction(*context);
    attachSequential(*context);
    attachShape(*context);
    attachState(*context);
    attachStream(*context);
    attachWindow(*context);
  });
}
