//===- Dim.cpp - Canonical arithmetic on symbolic extents --------------------===//
//
// Every operation goes through polynomials: a constant and a sorted list of monomials over atoms (a
// symbol, floordiv, mod, min or max). Products are multiplied out; monomials are in graded
// lexicographic order, so that the leading one divides as in polynomial long division.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/Dim.h"
#include "dialects/graph/Graph.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using llvm::AddOverflow;
using llvm::MulOverflow;
using llvm::SubOverflow;

namespace tessera::graph {

/// Expressions with more monomials, or more parts in all (written out: what occurs twice counts
/// twice), are refused: they come from hostile files, not from models. So whatever recurses into
/// expressions is bounded in depth and in time.
static constexpr size_t kMaxMonomials = 512;
static constexpr int kMaxParts = 4096;

static bool countParts(ArrayRef<DimAttr> dims, int &left) {
  for (DimAttr dim : dims)
    if (--left < 0 || !countParts(dim.getOperands(), left))
      return false;
  return true;
}

/// The one place that makes DimAttrs. Null for expressions that are too large.
class DimBuilder {
public:
  static DimAttr make(MLIRContext *context, DimKind kind, int64_t value, StringRef symbol,
                      ArrayRef<DimAttr> operands) {
    int left = kMaxParts;
    return countParts(operands, left) ? DimAttr::getRaw(context, kind, value, symbol, operands)
                                      : DimAttr();
  }
};

} // namespace tessera::graph

using namespace tessera::graph;

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

/// A total order that depends on structure alone (never on addresses: text must be reproducible).
static int compareDims(DimAttr a, DimAttr b) {
  if (a == b)
    return 0;
  if (a.getKind() != b.getKind())
    return a.getKind() < b.getKind() ? -1 : 1;
  if (int c = a.getSymbol().compare(b.getSymbol()))
    return c;
  size_t common = std::min(a.getOperands().size(), b.getOperands().size());
  for (size_t i = 0; i < common; ++i)
    if (int c = compareDims(a.getOperands()[i], b.getOperands()[i]))
      return c;
  if (a.getOperands().size() != b.getOperands().size())
    return a.getOperands().size() < b.getOperands().size() ? -1 : 1;
  return a.getValue() < b.getValue() ? -1 : 1;
}

namespace {
using Atoms = SmallVector<DimAttr, 2>;

struct Monomial {
  int64_t coefficient;
  Atoms atoms; // sorted, at least one
};

/// Graded lexicographic: more atoms first, then smaller atoms first.
int compareAtoms(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  if (a.size() != b.size())
    return a.size() > b.size() ? -1 : 1;
  for (auto [x, y] : llvm::zip(a, b))
    if (int c = compareDims(x, y))
      return c;
  return 0;
}

struct Polynomial {
  int64_t constant = 0;
  SmallVector<Monomial, 2> monomials; // sorted, distinct, coefficients not 0
  bool valid = true;

  bool isConstant() const { return monomials.empty(); }
  bool isZero() const { return monomials.empty() && constant == 0; }
};
} // namespace

static void addMonomial(Polynomial &p, int64_t coefficient, ArrayRef<DimAttr> atoms) {
  if (coefficient == 0)
    return;
  auto *it = llvm::lower_bound(p.monomials, atoms, [](const Monomial &m, ArrayRef<DimAttr> key) {
    return compareAtoms(m.atoms, key) < 0;
  });
  if (it != p.monomials.end() && compareAtoms(it->atoms, atoms) == 0) {
    if (AddOverflow(it->coefficient, coefficient, it->coefficient))
      p.valid = false;
    else if (it->coefficient == 0)
      p.monomials.erase(it);
    return;
  }
  p.monomials.insert(it, Monomial{coefficient, Atoms(atoms)});
  if (p.monomials.size() > kMaxMonomials)
    p.valid = false;
}

