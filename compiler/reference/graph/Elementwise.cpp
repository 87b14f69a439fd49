//===- Elementwise.cpp - One result element from one element of each operand -===//
//
// `compute(Op, x, ...)` is what an op does to numbers (f64, rounded when stored) and to integers.
//
//===----------------------------------------------------------------------===//
#include "compiler/reference/graph/Rules.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

namespace {
/// An integer or bool element: the low `width` bits count.
struct Whole {
  int64_t value;
  const ElementFormat *format;

  uint64_t bits() const { return uint64_t(value); }
  bool isNegative() const { return !format->isUnsigned() && !format->isBool() && value < 0; }
};
} // namespace

static bool isUnsigned(const Whole &x) { return x.format->isUnsigned(); }

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static double compute(graph::AddOp, double x, double y) { return x + y; }
static int64_t compute(graph::AddOp, Whole x, Whole y) { return int64_t(x.bits() + y.bits()); }
static double compute(graph::SubOp, double x, double y) { return x - y; }
static int64_t compute(graph::SubOp, Whole x, Whole y) { return int64_t(x.bits() - y.bits()); }
static double compute(graph::MulOp, double x, double y) { return x * y; }
static int64_t compute(graph::MulOp, Whole x, Whole y) { return int64_t(x.bits() * y.bits()); }
static double compute(graph::DivOp, double x, double y) { return x / y; }

static int64_t divide(Whole x, Whole y) {
  if (y.value == 0)
    return 0;
  if (isUnsigned(x))
    return int64_t(x.bits() / y.bits());
  return y.value == -1 ? int64_t(0 - x.bits()) : x.value / y.value;
}
static int64_t remainder(Whole x, Whole y) {
  if (y.value == 0)
    return 0;
  if (isUnsigned(x))
    return int64_t(x.bits() % y.bits());
  return y.value == -1 ? 0 : x.value % y.value;
}
static int64_t compute(graph::DivOp, Whole x, Whole y) { return divide(x, y); }
static double compute(graph::RemOp, double x, double y) { return std::fmod(x, y); }
static int64_t compute(graph::RemOp, Whole x, Whole y) { return remainder(x, y); }

static double compute(graph::ModOp, double x, double y) {
  double r = std::fmod(x, y);
  if (r == 0)
    return std::copysign(0.0, y);
  return (r < 0) != (y < 0) ? r + y : r;
}
static int64_t compute(graph::ModOp, Whole x, Whole y) {
  int64_t r = remainder(x, y);
  bool differs = !isUnsigned(x) && r != 0 && (r < 0) != (y.value < 0);
  return differs ? r + y.value : r;
}

static double compute(graph::PowOp, double x, double y) { return std::pow(x, y); }
static int64_t compute(graph::PowOp, Whole x, Whole y) {
  if (y.isNegative()) { // The truncated quotient 1 / x^-y; x = 0 as in a division by 0.
    if (x.value == 1)
      return 1;
    return x.value == -1 ? (y.value % 2 ? -1 : 1) : 0;
  }
  uint64_t result = 1, base = x.bits();
  for (uint64_t rest = y.bits(); rest; rest >>= 1, base *= base)
    if (rest & 1)
      result *= base;
  return int64_t(result);
}

static bool isLess(Whole x, Whole y) {
  return isUnsigned(x) ? x.bits() < y.bits() : x.value < y.value;
}
static double smaller(double x, double y) {
  if (std::isnan(x) || std::isnan(y))
    return NAN;
  return x < y || (x == y && std::signbit(x)) ? x : y;
}
static double compute(graph::MinOp, double x, double y) { return smaller(x, y); }
static int64_t compute(graph::MinOp, Whole x, Whole y) { return isLess(x, y) ? x.value : y.value; }
static double compute(graph::MaxOp, double x, double y) { return -smaller(-x, -y); }
static int64_t compute(graph::MaxOp, Whole x, Whole y) { return isLess(x, y) ? y.value : x.value; }
static double compute(graph::Atan2Op, double x, double y) { return std::atan2(x, y); }

//===----------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------===//

