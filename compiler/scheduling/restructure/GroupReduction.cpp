//===- GroupReduction.cpp - Sums that one instruction makes of several products ---------------===//
// widen_operand: a map of the operand's elements, converted, stands for the operand; the body goes
// on from there. group_reduction: loop k becomes k * factor + inner; of tiles, k is the tile (or
// follows from it, where a window moves by tiles) and `inner` the place in it.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult widenOperand(kernel::FuncOp kernel, schedule::WidenOperandOp directive) {
  FailureOr<linalg::GenericOp> stage = lookupStage(kernel, directive, directive.getStage());
  if (failed(stage) || failed(expectFree(kernel, directive, directive.getCopy())))
    return failure();
  if (directive.getOperand() >= uint64_t(stage->getNumDpsInputs()))
    return directive.emitOpError()
           << "names operand " << directive.getOperand() << " of stage '" << directive.getStage()
           << "', which has " << stage->getNumDpsInputs();
  OpOperand *operand = stage->getDpsInputOperand(directive.getOperand());
  Value source = operand->get();
  BlockArgument element = stage->getMatchingBlockArgument(operand);
  unsigned bits = directive.getType().getIntOrFloatBitWidth();
  Operation *extend = element.hasOneUse() ? *element.user_begin() : nullptr;
  bool isFloat = isa<FloatType>(directive.getType());
  if (isFloat && (!isa_and_present<arith::ExtFOp>(extend) ||
                  extend->getResult(0).getType() != directive.getType()))
    return directive.emitOpError()
           << "operand " << directive.getOperand() << " of stage '" << directive.getStage()
           << "' is not extended to " << directive.getType();
  if (!isFloat && (!isa_and_present<arith::ExtSIOp, arith::ExtUIOp>(extend) ||
                   element.getType().getIntOrFloatBitWidth() >= bits ||
                   extend->getResult(0).getType().getIntOrFloatBitWidth() <= bits))
    return directive.emitOpError()
           << "operand " << directive.getOperand() << " of stage '" << directive.getStage()
           << "' is not extended from less to more than " << bits << " bits";
  bool isUnsigned = isa<arith::ExtUIOp>(extend);
  Location loc = stage->getLoc();
  OpBuilder builder(*stage);
  int64_t rank = cast<RankedTensorType>(source.getType()).getRank();
  SmallVector<OpFoldResult> shape;
  SmallVector<std::string> loops;
  for (int64_t dim = 0; dim < rank; ++dim) {
    shape.push_back(extentOfDim(builder, source, dim));
    loops.push_back("i" + std::to_string(dim));
  }
  auto copy = buildMap(builder, loc, directive.getCopy(), shape, directive.getType(), loops,
                       [&](OpBuilder &inside, ArrayRef<Value> at) -> Value {
                         Value read = tensor::ExtractOp::create(inside, loc, source, at);
                         if (isFloat)
                           return arith::ExtFOp::create(inside, loc, directive.getType(), read);
                         if (isUnsigned)
                           return arith::ExtUIOp::create(inside, loc, directive.getType(), read);
                         return arith::ExtSIOp::create(inside, loc, directive.getType(), read);
                       });
  // What was read without a sign stays positive: either way the sign goes on from here.
  operand->set(copy.getResult(0));
  element.setType(directive.getType());
  if (isFloat) {
    extend->getResult(0).replaceAllUsesWith(element);
    extend->erase();
    return success();
  }
  OpBuilder inside(extend);
  Type wide = extend->getResult(0).getType();
  extend->getResult(0).replaceAllUsesWith(
      arith::ExtSIOp::create(inside, loc, wide, element).getResult());
  extend->erase();
  return success();
}

LogicalResult groupReduction(kernel::FuncOp kernel, schedule::GroupReductionOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found))
    return failure();
  linalg::GenericOp stage = *found;
  FailureOr<unsigned> number = lookupReduction(stage, directive, directive.getLoop());
  if (failed(number))
    return failure();
  unsigned loop = *number, inner = stage.getNumLoops();
  int64_t factor = directive.getFactor();
  Location loc = stage.getLoc();
  OpBuilder builder(stage);
  AffineExpr k = builder.getAffineDimExpr(loop), place = builder.getAffineDimExpr(inner);
  AffineExpr tileOf = k.floorDiv(factor), placeIn = k % factor;

  // The extent: of the loop itself, or the number of tiles of an operand in tiles.
  OpFoldResult extent = extentOfLoop(builder, stage, loop), tiles;
  for (OpOperand &operand : stage->getOpOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type)
      continue;
    for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(&operand).getResults()))
      if (expr == tileOf)
        tiles = extentOfDim(builder, operand.get(), dim);
  }
  std::optional<int64_t> constant = extent ? getConstantIntValue(extent) : std::nullopt;
  bool divides = constant && *constant % factor == 0;
  if (extent)
    tiles = ceilDiv(builder, loc, extent, factor);
  if (!tiles)
    return directive.emitOpError()
           << "no operand tells the extent of '" << directive.getLoop() << "'";

  Draft draft(stage);
  for (unsigned l = 0; l < inner; ++l)
    draft.extents[l] = l == loop ? tiles : extentOfLoop(builder, stage, l);
  draft.extents.push_back(builder.getIndexAttr(factor));
  for (auto [number, input] : llvm::enumerate(draft.inputs)) {
    if (stage.getRegion().front().getArgument(number).use_empty() &&
        input.map.isFunctionOfDim(loop)) {
      input.read = [](OpBuilder &) { return SmallVector<Value>(); }; // It only told the extent.
      continue;
    }
    SmallVector<AffineExpr> results;
    for (AffineExpr expr : input.map.getResults()) {
      AffineExpr zero = builder.getAffineConstantExpr(0);
      bool isWhole = expr.replace({{tileOf, zero}, {placeIn, zero}}).isFunctionOfDim(loop);
      if (isWhole && !divides)
        return directive.emitOpError()
               << "operand of stage '" << directive.getStage() << "' is not in tiles of " << factor
               << " along '" << directive.getLoop() << "', whose extent it need not divide";
      results.push_back(expr.replace({{tileOf, k}, {placeIn, place}, {k, k * factor + place}}));
    }
    input.map = AffineMap::get(inner + 1, 0, results, builder.getContext());
  }
  draft.indices[loop] = [&](OpBuilder &inside) {
    SmallVector<Value> at(inner + 1);
    at[loop] = linalg::IndexOp::create(inside, loc, loop);
    at[inner] = linalg::IndexOp::create(inside, loc, inner);
    return expand(inside, loc, k * factor + place, at);
  };
  draft.loops.push_back(directive.getInner().str());
  draft.iterators.push_back(utils::IteratorType::reduction);
  draft.outputMap =
      AffineMap::get(inner + 1, 0, draft.outputMap.getResults(), builder.getContext());
  linalg::GenericOp built = draft.build(builder);
  stage.replaceAllUsesWith(built.getResults());
  stage.erase();
  return success();
}

} // namespace tessera::scheduling
