//===- TileCopy.cpp - Factors of a tile, from memory to shared memory -----------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/Affine/Utils.h"

using namespace mlir;

namespace tessera::nvgpu {

/// A piece does not go on in another row of several fused ones.
SharedTile::Alignment BlockTile::alignmentOf(const Factor &factor) {
  const Axis &along = factor.alongDepth ? steps : *factor.axis;
  Values others;
  if (along.parts.size() > 1)
    others.push_back((factor.alongDepth ? inner : outer).extents.lookup(along.parts.back()).value);
  return SharedTile::alignmentOf(f.arguments.find(factor.argument)->second, factor.perChunk,
                                 others);
}

LogicalResult BlockTile::copy(Factor &factor, Value step, Value to) {
  // Lanes take lines first where memory runs across them.
  const bool linesFirst = !factor.argument && factor.isContiguousAcross;
  if (!factor.argument)
    return share(
        {thread, threads}, factor.lines * factor.chunks, /*isRolled=*/false, [&](Value number) {
          const int64_t width = linesFirst ? factor.lines : factor.chunks;
          Value fast = rem(number, width), slow = div(number, width);
          return computeChunk(factor, step, to, linesFirst ? fast : slow, linesFirst ? slow : fast);
        });
  // What narrow copies need of the thread is computed where it is needed, and for one turn at a
  // time: it would take registers from the sums of all blocks, whose chunks may be copied, too.
  auto crew = [&](bool isNarrow) -> Crew {
    if (!isNarrow)
      return {thread, threads};
    return {opaque(thread, arith::IndexCastOp::create(b, b.getI64Type(), step)), threads};
  };
  auto copyPieces = [&](int64_t elements) {
    const bool isNarrow = elements < factor.perChunk;
    const int64_t perLine = factor.chunks * factor.perChunk / elements;
    return share(crew(isNarrow), factor.lines * perLine, isNarrow, [&](Value number) {
      copyPiece(factor, step, to, div(number, perLine), mul(rem(number, perLine), elements),
                elements);
      return success();
    });
  };
  auto copyElements = [&] {
    return shareElements(
        crew(true), factor.lines, factor.chunks * factor.perChunk, 16 / factor.perChunk,
        [&](Value line, Value element) {
          return loadElement(factor, placeOf(factor, step, line, element));
        },
        [&](Value line, Value element) { return byteOf(factor, to, line, element); });
  };
  return copyWhere(factor.alignment, factor.perChunk, copyPieces, copyElements);
}

/// As any element of a stage; zero behind the ends.
FailureOr<Value> BlockTile::loadElement(const Factor &factor, const Place &at) {
  Value onAxis = remaining(*factor.axis, {}, factor.axis == &rows ? at.row : at.column);
  Value least = arith::MinSIOp::create(b, onAxis, remaining(steps, at.step, at.depth));
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, least, index(0));
  IRMapping known;
  FailureOr<Value> value = f.scalar(stage, factor.scalar, place(at), known);
  if (failed(value))
    return failure();
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(factor.element));
  return Value(arith::SelectOp::create(b, isThere, *value, zero));
}

BlockTile::Place BlockTile::placeOf(const Factor &factor, Value step, Value line, Value element) {
  Value across = index(line), along = index(element);
  if (!factor.alongDepth)
    std::swap(across, along);
  Place place{{}, {}, step, along};
  (factor.axis == &rows ? place.row : place.column) = across;
  return place;
}

BlockTile::Place BlockTile::placeOf(const Factor &factor, Value step, Value line, Value chunk,
                                    int64_t element) {
  return placeOf(factor, step, line, add(mul(chunk, factor.perChunk), element));
}

Value BlockTile::byteOf(const Factor &factor, Value to, Value line, Value element) {
  Value chunk = div(element, factor.perChunk), inside = rem(element, factor.perChunk);
  return add(add(to, slot(factor, line, chunk)), mul(inside, 16 / factor.perChunk));
}

/// Zeros where the tensor ends before.
void BlockTile::copyPiece(const Factor &factor, Value step, Value to, Value line, Value first,
                          int64_t elements) {
  const int64_t elementBytes = 16 / factor.perChunk, all = elements * elementBytes;
  Place at = placeOf(factor, step, line, first);
  Value onAxis = remaining(*factor.axis, {}, factor.axis == &rows ? at.row : at.column);
  Value onDepth = remaining(steps, step, at.depth);
  Value along = factor.alongDepth ? onDepth : onAxis, across = factor.alongDepth ? onAxis : onDepth;
  Value zero = index(0);
  along = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, along, index(elements)), zero);
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, across, zero);
  Value count = arith::SelectOp::create(b, isThere, along, zero);
  Value bytes = mul(arith::IndexCastOp::create(b, b.getI32Type(), count), elementBytes);

  const GpuFunction::Memory &source = f.arguments.find(factor.argument)->second;
  Values loops = place(at), place;
  for (AffineExpr expr : factor.map.getResults())
    place.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
  // Behind the end of a line the address would not be one of a piece.
  Value isEmpty = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bytes, i32(0));
  Value from =
      LLVM::SelectOp::create(b, isEmpty, source.pointer, f.address(source, factor.element, place));
  copyAsync(byteOf(factor, to, line, first), from, all, bytes);
}

LogicalResult BlockTile::computeChunk(const Factor &factor, Value step, Value to, Value line,
                                      Value chunk) {
  // Few of them at a time, beside the sums of a tile: they are all under way together.
  const int64_t together = factor.perChunk == 16 ? 4 : factor.perChunk;
  auto type = VectorType::get({together}, factor.element);
  Value elements = LLVM::PoisonOp::create(b, type);
  Value byte = add(to, slot(factor, line, chunk));
  for (int64_t element = 0; element < factor.perChunk; ++element) {
    FailureOr<Value> masked = loadElement(factor, placeOf(factor, step, line, chunk, element));
    if (failed(masked))
      return failure();
    elements = LLVM::InsertElementOp::create(b, elements, *masked, i32(element % together));
    if ((element + 1) % together == 0)
      LLVM::StoreOp::create(b, elements,
                            shared(add(byte, (element + 1 - together) * 16 / factor.perChunk)),
                            unsigned(together * 16 / factor.perChunk));
  }
  return success();
}

} // namespace tessera::nvgpu
