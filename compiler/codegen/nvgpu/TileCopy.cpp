//===- TileCopy.cpp - Factors of a tile, from memory to shared memory -----------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// A piece does not go on in another row of several fused ones.
Value BlockTile::isAligned(const Factor &factor, int64_t multiple) {
  const Axis &along = factor.alongDepth ? steps : *factor.axis;
  Values others;
  if (along.parts.size() > 1)
    others.push_back((factor.alongDepth ? inner : outer).extents.lookup(along.parts.back()).value);
  return SharedTile::isAligned(f.arguments.find(factor.argument)->second, 16 / factor.perChunk,
                               others, multiple);
}

LogicalResult BlockTile::copy(Factor &factor, Value step, Value to) {
  // Lanes take lines first where memory runs across them.
  const bool linesFirst = !factor.argument && factor.isContiguousAcross;
  if (!factor.argument)
    return share(factor.lines * factor.chunks, /*isRolled=*/false, [&](Value number) {
      const int64_t width = linesFirst ? factor.lines : factor.chunks;
      Value fast = rem(number, width), slow = div(number, width);
      return computeChunk(factor, step, to, linesFirst ? fast : slow, linesFirst ? slow : fast);
    });
  using Copy = llvm::function_ref<LogicalResult()>;
  auto choose = [&](Value condition, Copy then, Copy otherwise) {
    auto run = [](Copy copy) {
      return [copy](Values) -> FailureOr<Values> {
        if (failed(copy()))
          return failure();
        return Values();
      };
    };
    return success(succeeded(f.either(condition, {}, run(then), run(otherwise))));
  };
  auto copyPieces = [&](int64_t elements) {
    const int64_t perLine = factor.chunks * factor.perChunk / elements;
    return share(factor.lines * perLine, elements < factor.perChunk, [&](Value number) {
      copyPiece(factor, step, to, div(number, perLine), mul(rem(number, perLine), elements),
                elements);
      return success();
    });
  };
  // What follows from the thread is computed where it is needed, and for one turn at a time: it
  // would take registers from the sums of all blocks, whose chunks may be copied, too.
  auto copyNarrow = [&]() -> LogicalResult {
    const Value own = thread;
    thread = opaque(own, arith::IndexCastOp::create(b, b.getI64Type(), step));
    auto copyWords = [&] { return copyPieces(wordBytes(factor) * factor.perChunk / 16); };
    LogicalResult done =
        factor.mayCopyWords
            ? choose(factor.mayCopyWords, copyWords, [&] { return copyElements(factor, step, to); })
            : copyWords();
    thread = own;
    return done;
  };
  return choose(factor.mayCopy, [&] { return copyPieces(factor.perChunk); }, copyNarrow);
}

/// Of so many things in a row, those that this thread takes: its neighbours take theirs.
LogicalResult BlockTile::share(int64_t total, bool isRolled,
                               llvm::function_ref<LogicalResult(Value)> take) {
  auto turn = [&](Value turn, Values) -> FailureOr<Values> {
    Value before = mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), threads);
    Value number = add(before, thread);
    auto bring = [&](Values) -> FailureOr<Values> {
      if (failed(take(number)))
        return failure();
      return Values();
    };
    if (total % threads == 0)
      return bring({});
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, number, i32(total));
    return f.guard(isThere, {}, bring);
  };
  return success(succeeded(f.loop(index((total + threads - 1) / threads), {}, turn, isRolled)));
}

/// No asynchronous copy is so narrow: those of several lines are under way together.
LogicalResult BlockTile::copyElements(const Factor &factor, Value step, Value to) {
  const int64_t perLine = factor.chunks * factor.perChunk;
  int64_t together = 8;
  while (together > 1 &&
         (factor.lines % together || factor.lines / together * perLine % threads != 0))
    together /= 2;
  const int64_t apart = factor.lines / together;
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(factor.element));
  return share(apart * perLine, /*isRolled=*/true, [&](Value number) -> LogicalResult {
    Value first = div(number, perLine), element = rem(number, perLine);
    Values values;
    for (int64_t part = 0; part < together; ++part) {
      Place at = placeOf(factor, step, add(first, part * apart), element);
      Value onAxis = remaining(*factor.axis, {}, factor.axis == &rows ? at.row : at.column);
      Value least = arith::MinSIOp::create(b, onAxis, remaining(steps, step, at.depth));
      Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, least, index(0));
      IRMapping known;
      FailureOr<Value> value = f.scalar(stage, factor.scalar, place(at), known);
      if (failed(value))
        return failure();
      values.push_back(arith::SelectOp::create(b, isThere, *value, zero));
    }
    for (auto [part, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(b, value,
                            shared(byteOf(factor, to, add(first, int64_t(part) * apart), element)),
                            unsigned(16 / factor.perChunk));
    return success();
  });
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
  NVVM::CpAsyncOp::create(
      b, shared(byteOf(factor, to, line, first)), from, int32_t(all),
      all == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA, bytes);
}

LogicalResult BlockTile::computeChunk(const Factor &factor, Value step, Value to, Value line,
                                      Value chunk) {
  // Few of them at a time, beside the sums of a tile: they are all under way together.
  const int64_t together = factor.perChunk == 16 ? 4 : factor.perChunk;
  auto type = VectorType::get({together}, factor.element);
  Value elements = LLVM::PoisonOp::create(b, type);
  Value byte = add(to, slot(factor, line, chunk));
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(factor.element));
  for (int64_t element = 0; element < factor.perChunk; ++element) {
    Place at = placeOf(factor, step, line, chunk, element);
    Value onAxis = remaining(*factor.axis, {}, factor.axis == &rows ? at.row : at.column);
    Value onDepth = remaining(steps, step, at.depth);
    Value least = arith::MinSIOp::create(b, onAxis, onDepth);
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, least, index(0));
    IRMapping known;
    FailureOr<Value> value = f.scalar(stage, factor.scalar, place(at), known);
    if (failed(value))
      return failure();
    Value masked = arith::SelectOp::create(b, isThere, *value, zero);
    elements = LLVM::InsertElementOp::create(b, elements, masked, i32(element % together));
    if ((element + 1) % together == 0)
      LLVM::StoreOp::create(b, elements,
                            shared(add(byte, (element + 1 - together) * 16 / factor.perChunk)),
                            unsigned(together * 16 / factor.perChunk));
  }
  return success();
}

} // namespace tessera::nvgpu
