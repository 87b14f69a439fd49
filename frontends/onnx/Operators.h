//===- Operators.h - Names of the operators that are read ------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_OPERATORS_H
#define TESSERA_FRONTENDS_ONNX_OPERATORS_H

#include "llvm/ADT/StringRef.h"

#include <vector>

namespace tessera::onnx {

/// Of a domain ("" is the default one); none when it is not known.
std::vector<llvm::StringRef> operatorsOf(llvm::StringRef domain);

} // namespace tessera::onnx

#endif