static int64_t compute(graph::AndOp, Whole x, Whole y) { return x.value & y.value; }
static int64_t compute(graph::OrOp, Whole x, Whole y) { return x.value | y.value; }
static int64_t compute(graph::XorOp, Whole x, Whole y) { return x.value ^ y.value; }
static int64_t compute(graph::NotOp, Whole x) { return ~x.value; }
static bool isShift(Whole y) { return !y.isNegative() && y.bits() < y.format->getWidth(); }
static int64_t compute(graph::ShlOp, Whole x, Whole y) {
  return isShift(y) ? int64_t(x.bits() << y.value) : 0;
}
static int64_t compute(graph::ShrOp, Whole x, Whole y) {
  if (!isShift(y))
    return x.isNegative() ? -1 : 0;
  return isUnsigned(x) ? int64_t(x.bits() >> y.value) : x.value >> y.value;
}

//===----------------------------------------------------------------------===//
// Signs, rounding, elementary functions
//===----------------------------------------------------------------------===//

static double compute(graph::NegOp, double x) { return -x; }
static int64_t compute(graph::NegOp, Whole x) { return int64_t(0 - x.bits()); }
static double compute(graph::AbsOp, double x) { return std::fabs(x); }
static int64_t compute(graph::AbsOp, Whole x) {
  return x.isNegative() ? int64_t(0 - x.bits()) : x.value;
}
static double compute(graph::SignOp, double x) {
  return std::isnan(x) || x == 0 ? x : std::copysign(1.0, x);
}
static int64_t compute(graph::SignOp, Whole x) { return x.isNegative() ? -1 : x.value != 0; }
static double compute(graph::FloorOp, double x) { return std::floor(x); }
static double compute(graph::CeilOp, double x) { return std::ceil(x); }
static double compute(graph::RoundOp, double x) { return std::nearbyint(x); }
static double compute(graph::TruncOp, double x) { return std::trunc(x); }
static double compute(graph::SqrtOp, double x) { return std::sqrt(x); }
static double compute(graph::RsqrtOp, double x) { return 1 / std::sqrt(x); }
static double compute(graph::ExpOp, double x) { return std::exp(x); }
static double compute(graph::Exp2Op, double x) { return std::exp2(x); }
static double compute(graph::Expm1Op, double x) { return std::expm1(x); }
static double compute(graph::LogOp, double x) { return std::log(x); }
static double compute(graph::Log1pOp, double x) { return std::log1p(x); }
static double compute(graph::SinOp, double x) { return std::sin(x); }
static double compute(graph::CosOp, double x) { return std::cos(x); }
static double compute(graph::TanOp, double x) { return std::tan(x); }
static double compute(graph::AsinOp, double x) { return std::asin(x); }
static double compute(graph::AcosOp, double x) { return std::acos(x); }
static double compute(graph::AtanOp, double x) { return std::atan(x); }
static double compute(graph::SinhOp, double x) { return std::sinh(x); }
static double compute(graph::CoshOp, double x) { return std::cosh(x); }
static double compute(graph::TanhOp, double x) { return std::tanh(x); }
static double compute(graph::AsinhOp, double x) { return std::asinh(x); }
static double compute(graph::AcoshOp, double x) { return std::acosh(x); }
static double compute(graph::AtanhOp, double x) { return std::atanh(x); }
static double compute(graph::ErfOp, double x) { return std::erf(x); }

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

static int64_t compute(graph::IsNanOp, double x) { return std::isnan(x); }
static int64_t compute(graph::IsInfOp, double x) { return std::isinf(x); }

