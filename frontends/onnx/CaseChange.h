//===- CaseChange.h - Small and capital letters ---------------------------------*- C++ -*-===//
//
// Unicode's own full mappings of single characters, in every language: what Python's str.lower and
// str.upper do, but for the sigma at the end of a word.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_CASECHANGE_H
#define TESSERA_FRONTENDS_ONNX_CASECHANGE_H

#include "frontends/onnx/Strings.h"

namespace tessera::onnx {

/// ui8 [count, width], which may become another width.
Value changeCase(Node &node, Value bytes, bool toUpper);
/// The same of a string that is known.
std::string changeCase(llvm::StringRef string, bool toUpper);

} // namespace tessera::onnx

#endif
