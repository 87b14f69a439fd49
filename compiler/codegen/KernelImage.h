//===- KernelImage.h - Machine code of one kernel ---------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_KERNELIMAGE_H
#define TESSERA_COMPILER_CODEGEN_KERNELIMAGE_H

#include "compiler/codegen/CpuLevels.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::codegen {

/// Machine code as the runtime maps it: text and read-only data in one piece that may be placed at
/// any address, without imports or relocations. The entry follows runtime/base/KernelAbi.h, or is
/// an image of runtime/base/DeviceImage.h.
struct KernelImage {
  std::vector<uint8_t> bytes;
  uint64_t entry = 0; ///< offset of the entry function
};

/// Processors of CUDA devices are written "cuda:sm_80".
constexpr char kCudaPrefix[] = "cuda:";

/// The machine that code is made for.
struct CodeTarget {
  std::string cpu = "x86-64-v3"; ///< LLVM's name of the processor or level
  std::string features;          ///< LLVM's feature string on top of it, "+avx512bf16,..."
};

/// Code for a level of instruction sets (CpuLevels.h), or for a device.
inline CodeTarget getCodeTarget(const std::string &name) {
  const CpuLevel *level = findCpuLevel(name);
  if (!level)
    return {name, ""};
  CodeTarget target{std::string(level->base), ""};
  for (char c : level->more) {
    if (target.features.empty() || target.features.back() == ',')
      target.features += '+';
    target.features += c;
  }
  return target;
}

/// What a compilation may give besides the image, as text. The values go between processes.
enum class ListingKind : char { None = '-', Loops = 'n', LLVM = 'l', Assembly = 'a' };
struct CodeListing {
  ListingKind kind = ListingKind::None;
  std::string text; ///< "" where a generator has no such text (loops of a GPU)
};

} // namespace tessera::codegen

#endif
