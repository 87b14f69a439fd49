//===- DimQuestions.cpp - What is known of an extent, and its value ----------===//

#include "dialects/graph/Dim.h"
#include "dialects/graph/Graph.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera::graph;
using llvm::AddOverflow;
using llvm::MulOverflow;

static int64_t floorMod(int64_t a, int64_t b) {
  int64_t r = a % b;
  return r < 0 ? r + b : r;
}

static bool isNonNegative(DimAttr dim, int &left);

/// A sum is bounded by what it is with a minimum or maximum replaced: n - max(0, n - 1), by both n
/// and 1 of which it is one; n + max(0, m), by any one.
static bool isNonNegativeByCases(DimAttr sum, int &left) {
  // Long sums are lengths of concatenations: that they are extents follows term by term.
  constexpr size_t kMaxTerms = 6;
  ArrayRef<DimAttr> terms = sum;
  if (sum.getKind() == DimKind::Sum)
    terms = sum.getOperands();
  if (terms.size() > kMaxTerms)
    return false;
  for (DimAttr term : terms) {
    bool isProduct = term.getKind() == DimKind::Product;
    int64_t coefficient = isProduct ? term.getValue() : 1;
    ArrayRef<DimAttr> atoms = term;
    if (isProduct)
      atoms = term.getOperands();
    for (auto [i, atom] : llvm::enumerate(atoms)) {
      if (atom.getKind() != DimKind::Min && atom.getKind() != DimKind::Max)
        continue;
      DimExpr factor = DimExpr::constant(sum.getContext(), coefficient);
      bool hasSign = true;
      for (auto [j, other] : llvm::enumerate(atoms)) {
        if (i == j)
          continue;
        factor = factor * other;
        hasSign &= isNonNegative(other, left);
      }
      if (!hasSign)
        continue;
      auto isEnough = [&](DimAttr alternative) {
        DimExpr bound = DimExpr(sum) - term + factor * alternative;
        return bound && --left >= 0 && isNonNegative(bound, left);
      };
      bool isAny = (coefficient > 0) == (atom.getKind() == DimKind::Max);
      if (isAny ? llvm::any_of(atom.getOperands(), isEnough)
                : llvm::all_of(atom.getOperands(), isEnough))
        return true;
    }
  }
  return false;
}

/// `left` bounds how many cases are tried.
static bool isNonNegative(DimAttr dim, int &left) {
  auto isOne = [&](DimAttr operand) { return isNonNegative(operand, left); };
  switch (dim.getKind()) {
  case DimKind::Constant: return dim.getValue() >= 0;
  case DimKind::Symbol:
  case DimKind::Mod: // Divisors are positive.
    return true;
  case DimKind::Sum:
  case DimKind::Product:
    return (dim.getValue() >= 0 && llvm::all_of(dim.getOperands(), isOne)) ||
           isNonNegativeByCases(dim, left);
  case DimKind::FloorDiv: return isOne(dim.getOperands()[0]);
  case DimKind::Min: return llvm::all_of(dim.getOperands(), isOne);
  case DimKind::Max: return llvm::any_of(dim.getOperands(), isOne);
  }
  return false;
}

bool tessera::graph::isKnownNonNegative(DimAttr dim) {
  int left = 16;
  return isNonNegative(dim, left);
}

bool tessera::graph::isKnownPositive(DimAttr dim) {
  DimExpr less = DimExpr(dim) - 1;
  return less && isKnownNonNegative(less);
}

bool tessera::graph::isKnownLessEqual(DimAttr a, DimAttr b) {
  DimExpr difference = DimExpr(b) - DimExpr(a);
  return difference && isKnownNonNegative(difference);
}
bool tessera::graph::isKnownLess(DimAttr a, DimAttr b) {
  DimExpr difference = DimExpr(b) - DimExpr(a) - 1;
  return difference && isKnownNonNegative(difference);
}
bool tessera::graph::isKnownDifferent(DimAttr a, DimAttr b) {
  return isKnownLess(a, b) || isKnownLess(b, a);
}

void tessera::graph::walkDimSymbols(DimAttr dim, llvm::function_ref<void(StringRef)> callback) {
  if (dim.isSymbol())
    callback(dim.getSymbol());
  for (DimAttr operand : dim.getOperands())
    walkDimSymbols(operand, callback);
}

