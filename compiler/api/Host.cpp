//===- Host.cpp - What the compiler takes from this machine -----------------------------------===//
#include "compiler/api/Compiler.h"

#include "compiler/codegen/driver/Cache.h"
#include "compiler/module/ModuleWriter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"

using namespace tessera;

std::string tessera::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const char *level : {"x86-64-v4+amx", "x86-64-v4+bf16", "x86-64-v4+vnni", "x86-64-v4",
                            "x86-64-v3+vnni", "x86-64-v3"})
    if (llvm::all_of(module::featuresOfLevel(level),
                     [&](const std::string &feature) { return features.lookup(feature); }))
      return level;
  return "x86-64-v2";
}

std::string tessera::getDefaultCacheFolder() { return codegen::Cache::defaultFolder(); }
