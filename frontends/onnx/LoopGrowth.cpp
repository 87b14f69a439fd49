//===- LoopGrowth.cpp - Loops: which tensors do not keep their shape --------------------------===//

#include "frontends/onnx/LoopImporter.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// Whether an extent that is computed of another one differs from it but for special values, such
/// as the 0 of M in N + M. What models divide by divides the values that are tried: they round to
/// multiples of which their extents are ones.
static bool isAnother(DimAttr before, DimAttr behind) {
  if (graph::isKnownDifferent(before, behind))
    return true;
  llvm::StringSet<> symbols;
  graph::walkDimSymbols(behind, [&](StringRef symbol) { symbols.insert(symbol); });
  bool isRelated = false, hasAll = true;
  graph::walkDimSymbols(before, [&](StringRef symbol) {
    isRelated = true;
    hasAll &= symbols.contains(symbol);
  });
  llvm::StringMap<int64_t> values;
  auto valueOf = [&](StringRef symbol) -> std::optional<int64_t> {
    constexpr int64_t kMultiple = 720720 * 16; // of 1 to 16, and of powers of two up to 256
    return values.try_emplace(symbol, kMultiple * int64_t(values.size() + 1)).first->second;
  };
  std::optional<int64_t> a = graph::evaluateDim(before, valueOf),
                         b = graph::evaluateDim(behind, valueOf);
  return isRelated && hasAll && a && b && *a != *b;
}

/// Whether an extent behind an iteration is known not to be the one before it: also as one of those
/// that an `if` chooses, or as a count of elements that were selected.
static bool getsOtherExtent(DimAttr before, DimAttr behind,
                            const llvm::StringMap<graph::BindDimOp> &bound) {
  if (before == behind)
    return false;
  if (isAnother(before, behind))
    return true;
  graph::BindDimOp bind = behind.isSymbol() ? bound.lookup(behind.getSymbol()) : nullptr;
  if (!bind)
    return false;
  auto choice = bind.getValue().getDefiningOp<graph::IfOp>();
  if (!choice)
    return bool(bind.getValue().getDefiningOp<graph::ReduceOp>());
  const unsigned number = llvm::cast<OpResult>(bind.getValue()).getResultNumber();
  return llvm::any_of(SmallVector<Region *>{&choice.getThenRegion(), &choice.getElseRegion()},
                      [&](Region *branch) {
                        Value chosen = branch->front().getTerminator()->getOperand(number);
                        DimAttr extent = graph::getShapeScalar(chosen);
                        return extent && isAnother(before, extent);
                      });
}

/// Of a carried tensor that has one such axis.
std::optional<LoopImporter::Outgrown>
LoopImporter::findOutgrown(size_t i, const llvm::StringMap<graph::BindDimOp> &bound) {
  graph::TensorType wanted = graph::getTensorType(inits[i]), type = graph::getTensorType(next[i]);
  if (wanted.getElementType() != type.getElementType() || wanted.rank() != type.rank())
    return std::nullopt;
  SmallVector<size_t> axes;
  for (int64_t d = 0; d < wanted.rank(); ++d)
    if (getsOtherExtent(wanted.getDim(d), type.getDim(d), bound))
      axes.push_back(size_t(d));
  size_t first = 0; // of the tensors of a state
  for (size_t state = 0; state < states.size() && axes.size() == 1; ++state) {
    if (forms[state] == Form::Additions)
      continue;
    if (first == i && forms[state] == Form::AsItIs && !isStructure(states[state]))
      return Outgrown{state, axes.front()};
    SmallVector<Value> tensors;
    if (forms[state] == Form::AsItIs)
      flatten(states[state], tensors);
    first += forms[state] == Form::Whole ? 2 * wholes[state]->roomCount() : tensors.size();
  }
  return std::nullopt;
}
