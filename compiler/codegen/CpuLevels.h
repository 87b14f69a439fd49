//===- CpuLevels.h - Levels of instruction sets that code is made for ----------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_CODEGEN_CPULEVELS_H
#define TESSERA_COMPILER_CODEGEN_CPULEVELS_H

#include <string_view>

namespace tessera::codegen {

struct CpuLevel {
  std::string_view name; ///< as targets are written
  std::string_view base; ///< LLVM's name of the level of the x86-64 psABI
  std::string_view more; ///< LLVM's names of what it has beyond that, with commas in between
};

/// The best first.
inline constexpr CpuLevel kCpuLevels[] = {
    {"x86-64-v4+amx", "x86-64-v4", "avx512vnni,avx512bf16,amx-tile,amx-int8,amx-bf16"},
    {"x86-64-v4+bf16", "x86-64-v4", "avx512vnni,avx512bf16"},
    {"x86-64-v4+vnni", "x86-64-v4", "avx512vnni"},
    {"x86-64-v4", "x86-64-v4", ""},
    {"x86-64-v3+vnni", "x86-64-v3", "avxvnni"},
    {"x86-64-v3", "x86-64-v3", ""},
    {"x86-64-v2", "x86-64-v2", ""}};

/// Null: no such level.
inline const CpuLevel *findCpuLevel(std::string_view name) {
  for (const CpuLevel &level : kCpuLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

} // namespace tessera::codegen

#endif
