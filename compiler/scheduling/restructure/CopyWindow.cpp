//===- CopyWindow.cpp - Taps of a window side by side -----------------------------------------===//
// 1. One index of the operand is a * p + d * k, p a parallel loop and k the taps. Groups of taps
//    begin at a * p + d * factor * n. Where a divides d * factor, these are multiples of a: only
//    they are copied.
// 2. copy[.., i, .., t] = x[.., min(step * i + d * t, last), ..]: the tap comes last.
// 3. The stage reads group and tap: `group_reduction` makes loops of them.
#include "compiler/scheduling/KernelAnalysis.h"
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "dialects/kernel/Likely.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult copyWindow(kernel::FuncOp kernel, schedule::CopyWindowOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found) || failed(expectFree(kernel, directive, directive.getCopy())))
    return failure();
  linalg::GenericOp stage = *found;
  if (directive.getOperand() >= uint64_t(stage.getNumDpsInputs()))
    return directive.emitOpError()
           << "names operand " << directive.getOperand() << " of stage '" << directive.getStage()
           << "', which has " << stage.getNumDpsInputs();
  FailureOr<unsigned> taps = lookupLoop(stage, directive, directive.getLoop());
  if (failed(taps))
    return failure();
  OpOperand *operand = stage.getDpsInputOperand(directive.getOperand());
  AffineMap map = stage.getMatchingIndexingMap(operand);
  int64_t factor = directive.getFactor();

  // (1)
  std::optional<unsigned> dim, parallel;
  int64_t move = 0, dilation = 0;
  unsigned dependent = 0;
  for (auto [d, form] : llvm::enumerate(formsOf(map))) {
    if (!form.loops.test(*taps))
      continue;
    ++dependent;
    if (!form.linear || form.loops.count() != 2)
      continue;
    dim = d;
    dilation = form.coefficients[*taps];
    for (unsigned loop : form.loops.set_bits())
      if (loop != *taps) {
        parallel = loop;
        move = form.coefficients[loop];
      }
  }
  if (!dim || dependent != 1 || move <= 0 || dilation <= 0 ||
      stage.getIteratorTypesArray()[*parallel] != utils::IteratorType::parallel)
    return directive.emitOpError() << "operand " << directive.getOperand() << " of stage '"
                                   << directive.getStage() << "' is not read by a window that '"
                                   << directive.getLoop() << "' moves along one of its dimensions";
  int64_t step = dilation * factor % move == 0 ? move : 1;

  // (2)
  Value source = operand->get();
  auto type = cast<RankedTensorType>(source.getType());
  Location loc = stage.getLoc();
  OpBuilder builder(stage);
  SmallVector<OpFoldResult> shape;
  SmallVector<std::string> loops;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    shape.push_back(extentOfDim(builder, source, d));
    loops.push_back("i" + std::to_string(d));
  }
  OpFoldResult extent = shape[*dim];
  shape[*dim] = ceilDiv(builder, loc, extent, step);
  shape.push_back(builder.getIndexAttr(factor));
  loops.push_back("t");
  auto copy = buildMap(
      builder, loc, directive.getCopy(), shape, type.getElementType(), loops,
      [&](OpBuilder &inside, ArrayRef<Value> at) -> Value {
        SmallVector<Value> coordinates(at.drop_back());
        auto times = [&](Value value, int64_t by) -> Value {
          if (by == 1)
            return value;
          return arith::MulIOp::create(inside, loc, value,
                                       arith::ConstantIndexOp::create(inside, loc, by));
        };
        Value index =
            arith::AddIOp::create(inside, loc, times(at[*dim], step), times(at.back(), dilation));
        Value one = arith::ConstantIndexOp::create(inside, loc, 1);
        Value last = arith::SubIOp::create(inside, loc, materialize(inside, loc, extent), one);
        auto least = arith::MinSIOp::create(inside, loc, index, last);
        least->setAttr(kernel::kLikelyAttr, inside.getUnitAttr());
        coordinates[*dim] = least;
        return tensor::ExtractOp::create(inside, loc, source, coordinates);
      });

  // (3)
  AffineExpr k = builder.getAffineDimExpr(*taps), p = builder.getAffineDimExpr(*parallel);
  SmallVector<AffineExpr> results(map.getResults());
  results[*dim] = p * (move / step) + k.floorDiv(factor) * (dilation * factor / step);
  results.push_back(k % factor);
  SmallVector<AffineMap> maps(stage.getIndexingMapsArray());
  maps[operand->getOperandNumber()] =
      AffineMap::get(map.getNumDims(), 0, results, builder.getContext());
  operand->set(copy.getResult(0));
  stage.setIndexingMapsAttr(builder.getAffineMapArrayAttr(maps));
  return success();
}

} // namespace tessera::scheduling
