//===- Target.h - The machine a schedule is made for --------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_TARGET_H
#define TESSERA_COMPILER_SCHEDULING_TARGET_H

#include "dialects/schedule/CudaProcessor.h"

#include <cstdint>

namespace tessera::scheduling {

/// What the rules know of a machine: it describes a target variant (x86-64-v3, x86-64-v4), never
/// the machine that compiles, so equal inputs give equal schedules everywhere.
struct Target {
  int64_t vectorBits = 256;
  int64_t vectorRegisters = 16;
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 512 << 10;
  int64_t groupBytes = 2 << 20; ///< columns of a product that all rows pass by: in L3, or L2
  bool dotProducts = false;     ///< sums of four products u8 x s8 in one instruction (VNNI)
  bool bf16Products = false;    ///< sums of two products bf16 x bf16 in one instruction (vdpbf16ps)
  bool matrixTiles = false;     ///< both by tiles of matrices (AMX)
  int64_t cores = 2;            ///< whether, not how finely, work is spread over threads
  double flopsPerByte = 8;      ///< machine balance: f32 operations per byte read from memory
  int64_t lanes(int64_t elementBits) const { return vectorBits / elementBits; }

  /// What a level of instruction sets says: "x86-64-v4" has 32 registers of 512 bits,
  /// "+vnni" means vpdpbusd, "+bf16" vdpbf16ps too, "+amx" vpdpbusd and tiles.
  static Target ofLevel(llvm::StringRef level) {
    Target target;
    bool isV4 = level.starts_with("x86-64-v4");
    target.vectorBits = isV4 ? 512 : level == "x86-64-v2" ? 128 : 256;
    target.vectorRegisters = isV4 ? 32 : 16;
    // What most processors of that level have.
    target.l1Bytes = isV4 ? 48 << 10 : 32 << 10;
    target.l2Bytes = isV4 ? 1 << 20 : 512 << 10;
    target.matrixTiles = level.ends_with("+amx");
    // Where there are tiles, vdpbf16ps takes twice as long as the multiply-adds that it stands for.
    target.bf16Products = level.ends_with("+bf16");
    target.dotProducts = level.ends_with("+vnni") || target.bf16Products || target.matrixTiles;
    // Behind L2 it is far on processors with tiles (L3 of Granite Rapids: 28 GB/s).
    if (target.matrixTiles)
      target.groupBytes = 512 << 10;
    return target;
  }
};

/// The same of a CUDA device.
struct GpuTarget {
  int64_t sharedBytes = 48 << 10; ///< the most that a block may ask for
  bool warpGroups = false;        ///< four warps multiply matrices in shared memory (wgmma)
  bool byteFloats = false;        ///< instructions for matrices multiply 8-bit floats

  static GpuTarget ofLevel(llvm::StringRef level) {
    level.consume_front("cuda:");
    const auto processor = schedule::CudaProcessor::ofName(level);
    return {processor.sharedBytes, processor.warpGroups, processor.byteFloats};
  }
};

} // namespace tessera::scheduling

#endif
