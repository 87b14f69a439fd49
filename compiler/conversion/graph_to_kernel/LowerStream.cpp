//===- LowerStream.cpp - graph.stream ---------------------------------------------------------===//
//
// 1. The axis is cut into blocks of constant size. The state of every block comes from the lift: at
// once where
//    the lift takes blocks, else by merging the lifted elements of the block one after the other.
// 2. The states of the blocks are merged in order, from the identity. One stage merges states of
// the same
//    dimensions together with those they depend on: a tuple of values, one scalar function from two
//    tuples to one. No value may depend on another element of a state, so the merge runs element by
//    element.
// 3. finalize is lowered as it stands.
//
// The split form has one level more: the blocks of each part of the axis are merged, one part
// beside the other, then the states of the parts. `getStreamParts` says how many pay.
//
// Where the block states are kept (all of them: the split form; one at a time, inside of the loop
// that merges: the online form) is said by the schedule, not here. Associative merging that no one
// can prove to be associative is written out as two stages (a restructuring, not a loop directive).
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "compiler/conversion/graph_to_kernel/MaskedBlocks.h"
#include "compiler/conversion/graph_to_kernel/Regions.h"

#include "mlir/IR/AttrTypeSubElements.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;
using graph::DimExpr;

using BodyBuilder = ImplicitLocOpBuilder;

/// Elements of a block: enough to pay for rescaling the states, few enough for the cache next to
/// the core. Blocks consist of pieces, so that they can be cut into tiles.
static constexpr int64_t kBlock = 256, kPiece = 32;
/// Where nothing but the elements is kept of a block, sums across vectors and rescaling are what
/// costs.
static constexpr int64_t kPlainBlock = 2048;
/// Blocks that a mask cuts are computed as a whole (causal, 1024 positions of 64 numbers on a Zen
/// 5: 71 % of the rate of a product, with blocks of 256 67 %; without a mask 85 and 88 %).
static constexpr int64_t kMaskedBlock = 128;

static int64_t sizeOfBlocks(graph::StreamOp op) {
  bool isProduct =
      op.getLift().walk([](graph::ContractOp) { return WalkResult::interrupt(); }).wasInterrupted();
  return isProduct ? kBlock : kPlainBlock;
}

/// The split form: tasks that keep a machine busy, rows that make one of them, and blocks that are
/// worth a state of their own. How many parts there are must not depend on the number of threads,
/// or results would.
static constexpr int64_t kTasks = 16, kRowsOfATask = 64, kBlocksOfAPart = 2;

namespace {
class StreamLowering {
public:
  StreamLowering(graph::StreamOp op, KernelEmitter &emitter)
      : op(op), emitter(emitter), builder(emitter.getBuilder()) {}
  Tensors run();

private:
  /// States of blocks (or of elements, or of parts).
  struct State {
    Value tensor;
    bool isBatched;             // what has a state is counted by the first dimensions
    SmallVector<unsigned> axes; // of the other dimensions
  };
  /// What is merged: the elements of each block, the blocks (of each part), the parts.
  enum class Level { Elements, Blocks, Parts };
  struct Group {
    SmallVector<unsigned> axes; // of the stage, in order
    SmallVector<DimAttr> dims;
    SmallVector<unsigned> states; // that the stage carries
  };

  void cutIntoBlocks(DimAttr extent);
  void cutIntoParts(DimExpr count);
  LogicalResult liftBlocks();
  LogicalResult liftElements();
  LogicalResult analyzeMerge();
  LogicalResult groupStates();
  void joinGroups();
  SmallVector<Value> merge(const Group &group, Level level);
  SmallVector<State> mergeStates(Level level);
  SmallVector<DimAttr> dimsOfState(unsigned state) {
    return SmallVector<DimAttr>(llvm::cast<graph::TensorType>(op.getStateTypes()[state]).getDims());
  }
  Type elementOfState(unsigned state) {
    return getKernelElementType(
        llvm::cast<graph::TensorType>(op.getStateTypes()[state]).getElementType());
  }
  std::optional<MaskedBlocks> findMasks(Level level);
  Value identityOf(unsigned state);
  Value arrange(unsigned state, Value merged, ArrayRef<unsigned> axes);
  /// The map that reads a state in a stage over these axes, whose loops start at `first`; `outer`:
  /// the loops that count what has a state.
  AffineMap readOf(unsigned state, ArrayRef<unsigned> axes, unsigned loops, unsigned first,
                   ArrayRef<unsigned> outer);

