//===- StreamCopy.cpp - Factors of a stream, from memory to shared memory --------------------===//
//
// What a factor is in memory is followed through stages that only place elements: by their maps, by
// what they extract at computed places, and by selections of 0. Where neighbours along a line stay
// neighbours, a chunk is copied as it is; any other factor is computed element by element.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockStream.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tessera::nvgpu {

std::pair<linalg::GenericOp, Value> placedBy(Value tensor) {
  auto stage = tensor.getDefiningOp<linalg::GenericOp>();
  if (!stage || stage.getNumReductionLoops() || stage.getNumResults() != 1 ||
      !stage.getMatchingIndexingMap(stage.getDpsInitOperand(0)).isPermutation())
    return {};
  return {stage, stage.getRegion().front().getTerminator()->getOperand(0)};
}

arith::SelectOp zeroedBy(Value scalar) {
  auto select = scalar.getDefiningOp<arith::SelectOp>();
  return select && matchPattern(select.getFalseValue(), m_PosZeroFloat()) ? select
                                                                          : arith::SelectOp();
}

bool BlockStream::findSource(Factor &factor, linalg::GenericOp stage, Value scalar,
                             unsigned along) {
  auto follows = [&](Value other) { return kernel::getLoopsOf(stage, other).test(along); };
  if (arith::SelectOp select = zeroedBy(scalar))
    return !follows(select.getCondition()) &&
           findSource(factor, stage, select.getTrueValue(), along);
  Value tensor;
  unsigned dim = 0;
  if (auto argument = dyn_cast<BlockArgument>(scalar)) {
    if (argument.getOwner() != &stage.getRegion().front() ||
        int64_t(argument.getArgNumber()) >= stage.getNumDpsInputs())
      return false;
    OpOperand &operand = stage->getOpOperand(argument.getArgNumber());
    tensor = operand.get();
    AffineMap map = stage.getMatchingIndexingMap(&operand);
    std::optional<unsigned> place = map.getResultPosition(b.getAffineDimExpr(along));
    if (!isa<RankedTensorType>(tensor.getType()) || !place ||
        llvm::count_if(map.getResults(),
                       [&](AffineExpr expr) { return expr.isFunctionOfDim(along); }) != 1)
      return false;
    dim = *place;
  } else if (auto extract = scalar.getDefiningOp<tensor::ExtractOp>()) {
    tensor = extract.getTensor();
    unsigned count = 0;
    for (auto [number, at] : llvm::enumerate(extract.getIndices())) {
      if (!follows(at))
        continue;
      auto index = at.getDefiningOp<linalg::IndexOp>();
      if (!index || index.getDim() != along || ++count > 1)
        return false;
      dim = unsigned(number);
    }
    if (count != 1)
      return false;
  } else {
    return false;
  }
  if (f.arguments.count(tensor)) {
    factor.argument = tensor;
    return int64_t(dim) + 1 == cast<RankedTensorType>(tensor.getType()).getRank();
  }
  auto [from, yielded] = placedBy(tensor);
  if (!from)
    return false;
  AffineMap result = from.getMatchingIndexingMap(from.getDpsInitOperand(0));
  return findSource(factor, from, yielded, result.getDimPosition(dim));
}

/// The same way, with values.
FailureOr<BlockStream::Source> BlockStream::source(linalg::GenericOp stage, Value scalar,
                                                   ArrayRef<Value> loops) {
  IRMapping known;
  if (arith::SelectOp select = zeroedBy(scalar)) {
    FailureOr<Value> condition = f.scalar(stage, select.getCondition(), loops, known);
    FailureOr<Source> inside = source(stage, select.getTrueValue(), loops);
    if (failed(condition) || failed(inside))
      return failure();
    inside->isThere =
        inside->isThere ? Value(arith::AndIOp::create(b, inside->isThere, *condition)) : *condition;
    return inside;
  }
  Value tensor;
  Values at;
  if (auto argument = dyn_cast<BlockArgument>(scalar)) {
    OpOperand &operand = stage->getOpOperand(argument.getArgNumber());
    tensor = operand.get();
    for (AffineExpr expr : stage.getMatchingIndexingMap(&operand).getResults())
      at.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
  } else {
    auto extract = scalar.getDefiningOp<tensor::ExtractOp>();
    tensor = extract.getTensor();
    for (Value index : extract.getIndices()) {
      FailureOr<Value> place = f.scalar(stage, index, loops, known);
      if (failed(place))
        return failure();
      at.push_back(*place);
    }
  }
  if (auto memory = f.arguments.find(tensor); memory != f.arguments.end())
    return Source{&memory->second, getElementTypeOrSelf(tensor.getType()), at, {}};
  auto [from, yielded] = placedBy(tensor);
  Values inner(from.getNumLoops());
  AffineMap result = from.getMatchingIndexingMap(from.getDpsInitOperand(0));
  for (auto [dim, place] : llvm::enumerate(at))
    inner[result.getDimPosition(unsigned(dim))] = place;
  return source(from, yielded, inner);
}

