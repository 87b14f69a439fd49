//===- LowerElementwise.cpp - The body of every elementwise op -------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "dialects/common/AnyWhereNan.h"

#include "dialects/common/NarrowElements.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using llvm::isa;

using BodyBuilder = ImplicitLocOpBuilder;

Value tessera::lower::scalarNumber(BodyBuilder &b, Type type, double value) {
  if (auto real = llvm::dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, FloatAttr::get(real, value));
  unsigned width = type.getIntOrFloatBitWidth();
  return arith::ConstantOp::create(
      b, IntegerAttr::get(type, llvm::APInt(64, int64_t(value), true).sextOrTrunc(width)));
}

namespace {
/// What a body needs to know: the element type in the graph (with its sign) and the builtin one.
struct Element {
  Type graph;
  Type type;
  bool isFloat() const { return tessera::isFloat(graph); }
  bool isSigned() const { return graph.isSignedInteger(); }
  bool isUnsigned() const { return !isFloat() && !isSigned(); }
};
} // namespace

static Element elementOf(Value graphValue) {
  Type element = graph::getTensorType(graphValue).getElementType();
  return {element, getKernelElementType(element)};
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

static Value compare(BodyBuilder &b, graph::CompareKind kind, Value x, Value y, Element element) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  unsigned k = unsigned(kind);
  if (element.isFloat()) {
    constexpr F predicates[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
    return arith::CmpFOp::create(b, predicates[k], x, y);
  }
  constexpr I signedOnes[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  constexpr I unsignedOnes[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  return arith::CmpIOp::create(b, element.isSigned() ? signedOnes[k] : unsignedOnes[k], x, y);
}
static Value isEqual(BodyBuilder &b, Value x, double number, Element element) {
  return compare(b, graph::CompareKind::eq, x, scalarNumber(b, element.type, number), element);
}
static Value isLess(BodyBuilder &b, Value x, double number, Element element) {
  return compare(b, graph::CompareKind::lt, x, scalarNumber(b, element.type, number), element);
}
static Value choose(BodyBuilder &b, Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}

//===----------------------------------------------------------------------===//
// Conversion
//===----------------------------------------------------------------------===//

static Value convertFloat(BodyBuilder &b, Value x, Type to) {
  unsigned from = x.getType().getIntOrFloatBitWidth(), width = to.getIntOrFloatBitWidth();
  if (x.getType() == to)
    return x;
  if (from == width) // f16 and bf16: through the type that holds both
    return arith::TruncFOp::create(b, to, arith::ExtFOp::create(b, b.getF32Type(), x));
  if (from < width)
    return arith::ExtFOp::create(b, to, x);
  return arith::TruncFOp::create(b, to, x);
}

/// Truncates towards zero, saturates, NaN gives 0.
static Value floatToInteger(BodyBuilder &b, Value x, Type to) {
  // Small floats cannot hold the bounds of wide integers.
  if (x.getType().getIntOrFloatBitWidth() < 32)
    x = convertFloat(b, x, b.getF32Type());
  Element element{x.getType(), x.getType()};
  bool isSigned = to.isSignedInteger();
  int width = to.getIntOrFloatBitWidth();
  Type type = getKernelElementType(to);
  double high = std::ldexp(1.0, isSigned ? width - 1 : width);
  double low = isSigned ? -high : 0.0;
  auto limit = [&](const llvm::APInt &value) -> Value {
    return arith::ConstantOp::create(b, IntegerAttr::get(type, value));
  };
  Value tooLow = isLess(b, x, low, element);
  Value tooHigh =
      compare(b, graph::CompareKind::ge, x, scalarNumber(b, x.getType(), high), element);
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  Value outside = arith::OrIOp::create(b, tooLow, tooHigh);
  Value inside = arith::AndIOp::create(
      b, isNumber, arith::XOrIOp::create(b, outside, scalarNumber(b, b.getI1Type(), 1)));
  Value safe = choose(b, inside, x, scalarNumber(b, x.getType(), 0));
  Value result = isSigned ? Value(arith::FPToSIOp::create(b, type, safe))
                          : Value(arith::FPToUIOp::create(b, type, safe));
  llvm::APInt highest =
      isSigned ? llvm::APInt::getSignedMaxValue(width) : llvm::APInt::getMaxValue(width);
  llvm::APInt lowest = isSigned ? llvm::APInt::getSignedMinValue(width) : llvm::APInt(width, 0);
  result = choose(b, tooHigh, limit(highest), result);
  return choose(b, tooLow, limit(lowest), result);
}

/// A number on its way to a float of at most 8 bits: in f32, or where that would round, in f64.
/// (Integers that f64 rounds are beyond all of these types but f8E8M0FNU, which takes them from
/// f64.)
static Value convertToFields(BodyBuilder &b, Value x, Type from) {
  bool isLong = from.isF64() || (!isFloat(from) && from.getIntOrFloatBitWidth() > 16);
  return convertScalar(b, x, from, isLong ? Type(b.getF64Type()) : Type(b.getF32Type()));
}

/// A number in the wide type of short integers, its low bits only, or saturated.
static Value convertToShort(BodyBuilder &b, Value x, Type from, Type to) {
  Type wide = getWideElementType(to);
  Value number = convertScalar(b, x, from, wide);
  if (!isFloat(from))
    return number;
  unsigned width = to.getIntOrFloatBitWidth();
  double high = std::ldexp(1.0, to.isSignedInteger() ? width - 1 : width) - 1;
  Value highest = scalarNumber(b, number.getType(), high);
  if (to.isUnsignedInteger())
    return arith::MinUIOp::create(b, number, highest);
  Value lowest = scalarNumber(b, number.getType(), -high - 1);
  return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, number, highest), lowest);
}

Value tessera::lower::convertScalar(BodyBuilder &b, Value x, Type from, Type to) {
  if (from == to)
    return x;
  if (isNarrow(from))
    return convertScalar(b, decodeNarrow(b, from, x), getWideElementType(from), to);
  if (isNarrow(to))
    return encodeNarrow(b, to,
                        isFloat(to) ? convertToFields(b, x, from) : convertToShort(b, x, from, to));
  Type type = getKernelElementType(to);
  Element source{from, x.getType()};
  if (isBool(to))
    return compare(b, graph::CompareKind::ne, x, scalarNumber(b, x.getType(), 0), source);
  if (isFloat(from))
    return isFloat(to) ? convertFloat(b, x, to) : floatToInteger(b, x, to);
  if (isFloat(to)) {
    if (from.isSignedInteger())
      return arith::SIToFPOp::create(b, type, x);
    return arith::UIToFPOp::create(b, type, x);
  }
  unsigned before = x.getType().getIntOrFloatBitWidth(), after = type.getIntOrFloatBitWidth();
  if (before == after)
    return x;
  if (before > after)
    return arith::TruncIOp::create(b, type, x);
  if (from.isSignedInteger())
    return arith::ExtSIOp::create(b, type, x);
  return arith::ExtUIOp::create(b, type, x);
}

Value tessera::lower::convertSaturating(BodyBuilder &b, Value x, Type from, Type to) {
  if (isFloat(from) || isFloat(to) || isBool(from) || isBool(to) || from == to)
    return convertScalar(b, x, from, to);
  if (isNarrow(from))
    return convertSaturating(b, decodeNarrow(b, from, x), getWideElementType(from), to);
  // Limits as numbers wide enough for every integer type; those that `from` cannot pass are left
  // out.
  auto lowest = [](Type type) {
    unsigned width = type.getIntOrFloatBitWidth();
    return type.isSignedInteger() ? llvm::APInt::getSignedMinValue(width).sext(66)
                                  : llvm::APInt(66, 0);
  };
  auto highest = [](Type type) {
    unsigned width = type.getIntOrFloatBitWidth();
    return type.isSignedInteger() ? llvm::APInt::getSignedMaxValue(width).zext(66)
                                  : llvm::APInt::getMaxValue(width).zext(66);
  };
  bool isSigned = from.isSignedInteger();
  auto limit = [&](const llvm::APInt &value) -> Value {
    llvm::APInt narrow = value.trunc(from.getIntOrFloatBitWidth());
    return arith::ConstantOp::create(b, IntegerAttr::get(x.getType(), narrow));
  };
  if (lowest(from).slt(lowest(to)))
    x = arith::MaxSIOp::create(b, x, limit(lowest(to)));
  if (highest(from).sgt(highest(to)))
    x = isSigned ? Value(arith::MinSIOp::create(b, x, limit(highest(to))))
                 : Value(arith::MinUIOp::create(b, x, limit(highest(to))));
  return convertScalar(b, x, from, to);
}

/// The low bits of a byte that holds a short integer or float have the same meaning for both; a
/// bool is a byte of its own.
static Value bitcastScalar(BodyBuilder &b, Value x, Type from, Type to) {
  if (isBool(to))
    return convertScalar(b, x, IntegerType::get(b.getContext(), 8, IntegerType::Unsigned), to);
  if (isBool(from))
    return arith::ExtUIOp::create(b, b.getI8Type(), x);
  Type type = getKernelElementType(to);
  return x.getType() == type ? x : Value(arith::BitcastOp::create(b, type, x));
}

//===----------------------------------------------------------------------===//
// Bodies. Each is `Value body(op, builder, scalars)`.
//===----------------------------------------------------------------------===//

template <typename FloatOp, typename IntOp>
static Value arithmetic(BodyBuilder &b, ValueRange x, bool isFloat) {
  if (isFloat)
    return FloatOp::create(b, x[0], x[1]);
  return IntOp::create(b, x[0], x[1]);
}

/// Integer quotients and remainders: nothing may trap. Division by 0 and the one overflow are
/// replaced by division by 1 before, and by their defined results after.
static Value divideIntegers(BodyBuilder &b, ValueRange x, Element element, bool remainder) {
  Value zero = scalarNumber(b, element.type, 0), one = scalarNumber(b, element.type, 1);
  Value byZero = isEqual(b, x[1], 0, element);
  if (element.isUnsigned()) {
    Value divisor = choose(b, byZero, one, x[1]);
    Value result = remainder ? Value(arith::RemUIOp::create(b, x[0], divisor))
                             : Value(arith::DivUIOp::create(b, x[0], divisor));
    return choose(b, byZero, zero, result);
  }
  Value byMinusOne = isEqual(b, x[1], -1, element);
  Value divisor = choose(b, arith::OrIOp::create(b, byZero, byMinusOne), one, x[1]);
  Value result = remainder ? Value(arith::RemSIOp::create(b, x[0], divisor))
                           : Value(arith::DivSIOp::create(b, x[0], divisor));
  Value negated = remainder ? zero : Value(arith::SubIOp::create(b, zero, x[0]));
  return choose(b, byZero, zero, choose(b, byMinusOne, negated, result));
}

static Value truncatedRemainder(BodyBuilder &b, ValueRange x, Element element) {
  return element.isFloat() ? Value(arith::RemFOp::create(b, x[0], x[1]))
                           : divideIntegers(b, x, element, /*remainder=*/true);
}

/// The sign follows the divisor: where it differs from the remainder's, one divisor is added.
static Value flooredRemainder(BodyBuilder &b, ValueRange x, Element element) {
  Value r = truncatedRemainder(b, x, element);
  if (element.isUnsigned())
    return r;
  Value isZero = isEqual(b, r, 0, element);
  Value none = element.isFloat() ? Value(math::CopySignOp::create(b, r, x[1])) : r;
  Value differs = arith::XOrIOp::create(b, isLess(b, r, 0, element), isLess(b, x[1], 0, element));
  Value shifted = arithmetic<arith::AddFOp, arith::AddIOp>(b, {r, x[1]}, element.isFloat());
  return choose(b, isZero, none, choose(b, differs, shifted, r));
}

/// Squares and multiplies, one step for each bit of the exponent; products wrap.
static Value integerPower(BodyBuilder &b, ValueRange x, Element element) {
  unsigned width = element.type.getIntOrFloatBitWidth();
  Value zero = scalarNumber(b, element.type, 0), one = scalarNumber(b, element.type, 1);
  Value power = one, square = x[0];
  for (unsigned bit = 0; bit < width; ++bit) {
    Value mask = arith::ConstantOp::create(
        b, IntegerAttr::get(element.type, llvm::APInt::getOneBitSet(width, bit)));
    Value isSet = arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                        arith::AndIOp::create(b, x[1], mask), zero);
    power = choose(b, isSet, arith::MulIOp::create(b, power, square), power);
    square = arith::MulIOp::create(b, square, square);
  }
  if (element.isUnsigned())
    return power;
  // Of a negative exponent: 1 / x^-y truncated, which is the power itself for 1 and -1.
  Value isUnit =
      arith::OrIOp::create(b, isEqual(b, x[0], 1, element), isEqual(b, x[0], -1, element));
  return choose(b, isLess(b, x[1], 0, element), choose(b, isUnit, power, zero), power);
}

