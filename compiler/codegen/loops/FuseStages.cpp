//===- FuseStages.cpp - Stages on buffers hand elements on in registers ------------------===//
// StageLoops gives every stage loops of its own, and bufferization a buffer. Stages that compute
// element by element need neither:
//
//   s = acc[:, 256:512]; n = -s; e = exp(n); d = 1 / (1 + e); c = d * c     on N x 256 each
//   =>  c = 1 / (1 + exp(-acc[:, 256:512])) * c                              in one sweep
//
// 1. What a body loads at its own place, or a constant distance from it, becomes an input.
// 2. A stage that moves elements, or computes cheap ones that its readers read at other places, is
//    computed by its readers.
// 3. Neighbouring stages over the same elements become one, unless one touches at other places what
//    the other writes. Every operation stays what it was, and is done once.
// 4. Results that nobody reads any more go, and their buffers with them.
//
// On tensors the same would lose track of what works in place: here that has been decided.
#include "compiler/codegen/loops/FuseStages.h"

#include "compiler/codegen/loops/StageAccess.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace tessera::loops {

/// Operations of one stage: more take long to compile and win nothing.
static constexpr size_t kMostOperations = 600;
/// What a reader computes anew rather than reading it from memory.
static constexpr size_t kCheapOperations = 3;

//===-- Making one stage of two --------------------------------------------------------===//

namespace {
/// Where an element comes from: a buffer (or a scalar) at a place.
struct Read {
  Value source;
  AffineMap map;
};

/// A stage that computes what `producer` and then `consumer` compute.
class Combination {
public:
  Combination(linalg::GenericOp producer, linalg::GenericOp consumer)
      : producer(producer), consumer(consumer) {}

  /// For every argument of the producer's body where it reads in the new stage.
  SmallVector<Read> producerReads;
  /// The result of the producer that an operand of the consumer reads, or nothing.
  llvm::function_ref<std::optional<unsigned>(OpOperand &)> resultOf;
  bool keepsResults = false; ///< of the producer, as results of the new stage

  linalg::GenericOp build() {
    ImplicitLocOpBuilder b(consumer.getLoc(), consumer);
    SmallVector<int> producerArguments, consumerArguments;
    for (auto [number, read] : llvm::enumerate(producerReads))
      producerArguments.push_back(
          producer.getBody()->getArgument(number).use_empty() ? -1 : input(read));
    for (OpOperand &operand : consumer->getOpOperands())
      consumerArguments.push_back(
          consumer.getMatchingBlockArgument(&operand).use_empty() || resultOf(operand)
              ? -1
              : input({operand.get(), consumer.getMatchingIndexingMap(&operand)}));
    SmallVector<Value> outputs;
    SmallVector<unsigned> kept; // results of the producer
    for (OpOperand &init : producer.getDpsInitsMutable())
      if (keepsResults && !llvm::is_contained(consumer.getDpsInits(), init.get())) {
        kept.push_back(outputs.size());
        outputs.push_back(init.get());
      } else {
        kept.push_back(~0u);
      }
    llvm::append_range(outputs, consumer.getDpsInits());
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (Read &read : reads) {
      inputs.push_back(read.source);
      maps.push_back(read.map);
    }
    maps.append(outputs.size(), b.getMultiDimIdentityMap(consumer.getNumLoops()));
    auto stage = linalg::GenericOp::create(
        b, TypeRange(), inputs, outputs, maps, consumer.getIteratorTypesArray(),
        [&](OpBuilder &body, Location loc, ValueRange arguments) {
          IRMapping first, second;
          bind(producer, producerArguments, arguments, first);
          SmallVector<Value> made = clone(producer, body, first);
          bind(consumer, consumerArguments, arguments, second);
          for (OpOperand &operand : consumer->getOpOperands())
            if (std::optional<unsigned> result = resultOf(operand))
              second.map(consumer.getMatchingBlockArgument(&operand), made[*result]);
          SmallVector<Value> results;
          for (auto [number, place] : llvm::enumerate(kept))
            if (place != ~0u)
              results.push_back(made[number]);
          llvm::append_range(results, clone(consumer, body, second));
          linalg::YieldOp::create(body, loc, results);
        });
    kernel::setStage(stage, kernel::getStageName(consumer));
    return stage;
  }

private:
  int input(Read read) {
    for (auto [number, known] : llvm::enumerate(reads))
      if (known.source == read.source && known.map == read.map)
        return number;
    reads.push_back(read);
    return reads.size() - 1;
  }
  static void bind(linalg::GenericOp stage, ArrayRef<int> numbers, ValueRange arguments,
                   IRMapping &mapping) {
    for (auto [argument, number] : llvm::zip(stage.getBody()->getArguments(), numbers))
      if (number >= 0)
        mapping.map(argument, arguments[number]);
  }
  static SmallVector<Value> clone(linalg::GenericOp stage, OpBuilder &body, IRMapping &mapping) {
    for (Operation &op : stage.getBody()->without_terminator())
      body.clone(op, mapping);
    return llvm::map_to_vector(stage.getBody()->getTerminator()->getOperands(),
                               [&](Value value) { return mapping.lookupOrDefault(value); });
  }

