//===- FixDims.cpp - Symbols that get a value when compiling ---------------------------------===//

#include "compiler/transforms/graph/FixDims.h"

#include "dialects/graph/Graph.h"

#include "mlir/IR/AttrTypeSubElements.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

LogicalResult tessera::transforms::fixDims(ModuleOp module,
                                           const llvm::StringMap<int64_t> &values) {
  MLIRContext *context = module.getContext();
  llvm::StringMap<bool> isUsed;
  for (auto function : module.getOps<graph::FuncOp>()) {
    DictionaryAttr dims = function.getDimsAttr();
    NamedAttrList kept;
    for (NamedAttribute entry : dims ? dims.getValue() : ArrayRef<NamedAttribute>()) {
      auto it = values.find(entry.getName().getValue());
      if (it == values.end()) {
        kept.append(entry);
        continue;
      }
      isUsed[it->getKey()] = true;
      auto range = llvm::cast<graph::RangeAttr>(entry.getValue());
      if (it->getValue() < range.getLo() || (range.getHi() && it->getValue() > *range.getHi()))
        return function.emitError("--dim ")
               << it->getKey() << "=" << it->getValue() << " is outside the range of '"
               << it->getKey() << "', " << range.getLo() << " to "
               << (range.getHi() ? std::to_string(*range.getHi()) : "any");
    }
    function.setDimsAttr(kept.getDictionary(context));
  }
  for (const auto &entry : values)
    if (!isUsed.count(entry.getKey()))
      return module.emitError("--dim ")
             << entry.getKey() << ": the model has no symbol of this name";
  auto substitute = [&](DimAttr dim) -> DimAttr {
    return graph::substituteDim(dim, [&](StringRef symbol) {
      auto it = values.find(symbol);
      return it == values.end() ? DimExpr() : DimExpr::constant(context, it->getValue());
    });
  };
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](DimAttr dim) -> std::optional<std::pair<Attribute, WalkResult>> {
    return std::pair(Attribute(substitute(dim)), WalkResult::skip());
  });
  replacer.addReplacement(
      [&](graph::TensorType type) -> std::optional<std::pair<Type, WalkResult>> {
        SmallVector<DimAttr> dims;
        for (DimAttr dim : type.getDims())
          dims.push_back(substitute(dim));
        return std::pair(Type(type.withDims(dims)), WalkResult::skip());
      });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  return success();
}
