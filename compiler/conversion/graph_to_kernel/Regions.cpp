//===- Regions.cpp - Regions of graph ops as stages, repeated along an axis ------------------===//

#include "compiler/conversion/graph_to_kernel/Regions.h"
#include "dialects/kernel/Product.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

//===----------------------------------------------------------------------===//
// As they are
//===----------------------------------------------------------------------===//

static LogicalResult lowerOp(KernelEmitter &emitter, Operation &op) {
  auto lowering = llvm::dyn_cast<KernelLoweringOpInterface>(op);
  if (!lowering)
    return op.emitError("'") << op.getName()
                             << "' cannot stand in a region that becomes part of a kernel";
  emitter.setLoc(op.getLoc());
  FailureOr<SmallVector<Value>> results = lowering.lowerToStages(emitter);
  if (failed(results))
    return failure();
  for (auto [result, tensor] : llvm::zip(op.getResults(), *results))
    emitter.bind(result, tensor);
  return success();
}

FailureOr<SmallVector<Value>> tessera::lower::lowerRegion(KernelEmitter &emitter, Block &block,
                                                          ValueRange arguments) {
  for (auto [argument, tensor] : llvm::zip(block.getArguments(), arguments))
    emitter.bind(argument, tensor);
  for (Operation &op : block.without_terminator())
    if (failed(lowerOp(emitter, op)))
      return failure();
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value value) { return emitter.lookup(value); });
}

static int64_t rankOf(Value tensor) {
  return llvm::cast<RankedTensorType>(tensor.getType()).getRank();
}

/// The tensor of the extents that a stage starts from.
static Value shapeOf(Value init) {
  while (auto stage = init.getDefiningOp<linalg::LinalgOp>())
    init = stage.getDpsInits()[llvm::cast<OpResult>(init).getResultNumber()];
  return init;
}

//===----------------------------------------------------------------------===//
// Repeated along an axis
//===----------------------------------------------------------------------===//

bool AxisBlocks::hasTail() const {
  return loops() > 1 || !size.isConstant() ||
         (size.getValue() > 1 &&
          !(extent.isConstant() && extent.getValue() % size.getValue() == 0));
}

Value AxisBlocks::number(ImplicitLocOpBuilder &b, ValueRange block) const {
  if (loops() == 1)
    return block[0];
  Value first = arith::MulIOp::create(b, block[0], blocksOfAPart);
  return arith::AddIOp::create(b, first, block[1]);
}

Value AxisBlocks::position(ImplicitLocOpBuilder &b, ValueRange block, Value place) const {
  if (size.getConstant() == 1)
    return number(b, block);
  Value by = sizeValue ? sizeValue : Value(arith::ConstantIndexOp::create(b, size.getValue()));
  Value first = arith::MulIOp::create(b, number(b, block), by);
  return arith::AddIOp::create(b, first, place);
}

Value AxisBlocks::positionHere(ImplicitLocOpBuilder &b, unsigned placeLoop) const {
  SmallVector<Value> block;
  for (unsigned loop = 0; loop < loops(); ++loop)
    block.push_back(linalg::IndexOp::create(b, loop));
  return position(b, block, linalg::IndexOp::create(b, placeLoop));
}

bool BatchedRegion::isTailDim(Value tensor, unsigned dim) const {
  auto it = tails.find(tensor);
  return it != tails.end() && it->second.test(dim);
}

void BatchedRegion::bind(BlockArgument argument, Value tensor, int64_t tailDim) {
  // Stages are first built for one block, reading this placeholder.
  Value one = emitter.empty(graph::getTensorType(argument).getDims(),
                            getKernelElementType(graph::getTensorType(argument).getElementType()));
  templates.push_back(one.getDefiningOp());
  emitter.bind(argument, one);
  batched[one] = tensor;
  if (tailDim >= 0)
    tails.try_emplace(one, rankOf(one)).first->second.set(tailDim);
}