  linalg::GenericOp producer, consumer;
  SmallVector<Read> reads;
};

//===-- (1) ------------------------------------------------------------------------===//

/// An index of a body: a loop's, if there is one, and a distance.
struct Place {
  std::optional<unsigned> loop;
  int64_t distance = 0;
};
} // namespace

static std::optional<Place> placeOf(Value index) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return Place{std::nullopt, *constant};
  if (auto loop = index.getDefiningOp<linalg::IndexOp>())
    return Place{loop.getDim(), 0};
  auto sum = index.getDefiningOp<arith::AddIOp>();
  if (!sum)
    return std::nullopt;
  std::optional<Place> a = placeOf(sum.getLhs()), b = placeOf(sum.getRhs());
  if (!a || !b || (a->loop && b->loop))
    return std::nullopt;
  return Place{a->loop ? a->loop : b->loop, a->distance + b->distance};
}

/// The part of `buffer` that a load looks at in the whole of a stage, as an input of it.
static std::optional<Read> readOf(memref::LoadOp load, linalg::GenericOp stage) {
  ImplicitLocOpBuilder b(load.getLoc(), stage);
  SmallVector<OpFoldResult> offsets, sizes, strides(load.getIndices().size(), b.getIndexAttr(1));
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> exprs;
  Value result = stage.getDpsInits()[0];
  SmallVector<Place> places;
  llvm::SmallDenseSet<unsigned> loops;
  for (Value index : load.getIndices()) {
    std::optional<Place> place = placeOf(index);
    if (!place || (place->loop && !loops.insert(*place->loop).second))
      return std::nullopt;
    places.push_back(*place);
  }
  for (Place &place : places) {
    offsets.push_back(b.getIndexAttr(place.distance));
    if (!place.loop) {
      sizes.push_back(b.getIndexAttr(1));
      continue;
    }
    sizes.push_back(memref::getMixedSize(b, b.getLoc(), result, *place.loop));
    shape.push_back(cast<MemRefType>(result.getType()).getDimSize(*place.loop));
    exprs.push_back(b.getAffineDimExpr(*place.loop));
  }
  MemRefType type = memref::SubViewOp::inferRankReducedResultType(shape, load.getMemRefType(),
                                                                  offsets, sizes, strides);
  Value view = memref::SubViewOp::create(b, type, load.getMemRef(), offsets, sizes, strides);
  return Read{view, AffineMap::get(stage.getNumLoops(), 0, exprs, b.getContext())};
}

