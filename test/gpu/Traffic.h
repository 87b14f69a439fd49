//===- Traffic.h - What the warps of a kernel ask of memory -----------------*- C++ -*-===//
//
// Facts about speed that need no GPU. Of an access of a warp to the device's memory: how many
// sectors of 32 bytes it touches, and how many would hold its bytes. Of one to shared memory: how
// many passes it takes through 32 banks of 4 bytes (8 bytes a thread: half a warp at a time, 16: a
// quarter, ldmatrix: a matrix), and how many it would take were its words in different banks.
// (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory", "Shared Memory and Memory
// Banks".) Of a bulk copy the sectors of the box; of an operand of wgmma in shared memory the
// passes of its matrices of 8 lines of 16 bytes, which is how its layouts are put together (PTX
// ISA, section 9.7.15.5.1).
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_TEST_GPU_TRAFFIC_H
#define TESSERA_TEST_GPU_TRAFFIC_H

#include "test/gpu/Ptx.h"

#include <array>
#include <deque>

namespace tessera::ptx {

class Traffic {
public:
  enum Kind : uint8_t {
    GlobalLoad,
    GlobalStore,
    GlobalAtomic,
    GlobalBulk,
    SharedLoad,
    SharedStore,
    SharedOperand
  };
  struct Count {
    Kind kind = GlobalLoad;
    uint32_t line = 0, stage = 0;
    uint64_t accesses = 0;         ///< of warps
    uint64_t done = 0, needed = 0; ///< sectors or passes
  };

  /// A thread's access. The n-th one that each thread of a warp makes by an instruction are one
  /// access of the warp, counted since all of its threads met last.
  void note(uint32_t thread, const Instruction &x, Kind kind, uint64_t address, uint64_t bytes);
  void noteMatrix(const Instruction &x, Kind kind, const std::array<uint64_t, 8> &rows);
  /// What a bulk copy reads: the first byte of each line, and how many it has.
  void noteBulk(const Instruction &x, std::vector<std::pair<uint64_t, uint64_t>> lines);
  /// The threads of a warp have met, or ended.
  void meet(uint32_t warp);

  /// By instruction, in the order of the text.
  std::vector<Count> getCounts() const;
  /// A line of JSON for each of them.
  std::string print(const Program &program, std::string_view kernel) const;

private:
  struct Access {
    uint64_t at[32];
    uint32_t mask = 0;
    uint64_t bytes = 0;
  };
  struct Site {
    const Instruction *x = nullptr;
    std::deque<Access> open;
    uint64_t closed = 0, next[32] = {};
  };
  void close(const Instruction &x, Kind kind, const Access &access);
  static void addSectors(std::vector<std::pair<uint64_t, uint64_t>> &pieces, Count &count);
  Count &find(const Instruction &x, Kind kind);

  std::map<uint64_t, Site> sites; ///< by warp, place of the instruction in the text, and kind
  std::map<std::pair<uint32_t, Kind>, Count> counts;
};

} // namespace tessera::ptx

#endif
