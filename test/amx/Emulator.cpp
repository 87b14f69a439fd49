//===- Emulator.cpp - AMX for processors without it -------------------------------------------===//
// A program that is linked with this file runs code with AMX anywhere: what the processor does not
// know raises SIGILL, and the handler does what the instruction would (Intel SDM vol. 2, the
// instructions of AMX-TILE, AMX-INT8 and AMX-BF16). It is as strict as hardware: tiles that are not
// configured, of shapes that do not fit each other, or the same one twice, end the program with a
// message. Where the processor has AMX nothing is raised, and the code runs as it is.
//
// The functions below stand for those of the runtime, which would refuse such code.
//===------------------------------------------------------------------------------------------===//
#define hasCpuFeature processorHasFeature
#define enableCpuFeature processorEnablesFeature
#include "runtime/module/CpuFeatures.cpp"
#undef hasCpuFeature
#undef enableCpuFeature

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>

namespace {

constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

struct Tile {
  int rows = 0, rowBytes = 0; // 0: not configured
  uint8_t bytes[kRows][kRowBytes];
};
thread_local Tile tiles[kTiles];
thread_local bool isConfigured = false;

[[noreturn]] void fault(const char *what) {
  std::fprintf(stderr, "AMX: %s\n", what);
  std::_Exit(70);
}

Tile &tile(unsigned number) {
  if (number >= kTiles || !isConfigured || tiles[number].rows == 0)
    fault("a tile is used that was not configured");
  return tiles[number];
}

// An instruction behind a VEX prefix of three bytes.
struct Instruction {
  uint8_t map, prefix, opcode, mod, reg, rm;
  unsigned vvvv;
  uint8_t *address = nullptr; // of a memory operand
  uint64_t stride = 0;        // index register, scaled
  unsigned length = 0;
};

bool decode(const greg_t *registers, Instruction &in) {
  static constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                     REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                     REG_R12, REG_R13, REG_R14, REG_R15};
  auto value = [&](unsigned number) { return uint64_t(registers[kOrder[number]]); };
  const auto *code = reinterpret_cast<const uint8_t *>(registers[REG_RIP]);
  if (code[0] != 0xC4)
    return false;
  const unsigned x = !(code[1] >> 6 & 1), b = !(code[1] >> 5 & 1);
  in.map = code[1] & 31;
  in.vvvv = ~(code[2] >> 3) & 15;
  in.prefix = code[2] & 3;
  in.opcode = code[3];
  const uint8_t modrm = code[4];
  in.mod = modrm >> 6;
  in.reg = modrm >> 3 & 7;
  in.rm = modrm & 7;
  in.length = 5;
  if (in.mod == 3)
    return true;
  uint64_t address = 0;
  const uint8_t *next = code + 5;
  unsigned base = in.rm | b << 3;
  bool hasBase = true;
  if (in.rm == 4) {
    const uint8_t sib = *next++;
    const unsigned index = (sib >> 3 & 7) | x << 3;
    base = (sib & 7) | b << 3;
    if (index != 4)
      in.stride = value(index) << (sib >> 6);
    hasBase = !(in.mod == 0 && (sib & 7) == 5);
  }
  const bool isRelative = in.mod == 0 && in.rm == 5;
  const bool hasWord = in.mod == 2 || isRelative || !hasBase;
  if (hasBase && !isRelative)
    address = value(base);
  if (hasWord) {
    int32_t offset;
    std::memcpy(&offset, next, 4);
    next += 4;
    address += uint64_t(int64_t(offset));
  } else if (in.mod == 1) {
    address += uint64_t(int64_t(int8_t(*next++)));
  }
  in.length = unsigned(next - code);
  if (isRelative)
    address += uint64_t(registers[REG_RIP]) + in.length;
  in.address = reinterpret_cast<uint8_t *>(address);
  return true;
}

void configure(const uint8_t *memory) {
  isConfigured = memory[0] == 1;
  if (memory[0] > 1)
    fault("an unknown palette is configured");
  for (int t = 0; t < kTiles; ++t) {
    uint16_t rowBytes;
    std::memcpy(&rowBytes, memory + 16 + 2 * t, 2);
    if (memory[48 + t] > kRows || rowBytes > kRowBytes || (memory[48 + t] == 0) != (rowBytes == 0))
      fault("a tile is configured that is larger than a register");
    tiles[t] = Tile{memory[48 + t], rowBytes, {}};
  }
}

template <typename T> T element(const Tile &tile, int row, int place) {
  T value;
  std::memcpy(&value, tile.bytes[row] + place * int(sizeof(T)), sizeof(T));
  return value;
}

// bf16 as f32; denormal numbers count as zero.
float wide(uint16_t bits) {
  uint32_t word = uint32_t(bits & 0x7f80 ? bits : bits & 0x8000) << 16;
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}

