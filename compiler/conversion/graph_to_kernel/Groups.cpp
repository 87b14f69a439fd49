//===- Groups.cpp - Which ops of a block share a kernel ------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Groups.h"

#include "compiler/conversion/graph_to_kernel/Rows.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using graph::DimExpr;

bool tessera::isRecomputed(Operation *op) {
  if (auto constant = llvm::dyn_cast<graph::ConstantOp>(op)) {
    auto dense = llvm::dyn_cast<DenseElementsAttr>(constant.getValue());
    return dense && dense.isSplat() && !llvm::isa<graph::StringType>(dense.getElementType());
  }
  if (llvm::isa<graph::IotaOp, graph::DimValueOp, graph::ShapeOfOp>(op))
    return true;
  if (llvm::isa<graph::BroadcastOp>(op)) {
    Operation *source = op->getOperand(0).getDefiningOp();
    return source && isRecomputed(source);
  }
  return false;
}

bool tessera::readsMemory(Operation *reader, Block &block) {
  reader = block.findAncestorOpInBlock(*reader); // A region that becomes part of a kernel, too.
  return !llvm::isa_and_nonnull<KernelLoweringOpInterface>(reader) ||
         llvm::isa<graph::ReshapeOp>(reader);
}

SmallVector<Value> tessera::getInputs(Operation *op) {
  SmallVector<Value> inputs(op->getOperands());
  if (op->getNumRegions()) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::append_range(inputs, captured);
  }
  return inputs;
}

namespace {
class Partition {
public:
  Partition(Block &block, const BoundSymbols &bound, bool explain, bool takesRowsForShort,
            bool forGpu)
      : block(block), bound(bound), explain(explain), takesRowsForShort(takesRowsForShort),
        forGpu(forGpu) {}
  std::vector<SmallVector<Operation *>> run();

private:
  using Group = unsigned;
  static constexpr size_t kMaxGroupOps = 64, kMaxGroupReads = 2 * kMaxGroupOps;

  bool isMember(Operation *op) const { return groupOf.count(op); }
  void start(Operation *op);
  void merge(Group into, Group from);
  bool contains(Group group, FusionClass fusionClass) const;
  bool hasAnchor(Group group) const {
    return contains(group, FusionClass::Reduction) || contains(group, FusionClass::Contraction);
  }
  std::optional<RowDomain> rowDomainOf(Group group) const {
    return tessera::rowDomainOf(ArrayRef(groups[group]));
  }
  bool joinsRows(const RowDomain &rows, Operation *consumer) const;
  StringRef whyApart(Group producers, Operation *consumer) const;
  bool isWrittenOut(Group group, graph::ConcatOp concat) const;
  bool repeatsCost(Group a, Group b) const;
  bool mayShare(Group a, Group b) const;
  void addSiblings(Operation *op, llvm::SetVector<Group> &candidates) const;
  void explainApart(Group group, Operation *consumer, StringRef reason) const;
  llvm::SetVector<Operation *> findGathers(graph::StreamOp stream) const;
  void joinGathers(graph::StreamOp stream);
  bool isConvex(Group a, Group b, ArrayRef<Operation *> between = {});
  unsigned findCut(unsigned place);
  void glue(Group group);

  Block &block;
  const BoundSymbols &bound;
  const bool explain; ///< remarks say why groups stay apart
  const bool takesRowsForShort, forGpu;
  DenseMap<Operation *, Group> groupOf;
  DenseMap<Operation *, unsigned> segmentOf;
  std::vector<SmallVector<Operation *>> groups;
  /// Where ops stand in the block, and for each place an earlier one that some group ties it to;
  /// itself where no group reaches across.
  DenseMap<Operation *, unsigned> placeOf;
  std::vector<unsigned> tied;
};
} // namespace

static FusionClass classOf(Operation *op) {
  return llvm::cast<KernelLoweringOpInterface>(op).getFusionClass();
}

bool Partition::contains(Group group, FusionClass fusionClass) const {
  return llvm::any_of(groups[group], [&](Operation *op) { return classOf(op) == fusionClass; });
}

void Partition::start(Operation *op) {
  groupOf[op] = groups.size();
  groups.push_back({op});
}

