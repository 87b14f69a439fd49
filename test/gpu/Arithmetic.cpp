//===- Arithmetic.cpp - What one thread computes ------------------------------------------===//
#include "test/gpu/Block.h"
#include "test/gpu/Number.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tessera::ptx {
namespace {

unsigned bitsOf(Type type) { return getBytes(type) * 8; }
uint64_t maskOf(unsigned bits) { return bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1; }
/// The value of an operand of an integer type, as 64 bits.
uint64_t extend(Type type, uint64_t value) {
  const unsigned shift = 64 - bitsOf(type);
  return isSigned(type) ? uint64_t(int64_t(value << shift) >> shift) : value << shift >> shift;
}

/// Sections 9.7.1 and 9.7.8 to 9.7.9.
bool integer(const Instruction &x, const uint64_t *v, uint64_t &result) {
  if (x.type == Type::U16x2 || x.type == Type::S16x2) {
    Instruction half = x;
    half.type = x.type == Type::U16x2 ? Type::U16 : Type::S16;
    result = 0;
    for (unsigned shift : {0u, 16u}) {
      const uint64_t parts[] = {v[0] >> shift & 0xffff, v[1] >> shift & 0xffff, 0};
      uint64_t part = 0;
      if (!integer(half, parts, part))
        return false;
      result |= (part & 0xffff) << shift;
    }
    return true;
  }
  const unsigned bits = bitsOf(x.type);
  const uint64_t a = extend(x.type, v[0]), b = extend(x.type, v[1]);
  const int64_t sa = int64_t(a), sb = int64_t(b);
  const bool isSign = isSigned(x.type);
  switch (x.op) {
  case Op::Add:
  case Op::Sub: {
    result = x.op == Op::Add ? a + b : a - b;
    if (x.sat) { // .s32 only
      const int64_t exact = x.op == Op::Add ? sa + sb : sa - sb;
      result = uint64_t(std::clamp<int64_t>(exact, INT32_MIN, INT32_MAX));
    }
    return true;
  }
  case Op::Mul:
  case Op::Mad: {
    const __int128 signedProduct = __int128(sa) * sb;
    const unsigned __int128 product = isSign ? static_cast<unsigned __int128>(signedProduct)
                                             : static_cast<unsigned __int128>(a) * b;
    result = x.mode == Mode::Hi ? uint64_t(product >> bits) : uint64_t(product);
    if (x.op == Op::Mad)
      result += v[2];
    return true;
  }
  case Op::Div: // Section 9.7.1.7: dividing by zero gives what the machine likes: all bits.
    result = !b ? ~uint64_t(0) : !isSign ? a / b : sb == -1 ? 0 - a : uint64_t(sa / sb);
    return true;
  case Op::Rem: result = !b ? a : !isSign ? a % b : sb == -1 ? 0 : uint64_t(sa % sb); return true;
  case Op::Abs: result = sa < 0 ? 0 - a : a; return true;
  case Op::Neg: result = 0 - a; return true;
  case Op::Min: result = (isSign ? sa < sb : a < b) ? a : b; return true;
  case Op::Max: result = (isSign ? sa < sb : a < b) ? b : a; return true;
  case Op::And: result = a & b; return true;
  case Op::Or: result = a | b; return true;
  case Op::Xor: result = a ^ b; return true;
  case Op::Not: result = x.type == Type::Pred ? !v[0] : ~a; return true;
  case Op::Cnot: result = !a; return true;
  case Op::Lop3:
    result = 0;
    for (unsigned i = 0; i < 8; ++i)
      if (v[3] >> i & 1)
        result |= (i & 4 ? v[0] : ~v[0]) & (i & 2 ? v[1] : ~v[1]) & (i & 1 ? v[2] : ~v[2]);
    return true;
  case Op::Shl: { // Amounts are 32 bits wide and clamped.
    const uint32_t by = uint32_t(v[1]);
    result = by >= bits ? 0 : a << by;
    return true;
  }
  case Op::Shr: {
    const uint32_t by = std::min(uint32_t(v[1]), bits);
    result = isSign ? uint64_t(sa >> std::min(by, 63u)) : by >= bits ? 0 : a >> by;
    return true;
  }
  case Op::Shf: {
    const uint32_t by = x.clamp ? std::min(uint32_t(v[2]), 32u) : uint32_t(v[2]) & 31;
    const uint64_t both = (v[1] & 0xffffffff) << 32 | (v[0] & 0xffffffff);
    result = x.mode == Mode::Left ? both << by >> 32 : both >> by;
    return true;
  }
  case Op::Bfe: {
    const uint32_t at = uint32_t(v[1]) & 0xff, length = uint32_t(v[2]) & 0xff;
    const bool fills = isSign && length && (a >> std::min(at + length - 1, bits - 1) & 1);
    result = 0;
    for (unsigned i = 0; i < bits; ++i) {
      const bool bit = i < length && at + i < bits ? a >> (at + i) & 1 : fills;
      result |= uint64_t(bit) << i;
    }
    return true;
  }
  case Op::Bfi: {
    const uint32_t at = uint32_t(v[2]) & 0xff, length = uint32_t(v[3]) & 0xff;
    result = v[1];
    for (unsigned i = 0; i < length && at + i < bits; ++i)
      result = (result & ~(uint64_t(1) << (at + i))) | (v[0] >> i & 1) << (at + i);
    return true;
  }
  case Op::Bfind: {
    const uint64_t value = isSign && sa < 0 ? ~a & maskOf(bits) : a & maskOf(bits);
    const uint32_t place = value ? 63 - uint32_t(std::countl_zero(value)) : 0xffffffff;
    result = x.wrap && value ? bits - 1 - place : place;
    return true;
  }
  case Op::Brev:
    result = 0;
    for (unsigned i = 0; i < bits; ++i)
      result |= (a >> i & 1) << (bits - 1 - i);
    return true;
  case Op::Clz: result = uint64_t(std::countl_zero(a)) - (64 - bits); return true;
  case Op::Popc: result = uint64_t(std::popcount(a)); return true;
  case Op::Prmt: { // the default mode
    const uint64_t bytes = (v[1] & 0xffffffff) << 32 | (v[0] & 0xffffffff);
    result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned select = v[2] >> 4 * i & 15;
      uint64_t byte = bytes >> 8 * (select & 7) & 0xff;
      if (select & 8)
        byte = byte & 0x80 ? 0xff : 0;
      result |= byte << 8 * i;
    }
    return true;
  }
  case Op::Dp4a: {
    int64_t sum =
        int64_t(extend(isSigned(x.type) || isSigned(x.from) ? Type::S32 : Type::U32, v[2]));
    const auto element = [](Type type, uint64_t from, unsigned i) {
      return int64_t(extend(isSigned(type) ? Type::S8 : Type::U8, from >> 8 * i));
    };
    for (unsigned i = 0; i < 4; ++i)
      sum += element(x.type, v[0], i) * element(x.from, v[1], i);
    result = uint64_t(sum);
    return true;
  }
  default: return false;
  }
}

