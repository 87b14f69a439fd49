//===- DimText.cpp - The textual form of extents -------------------------------===//
//
//   expr   ::= term (('+' | '-') term)*
//   term   ::= factor ('*' factor)*
//   factor ::= integer | symbol | string | '-' factor | '(' expr ')'
//            | ('floordiv' | 'ceildiv' | 'mod' | 'min' | 'max') '(' expr (',' expr)* ')'
//
// A symbol whose name is not an identifier, or is one of the functions, is written as a string.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/Dim.h"
#include "dialects/graph/Graph.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace tessera::graph;

static constexpr int kMaxNesting = 100;

static bool isFunction(StringRef name) {
  return llvm::is_contained({"floordiv", "ceildiv", "mod", "min", "max"}, name);
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static void printSymbol(raw_ostream &os, StringRef name) {
  bool bare = !name.empty() && (llvm::isAlpha(name.front()) || name.front() == '_') &&
              llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  // i32, f32 and the like lex as types, true and false as literals.
  bool typeLike =
      llvm::is_contained({"true", "false", "loc", "dense", "unit"}, name) ||
      (name.size() > 1 && StringRef("iuf").contains(name.front()) && llvm::isDigit(name.back())) ||
      (name.starts_with("si") && llvm::isDigit(name.back()));
  if (bare && !isFunction(name) && !typeLike) {
    os << name;
    return;
  }
  os << '"';
  llvm::printEscapedString(name, os);
  os << '"';
}

static void printDim(raw_ostream &os, DimAttr dim);

static void printCall(raw_ostream &os, StringRef name, ArrayRef<DimAttr> operands) {
  os << name << '(';
  llvm::interleaveComma(operands, os, [&](DimAttr operand) { printDim(os, operand); });
  os << ')';
}

/// A term of a sum with its sign taken out.
static void printTerm(raw_ostream &os, DimAttr term, bool negate) {
  if (term.getKind() != DimKind::Product) {
    printDim(os, term);
    return;
  }
  // Negating in unsigned: the lowest int64 prints its magnitude.
  uint64_t magnitude = negate ? 0 - uint64_t(term.getValue()) : uint64_t(term.getValue());
  if (magnitude != 1)
    os << magnitude << " * ";
  llvm::interleave(term.getOperands(), os, [&](DimAttr atom) { printDim(os, atom); }, " * ");
}

static void printDim(raw_ostream &os, DimAttr dim) {
  switch (dim.getKind()) {
  case DimKind::Constant: os << dim.getValue(); return;
  case DimKind::Symbol: return printSymbol(os, dim.getSymbol());
  case DimKind::Product:
    if (dim.getValue() < 0)
      os << '-';
    return printTerm(os, dim, dim.getValue() < 0);
  case DimKind::Sum: {
    bool first = true;
    for (DimAttr term : dim.getOperands()) {
      bool negative = term.getKind() == DimKind::Product && term.getValue() < 0;
      if (first)
        os << (negative ? "-" : "");
      else
        os << (negative ? " - " : " + ");
      printTerm(os, term, negative);
      first = false;
    }
    if (dim.getValue() < 0)
      os << " - " << (0 - uint64_t(dim.getValue()));
    else if (dim.getValue() > 0)
      os << " + " << dim.getValue();
    return;
  }
  case DimKind::FloorDiv: return printCall(os, "floordiv", dim.getOperands());
  case DimKind::Mod: return printCall(os, "mod", dim.getOperands());
  case DimKind::Min: return printCall(os, "min", dim.getOperands());
  case DimKind::Max: return printCall(os, "max", dim.getOperands());
  }
}

void DimAttr::printExpr(raw_ostream &os) const { printDim(os, *this); }

std::string DimAttr::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  printExpr(os);
  return text;
}

