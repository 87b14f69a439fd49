//===- Regex.h - Regular expressions as tables ----------------------------------*- C++ -*-===//
//
// A deterministic automaton over bytes of UTF-8: one table look-up for each byte, whatever the
// pattern. The syntax is RE2's (https://github.com/google/re2/wiki/Syntax) without single
// bytes (\C).
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_REGEX_H
#define TESSERA_FRONTENDS_ONNX_REGEX_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <vector>

namespace tessera::onnx {

/// Bytes of a pattern; parentheses within each other; how often a counted repetition may ask for;
/// nodes that a pattern expands to; states of the automaton, and nodes of all states together.
constexpr size_t kMaxRegexBytes = size_t(1) << 16;
constexpr unsigned kMaxRegexNesting = 100;
constexpr int kMaxRegexRepeats = 1000;
constexpr size_t kMaxRegexNodes = size_t(1) << 15;
constexpr size_t kMaxRegexStates = 4096;
constexpr size_t kMaxRegexWork = size_t(1) << 25;

/// What stands on one side of a place.
enum Side : uint8_t { kNothing, kNewline, kWord, kOther };
Side sideOf(unsigned byte);

/// State 0 is the first. Bytes that no pattern part tells apart are one class.
struct Automaton {
  std::array<uint8_t, 256> classOf{};
  size_t classes = 0;
  std::vector<int32_t> next; ///< [state, class]
  std::vector<bool> accepts; ///< whether a text may end in the state

  // Of an automaton that searches.
  std::array<int32_t, 4> starts{}; ///< the first state by the side before a match
  std::vector<bool> ends; ///< [state, classes + 1]: whether a match may end before a byte of the
                          ///< class, or where the text ends

  size_t size() const { return accepts.size(); }
  bool matches(llvm::StringRef text) const;
};

/// The automaton that accepts a text as a whole; an error says what is wrong with the pattern and
/// where.
llvm::Expected<Automaton> compileRegex(llvm::StringRef pattern);
/// The automaton that says of each place where a text begins that matches, and where it may end.
llvm::Expected<Automaton> compileSearch(llvm::StringRef pattern);

} // namespace tessera::onnx

#endif