std::optional<int64_t>
tessera::graph::evaluateDim(DimAttr dim,
                            llvm::function_ref<std::optional<int64_t>(StringRef)> symbolValue) {
  SmallVector<int64_t> values;
  for (DimAttr operand : dim.getOperands()) {
    std::optional<int64_t> value = evaluateDim(operand, symbolValue);
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  int64_t result = dim.getValue();
  switch (dim.getKind()) {
  case DimKind::Constant: return result;
  case DimKind::Symbol: return symbolValue(dim.getSymbol());
  case DimKind::Sum:
    for (int64_t value : values)
      if (AddOverflow(result, value, result))
        return std::nullopt;
    return result;
  case DimKind::Product:
    for (int64_t value : values)
      if (MulOverflow(result, value, result))
        return std::nullopt;
    return result;
  case DimKind::FloorDiv:
    if (values[1] <= 0)
      return std::nullopt;
    return llvm::divideFloorSigned(values[0], values[1]);
  case DimKind::Mod:
    if (values[1] <= 0)
      return std::nullopt;
    return floorMod(values[0], values[1]);
  case DimKind::Min: return *llvm::min_element(values);
  case DimKind::Max: return *llvm::max_element(values);
  }
  return std::nullopt;
}

static constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
static constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

/// Sums and products of interval ends: the limits of int64 act as infinities.
static int64_t addEnds(int64_t a, int64_t b) {
  if (a == kLowest || b == kLowest)
    return kLowest;
  if (a == kHighest || b == kHighest)
    return kHighest;
  int64_t sum;
  if (AddOverflow(a, b, sum))
    return a < 0 ? kLowest : kHighest;
  return sum;
}
static int64_t multiplyEnds(int64_t a, int64_t b) {
  if (a == 0 || b == 0)
    return 0;
  bool negative = (a < 0) != (b < 0);
  int64_t product;
  if (a == kLowest || a == kHighest || b == kLowest || b == kHighest || MulOverflow(a, b, product))
    return negative ? kLowest : kHighest;
  return product;
}
static DimInterval multiplyIntervals(DimInterval a, DimInterval b) {
  int64_t ends[] = {multiplyEnds(a.lo, b.lo), multiplyEnds(a.lo, b.hi), multiplyEnds(a.hi, b.lo),
                    multiplyEnds(a.hi, b.hi)};
  return {*llvm::min_element(ends), *llvm::max_element(ends)};
}

DimInterval
tessera::graph::evaluateDimRange(DimAttr dim,
                                 llvm::function_ref<DimInterval(StringRef)> symbolRange) {
  SmallVector<DimInterval> parts;
  for (DimAttr operand : dim.getOperands())
    parts.push_back(evaluateDimRange(operand, symbolRange));
  DimInterval result{dim.getValue(), dim.getValue()};
  switch (dim.getKind()) {
  case DimKind::Constant: return result;
  case DimKind::Symbol: {
    DimInterval range = symbolRange(dim.getSymbol());
    return {std::max<int64_t>(range.lo, 0), range.hi};
  }
  case DimKind::Sum:
    for (DimInterval part : parts)
      result = {addEnds(result.lo, part.lo), addEnds(result.hi, part.hi)};
    return result;
  case DimKind::Product:
    for (DimInterval part : parts)
      result = multiplyIntervals(result, part);
    return result;
  case DimKind::FloorDiv: {
    auto divideEnd = [](int64_t a, int64_t b) {
      if (a == kLowest || a == kHighest)
        return a;
      if (b == kHighest)
        return a < 0 ? int64_t(-1) : int64_t(0);
      return llvm::divideFloorSigned(a, b);
    };
    int64_t lo = std::max<int64_t>(parts[1].lo, 1), hi = std::max<int64_t>(parts[1].hi, 1);
    int64_t ends[] = {divideEnd(parts[0].lo, lo), divideEnd(parts[0].lo, hi),
                      divideEnd(parts[0].hi, lo), divideEnd(parts[0].hi, hi)};
    return {*llvm::min_element(ends), *llvm::max_element(ends)};
  }
  case DimKind::Mod: {
    int64_t hi = parts[1].hi == kHighest ? kHighest : std::max<int64_t>(parts[1].hi - 1, 0);
    // Nothing happens to a dividend that stays below every divisor.
    if (parts[0].lo >= 0 && parts[0].hi < parts[1].lo)
      return parts[0];
    if (parts[0].lo >= 0)
      hi = std::min(hi, parts[0].hi);
    return {0, hi};
  }
  case DimKind::Min:
  case DimKind::Max:
    result = parts.front();
    for (DimInterval part : parts)
      result = dim.getKind() == DimKind::Min
                   ? DimInterval{std::min(result.lo, part.lo), std::min(result.hi, part.hi)}
                   : DimInterval{std::max(result.lo, part.lo), std::max(result.hi, part.hi)};
    return result;
  }
  return {};
}

DimExpr tessera::graph::substituteDim(DimAttr dim,
                                      llvm::function_ref<DimExpr(StringRef)> replacement) {
  MLIRContext *context = dim.getContext();
  if (dim.isSymbol()) {
    DimExpr replaced = replacement(dim.getSymbol());
    return replaced ? replaced : DimExpr(dim);
  }
  SmallVector<DimExpr> parts;
  for (DimAttr operand : dim.getOperands())
    parts.push_back(substituteDim(operand, replacement));
  DimExpr result = DimExpr::constant(context, dim.getValue());
  switch (dim.getKind()) {
  case DimKind::Constant:
  case DimKind::Symbol: return dim;
  case DimKind::Sum:
    for (DimExpr part : parts)
      result = result + part;
    return result;
  case DimKind::Product:
    for (DimExpr part : parts)
      result = result * part;
    return result;
  case DimKind::FloorDiv: return parts[0].floorDiv(parts[1]);
  case DimKind::Mod: return parts[0].mod(parts[1]);
  case DimKind::Min:
  case DimKind::Max:
    result = parts.front();
    for (DimExpr part : parts)
      result =
          dim.getKind() == DimKind::Min ? DimExpr::min(result, part) : DimExpr::max(result, part);
    return result;
  }
  return {};
}

Type tessera::graph::substituteDims(Type type, llvm::function_ref<DimExpr(StringRef)> replacement) {
  auto tensor = llvm::dyn_cast<TensorType>(type);
  if (!tensor)
    return type;
  SmallVector<DimAttr> dims;
  for (DimAttr dim : tensor.getDims()) {
    DimExpr replaced = substituteDim(dim, replacement);
    if (!replaced)
      return {};
    dims.push_back(replaced);
  }
  return tensor.withDims(dims);
}
