//===- Packing.cpp - Operands in tiles
//----------------------------------------------------------===//
// pack_operand changes the type of an argument and how its readers address it: the indices e of the
// logical tensor become e / tile (outer, permuted) and e % tile (inner). copy_packed does the same
// for one stage, with a copy that the kernel makes.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "dialects/kernel/Likely.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

static kernel::PackedAttr layoutOf(MLIRContext *context, ArrayRef<int64_t> positions,
                                   ArrayRef<int64_t> tiles, ArrayRef<int64_t> permutation) {
  return kernel::PackedAttr::get(context, positions, tiles, permutation);
}

static SmallVector<AffineExpr> packIndices(kernel::PackedAttr layout, ArrayRef<AffineExpr> at,
                                           ArrayRef<int64_t> bounds) {
  SmallVector<AffineExpr> outer(at), inner, results;
  for (auto [dim, tile] : llvm::zip_equal(layout.getInnerDimsPos(), layout.getInnerTiles())) {
    auto [which, where] = cut(at[dim], tile, bounds);
    outer[dim] = which;
    inner.push_back(where);
  }
  for (int64_t dim : layout.getOuterDimsPerm())
    results.push_back(outer[dim]);
  results.append(inner);
  return results;
}

static SmallVector<Value> packCoordinates(kernel::PackedAttr layout, OpBuilder &builder,
                                          Location loc, ValueRange at) {
  SmallVector<Value> outer(at), inner, results;
  for (auto [dim, tile] : llvm::zip_equal(layout.getInnerDimsPos(), layout.getInnerTiles())) {
    Value by = arith::ConstantIndexOp::create(builder, loc, tile);
    outer[dim] = arith::DivUIOp::create(builder, loc, at[dim], by);
    inner.push_back(arith::RemUIOp::create(builder, loc, at[dim], by));
  }
  for (int64_t dim : layout.getOuterDimsPerm())
    results.push_back(outer[dim]);
  results.append(inner);
  return results;
}

/// tensor.dim of the packed argument: the packed dimension that holds the extent unchanged.
static LogicalResult rewriteDims(schedule::PackOperandOp directive, BlockArgument argument,
                                 RankedTensorType logical, kernel::PackedAttr layout) {
  for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
    auto dim = dyn_cast<tensor::DimOp>(user);
    if (!dim)
      continue;
    if (dim->use_empty()) {
      dim.erase();
      continue;
    }
    int64_t number = *dim.getConstantIndex();
    OpBuilder builder(dim);
    if (!logical.isDynamicDim(number)) {
      dim.replaceAllUsesWith(
          arith::ConstantIndexOp::create(builder, dim.getLoc(), logical.getDimSize(number))
              .getResult());
      dim.erase();
      continue;
    }
    if (llvm::is_contained(layout.getInnerDimsPos(), number))
      return directive.emitOpError()
             << "the kernel takes the extent of dimension " << number << " from argument "
             << argument.getArgNumber() << ", which does not tell it once packed";
    int64_t place =
        llvm::find(layout.getOuterDimsPerm(), number) - layout.getOuterDimsPerm().begin();
    dim.replaceAllUsesWith(
        tensor::DimOp::create(builder, dim.getLoc(), argument, place).getResult());
    dim.erase();
  }
  return success();
}

LogicalResult packOperand(kernel::FuncOp kernel, schedule::PackOperandOp directive) {
  uint64_t number = directive.getArgument();
  if (number >= uint64_t(kernel.getNumTensorArguments()))
    return directive.emitOpError() << "packs argument " << number << " of a kernel with "
                                   << kernel.getNumTensorArguments() << " tensor arguments";
  if (kernel.getArgAttr(number, kernel::KernelDialect::kLayoutAttr))
    return directive.emitOpError() << "argument " << number << " is packed already";
  BlockArgument argument = kernel.getArgument(number);
  auto logical = cast<RankedTensorType>(argument.getType());
  if (logical.getRank() != static_cast<int64_t>(directive.getOuterDimsPerm().size()))
    return directive.emitOpError()
           << "argument " << number << " has rank " << logical.getRank() << ", outer_dims_perm has "
           << directive.getOuterDimsPerm().size() << " entries";
  kernel::PackedAttr layout = layoutOf(kernel.getContext(), directive.getInnerDimsPos(),
                                       directive.getInnerTiles(), directive.getOuterDimsPerm());
  // Readers are built anew while the argument has its new type: a stand-in keeps the old one apart.
  Block &body = kernel.getBody().front();
  BlockArgument packed = body.insertArgument(number, layout.packedType(logical), argument.getLoc());
  argument = body.getArgument(number + 1);
  if (failed(rewriteReads(
          argument, packed,
          [&](ArrayRef<AffineExpr> at, ArrayRef<int64_t> bounds) {
            return packIndices(layout, at, bounds);
          },
          [&](OpBuilder &builder, Location loc, ValueRange at) {
            return packCoordinates(layout, builder, loc, at);
          },
          [&] { return directive.emitOpError() << "argument " << number << " "; })))
    return failure();
  for (Operation *user : llvm::make_early_inc_range(argument.getUsers()))
    if (!isa<tensor::DimOp>(user))
      return directive.emitOpError()
             << "argument " << number << " has a reader that cannot be packed";
  // The dimensions that are still asked for are asked of the packed argument.
  argument.replaceAllUsesWith(packed);
  body.eraseArgument(number + 1);
  SmallVector<Type> types(kernel.getArgumentTypes());
  types[number] = packed.getType();
  kernel.setFunctionType(FunctionType::get(kernel.getContext(), types, kernel.getResultTypes()));
  kernel.setArgAttr(number, kernel::KernelDialect::kLayoutAttr, layout);
  return rewriteDims(directive, packed, logical, layout);
}

