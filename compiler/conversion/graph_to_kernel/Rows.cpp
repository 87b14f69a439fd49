//===- Rows.cpp - Ops that work on the same rows --------------------------------------------===//
#include "compiler/conversion/graph_to_kernel/Rows.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera;

/// At most 64 KB of f64.
static constexpr int64_t kMostElements = 8192;

std::optional<ShortRows> RowDomain::whenShort() const {
  ShortRows rows;
  int64_t elements = 1;
  for (graph::DimAttr dim : dims.take_back(axes.size())) {
    if (!dim.isConstant() && !rows.extent)
      rows.extent = dim;
    else if (!dim.isConstant() || llvm::MulOverflow(elements, dim.getValue(), elements))
      return std::nullopt;
  }
  if (elements > kMostElements)
    return std::nullopt;
  rows.most = kMostElements / std::max<int64_t>(elements, 1);
  return rows;
}

static FusionClass classOf(Operation *op) {
  return llvm::cast<KernelLoweringOpInterface>(op).getFusionClass();
}

std::optional<RowDomain> tessera::rowDomainOf(Operation *op) {
  auto reduce = llvm::dyn_cast<graph::ReduceOp>(op);
  if (!reduce || reduce.getAxes().empty())
    return std::nullopt;
  ArrayRef<graph::DimAttr> dims = graph::getTensorType(reduce.getX()).getDims();
  size_t first = dims.size() - reduce.getAxes().size();
  if (first == 0 || reduce.getAxes().front() != int64_t(first))
    return std::nullopt;
  return RowDomain{dims, reduce.getAxes()};
}

std::optional<RowDomain> tessera::rowDomainOf(ArrayRef<Operation *> group) {
  std::optional<RowDomain> common;
  for (Operation *op : group) {
    FusionClass fusionClass = classOf(op);
    if (fusionClass != FusionClass::Reduction && fusionClass != FusionClass::Contraction)
      continue;
    std::optional<RowDomain> rows = rowDomainOf(op);
    if (!rows || (common && !(*rows == *common)))
      return std::nullopt;
    common = rows;
  }
  return common;
}

bool tessera::repeatsCost(ArrayRef<ArrayRef<Operation *>> groups, bool rowsAreShort) {
  llvm::SmallPtrSet<Operation *, 32> inside;
  for (ArrayRef<Operation *> group : groups)
    inside.insert(group.begin(), group.end());
  auto isStored = [&](Operation *op) {
    return !llvm::all_of(op->getUsers(), [&](Operation *user) { return inside.contains(user); });
  };
  std::optional<RowDomain> rows = rowDomainOf(groups.front());
  for (Operation *op : llvm::concat<Operation *const>(groups.front(), groups.back())) {
    if (classOf(op) != FusionClass::Costly)
      continue;
    // Everybody who asks for it: reductions, and what is stored.
    SetVector<Operation *> reached;
    reached.insert(op);
    unsigned sinks = 0, results = 0;
    for (size_t i = 0; i < reached.size(); ++i) {
      bool stored = isStored(reached[i]);
      bool reduces = classOf(reached[i]) == FusionClass::Reduction;
      sinks += stored || reduces;
      results += stored && !reduces;
      if (!reduces)
        for (Operation *user : reached[i]->getUsers())
          if (inside.contains(user))
            reached.insert(user);
    }
    const bool isKept = rowsAreShort && results <= 1 && rows &&
                        graph::getTensorType(op->getResult(0)).getDims() == rows->dims;
    if (sinks > 1 && !isKept)
      return true;
  }
  return false;
}

std::optional<ShortRows> tessera::needsShortRows(ArrayRef<Operation *> group) {
  std::optional<RowDomain> domain = rowDomainOf(group);
  std::optional<ShortRows> rows = domain ? domain->whenShort() : std::nullopt;
  return rows && rows->extent && repeatsCost({group, {}}, false) ? rows : std::nullopt;
}
