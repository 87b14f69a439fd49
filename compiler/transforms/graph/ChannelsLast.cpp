//===- ChannelsLast.cpp - Convolutions with their channels on vectors -----------------------===//
// 1. Values that must have the same layout are tied: what a convolution reads and gives, and what
// ops
//    that work in any layout (elementwise, padding, concatenation, pooling, ...) hand on.
// 2. A class of tied values becomes channels-last when its convolutions gain more than the
//    conversions at its border cost. A border costs nothing where the layouts are the same bytes
//    (one channel, or one pixel) and where the neighbour reads or writes any layout (contractions,
//    transposes, broadcasts, reductions that keep the order of dims).
// 3. The ops of those classes are rebuilt in channels-last, with transposes at the border.

#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/graph/PixelShuffle.h"

#include "dialects/graph/GraphBuilder.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHCHANNELSLAST
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimArrayAttr;
using graph::DimAttr;

//===----------------------------------------------------------------------===//
// Places of dims: N C D H W becomes N D H W C
//===----------------------------------------------------------------------===//

static int64_t rankOf(Value value) { return graph::getTensorType(value).rank(); }

/// perm[i]: the dim that stands at place i of the channels-last value.
static SmallVector<int64_t> toLast(int64_t rank) {
  SmallVector<int64_t> perm = {0};
  for (int64_t dim = 2; dim < rank; ++dim)
    perm.push_back(dim);
  perm.push_back(1);
  return perm;
}
static SmallVector<int64_t> fromLast(int64_t rank) {
  SmallVector<int64_t> perm = {0, rank - 1};
  for (int64_t dim = 1; dim + 1 < rank; ++dim)
    perm.push_back(dim);
  return perm;
}
static int64_t placeOf(int64_t dim, int64_t rank) {
  return dim == 0 ? 0 : dim == 1 ? rank - 1 : dim - 1;
}

template <typename T> static SmallVector<T> permuted(ArrayRef<T> list) {
  SmallVector<T> result;
  for (int64_t dim : toLast(list.size()))
    result.push_back(list[dim]);
  return result;
}
static graph::TensorType lastType(Value value) {
  graph::TensorType type = graph::getTensorType(value);
  return type.withDims(permuted(type.getDims()));
}

/// Both layouts are the same bytes: one channel, or one pixel.
static bool isFree(Value value) {
  ArrayRef<DimAttr> dims = graph::getTensorType(value).getDims();
  auto isOne = [](DimAttr dim) { return dim.getConstant() == 1; };
  return isOne(dims[1]) || llvm::all_of(dims.drop_front(2), isOne);
}

//===----------------------------------------------------------------------===//
// What ops can do
//===----------------------------------------------------------------------===//

/// Axes that stay in their order: no channels.
static bool avoidsChannels(ArrayRef<int64_t> axes) { return !llvm::is_contained(axes, 1); }

/// Of channels that are the second dim.
static std::optional<transforms::PixelShuffle> matchShuffle(Operation *merge) {
  std::optional<transforms::PixelShuffle> shuffle = transforms::matchPixelShuffle(merge);
  if (!shuffle || shuffle->channel != 1 || shuffle->resultChannel != 1 ||
      shuffle->split->getBlock() != merge->getBlock())
    return std::nullopt;
  return shuffle;
}
static std::optional<transforms::PixelShuffle> findShuffle(Operation *split) {
  std::optional<transforms::PixelShuffle> shuffle = transforms::findPixelShuffle(split);
  return shuffle ? matchShuffle(shuffle->merge) : std::nullopt;
}

/// An op that can be rebuilt in channels-last.
static bool isCarrier(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 ||
      !llvm::isa<graph::TensorType>(op->getResult(0).getType()) || rankOf(op->getResult(0)) < 3)
    return false;
  if (auto conv = llvm::dyn_cast<graph::ConvOp>(op))
    return !conv.getLayout();
  if (auto window = llvm::dyn_cast<graph::WindowReduceOp>(op))
    return avoidsChannels(window.getAxes());
  if (auto resize = llvm::dyn_cast<graph::ResizeOp>(op))
    return avoidsChannels(resize.getAxes());
  if (matchShuffle(op))
    return true;
  if (auto reshape = llvm::dyn_cast<graph::ReshapeOp>(op)) {
    ArrayRef<DimAttr> from = graph::getTensorType(reshape.getX()).getDims();
    return from.size() >= 3 && from.take_front(2) == reshape.getType().getDims().take_front(2) &&
           !findShuffle(op);
  }
  return op->hasTrait<graph::Elementwise>() ||
         llvm::isa<graph::PadOp, graph::SliceOp, graph::ConcatOp, graph::BroadcastOp>(op);
}

