//===- Memory.cpp - Loads, stores, atomics, asynchronous copies ---------------------------===//
#include "test/gpu/Block.h"
#include "test/gpu/Number.h"

#include <algorithm>
#include <cstring>

namespace tessera::ptx {

static std::string hex(uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Where the bytes lie in the host's memory; null with a message where they may not be accessed.
uint8_t *Block::resolve(Thread &thread, const Instruction &x, Space space, uint64_t address,
                        uint64_t bytes, uint64_t align, Access access) {
  static constexpr const char *names[] = {"generic", "global", "shared", "local", "param", "const"};
  // Texts are made where something is wrong only.
  const auto what = [&] {
    const char *verb = access == Access::Read    ? "read"
                       : access == Access::Write ? "write"
                                                 : "atomic";
    return std::string(verb) + " of " + std::to_string(bytes) + " bytes at " + names[int(space)] +
           " address " + hex(address);
  };
  if (address % align) {
    fail(thread, x, "misaligned " + what());
    return nullptr;
  }
  if (space == Space::Generic && address >= kParamWindow) {
    address -= kParamWindow;
    space = Space::Param;
  } else if (space == Space::Generic && address >= kLocalWindow) {
    address -= kLocalWindow;
    space = Space::Local;
  } else if (space == Space::Generic && address >= kSharedWindow) {
    address -= kSharedWindow;
    space = Space::Shared;
  }
  const auto inside = [&](uint64_t size) {
    if (address <= size && bytes <= size - address)
      return true;
    return fail(thread, x, "out of bounds: " + what() + ", of " + std::to_string(size) + " bytes");
  };
  switch (space) {
  case Space::Shared: {
    if (!inside(shared.bytes.size()))
      return nullptr;
    if (access == Access::Read)
      if (const uint64_t first = shared.findUnwritten(address, bytes); first < bytes) {
        fail(thread, x,
             "shared memory that was never written: byte " + std::to_string(address + first));
        return nullptr;
      }
    if (access != Access::Read && !barriers.empty()) {
      const auto next = barriers.upper_bound(address + bytes - 1);
      if (next != barriers.begin() && std::prev(next)->first + 8 > address) {
        fail(thread, x, what() + ", where an mbarrier is");
        return nullptr;
      }
    }
    if (std::string race = shared.touch(thread.number, address, bytes, access); !race.empty()) {
      fail(thread, x, what() + " " + race);
      return nullptr;
    }
    return shared.bytes.data() + address;
  }
  case Space::Local: return inside(thread.local.size()) ? thread.local.data() + address : nullptr;
  case Space::Param:
    return inside(launch.params.size()) ? const_cast<uint8_t *>(launch.params.data()) + address
                                        : nullptr;
  default: break;
  }
  const auto covers = [&](uint64_t base, uint64_t size) {
    // Atomics of small elements are those of the words around them, which all memory has.
    if (const uint64_t rest = base % 4; access == Access::Atomic) {
      base -= rest;
      size = (size + rest + 3) / 4 * 4;
    }
    return address >= base && address - base <= size && bytes <= size - (address - base);
  };
  if (covers(reinterpret_cast<uintptr_t>(globals.data()), globals.size()))
    return reinterpret_cast<uint8_t *>(uintptr_t(address));
  const std::vector<Region> &memory = launch.memory;
  size_t found = lastRegion;
  if (found >= memory.size() || !covers(memory[found].base, memory[found].size))
    for (found = 0; found < memory.size() && !covers(memory[found].base, memory[found].size);)
      ++found;
  if (found == memory.size()) {
    // The nearest below is most likely what was meant.
    const Region *nearest = nullptr;
    for (const Region &region : memory)
      if (region.base <= address && (!nearest || region.base > nearest->base))
        nearest = &region;
    fail(thread, x,
         "out of bounds: " + what() +
             (nearest
                  ? ", " + std::to_string(address - nearest->base) + " bytes behind the start of " +
                        nearest->name + " (" + std::to_string(nearest->size) + " bytes)"
                  : ""));
    return nullptr;
  }
  lastRegion = found;
  if (global) {
    const uint32_t block = index[0] + launch.grid[0] * (index[1] + launch.grid[1] * index[2]);
    const Toucher now{block, shared.getEpoch(), thread.number};
    if (std::string race = global->touch(now, address, bytes, access); !race.empty()) {
      fail(thread, x, what() + " " + race);
      return nullptr;
    }
  }
  if (access != Access::Read && !memory[found].isWritable) {
    // Regions may be given twice: as input and as output of a kernel that works in place.
    const bool isOther = std::any_of(memory.begin(), memory.end(), [&](const Region &region) {
      return region.isWritable && covers(region.base, region.size);
    });
    if (!isOther) {
      fail(thread, x, what() + ": " + memory[found].name + " may only be read");
      return nullptr;
    }
  }
  return reinterpret_cast<uint8_t *>(uintptr_t(address - memory[found].bias));
}

/// For who asks how much memory has to do.
void Block::note(const Thread &thread, const Instruction &x, Space space, uint64_t address,
                 uint64_t bytes, Access access) {
  if (!launch.traffic || space == Space::Local || space == Space::Param || space == Space::Const ||
      (space == Space::Generic && address >= kLocalWindow))
    return;
  const bool isShared =
      space == Space::Shared || (space == Space::Generic && address >= kSharedWindow);
  const Traffic::Kind kind =
      isShared                 ? access == Access::Read ? Traffic::SharedLoad : Traffic::SharedStore
      : access == Access::Read ? Traffic::GlobalLoad
      : access == Access::Write ? Traffic::GlobalStore
                                : Traffic::GlobalAtomic;
  launch.traffic->note(thread.number, x, kind, address, bytes);
}

bool Block::load(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  const unsigned bytes = getBytes(x.type);
  uint64_t address = 0;
  if (!read(thread, x, o[x.vector], address))
    return false;
  const uint64_t total = uint64_t(bytes) * x.vector;
  const uint8_t *from = resolve(thread, x, x.space, address, total, total,
                                x.isStrong ? Access::Atomic : Access::Read);
  if (!from)
    return false;
  if (x.isConstant)
    for (const Region &region : launch.memory)
      if (region.isWritable && address >= region.base && address - region.base < region.size)
        return fail(thread, x, "a load that is not coherent (nc) of memory that may be written");
  note(thread, x, x.space, address, total, Access::Read);
  for (unsigned i = 0; i < x.vector; ++i) {
    uint64_t value = 0;
    std::memcpy(&value, from + i * bytes, bytes);
    if (isSigned(x.type) && bytes < 8) // Section 9.7.9.8: into wider registers.
      value = uint64_t(int64_t(value << (64 - 8 * bytes)) >> (64 - 8 * bytes));
    write(thread, o[i], value);
  }
  return true;
}

bool Block::store(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  const unsigned bytes = getBytes(x.type);
  uint64_t address = 0;
  if (!read(thread, x, o[0], address))
    return false;
  const uint64_t total = uint64_t(bytes) * x.vector;
  uint8_t *to = resolve(thread, x, x.space, address, total, total, Access::Write);
  if (!to)
    return false;
  note(thread, x, x.space, address, total, Access::Write);
  if (x.space == Space::Param || x.space == Space::Const)
    return fail(thread, x, "parameters and constants may only be read");
  for (unsigned i = 0; i < x.vector; ++i) {
    uint64_t value = 0;
    if (!read(thread, x, o[1 + i], value))
      return false;
    std::memcpy(to + i * bytes, &value, bytes);
  }
  return true;
}

/// Section 9.7.12.4 (atom) and 9.7.12.6 (red).
bool Block::atomic(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  const bool isRed = x.op == Op::Red;
  const Operand *arguments = o + (isRed ? 0 : 1);
  const unsigned bytes = getBytes(x.type);
  uint64_t address = 0, b = 0, c = 0, old = 0;
  if (!read(thread, x, arguments[0], address) || !read(thread, x, arguments[1], b) ||
      (x.mode == Mode::Cas && !read(thread, x, arguments[2], c)))
    return false;
  uint8_t *at = resolve(thread, x, x.space, address, bytes, bytes, Access::Atomic);
  if (!at)
    return false;
  note(thread, x, x.space, address, bytes, Access::Atomic);
  std::memcpy(&old, at, bytes);
  uint64_t result = 0;
  const auto extend = [&](uint64_t v) {
    const unsigned shift = 64 - 8 * bytes;
    return isSigned(x.type) ? int64_t(v << shift) >> shift : int64_t(v << shift >> shift);
  };
  const bool less =
      isSigned(x.type) ? extend(old) < extend(b) : uint64_t(extend(old)) < uint64_t(extend(b));
  switch (x.mode) {
  case Mode::Add:
    if (x.type == Type::F16x2 || x.type == Type::BF16x2) {
      const Type half = x.type == Type::F16x2 ? Type::F16 : Type::BF16;
      for (unsigned s : {0u, 16u})
        result |= add(half, toDouble(half, old >> s & 0xffff), toDouble(half, b >> s & 0xffff),
                      Round::Nearest)
                  << s;
    } else {
      result = isFloat(x.type)
                   ? add(x.type, toDouble(x.type, old), toDouble(x.type, b), Round::Nearest)
                   : old + b;
    }
    break;
  case Mode::Min: result = less ? old : b; break;
  case Mode::Max: result = less ? b : old; break;
  case Mode::And: result = old & b; break;
  case Mode::Or: result = old | b; break;
  case Mode::Xor: result = old ^ b; break;
  case Mode::Exch: result = b; break;
  case Mode::Cas: result = uint64_t(extend(old)) == uint64_t(extend(b)) ? c : old; break;
  case Mode::Inc: result = old >= b ? 0 : old + 1; break;
  case Mode::Dec: result = old == 0 || old > b ? b : old - 1; break;
  default: return fail(thread, x, "unknown atomic operation");
  }
  std::memcpy(at, &result, bytes);
  if (!isRed)
    write(thread, o[0], old);
  return true;
}

/// cp.async (section 9.7.9.25.3). The bytes arrive when the thread waits for them, not before, and
/// what was there is gone when it is issued: a missing wait or barrier is seen.
bool Block::beginCopy(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  uint64_t to = 0, from = 0, bytes = 0, given = 0;
  if (x.operands < 3 || !read(thread, x, o[0], to) || !read(thread, x, o[1], from) ||
      !read(thread, x, o[2], bytes))
    return fail(thread, x, "cp.async takes a destination, a source and a size");
  given = bytes;
  if (x.operands > 3 && !read(thread, x, o[3], given))
    return false;
  if ((bytes != 4 && bytes != 8 && bytes != 16) || given > bytes)
    return fail(thread, x,
                "a copy of " + std::to_string(given) + " bytes to " + std::to_string(bytes) +
                    " is not possible");
  if (x.n && bytes != x.n)
    return fail(thread, x, "only copies of 16 bytes pass by the first cache (cg)");
  if (from % bytes)
    return fail(thread, x,
                "misaligned read of " + std::to_string(bytes) + " bytes at " + hex(from));
  // From here on they may arrive: nobody may still read or write what was there before.
  if (!resolve(thread, x, Space::Shared, to, bytes, bytes, Access::Write))
    return false;
  shared.beginArrival(to, bytes);
  note(thread, x, Space::Shared, to, bytes, Access::Write);
  if (given)
    note(thread, x, Space::Global, from, given, Access::Read);
  thread.copies.push_back({to, from, uint32_t(bytes), uint32_t(given), thread.group, x.line});
  return true;
}

/// All copies but those of the last `pending` groups; ~0: all.
bool Block::finishCopies(Thread &thread, const Instruction &x, uint64_t pending) {
  size_t kept = 0;
  for (AsyncCopy &copy : thread.copies) {
    const bool isAll = pending == ~uint64_t(0);
    if (!isAll && copy.group + pending >= thread.group) {
      thread.copies[kept++] = copy;
      continue;
    }
    Instruction source = x;
    source.line = copy.line;
    uint8_t *to =
        resolve(thread, source, Space::Shared, copy.to, copy.bytes, copy.bytes, Access::Write);
    const uint8_t *from = to && copy.read ? resolve(thread, source, Space::Global, copy.from,
                                                    copy.read, 1, Access::Read)
                                          : to;
    if (!from)
      return false;
    if (copy.read)
      std::memmove(to, from, copy.read);
    std::memset(to + copy.read, 0, copy.bytes - copy.read);
  }
  thread.copies.resize(kept);
  return true;
}

} // namespace tessera::ptx