static void makeInputs(linalg::GenericOp stage) {
  SmallVector<memref::LoadOp> loads;
  for (auto load : stage.getBody()->getOps<memref::LoadOp>())
    if (llvm::none_of(stage.getDpsInits(),
                      [&](Value init) { return mayOverlap(init, load.getMemRef()); }))
      loads.push_back(load);
  SmallVector<Value> inputs(stage.getDpsInputs());
  SmallVector<AffineMap> maps = stage.getIndexingMapsArray();
  const unsigned before = inputs.size();
  for (memref::LoadOp load : loads) {
    std::optional<Read> read = readOf(load, stage);
    if (!read)
      continue;
    const unsigned number = inputs.size();
    inputs.push_back(read->source);
    maps.insert(maps.begin() + number, read->map);
    Value element = stage.getBody()->insertArgument(number, load.getType(), load.getLoc());
    load.replaceAllUsesWith(element);
    load.erase();
  }
  if (inputs.size() == before)
    return;
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*stage.getBody())))
    if (isOpTriviallyDead(&op))
      op.erase();
  stage.getInputsMutable().assign(inputs);
  stage.setIndexingMapsAttr(Builder(stage.getContext()).getAffineMapArrayAttr(maps));
}

//===-- (2) ------------------------------------------------------------------------===//

static bool isCheap(linalg::GenericOp stage) {
  size_t count = 0;
  for (Operation &op : stage.getBody()->without_terminator())
    if (++count > kCheapOperations || !isPure(&op) || op.getNumRegions() ||
        isa<math::MathDialect>(op.getDialect()) ||
        isa<linalg::IndexOp, arith::DivFOp, arith::RemFOp, arith::DivSIOp, arith::DivUIOp,
            arith::RemSIOp, arith::RemUIOp>(op))
      return false;
  return true;
}

/// `source`, which is read at `map` by the loops of a stage, where `view` looks at that stage's
/// result.
static Read seenThrough(memref::SubViewOp view, Value source, AffineMap map, OpBuilder &builder) {
  llvm::SmallBitVector dropped = view.getDroppedDims();
  SmallVector<OpFoldResult> offsets, sizes, strides(map.getNumResults(), builder.getIndexAttr(1));
  SmallVector<unsigned> left(map.getNumDims()); // number among those that were not dropped
  for (unsigned d = 0, next = 0; d < left.size(); ++d)
    left[d] = dropped.test(d) ? ~0u : next++;
  SmallVector<AffineExpr> exprs;
  SmallVector<int64_t> shape;
  for (AffineExpr expr : map.getResults()) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    offsets.push_back(view.getMixedOffsets()[loop]);
    sizes.push_back(view.getMixedSizes()[loop]);
    if (dropped.test(loop))
      continue;
    exprs.push_back(builder.getAffineDimExpr(left[loop]));
    shape.push_back(view.getType().getDimSize(left[loop]));
  }
  MemRefType type = memref::SubViewOp::inferRankReducedResultType(
      shape, cast<MemRefType>(source.getType()), offsets, sizes, strides);
  Value part =
      memref::SubViewOp::create(builder, view.getLoc(), type, source, offsets, sizes, strides);
  return {part, AffineMap::get(view.getType().getRank(), 0, exprs, builder.getContext())};
}

namespace {
/// A cheap stage whose readers compute it.
class Inliner {
public:
  explicit Inliner(linalg::GenericOp producer) : producer(producer) {}

  bool run() {
    if (!isPointwise(producer) || producer.getNumDpsInits() != 1 || !isCheap(producer) ||
        !producer.getMatchingBlockArgument(producer.getDpsInitOperand(0)).use_empty())
      return false;
    auto buffer = producer.getDpsInits()[0].getDefiningOp<memref::AllocOp>();
    if (!buffer || !findReaders(buffer) || readers.empty() || !isWorthIt() || isDisturbed())
      return false;
    for (OpOperand *input : producer.getDpsInputOperands())
      if (!producer.getMatchingIndexingMap(input).isProjectedPermutation())
        return false;
    while (!readers.empty()) {
      inlineInto(*readers.front());
      readers.clear();
      findReaders(buffer);
    }
    producer.erase();
    for (Operation *view : llvm::make_early_inc_range(buffer->getUsers()))
      view->erase();
    buffer.erase();
    return true;
  }

private:
  bool findReaders(Value buffer) {
    for (OpOperand &use : buffer.getUses()) {
      if (use.getOwner() == producer)
        continue;
      if (auto view = dyn_cast<memref::SubViewOp>(use.getOwner())) {
        const bool isPlain = buffer.getDefiningOp<memref::AllocOp>() && view.hasUnitStride();
        if (!isPlain || !findReaders(view.getResult()))
          return false;
        continue;
      }
      auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
      if (!reader || !isPointwise(reader) || isOutput(use) ||
          !reader.getMatchingIndexingMap(&use).isProjectedPermutation())
        return false;
      const bool isConstant = producer.getNumDpsInputs() == 0;
      const bool isAfter =
          reader->getBlock() == producer->getBlock() && producer->isBeforeInBlock(reader);
      if (!isAfter && !isConstant)
        return false;
      readers.push_back(&use);
    }
    return true;
  }

