//===- InlineCalls.cpp - Calls become the bodies of their functions ---------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/Graph.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/SetVector.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHINLINECALLS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

/// The callee's body at the call, its symbols replaced by what they stand for there.
static void inlineCall(graph::CallOp call, graph::FuncOp callee) {
  llvm::StringMap<DimAttr> values = call.getSymbolValues(callee);
  auto valueOf = [&](StringRef symbol) -> DimExpr { return values.lookup(symbol); };
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](DimAttr dim) -> std::optional<std::pair<Attribute, WalkResult>> {
    return std::pair(Attribute(DimAttr(graph::substituteDim(dim, valueOf))), WalkResult::skip());
  });
  replacer.addReplacement(
      [&](graph::TensorType type) -> std::optional<std::pair<Type, WalkResult>> {
        return std::pair(graph::substituteDims(type, valueOf), WalkResult::skip());
      });
  OpBuilder builder(call);
  IRMapping mapping;
  mapping.map(callee.getBody().getArguments(), call.getOperands());
  Block &body = callee.getBody().front();
  for (Operation &op : body.without_terminator()) {
    Operation *copy = builder.clone(op, mapping);
    replacer.recursivelyReplaceElementsIn(copy, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
  }
  for (auto [result, value] : llvm::zip(call.getResults(), body.getTerminator()->getOperands()))
    result.replaceAllUsesWith(mapping.lookupOrDefault(value));
  call.erase();
}

namespace {
struct GraphInlineCalls : transforms::impl::GraphInlineCallsBase<GraphInlineCalls> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<graph::FuncOp>())
      if (failed(inlineInto(function, symbols)))
        return signalPassFailure();
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<graph::FuncOp>()))
      if (SymbolTable::getSymbolVisibility(function) == SymbolTable::Visibility::Private)
        function.erase();
  }

  /// Callees first, so that a body is complete when it is copied.
  LogicalResult inlineInto(graph::FuncOp function, SymbolTable &symbols) {
    if (isDone.contains(function))
      return success();
    if (!isOpen.insert(function))
      return function.emitError("function '")
             << function.getSymName() << "' calls itself, directly or through others";
    SmallVector<graph::CallOp> calls;
    function.walk([&](graph::CallOp call) { calls.push_back(call); });
    for (graph::CallOp call : calls) {
      auto callee = symbols.lookup<graph::FuncOp>(call.getCallee());
      if (failed(inlineInto(callee, symbols)))
        return failure();
      inlineCall(call, callee);
    }
    isOpen.remove(function);
    isDone.insert(function);
    return success();
  }

  llvm::SetVector<Operation *> isOpen, isDone;
};
} // namespace