/// Sections 9.7.3 to 9.7.5, of one element. Approximations are the correctly rounded results: what
/// a test may ask of hardware is less.
bool floating(const Instruction &x, Type type, const uint64_t *v, uint64_t &result) {
  const auto flush = [&](uint64_t bits) {
    return x.ftz && isSubnormal(type, bits) ? bits & signBit(type) : bits;
  };
  const uint64_t ba = flush(v[0]), bb = flush(v[1]);
  const double a = toDouble(type, ba), b = toDouble(type, bb);
  switch (x.op) {
  case Op::Add: result = add(type, a, b, x.round); break;
  case Op::Sub: result = add(type, a, -b, x.round); break;
  case Op::Mul: result = multiply(type, a, b, x.round); break;
  case Op::Fma: result = fusedMultiplyAdd(type, a, b, toDouble(type, flush(v[2])), x.round); break;
  case Op::Div: result = divide(type, a, b, x.round); break;
  case Op::Rcp: result = divide(type, 1, a, x.round); break;
  case Op::Sqrt: result = squareRoot(type, a, x.round); break;
  case Op::Rsqrt: result = fromDouble(type, 1 / std::sqrt(a), Round::Nearest); break;
  case Op::Ex2: result = fromDouble(type, std::exp2(a), Round::Nearest); break;
  case Op::Lg2: result = fromDouble(type, std::log2(a), Round::Nearest); break;
  case Op::Sin: result = fromDouble(type, std::sin(a), Round::Nearest); break;
  case Op::Cos: result = fromDouble(type, std::cos(a), Round::Nearest); break;
  case Op::Tanh: result = fromDouble(type, std::tanh(a), Round::Nearest); break;
  case Op::Abs: result = isNan(type, ba) ? canonicalNan(type) : ba & ~signBit(type); break;
  case Op::Neg: result = ba ^ signBit(type); break;
  case Op::Copysign: result = (bb & ~signBit(type)) | (ba & signBit(type)); break;
  case Op::Min:
  case Op::Max: {
    if (std::isnan(a) || std::isnan(b)) {
      result = x.nan || (std::isnan(a) && std::isnan(b)) ? canonicalNan(type)
               : std::isnan(a)                           ? bb
                                                         : ba;
      break;
    }
    const bool less = a < b || (a == b && std::signbit(a)); // -0 is below +0
    result = less == (x.op == Op::Min) ? ba : bb;
    break;
  }
  default: return false;
  }
  result = flush(result);
  if (x.sat) { // Section 9.7.3: to [0, 1], NaN becomes +0.
    const double value = toDouble(type, result);
    result = !(value > 0) ? 0 : value > 1 ? fromDouble(type, 1, Round::Nearest) : result;
  }
  if (x.relu && !isNan(type, result) && (result & signBit(type)))
    result = 0;
  return true;
}

