//===- Host.cpp - What is no numeric kernel ------------------------------------------------===//

#include "dialects/graph/Host.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Host.cpp.inc"

namespace tessera::graph {

LogicalResult HostCallOp::verify() {
  // As long as a module's names, and as many tensors as a call takes (runtime/base/HostAbi.h).
  constexpr size_t maxBytes = 4095, maxTensors = 32;
  for (StringRef text : {getFunction(), getOptions()})
    if (text.size() > maxBytes || text.contains('\0'))
      return emitOpError("(C1) a name or text has zero bytes, or more than ") << maxBytes;
  if (getFunction().empty())
    return emitOpError("(C1) the function has no name");
  if (getOutputs().empty() || getInputs().size() + getOutputs().size() > maxTensors)
    return emitOpError("(C2) has ") << getInputs().size() << " operands and " << getOutputs().size()
                                    << " results, up to " << maxTensors << " are possible";
  return success();
}

} // namespace tessera::graph