  graph::StreamOp op;
  KernelEmitter &emitter;
  OpBuilder &builder;
  AxisBlocks blocks, elements;
  Value numberOfBlocks;      // in all parts together
  SmallVector<State> lifted; // of blocks, or of elements
  ScalarRegion scalars{emitter};
  SmallVector<SmallVector<unsigned>> axesOfState;
  std::vector<Group> groups;
};
} // namespace

//===----------------------------------------------------------------------===//
// Lift
//===----------------------------------------------------------------------===//

/// Lifts all blocks at once, by a copy of the lift in which the size of a block is what it is here.
LogicalResult StreamLowering::liftBlocks() {
  DimAttr symbol = DimExpr::symbol(op.getContext(), *op.getBlock());
  OwningOpRef<Operation *> copy(op->clone());
  AttrTypeReplacer replacer;
  auto substitute = [&](DimAttr dim) -> DimAttr {
    return graph::substituteDim(dim, [&](StringRef name) {
      return name == *op.getBlock() ? DimExpr(blocks.size) : DimExpr();
    });
  };
  replacer.addReplacement([&](DimAttr dim) -> std::optional<std::pair<Attribute, WalkResult>> {
    return std::pair(Attribute(substitute(dim)), WalkResult::skip());
  });
  replacer.addReplacement(
      [&](graph::TensorType type) -> std::optional<std::pair<Type, WalkResult>> {
        SmallVector<DimAttr> dims = llvm::map_to_vector(type.getDims(), substitute);
        return std::pair(Type(type.withDims(dims)), WalkResult::skip());
      });
  // The size of the last block is another one: as a number it is known to no one.
  auto mentionsSize = [&](DimAttr dim) { return substitute(dim) != dim; };
  SmallVector<Operation *> originals;
  for (Operation &inner : op.getLift().front().without_terminator()) {
    originals.push_back(&inner);
    bool asNumber = llvm::isa<graph::DimValueOp, graph::ShapeOfOp>(inner);
    auto dimValue = llvm::dyn_cast<graph::DimValueOp>(inner);
    if (asNumber && (dimValue ? mentionsSize(dimValue.getDim())
                              : llvm::any_of(graph::getTensorType(inner.getOperand(0)).getDims(),
                                             mentionsSize)))
      return inner.emitError(
          "takes the size of a block as a number; count the elements with graph.reduce");
    for (Value result : inner.getResults())
      for (DimAttr dim : graph::getTensorType(result).getDims())
        if (mentionsSize(dim) && dim != symbol)
          return inner.emitError("has the extent ")
                 << dim.str() << " inside a lift of blocks; only '" << *op.getBlock()
                 << "' itself may appear";
  }
  replacer.recursivelyReplaceElementsIn(copy.get(), /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  auto clone = llvm::cast<graph::StreamOp>(copy.get());
  Block &lift = clone.getLift().front();
  BatchedRegion region(emitter, blocks);
  for (auto [argument, input, axis] :
       llvm::zip(lift.getArguments(), op.getInputs(), op.getAxes())) {
    Value source = emitter.lookup(input);
    if (axis < 0) {
      emitter.bind(argument, source);
      continue;
    }
    SmallVector<DimAttr> dims{ArrayRef(blocks.counts)};
    llvm::append_range(dims, graph::getTensorType(argument).getDims());
    Value last = blocks.hasTail() ? emitter.extent(DimExpr(blocks.extent) - 1) : Value();
    Type element = getKernelElementType(graph::getTensorType(argument).getElementType());
    Value view = emitter.mapIndexed("block", dims, element, [&](BodyBuilder &b, ValueRange i) {
      unsigned loops = blocks.loops();
      SmallVector<Value> at(i.drop_front(loops));
      at[axis] = blocks.position(b, i.take_front(loops), at[axis]);
      if (last)
        at[axis] = arith::MinSIOp::create(b, at[axis], last);
      return extract(b, source, at);
    });
    region.bind(argument, view, axis);
  }
  auto results = region.lower(lift, [&](unsigned number, unsigned result, unsigned dim) {
    return graph::getTensorType(originals[number]->getResult(result)).getDim(dim) == symbol;
  });
  if (failed(results))
    return failure();
  for (auto [state, result] : llvm::enumerate(*results))
    lifted.push_back({result.tensor, result.isBatched, axesOfState[state]});
  return success();
}

LogicalResult StreamLowering::liftElements() {
  Block &lift = op.getLift().front();
  BatchedRegion region(emitter, elements);
  for (auto [argument, input, axis] :
       llvm::zip(lift.getArguments(), op.getInputs(), op.getAxes())) {
    Value source = emitter.lookup(input);
    if (axis < 0) {
      emitter.bind(argument, source);
      continue;
    }
    SmallVector<DimAttr> dims{ArrayRef(elements.counts)};
    llvm::append_range(dims, graph::getTensorType(argument).getDims());
    SmallVector<AffineExpr> reads;
    for (unsigned dim = 1; dim < dims.size(); ++dim)
      reads.push_back(builder.getAffineDimExpr(dim));
    reads.insert(reads.begin() + axis, builder.getAffineDimExpr(0));
    auto map = AffineMap::get(dims.size(), 0, reads, op.getContext());
    Type element = getKernelElementType(graph::getTensorType(argument).getElementType());
    region.bind(argument,
                emitter.map("element", dims, element, {{source, map}},
                            [](BodyBuilder &, ValueRange x) { return x[0]; }),
                -1);
  }
  auto results = region.lower(lift, [](unsigned, unsigned, unsigned) { return false; });
  if (failed(results))
    return failure();
  for (auto [state, result] : llvm::enumerate(*results))
    lifted.push_back({result.tensor, result.isBatched, axesOfState[state]});
  return success();
}

//===----------------------------------------------------------------------===//
// Merge
//===----------------------------------------------------------------------===//

LogicalResult StreamLowering::analyzeMerge() {
  Block &block = op.getMerge().front();
  unsigned count = op.getStateTypes().size();
  Operation *yield = block.getTerminator();
  SmallVector<std::pair<Value, Value>> ties;
  for (unsigned i = 0; i < count; ++i) {
    ties.push_back({block.getArgument(i), block.getArgument(count + i)});
    ties.push_back({block.getArgument(i), yield->getOperand(i)});
  }
  // States that the merge keeps apart are merged in the same loops all the same.
  if (failed(scalars.analyze(block, ties, block.getArguments().take_front(count))))
    return failure();
  for (unsigned i = 0; i < count; ++i) {
    axesOfState.push_back(scalars.axesOf(block.getArgument(i)));
    llvm::SmallDenseSet<unsigned> distinct(axesOfState[i].begin(), axesOfState[i].end());
    if (distinct.size() != axesOfState[i].size())
      return op.emitError("merge mixes elements of different places of state ")
             << i << ", so it cannot run element by element";
  }
  return success();
}

LogicalResult StreamLowering::groupStates() {
  unsigned count = axesOfState.size();
  Block &block = op.getMerge().front();
  // What each state depends on, directly and through others.
  SmallVector<llvm::SmallBitVector> needs;
  for (unsigned i = 0; i < count; ++i) {
    llvm::SmallBitVector arguments = scalars.argumentsOf(block.getTerminator()->getOperand(i));
    llvm::SmallBitVector own(count);
    own.set(i);
    for (unsigned argument : arguments.set_bits())
      own.set(argument % count);
    needs.push_back(own);
  }
  for (unsigned round = 0; round < count; ++round)
    for (llvm::SmallBitVector &own : needs)
      for (unsigned j : llvm::SmallBitVector(own).set_bits())
        own |= needs[j];
  for (unsigned i = 0; i < count; ++i) {
    llvm::SmallDenseSet<unsigned> mine(axesOfState[i].begin(), axesOfState[i].end());
    for (unsigned j : needs[i].set_bits())
      if (!llvm::all_of(axesOfState[j], [&](unsigned axis) { return mine.contains(axis); }))
        return op.emitError("merge computes state ")
               << i << " from state " << j
               << ", which has more dimensions, so it cannot run element by element";
    auto same = llvm::find_if(groups, [&](const Group &group) {
      return group.axes.size() == mine.size() &&
             llvm::all_of(group.axes, [&](unsigned axis) { return mine.contains(axis); });
    });
    if (same == groups.end()) {
      groups.push_back({axesOfState[i], dimsOfState(i), {}});
      same = std::prev(groups.end());
    }
    for (unsigned j : needs[i].set_bits())
      if (!llvm::is_contained(same->states, j))
        same->states.push_back(j);
  }
  joinGroups();
  return success();
}

/// One stage merges everything, where the widest state has the axes of all others: then a block is
/// lifted where it is merged. What the others lack must be there at least once.
void StreamLowering::joinGroups() {
  const Group *widest = &groups.front();
  for (const Group &group : groups)
    if (group.axes.size() > widest->axes.size())
      widest = &group;
  Group all{widest->axes, widest->dims, {}};
  for (unsigned state = 0; state < axesOfState.size(); ++state) {
    all.states.push_back(state);
    for (auto [axis, dim] : llvm::zip(all.axes, all.dims))
      if (!llvm::is_contained(axesOfState[state], axis) &&
          !(dim.isConstant() && dim.getValue() >= 1))
        return;
    for (unsigned axis : axesOfState[state])
      if (!llvm::is_contained(all.axes, axis))
        return;
  }
  groups = {all};
}

Value StreamLowering::identityOf(unsigned state) {
  auto value = llvm::cast<TypedAttr>(op.getIdentity()[state]);
  if (auto integer = llvm::dyn_cast<IntegerAttr>(value))
    value = IntegerAttr::get(elementOfState(state), integer.getValue());
  return emitter.constant(value);
}

AffineMap StreamLowering::readOf(unsigned state, ArrayRef<unsigned> axes, unsigned loops,
                                 unsigned first, ArrayRef<unsigned> outer) {
  SmallVector<AffineExpr> reads;
  if (lifted[state].isBatched)
    for (unsigned loop : outer)
      reads.push_back(builder.getAffineDimExpr(loop));
  for (unsigned axis : lifted[state].axes)
    reads.push_back(builder.getAffineDimExpr(first + (llvm::find(axes, axis) - axes.begin())));
  return AffineMap::get(loops, 0, reads, op.getContext());
}

/// Merges the lifted states. Loops: over what has a result, the group's axes, then the one that is
/// merged.
SmallVector<Value> StreamLowering::merge(const Group &group, Level level) {
  unsigned count = axesOfState.size(), carried = group.states.size();
  bool ofElements = level == Level::Elements, inParts = blocks.loops() > 1;
  SmallVector<DimAttr> dims;
  if (ofElements)
    dims.append(blocks.counts);
  else if (level == Level::Blocks && inParts)
    dims.push_back(blocks.counts[0]);
  unsigned first = dims.size(), parallel = first + group.axes.size(), merged = parallel;
  llvm::append_range(dims, group.dims);
  SmallVector<unsigned> outer; // loops that count what is merged
  for (unsigned loop = 0; loop < first; ++loop)
    outer.push_back(loop);
  outer.push_back(merged);
  SmallVector<KernelEmitter::Read> reads;
  SmallVector<Value> inits;
  for (unsigned state : group.states) {
    inits.push_back(emitter.fill("identity", dims, identityOf(state)));
    if (!ofElements)
      reads.push_back({lifted[state].tensor, readOf(state, group.axes, merged + 1, first, outer)});
  }
  // Its extent, which no other operand may tell.
  DimAttr range = ofElements               ? blocks.size
                  : level == Level::Blocks ? blocks.counts.back()
                                           : blocks.counts[0];
  reads.push_back(
      {emitter.empty({range}, builder.getF32Type()),
       AffineMap::get(merged + 1, 0, {builder.getAffineDimExpr(merged)}, op.getContext())});
  Value extent = ofElements && blocks.hasTail() ? emitter.extent(blocks.extent) : Value();
  Value last = extent ? emitter.extent(DimExpr(blocks.extent) - 1) : Value();
  Value number = level == Level::Blocks && inParts ? numberOfBlocks : Value();
  AffineMap output = builder.getMultiDimIdentityMap(merged + 1).getMajorSubMap(parallel);
  Block &block = op.getMerge().front();
  std::optional<MaskedBlocks> masked = findMasks(level);
  bool skips = false;
  SmallVector<Value> merges = emitter.reduce(
      ofElements || (level == Level::Blocks && inParts) ? "part" : "merge", parallel, 1, reads,
      inits, output, [&](BodyBuilder &b, ValueRange x, ValueRange running) {
        auto indexOf = [&](unsigned axis) -> Value {
          return linalg::IndexOp::create(
              b, first + (llvm::find(group.axes, axis) - group.axes.begin()));
        };
        Value valid, at;
        if (ofElements) {
          at = blocks.positionHere(b, merged);
          if (extent) {
            valid = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, extent);
            at = arith::MinSIOp::create(b, at, last);
          }
        }
        SmallVector<Value> arguments(2 * count);
        for (auto [i, state] : llvm::enumerate(group.states)) {
          arguments[state] = running[i];
          if (!ofElements) {
            arguments[count + state] = x[i];
            continue;
          }
          SmallVector<Value> place;
          if (lifted[state].isBatched)
            place.push_back(at);
          for (unsigned axis : lifted[state].axes)
            place.push_back(indexOf(axis));
          arguments[count + state] = extract(b, lifted[state].tensor, place);
        }
        for (auto [state, from] : llvm::enumerate(lifted)) {
          if (valid || !masked || !from.isBatched)
            continue;
          SmallVector<unsigned> place(outer);
          for (unsigned axis : from.axes)
            place.push_back(first + (llvm::find(group.axes, axis) - group.axes.begin()));
          valid = masked->mayDiffer(b, state, place);
          skips = bool(valid);
        }
        if (number) { // The last parts may have fewer blocks.
          SmallVector<Value> at = llvm::map_to_vector(
              outer, [&](unsigned loop) -> Value { return linalg::IndexOp::create(b, loop); });
          Value exists =
              arith::CmpIOp::create(b, arith::CmpIPredicate::slt, blocks.number(b, at), number);
          valid = valid ? Value(arith::AndIOp::create(b, exists, valid)) : exists;
          skips = true;
        }
        SmallVector<Value> next;
        for (unsigned i = 0; i < carried; ++i) {
          Value value = scalars.build(b, block.getTerminator()->getOperand(group.states[i]),
                                      arguments, indexOf);
          next.push_back(valid ? Value(arith::SelectOp::create(b, valid, value, running[i]))
                               : value);
        }
        return next;
      });
  // The lift of a stream is right for blocks of every size.
  if (level == Level::Blocks && op.getBlock())
    merges[0].getDefiningOp()->setAttr(kernel::KernelDialect::kAnyBlocksAttr,
                                       builder.getUnitAttr());
  if (skips)
    merges[0].getDefiningOp()->setAttr(kernel::KernelDialect::kSkipsAttr, builder.getUnitAttr());
  return merges;
}

