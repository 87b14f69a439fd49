//===- Host.cpp - What the compiler takes from this machine -----------------------------------===//
#include "compiler/api/Compiler.h"

#include "compiler/codegen/CpuLevels.h"
#include "compiler/codegen/driver/Cache.h"
#include "compiler/module/ModuleWriter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"

using namespace tessera;

std::string tessera::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const codegen::CpuLevel &level : codegen::kCpuLevels)
    if (llvm::all_of(module::featuresOfLevel(std::string(level.name)),
                     [&](const std::string &feature) { return features.lookup(feature); }))
      return std::string(level.name);
  return "x86-64-v2";
}

std::string tessera::getDefaultCacheFolder() { return codegen::Cache::defaultFolder(); }
