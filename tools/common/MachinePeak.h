// What this machine can do, measured: the roof that benchmarks give their figures as shares of.
#ifndef TESSERA_TOOLS_COMMON_MACHINEPEAK_H
#define TESSERA_TOOLS_COMMON_MACHINEPEAK_H

#include <string>

namespace tessera::tools {

struct MachinePeak {
  double flopsPerCore =
      0; // f32 operations a second of one core, a fused multiply-add counting as two
  double byteProductsPerCore = 0; // multiplications and additions a second of u8 x s8 (vpdpbusd), 0
                                  // where the processor has no such instruction
  double bfloatProductsPerCore = 0; // the same of bf16 into f32 (vdpbf16ps)
  double tileBytesPerCore = 0;      // products of bytes by tiles of matrices (AMX), or 0
  double tileBfloatsPerCore = 0;    // and of bf16
  double bytesPerSecond = 0;        // read by one core from memory, beyond every cache
  int vectorBits = 0;               // of the multiply-adds that were measured
};

// Runs for about half a second on the calling thread and counts its processor time, so that
// other programs on the machine disturb it little; the best of many short runs counts. Vectors are
// at most `vectorBits` wide and as wide as the processor has them (512, 256, 128).
MachinePeak measureMachinePeak(int vectorBits = 512);

// "AMD EPYC 9B45", as the processor calls itself.
std::string cpuName();

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_MACHINEPEAK_H
