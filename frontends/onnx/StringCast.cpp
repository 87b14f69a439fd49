//===- StringCast.cpp - Numbers as strings, and back --------------------------------------===//

#include "frontends/onnx/StringCast.h"

#include "dialects/graph/Host.h"
#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Regex.h"

#include <cstdlib>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

/// 10^0, 10^1, ... 10^19, the last one as its 64 bits.
static Value powersOfTen(Node &node) {
  std::vector<int64_t> powers;
  uint64_t power = 1;
  for (int i = 0; i < 20; ++i, power *= 10)
    powers.push_back(int64_t(power));
  return constantOf<int64_t>(node, powers, 20);
}

/// Rounding exactly takes integers of a thousand bits, which is work for a host operator.
Value tessera::onnx::printFloats(Node &node, Value x, FloatText how) {
  MLIRContext *context = node.getBuilder().getContext();
  graph::TensorType type = graph::getTensorType(x);
  DimExpr count = graph::multiplyDims(context, type.getDims());
  if (!count)
    return (void)node.error("its extents overflow"), Value();
  // -1.2345678e-300, or the largest number.
  int64_t width = how == FloatText::Short ? 15 : 47;
  Value line = node.reshape(node.convert(x, atLeastF32(type.getElementType())), {count.get()});
  auto text = graph::TensorType::get({count.get(), node.dim(width)},
                                     IntegerType::get(context, 8, IntegerType::Unsigned));
  Value bytes =
      graph::HostCallOp::create(node.getBuilder(), node.getLoc(), TypeRange(text), "text.of_floats",
                                how == FloatText::Short ? "short" : "plain", ValueRange(line))
          .getResult(0);
  return stringsOf(node, bytes, type.getDims());
}

LogicalResult tessera::onnx::castToStrings(Node &node, Value x) {
  graph::TensorType type = graph::getTensorType(x);
  auto integer = llvm::dyn_cast<IntegerType>(type.getElementType());
  if (!integer) {
    Value strings = printFloats(node, x, FloatText::Short);
    if (strings)
      node.setOutput(strings);
    return success(bool(strings));
  }
  MLIRContext *context = node.getBuilder().getContext();
  Type ui64 = IntegerType::get(context, 64, IntegerType::Unsigned);
  DimExpr count = graph::multiplyDims(context, type.getDims());
  if (!count)
    return node.error("its extents overflow");
  constexpr int64_t kWidth = 20; // of the smallest number of 64 bits
  DimList line{count.get()}, table{count.get(), node.dim(kWidth)};
  x = node.reshape(x, line);
  Value isNegative =
      integer.isSigned()
          ? node.compare(CompareKind::lt, x, node.fillLike(x, 0))
          : node.fill(graph::TensorType::get(line, node.getBuilder().getI1Type()), 0);
  Value wide = node.convert(x, integer.isSigned() ? node.si64() : ui64);
  Value size = node.convert(
      integer.isSigned() ? node.choose(isNegative, node.create<graph::NegOp>(wide), wide) : wide,
      ui64);
  Value powers = node.convert(powersOfTen(node), ui64);
  // How many digits: as many powers as are not above, and one for 0.
  Value isReached = node.compare(CompareKind::ge, node.broadcast(size, {0}, table),
                                 node.broadcast(powers, {1}, table));
  Value digits = node.max(node.sum(node.convert(isReached, node.si64()), {1}), 1.0);
  Value sign = node.convert(isNegative, node.si64());
  auto perRow = [&](Value value) { return node.broadcast(value, {0}, table); };
  Value place = node.iota(table, 1);
  Value power = node.sub(node.add(perRow(node.add(digits, sign)), -1), place);
  Value divisor = node.create<graph::GatherOp>(powers, node.max(power, 0.0), 0);
  Value quotient = node.div(perRow(size), divisor);
  Value digit = node.create<graph::RemOp>(quotient, node.fillLike(quotient, 10));
  Type ui8 = IntegerType::get(context, 8, IntegerType::Unsigned);
  Value bytes = node.add(node.convert(digit, ui8), double('0'));
  Value isSign = node.compare(CompareKind::lt, place, perRow(sign));
  bytes = node.choose(isSign, node.fillLike(bytes, '-'), bytes);
  Value isInside = node.compare(CompareKind::ge, power, node.fillLike(power, 0));
  bytes = node.choose(isInside, bytes, node.fillLike(bytes, 0));
  node.setOutput(stringsOf(node, bytes, type.getDims()));
  return success();
}

namespace {
class NumberReader {
public:
  NumberReader(Node &node, const Rows &rows)
      : node(node), rows(rows), table{rows.count, rows.width}, place(node.iota(table, 1)),
        byte(node.convert(rows.bytes, node.si64())) {}
  LogicalResult run(Type element);

private:
  Value both(Value x, Value y) { return node.create<graph::AndOp>(x, y); }
  Value perRow(Value x) { return node.broadcast(x, {0}, table); }
  Value is(Value x, char c) { return node.compare(CompareKind::eq, x, node.fillLike(x, c)); }
  Value before(Value end) { return node.compare(CompareKind::lt, place, perRow(end)); }
  Value behind(Value end) { return node.compare(CompareKind::gt, place, perRow(end)); }
  Value any(Value flag) { return node.reduce(ReduceKind::or_, flag, {1}); }
  Value count(Value flag) { return node.sum(node.convert(flag, node.si64()), {1}); }
  /// The first place of each row where this is; `otherwise` where it is nowhere.
  Value firstOf(Value flag, Value otherwise) {
    return node.reduce(ReduceKind::min, node.choose(flag, place, perRow(otherwise)), {1});
  }
  Value numberOf(Value flag) { // from 1, among the places that are set
    return node.create<graph::CumulativeOp>(graph::CumulativeKind::sum,
                                            node.convert(flag, node.si64()), 1, false, false);
  }
  /// The digits at these places as a number, of which `last` says how many there are, at most 20.
  Value join(Value isSet, Value last) {
    Value power = node.sub(perRow(last), numberOf(isSet));
    Value factor =
        node.create<graph::GatherOp>(powersOfTen(node), node.min(node.max(power, 0.0), 19.0), 0);
    Value term = node.mul(node.add(byte, -double('0')), factor);
    return node.sum(node.choose(isSet, term, node.fillLike(term, 0)), {1});
  }
  Value real();
  void refuse(Value isWrong, StringRef what);

