//===- Dim.h - Arithmetic on symbolic extents ------------------------------===//
//
// `DimExpr` builds `DimAttr`s in canonical form:
//
//   DimExpr h = DimExpr::symbol(context, "H");
//   DimExpr out = (h + 2 * pad - kernel).floorDiv(stride) + 1;
//   if (!out) ...                      // overflow, or a constant divisor that is not positive
//   DimAttr attr = out;                // equal pointers: equal values for all symbols
//
// Rules (the description of `#graph.dim` has the constraints): symbols are >= 0, divisors > 0.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_DIM_H
#define TESSERA_DIALECTS_GRAPH_DIM_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tessera::graph {

class DimAttr;

/// What a DimAttr is made of. Operands: Sum: terms (value: the constant); Product: sorted atoms
/// (value: the coefficient); FloorDiv, Mod: dividend, divisor; Min, Max: sorted alternatives.
enum class DimKind : uint32_t { Constant, Symbol, Sum, Product, FloorDiv, Mod, Min, Max };

/// Both ends included; an end at the limit of int64 means unbounded.
struct DimInterval {
  int64_t lo = std::numeric_limits<int64_t>::min();
  int64_t hi = std::numeric_limits<int64_t>::max();
};

/// A DimAttr with operators, or invalid (null) when a result is not representable. Invalid operands
/// give invalid results, so one test at the end is enough.
class DimExpr {
public:
  DimExpr() = default;
  DimExpr(DimAttr attr);
  static DimExpr constant(mlir::MLIRContext *context, int64_t value);
  static DimExpr symbol(mlir::MLIRContext *context, llvm::StringRef name);

  explicit operator bool() const { return impl != nullptr; }
  operator DimAttr() const;
  DimAttr get() const;

  DimExpr floorDiv(DimExpr divisor) const;
  DimExpr floorDiv(int64_t divisor) const;
  DimExpr ceilDiv(DimExpr divisor) const;
  DimExpr ceilDiv(int64_t divisor) const;
  DimExpr mod(DimExpr divisor) const;
  DimExpr mod(int64_t divisor) const;
  static DimExpr min(DimExpr a, DimExpr b);
  static DimExpr max(DimExpr a, DimExpr b);

  friend DimExpr operator+(DimExpr a, DimExpr b);
  friend DimExpr operator-(DimExpr a, DimExpr b);
  friend DimExpr operator*(DimExpr a, DimExpr b);
  friend DimExpr operator+(DimExpr a, int64_t b);
  friend DimExpr operator-(DimExpr a, int64_t b);
  friend DimExpr operator*(DimExpr a, int64_t b);
  friend DimExpr operator+(int64_t a, DimExpr b) { return b + a; }
  friend DimExpr operator*(int64_t a, DimExpr b) { return b * a; }
  friend DimExpr operator-(int64_t a, DimExpr b) { return b * -1 + a; }
  /// The same attribute (not a comparison of values).
  friend bool operator==(DimExpr a, DimExpr b) { return a.impl == b.impl; }

private:
  const mlir::Attribute::ImplType *impl = nullptr;
};

//===----------------------------------------------------------------------===//
// Questions about a DimAttr
//===----------------------------------------------------------------------===//

/// The exact quotient a / b, when b divides a as polynomials (and is not zero); else invalid.
DimExpr divideExactly(DimAttr a, DimAttr b);

/// Proven >= 0 (> 0) for all non-negative symbols.
bool isKnownNonNegative(DimAttr dim);
bool isKnownPositive(DimAttr dim);
/// Proven a < b (a <= b).
bool isKnownLess(DimAttr a, DimAttr b);
bool isKnownLessEqual(DimAttr a, DimAttr b);
/// Proven a != b.
bool isKnownDifferent(DimAttr a, DimAttr b);

/// The value for an assignment; none when a symbol has no value, or on overflow or division by
/// zero.
std::optional<int64_t>
evaluateDim(DimAttr dim, llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> symbolValue);
/// An interval that holds every value when each symbol is in its interval.
DimInterval evaluateDimRange(DimAttr dim,
                             llvm::function_ref<DimInterval(llvm::StringRef)> symbolRange);
/// Replaces symbols (those for which the function gives a valid expression); invalid on overflow.
DimExpr substituteDim(DimAttr dim, llvm::function_ref<DimExpr(llvm::StringRef)> replacement);
/// A type with the dims of its tensors replaced; null on overflow.
mlir::Type substituteDims(mlir::Type type,
                          llvm::function_ref<DimExpr(llvm::StringRef)> replacement);
/// Calls back for every symbol in the expression.
void walkDimSymbols(DimAttr dim, llvm::function_ref<void(llvm::StringRef)> callback);

/// The product of all; the constant 1 for none.
DimExpr multiplyDims(mlir::MLIRContext *context, llvm::ArrayRef<DimAttr> dims);

/// Constants.
DimAttr getDim(mlir::MLIRContext *context, int64_t value);
/// Constants stay, the rest becomes ShapedType::kDynamic.
llvm::SmallVector<int64_t> getShapeEntries(llvm::ArrayRef<DimAttr> dims);

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// Parses `H + 1`, `2 * (B - floordiv(S, 2))`, ... at the parser's place.
mlir::FailureOr<DimAttr> parseDimExpr(mlir::AsmParser &parser);
/// Parses `[H, 2]`.
mlir::ParseResult parseDimList(mlir::AsmParser &parser, llvm::SmallVectorImpl<DimAttr> &dims);
void printDimList(llvm::raw_ostream &os, llvm::ArrayRef<DimAttr> dims);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_DIM_H
