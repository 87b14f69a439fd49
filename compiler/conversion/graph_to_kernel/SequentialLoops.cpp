//===- SequentialLoops.cpp - Loops of a kernel, and slices of what they carry --------------===//

#include "compiler/conversion/graph_to_kernel/SequentialLoops.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

SmallVector<Value> lower::forLoop(KernelEmitter &emitter, StringRef name, Value from, Value to,
                                  Value step, ValueRange carried, LoopBody body, bool isParallel) {
  OpBuilder &builder = emitter.getBuilder();
  auto loop = scf::ForOp::create(builder, emitter.getLoc(), from, to, step, carried);
  emitter.nameLoop(loop, name);
  if (isParallel)
    loop->setAttr(kernel::KernelDialect::kParallelAttr, builder.getUnitAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (carried.empty())
    builder.setInsertionPoint(loop.getBody()->getTerminator());
  else
    scf::YieldOp::create(builder, emitter.getLoc(), next);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value>
lower::forEach(KernelEmitter &emitter, StringRef name, ArrayRef<DimAttr> dims, ValueRange carried,
               bool isParallel, SmallVector<Value> indices,
               llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> body) {
  if (dims.empty())
    return body(indices, carried);
  return forLoop(
      emitter, name, emitter.constantIndex(0), emitter.extent(dims[0]), emitter.constantIndex(1),
      carried,
      [&](Value index, ValueRange inside) {
        SmallVector<Value> deeper(indices);
        deeper.push_back(index);
        return forEach(emitter, name, dims.drop_front(), inside, isParallel, deeper, body);
      },
      isParallel);
}

Value lower::fromEnd(KernelEmitter &emitter, DimAttr extent, Value index) {
  return arith::SubIOp::create(emitter.getBuilder(), emitter.getLoc(),
                               emitter.extent(DimExpr(extent) - 1), index);
}

Part::Part(KernelEmitter &emitter, ArrayRef<DimAttr> dims, ArrayRef<Value> at, Type element)
    : isWhole(llvm::none_of(at, [](Value index) { return bool(index); })) {
  Builder &b = emitter.getBuilder();
  SmallVector<int64_t> shape;
  for (auto [dim, index] : llvm::zip(dims, at)) {
    offsets.push_back(index ? OpFoldResult(index) : OpFoldResult(b.getIndexAttr(0)));
    strides.push_back(b.getIndexAttr(1));
    isKept.push_back(!index);
    if (index) {
      sizes.push_back(b.getIndexAttr(1));
      continue;
    }
    shape.push_back(dim.getShapeEntry());
    sizes.push_back(dim.isConstant() ? OpFoldResult(b.getIndexAttr(dim.getValue()))
                                     : OpFoldResult(emitter.extent(dim)));
  }
  type = RankedTensorType::get(shape, element);
}

Value Part::take(KernelEmitter &emitter, Value from) const {
  if (isWhole)
    return from;
  if (isEmpty()) { // There is no place to take it from.
    SmallVector<OpFoldResult> extents;
    for (auto [size, kept] : llvm::zip_equal(sizes, isKept))
      if (kept)
        extents.push_back(size);
    return tensor::EmptyOp::create(emitter.getBuilder(), emitter.getLoc(), extents,
                                   type.getElementType());
  }
  return tensor::ExtractSliceOp::create(emitter.getBuilder(), emitter.getLoc(), type, from, offsets,
                                        sizes, strides);
}

Value Part::put(KernelEmitter &emitter, Value part, Value into) const {
  if (isWhole)
    return part;
  if (isEmpty())
    return into;
  return tensor::InsertSliceOp::create(emitter.getBuilder(), emitter.getLoc(), part, into, offsets,
                                       sizes, strides);
}

Type lower::builtinElement(Value tensor) {
  return llvm::cast<RankedTensorType>(tensor.getType()).getElementType();
}

Value lower::update(KernelEmitter &emitter, StringRef name, ValueRange from, Value into,
                    llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> body) {
  unsigned rank = llvm::cast<RankedTensorType>(into.getType()).getRank();
  AffineMap identity = emitter.getBuilder().getMultiDimIdentityMap(rank);
  SmallVector<KernelEmitter::Read> reads;
  for (Value tensor : from)
    reads.push_back({tensor, identity});
  return emitter.reduce(name, rank, 0, reads, into, identity,
                        [&](ImplicitLocOpBuilder &b, ValueRange x, ValueRange old) {
                          SmallVector<Value> all(x);
                          llvm::append_range(all, old);
                          return SmallVector<Value>{body(b, all)};
                        })[0];
}
Value lower::copyInto(KernelEmitter &emitter, StringRef name, Value from, Value into) {
  return update(emitter, name, from, into,
                [](ImplicitLocOpBuilder &, ValueRange x) { return x[0]; });
}

Value lower::copyOf(KernelEmitter &emitter, StringRef name, Value from, ArrayRef<DimAttr> dims) {
  return copyInto(emitter, name, from, emitter.empty(dims, builtinElement(from)));
}
