//===- TileCopy.cpp - Factors of a tile, from memory to shared memory -----------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// A chunk does not go on in another row of several fused ones.
Value BlockTile::isAligned(const Factor &factor) {
  const Axis &along = factor.alongDepth ? steps : *factor.axis;
  Values others;
  if (along.parts.size() > 1)
    others.push_back((factor.alongDepth ? inner : outer).extents.lookup(along.parts.back()).value);
  return SharedTile::isAligned(f.arguments.find(factor.argument)->second, 16 / factor.perChunk,
                               others);
}

LogicalResult BlockTile::copy(Factor &factor, Value step, Value to) {
  // Lanes take lines first where memory runs across them.
  auto compute = [&]() -> LogicalResult {
    return forEachChunk(factor, factor.isContiguousAcross, [&](Value line, Value chunk) {
      return computeChunk(factor, step, to, line, chunk);
    });
  };
  if (!factor.argument)
    return compute();
  FailureOr<Values> copied = f.guard(factor.mayCopy, {}, [&](Values) -> FailureOr<Values> {
    if (failed(forEachChunk(factor, /*linesFirst=*/false, [&](Value line, Value chunk) {
          copyChunk(factor, step, to, line, chunk);
          return success();
        })))
      return failure();
    return Values();
  });
  Value mustCompute =
      arith::XOrIOp::create(b, factor.mayCopy, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  FailureOr<Values> computed = f.guard(mustCompute, {}, [&](Values) -> FailureOr<Values> {
    if (failed(compute()))
      return failure();
    return Values();
  });
  return success(succeeded(copied) && succeeded(computed));
}

/// The chunks that this thread brings.
LogicalResult BlockTile::forEachChunk(const Factor &factor, bool linesFirst,
                                      llvm::function_ref<LogicalResult(Value, Value)> chunk) {
  const int64_t total = factor.lines * factor.chunks;
  Value turns = index((total + threads - 1) / threads);
  FailureOr<Values> done = f.loop(turns, {}, [&](Value turn, Values) -> FailureOr<Values> {
    Value before = mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), threads);
    Value number = add(before, thread);
    auto bring = [&](Values) -> FailureOr<Values> {
      const int64_t width = linesFirst ? factor.lines : factor.chunks;
      Value fast = rem(number, width), slow = div(number, width);
      if (failed(chunk(linesFirst ? fast : slow, linesFirst ? slow : fast)))
        return failure();
      return Values();
    };
    if (total % threads == 0)
      return bring({});
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, number, i32(total));
    return f.guard(isThere, {}, bring);
  });
  return success(succeeded(done));
}

BlockTile::Place BlockTile::placeOf(const Factor &factor, Value step, Value line, Value chunk,
                                    int64_t element) {
  Value across = index(line), along = index(add(mul(chunk, factor.perChunk), element));
  if (!factor.alongDepth)
    std::swap(across, along);
  Place place{{}, {}, step, along};
  (factor.axis == &rows ? place.row : place.column) = across;
  return place;
}

/// 16 bytes, zeros where the tensor ends before.
void BlockTile::copyChunk(const Factor &factor, Value step, Value to, Value line, Value chunk) {
  Place at = placeOf(factor, step, line, chunk, 0);
  Value onAxis = remaining(*factor.axis, {}, factor.axis == &rows ? at.row : at.column);
  Value onDepth = remaining(steps, step, at.depth);
  Value along = factor.alongDepth ? onDepth : onAxis, across = factor.alongDepth ? onAxis : onDepth;
  Value zero = index(0);
  along = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, along, index(factor.perChunk)), zero);
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, across, zero);
  Value count = arith::SelectOp::create(b, isThere, along, zero);
  Value bytes = mul(arith::IndexCastOp::create(b, b.getI32Type(), count), 16 / factor.perChunk);

  const GpuFunction::Memory &source = f.arguments.find(factor.argument)->second;
  Values loops = place(at), place;
  for (AffineExpr expr : factor.map.getResults())
    place.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
  // Behind the end of a line the address would not be one of a chunk.
  Value isEmpty = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bytes, i32(0));
  Value from =
      LLVM::SelectOp::create(b, isEmpty, source.pointer, f.address(source, factor.element, place));
  NVVM::CpAsyncOp::create(b, shared(add(to, slot(factor, line, chunk))), from, 16,
                          NVVM::LoadCacheModifierKind::CG, bytes);
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