void Partition::merge(Group into, Group from) {
  for (Operation *op : groups[from])
    groupOf[op] = into;
  llvm::append_range(groups[into], groups[from]);
  llvm::sort(groups[into], [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  groups[from].clear();
  glue(into);
}

/// The last place up to the given one that no group reaches across: what stands before it needs
/// nothing from there on.
unsigned Partition::findCut(unsigned place) {
  unsigned cut = place;
  while (tied[cut] != cut)
    cut = tied[cut];
  while (tied[place] != place)
    place = std::exchange(tied[place], cut);
  return cut;
}

void Partition::glue(Group group) {
  unsigned first = placeOf.lookup(groups[group].front());
  for (unsigned cut = findCut(placeOf.lookup(groups[group].back())); cut > first;
       cut = findCut(cut))
    tied[cut] = cut - 1;
}

SmallVector<Operation *> tessera::predecessorsOf(Operation *op, const BoundSymbols &bound) {
  Block *block = op->getBlock();
  SmallVector<Operation *> predecessors;
  auto add = [&](Operation *before) {
    before = before ? block->findAncestorOpInBlock(*before) : nullptr;
    if (before && before != op)
      predecessors.push_back(before);
  };
  for (Value operand : op->getOperands())
    add(operand.getDefiningOp());
  if (op->getNumRegions()) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    for (Value value : captured)
      add(value.getDefiningOp());
  }
  if (!bound.empty())
    op->walk([&](Operation *inner) {
      graph::walkSymbols(inner, [&](StringRef symbol) { add(bound.lookup(symbol)); });
    });
  return predecessors;
}

/// Whether the union of two groups, and of ops that lie between them, would be convex: nothing
/// outside lies on a path between its ops. Nothing is looked for before the last cut in front of
/// the union, so that this takes no time of the block's size.
bool Partition::isConvex(Group a, Group b, ArrayRef<Operation *> between) {
  DenseSet<Operation *> visited;
  SmallVector<Operation *> work;
  auto isInside = [&](Operation *op) {
    auto it = groupOf.find(op);
    return (it != groupOf.end() && (it->second == a || it->second == b)) ||
           llvm::is_contained(between, op);
  };
  unsigned first = std::min(placeOf.lookup(groups[a].front()), placeOf.lookup(groups[b].front()));
  for (Operation *op : between)
    first = std::min(first, placeOf.lookup(op));
  const unsigned cut = findCut(first);
  auto push = [&](Operation *op) {
    for (Operation *before : predecessorsOf(op, bound))
      if (placeOf.lookup(before) >= cut && visited.insert(before).second)
        work.push_back(before);
  };
  // From the inputs of the union backwards, through whole groups: they run as one.
  auto pushOutside = [&](ArrayRef<Operation *> inside) {
    for (Operation *op : inside)
      for (Operation *before : predecessorsOf(op, bound))
        if (!isInside(before) && placeOf.lookup(before) >= cut && visited.insert(before).second)
          work.push_back(before);
  };
  pushOutside(groups[a]);
  pushOutside(groups[b]);
  pushOutside(between);
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (isInside(op))
      return false;
    auto it = groupOf.find(op);
    if (it == groupOf.end()) {
      push(op);
      continue;
    }
    for (Operation *member : groups[it->second])
      push(member);
  }
  return true;
}

static ArrayRef<graph::DimAttr> dimsOf(Operation *op) {
  return graph::getTensorType(op->getResult(0)).getDims();
}

/// Whether an element of the op may be asked for more than once by its reader.
static bool repeatsReads(Operation *reader) {
  return llvm::isa<graph::BroadcastOp, graph::GatherOp, graph::ConcatOp>(reader) ||
         (llvm::isa<graph::PadOp>(reader) &&
          llvm::cast<graph::PadOp>(reader).getMode() != graph::PadMode::constant);
}

/// A resize that reads elements several times, or a broadcast that is stored: what is repeated
/// would be computed again each time, and stored it is the smaller tensor.
static bool enlarges(Operation *reader) {
  if (llvm::isa<graph::BroadcastOp>(reader))
    return llvm::all_of(reader->getUsers(), llvm::IsaPred<graph::ReshapeOp>);
  auto resize = llvm::dyn_cast<graph::ResizeOp>(reader);
  if (!resize)
    return false;
  graph::TensorType from = graph::getTensorType(resize.getX()),
                    to = graph::getTensorType(resize.getResult());
  return llvm::any_of(resize.getAxes(), [&](int64_t axis) {
    return graph::isKnownLessEqual((DimExpr(from.getDim(axis)) * 2).get(), to.getDim(axis));
  });
}

