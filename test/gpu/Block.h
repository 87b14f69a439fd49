//===- Block.h - The threads of one block -----------------------------------*- C++ -*-===//
//
// Every thread runs by itself until it has to meet others: at a barrier or at an instruction of the
// warp. Such an instruction happens once for all that take part, when the last of them arrives, so
// what a program may rely on since sm_70 (independent thread scheduling) is what it gets.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_TEST_GPU_BLOCK_H
#define TESSERA_TEST_GPU_BLOCK_H

#include "test/gpu/GlobalMemory.h"
#include "test/gpu/Machine.h"
#include "test/gpu/SharedMemory.h"
#include "test/gpu/TensorMap.h"
#include "test/gpu/Traffic.h"

#include <array>
#include <map>

namespace tessera::ptx {

/// Generic addresses of these windows (section 5.1); device memory is memory of the host, below
/// them.
constexpr uint64_t kSharedWindow = uint64_t(1) << 60, kLocalWindow = uint64_t(1) << 61,
                   kParamWindow = uint64_t(3) << 60;

struct AsyncCopy {
  uint64_t to, from;
  uint32_t bytes, read, group, line;
};

/// What may be done with a register. wgmma takes those that were written before a wgmma.fence, or
/// by another wgmma; what it reads or writes is not to be touched until the thread waited for it.
enum class Held : uint8_t { Nothing, BeingWritten, Value, Fenced, BeingRead };

struct Thread {
  std::vector<uint64_t> registers;
  std::vector<Held> held;
  std::vector<uint8_t> local;
  std::vector<AsyncCopy> copies;
  uint32_t group = 0; ///< of asynchronous copies: the open one
  uint32_t next = 0;
  uint32_t number = 0, index[3] = {0, 0, 0};
  enum State : uint8_t { Running, Waiting, Ended } state = Running;
};

/// A wgmma.mma_async that nobody has waited for. Its operands in shared memory as they were when it
/// was issued: they have to be the same in the end.
struct PendingMultiply {
  const Instruction *x;
  uint32_t group;
  std::vector<std::pair<uint64_t, std::array<uint8_t, 16>>> chunks;
};
/// A copy of a box of a tensor, which arrives when somebody waits for its mbarrier.
struct BulkCopy {
  TensorMap map;
  int32_t at[5];
  uint64_t to;
  uint32_t thread;
  const Instruction *x;
};
/// An mbarrier (section 9.7.13.15).
struct PhaseBarrier {
  uint32_t count = 0, pending = 0, phase = 0;
  int64_t bytes = 0; ///< that are expected and have not arrived
  uint32_t number = 0, initializer = 0;
  bool isFenced = false; ///< bulk copies may know of it
  SharedMemory::Known released, completed;
  std::vector<BulkCopy> copies;
  std::vector<int64_t> seen; ///< by thread: the last phase whose end it waited for, -1: none
};
/// Four warps.
struct WarpGroup {
  std::vector<PendingMultiply> pending;
  uint32_t group = 0;     ///< the open one
  uint32_t registers = 0; ///< of a thread, where setmaxnreg said so; 0: as the block began
};

class Block {
public:
  Block(const Program &program, const Kernel &kernel, const Launch &launch,
        std::vector<uint8_t> &globals);
  /// False: `error` says why.
  bool run(const uint32_t (&index)[3]);

