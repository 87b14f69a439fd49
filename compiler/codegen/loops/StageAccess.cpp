//===- StageAccess.cpp - What stages on buffers read and write ---------------------------===//
#include "compiler/codegen/loops/StageAccess.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace tessera::loops {

static Value baseOf(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewLikeOpInterface>())
    buffer = view.getViewSource();
  return buffer;
}

bool mayOverlap(Value a, Value b) {
  auto isKnown = [](Value base) {
    if (auto argument = dyn_cast<BlockArgument>(base))
      return isa<FunctionOpInterface>(argument.getOwner()->getParentOp());
    return isa<memref::AllocOp>(base.getDefiningOp());
  };
  a = baseOf(a);
  b = baseOf(b);
  return a == b || !isKnown(a) || !isKnown(b);
}

bool mayWrite(Operation &op, Value buffer) {
  if (isPure(&op) || isa<memref::AllocOp, memref::LoadOp>(op))
    return false;
  WalkResult walk = op.walk<WalkOrder::PreOrder>([&](Operation *inner) {
    if (auto stage = dyn_cast<linalg::LinalgOp>(inner)) {
      for (OpOperand &init : stage.getDpsInitsMutable())
        if (mayOverlap(init.get(), buffer))
          return WalkResult::interrupt();
      return WalkResult::skip();
    }
    const bool isHarmless = isPure(inner) ||
                            inner->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
                            isa<memref::AllocOp, memref::LoadOp>(inner);
    return isHarmless ? WalkResult::advance() : WalkResult::interrupt();
  });
  return walk.wasInterrupted();
}

bool isPointwise(linalg::GenericOp stage) {
  return stage.hasPureBufferSemantics() && stage.getNumReductionLoops() == 0 &&
         stage.getNumDpsInits() > 0 &&
         llvm::all_of(stage.getDpsInitsMutable(), [&](OpOperand &init) {
           return stage.getMatchingIndexingMap(&init).isIdentity();
         });
}

bool isOutput(OpOperand &operand) {
  return cast<linalg::GenericOp>(operand.getOwner()).isDpsInit(&operand);
}

SmallVector<Access> accessesOf(linalg::GenericOp stage) {
  SmallVector<Access> accesses;
  for (OpOperand &operand : stage->getOpOperands())
    if (isa<MemRefType>(operand.get().getType()))
      accesses.push_back(
          {operand.get(), stage.getMatchingIndexingMap(&operand), isOutput(operand)});
  stage.getBody()->walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op))
      accesses.push_back({load.getMemRef(), AffineMap(), false});
  });
  return accesses;
}

bool isContiguous(linalg::GenericOp stage) {
  if (stage.getNumLoops() == 0)
    return true;
  const unsigned last = stage.getNumLoops() - 1;
  for (const Access &access : accessesOf(stage)) {
    if (!access.map)
      return false;
    ArrayRef<AffineExpr> exprs = access.map.getResults();
    for (auto [dim, expr] : llvm::enumerate(exprs))
      if (expr.isFunctionOfDim(last) && (dim + 1 != exprs.size() || !isa<AffineDimExpr>(expr)))
        return false;
  }
  return true;
}

bool hasVectorForm(linalg::GenericOp stage, unsigned loop) {
  llvm::DenseSet<Value> varying; // from one step of the loop to the next
  for (OpOperand &operand : stage->getOpOperands())
    if (!isa<MemRefType>(operand.get().getType()) ||
        stage.getMatchingIndexingMap(&operand).isFunctionOfDim(loop))
      varying.insert(stage.getMatchingBlockArgument(&operand));
  for (Operation &inner : stage.getRegion().front().without_terminator()) {
    auto index = dyn_cast<linalg::IndexOp>(inner);
    const bool varies = index ? index.getDim() == loop
                              : llvm::any_of(inner.getOperands(),
                                             [&](Value value) { return varying.contains(value); });
    if (!varies)
      continue;
    if (!index && !OpTrait::hasElementwiseMappableTraits(&inner))
      return false;
    varying.insert(inner.result_begin(), inner.result_end());
  }
  return true;
}

OpFoldResult lengthOf(linalg::LinalgOp stage, unsigned loop) {
  for (OpOperand &operand : stage->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type)
      continue;
    for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(&operand).getResults())) {
      auto plain = dyn_cast<AffineDimExpr>(expr);
      if (!plain || plain.getPosition() != loop)
        continue;
      if (!type.isDynamicDim(dim))
        return Builder(stage.getContext()).getIndexAttr(type.getDimSize(dim));
      if (auto alloc = operand.get().getDefiningOp<memref::AllocOp>())
        return alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)];
      auto view = operand.get().getDefiningOp<memref::SubViewOp>();
      if (!view)
        continue;
      llvm::SmallBitVector dropped = view.getDroppedDims();
      for (unsigned d = 0, left = 0; d < dropped.size(); ++d)
        if (!dropped.test(d) && left++ == dim)
          return view.getMixedSizes()[d];
    }
  }
  return {};
}

bool haveSameLoops(linalg::GenericOp a, linalg::GenericOp b) {
  if (a.getNumLoops() != b.getNumLoops())
    return false;
  for (unsigned loop = 0; loop < a.getNumLoops(); ++loop) {
    OpFoldResult x = lengthOf(a, loop), y = lengthOf(b, loop);
    if (!x || x != y)
      return false;
  }
  return true;
}

} // namespace tessera::loops
