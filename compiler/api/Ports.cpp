//===- Ports.cpp - The signature of a function ----------------------------------------------===//
#include "compiler/api/Ports.h"

#include "compiler/module/EmitFunction.h"
#include "dialects/graph/Storage.h"
#include "runtime/api/tessera.h"

using namespace mlir;
using namespace tessera;

/// The runtime's name of an element type: si8 is i8, ui8 u8, i1 bool, f8E5M2 f8e5m2. What the
/// runtime has no name for is not a number to it.
static std::string nameOf(Type element) {
  if (element.isIntOrFloat())
    return tessera_type_name(tessera_type(getRuntimeType(element)));
  std::string text;
  llvm::raw_string_ostream(text) << element;
  return StringRef(text).lower();
}

static PortInfo describePort(graph::FuncOp function, graph::TensorType type, StringRef name,
                             const char *what, size_t number) {
  type = graph::getStorageType(type); // Packed blocks are given as their bytes.
  // The runtime's names for what the model does not name.
  PortInfo port{
      name.empty() ? what + std::to_string(number) : name.str(), nameOf(type.getElementType()), {}};
  for (graph::DimAttr dim : type.getDims()) {
    graph::RangeAttr range =
        dim.isSymbol() ? function.getRange(dim.getSymbol()) : graph::RangeAttr();
    port.dims.push_back({dim.getConstant().value_or(-1), dim.str(), range ? range.getLo() : 0,
                         range ? range.getHi().value_or(-1) : -1});
  }
  return port;
}

std::vector<PortInfo> tessera::describeInputs(graph::FuncOp function) {
  std::vector<PortInfo> ports;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    ports.push_back(describePort(function, llvm::cast<graph::TensorType>(type),
                                 function.getArgName(i), "input", i));
    ports.back().areStrings = function.getArgAttr(unsigned(i), "graph.strings") != nullptr;
  }
  return ports;
}

std::vector<PortInfo> tessera::describeOutputs(graph::FuncOp function) {
  std::vector<PortInfo> ports;
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    ports.push_back(describePort(function, llvm::cast<graph::TensorType>(type),
                                 function.getResultName(i), "output", i));
    ports.back().areStrings = function.getResultAttr(unsigned(i), "graph.strings") != nullptr;
  }
  return ports;
}