/// All states, each from the stage that has its axes where there is one.
SmallVector<StreamLowering::State> StreamLowering::mergeStates(Level level) {
  SmallVector<State> states(axesOfState.size());
  for (const Group &group : groups) {
    SmallVector<Value> results = merge(group, level);
    for (auto [state, result] : llvm::zip(group.states, results))
      if (!states[state].tensor || axesOfState[state].size() == group.axes.size())
        states[state] = {result, true, group.axes};
  }
  return states;
}

/// Blocks that a mask leaves out are not merged.
std::optional<MaskedBlocks> StreamLowering::findMasks(Level level) {
  if (level != Level::Blocks)
    return std::nullopt;
  SmallVector<Value> tensors;
  SmallVector<TypedAttr> identity;
  for (auto [state, value] : llvm::zip(lifted, op.getIdentity())) {
    tensors.push_back(state.tensor);
    identity.push_back(llvm::cast<TypedAttr>(value));
  }
  MaskedBlocks masked(tensors, identity);
  return masked.empty() ? std::nullopt : std::optional(masked);
}

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

/// As few blocks as the largest size allows, all of the same size: a short axis is one short block.
void StreamLowering::cutIntoBlocks(DimAttr extent) {
  int64_t most = sizeOfBlocks(op);
  const DimAttr rows = getStreamRows(op);
  if (rows && rows != graph::getDim(op.getContext(), 1) && mayLeaveOutBlocks(op))
    most = std::min(most, kMaskedBlock);
  DimExpr one = DimExpr::constant(op.getContext(), 1);
  DimExpr count = DimExpr::max(DimExpr(extent).ceilDiv(most), one);
  DimExpr pieces = DimExpr::max(DimExpr(extent).ceilDiv(count).ceilDiv(kPiece), one);
  DimExpr size = pieces * kPiece, number = DimExpr(extent).ceilDiv(size);
  if (!number) { // Too large an expression: blocks of one size.
    size = DimExpr::constant(op.getContext(), most);
    number = DimExpr(extent).ceilDiv(most);
  }
  blocks = {extent, size.get(), {number.get()}};
  if (blocks.size.isConstant())
    return;
  // That it is bounded, and a multiple, stands in the kernel: schedules rely on it.
  Value mostPieces = emitter.constantIndex(most / kPiece), by = emitter.constantIndex(kPiece);
  Value bounded = arith::MinSIOp::create(builder, op.getLoc(), emitter.extent(pieces), mostPieces);
  blocks.sizeValue = arith::MulIOp::create(builder, op.getLoc(), bounded, by);
  emitter.setExtent(blocks.size, blocks.sizeValue);
}

