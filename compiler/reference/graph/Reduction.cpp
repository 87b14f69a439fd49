//===- Reduction.cpp - Many elements of an axis become one ----------------===//
//
// Float sums and products run in f64 and are rounded once: of the orders that an op allows none is
// right, but all are near this.
//
//===----------------------------------------------------------------------===//
#include "compiler/reference/graph/Reduce.h"
#include "compiler/reference/graph/Rules.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

Reducer::Reducer(StringRef kind, const ElementFormat &format) : kind(kind), format(format) {
  bool isSigned = format.isInteger() && !format.isUnsigned();
  unsigned width = format.getWidth();
  if (kind == "prod")
    real = 1, whole = 1;
  else if (kind == "and")
    whole = -1;
  else if (kind == "max")
    real = -INFINITY, whole = isSigned ? llvm::minIntN(width) : 0;
  else if (kind == "min")
    real = INFINITY, whole = isSigned ? llvm::maxIntN(width) : int64_t(llvm::maxUIntN(width));
}

void Reducer::add(const Tensor &x, int64_t i) {
  if (format.isFloat())
    addReal(x.real(i));
  else
    addInteger(x.integer(i));
}

void Reducer::addReal(double x) {
  if (kind == "sum")
    real += x;
  else if (kind == "prod")
    real *= x;
  else if (std::isnan(real) || std::isnan(x))
    real = NAN;
  else if (kind == "max")
    real = x > real || (x == real && !std::signbit(x)) ? x : real;
  else
    real = x < real || (x == real && std::signbit(x)) ? x : real;
}

void Reducer::addInteger(int64_t x) {
  bool isLess =
      format.isInteger() && !format.isUnsigned() ? x < whole : uint64_t(x) < uint64_t(whole);
  if (kind == "sum")
    whole = int64_t(uint64_t(whole) + uint64_t(x));
  else if (kind == "prod")
    whole = int64_t(uint64_t(whole) * uint64_t(x));
  else if (kind == "and")
    whole &= x;
  else if (kind == "or")
    whole |= x;
  else if (kind == "max")
    whole = isLess ? whole : x;
  else
    whole = isLess ? x : whole;
}

void Reducer::finish(Tensor &result, int64_t i) const {
  if (format.isFloat())
    result.set(i, real);
  else
    result.set(i, whole);
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

/// The shape of x without the axes, and along them.
static std::pair<SmallVector<int64_t>, SmallVector<int64_t>> split(const Tensor &x,
                                                                   ArrayRef<int64_t> axes) {
  SmallVector<int64_t> kept, reduced;
  for (int64_t i = 0; i < x.getRank(); ++i)
    (llvm::is_contained(axes, i) ? reduced : kept).push_back(x.getDim(i));
  return {kept, reduced};
}

/// The row-major place in x of an index of the kept and one of the reduced dims.
static int64_t join(const Tensor &x, ArrayRef<int64_t> axes, ArrayRef<int64_t> kept,
                    ArrayRef<int64_t> reduced) {
  int64_t place = 0;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    ArrayRef<int64_t> &from = llvm::is_contained(axes, i) ? reduced : kept;
    place = place * x.getDim(i) + from.front();
    from = from.drop_front();
  }
  return place;
}

static Tensors evaluateReduce(graph::ReduceOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result) || failed(evaluation.spend(x.size())))
    return failure();
  auto [kept, reduced] = split(x, op.getAxes());
  StringRef kind = graph::stringifyReduceKind(op.getKind());
  forEachIndex(kept, [&, &reduced = reduced](ArrayRef<int64_t> outer, int64_t place) {
    Reducer reducer(kind, x.getFormat());
    forEachIndex(reduced, [&](ArrayRef<int64_t> inner, int64_t) {
      reducer.add(x, join(x, op.getAxes(), outer, inner));
    });
    reducer.finish(*result, place);
  });
  return single(*result);
}

static Tensors evaluateArgReduce(graph::ArgReduceOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  int64_t axis = op.getAxis(), extent = x.getDim(axis);
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result) || failed(evaluation.spend(x.size())))
    return failure();
  if (extent == 0 && result->size() > 0)
    return evaluation.fail("(C1) axis " + llvm::Twine(axis) + " is empty");
  bool isMax = op.getKind() == graph::ArgReduceKind::max, last = op.getSelectLast();
  bool isSigned = x.getFormat().isInteger() && !x.getFormat().isUnsigned();
  /// Whether element i is better than element j; NaN is the best.
  auto beats = [&](int64_t i, int64_t j) {
    if (x.isFloat()) {
      double a = x.real(i), b = x.real(j);
      if (std::isnan(a) || std::isnan(b))
        return std::isnan(a) && !std::isnan(b);
      return isMax ? a > b : a < b;
    }
    int64_t a = x.integer(i), b = x.integer(j);
    if (isSigned)
      return isMax ? a > b : a < b;
    return isMax ? uint64_t(a) > uint64_t(b) : uint64_t(a) < uint64_t(b);
  };
  auto [kept, reduced] = split(x, {axis});
  forEachIndex(kept, [&](ArrayRef<int64_t> outer, int64_t place) {
    int64_t best = 0;
    for (int64_t i = 1; i < extent; ++i) {
      int64_t here = join(x, {axis}, outer, {i}), there = join(x, {axis}, outer, {best});
      if (beats(here, there) || (last && !beats(there, here)))
        best = i;
    }
    result->set(place, best);
  });
  return single(*result);
}

void reference::attachReduction(MLIRContext &context) {
  attach<evaluateReduce, evaluateArgReduce>(context);
}