/// A gather of rows (of the last axis) that takes each of them at least twice on average.
static bool takesRowsOften(Operation *reader) {
  auto gather = llvm::dyn_cast<graph::GatherOp>(reader);
  if (!gather)
    return false;
  ArrayRef<graph::DimAttr> dims = graph::getTensorType(gather.getX()).getDims();
  if (gather.getAxis() + 1 == int64_t(dims.size()))
    return false;
  DimExpr taken(graph::getDim(reader->getContext(), 1));
  for (graph::DimAttr dim : graph::getTensorType(gather.getIndices()).getDims())
    taken = taken * DimExpr(dim);
  return graph::isKnownLessEqual((DimExpr(dims[gather.getAxis()]) * 2).get(), taken.get());
}

static bool movesLastAxis(Operation *op) {
  auto transpose = llvm::dyn_cast<graph::TransposeOp>(op);
  return transpose && !transpose.getPerm().empty() &&
         transpose.getPerm().back() != int64_t(transpose.getPerm().size()) - 1;
}

/// Whether an op only reads elsewhere. A kernel is not bounded by the number of those.
static bool onlyReads(Operation *op) {
  return llvm::isa<graph::SliceOp, graph::ResizeOp, graph::TransposeOp, graph::BroadcastOp>(op);
}

/// Nearest neighbours of a grid that is stretched by whole numbers.
static bool stretches(Operation *op) {
  auto resize = llvm::dyn_cast<graph::ResizeOp>(op);
  return resize && resize.getMode() == graph::ResizeMode::nearest && resize.getScales() &&
         llvm::all_of(*resize.getScales(), [](double s) { return s == std::floor(s); });
}

static bool isArithmetic(Operation *op) {
  return op->hasTrait<graph::Elementwise>() && !llvm::isa<graph::ConvertOp>(op);
}

/// Whether an op that reads reduced rows goes on with the same rows: another reduction of them, the
/// reduced values at every element of their row, or a map over either.
bool Partition::joinsRows(const RowDomain &rows, Operation *consumer) const {
  if (std::optional<RowDomain> own = tessera::rowDomainOf(consumer))
    return *own == rows;
  if (auto broadcast = llvm::dyn_cast<graph::BroadcastOp>(consumer)) {
    ArrayRef<int64_t> places = broadcast.getDims();
    return broadcast.getType().getDims() == rows.dims &&
           graph::getTensorType(broadcast.getX()).getDims() == rows.kept() &&
           llvm::equal(places, llvm::seq<int64_t>(0, places.size()));
  }
  return consumer->hasTrait<graph::Elementwise>() &&
         (dimsOf(consumer) == rows.dims || dimsOf(consumer) == rows.kept());
}

/// Unknown rows are taken for short ones where that is possible: the others get kernels of their
/// own.
bool Partition::repeatsCost(Group a, Group b) const {
  std::optional<RowDomain> rows = rowDomainOf(a);
  std::optional<ShortRows> whenShort = rows ? rows->whenShort() : std::nullopt;
  const bool isShort = whenShort && (takesRowsForShort || !whenShort->extent);
  return tessera::repeatsCost({groups[a], groups[b]}, isShort);
}

/// Two groups with reductions or contractions stay apart, unless they work on the same rows.
bool Partition::mayShare(Group a, Group b) const {
  if (!hasAnchor(a) || !hasAnchor(b))
    return true;
  std::optional<RowDomain> x = rowDomainOf(a), y = rowDomainOf(b);
  return x && y && *x == *y;
}