/// Parts of equal numbers of blocks, of which the last may have fewer.
void StreamLowering::cutIntoParts(DimExpr parts) {
  DimExpr count = blocks.counts[0], blocksOfAPart = count.ceilDiv(parts);
  numberOfBlocks = emitter.extent(count);
  blocks.blocksOfAPart = emitter.extent(blocksOfAPart);
  blocks.counts = {parts.get(), blocksOfAPart.get()};
}

Tensors StreamLowering::run() {
  DimAttr extent = op.getExtent();
  elements = {extent, graph::getDim(op.getContext(), 1), {extent}};
  bool takesBlocks = op.getBlock().has_value();
  if (takesBlocks) {
    cutIntoBlocks(extent);
    if (emitter.splitsStreams())
      cutIntoParts(getStreamParts(op));
  } else {
    int64_t size = extent.isConstant() ? std::clamp<int64_t>(extent.getValue(), 1, kBlock) : kBlock;
    blocks = {extent, graph::getDim(op.getContext(), size), {DimExpr(extent).ceilDiv(size).get()}};
  }
  if (failed(analyzeMerge()) || failed(groupStates()) ||
      failed(takesBlocks ? liftBlocks() : liftElements()))
    return failure();
  emitter.setLoc(op.getLoc());
  if (!takesBlocks)
    lifted = mergeStates(Level::Elements);
  if (blocks.loops() > 1)
    lifted = mergeStates(Level::Blocks);
  SmallVector<Value> final;
  for (auto [number, state] :
       llvm::enumerate(mergeStates(blocks.loops() > 1 ? Level::Parts : Level::Blocks)))
    final.push_back(arrange(number, state.tensor, state.axes));
  return lowerRegion(emitter, op.getFinalize().front(), final);
}

