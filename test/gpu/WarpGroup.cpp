//===- WarpGroup.cpp - Matrices multiplied by four warps (wgmma) --------------------------===//
//
// Section 9.7.15. The product is computed when the instruction is issued, but nobody gets it before
// waiting for it: until then its registers may not be touched, and what it reads in shared memory
// has to stay as it is.
//
//===----------------------------------------------------------------------===//
#include "test/gpu/Block.h"
#include "test/gpu/Number.h"

#include <algorithm>
#include <cstring>

namespace tessera::ptx {

bool Block::warpGroup(uint32_t number, const Instruction &x) {
  Thread *own = threads.data() + size_t(number) * 128;
  switch (x.op) {
  case Op::WgmmaFence:
    for (Thread *thread = own; thread != own + 128; ++thread)
      std::replace(thread->held.begin(), thread->held.end(), Held::Value, Held::Fenced);
    return true;
  case Op::WgmmaCommit: ++groups[number].group; return true;
  case Op::WgmmaWait: return finishMultiplies(number, x, operandsOf(x)[0].value);
  case Op::GroupRegisters: return setRegisters(number, x);
  default: return multiplyGroup(number, x);
  }
}

/// What each thread of a kernel begins with, where its text bounds the threads of a block: all that
/// a multiprocessor has.
static uint32_t countRegisters(const Kernel &kernel) {
  const uint32_t *most = kernel.requiredThreads[0] ? kernel.requiredThreads : kernel.maxThreads;
  const uint32_t threads = most[0] * most[1] * most[2];
  return threads ? std::min<uint32_t>(65536 / threads / 8 * 8, 255) : 0;
}

/// Section 9.7.19.5: four warps leave registers to others, or wait until there are more.
bool Block::setRegisters(uint32_t number, const Instruction &x) {
  Thread &own = threads[size_t(number) * 128];
  WarpGroup &group = groups[number];
  const uint64_t wanted = operandsOf(x)[0].value;
  const uint32_t now = group.registers ? group.registers : countRegisters(kernel);
  if (!now)
    return fail(own, x, "setmaxnreg in a kernel that does not bound the threads of a block");
  if (wanted < 24 || wanted > 256 || wanted % 8)
    return fail(own, x, "setmaxnreg takes 24 to 256 registers, in eights");
  if (x.mode == Mode::Inc ? wanted < now : wanted > now)
    return fail(own, x,
                "setmaxnreg from " + std::to_string(now) + " registers to " +
                    std::to_string(wanted) + ", which is the other direction");
  group.registers = uint32_t(wanted);
  lastRegisters = &x;
  return true;
}

/// Whoever asks for more than others leave waits for ever.
bool Block::checkRegisters() {
  const uint32_t begin = countRegisters(kernel);
  uint64_t all = 0;
  for (const WarpGroup &group : groups)
    all += group.registers ? group.registers : begin;
  return !lastRegisters || all <= uint64_t(begin) * groups.size() ||
         fail(threads[0], *lastRegisters,
              "setmaxnreg asks for " + std::to_string(all) + " registers for a thread of each " +
                  std::to_string(groups.size()) + " times four warps, which began with " +
                  std::to_string(begin * groups.size()));
}

/// 16 bytes of shared memory, as the asynchronous proxy reads them.
bool Block::readChunk(Thread &thread, const Instruction &x, uint64_t address, PendingMultiply &to) {
  const uint8_t *bytes = resolve(thread, x, Space::Shared, address, 16, 16, Access::Read);
  if (!bytes)
    return false;
  if (const int64_t writer = shared.findUnfenced(address, 16); writer >= 0)
    return fail(thread, x,
                "shared memory at " + std::to_string(address) + " was written by thread " +
                    std::to_string(writer) + ", which executed no fence.proxy.async since");
  to.chunks.push_back({address, {}});
  std::memcpy(to.chunks.back().second.data(), bytes, 16);
  return true;
}

/// A matrix of `extent` rows (columns) and the depth of the instruction; `to[i * k + depth]`.
///
/// Section 9.7.15.5.1: of a descriptor, bits 0-13 are the address, 16-29 the leading and 32-45 the
/// stride byte offset, in 16 bytes each; bits 62-63 say in how many bytes chunks of 16 change
/// places: 0 none, 1 128, 2 64, 3 32. With lines of so many bytes (none: 16), where memory runs
///   along the depth:  8 lines are rows; the next 8 rows are a stride behind, and without places
///                     changed the next chunk of the depth is a leading offset behind
///   across the depth: 8 lines are steps of the depth; the next 8 are a stride behind, the next
///                     line of rows is a leading offset behind (without places changed the other
///                     way round)
bool Block::readMatrix(Thread &thread, const Instruction &x, uint64_t descriptor, unsigned extent,
                       bool isAcross, Type type, std::vector<double> &to, PendingMultiply &chunks) {
  const uint64_t start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4,
                 stride = (descriptor >> 32 & 0x3fff) << 4, mode = descriptor >> 62;
  const uint64_t width = mode == 0 ? 1 : 16 >> mode; // chunks in a line
  if (descriptor >> 49 & 7)
    return fail(thread, x, "a descriptor with a base offset");
  const unsigned bits = getBytes(type) * 8, perChunk = 128 / bits;
  to.resize(size_t(extent) * x.k);
  const unsigned lines = isAcross ? x.k : extent, perLine = (isAcross ? extent : x.k) / perChunk;
  std::vector<std::array<uint64_t, 8>> places(launch.traffic ? perLine : 0); // of 8 lines, by chunk
  for (unsigned line = 0; line < lines; ++line)
    for (unsigned chunk = 0; chunk < perLine; ++chunk) {
      uint64_t at = start + line % 8 * width * 16 + chunk % width * 16;
      if (mode == 0 && isAcross)
        at += line / 8 * leading + chunk * stride;
      else
        at += line / 8 * stride + chunk / width * leading;
      at ^= (at >> 7 & (width - 1)) << 4;
      if (!readChunk(thread, x, at, chunks))
        return false;
      if (launch.traffic) {
        places[chunk][line % 8] = at;
        if (line % 8 == 7)
          launch.traffic->noteMatrix(x, Traffic::SharedOperand, places[chunk]);
      }
      const uint8_t *bytes = chunks.chunks.back().second.data();
      for (unsigned i = 0; i < perChunk; ++i) {
        uint64_t value = 0;
        std::memcpy(&value, bytes + i * bits / 8, bits / 8);
        const unsigned along = chunk * perChunk + i;
        to[isAcross ? size_t(along) * x.k + line : size_t(line) * x.k + along] =
            type == Type::S8 ? int8_t(value)
            : isFloat(type)  ? toDouble(type, value)
                             : double(value);
      }
    }
  return true;
}

/// D has 64 rows and n columns: warp w has rows 16 w ..., which lie in its lanes as those of
/// mma.m16n8 do, 8 columns after 8 columns; A in registers as that of mma (Warp.cpp).
bool Block::multiplyGroup(uint32_t number, const Instruction &x) {
  Thread *own = threads.data() + size_t(number) * 128;
  WarpGroup &group = groups[number];
  Operands d = operandsOf(x), a = d + x.counts[0], rest = a + x.counts[1];
  const bool inRegisters = x.counts[1] > 1, isInteger = !isFloat(x.from);
  PendingMultiply made{&x, group.group, {}};
  uint64_t values[6] = {}; // of b: descriptor; whether to add; signs; whether A, B lie across
  const unsigned count = x.operands - x.counts[0] - x.counts[1];
  for (unsigned i = 0; i < count; ++i)
    for (unsigned t = 0; t < 128; ++t) {
      uint64_t value = 0;
      if (!read(own[t], x, rest[i], value))
        return false;
      if (t && value != values[i])
        return fail(own[t], x, "the threads of four warps have different descriptors");
      values[i] = value;
    }
  const bool isSixteen = getBytes(x.from) == 2;
  const double signA = int32_t(values[2]) < 0 ? -1 : 1, signB = int32_t(values[3]) < 0 ? -1 : 1;
  const bool aAcross = isSixteen && !inRegisters && values[4],
             bAcross = isSixteen && values[inRegisters ? 4 : 5];
  std::vector<double> matrixA(64 * size_t(x.k)), matrixB;
  if (!inRegisters) {
    uint64_t descriptor = 0;
    for (unsigned t = 0; t < 128; ++t) {
      uint64_t value = 0;
      if (!read(own[t], x, *a, value))
        return false;
      if (t && value != descriptor)
        return fail(own[t], x, "the threads of four warps have different descriptors");
      descriptor = value;
    }
    if (!readMatrix(own[0], x, descriptor, 64, aAcross, x.from, matrixA, made))
      return false;
  }
  if (!readMatrix(own[0], x, values[0], x.n, bAcross, x.typeB, matrixB, made))
    return false;

  const auto mayBeTaken = [&](Thread &thread, const Operand &operand, bool isSum) {
    if (operand.kind != Operand::Register)
      return fail(thread, x, "wgmma takes registers");
    const std::string name = "register " + kernel.registers[operand.reg];
    switch (thread.held[operand.reg]) {
    case Held::Nothing: return fail(thread, x, name + " was never written");
    case Held::Value: return fail(thread, x, name + " was written with no wgmma.fence since");
    case Held::Fenced: return true;
    case Held::BeingRead: return !isSum || fail(thread, x, name + " is being read by a wgmma");
    case Held::BeingWritten: break;
    }
    // Of the same sums in the same registers the next instruction is in order.
    return (isSum && std::any_of(group.pending.begin(), group.pending.end(),
                                 [&](const PendingMultiply &other) {
                                   return other.x->n == x.n && other.x->type == x.type &&
                                          operandsOf(*other.x)->reg == d->reg;
                                 })) ||
           fail(thread, x, name + " is being written by a wgmma of other sums");
  };
  for (unsigned t = 0; t < 128; ++t) {
    for (unsigned i = 0; i < x.counts[0]; ++i)
      if (!mayBeTaken(own[t], d[i], true))
        return false;
    const unsigned width = getBytes(x.from) * 8, e = 32 / width, lane = t % 32;
    for (unsigned r = 0; inRegisters && r < 4; ++r) {
      if (!mayBeTaken(own[t], a[r], false))
        return false;
      const uint64_t word = own[t].registers[a[r].reg];
      own[t].held[a[r].reg] = Held::BeingRead;
      for (unsigned i = 0; i < e; ++i) {
        const uint64_t bits = word >> width * i & (~uint64_t(0) >> (64 - width));
        const unsigned row = t / 32 * 16 + lane / 4 + 8 * (r & 1),
                       depth = lane % 4 * e + 4 * e * (r >> 1) + i;
        matrixA[size_t(row) * x.k + depth] = x.from == Type::S8 ? int8_t(bits)
                                             : isInteger        ? double(bits)
                                                                : toDouble(x.from, bits);
      }
    }
  }
  for (unsigned t = 0; t < 128; ++t)
    for (unsigned r = 0; r < x.counts[0]; ++r) {
      const unsigned lane = t % 32, row = t / 32 * 16 + lane / 4 + 8 * (r >> 1 & 1),
                     column = r / 4 * 8 + lane % 4 * 2 + (r & 1);
      uint64_t &place = own[t].registers[d[r].reg];
      double sum = 0;
      for (unsigned k = 0; k < x.k; ++k)
        sum += matrixA[size_t(row) * x.k + k] * matrixB[size_t(column) * x.k + k];
      sum *= signA * signB;
      if (values[1])
        sum += isInteger ? double(int32_t(place)) : toDouble(Type::F32, place);
      place = isInteger ? uint32_t(int64_t(sum)) : fromDouble(Type::F32, sum, Round::Nearest);
      own[t].held[d[r].reg] = Held::BeingWritten;
    }
  group.pending.push_back(std::move(made));
  return true;
}

/// All but those of the last `pending` groups.
bool Block::finishMultiplies(uint32_t number, const Instruction &x, uint64_t pending) {
  Thread *own = threads.data() + size_t(number) * 128;
  WarpGroup &group = groups[number];
  std::vector<PendingMultiply> kept;
  const auto mark = [&](const PendingMultiply &one, bool isDone) {
    Operands o = operandsOf(*one.x);
    const unsigned sums = one.x->counts[0], all = sums + (one.x->counts[1] > 1 ? 4 : 0);
    for (unsigned t = 0; t < 128; ++t)
      for (unsigned i = 0; i < all; ++i)
        own[t].held[o[i].reg] = isDone     ? Held::Fenced
                                : i < sums ? Held::BeingWritten
                                           : Held::BeingRead;
  };
  for (PendingMultiply &one : group.pending) {
    if (one.group + pending >= group.group) {
      kept.push_back(std::move(one));
      continue;
    }
    for (const auto &[address, bytes] : one.chunks) {
      const uint8_t *now = resolve(own[0], *one.x, Space::Shared, address, 16, 16, Access::Read);
      if (!now)
        return false;
      if (std::memcmp(now, bytes.data(), 16))
        return fail(own[0], *one.x,
                    "shared memory at " + std::to_string(address) +
                        " changed before the wait of line " + std::to_string(x.line));
    }
    mark(one, true);
  }
  group.pending = std::move(kept);
  for (const PendingMultiply &one : group.pending)
    mark(one, false);
  return true;
}

} // namespace tessera::ptx