  /// Elements that are moved need no place of their own; others go where they are read from another
  /// place than they have here, once each.
  bool isWorthIt() {
    if (producer.getBody()->without_terminator().empty())
      return isContiguous(producer);
    bool isElsewhere = false;
    for (OpOperand *use : readers) {
      AffineMap map = cast<linalg::GenericOp>(use->getOwner()).getMatchingIndexingMap(use);
      if (!map.isPermutation())
        return false;
      isElsewhere |= !map.isIdentity() || use->get().getDefiningOp<memref::SubViewOp>();
    }
    return isElsewhere;
  }

  /// Whether something the producer reads may have changed when a reader runs.
  bool isDisturbed() {
    if (producer.getNumDpsInputs() == 0)
      return false;
    Operation *last = producer;
    for (OpOperand *use : readers)
      if (last->isBeforeInBlock(use->getOwner()))
        last = use->getOwner();
    for (Operation *op = producer->getNextNode();; op = op->getNextNode()) {
      for (Value input : producer.getDpsInputs())
        if (isa<MemRefType>(input.getType()) && mayWrite(*op, input))
          return true;
      if (op == last)
        return false;
    }
  }

  void inlineInto(OpOperand &use) {
    auto reader = cast<linalg::GenericOp>(use.getOwner());
    AffineMap map = reader.getMatchingIndexingMap(&use);
    OpBuilder builder(reader);
    Combination fused(producer, reader);
    for (OpOperand &operand : producer->getOpOperands()) {
      Read read{operand.get(), producer.getMatchingIndexingMap(&operand)};
      auto view = use.get().getDefiningOp<memref::SubViewOp>();
      if (view && read.map.getNumResults() > 0 && !isOutput(operand))
        read = seenThrough(view, read.source, read.map, builder);
      if (read.map.getNumResults() == 0)
        read.map = AffineMap::get(map.getNumDims(), 0, map.getContext());
      else if (!isOutput(operand))
        read.map = read.map.compose(map);
      fused.producerReads.push_back(read);
    }
    Value source = use.get();
    auto resultOf = [&](OpOperand &operand) -> std::optional<unsigned> {
      const bool isSame = operand.get() == source && reader.getMatchingIndexingMap(&operand) == map;
      return isSame ? std::optional<unsigned>(0) : std::nullopt;
    };
    fused.resultOf = resultOf;
    fused.build();
    reader.erase();
  }

  linalg::GenericOp producer;
  SmallVector<OpOperand *> readers;
};

} // namespace

/// From the front: readers come later, and take along what was inlined into them.
static void inlineProducers(Block &block) {
  for (Operation *op = &block.front(); op;) {
    auto stage = dyn_cast<linalg::GenericOp>(op);
    if (!stage || !isPointwise(stage)) {
      op = op->getNextNode();
      continue;
    }
    // Something that stays: the stage, its buffer and its readers may not.
    OpBuilder builder(op->getNextNode());
    Operation *mark = arith::ConstantIndexOp::create(builder, op->getLoc(), 0);
    Inliner(stage).run();
    op = mark->getNextNode();
    mark->erase();
  }
}

//===-- (3) ------------------------------------------------------------------------===//

static bool meetsElsewhere(linalg::GenericOp a, linalg::GenericOp b) {
  for (const Access &first : accessesOf(a))
    for (const Access &second : accessesOf(b)) {
      if ((!first.writes && !second.writes) || !mayOverlap(first.buffer, second.buffer))
        continue;
      if (first.buffer != second.buffer || !first.map || first.map != second.map ||
          !first.map.isIdentity())
        return true;
    }
  return false;
}

