//===- HostOperators.cpp - Lets the interpreter run host operators --------------------------===//
#include "compiler/api/HostOperators.h"

#include "compiler/module/EmitFunction.h"
#include "compiler/reference/graph/Host.h"
#include "runtime/api/tessera.h"

#include "llvm/ADT/STLExtras.h"

using namespace tessera;
using reference::Tensor;

static tessera_tensor describe(const Tensor &tensor, void *data) {
  tessera_tensor result;
  tessera_tensor_init(&result, tessera_type(getRuntimeType(tensor.getElementType())),
                      uint32_t(tensor.getRank()), tensor.getShape().data(), data);
  return result;
}

static std::string run(llvm::StringRef function, llvm::StringRef options,
                       llvm::ArrayRef<Tensor> operands, llvm::MutableArrayRef<Tensor> results) {
  std::vector<tessera_tensor> inputs, outputs;
  for (const Tensor &operand : operands)
    inputs.push_back(describe(operand, const_cast<char *>(operand.at(0))));
  for (Tensor &result : results)
    outputs.push_back(describe(result, result.at(0)));
  tessera_error *error = nullptr;
  if (!tessera_run_host_operator(function.str().c_str(), options.str().c_str(), inputs.data(),
                                 uint32_t(inputs.size()), outputs.data(), uint32_t(outputs.size()),
                                 &error))
    return "";
  std::string message = tessera_error_message(error);
  tessera_error_destroy(error);
  return message;
}

void tessera::useHostOperators() { reference::setHostRunner(run); }