/// The operands of a carrier whose layout follows its result's.
static SmallVector<OpOperand *> tiedOperands(Operation *op) {
  SmallVector<OpOperand *> tied;
  if (std::optional<transforms::PixelShuffle> shuffle = matchShuffle(op))
    return {&shuffle->split.getXMutable()};
  for (OpOperand &operand : op->getOpOperands()) {
    if (llvm::isa<graph::BroadcastOp>(op) ||
        (operand.getOperandNumber() > 0 && llvm::isa<graph::ConvOp, graph::PadOp>(op)))
      continue;
    tied.push_back(&operand);
  }
  return tied;
}

static bool reducesInOrder(graph::ReduceOp op) {
  int64_t rank = rankOf(op.getX()), last = -1;
  for (int64_t dim = 0; dim < rank; ++dim)
    if (!llvm::is_contained(op.getAxes(), dim)) {
      if (placeOf(dim, rank) < last)
        return false;
      last = placeOf(dim, rank);
    }
  return true;
}

/// Reads its operand in any layout at no cost.
static bool readsAnyLayout(Operation *op) {
  if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op))
    return reducesInOrder(reduce);
  return llvm::isa<graph::TransposeOp, graph::ContractOp, graph::BroadcastOp>(op);
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

/// What an unknown extent of an input is taken for.
static constexpr int64_t kAssumedExtent = 128;

static double extentOf(DimAttr dim) {
  auto value =
      graph::evaluateDim(dim, [](StringRef) { return std::optional<int64_t>(kAssumedExtent); });
  return std::max<double>(1, value.value_or(kAssumedExtent));
}
static double elementsOf(Value value) {
  double count = 1;
  for (DimAttr dim : graph::getTensorType(value).getDims())
    count *= extentOf(dim);
  return count;
}

/// Nanoseconds of a core, roughly, of the same rate as below: an element takes half of one to
/// change its layout (transposes read and write 60 GB/s on a Zen 5 core of 275 GFLOP/s, 0.13 ns an
/// element).
static double conversionCost(Value value) { return isFree(value) ? 0 : 0.5 * elementsOf(value); }

/// Measured on AVX2 cores (multiply-adds of f32, peak 98 GFLOP/s): channels-last runs at 70 to 90
/// whatever the picture; channels-first at 35 to 80 when rows are long, and below that in
/// proportion to what of its vectors a row fills, for other than grouped convolutions. Where
/// several short numbers are multiplied by one instruction they are neighbours among the channels:
/// bytes at 1.6 (AVX2) to 50 times the rate of f32 (AMX), bf16 at that of f32, twice (AVX-512) or 6
/// times it.
static double gainOf(graph::ConvOp op) {
  graph::TensorType weight = graph::getTensorType(op.getWeight());
  if (op.getGroups() != 1)
    return 0;
  double flops = 2 * elementsOf(op.getResult());
  for (DimAttr dim : weight.getDims().drop_front())
    flops *= extentOf(dim);
  double width = extentOf(op.getType().getDims().back()), vectors = std::ceil(width / 8) * 8;
  double channels = extentOf(weight.getDim(0));
  const unsigned bits = graph::getTensorType(op.getX()).getElementType().getIntOrFloatBitWidth();
  const double faster = bits <= 8 ? 2 : bits <= 16 ? 1.5 : 1;
  double first = 60 * width / vectors;
  double last = faster * 80 * channels / (std::ceil(channels / 8) * 8);
  return flops / first - flops / last;
}

//===----------------------------------------------------------------------===//
// One block
//===----------------------------------------------------------------------===//

namespace {
class Relayout {
public:
  explicit Relayout(Block &block) : block(block) {}
  void run();

private:
  void tie();
  void decide();
  bool isChosen(Value value) const;
  bool isChosen(Operation *op) const { return isCarrier(op) && isChosen(op->getResult(0)); }
  Value last(Value value, OpBuilder &builder, Location loc);
  void rebuild(Operation *op);
  void readLast(Operation *op);

  Block &block;
  llvm::EquivalenceClasses<void *> ties;
  DenseSet<void *> chosen;           // leaders
  DenseMap<Value, Value> lastValues; // by the value in its first layout
};
} // namespace