  std::string error;
  uint64_t executed = 0;

private:
  using Operands = const Operand *;
  // Block.cpp
  bool runThread(Thread &thread);
  bool meet();
  bool meetWarp(uint32_t warp, bool &any);
  bool meetGroup(uint32_t group, bool &any);
  bool meetBarrier(bool &any);
  bool reportStuck();
  bool fail(const Thread &thread, const Instruction &x, const std::string &message);
  Operands operandsOf(const Instruction &x) const { return kernel.operands.data() + x.first; }
  bool read(Thread &thread, const Instruction &x, const Operand &operand, uint64_t &value) {
    if (operand.kind != Operand::Register || thread.held[operand.reg] <= Held::BeingWritten)
      return readOther(thread, x, operand, value);
    value = thread.registers[operand.reg] + operand.value;
    if (operand.negated)
      value = !value;
    return true;
  }
  bool readOther(Thread &thread, const Instruction &x, const Operand &operand, uint64_t &value);
  void reportHeld(Thread &thread, const Operand &operand);
  void write(Thread &thread, const Operand &operand, uint64_t value) {
    if (operand.kind != Operand::Register)
      return;
    Held &held = thread.held[operand.reg];
    if (held == Held::BeingWritten || held == Held::BeingRead)
      reportHeld(thread, operand);
    thread.registers[operand.reg] = value & masks[operand.reg];
    held = Held::Value;
  }
  // Memory.cpp
  uint8_t *resolve(Thread &thread, const Instruction &x, Space space, uint64_t address,
                   uint64_t bytes, uint64_t align, Access access);
  void note(const Thread &thread, const Instruction &x, Space space, uint64_t address,
            uint64_t bytes, Access access);
  void noteMet(uint32_t warp) {
    if (launch.traffic)
      launch.traffic->meet(warp);
  }
  bool load(Thread &thread, const Instruction &x);
  bool store(Thread &thread, const Instruction &x);
  bool atomic(Thread &thread, const Instruction &x);
  bool beginCopy(Thread &thread, const Instruction &x);
  bool finishCopies(Thread &thread, const Instruction &x, uint64_t pending);
  // Arithmetic.cpp
  bool arithmetic(Thread &thread, const Instruction &x);
  // Warp.cpp: one instruction of the warp, for the threads of `mask`
  bool warp(Thread *lanes, const Instruction &x, uint32_t mask);
  bool shuffle(Thread *lanes, const Instruction &x, uint32_t mask);
  bool vote(Thread *lanes, const Instruction &x, uint32_t mask);
  bool loadMatrix(Thread *lanes, const Instruction &x, uint32_t mask);
  bool multiplyMatrix(Thread *lanes, const Instruction &x, uint32_t mask);
  // WarpGroup.cpp: one instruction of four warps
  bool warpGroup(uint32_t number, const Instruction &x);
  bool multiplyGroup(uint32_t number, const Instruction &x);
  bool setRegisters(uint32_t number, const Instruction &x);
  bool checkRegisters();
  bool finishMultiplies(uint32_t number, const Instruction &x, uint64_t pending);
  bool readChunk(Thread &thread, const Instruction &x, uint64_t address, PendingMultiply &to);
  bool readMatrix(Thread &thread, const Instruction &x, uint64_t descriptor, unsigned extent,
                  bool isAcross, Type type, std::vector<double> &to, PendingMultiply &chunks);
  // Bulk.cpp: mbarriers, and copies that arrive at them
  bool barrier(Thread &thread, const Instruction &x);
  PhaseBarrier *findBarrier(Thread &thread, const Instruction &x, const Operand &address);
  void endPhase(PhaseBarrier &barrier);
  bool isPhaseOver(Thread &thread, const Instruction &x, bool &isOver);
  bool beginBulk(Thread &thread, const Instruction &x);
  bool finishBulk(PhaseBarrier &barrier, const BulkCopy &copy);
  uint32_t lanesOf(uint32_t warp) const {
    const uint32_t left = uint32_t(threads.size()) - warp * 32;
    return left < 32 ? left : 32;
  }

  const Program &program;
  const Kernel &kernel;
  const Launch &launch;
  std::vector<uint8_t> &globals;
  std::vector<Thread> threads;
  std::vector<uint64_t> masks; ///< of what each register holds
  std::vector<WarpGroup> groups;
  const Instruction *lastRegisters = nullptr; ///< the last setmaxnreg
  std::map<uint64_t, PhaseBarrier> barriers;  ///< by their places in shared memory
  SharedMemory shared;
  /// Where the kernel has atomics on the device's memory: of all blocks.
  std::unique_ptr<GlobalMemory> global;
  uint32_t index[3] = {0, 0, 0};
  size_t lastRegion = 0;
};

} // namespace tessera::ptx

#endif
