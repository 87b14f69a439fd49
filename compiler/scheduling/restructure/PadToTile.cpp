//===- PadToTile.cpp - Full tiles of a parallel loop ------------------------------------------===//
// 1. The stage gets the loops `outer` (in place of the loop) and `inner` (last); its tensor gets
// the
//    extent of `inner` as last dimension.
// 2. Reads: what is in tiles of the same size is read by tile and place. Where the factor
//    divides a constant extent, maps stay affine. Otherwise the body reads at the clamped index, so
//    the last tile is computed from the last element over and over, and nobody reads that.
// 3. Initial values that are no fill become a stage of the new shape.
// 4. Readers address tile and place.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "dialects/kernel/Likely.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

namespace {
class Padder {
public:
  Padder(kernel::FuncOp kernel, schedule::PadToTileOp directive)
      : kernel(kernel), directive(directive), factor(directive.getFactor()) {}

  LogicalResult run() {
    FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
    if (failed(found))
      return failure();
    stage = *found;
    FailureOr<unsigned> number = lookupLoop(stage, directive, directive.getLoop());
    if (failed(number))
      return failure();
    loop = *number;
    if (stage.getIteratorTypesArray()[loop] != utils::IteratorType::parallel)
      return directive.emitOpError()
             << "needs a parallel loop; '" << directive.getLoop() << "' reduces";
    for (Value result : stage.getResults())
      for (Operation *user : result.getUsers())
        if (isa<kernel::ReturnOp>(user))
          return directive.emitOpError() << "stage '" << directive.getStage()
                                         << "' is a result of the kernel; use cache_write first";
    OpBuilder builder(stage);
    extent = extentOfLoop(builder, stage, loop);
    if (!extent)
      return directive.emitOpError()
             << "no operand tells the extent of '" << directive.getLoop() << "'";
    divides = isMultiple(extent, factor);
    tiles = ceilDiv(builder, stage.getLoc(), extent, factor);
    return rebuild(builder);
  }

private:
  /// The old index in terms of the new loops.
  AffineExpr whole(OpBuilder &builder) {
    return builder.getAffineDimExpr(loop) * factor + builder.getAffineDimExpr(inner());
  }
  unsigned inner() { return stage.getNumLoops(); }

  Value clampedIndex(OpBuilder &builder) {
    Location loc = stage.getLoc();
    Value index = expand(builder, loc, whole(builder), loopValues(builder));
    if (divides)
      return index;
    if (!lastIndex)
      return index;
    auto least = arith::MinSIOp::create(builder, loc, index, lastIndex);
    if (directive.getLikely())
      least->setAttr(kernel::kLikelyAttr, builder.getUnitAttr());
    return least;
  }

  SmallVector<Value> loopValues(OpBuilder &builder) {
    SmallVector<Value> values(inner() + 1);
    values[loop] = linalg::IndexOp::create(builder, stage.getLoc(), loop);
    values[inner()] = linalg::IndexOp::create(builder, stage.getLoc(), inner());
    return values;
  }

  /// (2)
  void adaptInput(OpBuilder &builder, Draft &draft, unsigned number) {
    Draft::Input &input = draft.inputs[number];
    AffineMap old = input.map;
    AffineExpr dim = builder.getAffineDimExpr(loop);
    AffineExpr tile = dim.floorDiv(factor), place = dim % factor;
    bool uses = old.isFunctionOfDim(loop), affine = true;
    SmallVector<AffineExpr> results;
    for (AffineExpr expr : old.getResults()) {
      if (expr == tile) {
        results.push_back(dim);
      } else if (expr == place) {
        results.push_back(builder.getAffineDimExpr(inner()));
      } else {
        affine &= divides || !expr.isFunctionOfDim(loop);
        results.push_back(expr.replace(dim, whole(builder)));
      }
    }
    if (!uses || affine)
      input.map = AffineMap::get(inner() + 1, 0, results, builder.getContext());
    else
      draft.readThroughExtract(number);
  }

