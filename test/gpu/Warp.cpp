//===- Warp.cpp - Instructions that the threads of a warp do together ---------------------===//
#include "test/gpu/Block.h"
#include "test/gpu/Number.h"

#include <cstring>

namespace tessera::ptx {

bool Block::warp(Thread *lanes, const Instruction &x, uint32_t mask) {
  switch (x.op) {
  case Op::WarpBarrier: shared.warpBarrier(lanes[0].number / 32); return true;
  case Op::Shfl: return shuffle(lanes, x, mask);
  case Op::Vote:
  case Op::Redux: return vote(lanes, x, mask);
  case Op::LdMatrix: return loadMatrix(lanes, x, mask);
  default: return multiplyMatrix(lanes, x, mask);
  }
}

/// Section 9.7.9.6.
bool Block::shuffle(Thread *lanes, const Instruction &x, uint32_t mask) {
  Operands o = operandsOf(x);
  uint64_t values[32] = {}, amounts[32] = {}, limits[32] = {};
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1)
      if (!read(lanes[lane], x, o[1], values[lane]) || !read(lanes[lane], x, o[2], amounts[lane]) ||
          !read(lanes[lane], x, o[3], limits[lane]))
        return false;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1))
      continue;
    const uint32_t by = amounts[lane] & 31, clamp = limits[lane] & 31,
                   segment = limits[lane] >> 8 & 31;
    const uint32_t last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    uint32_t from;
    bool isValid;
    switch (x.mode) {
    case Mode::Up:
      from = lane - by;
      isValid = int32_t(from) >= int32_t(last);
      break;
    case Mode::Down:
      from = lane + by;
      isValid = from <= last;
      break;
    case Mode::Bfly:
      from = lane ^ by;
      isValid = from <= last;
      break;
    default: from = first | (by & ~segment); isValid = from <= last;
    }
    if (!isValid)
      from = lane;
    if (!(mask >> from & 1))
      return fail(lanes[lane], x,
                  "the value of lane " + std::to_string(from) +
                      ", which does not take part, is asked for");
    write(lanes[lane], o[0], values[from]);
    write(lanes[lane], o[x.operands], isValid);
  }
  return true;
}

/// Sections 9.7.12.9 (vote) and 9.7.12.12 (redux).
bool Block::vote(Thread *lanes, const Instruction &x, uint32_t mask) {
  Operands o = operandsOf(x);
  uint32_t ballot = 0;
  uint64_t values[32] = {}, result = 0;
  bool isFirst = true;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1))
      continue;
    if (!read(lanes[lane], x, o[1], values[lane]))
      return false;
    const uint32_t value = uint32_t(values[lane]), old = uint32_t(result);
    const bool less = isSigned(x.type) ? int32_t(old) < int32_t(value) : old < value;
    ballot |= uint32_t(value != 0) << lane;
    if (isFirst)
      result = value;
    else
      switch (x.mode) {
      case Mode::Add: result = old + value; break;
      case Mode::Min: result = less ? old : value; break;
      case Mode::Max: result = less ? value : old; break;
      case Mode::And: result = old & value; break;
      case Mode::Or: result = old | value; break;
      case Mode::Xor: result = old ^ value; break;
      default: break;
      }
    isFirst = false;
  }
  if (x.op == Op::Vote)
    result = x.mode == Mode::All   ? ballot == mask
             : x.mode == Mode::Any ? ballot != 0
             : x.mode == Mode::Uni ? ballot == mask || ballot == 0
                                   : ballot;
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1)
      write(lanes[lane], o[0], result);
  return true;
}

/// Section 9.7.14.5.15: lane 8 j + i has the address of row i of matrix j.
bool Block::loadMatrix(Thread *lanes, const Instruction &x, uint32_t mask) {
  Operands o = operandsOf(x);
  if (mask != 0xffffffff)
    return fail(lanes[0], x, "the whole warp has to load a matrix");
  for (unsigned j = 0; j < x.vector; ++j) {
    uint16_t matrix[8][8];
    std::array<uint64_t, 8> rows{};
    for (unsigned i = 0; i < 8; ++i) {
      Thread &owner = lanes[8 * j + i];
      uint64_t address = 0;
      if (!read(owner, x, o[x.vector], address))
        return false;
      const uint8_t *row = resolve(owner, x, x.space, address, 16, 16, Access::Read);
      if (!row)
        return false;
      std::memcpy(matrix[i], row, 16);
      rows[i] = address;
    }
    if (launch.traffic)
      launch.traffic->noteMatrix(x, Traffic::SharedLoad, rows);
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned row = lane / 4, column = lane % 4 * 2;
      const uint32_t low = x.trans ? matrix[column][row] : matrix[row][column];
      const uint32_t high = x.trans ? matrix[column + 1][row] : matrix[row][column + 1];
      write(lanes[lane], o[j], low | high << 16);
    }
  }
  return true;
}

