//===- Ports.h - The signature of a function ------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_PORTS_H
#define TESSERA_COMPILER_API_PORTS_H

#include "compiler/api/HostTensor.h"
#include "dialects/graph/Graph.h"

namespace tessera {

std::vector<PortInfo> describeInputs(graph::FuncOp function);
std::vector<PortInfo> describeOutputs(graph::FuncOp function);

} // namespace tessera

#endif