  /// (3)
  Value tiledInit(OpBuilder &builder, Value init, ArrayRef<OpFoldResult> shape, unsigned position) {
    Location loc = stage.getLoc();
    Type element = cast<RankedTensorType>(init.getType()).getElementType();
    if (auto fill = init.getDefiningOp<linalg::FillOp>()) {
      auto tiled = linalg::FillOp::create(builder, loc, fill.getInputs(),
                                          ValueRange{emptyTensor(builder, loc, shape, element)});
      std::string name = kernel::getStageName(fill).str();
      if (fill->hasOneUse())
        fill->removeAttr(kernel::KernelDialect::kStageAttr);
      else
        name = freshStageName(kernel, name + "_tiled");
      kernel::setStage(tiled, name);
      return tiled.getResult(0);
    }
    if (init.getDefiningOp<tensor::EmptyOp>())
      return emptyTensor(builder, loc, shape, element);
    SmallVector<std::string> loops;
    for (unsigned d = 0; d < shape.size(); ++d)
      loops.push_back("i" + std::to_string(d));
    auto map = buildMap(builder, loc, freshStageName(kernel, directive.getStage().str() + "_init"),
                        shape, element, loops, [&](OpBuilder &inside, ArrayRef<Value> at) -> Value {
                          SmallVector<Value> coordinates(at.drop_back());
                          Value by = arith::ConstantIndexOp::create(inside, loc, factor);
                          Value index = arith::AddIOp::create(
                              inside, loc, arith::MulIOp::create(inside, loc, at[position], by),
                              at.back());
                          if (!divides)
                            index = arith::MinSIOp::create(inside, loc, index, lastIndex);
                          coordinates[position] = index;
                          return tensor::ExtractOp::create(inside, loc, init, coordinates);
                        });
    return map.getResult(0);
  }

  LogicalResult rebuild(OpBuilder &builder) {
    Location loc = stage.getLoc();
    Draft draft(stage);
    for (unsigned l = 0; l < draft.loops.size(); ++l)
      if (l != loop)
        draft.extents[l] = extentOfLoop(builder, stage, l);
    draft.extents[loop] = tiles;
    draft.extents.push_back(builder.getIndexAttr(factor));
    if (!divides) {
      Value one = arith::ConstantIndexOp::create(builder, loc, 1);
      lastIndex = arith::SubIOp::create(builder, loc, materialize(builder, loc, extent), one);
    }
    draft.tiled = Draft::Tiled{loop, inner(), factor};
    draft.indices[loop] = [this](OpBuilder &inside) { return clampedIndex(inside); };
    for (unsigned number = 0; number < draft.inputs.size(); ++number)
      adaptInput(builder, draft, number);
    draft.loops[loop] = directive.getOuter().str();
    draft.loops.push_back(directive.getInner().str());
    draft.iterators.push_back(utils::IteratorType::parallel);

    SmallVector<AffineExpr> place(draft.outputMap.getResults());
    unsigned position = llvm::find(place, builder.getAffineDimExpr(loop)) - place.begin();
    if (position == place.size())
      return directive.emitOpError()
             << "loop '" << directive.getLoop() << "' is no dimension of the result";
    place.push_back(builder.getAffineDimExpr(inner()));
    draft.outputMap = AffineMap::get(inner() + 1, 0, place, builder.getContext());
    for (Value &init : draft.inits) {
      SmallVector<OpFoldResult> shape;
      int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
      for (int64_t d = 0; d < rank; ++d)
        shape.push_back(d == position ? tiles : extentOfDim(builder, init, d));
      shape.push_back(builder.getIndexAttr(factor));
      init = tiledInit(builder, init, shape, position);
    }
    linalg::GenericOp built = draft.build(builder);

    // (4)
    int64_t tile = factor;
    for (auto [from, to] : llvm::zip_equal(stage.getResults(), built.getResults()))
      if (failed(rewriteReads(
              from, to,
              [&](ArrayRef<AffineExpr> at, ArrayRef<int64_t> bounds) {
                SmallVector<AffineExpr> results(at);
                auto [which, where] = cut(at[position], tile, bounds);
                results[position] = which;
                results.push_back(where);
                return results;
              },
              [&](OpBuilder &inside, Location loc, ValueRange at) {
                SmallVector<Value> results(at);
                Value by = arith::ConstantIndexOp::create(inside, loc, tile);
                results[position] = arith::DivUIOp::create(inside, loc, at[position], by);
                results.push_back(arith::RemUIOp::create(inside, loc, at[position], by));
                return results;
              },
              [&] {
                return directive.emitOpError() << "stage '" << directive.getStage() << "' ";
              })))
        return failure();
    stage.erase();
    return success();
  }

  kernel::FuncOp kernel;
  schedule::PadToTileOp directive;
  int64_t factor;
  linalg::GenericOp stage;
  unsigned loop = 0;
  OpFoldResult extent, tiles;
  Value lastIndex;
  bool divides = false;
};
} // namespace

LogicalResult padToTile(kernel::FuncOp kernel, schedule::PadToTileOp directive) {
  return Padder(kernel, directive).run();
}

} // namespace tessera::scheduling
