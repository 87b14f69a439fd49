//===- KernelTypes.h - In what types the kernels of a module compute ------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_KERNELTYPES_H
#define TESSERA_COMPILER_API_KERNELTYPES_H

#include "compiler/api/Compiler.h"
#include "compiler/module/ModuleWriter.h"

namespace tessera {

/// The types of each kernel of each variant, as they stand in the module.
std::vector<KernelTypes> listKernelTypes(const module::ModuleDesc &module);

} // namespace tessera

#endif