LogicalResult BlockStream::copy(const Factor &factor, const Step &step) {
  const Crew crew = factor.isOwn   ? Crew{lane, 32}
                    : tile.isGroup ? Crew{thread, kCopyThreads}
                                   : Crew{thread, threads};
  if (!factor.argument)
    return share(crew, factor.lines * factor.chunks, /*isRolled=*/false, [&](Value number) {
      // Threads beside each other take what lies so in memory.
      const bool across = factor.isContiguousAcross;
      const int64_t width = across ? factor.lines : factor.chunks;
      Value fast = rem(number, width), slow = div(number, width);
      return computeChunk(factor, step, across ? fast : slow, across ? slow : fast);
    });
  auto copyPieces = [&](int64_t elements) {
    const int64_t perLine = factor.chunks * factor.perChunk / elements;
    return share(crew, factor.lines * perLine, elements < factor.perChunk, [&](Value number) {
      return copyPiece(factor, step, div(number, perLine), mul(rem(number, perLine), elements),
                       elements);
    });
  };
  auto copyElements = [&] {
    return shareElements(
        crew, factor.lines, factor.chunks * factor.perChunk, 16 / factor.perChunk,
        [&](Value line, Value element) { return loadElement(factor, step, line, element); },
        [&](Value line, Value element) { return elementByte(factor, line, element); });
  };
  return copyWhere(factor.alignment, factor.perChunk, copyPieces, copyElements);
}

Value BlockStream::elementByte(const Factor &factor, Value line, Value element) {
  Value chunk = div(element, factor.perChunk), inside = rem(element, factor.perChunk);
  return add(chunkOf(factor, line, chunk), mul(inside, 16 / factor.perChunk));
}

/// The loops of the factor's stage. `isThere`: the line is one of the tensor.
SmallVector<Value> BlockStream::placeOf(const Factor &factor, const Step &step, Value line,
                                        Value along, Value &isThere) {
  Value last = index(factor.extent - 1);
  Value inside = arith::MinUIOp::create(b, index(along), last);
  Place place{step.block, {}, {}, inside, inside};
  if (factor.isOfRows) {
    place.row = rowAt(line);
    isThere = isRow(line);
  } else {
    Value key = arith::AddIOp::create(b, step.first, index(line));
    isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, key, keyCount);
    place.key = arith::MinSIOp::create(b, key, arith::SubIOp::create(b, keyCount, index(1)));
  }
  return loopsOf(factor.reduction->follows, place);
}

/// Neighbours in a line, zeros where it ends before or there is none.
LogicalResult BlockStream::copyPiece(const Factor &factor, const Step &step, Value line,
                                     Value first, int64_t elements) {
  const int64_t elementBytes = 16 / factor.perChunk;
  Value isThere;
  FailureOr<Source> from =
      source(factor.reduction->stage, factor.scalar, placeOf(factor, step, line, first, isThere));
  if (failed(from))
    return failure();
  if (from->isThere)
    isThere = arith::AndIOp::create(b, isThere, from->isThere);
  Value left = arith::SubIOp::create(b, i32(factor.extent), first);
  left = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, left, i32(elements)), i32(0));
  Value bytes = arith::SelectOp::create(b, isThere, mul(left, elementBytes), i32(0));
  // Where nothing is read the address need not be one of a piece.
  Value isEmpty = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bytes, i32(0));
  Value address = LLVM::SelectOp::create(b, isEmpty, from->memory->pointer,
                                         f.address(*from->memory, from->element, from->place));
  copyAsync(elementByte(factor, line, first), address, elements * elementBytes, bytes);
  return success();
}

/// As any element of a stage; zero where a line ends before or there is none.
FailureOr<Value> BlockStream::loadElement(const Factor &factor, const Step &step, Value line,
                                          Value along) {
  Value isThere;
  Values loops = placeOf(factor, step, line, along, isThere);
  Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, along, i32(factor.extent));
  IRMapping known;
  FailureOr<Value> value = f.scalar(factor.reduction->stage, factor.scalar, loops, known);
  if (failed(value))
    return failure();
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(factor.element));
  return Value(
      arith::SelectOp::create(b, arith::AndIOp::create(b, isThere, isInside), *value, zero));
}

LogicalResult BlockStream::computeChunk(const Factor &factor, const Step &step, Value line,
                                        Value chunk) {
  auto type = VectorType::get({factor.perChunk}, factor.element);
  Value elements = LLVM::PoisonOp::create(b, type);
  for (int64_t element = 0; element < factor.perChunk; ++element) {
    Value along = add(mul(chunk, factor.perChunk), element);
    FailureOr<Value> value = loadElement(factor, step, line, along);
    if (failed(value))
      return failure();
    elements = LLVM::InsertElementOp::create(b, elements, *value, i32(element));
  }
  LLVM::StoreOp::create(b, elements, shared(chunkOf(factor, line, chunk)), /*alignment=*/16);
  return success();
}

} // namespace tessera::nvgpu