void Relayout::tie() {
  for (Operation &op : block) {
    if (!isCarrier(&op))
      continue;
    void *result = op.getResult(0).getAsOpaquePointer();
    ties.insert(result);
    for (OpOperand *operand : tiedOperands(&op))
      if (!graph::getSplat(operand->get())) // Those can be had in any layout.
        ties.unionSets(result, operand->get().getAsOpaquePointer());
  }
}

void Relayout::decide() {
  llvm::MapVector<void *, double> gains; // less the costs
  for (auto *member : ties) {
    Value value = Value::getFromOpaquePointer(member->getData());
    double &gain = gains[ties.getLeaderValue(member->getData())];
    Operation *producer = value.getDefiningOp();
    bool inside = producer && producer->getBlock() == &block;
    if (auto conv = producer ? llvm::dyn_cast<graph::ConvOp>(producer) : graph::ConvOp();
        conv && inside && isCarrier(conv))
      gain += gainOf(conv);
    if (!inside ||
        (!isCarrier(producer) && !llvm::isa<graph::ContractOp, graph::TransposeOp>(producer))) {
      gain -= conversionCost(value);
      continue;
    }
    bool isReadPlain = llvm::any_of(value.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (std::optional<transforms::PixelShuffle> shuffle = findShuffle(user))
        return shuffle->merge->getBlock() != &block;
      bool tied = user->getBlock() == &block && isCarrier(user) &&
                  llvm::is_contained(tiedOperands(user), &use);
      return !tied && !readsAnyLayout(user);
    });
    if (isReadPlain)
      gain -= conversionCost(value);
  }
  for (auto [leader, gain] : gains)
    if (gain > 0)
      chosen.insert(leader);
}

bool Relayout::isChosen(Value value) const {
  auto it = ties.findLeader(value.getAsOpaquePointer());
  return it != ties.member_end() && chosen.contains(*it);
}

/// A value in channels-last, converted if need be.
Value Relayout::last(Value value, OpBuilder &builder, Location loc) {
  graph::GraphBuilder b(builder, loc);
  if (Attribute splat = graph::getSplat(value)) {
    auto scalar = graph::TensorType::getScalar(graph::getTensorType(value).getElementType());
    Value constant = b.create<graph::ConstantOp>(
        scalar, DenseElementsAttr::get(llvm::cast<ShapedType>(scalar), splat));
    return b.broadcast(constant, {}, lastType(value).getDims());
  }
  Value &known = lastValues[value];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&block);
  if (Operation *producer = value.getDefiningOp(); producer && producer->getBlock() == &block)
    builder.setInsertionPointAfter(producer);
  known = isFree(value) ? b.reshape(value, lastType(value).getDims())
                        : b.transpose(value, toLast(rankOf(value)));
  return known;
}