static Value shift(BodyBuilder &b, ValueRange x, Element element, bool left) {
  int width = element.type.getIntOrFloatBitWidth();
  Element asUnsigned{IntegerType::get(b.getContext(), width, IntegerType::Unsigned), element.type};
  Value inside = isLess(b, x[1], width, asUnsigned);
  Value amount = choose(b, inside, x[1], scalarNumber(b, element.type, 0));
  Value zero = scalarNumber(b, element.type, 0);
  if (left)
    return choose(b, inside, arith::ShLIOp::create(b, x[0], amount), zero);
  if (element.isUnsigned())
    return choose(b, inside, arith::ShRUIOp::create(b, x[0], amount), zero);
  Value sign = choose(b, isLess(b, x[0], 0, element), scalarNumber(b, element.type, -1), zero);
  return choose(b, inside, arith::ShRSIOp::create(b, x[0], amount), sign);
}

static Value minOrMax(BodyBuilder &b, ValueRange x, Element element, bool max) {
  if (element.isFloat())
    return max ? Value(arith::MaximumFOp::create(b, x[0], x[1]))
               : Value(arith::MinimumFOp::create(b, x[0], x[1]));
  if (element.isSigned())
    return max ? Value(arith::MaxSIOp::create(b, x[0], x[1]))
               : Value(arith::MinSIOp::create(b, x[0], x[1]));
  return max ? Value(arith::MaxUIOp::create(b, x[0], x[1]))
             : Value(arith::MinUIOp::create(b, x[0], x[1]));
}