bool compares(const Instruction &x, uint64_t va, uint64_t vb) {
  int order; // -1, 0, 1; 2: unordered
  if (isFloat(x.type)) {
    const auto value = [&](uint64_t bits) {
      return toDouble(x.type, x.ftz && isSubnormal(x.type, bits) ? bits & signBit(x.type) : bits);
    };
    const double a = value(va), b = value(vb);
    order = a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
  } else {
    const uint64_t a = extend(x.type, va), b = extend(x.type, vb);
    order = a == b ? 0 : (isSigned(x.type) ? int64_t(a) < int64_t(b) : a < b) ? -1 : 1;
  }
  const bool isUnordered = order == 2;
  switch (x.compare) {
  case Compare::Eq: return order == 0;
  case Compare::Ne: return order == -1 || order == 1;
  case Compare::Lt: return order == -1;
  case Compare::Le: return order == -1 || order == 0;
  case Compare::Gt: return order == 1;
  case Compare::Ge: return order == 0 || order == 1;
  case Compare::Equ: return order == 0 || isUnordered;
  case Compare::Neu: return order != 0;
  case Compare::Ltu: return order == -1 || isUnordered;
  case Compare::Leu: return order != 1;
  case Compare::Gtu: return order >= 1;
  case Compare::Geu: return order != -1;
  case Compare::Num: return !isUnordered;
  case Compare::Nan: return isUnordered;
  }
  return false;
}

bool testFloat(const Instruction &x, uint64_t bits) {
  const double value = toDouble(x.type, bits);
  switch (x.mode) {
  case Mode::Finite: return std::isfinite(value);
  case Mode::Infinite: return std::isinf(value);
  case Mode::Number: return !std::isnan(value);
  case Mode::NotANumber: return std::isnan(value);
  case Mode::Normal: return std::isfinite(value) && value != 0 && !isSubnormal(x.type, bits);
  default: return isSubnormal(x.type, bits);
  }
}

/// The element type of a pair; None otherwise.
Type halfOf(Type type) {
  switch (type) {
  case Type::F16x2: return Type::F16;
  case Type::BF16x2: return Type::BF16;
  case Type::E4M3x2: return Type::E4M3;
  case Type::E5M2x2: return Type::E5M2;
  default: return Type::None;
  }
}

uint64_t convertOne(const Instruction &x, Type to, Type from, uint64_t bits) {
  uint64_t result;
  if (!isFloat(from)) {
    const uint64_t value = extend(from, bits);
    if (isFloat(to))
      return fromInteger(to, value, isSigned(from), x.round);
    if (!x.sat)
      return value;
    const bool isSign = isSigned(from);
    const uint64_t max = isSigned(to) ? maskOf(bitsOf(to) - 1) : maskOf(bitsOf(to));
    if (isSign && int64_t(value) < 0) {
      const int64_t min = isSigned(to) ? -int64_t(max) - 1 : 0;
      return uint64_t(std::max(int64_t(value), min));
    }
    return std::min(value, max);
  }
  if (x.ftz && isSubnormal(from, bits))
    bits &= signBit(from);
  double value = toDouble(from, bits);
  if (!isFloat(to))
    return toInteger(to, value, x.round);
  const bool isSmall = to >= Type::E4M3;
  if (x.toInteger)
    value = toIntegral(value, x.round);
  if (x.sat && !isSmall) // [0, 1]
    value = !(value > 0) ? 0 : std::min(value, 1.0);
  if (x.relu && value < 0)
    value = 0;
  if (to == from && !x.toInteger && !x.sat && !x.relu)
    return bits;
  result = fromDouble(to, value, x.round, isSmall && x.sat);
  if (to == Type::F64 && std::isnan(value))
    result = canonicalNan(to);
  return x.ftz && isSubnormal(to, result) ? result & signBit(to) : result;
}