static Polynomial toPolynomial(DimAttr dim) {
  Polynomial p;
  auto addTerm = [&](DimAttr term) {
    if (term.getKind() == DimKind::Product)
      addMonomial(p, term.getValue(), term.getOperands());
    else
      addMonomial(p, 1, term);
  };
  switch (dim.getKind()) {
  case DimKind::Constant: p.constant = dim.getValue(); break;
  case DimKind::Sum:
    p.constant = dim.getValue();
    for (DimAttr term : dim.getOperands())
      addTerm(term);
    break;
  default: addTerm(dim);
  }
  return p;
}

static DimAttr makeConstant(MLIRContext *context, int64_t value) {
  return DimBuilder::make(context, DimKind::Constant, value, "", {});
}

static DimExpr fromPolynomial(MLIRContext *context, const Polynomial &p) {
  if (!p.valid)
    return {};
  if (p.isConstant())
    return makeConstant(context, p.constant);
  SmallVector<DimAttr> terms;
  for (const Monomial &m : p.monomials) {
    if (m.coefficient == 1 && m.atoms.size() == 1)
      terms.push_back(m.atoms.front());
    else
      terms.push_back(DimBuilder::make(context, DimKind::Product, m.coefficient, "", m.atoms));
    if (!terms.back())
      return {};
  }
  if (terms.size() == 1 && p.constant == 0)
    return terms.front();
  return DimBuilder::make(context, DimKind::Sum, p.constant, "", terms);
}

static Polynomial add(const Polynomial &a, const Polynomial &b, int64_t scale) {
  Polynomial sum = a;
  sum.valid &= b.valid;
  int64_t scaled;
  if (MulOverflow(b.constant, scale, scaled) || AddOverflow(sum.constant, scaled, sum.constant))
    sum.valid = false;
  for (const Monomial &m : b.monomials) {
    if (MulOverflow(m.coefficient, scale, scaled))
      sum.valid = false;
    if (!sum.valid)
      break;
    addMonomial(sum, scaled, m.atoms);
  }
  return sum;
}

static Atoms mergeAtoms(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  Atoms atoms(a);
  atoms.append(b.begin(), b.end());
  llvm::sort(atoms, [](DimAttr x, DimAttr y) { return compareDims(x, y) < 0; });
  return atoms;
}

static Polynomial multiply(const Polynomial &a, const Polynomial &b) {
  Polynomial product;
  product.valid = a.valid && b.valid;
  auto addProduct = [&](int64_t x, ArrayRef<DimAttr> xAtoms, int64_t y, ArrayRef<DimAttr> yAtoms) {
    int64_t coefficient;
    if (!product.valid)
      return;
    if (MulOverflow(x, y, coefficient)) {
      product.valid = false;
      return;
    }
    if (xAtoms.empty() && yAtoms.empty())
      product.constant = coefficient;
    else
      addMonomial(product, coefficient, mergeAtoms(xAtoms, yAtoms));
  };
  addProduct(a.constant, {}, b.constant, {});
  for (const Monomial &m : a.monomials)
    addProduct(m.coefficient, m.atoms, b.constant, {});
  for (const Monomial &n : b.monomials)
    addProduct(a.constant, {}, n.coefficient, n.atoms);
  for (const Monomial &m : a.monomials)
    for (const Monomial &n : b.monomials)
      addProduct(m.coefficient, m.atoms, n.coefficient, n.atoms);
  return product;
}

/// a without the atoms of b, none when b has an atom that a lacks.
static std::optional<Atoms> removeAtoms(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  Atoms rest(a);
  for (DimAttr atom : b) {
    auto *it = llvm::find(rest, atom);
    if (it == rest.end())
      return std::nullopt;
    rest.erase(it);
  }
  return rest;
}