FailureOr<SmallVector<BatchedRegion::Result>>
BatchedRegion::lower(Block &block, llvm::function_ref<bool(unsigned, unsigned, unsigned)> isTail) {
  for (auto [number, op] : llvm::enumerate(block.without_terminator())) {
    Recorder recorder(emitter.getBuilder());
    if (failed(lowerOp(emitter, op)))
      return failure();
    for (Operation *built : recorder.take()) {
      templates.push_back(built);
      if (auto stage = llvm::dyn_cast<linalg::GenericOp>(built))
        if (failed(batch(stage)))
          return failure();
    }
    for (OpResult result : op.getResults()) {
      Value tensor = emitter.lookup(result);
      for (int64_t dim = 0, rank = rankOf(tensor); dim < rank; ++dim)
        if (isTail(number, result.getResultNumber(), dim))
          tails.try_emplace(tensor, rank).first->second.set(dim);
    }
  }
  SmallVector<Result> results;
  llvm::DenseSet<Operation *> kept;
  for (Value yielded : block.getTerminator()->getOperands()) {
    Value one = emitter.lookup(yielded), all = batched.lookup(one);
    results.push_back({all ? all : one, bool(all)});
    kept.insert(one.getDefiningOp());
  }
  for (Operation *op : llvm::reverse(templates))
    if (op->use_empty() && (!kept.contains(op) || batched.count(op->getResult(0))))
      op->erase();
  return results;
}

/// The loops of a stage that run along the axis within a block.
LogicalResult BatchedRegion::findTailLoops(linalg::GenericOp stage, llvm::SmallBitVector &loops) {
  auto unclear = [&] {
    return stage.emitError(
        "rearranges the elements of a block of the streamed axis, which has no kernel; "
        "only elementwise ops, broadcasts and reductions may look along it");
  };
  for (OpOperand &operand : stage->getOpOperands()) {
    if (!llvm::isa<RankedTensorType>(operand.get().getType()))
      continue;
    for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(&operand).getResults())) {
      if (!isTailDim(operand.get(), dim))
        continue;
      auto plain = llvm::dyn_cast<AffineDimExpr>(expr);
      if (!plain)
        return unclear();
      loops.set(plain.getPosition());
    }
  }
  WalkResult walk = stage.getRegion().walk([&](tensor::ExtractOp extract) {
    for (auto [dim, index] : llvm::enumerate(extract.getIndices())) {
      if (!isTailDim(extract.getTensor(), dim))
        continue;
      auto plain = index.getDefiningOp<linalg::IndexOp>();
      if (!plain)
        return WalkResult::interrupt();
      loops.set(plain.getDim());
    }
    return WalkResult::advance();
  });
  return walk.wasInterrupted() ? unclear() : success();
}

/// Where a batched stage starts from: the same for every block.
Value BatchedRegion::batchInit(Value init) {
  if (Value known = batched.lookup(init))
    return known;
  OpBuilder &builder = emitter.getBuilder();
  auto type = llvm::cast<RankedTensorType>(init.getType());
  SmallVector<int64_t> shape(graph::getShapeEntries(blocks.counts));
  llvm::append_range(shape, type.getShape());
  SmallVector<Value> sizes;
  for (DimAttr count : blocks.counts)
    if (!count.isConstant())
      sizes.push_back(emitter.extent(count));
  auto one = shapeOf(init).getDefiningOp<tensor::EmptyOp>();
  llvm::append_range(sizes, one.getDynamicSizes());
  Value all =
      tensor::EmptyOp::create(builder, emitter.getLoc(), shape, type.getElementType(), sizes);
  if (auto fill = init.getDefiningOp<linalg::FillOp>()) {
    auto filled =
        linalg::FillOp::create(builder, emitter.getLoc(), fill.getInputs(), ValueRange{all});
    kernel::setStage(filled, emitter.uniqueName(kernel::getStageName(fill)));
    return filled.getResult(0);
  }
  if (llvm::isa<tensor::EmptyOp>(init.getDefiningOp()))
    return all;
  unsigned rank = shape.size();
  AffineMap identity = builder.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto copy = linalg::GenericOp::create(
      builder, emitter.getLoc(), all.getType(), init, all,
      {AffineMap::get(rank, 0, identity.getResults().drop_front(blocks.loops()),
                      builder.getContext()),
       identity},
      iterators,
      [](OpBuilder &b, Location loc, ValueRange x) { linalg::YieldOp::create(b, loc, x[0]); });
  kernel::setStage(copy, emitter.uniqueName("init"));
  return copy.getResult(0);
}