/// Section 9.7.9.21. Pairs: the first operand becomes the upper half.
uint64_t convert(const Instruction &x, const uint64_t *v) {
  const Type to = halfOf(x.type), from = halfOf(x.from);
  if (to == Type::None)
    return convertOne(x, x.type, x.from, v[0]);
  const unsigned bits = bitsOf(to);
  uint64_t upper = v[0], lower = v[1];
  Type element = x.from;
  if (from != Type::None) {
    const unsigned width = bitsOf(from);
    upper = v[0] >> width & maskOf(width);
    lower = v[0] & maskOf(width);
    element = from;
  }
  return convertOne(x, to, element, upper) << bits | convertOne(x, to, element, lower);
}

} // namespace

bool Block::arithmetic(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  if (x.op == Op::Mov && (x.counts[0] > 1 || x.counts[1] > 1)) {
    // Packs or unpacks (section 9.7.9.3).
    const unsigned parts = std::max(x.counts[0], x.counts[1]), bits = bitsOf(x.type) / parts;
    uint64_t value = 0;
    for (unsigned i = 0; i < x.counts[1]; ++i) {
      uint64_t part = 0;
      if (!read(thread, x, o[x.counts[0] + i], part))
        return false;
      value |= x.counts[1] > 1 ? (part & maskOf(bits)) << bits * i : part;
    }
    for (unsigned i = 0; i < x.counts[0]; ++i)
      write(thread, o[i], x.counts[0] > 1 ? value >> bits * i & maskOf(bits) : value);
    return true;
  }
  uint64_t v[4] = {};
  for (unsigned i = 1; i < x.operands && i < 5; ++i) {
    // What selp does not choose may be undefined.
    if (x.op == Op::Selp && i < 3)
      continue;
    if (!read(thread, x, o[i], v[i - 1]))
      return false;
  }
  uint64_t result = 0;
  switch (x.op) {
  case Op::Mov: result = v[0]; break;
  case Op::Selp:
    if (!read(thread, x, o[v[2] ? 1 : 2], result))
      return false;
    break;
  case Op::Setp: {
    const bool holds = compares(x, v[0], v[1]);
    const auto combine = [&](bool value) {
      return x.combine == Mode::And   ? value && v[2]
             : x.combine == Mode::Or  ? value || v[2]
             : x.combine == Mode::Xor ? value != bool(v[2])
                                      : value;
    };
    write(thread, o[0], combine(holds));
    write(thread, o[x.operands], combine(!holds));
    return true;
  }
  case Op::Testp: result = testFloat(x, v[0]); break;
  case Op::Cvt: {
    const bool isPacked = halfOf(x.type) != Type::None && halfOf(x.from) == Type::None;
    if ((x.operands == 3) != isPacked)
      return fail(thread, x, "a conversion of " + std::to_string(x.operands - 1) + " operands");
    result = convert(x, v);
    // Section 9.4.1: results go into wider registers extended.
    if (!isFloat(x.type))
      result = extend(x.type, result);
    break;
  }
  case Op::Cvta: {
    const uint64_t window = x.space == Space::Shared  ? kSharedWindow
                            : x.space == Space::Local ? kLocalWindow
                            : x.space == Space::Param ? kParamWindow
                                                      : 0;
    result = x.toSpace ? v[0] - window : v[0] + window;
    break;
  }
  default: {
    const Type half = halfOf(x.type);
    bool isKnown = true;
    if (half != Type::None) {
      for (unsigned shift : {0u, 16u}) {
        uint64_t parts[4], part = 0;
        for (unsigned i = 0; i < 4; ++i)
          parts[i] = v[i] >> shift & 0xffff;
        isKnown &= floating(x, half, parts, part);
        result |= part << shift;
      }
    } else {
      isKnown = isFloat(x.type) ? floating(x, x.type, v, result) : integer(x, v, result);
    }
    if (!isKnown)
      return fail(thread, x, "this instruction has no meaning for its type");
  }
  }
  write(thread, o[0], result);
  return true;
}

} // namespace tessera::ptx
