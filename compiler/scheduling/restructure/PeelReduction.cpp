//===- PeelReduction.cpp - The last steps of a sum, apart from the others ---------------------===//
// 1. The head: loop k becomes `outer`, with the new reduction `inner` of constant extent; it starts
//    from the initial values of the stage and does whole pieces, at least one step fewer than there
//    are.
// 2. The stage goes on from there with what is left of the extent.
// Every element is summed in the order it had.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult peelReduction(kernel::FuncOp kernel, schedule::PeelReductionOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found) || failed(expectFree(kernel, directive, directive.getHead())))
    return failure();
  linalg::GenericOp stage = *found;
  FailureOr<unsigned> loop = lookupReduction(stage, directive, directive.getLoop());
  if (failed(loop))
    return failure();
  Location loc = stage.getLoc();
  OpBuilder builder(stage);
  const int64_t factor = directive.getFactor();
  const unsigned numLoops = stage.getNumLoops(), inner = numLoops;
  OpFoldResult extent = extentOfLoop(builder, stage, *loop);
  if (!extent)
    return directive.emitOpError()
           << "no operand tells the extent of '" << directive.getLoop() << "'";
  const std::optional<int64_t> constant = getConstantIntValue(extent);
  if (constant && *constant <= factor)
    return directive.emitOpError() << "loop '" << directive.getLoop() << "' has " << *constant
                                   << " steps; nothing is left for a head of pieces of " << factor;
  OpFoldResult pieces;
  if (constant) {
    pieces = builder.getIndexAttr((*constant - 1) / factor);
  } else {
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    Value atLeast = arith::MaxSIOp::create(builder, loc, cast<Value>(extent), one);
    Value before = arith::SubIOp::create(builder, loc, atLeast, one);
    pieces = floorDiv(builder, loc, before, factor);
  }
  AffineExpr k = builder.getAffineDimExpr(*loop);
  SmallVector<OpFoldResult> extents;
  for (unsigned l = 0; l < numLoops; ++l)
    extents.push_back(l == *loop ? pieces : extentOfLoop(builder, stage, l));

  // (1)
  Draft head(stage);
  AffineExpr whole = k * factor + builder.getAffineDimExpr(inner);
  head.extents = extents;
  head.extents.push_back(builder.getIndexAttr(factor));
  for (Draft::Input &input : head.inputs)
    input.map = input.map.replace(k, whole, numLoops + 1, 0);
  head.indices[*loop] = [&](OpBuilder &inside) {
    SmallVector<Value> at(numLoops + 1);
    at[*loop] = linalg::IndexOp::create(inside, loc, *loop);
    at[inner] = linalg::IndexOp::create(inside, loc, inner);
    return expand(inside, loc, whole, at);
  };
  head.iterators.push_back(utils::IteratorType::reduction);
  head.loops[*loop] = directive.getOuter().str();
  head.loops.push_back(directive.getInner().str());
  head.name = directive.getHead().str();
  head.outputMap =
      AffineMap::get(numLoops + 1, 0, head.outputMap.getResults(), kernel.getContext());
  linalg::GenericOp built = head.build(builder);

  // (2)
  Draft rest(stage);
  rest.inits.assign(built.result_begin(), built.result_end());
  rest.extents = extents;
  Value done;
  if (constant) {
    const int64_t steps = (*constant - 1) / factor * factor;
    rest.extents[*loop] = builder.getIndexAttr(*constant - steps);
    for (Draft::Input &input : rest.inputs)
      input.map = input.map.replace(k, k + steps, numLoops, 0);
    done = arith::ConstantIndexOp::create(builder, loc, steps);
  } else {
    Value by = arith::ConstantIndexOp::create(builder, loc, factor);
    done = arith::MulIOp::create(builder, loc, cast<Value>(pieces), by);
    rest.extents[*loop] =
        arith::SubIOp::create(builder, loc, cast<Value>(extent), done).getResult();
    for (unsigned number = 0; number < rest.inputs.size(); ++number)
      if (rest.inputs[number].map.isFunctionOfDim(*loop))
        rest.readThroughExtract(number);
  }
  rest.indices[*loop] = [&](OpBuilder &inside) -> Value {
    return arith::AddIOp::create(inside, loc, done, linalg::IndexOp::create(inside, loc, *loop));
  };
  stage.replaceAllUsesWith(rest.build(builder).getResults());
  stage.erase();
  return success();
}

} // namespace tessera::scheduling
