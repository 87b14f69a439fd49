//===- RegexNodes.h - What a pattern consists of --------------------------------*- C++ -*-===//
//
// A graph of nodes that consume a byte, branch, or look at what stands around a place (Thompson,
// "Regular expression search algorithm", 1968).
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_REGEXNODES_H
#define TESSERA_FRONTENDS_ONNX_REGEXNODES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <vector>

namespace tessera::onnx {

struct RegexNode {
  enum Kind : uint8_t {
    Byte,   ///< from low to high
    Branch, ///< goes on with both
    BeginText,
    EndText,
    BeginLine,
    EndLine,
    Boundary, ///< of a word
    NoBoundary,
    Match
  };
  Kind kind;
  uint8_t low = 0, high = 0;
  int next = -1, other = -1;
};

struct RegexNodes {
  std::vector<RegexNode> nodes;
  int first = -1;
};

llvm::Expected<RegexNodes> parseRegex(llvm::StringRef pattern);

} // namespace tessera::onnx

#endif