/// Groups with reductions of the same rows of the same value, and no more than what follows from
/// the reduced values: the rows are read once for both.
void Partition::addSiblings(Operation *op, llvm::SetVector<Group> &candidates) const {
  std::optional<RowDomain> own = tessera::rowDomainOf(op);
  if (!own)
    return;
  for (Operation *reader : op->getOperand(0).getUsers())
    if (reader != op && reader->getBlock() == &block && isMember(reader))
      if (std::optional<RowDomain> rows = tessera::rowDomainOf(reader);
          rows && *rows == *own &&
          llvm::none_of(groups[groupOf.lookup(reader)], [&](Operation *member) {
            return dimsOf(member) == own->dims &&
                   llvm::any_of(member->getUsers(), [&](Operation *user) {
                     auto it = groupOf.find(user);
                     return it == groupOf.end() || it->second != groupOf.lookup(reader);
                   });
          }))
        candidates.insert(groupOf.lookup(reader));
}

/// A conversion to elements of more bytes.
static bool widens(Operation *op) {
  auto bits = [](Value value) {
    Type element = graph::getTensorType(value).getElementType();
    return element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 0;
  };
  return llvm::isa<graph::ConvertOp>(op) && bits(op->getResult(0)) > bits(op->getOperand(0));
}

/// Whether one group computes all that is concatenated, piece by piece of one element: the loop
/// over pieces is written out (nothing is chosen), and what several of them read is read once.
bool Partition::isWrittenOut(Group group, graph::ConcatOp concat) const {
  constexpr size_t kMostPieces = 16;
  return !forGpu && concat.getInputs().size() > 1 && concat.getInputs().size() <= kMostPieces &&
         !hasAnchor(group) && !contains(group, FusionClass::Unpack) &&
         concat.getAxis() + 1 < graph::getTensorType(concat.getResult()).rank() &&
         llvm::all_of(concat.getInputs(), [&](Value piece) {
           Operation *producer = piece.getDefiningOp();
           return producer && isMember(producer) && groupOf.lookup(producer) == group &&
                  graph::getTensorType(piece).getDim(concat.getAxis()).getConstant() == 1;
         });
}

/// Why a consumer saves no memory traffic by joining the group it reads from; "": it does.
StringRef Partition::whyApart(Group group, Operation *consumer) const {
  ArrayRef<Operation *> members = groups[group];
  FusionClass consumerClass = classOf(consumer);
  if (consumerClass == FusionClass::Sequential || contains(group, FusionClass::Sequential))
    return "what runs step after step is a kernel of its own";
  if (size_t(llvm::count_if(members, [](Operation *op) { return !onlyReads(op); })) >=
          kMaxGroupOps ||
      members.size() >= kMaxGroupReads)
    return "a kernel has at most 64 ops";
  bool onlyUnpacks = llvm::all_of(
      members, [](Operation *member) { return classOf(member) == FusionClass::Unpack; });
  if (consumerClass == FusionClass::Contraction && !onlyUnpacks)
    return "a product reads each operand several times: it would be computed as often";
  if (segmentOf.lookup(members.front()) != segmentOf.lookup(consumer))
    return "a variable is written in between";
  // What is stored in few bytes anyway is widened where it is read, not stored again.
  if (widens(consumer) && llvm::any_of(consumer->getOperand(0).getUsers(), [&](Operation *user) {
        auto it = groupOf.find(user);
        return user != consumer && (it == groupOf.end() || it->second != group);
      }))
    return "it is stored in fewer bytes for others, and widened where it is read";
  if (std::optional<RowDomain> rows = rowDomainOf(group); rows && joinsRows(*rows, consumer))
    return "";
  // What the rest of the graph reads too is stored anyway; then only its own domain may be
  // extended.
  bool onlyReader = llvm::all_of(members, [&](Operation *member) {
    return llvm::all_of(member->getUsers(), [&](Operation *user) {
      auto it = groupOf.find(user);
      return user == consumer || (it != groupOf.end() && it->second == group);
    });
  });
  bool sameDomain = llvm::all_of(members, [&](Operation *member) {
    bool stored = llvm::any_of(member->getUsers(), [&](Operation *user) {
      auto it = groupOf.find(user);
      return user != consumer && (it == groupOf.end() || it->second != group);
    });
    return !stored || dimsOf(member) == dimsOf(consumer);
  });
  constexpr StringRef kReadByOthers = "others read it, too: it is stored in any case";
  if (consumerClass == FusionClass::Reduction) {
    if (hasAnchor(group))
      return "it follows a sum over other elements, which would be repeated for each of its own";
    if (llvm::isa<graph::WindowReduceOp>(consumer))
      return "windows overlap: their elements would be computed several times";
    return onlyReader ? "" : kReadByOthers;
  }
  if (auto concat = llvm::dyn_cast<graph::ConcatOp>(consumer);
      concat && !isWrittenOut(group, concat))
    return "every element would choose between all that is concatenated";
  // Several elements side by side are computed from the same ones: only maps of their own places
  // leave that so.
  if (llvm::count_if(members, stretches) > 1 &&
      !(consumer->hasTrait<graph::Elementwise>() && dimsOf(consumer) == dimsOf(members.back())))
    return "elements side by side are computed together, at their places";
  if (hasAnchor(group)) {
    // Epilogues: every element of the anchor is computed once and used at its place.
    bool atItsPlace = llvm::all_of(members, [&](Operation *member) {
      FusionClass memberClass = classOf(member);
      bool isAnchor =
          memberClass == FusionClass::Reduction || memberClass == FusionClass::Contraction;
      return !isAnchor ||
             (dimsOf(member) == dimsOf(consumer) && consumer->hasTrait<graph::Elementwise>());
    });
    if (!atItsPlace)
      return "sums would be repeated: their elements are not used once and at their place";
    return sameDomain ? "" : kReadByOthers;
  }
  if (repeatsReads(consumer) && contains(group, FusionClass::Costly))
    return "a costly function would be computed several times for one element";
  if (enlarges(consumer) && llvm::any_of(members, isArithmetic))
    return "it is enlarged: arithmetic would be done several times for one element";
  if (takesRowsOften(consumer) && llvm::any_of(members, movesLastAxis))
    return "its rows are read several times: they are laid out once";
  if (llvm::any_of(members, [](Operation *op) { return llvm::isa<graph::ConcatOp>(op); }) &&
      !(onlyReader && dimsOf(consumer) == dimsOf(members.back())))
    return "every element would choose between all that is concatenated";
  return onlyReader || sameDomain ? "" : kReadByOthers;
}