static bool canMerge(linalg::GenericOp a, linalg::GenericOp b) {
  return haveSameLoops(a, b) && isContiguous(a) == isContiguous(b) &&
         a.getBody()->getOperations().size() + b.getBody()->getOperations().size() <=
             kMostOperations &&
         !meetsElsewhere(a, b);
}

static linalg::GenericOp merge(linalg::GenericOp a, linalg::GenericOp b) {
  Combination fused(a, b);
  for (OpOperand &operand : a->getOpOperands())
    fused.producerReads.push_back({operand.get(), a.getMatchingIndexingMap(&operand)});
  auto resultOf = [&](OpOperand &operand) -> std::optional<unsigned> {
    for (auto [number, init] : llvm::enumerate(a.getDpsInits()))
      if (init == operand.get())
        return number;
    return std::nullopt;
  };
  fused.resultOf = resultOf;
  fused.keepsResults = true;
  linalg::GenericOp stage = fused.build();
  a.erase();
  b.erase();
  return stage;
}

static void mergeNeighbours(Block &block) {
  linalg::GenericOp current;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto stage = dyn_cast<linalg::GenericOp>(op);
    if (stage && isPointwise(stage))
      current = current && canMerge(current, stage) ? merge(current, stage) : stage;
    else if (!isPure(&op) && !isa<memref::AllocOp>(op))
      current = {};
  }
}

//===-- (4) ------------------------------------------------------------------------===//

/// Takes results that only this stage knows, and does not read, out of it.
static void dropResults(linalg::GenericOp stage) {
  SmallVector<unsigned> dead;
  for (auto [number, init] : llvm::enumerate(stage.getDpsInits()))
    if (init.getDefiningOp<memref::AllocOp>() && init.hasOneUse() &&
        stage.getMatchingBlockArgument(stage.getDpsInitOperand(number)).use_empty())
      dead.push_back(number);
  if (dead.empty())
    return;
  SmallVector<Operation *> buffers;
  SmallVector<Value> outputs(stage.getDpsInits());
  SmallVector<AffineMap> maps = stage.getIndexingMapsArray();
  Operation *yield = stage.getBody()->getTerminator();
  for (unsigned number : llvm::reverse(dead)) {
    buffers.push_back(outputs[number].getDefiningOp());
    outputs.erase(outputs.begin() + number);
    maps.erase(maps.begin() + stage.getNumDpsInputs() + number);
    yield->eraseOperand(number);
    stage.getBody()->eraseArgument(stage.getNumDpsInputs() + number);
  }
  if (outputs.empty()) {
    stage.erase();
  } else {
    stage.getOutputsMutable().assign(outputs);
    stage.setIndexingMapsAttr(Builder(stage.getContext()).getAffineMapArrayAttr(maps));
  }
  for (Operation *buffer : buffers)
    buffer->erase();
}

//===-- All of them ---------------------------------------------------------------------===//

static SmallVector<linalg::GenericOp> stagesOf(func::FuncOp function) {
  SmallVector<linalg::GenericOp> stages;
  function.walk([&](linalg::GenericOp stage) { stages.push_back(stage); });
  return stages;
}

/// One value per view.
static void shareViews(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  DominanceInfo dominance(function);
  eliminateCommonSubExpressions(rewriter, dominance, function);
}

void fuseStages(func::FuncOp function) {
  for (linalg::GenericOp stage : stagesOf(function))
    if (isPointwise(stage))
      makeInputs(stage);
  shareViews(function);
  SmallVector<Block *> blocks;
  function.walk([&](Block *block) {
    if (!isa<linalg::LinalgOp>(block->getParentOp()))
      blocks.push_back(block);
  });
  for (Block *block : blocks)
    inlineProducers(*block);
  shareViews(function);
  for (Block *block : blocks)
    mergeNeighbours(*block);
  for (linalg::GenericOp stage : stagesOf(function))
    dropResults(stage);
}

} // namespace tessera::loops