/// A merged state with its own order of dimensions, as a stage that only copies: the stages of a
/// tuple cannot be results of a kernel one by one.
Value StreamLowering::arrange(unsigned state, Value merged, ArrayRef<unsigned> axes) {
  // Along axes that the state lacks, all values are the same.
  ArrayRef<unsigned> own = axesOfState[state];
  SmallVector<AffineExpr> reads;
  for (unsigned axis : axes)
    reads.push_back(llvm::is_contained(own, axis)
                        ? builder.getAffineDimExpr(llvm::find(own, axis) - own.begin())
                        : builder.getAffineConstantExpr(0));
  auto map = AffineMap::get(own.size(), 0, reads, op.getContext());
  return emitter.map("state", dimsOfState(state), elementOfState(state), {{merged, map}},
                     [](BodyBuilder &, ValueRange x) { return x[0]; });
}

/// The dimensions of the smallest state: the rest of a larger one is computed together.
static ArrayRef<DimAttr> rowsOf(graph::StreamOp op) {
  ArrayRef<DimAttr> rows = llvm::cast<graph::TensorType>(op.getStateTypes()[0]).getDims();
  for (Type type : op.getStateTypes())
    if (ArrayRef<DimAttr> dims = llvm::cast<graph::TensorType>(type).getDims();
        dims.size() < rows.size())
      rows = dims;
  return rows;
}