/// Sections 9.7.14.5.7 to 9.7.14.5.11: m16n8k4 to m16n8k32. A register of A or B has e elements of
/// 32 / e bits side by side along k; with g = lane / 4 and t = lane % 4:
///   A register r:  row g + 8 (r & 1), columns t e + 4 e (r >> 1) ...
///   B register r:  rows t e + 4 e r ..., column g
///   C of 32 bits:  register r: row g + 8 (r >> 1), column 2 t + (r & 1)
///   C of 16 bits:  register r: row g + 8 r, columns 2 t, 2 t + 1
/// Products are exact; they are summed in f64 and rounded once, which is within what hardware may
/// do.
bool Block::multiplyMatrix(Thread *lanes, const Instruction &x, uint32_t mask) {
  Operands o = operandsOf(x);
  if (mask != 0xffffffff)
    return fail(lanes[0], x, "the whole warp has to multiply matrices");
  const unsigned width = x.from == Type::TF32 ? 32 : getBytes(x.from) * 8, e = 32 / width;
  const unsigned aCount = x.counts[1], bCount = x.counts[2], cCount = x.counts[3];
  const Operand *oa = o + x.counts[0], *ob = oa + aCount, *oc = ob + bCount;
  const bool isInteger = !isFloat(x.from), isHalf = x.type == Type::F16;
  double a[16][32], b[32][8], c[16][8];
  const auto element = [&](Type type, uint64_t value, unsigned i) -> double {
    const uint64_t bits = value >> width * i & (~uint64_t(0) >> (64 - width));
    return type == Type::S8 ? int8_t(bits) : isInteger ? double(bits) : toDouble(type, bits);
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    uint64_t value = 0;
    for (unsigned r = 0; r < aCount; ++r) {
      if (!read(lanes[lane], x, oa[r], value))
        return false;
      for (unsigned i = 0; i < e; ++i)
        a[g + 8 * (r & 1)][t * e + 4 * e * (r >> 1) + i] = element(x.from, value, i);
    }
    for (unsigned r = 0; r < bCount; ++r) {
      if (!read(lanes[lane], x, ob[r], value))
        return false;
      for (unsigned i = 0; i < e; ++i)
        b[t * e + 4 * e * r + i][g] = element(x.typeB, value, i);
    }
    for (unsigned r = 0; r < cCount; ++r) {
      if (!read(lanes[lane], x, oc[r], value))
        return false;
      if (isHalf) {
        c[g + 8 * r][2 * t] = toDouble(Type::F16, value & 0xffff);
        c[g + 8 * r][2 * t + 1] = toDouble(Type::F16, value >> 16 & 0xffff);
      } else {
        c[g + 8 * (r >> 1)][2 * t + (r & 1)] =
            isInteger ? double(int32_t(value)) : toDouble(Type::F32, value);
      }
    }
  }
  uint64_t d[16][8];
  for (unsigned m = 0; m < 16; ++m)
    for (unsigned n = 0; n < 8; ++n) {
      double sum = c[m][n];
      for (unsigned k = 0; k < x.k; ++k)
        sum += a[m][k] * b[k][n];
      if (!isInteger)
        d[m][n] = fromDouble(x.type, sum, Round::Nearest);
      else if (x.sat)
        d[m][n] = toInteger(Type::S32, sum, Round::Nearest);
      else
        d[m][n] = uint32_t(int64_t(sum)); // exact: below 2^53
    }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned r = 0; r < cCount; ++r)
      write(lanes[lane], o[r],
            isHalf ? d[g + 8 * r][2 * t] | d[g + 8 * r][2 * t + 1] << 16
                   : d[g + 8 * (r >> 1)][2 * t + (r & 1)]);
  }
  return true;
}

} // namespace tessera::ptx