static Value body(graph::AddOp op, BodyBuilder &b, ValueRange x) {
  return arithmetic<arith::AddFOp, arith::AddIOp>(b, x, elementOf(op.getX()).isFloat());
}
static Value body(graph::SubOp op, BodyBuilder &b, ValueRange x) {
  return arithmetic<arith::SubFOp, arith::SubIOp>(b, x, elementOf(op.getX()).isFloat());
}
static Value body(graph::MulOp op, BodyBuilder &b, ValueRange x) {
  return arithmetic<arith::MulFOp, arith::MulIOp>(b, x, elementOf(op.getX()).isFloat());
}
static Value body(graph::DivOp op, BodyBuilder &b, ValueRange x) {
  Element element = elementOf(op.getX());
  return element.isFloat() ? Value(arith::DivFOp::create(b, x[0], x[1]))
                           : divideIntegers(b, x, element, /*remainder=*/false);
}
static Value body(graph::RemOp op, BodyBuilder &b, ValueRange x) {
  return truncatedRemainder(b, x, elementOf(op.getX()));
}
static Value body(graph::ModOp op, BodyBuilder &b, ValueRange x) {
  return flooredRemainder(b, x, elementOf(op.getX()));
}
static Value body(graph::MinOp op, BodyBuilder &b, ValueRange x) {
  return minOrMax(b, x, elementOf(op.getX()), false);
}
static Value body(graph::MaxOp op, BodyBuilder &b, ValueRange x) {
  Value larger = minOrMax(b, x, elementOf(op.getX()), true);
  if (op->hasAttr(graph::kAnyWhereNan))
    larger.getDefiningOp()->setAttr(kernel::kAnyWhereNan, b.getUnitAttr());
  return larger;
}
static Value body(graph::PowOp op, BodyBuilder &b, ValueRange x) {
  if (elementOf(op.getX()).isFloat())
    return math::PowFOp::create(b, x[0], x[1]);
  return integerPower(b, x, elementOf(op.getX()));
}
static Value body(graph::Atan2Op, BodyBuilder &b, ValueRange x) {
  return math::Atan2Op::create(b, x[0], x[1]);
}
static Value body(graph::AndOp, BodyBuilder &b, ValueRange x) {
  return arith::AndIOp::create(b, x[0], x[1]);
}
static Value body(graph::OrOp, BodyBuilder &b, ValueRange x) {
  return arith::OrIOp::create(b, x[0], x[1]);
}
static Value body(graph::XorOp, BodyBuilder &b, ValueRange x) {
  return arith::XOrIOp::create(b, x[0], x[1]);
}
static Value body(graph::ShlOp op, BodyBuilder &b, ValueRange x) {
  return shift(b, x, elementOf(op.getX()), true);
}
static Value body(graph::ShrOp op, BodyBuilder &b, ValueRange x) {
  return shift(b, x, elementOf(op.getX()), false);
}
static Value body(graph::NegOp op, BodyBuilder &b, ValueRange x) {
  Element element = elementOf(op.getX());
  if (element.isFloat())
    return arith::NegFOp::create(b, x[0]);
  return arith::SubIOp::create(b, scalarNumber(b, element.type, 0), x[0]);
}
static Value body(graph::AbsOp op, BodyBuilder &b, ValueRange x) {
  Element element = elementOf(op.getX());
  if (element.isFloat())
    return math::AbsFOp::create(b, x[0]);
  if (element.isUnsigned())
    return x[0];
  Value negated = arith::SubIOp::create(b, scalarNumber(b, element.type, 0), x[0]);
  return choose(b, isLess(b, x[0], 0, element), negated, x[0]);
}
static Value body(graph::SignOp op, BodyBuilder &b, ValueRange x) {
  Element element = elementOf(op.getX());
  Value one = scalarNumber(b, element.type, 1), zero = scalarNumber(b, element.type, 0);
  Value positive = compare(b, graph::CompareKind::gt, x[0], zero, element);
  if (element.isUnsigned())
    return choose(b, positive, one, x[0]);
  Value negative = isLess(b, x[0], 0, element);
  return choose(b, positive, one, choose(b, negative, scalarNumber(b, element.type, -1), x[0]));
}
static Value body(graph::NotOp op, BodyBuilder &b, ValueRange x) {
  return arith::XOrIOp::create(b, x[0], scalarNumber(b, elementOf(op.getX()).type, -1));
}
static Value body(graph::IsNanOp, BodyBuilder &b, ValueRange x) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x[0], x[0]);
}
static Value body(graph::IsInfOp, BodyBuilder &b, ValueRange x) {
  auto type = llvm::cast<FloatType>(x[0].getType());
  Value infinity = arith::ConstantOp::create(
      b, FloatAttr::get(type, llvm::APFloat::getInf(type.getFloatSemantics())));
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, math::AbsFOp::create(b, x[0]),
                               infinity);
}
static Value body(graph::CompareOp op, BodyBuilder &b, ValueRange x) {
  return compare(b, op.getKind(), x[0], x[1], elementOf(op.getX()));
}
static Value body(graph::SelectOp, BodyBuilder &b, ValueRange x) {
  return choose(b, x[0], x[1], x[2]);
}
/// `limit` where x is not on the wanted side of it, also where x is NaN: select(x ? limit, x,
/// limit).
static std::optional<std::pair<Value, double>> matchLimit(Value value, graph::CompareKind kind) {
  auto select = value.getDefiningOp<graph::SelectOp>();
  auto compare = select ? select.getCond().getDefiningOp<graph::CompareOp>() : graph::CompareOp();
  auto limit =
      select ? llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(select.getY())) : FloatAttr();
  auto other =
      compare ? llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(compare.getY())) : FloatAttr();
  if (!limit || limit != other || compare.getKind() != kind || compare.getX() != select.getX())
    return std::nullopt;
  return std::pair(select.getX(), limit.getValueAsDouble());
}

