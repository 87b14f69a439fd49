//===- Machine.h - What a machine can do, for predictions --------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_MACHINE_H
#define TESSERA_COMPILER_SCHEDULING_MACHINE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace tessera::scheduling {

/// The rates that predictions are made with. Schedules never depend on them. Tools measure them
/// (tools/common/MachinePeak.h) and hand them over as text; the numbers here are those of a plain
/// machine, for when nobody measured.
struct Machine {
  int64_t vectorBits = 256;
  double threads = 2;
  double flopsPerCore = 80e9;     ///< f32, a multiply-add is two; vectors of vectorBits
  double byteProductsPerCore = 0; ///< the same of u8 x s8 (vpdpbusd); 0: no such instruction
  double bf16ProductsPerCore = 0; ///< the same of bf16 (vdpbf16ps)
  double l1Bytes = 32 << 10, l2Bytes = 512 << 10;      ///< of a core
  double l3Bytes = 16 << 20;                           ///< of all cores
  double l1Rate = 150e9, l2Rate = 80e9, l3Rate = 40e9; ///< bytes a second that a core reads
  double memoryRate = 15e9;                            ///< bytes a second that a core reads
  double allMemoryRate = 25e9;                         ///< all cores together
  double launchSeconds = 0.1e-6;                       ///< of a kernel on the thread that calls
  double shareSeconds = 1.5e-6;                        ///< more, where other threads take part

  /// Bytes a second that `cores` of them read when that many bytes are read over and over.
  double readRate(double bytes, double cores) const;
  /// Of code with vectors of so many bits, and with instructions that sum products or without.
  Machine forCode(int64_t bits, bool hasByteProducts, bool hasBf16Products) const;
  /// "vector_bits=512 flops=1.5e11 ...". None: a field is unknown or no positive number; `problem`
  /// says which.
  static std::optional<Machine> parse(llvm::StringRef text, std::string &problem);
};

} // namespace tessera::scheduling

#endif