/// The block argument that a scalar is converted from; null for anything else.
static BlockArgument convertedArgument(Value value) {
  while (isa_and_present<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp, arith::SIToFPOp,
                         arith::UIToFPOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return dyn_cast<BlockArgument>(value);
}

/// What leaves a running value as it is; null where no constant does. A sum that starts at 0 never
/// becomes -0, so that 0 does.
static TypedAttr neutralOf(linalg::GenericOp stage, Operation *combine) {
  std::optional<TypedAttr> neutral = arith::getNeutralElement(combine);
  if (!neutral || !isa<arith::AddFOp>(combine))
    return neutral.value_or(TypedAttr());
  auto type = cast<FloatType>(combine->getResult(0).getType());
  auto fill = stage.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  bool fromZero = fill && matchPattern(fill.getInputs()[0], m_PosZeroFloat());
  return FloatAttr::get(type, APFloat::getZero(type.getFloatSemantics(), /*Negative=*/!fromZero));
}

/// An operand with 0 in place of what lies past the end of the axis, as a stage before `stage`.
Value BatchedRegion::zeroPastEnd(linalg::GenericOp stage, OpOperand &operand, unsigned dim) {
  Value &known = zeroed[{operand.get(), dim}];
  if (known)
    return known;
  auto type = cast<RankedTensorType>(operand.get().getType());
  OpBuilder &builder = emitter.getBuilder();
  OpBuilder::InsertionGuard restored(builder);
  builder.setInsertionPoint(stage);
  Value shape = shapeOf(operand.get());
  auto empty = shape.getDefiningOp<tensor::EmptyOp>();
  if (!empty)
    return {};
  Value init = tensor::EmptyOp::create(builder, stage.getLoc(), type.getShape(),
                                       type.getElementType(), empty.getDynamicSizes());
  AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto map = linalg::GenericOp::create(
      builder, stage.getLoc(), type, operand.get(), init, {identity, identity}, iterators,
      [&](OpBuilder &inside, Location loc, ValueRange x) {
        ImplicitLocOpBuilder b(loc, inside);
        Value at = blocks.positionHere(b, dim);
        Value valid = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, extent);
        Value zero = arith::ConstantOp::create(b, builder.getZeroAttr(x[0].getType()));
        linalg::YieldOp::create(b, Value(arith::SelectOp::create(b, valid, x[0], zero)));
      });
  kernel::setStage(map, emitter.uniqueName("inside"));
  return known = map.getResult(0);
}

/// What a sum adds up, or the factors of that, are 0 past the end, so that its inner loop tests
/// nothing and all sums of one tensor read the same. Whether that could be done.
bool BatchedRegion::guardSum(linalg::GenericOp stage, unsigned loop) {
  Block &body = stage.getRegion().front();
  Operation *sum = body.getTerminator()->getOperand(0).getDefiningOp();
  if (stage.getNumDpsInits() != 1 || !isa_and_present<arith::AddFOp, arith::AddIOp>(sum) ||
      neutralOf(stage, sum) != OpBuilder(stage).getZeroAttr(sum->getResult(0).getType()))
    return false;
  Value carried = body.getArguments().back();
  Value element;
  for (unsigned side = 0; side < 2; ++side)
    if (sum->getOperand(side) == carried)
      element = sum->getOperand(1 - side);
  if (!element)
    return false;
  SmallVector<Value> values{element};
  if (isa_and_present<arith::MulFOp, arith::MulIOp>(element.getDefiningOp()))
    values.assign(element.getDefiningOp()->operand_begin(), element.getDefiningOp()->operand_end());
  SmallVector<std::pair<OpOperand *, unsigned>> factors;
  for (Value factor : values) {
    BlockArgument argument = convertedArgument(factor);
    if (!argument || argument == carried)
      return false;
    OpOperand *operand = stage.getDpsInputOperand(argument.getArgNumber());
    AffineMap map = stage.getMatchingIndexingMap(operand);
    std::optional<unsigned> dim = map.getResultPosition(getAffineDimExpr(loop, map.getContext()));
    if (!dim || map.getNumResults() == 0 ||
        map.getResult(0) != getAffineDimExpr(0, map.getContext()))
      return false;
    factors.push_back({operand, *dim});
  }
  for (auto [operand, dim] : factors) {
    Value masked = zeroPastEnd(stage, *operand, dim);
    if (!masked)
      return false;
    operand->set(masked);
  }
  return true;
}