void tessera::graph::printDimList(raw_ostream &os, ArrayRef<DimAttr> dims) {
  os << '[';
  llvm::interleaveComma(dims, os, [&](DimAttr dim) { printDim(os, dim); });
  os << ']';
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

namespace {
class DimParser {
public:
  explicit DimParser(AsmParser &parser) : parser(parser) {}

  DimExpr parseExpr() {
    if (++depth > kMaxNesting)
      return fail("extent expression is nested too deeply");
    DimExpr sum = parseTerm();
    while (sum) {
      llvm::SMLoc loc = parser.getCurrentLocation();
      bool plus = succeeded(parser.parseOptionalPlus());
      if (!plus && failed(parser.parseOptionalMinus()))
        break;
      DimExpr term = parseTerm();
      if (!term)
        return {};
      sum = check(loc, plus ? sum + term : sum - term);
    }
    --depth;
    return sum;
  }

private:
  DimExpr fail(const Twine &message) {
    parser.emitError(parser.getCurrentLocation(), message);
    return {};
  }
  DimExpr check(llvm::SMLoc loc, DimExpr result) {
    if (!result)
      parser.emitError(loc, "extent expression overflows 64 bits, has too many terms, or divides "
                            "by a constant that is "
                            "not positive");
    return result;
  }

  DimExpr parseTerm() {
    DimExpr product = parseFactor();
    while (product) {
      llvm::SMLoc loc = parser.getCurrentLocation();
      if (failed(parser.parseOptionalStar()))
        break;
      DimExpr factor = parseFactor();
      if (!factor)
        return {};
      product = check(loc, product * factor);
    }
    return product;
  }

  DimExpr parseFactor() {
    llvm::SMLoc loc = parser.getCurrentLocation();
    bool negative = false;
    while (succeeded(parser.parseOptionalMinus()))
      negative = !negative;
    // Read wide, so that the lowest int64 can be written.
    APInt number;
    OptionalParseResult integer = parser.parseOptionalInteger(number);
    if (integer.has_value()) {
      if (failed(*integer))
        return {};
      number = number.sext(std::max(number.getBitWidth(), 64u) + 1);
      if (negative)
        number.negate();
      if (!number.isSignedIntN(64))
        return fail("integer does not fit 64 bits");
      return DimExpr::constant(parser.getContext(), number.getSExtValue());
    }
    DimExpr factor = parsePositiveFactor();
    return factor && negative ? check(loc, factor * -1) : factor;
  }

  DimExpr parsePositiveFactor() {
    if (succeeded(parser.parseOptionalLParen())) {
      DimExpr inner = parseExpr();
      if (!inner || parser.parseRParen())
        return {};
      return inner;
    }
    llvm::SMLoc loc = parser.getCurrentLocation();
    std::string quoted;
    if (succeeded(parser.parseOptionalString(&quoted))) {
      if (quoted.empty())
        return fail("a symbol needs a name");
      return DimExpr::symbol(parser.getContext(), quoted);
    }
    StringRef name;
    if (failed(parser.parseOptionalKeyword(&name)))
      return fail("expected an extent: an integer, a symbol or an expression");
    if (!isFunction(name))
      return DimExpr::symbol(parser.getContext(), name);
    return parseCall(loc, name);
  }

  DimExpr parseCall(llvm::SMLoc loc, StringRef name) {
    SmallVector<DimExpr> operands;
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&]() -> ParseResult {
          operands.push_back(parseExpr());
          return success(bool(operands.back()));
        }))
      return {};
    bool extremum = name == "min" || name == "max";
    if (operands.empty() || (!extremum && operands.size() != 2)) {
      parser.emitError(loc) << name << " takes " << (extremum ? "one or more" : "two")
                            << " operands";
      return {};
    }
    DimExpr result = operands[0];
    for (DimExpr operand : ArrayRef(operands).drop_front()) {
      if (name == "floordiv")
        result = result.floorDiv(operand);
      else if (name == "ceildiv")
        result = result.ceilDiv(operand);
      else if (name == "mod")
        result = result.mod(operand);
      else if (name == "min")
        result = DimExpr::min(result, operand);
      else
        result = DimExpr::max(result, operand);
    }
    return check(loc, result);
  }

  AsmParser &parser;
  int depth = 0;
};
} // namespace

FailureOr<DimAttr> tessera::graph::parseDimExpr(AsmParser &parser) {
  DimExpr dim = DimParser(parser).parseExpr();
  if (!dim)
    return failure();
  return dim.get();
}

ParseResult tessera::graph::parseDimList(AsmParser &parser, SmallVectorImpl<DimAttr> &dims) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
    FailureOr<DimAttr> dim = parseDimExpr(parser);
    if (failed(dim))
      return failure();
    dims.push_back(*dim);
    return success();
  });
}