  Node &node;
  const Rows &rows;
  DimList table;
  Value place, byte;
  Value isDigit, lower, end, exponentAt, dotAt, isNegative; // places of each row
};
} // namespace

/// Ends a run with an error where it is set anywhere: what is counted must not be above 0.
void NumberReader::refuse(Value isWrong, StringRef what) {
  Value total = node.sum(node.convert(isWrong, node.si64()), {0});
  (void)node.importer.bindDim(node, total, what, 0);
}

Value NumberReader::real() {
  // Significant digits before the exponent: 18 of them fit an integer.
  constexpr double kDigits = 18;
  Value isMantissa = both(isDigit, before(exponentAt));
  Value hasBegun = node.compare(
      CompareKind::gt,
      numberOf(both(isMantissa, node.compare(CompareKind::ne, byte, node.fillLike(byte, '0')))),
      node.fillLike(byte, 0));
  Value isSignificant = both(isMantissa, hasBegun), digits = count(isSignificant);
  Value number = numberOf(isSignificant);
  Value isKept =
      both(isSignificant, node.compare(CompareKind::le, number, node.fillLike(number, kDigits)));
  Value kept = node.min(digits, kDigits);
  Value mantissa = join(isKept, kept);
  // Digits left out make it larger, digits behind the dot smaller.
  Value isFraction = both(isMantissa, behind(dotAt));
  Value isExponent = both(isDigit, behind(exponentAt));
  Value exponentDigits = count(isExponent);
  // More digits than fit are more than any float has; leading zeros are few.
  Value isLarge =
      node.compare(CompareKind::gt, exponentDigits, node.fillLike(exponentDigits, kDigits));
  Value given = join(isExponent, exponentDigits);
  given = node.choose(isLarge, node.fillLike(given, 1e6), node.min(given, 1e6));
  Value isBelow = any(both(is(byte, '-'), behind(exponentAt)));
  given = node.choose(isBelow, node.create<graph::NegOp>(given), given);
  Value exponent = node.add(node.sub(node.sub(digits, kept), count(isFraction)), given);
  constexpr int kEnd = 400, kLargest = 300;
  exponent = node.max(node.min(exponent, kEnd), -double(kEnd));
  std::vector<double> powers;
  for (int i = 0; i <= kLargest; ++i)
    powers.push_back(std::strtod(("1e" + std::to_string(i)).c_str(), nullptr));
  Value table = constantOf<double>(node, powers, kLargest + 1);
  auto powerOf = [&](Value x) {
    return Value(node.create<graph::GatherOp>(table, node.max(node.min(x, kLargest), 0.0), 0));
  };
  auto beyond = [&](Value x) { return powerOf(node.add(x, -double(kLargest))); };
  Value minus = node.create<graph::NegOp>(exponent);
  Value value = node.convert(mantissa, node.getBuilder().getF64Type());
  value = node.mul(node.mul(value, powerOf(exponent)), beyond(exponent));
  return node.div(node.div(value, powerOf(minus)), beyond(minus));
}

/// What a string has to be. Integers are finite.
static std::string syntaxOf(bool isInteger) {
  std::string spaces = "[\\t-\\r ]*", number = "(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?";
  if (!isInteger)
    number += "|(?i:inf|infinity|nan)";
  return spaces + "[+-]?(?:" + number + ")" + spaces;
}

LogicalResult NumberReader::run(Type element) {
  bool isInteger = llvm::isa<IntegerType>(element) && !element.isInteger(1);
  llvm::Expected<Automaton> syntax = compileRegex(syntaxOf(isInteger));
  if (!syntax)
    return node.error(llvm::toString(syntax.takeError()));
  refuse(node.create<graph::NotOp>(matchRows(node, rows, *syntax)),
         "the number of strings that are no numbers");
  isDigit = both(node.compare(CompareKind::ge, byte, node.fillLike(byte, '0')),
                 node.compare(CompareKind::le, byte, node.fillLike(byte, '9')));
  lower = node.create<graph::OrOp>(byte, node.fillLike(byte, 32));
  end = node.broadcast(ShapeScalars(node).number(rows.width), {}, DimList{rows.count});
  exponentAt = firstOf(is(lower, 'e'), end);
  dotAt = firstOf(is(byte, '.'), exponentAt);
  isNegative = any(both(is(byte, '-'), before(exponentAt)));
  Value isInfinite = any(is(lower, 'f')), isNan = any(is(lower, 'a'));
  Value value = real();
  auto constant = [&](double number) { return node.fillLike(value, number); };
  value = node.choose(isInfinite, constant(std::numeric_limits<double>::infinity()), value);
  value = node.choose(isNan, constant(std::numeric_limits<double>::quiet_NaN()), value);
  value = node.choose(isNegative, node.create<graph::NegOp>(value), value);
  node.setOutput(node.reshape(node.convert(value, element), rows.dims));
  return success();
}

LogicalResult tessera::onnx::castFromStrings(Node &node, Type element) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  return failed(rows) ? failure() : NumberReader(node, *rows).run(element);
}