/// Long division with one divisor; none unless it is exact.
static std::optional<Polynomial> divide(Polynomial a, const Polynomial &b) {
  if (!a.valid || !b.valid || b.isZero())
    return std::nullopt;
  Polynomial quotient;
  for (size_t steps = 0; !a.isZero(); ++steps) {
    if (steps > kMaxMonomials)
      return std::nullopt;
    int64_t c = a.isConstant() ? a.constant : a.monomials.front().coefficient;
    int64_t d = b.isConstant() ? b.constant : b.monomials.front().coefficient;
    ArrayRef<DimAttr> aAtoms, bAtoms;
    if (!a.isConstant())
      aAtoms = a.monomials.front().atoms;
    if (!b.isConstant())
      bAtoms = b.monomials.front().atoms;
    std::optional<Atoms> atoms = removeAtoms(aAtoms, bAtoms);
    if (!atoms || (d == -1 && c == std::numeric_limits<int64_t>::min()) || c % d != 0)
      return std::nullopt;
    Polynomial term;
    if (atoms->empty())
      term.constant = c / d;
    else
      addMonomial(term, c / d, *atoms);
    quotient = add(quotient, term, 1);
    a = add(a, multiply(term, b), -1);
    if (!a.valid || !quotient.valid)
      return std::nullopt;
  }
  return quotient;
}

//===----------------------------------------------------------------------===//
// DimExpr
//===----------------------------------------------------------------------===//

DimExpr::DimExpr(DimAttr attr)
    : impl(attr ? static_cast<const Attribute::ImplType *>(Attribute(attr).getAsOpaquePointer())
                : nullptr) {}
DimAttr DimExpr::get() const {
  if (!impl)
    return {};
  return llvm::cast<DimAttr>(Attribute::getFromOpaquePointer(impl));
}
DimExpr::operator DimAttr() const { return get(); }

DimExpr DimExpr::constant(MLIRContext *context, int64_t value) {
  return makeConstant(context, value);
}
DimExpr DimExpr::symbol(MLIRContext *context, StringRef name) {
  return DimBuilder::make(context, DimKind::Symbol, 0, name, {});
}

static DimExpr constantLike(DimExpr other, int64_t value) {
  return other ? DimExpr::constant(other.get().getContext(), value) : DimExpr();
}

namespace tessera::graph {
DimExpr operator+(DimExpr a, DimExpr b) {
  if (!a || !b)
    return {};
  return fromPolynomial(a.get().getContext(), add(toPolynomial(a), toPolynomial(b), 1));
}
DimExpr operator-(DimExpr a, DimExpr b) {
  if (!a || !b)
    return {};
  return fromPolynomial(a.get().getContext(), add(toPolynomial(a), toPolynomial(b), -1));
}
DimExpr operator*(DimExpr a, DimExpr b) {
  if (!a || !b)
    return {};
  return fromPolynomial(a.get().getContext(), multiply(toPolynomial(a), toPolynomial(b)));
}
DimExpr operator+(DimExpr a, int64_t b) { return a + constantLike(a, b); }
DimExpr operator-(DimExpr a, int64_t b) { return a - constantLike(a, b); }
DimExpr operator*(DimExpr a, int64_t b) { return a * constantLike(a, b); }
} // namespace tessera::graph

static int64_t floorMod(int64_t a, int64_t b) {
  int64_t r = a % b;
  return r < 0 ? r + b : r;
}

/// The greatest common divisor of the coefficients (without the constant) and of start.
static int64_t gcdOfCoefficients(const Polynomial &p, int64_t start) {
  for (const Monomial &m : p.monomials)
    start = std::gcd(start, m.coefficient);
  return start;
}

/// p with every coefficient divided (they are multiples) and the constant divided rounding down.
static Polynomial divideCoefficients(const Polynomial &p, int64_t divisor) {
  Polynomial result;
  result.constant = llvm::divideFloorSigned(p.constant, divisor);
  for (const Monomial &m : p.monomials)
    addMonomial(result, m.coefficient / divisor, m.atoms);
  return result;
}