/// Whether an op only moves rows (of the last axis) as a whole, or widens them.
static bool movesRows(Operation *op) {
  size_t last = graph::getTensorType(op->getResult(0)).rank() - 1;
  if (auto gather = llvm::dyn_cast<graph::GatherOp>(op))
    return gather.getAxis() + 1 < int64_t(graph::getTensorType(gather.getX()).rank());
  if (auto transpose = llvm::dyn_cast<graph::TransposeOp>(op))
    return !transpose.getPerm().empty() && transpose.getPerm().back() == int64_t(last);
  if (auto reshape = llvm::dyn_cast<graph::ReshapeOp>(op)) {
    ArrayRef<graph::DimAttr> from = graph::getTensorType(reshape.getX()).getDims();
    ArrayRef<graph::DimAttr> to = reshape.getType().getDims();
    return !from.empty() && !to.empty() && from.back() == to.back();
  }
  return llvm::isa<graph::SliceOp, graph::ConvertOp>(op);
}

/// Gathers whose rows only the stream reads, and the moves between them and the stream.
llvm::SetVector<Operation *> Partition::findGathers(graph::StreamOp stream) const {
  llvm::SetVector<Operation *> moves;
  SmallVector<Value> work;
  for (auto [input, axis] : llvm::zip(stream.getInputs(), stream.getAxes()))
    if (axis >= 0)
      work.push_back(input);
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (op && op->getBlock() == &block && segmentOf.lookup(op) == segmentOf.lookup(stream) &&
        movesRows(op) && moves.insert(op) && !llvm::isa<graph::GatherOp>(op))
      work.push_back(op->getOperand(0));
  }
  auto isInside = [&](Operation *user) { return user == stream || moves.contains(user); };
  auto belongs = [&](Operation *op) {
    if (!llvm::all_of(op->getUsers(), isInside))
      return false;
    if (!llvm::isa<graph::GatherOp>(op))
      return moves.contains(op->getOperand(0).getDefiningOp());
    // What the gather has been joined with is computed again for each element.
    return llvm::all_of(groups[groupOf.lookup(op)], [](Operation *member) {
      return classOf(member) == FusionClass::Map && !llvm::isa<graph::ConcatOp>(member);
    });
  };
  while (moves.remove_if([&](Operation *op) { return !belongs(op); }))
    ;
  return moves;
}