DimAttr tessera::lower::getStreamRows(graph::StreamOp op) {
  ArrayRef<DimAttr> rows = rowsOf(op);
  return rows.empty() ? DimAttr() : rows.back();
}

DimExpr tessera::lower::getStreamParts(graph::StreamOp op) {
  MLIRContext *context = op.getContext();
  DimExpr one = DimExpr::constant(context, 1), tasks = one;
  if (!op.getBlock())
    return one;
  ArrayRef<DimAttr> rows = rowsOf(op);
  for (auto [place, dim] : llvm::enumerate(rows))
    tasks = tasks * (place + 1 == rows.size() ? DimExpr(dim).ceilDiv(kRowsOfATask) : DimExpr(dim));
  DimExpr wanted = DimExpr::constant(context, kTasks).ceilDiv(DimExpr::max(tasks, one));
  DimExpr most = DimExpr(op.getExtent()).ceilDiv(sizeOfBlocks(op) * kBlocksOfAPart);
  DimExpr parts = DimExpr::max(DimExpr::min(wanted, most), one);
  return parts ? parts : one;
}

static Tensors lowerStream(graph::StreamOp op, KernelEmitter &emitter) {
  return StreamLowering(op, emitter).run();
}

void tessera::lower::attachStreams(MLIRContext &context) {
  graph::StreamOp::attachInterface<Model<graph::StreamOp, FusionClass::Contraction, lowerStream>>(
      context);
}
