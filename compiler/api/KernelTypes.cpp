//===- KernelTypes.cpp - In what types the kernels of a module compute ------------------------===//
#include "compiler/api/KernelTypes.h"

#include "runtime/api/tessera.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SetVector.h"

using namespace tessera;

std::vector<KernelTypes> tessera::listKernelTypes(const module::ModuleDesc &module) {
  std::vector<KernelTypes> list;
  for (const module::Variant &variant : module.variants)
    for (const module::Kernel &kernel : variant.kernels) {
      llvm::SetVector<module::ElementType> reads, writes;
      for (const module::KernelArg &arg : kernel.args)
        if (arg.kind != module::KernelArgKind::Scalar)
          (arg.kind == module::KernelArgKind::Input ? reads : writes).insert(arg.type);
      auto text = [](llvm::ArrayRef<module::ElementType> types) {
        std::string names;
        for (module::ElementType type : types)
          names += std::string(names.empty() ? "" : " ") + tessera_type_name(tessera_type(type));
        return names;
      };
      list.push_back({variant.level, kernel.name, text(reads.getArrayRef()), text(kernel.sums),
                      text(writes.getArrayRef())});
    }
  return list;
}