void Relayout::rebuild(Operation *op) {
  Value result = op->getResult(0);
  int64_t rank = rankOf(result);
  OpBuilder builder(op);
  MLIRContext *context = op->getContext();
  if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(op)) {
    SmallVector<int64_t> dims;
    for (int64_t dim : broadcast.getDims())
      dims.push_back(placeOf(dim, rank));
    Value source = broadcast.getX();
    if (Value known = lastValues.lookup(source)) {
      source = known;
      dims = permuted(ArrayRef<int64_t>(dims));
    }
    lastValues[result] =
        graph::BroadcastOp::create(builder, op->getLoc(), lastType(result), source, dims);
    return;
  }
  if (std::optional<transforms::PixelShuffle> shuffle = matchShuffle(op)) {
    // The factors come last, and those of the picture move as before.
    int64_t factors = shuffle->factors, spatial = rank - 2;
    ArrayRef<DimAttr> before = shuffle->split.getType().getDims();
    SmallVector<DimAttr> split{before[0]};
    llvm::append_range(split, before.drop_front(1 + factors));
    llvm::append_range(split, before.slice(1, factors));
    auto move = [&](int64_t dim) {
      return dim == 0 ? 0 : dim > factors ? dim - factors : dim + spatial;
    };
    SmallVector<int64_t> perm;
    for (int64_t dim : toLast(rank))
      for (int64_t part : shuffle->parts[dim])
        perm.push_back(move(part));
    graph::GraphBuilder b(builder, op->getLoc());
    lastValues[result] = transforms::buildPixelShuffle(
        b, last(shuffle->getX(), builder, op->getLoc()), split, perm, lastType(result).getDims());
    return;
  }
  Operation *copy = op->clone();
  for (OpOperand *operand : tiedOperands(op))
    copy->setOperand(operand->getOperandNumber(), last(operand->get(), builder, op->getLoc()));
  builder.insert(copy);
  copy->getResult(0).setType(lastType(result));
  auto permuteDims = [&](DimArrayAttr dims) {
    return DimArrayAttr::get(context, ArrayRef<DimAttr>(permuted(dims.getDims())));
  };
  auto places = [&](ArrayRef<int64_t> axes) {
    return llvm::map_to_vector(axes, [&](int64_t axis) { return placeOf(axis, rank); });
  };
  std::string spatial = rank == 3 ? "W" : StringRef("DHW").take_back(rank - 2).str();
  if (auto conv = llvm::dyn_cast<graph::ConvOp>(copy)) {
    conv.setLayout("N" + spatial + "C,OI" + spatial + "->N" + spatial + "C");
  } else if (auto pad = llvm::dyn_cast<graph::PadOp>(copy)) {
    pad.setLoAttr(permuteDims(pad.getLo()));
    pad.setHiAttr(permuteDims(pad.getHi()));
  } else if (auto slice = llvm::dyn_cast<graph::SliceOp>(copy)) {
    slice.setStartsAttr(permuteDims(slice.getStarts()));
    slice.setStepsAttr(permuteDims(slice.getSteps()));
  } else if (auto concat = llvm::dyn_cast<graph::ConcatOp>(copy)) {
    concat.setAxis(placeOf(concat.getAxis(), rank));
  } else if (auto window = llvm::dyn_cast<graph::WindowReduceOp>(copy)) {
    window.setAxes(places(window.getAxes()));
  } else if (auto resize = llvm::dyn_cast<graph::ResizeOp>(copy)) {
    resize.setAxes(places(resize.getAxes()));
  }
  lastValues[result] = copy->getResult(0);
}

/// An op outside of the chosen classes that can read what was rebuilt.
void Relayout::readLast(Operation *op) {
  if (!llvm::isa<graph::ReduceOp, graph::BroadcastOp>(op))
    return;
  Value source = op->getOperand(0), rebuilt = lastValues.lookup(source);
  if (!rebuilt || !isChosen(source))
    return;
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op->getLoc());
  if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op); reduce && reducesInOrder(reduce)) {
    SmallVector<int64_t> axes;
    for (int64_t axis : reduce.getAxes())
      axes.push_back(placeOf(axis, rankOf(source)));
    llvm::sort(axes);
    reduce.replaceAllUsesWith(b.reduce(reduce.getKind(), rebuilt, axes));
    reduce.erase();
  } else if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(op)) {
    broadcast.setDims(permuted(broadcast.getDims()));
    broadcast.getXMutable().assign(rebuilt);
  }
}

void Relayout::run() {
  tie();
  decide();
  if (chosen.empty())
    return;
  SmallVector<Operation *> rebuilt;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (isChosen(&op)) {
      rebuild(&op);
      rebuilt.push_back(&op);
    } else {
      readLast(&op);
    }
  }
  // Who still reads the first layout gets it back.
  for (Operation *op : llvm::reverse(rebuilt)) {
    Value result = op->getResult(0), value = lastValues.lookup(result);
    bool isRead = llvm::any_of(result.getUsers(),
                               [&](Operation *user) { return !llvm::is_contained(rebuilt, user); });
    if (isRead) {
      OpBuilder builder(op);
      graph::GraphBuilder b(builder, op->getLoc());
      Value back = isFree(result) ? b.reshape(value, graph::getTensorType(result).getDims())
                                  : b.transpose(value, fromLast(rankOf(result)));
      result.replaceAllUsesWith(back);
    }
    result.dropAllUses();
    std::optional<transforms::PixelShuffle> shuffle = matchShuffle(op);
    op->erase();
    if (shuffle) {
      shuffle->move->erase();
      shuffle->split->erase();
    }
  }
}

namespace {
struct GraphChannelsLast : transforms::impl::GraphChannelsLastBase<GraphChannelsLast> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](graph::FuncOp function) {
      function.walk([&](Block *block) { blocks.push_back(block); });
    });
    for (Block *block : blocks)
      Relayout(*block).run();
  }
};
} // namespace
