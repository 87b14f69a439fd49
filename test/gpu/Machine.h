//===- Machine.h - Runs a kernel of PTX on the CPU --------------------------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_MACHINE_H
#define TESSERA_TEST_GPU_MACHINE_H

#include "test/gpu/Ptx.h"

namespace tessera::ptx {

/// Device memory; an access has to lie within one of them.
struct Region {
  uint64_t base = 0, size = 0;
  std::string name;
  bool isWritable = true;
  uint64_t bias = 0; ///< where its bytes are in the host's memory: this much below the address
};

struct Launch {
  uint32_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  uint32_t dynamicShared = 0;
  std::vector<uint8_t> params; ///< as the kernel lays them out
  std::vector<Region> memory;
  uint64_t limit = uint64_t(1) << 32; ///< instructions, of all threads
  uint64_t *boxes = nullptr;          ///< if asked for, counts bulk copies
  class Traffic *traffic = nullptr;   ///< if asked for, counts what warps ask of memory
};

/// The most shared memory that a block may have on a processor ("sm_80").
uint64_t getMostShared(std::string_view processor);

/// The static shared memory of a kernel: what it declares, and of the module's variables those that
/// it names.
uint64_t countShared(const Program &program, const Kernel &kernel);

/// Whether a device of a compute capability (80) runs code for a target ("sm_80", "sm_90a",
/// "sm_100f").
bool runsOn(std::string_view target, int device);

/// Runs every block of the grid, one after the other. "" or what went wrong: the line of the
/// text, the instruction, block and thread.
std::string run(const Program &program, std::string_view kernel, const Launch &launch);

} // namespace tessera::ptx

#endif