/// A stream reads its elements where they lie: pages of keys that a table names are not stored a
/// second time, side by side. (Views in between are computed, too: the stream has to count.)
void Partition::joinGathers(graph::StreamOp stream) {
  llvm::SetVector<Operation *> moves = findGathers(stream);
  Group own = groupOf.lookup(stream);
  llvm::SetVector<Group> joined;
  for (Operation *op : moves)
    if (isMember(op))
      joined.insert(groupOf.lookup(op));
  size_t count = moves.size();
  for (Group group : joined)
    count += groups[group].size();
  if (count >= kMaxGroupOps ||
      !llvm::all_of(joined, [&](Group group) { return isConvex(group, own, moves.getArrayRef()); }))
    return;
  for (Group group : joined)
    merge(own, group);
  for (Operation *op : moves)
    if (!isMember(op)) {
      start(op);
      merge(own, groupOf.lookup(op));
    }
}

void Partition::explainApart(Group group, Operation *consumer, StringRef reason) const {
  // The op that the consumer reads, of all in the group.
  Operation *read = groups[group].back();
  for (Value operand : getInputs(consumer))
    if (Operation *producer = operand.getDefiningOp();
        producer && isMember(producer) && groupOf.lookup(producer) == group)
      read = producer;
  InFlightDiagnostic remark = consumer->emitRemark()
                              << "reads " << read->getName() << " from memory: " << reason;
  remark.attachNote(read->getLoc()) << "what it reads";
}

std::vector<SmallVector<Operation *>> Partition::run() {
  for (Operation &op : block) {
    placeOf[&op] = tied.size();
    tied.push_back(tied.size());
  }
  unsigned segment = 0;
  for (Operation &op : block) {
    // Writes to variables stay in order with everything else.
    segmentOf[&op] = llvm::isa<graph::WriteVariableOp>(op) ? segment++ : segment;
    bool inKernel = llvm::isa<KernelLoweringOpInterface>(op) &&
                    !llvm::isa<graph::ConstantOp, graph::ReshapeOp>(op);
    if (!inKernel)
      continue;
    if (isRecomputed(&op)) {
      // Its own kernel only where something that is no kernel needs it in memory.
      if (llvm::any_of(op.getUsers(), [&](Operation *user) { return readsMemory(user, block); }))
        start(&op);
      continue;
    }
    start(&op);
    if (auto stream = llvm::dyn_cast<graph::StreamOp>(op))
      joinGathers(stream);
    Group own = groupOf[&op];
    llvm::SetVector<Group> producers;
    for (Value operand : getInputs(&op))
      if (Operation *producer = operand.getDefiningOp();
          producer && isMember(producer) && !isRecomputed(producer))
        producers.insert(groupOf[producer]);
    addSiblings(&op, producers);
    // The latest first: what lies between it and the others is then inside.
    SmallVector<Group> order(producers.getArrayRef());
    llvm::sort(order, [&](Group a, Group b) {
      return groups[b].back()->isBeforeInBlock(groups[a].back());
    });
    for (Group group : order) {
      StringRef reason = !mayShare(own, group) ? "both reduce, along different rows" : "";
      if (reason.empty())
        reason = whyApart(group, &op);
      if (reason.empty() && !isConvex(group, own))
        reason = "something else is computed in between";
      if (reason.empty() && rowDomainOf(group) && repeatsCost(group, own))
        reason = "a costly function would be computed several times for one element";
      if (reason.empty())
        merge(own, group);
      else if (explain)
        explainApart(group, &op, reason);
    }
  }
  llvm::erase_if(groups, [](auto &group) { return group.empty(); });
  llvm::sort(groups, [](auto &a, auto &b) { return a.front()->isBeforeInBlock(b.front()); });
  return std::move(groups);
}

std::vector<SmallVector<Operation *>> tessera::formGroups(Block &block, const BoundSymbols &bound,
                                                          bool explain, bool takesRowsForShort,
                                                          bool forGpu) {
  return Partition(block, bound, explain, takesRowsForShort, forGpu).run();
}
