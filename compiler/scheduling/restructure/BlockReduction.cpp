//===- BlockReduction.cpp - Several accumulators side by side
//-----------------------------------===//
// 1. The partial stage: loop k becomes `outer`, with the new loop `inner`. One of them is parallel
//    and tells the accumulator: `inner`, the last dimension of its result (of contiguous parts: the
//    first), or of runs `outer`, the first. It starts from the identity and covers whole blocks
//    only.
// 2. The merge combines the accumulators, starting from the initial values of the stage.
// 3. The stage itself goes on from there with what is left of the extent, unless nothing is.
// Reassociates: needs a combiner that is known to be associative and commutative.
#include "compiler/scheduling/KernelAnalysis.h"
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult blockReduction(kernel::FuncOp kernel, schedule::BlockReductionOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found) || failed(expectFree(kernel, directive, directive.getPartial())))
    return failure();
  linalg::GenericOp stage = *found;
  FailureOr<unsigned> loop = lookupReduction(stage, directive, directive.getLoop());
  if (failed(loop))
    return failure();
  SmallVector<Combiner> combiners;
  for (unsigned result = 0; result < stage.getNumResults(); ++result) {
    std::optional<Combiner> combiner = matchCombiner(stage, result);
    if (!combiner)
      return directive.emitOpError()
             << "stage '" << directive.getStage() << "' is not known to reduce associatively";
    combiners.push_back(*combiner);
  }
  MLIRContext *context = kernel.getContext();
  Location loc = stage.getLoc();
  OpBuilder builder(stage);
  int64_t factor = directive.getFactor();
  unsigned numLoops = stage.getNumLoops(), inner = numLoops;
  OpFoldResult extent = extentOfLoop(builder, stage, *loop);
  if (!extent)
    return directive.emitOpError()
           << "no operand tells the extent of '" << directive.getLoop() << "'";
  OpFoldResult blocks = floorDiv(builder, loc, extent, factor);
  std::optional<int64_t> constant = getConstantIntValue(extent);
  const bool isContiguous = directive.getContiguous();
  if (isContiguous && (!constant || *constant % factor != 0))
    return directive.emitOpError() << "needs a constant extent that is a multiple of " << factor
                                   << " for contiguous parts of '" << directive.getLoop() << "'";
  const bool areRuns = directive.getRuns(), isFirst = isContiguous || areRuns;
  AffineMap outputMap = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  AffineExpr k = builder.getAffineDimExpr(*loop);
  SmallVector<OpFoldResult> extents;
  for (unsigned l = 0; l < numLoops; ++l)
    extents.push_back(l == *loop ? blocks : extentOfLoop(builder, stage, l));

  // (1)
  Draft partial(stage);
  AffineExpr innerExpr = builder.getAffineDimExpr(inner);
  AffineExpr whole = isContiguous ? innerExpr * (*constant / factor) + k : k * factor + innerExpr;
  partial.extents = extents;
  partial.extents.push_back(builder.getIndexAttr(factor));
  for (Draft::Input &input : partial.inputs)
    input.map = input.map.replace(k, whole, numLoops + 1, 0);
  partial.indices[*loop] = [&](OpBuilder &inside) {
    SmallVector<Value> at(numLoops + 1);
    at[*loop] = linalg::IndexOp::create(inside, loc, *loop);
    at[inner] = linalg::IndexOp::create(inside, loc, inner);
    return expand(inside, loc, whole, at);
  };
  partial.iterators.push_back(utils::IteratorType::parallel);
  if (areRuns)
    std::swap(partial.iterators[*loop], partial.iterators[inner]);
  partial.loops[*loop] = directive.getOuter().str();
  partial.loops.push_back(directive.getInner().str());
  partial.name = directive.getPartial().str();
  SmallVector<AffineExpr> place(outputMap.getResults());
  place.insert(isFirst ? place.begin() : place.end(), areRuns ? k : innerExpr);
  partial.outputMap = AffineMap::get(numLoops + 1, 0, place, context);
  for (auto [number, init] : llvm::enumerate(partial.inits)) {
    auto type = cast<RankedTensorType>(init.getType());
    SmallVector<OpFoldResult> shape;
    for (int64_t d = 0; d < type.getRank(); ++d)
      shape.push_back(extentOfDim(builder, init, d));
    shape.insert(isFirst ? shape.begin() : shape.end(),
                 areRuns ? blocks : builder.getIndexAttr(factor));
    Value identity = arith::ConstantOp::create(builder, loc, combiners[number].identity);
    auto fill =
        linalg::FillOp::create(builder, loc, ValueRange{identity},
                               ValueRange{emptyTensor(builder, loc, shape, type.getElementType())});
    kernel::setStage(fill, freshStageName(kernel, partial.name + "_init"));
    init = fill.getResult(0);
  }
  linalg::GenericOp built = partial.build(builder);

  // (2)
  unsigned rank = outputMap.getNumResults();
  bool hasTail = !isMultiple(extent, factor);
  AffineMap parts = builder.getMultiDimIdentityMap(rank + 1);
  if (isFirst) {
    SmallVector<AffineExpr> moved(parts.getResults());
    std::rotate(moved.begin(), moved.end() - 1, moved.end());
    parts = AffineMap::get(rank + 1, 0, moved, context);
  }
  SmallVector<AffineMap> maps(built.getNumResults(), parts);
  maps.append(built.getNumResults(), builder.getMultiDimIdentityMap(rank + 1).dropResult(rank));
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  auto merge = linalg::GenericOp::create(
      builder, loc, stage.getResultTypes(), built.getResults(), stage.getDpsInits(), maps,
      iterators, [&](OpBuilder &inside, Location, ValueRange arguments) {
        SmallVector<Value> combined;
        for (auto [number, combiner] : llvm::enumerate(combiners))
          combined.push_back(combiner.combine(inside, loc, arguments[combiners.size() + number],
                                              arguments[number]));
        linalg::YieldOp::create(inside, loc, combined);
      });
  SmallVector<std::string> names = kernel::getLoopNames(stage);
  SmallVector<StringRef> mergeLoops;
  for (AffineExpr expr : outputMap.getResults())
    mergeLoops.push_back(names[cast<AffineDimExpr>(expr).getPosition()]);
  mergeLoops.push_back(areRuns ? directive.getOuter() : directive.getInner());
  kernel::setStage(merge,
                   hasTail ? freshStageName(kernel, directive.getStage().str() + "_merge")
                           : directive.getStage().str(),
                   mergeLoops);
  if (!hasTail) {
    stage.replaceAllUsesWith(merge.getResults());
    stage.erase();
    return success();
  }

  // (3)
  Draft tail(stage);
  tail.inits.assign(merge.result_begin(), merge.result_end());
  tail.extents = extents;
  if (constant) {
    int64_t done = *constant / factor * factor;
    tail.extents[*loop] = builder.getIndexAttr(*constant - done);
    for (Draft::Input &input : tail.inputs)
      input.map = input.map.replace(k, k + done, numLoops, 0);
    tail.indices[*loop] = [&, done](OpBuilder &inside) -> Value {
      Value base = arith::ConstantIndexOp::create(inside, loc, done);
      return arith::AddIOp::create(inside, loc, base, linalg::IndexOp::create(inside, loc, *loop));
    };
    linalg::GenericOp rest = tail.build(builder);
    stage.replaceAllUsesWith(rest.getResults());
  } else {
    Value by = arith::ConstantIndexOp::create(builder, loc, factor);
    Value done = arith::MulIOp::create(builder, loc, cast<Value>(blocks), by);
    tail.extents[*loop] =
        arith::SubIOp::create(builder, loc, materialize(builder, loc, extent), done).getResult();
    tail.indices[*loop] = [&, done](OpBuilder &inside) -> Value {
      return arith::AddIOp::create(inside, loc, done, linalg::IndexOp::create(inside, loc, *loop));
    };
    for (unsigned number = 0; number < tail.inputs.size(); ++number)
      if (tail.inputs[number].map.isFunctionOfDim(*loop))
        tail.readThroughExtract(number);
    linalg::GenericOp rest = tail.build(builder);
    stage.replaceAllUsesWith(rest.getResults());
  }
  stage.erase();
  return success();
}

} // namespace tessera::scheduling