/// Elements past the end of the axis leave the running values as they are.
void BatchedRegion::guard(linalg::GenericOp stage, const llvm::SmallBitVector &tailLoops) {
  SmallVector<unsigned> reduced;
  for (unsigned loop : tailLoops.set_bits())
    if (stage.getIteratorTypesArray()[loop] == utils::IteratorType::reduction)
      reduced.push_back(loop);
  if (reduced.empty() || (reduced.size() == 1 && guardSum(stage, reduced[0])))
    return;
  Block &body = stage.getRegion().front();
  Operation *yield = body.getTerminator();
  unsigned inputs = stage.getNumDpsInputs();
  auto validAt = [&](ImplicitLocOpBuilder &b) {
    Value valid;
    for (unsigned loop : reduced) {
      Value at = blocks.positionHere(b, loop);
      Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, extent);
      valid = valid ? Value(arith::AndIOp::create(b, valid, inside)) : inside;
    }
    return valid;
  };
  // One value, combined by an operation with a neutral element: that stands for the element.
  Operation *combine = yield->getOperand(0).getDefiningOp();
  if (yield->getNumOperands() == 1 && combine && combine->getBlock() == &body &&
      combine->getNumOperands() == 2 && body.getArgument(inputs).hasOneUse())
    for (OpOperand &element : combine->getOpOperands()) {
      if (combine->getOperand(1 - element.getOperandNumber()) != body.getArgument(inputs))
        continue;
      TypedAttr neutral = neutralOf(stage, combine);
      if (!neutral)
        break;
      ImplicitLocOpBuilder b(stage.getLoc(), combine);
      Value valid = validAt(b);
      Value nothing = arith::ConstantOp::create(b, neutral);
      element.set(arith::SelectOp::create(b, valid, element.get(), nothing));
      return;
    }
  ImplicitLocOpBuilder b(stage.getLoc(), yield);
  Value valid = validAt(b);
  for (unsigned i = 0; i < yield->getNumOperands(); ++i) {
    Value carried = body.getArgument(inputs + i), next = yield->getOperand(i);
    yield->setOperand(i, arith::SelectOp::create(b, valid, next, carried));
  }
}

/// The number that is every element of a tensor; null for others.
static Value constantOf(Value tensor) {
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    return fill.getInputs()[0];
  auto stage = tensor.getDefiningOp<linalg::GenericOp>();
  if (!stage || stage.getNumReductionLoops() || stage.getNumResults() != 1)
    return {};
  Value yielded = stage.getRegion().front().getTerminator()->getOperand(0);
  if (auto constant = yielded.getDefiningOp<arith::ConstantOp>()) {
    OpBuilder builder(stage);
    return arith::ConstantOp::create(builder, stage.getLoc(), constant.getValue());
  }
  auto argument = dyn_cast<BlockArgument>(yielded);
  bool copies = argument && argument.getOwner() == &stage.getRegion().front() &&
                argument.getArgNumber() < stage.getNumDpsInputs();
  return copies ? constantOf(stage.getDpsInputs()[argument.getArgNumber()]) : Value();
}

/// The sum of a constant along the axis is a product: with as many elements as a block has.
bool BatchedRegion::countInstead(linalg::GenericOp stage, const llvm::SmallBitVector &tailLoops) {
  Block &body = stage.getRegion().front();
  auto sum = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (stage.getNumReductionLoops() != 1 || tailLoops.count() != 1 || !sum ||
      stage.getNumDpsInputs() != 1 || stage.getNumDpsInits() != 1 ||
      body.getOperations().size() != 2 ||
      stage.getIteratorTypesArray()[tailLoops.find_first()] != utils::IteratorType::reduction ||
      neutralOf(stage, sum) != OpBuilder(stage).getZeroAttr(sum.getType()))
    return false;
  Value constant = constantOf(stage.getDpsInputs()[0]);
  if (!constant || constant.getType() != sum.getType())
    return false;
  OpBuilder &builder = emitter.getBuilder();
  Value init = batchInit(stage.getDpsInits()[0]);
  unsigned rank = rankOf(init);
  Value size = emitter.extent(blocks.size);
  auto counted = linalg::GenericOp::create(
      builder, stage.getLoc(), init.getType(), ValueRange{}, init,
      {builder.getMultiDimIdentityMap(rank)},
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
      [&](OpBuilder &inner, Location loc, ValueRange) {
        ImplicitLocOpBuilder b(loc, inner);
        SmallVector<Value> block;
        for (unsigned loop = 0; loop < blocks.loops(); ++loop)
          block.push_back(linalg::IndexOp::create(b, loop));
        Value zero = arith::ConstantIndexOp::create(b, 0);
        Value rest = arith::SubIOp::create(b, extent, blocks.position(b, block, zero));
        Value count = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, rest, size), zero);
        Value number = arith::IndexCastOp::create(b, b.getI64Type(), count);
        number = arith::SIToFPOp::create(b, sum.getType(), number);
        linalg::YieldOp::create(b, Value(arith::MulFOp::create(b, number, constant)));
      });
  kernel::setStage(counted, kernel::getStageName(stage));
  batched[stage.getResult(0)] = counted.getResult(0);
  return true;
}