DimExpr DimExpr::floorDiv(DimExpr divisor) const {
  if (!*this || !divisor)
    return {};
  MLIRContext *context = get().getContext();
  Polynomial a = toPolynomial(get()), b = toPolynomial(divisor.get());
  if (b.isConstant()) {
    int64_t c = b.constant;
    if (c <= 0)
      return {};
    // 1. Whole multiples of c leave: floordiv(c * q + r, c) = q + floordiv(r, c).
    Polynomial quotient, rest;
    quotient.constant = llvm::divideFloorSigned(a.constant, c);
    rest.constant = floorMod(a.constant, c);
    for (const Monomial &m : a.monomials) {
      addMonomial(quotient, llvm::divideFloorSigned(m.coefficient, c), m.atoms);
      addMonomial(rest, floorMod(m.coefficient, c), m.atoms);
    }
    if (rest.isConstant())
      return fromPolynomial(context, quotient);
    // 2. A common factor goes: floor((g * x + k) / (g * c')) = floor((x + floor(k / g)) / c').
    int64_t g = gcdOfCoefficients(rest, c);
    rest = divideCoefficients(rest, g);
    c /= g;
    // 3. floordiv(floordiv(n, d) + k, c) = floordiv(n + k * d, c * d).
    if (rest.monomials.size() == 1 && rest.monomials[0].coefficient == 1 &&
        rest.monomials[0].atoms.size() == 1) {
      DimAttr atom = rest.monomials[0].atoms[0];
      if (atom.getKind() == DimKind::FloorDiv && atom.getOperands()[1].isConstant()) {
        int64_t d = atom.getOperands()[1].getValue(), dc, dk;
        if (!MulOverflow(d, c, dc) && !MulOverflow(d, rest.constant, dk)) {
          DimExpr inner = (DimExpr(atom.getOperands()[0]) + dk).floorDiv(dc);
          return fromPolynomial(context, quotient) + inner;
        }
      }
    }
    DimExpr dividend = fromPolynomial(context, rest);
    if (!dividend)
      return {};
    DimExpr atom = DimBuilder::make(context, DimKind::FloorDiv, 0, "",
                                    {dividend.get(), makeConstant(context, c)});
    return fromPolynomial(context, quotient) + atom;
  }
  if (std::optional<Polynomial> quotient = divide(a, b))
    return fromPolynomial(context, *quotient);
  if (b.constant != 0 || b.monomials.size() != 1 || b.monomials[0].coefficient <= 0)
    return DimBuilder::make(context, DimKind::FloorDiv, 0, "", {get(), divisor.get()});
  // A monomial divisor: what it divides leaves, as with a constant.
  const Monomial &d = b.monomials[0];
  Polynomial quotient, rest;
  rest.constant = a.constant;
  for (const Monomial &m : a.monomials) {
    std::optional<Atoms> atoms = removeAtoms(m.atoms, d.atoms);
    if (!atoms || m.coefficient % d.coefficient != 0)
      addMonomial(rest, m.coefficient, m.atoms);
    else if (atoms->empty())
      quotient.constant = m.coefficient / d.coefficient;
    else
      addMonomial(quotient, m.coefficient / d.coefficient, *atoms);
  }
  // Then common atoms go: floordiv(x * s, y * s) = floordiv(x, y).
  Polynomial shrunkDivisor = b;
  if (rest.constant == 0) {
    for (DimAttr atom : Atoms(d.atoms)) {
      bool everywhere = llvm::all_of(
          rest.monomials, [&](const Monomial &m) { return llvm::is_contained(m.atoms, atom); });
      if (!everywhere)
        continue;
      Polynomial factor;
      addMonomial(factor, 1, atom);
      std::optional<Polynomial> x = divide(rest, factor), y = divide(shrunkDivisor, factor);
      if (x && y)
        rest = *x, shrunkDivisor = *y;
    }
    if (shrunkDivisor.isConstant())
      return fromPolynomial(context, quotient) +
             fromPolynomial(context, rest).floorDiv(shrunkDivisor.constant);
  }
  DimExpr dividend = fromPolynomial(context, rest);
  DimExpr shrunk = fromPolynomial(context, shrunkDivisor);
  if (!dividend || !shrunk)
    return {};
  return fromPolynomial(context, quotient) +
         DimExpr(
             DimBuilder::make(context, DimKind::FloorDiv, 0, "", {dividend.get(), shrunk.get()}));
}