/// Whether a float is a number within the range of an integer type of up to 16 bits.
static bool isWithin(Value value, Type to) {
  auto type = llvm::dyn_cast<IntegerType>(to);
  if (!type || type.getWidth() > 16 || isBool(type))
    return false;
  double low = type.isSigned() ? -std::ldexp(1.0, type.getWidth() - 1) : 0;
  double high = std::ldexp(1.0, type.getWidth() - (type.isSigned() ? 1 : 0)) - 1;
  auto above = matchLimit(value, graph::CompareKind::lt);
  auto below = above ? matchLimit(above->first, graph::CompareKind::gt) : above;
  return below && above->second <= high && below->second >= low && below->second <= above->second;
}

static Value body(graph::ConvertOp op, BodyBuilder &b, ValueRange x) {
  if (Type to = elementOf(op.getResult()).graph;
      elementOf(op.getX()).isFloat() && isWithin(op.getX(), to)) {
    Type type = getKernelElementType(to);
    Value number = to.isSignedInteger() ? Value(arith::FPToSIOp::create(b, type, x[0]))
                                        : Value(arith::FPToUIOp::create(b, type, x[0]));
    return isNarrow(to) ? encodeNarrow(b, to, number) : number;
  }
  return convertScalar(b, x[0], elementOf(op.getX()).graph, elementOf(op.getResult()).graph);
}

