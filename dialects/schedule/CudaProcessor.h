//===- CudaProcessor.h - What processors of CUDA devices can do ----------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_SCHEDULE_CUDAPROCESSOR_H
#define TESSERA_DIALECTS_SCHEDULE_CUDAPROCESSOR_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace tessera::schedule {

/// Of all devices that run code for it: that of "sm_80" runs on all later ones too, that of
/// "sm_90a" on this architecture alone, that of "sm_100f" on later ones of its family.
struct CudaProcessor {
  unsigned architecture = 0; ///< 90 of "sm_90a"
  int64_t sharedBytes = 0;   ///< the most that a block may ask for
  bool warpGroups = false;   ///< four warps multiply matrices in shared memory (wgmma)
  bool byteFloats = false;   ///< instructions for matrices multiply 8-bit floats

  static CudaProcessor ofName(llvm::StringRef name) {
    unsigned number = 0;
    CudaProcessor processor;
    llvm::StringRef rest = name;
    if (!rest.consume_front("sm_") || rest.consumeInteger(10, number))
      return processor;
    processor.architecture = number;
    const bool isOfFew = rest == "a" || rest == "f", isLarge = number >= 90 && number < 120;
    // sm_86, sm_89 and sm_120 give a block 99 KB, sm_80 163, sm_90 and sm_100 227.
    processor.sharedBytes = (isOfFew && isLarge ? 227 : 99) << 10;
    processor.warpGroups = name == "sm_90a";
    processor.byteFloats = number >= 89;
    return processor;
  }
};

} // namespace tessera::schedule

#endif