DimExpr DimExpr::mod(DimExpr divisor) const {
  if (!*this || !divisor)
    return {};
  MLIRContext *context = get().getContext();
  Polynomial a = toPolynomial(get()), b = toPolynomial(divisor.get());
  if (!b.isConstant()) {
    if (divide(a, b))
      return makeConstant(context, 0);
    return DimBuilder::make(context, DimKind::Mod, 0, "", {get(), divisor.get()});
  }
  int64_t c = b.constant;
  if (c <= 0)
    return {};
  Polynomial rest;
  rest.constant = floorMod(a.constant, c);
  for (const Monomial &m : a.monomials)
    addMonomial(rest, floorMod(m.coefficient, c), m.atoms);
  if (rest.isConstant())
    return makeConstant(context, rest.constant);
  // mod(g * x, g * c') = g * mod(x, c').
  int64_t g = gcdOfCoefficients(rest, c);
  if (rest.constant % g != 0)
    g = 1;
  DimExpr dividend = fromPolynomial(context, divideCoefficients(rest, g));
  if (!dividend)
    return {};
  DimExpr atom = DimBuilder::make(context, DimKind::Mod, 0, "",
                                  {dividend.get(), makeConstant(context, c / g)});
  return atom * g;
}

/// Min and max: flat, sorted, without alternatives that another one is proven to beat.
static DimExpr makeExtremum(DimKind kind, DimExpr a, DimExpr b) {
  if (!a || !b)
    return {};
  SmallVector<DimAttr> candidates, kept;
  for (DimAttr dim : {a.get(), b.get()}) {
    if (dim.getKind() == kind)
      llvm::append_range(candidates, dim.getOperands());
    else
      candidates.push_back(dim);
  }
  for (auto [i, x] : llvm::enumerate(candidates)) {
    bool beaten = false;
    for (auto [j, y] : llvm::enumerate(candidates)) {
      if (i == j || beaten)
        continue;
      bool better = kind == DimKind::Min ? isKnownLessEqual(y, x) : isKnownLessEqual(x, y);
      bool mutual = kind == DimKind::Min ? isKnownLessEqual(x, y) : isKnownLessEqual(y, x);
      beaten = better && (!mutual || j < i);
    }
    if (!beaten)
      kept.push_back(x);
  }
  if (kept.size() == 1)
    return kept.front();
  llvm::sort(kept, [](DimAttr x, DimAttr y) { return compareDims(x, y) < 0; });
  return DimBuilder::make(a.get().getContext(), kind, 0, "", kept);
}

DimExpr DimExpr::min(DimExpr a, DimExpr b) { return makeExtremum(DimKind::Min, a, b); }
DimExpr DimExpr::max(DimExpr a, DimExpr b) { return makeExtremum(DimKind::Max, a, b); }
DimExpr DimExpr::ceilDiv(DimExpr divisor) const { return (*this + divisor - 1).floorDiv(divisor); }
DimExpr DimExpr::floorDiv(int64_t c) const { return floorDiv(constantLike(*this, c)); }
DimExpr DimExpr::ceilDiv(int64_t c) const { return ceilDiv(constantLike(*this, c)); }
DimExpr DimExpr::mod(int64_t c) const { return mod(constantLike(*this, c)); }

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

DimExpr tessera::graph::divideExactly(DimAttr a, DimAttr b) {
  std::optional<Polynomial> quotient = divide(toPolynomial(a), toPolynomial(b));
  return quotient ? fromPolynomial(a.getContext(), *quotient) : DimExpr();
}

DimExpr tessera::graph::multiplyDims(MLIRContext *context, ArrayRef<DimAttr> dims) {
  DimExpr product = makeConstant(context, 1);
  for (DimAttr dim : dims)
    product = product * dim;
  return product;
}

DimAttr tessera::graph::getDim(MLIRContext *context, int64_t value) {
  return makeConstant(context, value);
}
SmallVector<DimAttr> tessera::graph::getDims(MLIRContext *context, ArrayRef<int64_t> values) {
  return llvm::map_to_vector(values, [&](int64_t value) { return makeConstant(context, value); });
}
SmallVector<int64_t> tessera::graph::getShapeEntries(ArrayRef<DimAttr> dims) {
  return llvm::map_to_vector(dims, [](DimAttr dim) { return dim.getShapeEntry(); });
}