static Value body(graph::BitcastOp op, BodyBuilder &b, ValueRange x) {
  return bitcastScalar(b, x[0], elementOf(op.getX()).graph, elementOf(op.getResult()).graph);
}

#define TESSERA_MATH_BODY(GraphOp, MathOp)                                                         \
  static Value body(graph::GraphOp, BodyBuilder &b, ValueRange x) {                                \
    return math::MathOp::create(b, x[0]);                                                          \
  }
TESSERA_MATH_BODY(FloorOp, FloorOp)
TESSERA_MATH_BODY(CeilOp, CeilOp)
TESSERA_MATH_BODY(RoundOp, RoundEvenOp)
TESSERA_MATH_BODY(TruncOp, TruncOp)
TESSERA_MATH_BODY(SqrtOp, SqrtOp)
TESSERA_MATH_BODY(RsqrtOp, RsqrtOp)
TESSERA_MATH_BODY(ExpOp, ExpOp)
TESSERA_MATH_BODY(Exp2Op, Exp2Op)
TESSERA_MATH_BODY(Expm1Op, ExpM1Op)
TESSERA_MATH_BODY(LogOp, LogOp)
TESSERA_MATH_BODY(Log1pOp, Log1pOp)
TESSERA_MATH_BODY(SinOp, SinOp)
TESSERA_MATH_BODY(CosOp, CosOp)
TESSERA_MATH_BODY(TanOp, TanOp)
TESSERA_MATH_BODY(AsinOp, AsinOp)
TESSERA_MATH_BODY(AcosOp, AcosOp)
TESSERA_MATH_BODY(AtanOp, AtanOp)
TESSERA_MATH_BODY(SinhOp, SinhOp)
TESSERA_MATH_BODY(CoshOp, CoshOp)
TESSERA_MATH_BODY(TanhOp, TanhOp)
TESSERA_MATH_BODY(AsinhOp, AsinhOp)
TESSERA_MATH_BODY(AcoshOp, AcoshOp)
TESSERA_MATH_BODY(AtanhOp, AtanhOp)
TESSERA_MATH_BODY(ErfOp, ErfOp)
#undef TESSERA_MATH_BODY

