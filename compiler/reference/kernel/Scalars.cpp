//===- Scalars.cpp - arith and math on single elements -------------------------===//
#include "compiler/reference/kernel/Machine.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

//===----------------------------------------------------------------------===//
// Words: how a rule is made of a function
//===----------------------------------------------------------------------===//

/// The low bits of an operand of the instruction's operand type.
static uint64_t bitsOf(const Instruction &instruction, int64_t value) {
  unsigned width = instruction.operandFormat.getWidth();
  return width >= 64 ? uint64_t(value) : uint64_t(value) & ((uint64_t(1) << width) - 1);
}
static int64_t signedOf(const Instruction &instruction, int64_t value) {
  unsigned shift = 64 - instruction.operandFormat.getWidth();
  return int64_t(uint64_t(value) << shift) >> shift;
}

template <double (*f)(double)> static LogicalResult unaryReal(const Instruction &i, Machine &m) {
  m.result(i).real = i.format.round(f(m.operand(i, 0).real));
  return success();
}
template <double (*f)(double, double)>
static LogicalResult binaryReal(const Instruction &i, Machine &m) {
  m.result(i).real = i.format.round(f(m.operand(i, 0).real, m.operand(i, 1).real));
  return success();
}
/// On sign-extended and on zero-extended operands.
template <int64_t (*f)(int64_t, int64_t)>
static LogicalResult binarySigned(const Instruction &i, Machine &m) {
  m.result(i).integer =
      i.format.wrap(f(signedOf(i, m.operand(i, 0).integer), signedOf(i, m.operand(i, 1).integer)));
  return success();
}
template <uint64_t (*f)(uint64_t, uint64_t)>
static LogicalResult binaryUnsigned(const Instruction &i, Machine &m) {
  m.result(i).integer = i.format.wrap(
      int64_t(f(bitsOf(i, m.operand(i, 0).integer), bitsOf(i, m.operand(i, 1).integer))));
  return success();
}
template <int64_t (*f)(uint64_t, unsigned)>
static LogicalResult unaryBits(const Instruction &i, Machine &m) {
  m.result(i).integer =
      i.format.wrap(f(bitsOf(i, m.operand(i, 0).integer), i.operandFormat.getWidth()));
  return success();
}
template <bool (*f)(double)> static LogicalResult testReal(const Instruction &i, Machine &m) {
  m.result(i).integer = f(m.operand(i, 0).real);
  return success();
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

static double smaller(double x, double y) {
  if (std::isnan(x) || std::isnan(y))
    return NAN;
  return x < y || (x == y && std::signbit(x)) ? x : y;
}

static void addFloatRules(RuleTable &t) {
  auto add = [&]<typename... Ops>(Rule rule) { ((t[TypeID::get<Ops>()] = rule), ...); };
#define REAL2(Op, expression)                                                                      \
  add.operator()<Op>(binaryReal<+[](double x, double y) -> double { return expression; }>)
#define REAL1(Op, expression)                                                                      \
  add.operator()<Op>(unaryReal<+[](double x) -> double { return expression; }>)
  REAL2(arith::AddFOp, x + y);
  REAL2(arith::SubFOp, x - y);
  REAL2(arith::MulFOp, x * y);
  REAL2(arith::DivFOp, x / y);
  REAL2(arith::RemFOp, std::fmod(x, y));
  REAL2(arith::MinimumFOp, smaller(x, y));
  REAL2(arith::MaximumFOp, -smaller(-x, -y));
  REAL2(arith::MinNumFOp, std::fmin(x, y));
  REAL2(arith::MaxNumFOp, std::fmax(x, y));
  REAL1(arith::NegFOp, -x);
  REAL1(arith::ExtFOp, x);
  REAL1(arith::TruncFOp, x);
  REAL1(math::AbsFOp, std::fabs(x));
  REAL1(math::CeilOp, std::ceil(x));
  REAL1(math::FloorOp, std::floor(x));
  REAL1(math::RoundEvenOp, std::nearbyint(x));
  REAL1(math::RoundOp, std::round(x));
  REAL1(math::TruncOp, std::trunc(x));
  REAL1(math::SqrtOp, std::sqrt(x));
  REAL1(math::RsqrtOp, 1 / std::sqrt(x));
  REAL1(math::CbrtOp, std::cbrt(x));
  REAL1(math::ExpOp, std::exp(x));
  REAL1(math::Exp2Op, std::exp2(x));
  REAL1(math::ExpM1Op, std::expm1(x));
  REAL1(math::LogOp, std::log(x));
  REAL1(math::Log2Op, std::log2(x));
  REAL1(math::Log10Op, std::log10(x));
  REAL1(math::Log1pOp, std::log1p(x));
  REAL1(math::SinOp, std::sin(x));
  REAL1(math::CosOp, std::cos(x));
  REAL1(math::TanOp, std::tan(x));
  REAL1(math::AsinOp, std::asin(x));
  REAL1(math::AcosOp, std::acos(x));
  REAL1(math::AtanOp, std::atan(x));
  REAL1(math::SinhOp, std::sinh(x));
  REAL1(math::CoshOp, std::cosh(x));
  REAL1(math::TanhOp, std::tanh(x));
  REAL1(math::AsinhOp, std::asinh(x));
  REAL1(math::AcoshOp, std::acosh(x));
  REAL1(math::AtanhOp, std::atanh(x));
  REAL1(math::ErfOp, std::erf(x));
  REAL1(math::ErfcOp, std::erfc(x));
  REAL2(math::PowFOp, std::pow(x, y));
  REAL2(math::Atan2Op, std::atan2(x, y));
  REAL2(math::CopySignOp, std::copysign(x, y));
#undef REAL1
#undef REAL2
  add.operator()<math::IsNaNOp>(testReal<+[](double x) { return bool(std::isnan(x)); }>);
  add.operator()<math::IsInfOp>(testReal<+[](double x) { return bool(std::isinf(x)); }>);
  add.operator()<math::IsFiniteOp>(testReal<+[](double x) { return bool(std::isfinite(x)); }>);
  add.operator()<math::FmaOp>(+[](const Instruction &i, Machine &m) {
    double x = m.operand(i, 0).real, y = m.operand(i, 1).real, z = m.operand(i, 2).real;
    m.result(i).real = i.format.getWidth() == 32 ? std::fmaf(float(x), float(y), float(z))
                                                 : i.format.round(std::fma(x, y, z));
    return success();
  });
}

static LogicalResult compareFloats(const Instruction &i, Machine &m) {
  using P = arith::CmpFPredicate;
  double x = m.operand(i, 0).real, y = m.operand(i, 1).real;
  bool unordered = std::isnan(x) || std::isnan(y), result = false;
  switch (llvm::cast<arith::CmpFOp>(i.op).getPredicate()) {
  case P::AlwaysFalse: break;
  case P::AlwaysTrue: result = true; break;
  case P::OEQ: result = x == y; break;
  case P::OGT: result = x > y; break;
  case P::OGE: result = x >= y; break;
  case P::OLT: result = x < y; break;
  case P::OLE: result = x <= y; break;
  case P::ONE: result = !unordered && x != y; break;
  case P::ORD: result = !unordered; break;
  case P::UEQ: result = unordered || x == y; break;
  case P::UGT: result = unordered || x > y; break;
  case P::UGE: result = unordered || x >= y; break;
  case P::ULT: result = unordered || x < y; break;
  case P::ULE: result = unordered || x <= y; break;
  case P::UNE: result = x != y; break;
  case P::UNO: result = unordered; break;
  }
  m.result(i).integer = result;
  return success();
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

static void addIntegerRules(RuleTable &t) {
  auto add = [&]<typename... Ops>(Rule rule) { ((t[TypeID::get<Ops>()] = rule), ...); };
#define SIGNED(Op, expression)                                                                     \
  add.operator()<Op>(binarySigned<+[](int64_t x, int64_t y) -> int64_t { return expression; }>)
#define UNSIGNED(Op, expression)                                                                   \
  add.operator()<Op>(binaryUnsigned<+[](uint64_t x, uint64_t y) -> uint64_t { return expression; }>)
  UNSIGNED(arith::AddIOp, x + y);
  UNSIGNED(arith::SubIOp, x - y);
  UNSIGNED(arith::MulIOp, x * y);
  UNSIGNED(arith::AndIOp, x & y);
  UNSIGNED(arith::OrIOp, x | y);
  UNSIGNED(arith::XOrIOp, x ^ y);
  UNSIGNED(arith::MinUIOp, std::min(x, y));
  UNSIGNED(arith::MaxUIOp, std::max(x, y));
  SIGNED(arith::MinSIOp, std::min(x, y));
  SIGNED(arith::MaxSIOp, std::max(x, y));
#undef SIGNED
#undef UNSIGNED
}

/// Quotients, remainders and shifts: undefined cases are errors of the kernel.
static LogicalResult divide(const Instruction &i, Machine &m) {
  int64_t x = signedOf(i, m.operand(i, 0).integer), y = signedOf(i, m.operand(i, 1).integer);
  uint64_t ux = bitsOf(i, x), uy = bitsOf(i, y);
  if (y == 0)
    return m.fail(i.op->getName().getStringRef() + " divides by zero");
  int64_t result = 0;
  bool overflows = y == -1; // The quotient is -x, wrapped.
  if (llvm::isa<arith::DivSIOp>(i.op))
    result = overflows ? int64_t(0 - uint64_t(x)) : x / y;
  else if (llvm::isa<arith::RemSIOp>(i.op))
    result = overflows ? 0 : x % y;
  else if (llvm::isa<arith::FloorDivSIOp>(i.op))
    result = overflows ? int64_t(0 - uint64_t(x)) : llvm::divideFloorSigned(x, y);
  else if (llvm::isa<arith::CeilDivSIOp>(i.op))
    result = overflows ? int64_t(0 - uint64_t(x)) : llvm::divideCeilSigned(x, y);
  else if (llvm::isa<arith::DivUIOp>(i.op))
    result = int64_t(ux / uy);
  else if (llvm::isa<arith::RemUIOp>(i.op))
    result = int64_t(ux % uy);
  else // CeilDivUIOp
    result = int64_t(ux / uy + (ux % uy != 0));
  m.result(i).integer = i.format.wrap(result);
  return success();
}

static LogicalResult shift(const Instruction &i, Machine &m) {
  int64_t x = m.operand(i, 0).integer;
  uint64_t count = bitsOf(i, m.operand(i, 1).integer);
  if (count >= i.operandFormat.getWidth())
    return m.fail(i.op->getName().getStringRef() + " by " + llvm::Twine(count) +
                  ", not less than the width");
  int64_t result = llvm::isa<arith::ShLIOp>(i.op)    ? int64_t(uint64_t(x) << count)
                   : llvm::isa<arith::ShRSIOp>(i.op) ? signedOf(i, x) >> count
                                                     : int64_t(bitsOf(i, x) >> count);
  m.result(i).integer = i.format.wrap(result);
  return success();
}

static LogicalResult compareIntegers(const Instruction &i, Machine &m) {
  using P = arith::CmpIPredicate;
  int64_t x = signedOf(i, m.operand(i, 0).integer), y = signedOf(i, m.operand(i, 1).integer);
  uint64_t ux = bitsOf(i, x), uy = bitsOf(i, y);
  bool result = false;
  switch (llvm::cast<arith::CmpIOp>(i.op).getPredicate()) {
  case P::eq: result = ux == uy; break;
  case P::ne: result = ux != uy; break;
  case P::slt: result = x < y; break;
  case P::sle: result = x <= y; break;
  case P::sgt: result = x > y; break;
  case P::sge: result = x >= y; break;
  case P::ult: result = ux < uy; break;
  case P::ule: result = ux <= uy; break;
  case P::ugt: result = ux > uy; break;
  case P::uge: result = ux >= uy; break;
  }
  m.result(i).integer = result;
  return success();
}

/// The high half of a product, or the carry of a sum, beside the low half.
template <bool isSigned> static LogicalResult multiplyExtended(const Instruction &i, Machine &m) {
  unsigned width = i.operandFormat.getWidth();
  int64_t x = m.operand(i, 0).integer, y = m.operand(i, 1).integer;
  unsigned __int128 product;
  if (isSigned)
    product = static_cast<unsigned __int128>(__int128(signedOf(i, x)) * signedOf(i, y));
  else
    product = static_cast<unsigned __int128>(bitsOf(i, x)) * bitsOf(i, y);
  m.result(i, 0).integer = i.format.wrap(int64_t(uint64_t(product)));
  m.result(i, 1).integer = i.format.wrap(int64_t(uint64_t(product >> width)));
  return success();
}

//===----------------------------------------------------------------------===//
// Conversions, constants, choices
//===----------------------------------------------------------------------===//

static LogicalResult loadConstant(const Instruction &i, Machine &m) {
  TypedAttr value = llvm::cast<arith::ConstantOp>(i.op).getValue();
  if (auto real = llvm::dyn_cast<FloatAttr>(value)) {
    m.result(i).real = real.getValueAsDouble();
    if (real.getValue().isNaN())
      m.result(i).real = NAN;
  } else if (auto integer = llvm::dyn_cast<IntegerAttr>(value)) {
    m.result(i).integer = i.format.wrap(int64_t(integer.getValue().zextOrTrunc(64).getZExtValue()));
  } else if (auto dense = llvm::dyn_cast<DenseElementsAttr>(value)) {
    llvm::Expected<Tensor> tensor = toTensor(dense);
    if (!tensor)
      return m.fail(llvm::toString(tensor.takeError()));
    m.result(i).tensor = *tensor;
  } else {
    return m.fail("arith.constant of this kind has no reference rule");
  }
  return success();
}

static LogicalResult bitcast(const Instruction &i, Machine &m) {
  if (i.format.getByteSize() != i.operandFormat.getByteSize())
    return m.fail("arith.bitcast changes the size");
  char bytes[8] = {};
  if (i.operandFormat.isFloat())
    i.operandFormat.storeReal(bytes, m.operand(i, 0).real);
  else
    i.operandFormat.storeInteger(bytes, m.operand(i, 0).integer);
  if (i.format.isFloat())
    m.result(i).real = i.format.loadReal(bytes);
  else
    m.result(i).integer = i.format.loadInteger(bytes);
  return success();
}

static LogicalResult select(const Instruction &i, Machine &m) {
  const Cell &chosen = m.operand(i, m.operand(i, 0).integer ? 1 : 2);
  Cell &result = m.result(i);
  result.real = chosen.real;
  result.integer = chosen.integer;
  if (chosen.tensor)
    result.tensor = chosen.tensor;
  return success();
}

/// Out of range, the result is poison: here the nearest number, so that nothing depends on it by
/// luck.
template <bool isSigned> static LogicalResult realToInteger(const Instruction &i, Machine &m) {
  ElementFormat target(IntegerType::get(i.op->getContext(), i.format.getWidth(),
                                        isSigned ? IntegerType::Signed : IntegerType::Unsigned));
  m.result(i).integer = i.format.wrap(target.saturate(m.operand(i, 0).real));
  return success();
}
template <bool isSigned> static LogicalResult integerToReal(const Instruction &i, Machine &m) {
  int64_t value = m.operand(i, 0).integer;
  m.result(i).real = isSigned ? i.format.roundInteger(signedOf(i, value), true)
                              : i.format.roundInteger(int64_t(bitsOf(i, value)), false);
  return success();
}
template <bool isSigned> static LogicalResult resize(const Instruction &i, Machine &m) {
  int64_t value = m.operand(i, 0).integer;
  m.result(i).integer = i.format.wrap(isSigned ? signedOf(i, value) : int64_t(bitsOf(i, value)));
  return success();
}

void reference::addScalarRules(RuleTable &t) {
  addFloatRules(t);
  addIntegerRules(t);
  auto add = [&]<typename... Ops>(Rule rule) { ((t[TypeID::get<Ops>()] = rule), ...); };
  using namespace arith;
  add.operator()<arith::CmpFOp>(compareFloats);
  add.operator()<arith::CmpIOp>(compareIntegers);
  add.operator()<DivSIOp, DivUIOp, RemSIOp, RemUIOp, FloorDivSIOp, CeilDivSIOp, CeilDivUIOp>(
      divide);
  add.operator()<ShLIOp, ShRSIOp, ShRUIOp>(shift);
  add.operator()<MulSIExtendedOp>(multiplyExtended<true>);
  add.operator()<MulUIExtendedOp>(multiplyExtended<false>);
  add.operator()<arith::ConstantOp>(loadConstant);
  add.operator()<arith::BitcastOp>(bitcast);
  add.operator()<arith::SelectOp>(select);
  add.operator()<FPToSIOp>(realToInteger<true>);
  add.operator()<FPToUIOp>(realToInteger<false>);
  add.operator()<SIToFPOp>(integerToReal<true>);
  add.operator()<UIToFPOp>(integerToReal<false>);
  add.operator()<ExtSIOp, TruncIOp, IndexCastOp>(resize<true>);
  add.operator()<ExtUIOp, IndexCastUIOp>(resize<false>);
  add.operator()<math::AbsIOp>(+[](const Instruction &i, Machine &m) {
    int64_t x = signedOf(i, m.operand(i, 0).integer);
    m.result(i).integer = i.format.wrap(x < 0 ? int64_t(0 - uint64_t(x)) : x);
    return success();
  });
  add.operator()<math::CtPopOp>(
      unaryBits<+[](uint64_t x, unsigned) -> int64_t { return llvm::popcount(x); }>);
  add.operator()<math::CountLeadingZerosOp>(unaryBits<+[](uint64_t x, unsigned width) -> int64_t {
    return x ? llvm::countl_zero(x) - (64 - int64_t(width)) : width;
  }>);
  add.operator()<math::CountTrailingZerosOp>(unaryBits<+[](uint64_t x, unsigned width) -> int64_t {
    return x ? llvm::countr_zero(x) : width;
  }>);
}