// sums += lhs * rhs. `A`, `B`: what the bytes of both are, or (uint16_t) bf16.
template <typename A, typename B> void multiply(Tile &sums, const Tile &lhs, const Tile &rhs) {
  if (&sums == &lhs || &sums == &rhs || &lhs == &rhs)
    fault("a product names the same tile twice");
  if (sums.rows != lhs.rows || sums.rowBytes != rhs.rowBytes || lhs.rowBytes != 4 * rhs.rows)
    fault("a product has tiles whose shapes do not fit");
  constexpr int kGroup = 4 / int(sizeof(A));
  for (int m = 0; m < sums.rows; ++m)
    for (int n = 0; n < sums.rowBytes / 4; ++n) {
      if constexpr (sizeof(A) == 2) {
        float parts[2] = {};
        for (int k = 0; k < rhs.rows; ++k)
          for (int i = 0; i < 2; ++i)
            parts[i] += wide(element<A>(lhs, m, 2 * k + i)) * wide(element<B>(rhs, k, 2 * n + i));
        const float sum = element<float>(sums, m, n) + (parts[0] + parts[1]);
        std::memcpy(sums.bytes[m] + 4 * n, &sum, 4);
      } else {
        uint32_t sum = element<uint32_t>(sums, m, n);
        for (int k = 0; k < rhs.rows; ++k)
          for (int i = 0; i < kGroup; ++i)
            sum += uint32_t(int32_t(element<A>(lhs, m, kGroup * k + i)) *
                            int32_t(element<B>(rhs, k, kGroup * n + i)));
        std::memcpy(sums.bytes[m] + 4 * n, &sum, 4);
      }
    }
}

// False: no instruction of AMX.
bool execute(const Instruction &in) {
  enum Prefix { None, P66, PF3, PF2 };
  if (in.map != 2)
    return false;
  const bool isMemory = in.mod != 3;
  switch (in.opcode) {
  case 0x49:
    if (in.prefix == None && isMemory && in.reg == 0) {
      configure(in.address);
    } else if (in.prefix == None && !isMemory && in.reg == 0 && in.rm == 0) { // tilerelease
      isConfigured = false;
    } else if (in.prefix == PF2 && !isMemory) { // tilezero
      std::memset(tile(in.reg).bytes, 0, sizeof(Tile::bytes));
    } else {
      return false;
    }
    return true;
  case 0x4B: {
    if (!isMemory || in.rm != 4 || in.prefix == None)
      return false;
    Tile &t = tile(in.reg);
    if (in.prefix == PF3) { // tilestored
      for (int row = 0; row < t.rows; ++row)
        std::memcpy(in.address + uint64_t(row) * in.stride, t.bytes[row], size_t(t.rowBytes));
    } else { // tileloadd, tileloaddt1
      std::memset(t.bytes, 0, sizeof(t.bytes));
      for (int row = 0; row < t.rows; ++row)
        std::memcpy(t.bytes[row], in.address + uint64_t(row) * in.stride, size_t(t.rowBytes));
    }
    return true;
  }
  case 0x5C:
    if (isMemory || in.prefix != PF3)
      return false;
    multiply<uint16_t, uint16_t>(tile(in.reg), tile(in.rm), tile(in.vvvv));
    return true;
  case 0x5E: {
    if (isMemory)
      return false;
    Tile &sums = tile(in.reg), &lhs = tile(in.rm), &rhs = tile(in.vvvv);
    switch (in.prefix) {
    case PF2: multiply<int8_t, int8_t>(sums, lhs, rhs); break;
    case PF3: multiply<int8_t, uint8_t>(sums, lhs, rhs); break;
    case P66: multiply<uint8_t, int8_t>(sums, lhs, rhs); break;
    default: multiply<uint8_t, uint8_t>(sums, lhs, rhs);
    }
    return true;
  }
  default: return false;
  }
}

void handle(int, siginfo_t *, void *context) {
  auto *state = static_cast<ucontext_t *>(context);
  Instruction in;
  if (decode(state->uc_mcontext.gregs, in) && execute(in)) {
    state->uc_mcontext.gregs[REG_RIP] += in.length;
    return;
  }
  std::signal(SIGILL, SIG_DFL); // The instruction is raised again.
}

} // namespace

namespace tessera::rt {

bool hasCpuFeature(const char *name) {
  return std::strncmp(name, "amx-", 4) == 0 || processorHasFeature(name);
}

bool enableCpuFeature(const char *name) {
  if (std::strncmp(name, "amx-", 4) != 0)
    return processorEnablesFeature(name);
  if (processorHasFeature(name))
    return processorEnablesFeature(name);
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

} // namespace tessera::rt