static int64_t compute(graph::CompareOp op, double x, double y) {
  switch (op.getKind()) {
  case graph::CompareKind::eq: return x == y;
  case graph::CompareKind::ne: return x != y;
  case graph::CompareKind::lt: return x < y;
  case graph::CompareKind::le: return x <= y;
  case graph::CompareKind::gt: return x > y;
  case graph::CompareKind::ge: return x >= y;
  }
  return 0;
}
static int64_t compute(graph::CompareOp op, Whole x, Whole y) {
  switch (op.getKind()) {
  case graph::CompareKind::eq: return x.value == y.value;
  case graph::CompareKind::ne: return x.value != y.value;
  case graph::CompareKind::lt: return isLess(x, y);
  case graph::CompareKind::le: return !isLess(y, x);
  case graph::CompareKind::gt: return isLess(y, x);
  case graph::CompareKind::ge: return !isLess(x, y);
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

template <typename OpType, typename Number>
concept TakesOne = requires(OpType op, Number x) { compute(op, x); };
template <typename OpType, typename Number>
concept TakesTwo = requires(OpType op, Number x) { compute(op, x, x); };

template <typename OpType>
static Tensors evaluateElements(OpType op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op->getResult(0).getType());
  if (failed(result))
    return failure();
  const Tensor &x = operands.front(), &y = operands.back();
  const ElementFormat *format = &x.getFormat();
  for (int64_t i = 0; i < result->size(); ++i) {
    if (x.isFloat()) {
      if constexpr (TakesOne<OpType, double>)
        result->set(i, compute(op, x.real(i)));
      else if constexpr (TakesTwo<OpType, double>)
        result->set(i, compute(op, x.real(i), y.real(i)));
    } else {
      if constexpr (TakesOne<OpType, Whole>)
        result->set(i, compute(op, Whole{x.integer(i), format}));
      else if constexpr (TakesTwo<OpType, Whole>)
        result->set(i, compute(op, Whole{x.integer(i), format}, Whole{y.integer(i), format}));
    }
  }
  return single(*result);
}

static Tensors evaluateSelect(graph::SelectOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  for (int64_t i = 0; i < result->size(); ++i)
    result->copyElement(i, operands[0].integer(i) ? operands[1] : operands[2], i);
  return single(*result);
}

void reference::convertElement(Tensor &to, int64_t i, const Tensor &from, int64_t j,
                               bool saturateIntegers) {
  const ElementFormat &source = from.getFormat(), &target = to.getFormat();
  if (source.isFloat()) {
    if (target.isFloat())
      to.set(i, from.real(j));
    else
      to.set(i, target.saturate(from.real(j)));
    return;
  }
  int64_t value = from.integer(j);
  bool isSigned = source.isInteger() && !source.isUnsigned();
  if (target.isFloat())
    to.set(i, target.roundInteger(value, isSigned));
  else if (target.isBool())
    to.set(i, int64_t(value != 0));
  else
    to.set(i, saturateIntegers ? target.saturate(value, isSigned) : value);
}

static Tensors evaluateConvert(graph::ConvertOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  for (int64_t i = 0; i < result->size(); ++i)
    convertElement(*result, i, operands[0], i);
  return single(*result);
}

/// Of the bits that a float or a short integer leaves of its bytes nothing is taken.
static Tensors evaluateBitcast(graph::BitcastOp op, Operands operands, Evaluation &evaluation) {
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  const Tensor &x = operands.front();
  const ElementFormat &from = x.getFormat(), &to = result->getFormat();
  unsigned width = from.isBool() ? 8 : from.getWidth();
  for (int64_t i = 0; i < x.size(); ++i) {
    uint64_t bits = 0; // Little-endian.
    std::memcpy(&bits, x.at(i), from.getByteSize());
    bits &= ~uint64_t(0) >> (64 - width);
    if (to.isBool())
      bits = bits != 0;
    std::memcpy(result->at(i), &bits, to.getByteSize());
  }
  return single(*result);
}

template <typename... Ops> static void attachElements(MLIRContext &context) {
  attach<evaluateElements<Ops>...>(context);
}

void reference::attachElementwise(MLIRContext &context) {
  using namespace graph;
  attachElements<graph::AddOp, SubOp, MulOp, DivOp, RemOp, ModOp, PowOp, MinOp, MaxOp, Atan2Op,
                 AndOp, OrOp, XorOp, ShlOp, ShrOp, NegOp, AbsOp, SignOp, FloorOp, CeilOp, RoundOp,
                 TruncOp, SqrtOp, RsqrtOp, ExpOp, Exp2Op, Expm1Op, LogOp, Log1pOp, SinOp, CosOp,
                 TanOp, AsinOp, AcosOp, AtanOp, SinhOp, CoshOp, TanhOp, AsinhOp, AcoshOp, AtanhOp,
                 ErfOp, NotOp, IsNanOp, IsInfOp, CompareOp>(context);
  attach<evaluateSelect, evaluateBitcast, evaluateConvert>(context);
}