//===----------------------------------------------------------------------===//
// Attaching
//===----------------------------------------------------------------------===//

template <typename OpType> static Tensors lowerElementwise(OpType op, KernelEmitter &emitter) {
  graph::TensorType type = graph::getTensorType(op->getResult(0));
  AffineMap identity = emitter.getBuilder().getMultiDimIdentityMap(type.rank());
  SmallVector<KernelEmitter::Read> reads;
  for (Value operand : op->getOperands())
    reads.push_back({emitter.lookup(operand), identity});
  bool failed = false;
  StringRef name = op->getName().stripDialect();
  Value result = emitter.map(name, type.getDims(), getKernelElementType(type.getElementType()),
                             reads, [&](BodyBuilder &b, ValueRange scalars) {
                               Value element = body(op, b, scalars);
                               failed = !element;
                               return failed ? scalars[0] : element;
                             });
  if (failed)
    return failure();
  return SmallVector<Value>{result};
}

template <FusionClass fusionClass, typename... Ops> static void attach(MLIRContext &context) {
  (Ops::template attachInterface<Model<Ops, fusionClass, lowerElementwise<Ops>>>(context), ...);
}

void tessera::lower::attachElementwise(MLIRContext &context) {
  using namespace graph;
  attach<FusionClass::Map, graph::AddOp, SubOp, MulOp, DivOp, RemOp, ModOp, MinOp, MaxOp, AndOp,
         OrOp, XorOp, ShlOp, ShrOp, NegOp, AbsOp, SignOp, FloorOp, CeilOp, RoundOp, TruncOp, NotOp,
         IsNanOp, IsInfOp, CompareOp, graph::SelectOp, BitcastOp, ConvertOp>(context);
  attach<FusionClass::Costly, PowOp, graph::Atan2Op, SqrtOp, RsqrtOp, ExpOp, Exp2Op, Expm1Op, LogOp,
         Log1pOp, SinOp, CosOp, TanOp, AsinOp, AcosOp, AtanOp, SinhOp, CoshOp, TanhOp, AsinhOp,
         AcoshOp, AtanhOp, ErfOp>(context);
}