LogicalResult copyPacked(kernel::FuncOp kernel, schedule::CopyPackedOp directive) {
  FailureOr<linalg::GenericOp> stage = lookupStage(kernel, directive, directive.getStage());
  if (failed(stage) || failed(expectFree(kernel, directive, directive.getCopy())))
    return failure();
  if (directive.getOperand() >= uint64_t(stage->getNumDpsInputs()))
    return directive.emitOpError()
           << "names operand " << directive.getOperand() << " of stage '" << directive.getStage()
           << "', which has " << stage->getNumDpsInputs();
  Value source = stage->getDpsInputOperand(directive.getOperand())->get();
  auto logical = dyn_cast<RankedTensorType>(source.getType());
  int64_t rank = directive.getOuterDimsPerm().size();
  if (!logical || logical.getRank() != rank)
    return directive.emitOpError() << "expected an operand of rank " << rank;
  kernel::PackedAttr layout = layoutOf(kernel.getContext(), directive.getInnerDimsPos(),
                                       directive.getInnerTiles(), directive.getOuterDimsPerm());
  Location loc = stage->getLoc();
  OpBuilder builder(*stage);
  SmallVector<OpFoldResult> extents, outer, shape;
  for (int64_t dim = 0; dim < rank; ++dim)
    extents.push_back(extentOfDim(builder, source, dim));
  outer = extents;
  for (auto [dim, tile] : llvm::zip_equal(layout.getInnerDimsPos(), layout.getInnerTiles()))
    outer[dim] = ceilDiv(builder, loc, extents[dim], tile);
  SmallVector<std::string> loops;
  for (int64_t dim : layout.getOuterDimsPerm()) {
    shape.push_back(outer[dim]);
    loops.push_back("i" + std::to_string(dim));
  }
  for (auto [dim, tile] : llvm::zip_equal(layout.getInnerDimsPos(), layout.getInnerTiles())) {
    shape.push_back(builder.getIndexAttr(tile));
    loops.push_back("t" + std::to_string(dim));
  }
  auto copy = buildMap(
      builder, loc, directive.getCopy(), shape, logical.getElementType(), loops,
      [&](OpBuilder &inside, ArrayRef<Value> at) -> Value {
        SmallVector<Value> coordinates(rank);
        for (auto [place, dim] : llvm::enumerate(layout.getOuterDimsPerm()))
          coordinates[dim] = at[place];
        Value isInside;
        for (auto [place, dim] : llvm::enumerate(layout.getInnerDimsPos())) {
          int64_t tile = layout.getInnerTiles()[place];
          Value by = arith::ConstantIndexOp::create(inside, loc, tile);
          Value index = arith::AddIOp::create(
              inside, loc, arith::MulIOp::create(inside, loc, coordinates[dim], by),
              at[rank + place]);
          coordinates[dim] = index;
          if (isMultiple(extents[dim], tile))
            continue;
          Value extent = materialize(inside, loc, extents[dim]);
          Value one = arith::ConstantIndexOp::create(inside, loc, 1);
          Value below =
              arith::CmpIOp::create(inside, loc, arith::CmpIPredicate::slt, index, extent);
          isInside = isInside ? Value(arith::AndIOp::create(inside, loc, isInside, below)) : below;
          coordinates[dim] = arith::MinSIOp::create(
              inside, loc, index, arith::SubIOp::create(inside, loc, extent, one));
          for (Value mostly : {below, coordinates[dim]})
            mostly.getDefiningOp()->setAttr(kernel::kLikelyAttr, inside.getUnitAttr());
        }
        Value element = tensor::ExtractOp::create(inside, loc, source, coordinates);
        if (!isInside)
          return element;
        Value zero = arith::ConstantOp::create(
            inside, loc, cast<TypedAttr>(inside.getZeroAttr(logical.getElementType())));
        return arith::SelectOp::create(inside, loc, isInside, element, zero);
      });
  return rewriteReads(
      source, copy.getResult(0),
      [&](ArrayRef<AffineExpr> at, ArrayRef<int64_t> bounds) {
        return packIndices(layout, at, bounds);
      },
      [&](OpBuilder &inside, Location loc, ValueRange at) {
        return packCoordinates(layout, inside, loc, at);
      },
      [&] { return directive.emitOpError() << "the operand "; }, *stage);
}

} // namespace tessera::scheduling