LogicalResult BatchedRegion::batch(linalg::GenericOp stage) {
  bool depends =
      llvm::any_of(stage.getOperands(), [&](Value value) { return batched.count(value); });
  stage.getRegion().walk(
      [&](tensor::ExtractOp extract) { depends |= batched.count(extract.getTensor()); });
  llvm::SmallBitVector tailLoops(stage.getNumLoops());
  if (failed(findTailLoops(stage, tailLoops)))
    return failure();
  // The last block has fewer elements, even where all of them are the same.
  for (unsigned loop : tailLoops.set_bits())
    depends |=
        blocks.hasTail() && stage.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
  if (!depends || (blocks.hasTail() && countInstead(stage, tailLoops)))
    return success();

  OpBuilder &builder = emitter.getBuilder();
  unsigned outer = blocks.loops(), loops = stage.getNumLoops() + outer;
  auto shifted = [&](AffineMap map, bool withBlock) {
    SmallVector<AffineExpr> exprs;
    for (unsigned loop = 0; withBlock && loop < outer; ++loop)
      exprs.push_back(builder.getAffineDimExpr(loop));
    llvm::append_range(exprs, map.shiftDims(outer).getResults());
    return AffineMap::get(loops, 0, exprs, builder.getContext());
  };
  SmallVector<Value> inputs, inits;
  SmallVector<AffineMap> maps;
  for (OpOperand *operand : stage.getDpsInputOperands()) {
    Value all = batched.lookup(operand->get());
    inputs.push_back(all ? all : operand->get());
    maps.push_back(shifted(stage.getMatchingIndexingMap(operand), bool(all)));
  }
  for (OpOperand &operand : stage.getDpsInitsMutable()) {
    inits.push_back(batchInit(operand.get()));
    maps.push_back(shifted(stage.getMatchingIndexingMap(&operand), true));
  }
  SmallVector<utils::IteratorType> iterators(outer, utils::IteratorType::parallel);
  llvm::append_range(iterators, stage.getIteratorTypesArray());
  auto all = linalg::GenericOp::create(builder, stage.getLoc(), ValueRange(inits).getTypes(),
                                       inputs, inits, maps, iterators);
  IRMapping mapping;
  stage.getRegion().cloneInto(&all.getRegion(), mapping);
  for (Operation &op : llvm::make_early_inc_range(all.getRegion().front())) {
    if (auto index = llvm::dyn_cast<linalg::IndexOp>(op))
      index.setDim(index.getDim() + outer);
    auto extract = llvm::dyn_cast<tensor::ExtractOp>(op);
    Value tensor = extract ? batched.lookup(extract.getTensor()) : Value();
    if (!tensor)
      continue;
    ImplicitLocOpBuilder b(extract.getLoc(), extract);
    SmallVector<Value> at;
    for (unsigned loop = 0; loop < outer; ++loop)
      at.push_back(linalg::IndexOp::create(b, loop));
    llvm::append_range(at, extract.getIndices());
    Value element = tensor::ExtractOp::create(b, tensor, at);
    extract.replaceAllUsesWith(element);
    extract.erase();
  }
  llvm::SmallBitVector tailsOfAll(loops);
  for (unsigned loop : tailLoops.set_bits())
    tailsOfAll.set(loop + outer);
  if (blocks.hasTail())
    guard(all, tailsOfAll);
  kernel::setStage(all, kernel::getStageName(stage));
  for (StringRef consent : {kernel::kTf32Attr, kernel::kByteFloatsAttr})
    if (Attribute given = stage->getAttr(consent))
      all->setAttr(consent, given);
  AffineMap output = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  for (auto [one, many] : llvm::zip(stage.getResults(), all.getResults())) {
    batched[one] = many;
    for (auto [dim, expr] : llvm::enumerate(output.getResults()))
      if (tailLoops.test(llvm::cast<AffineDimExpr>(expr).getPosition()))
        tails.try_emplace(one, output.getNumResults()).first->second.set(dim);
  }
  return success();
}
