//===- PlanStream.cpp - How the states of blocks are made and merged --------------------------===//
// A stage that carries several values along a loop over blocks, and reads what other reductions
// gave for each block, merges a stream (graph.stream). Online form: a block is lifted where it is
// merged, and nothing of it is kept.
//
// 1. The region: all stages that are computed for the merging stage alone. For each of their loops
//    it is noted which loop of the merging stage it follows.
// 2. Shared loops: those that every reduction of the region follows. One of them runs over rows:
//    some of them are computed together, so that a block is read once for all. The other loops of
//    the merging stage (the columns of a weighted sum) are computed as a whole.
// 3. Kept for one block and one step of rows: reductions, what they read more than once, and scores
//    (the register tiles of a product live inside of what is computed from them). Everything else
//    is inlined.
//
// PlaceStream.cpp goes on from there.
#include "compiler/scheduling/rules/StreamRegion.h"

#include "dialects/kernel/Operations.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

/// Buffers of a stream on the stack; a kernel may have 128 KB, and there are small ones besides.
static constexpr int64_t kStreamBytes = 112 << 10, kStateBytes = 56 << 10;
/// Steps of rows for which a block is used while it is in L2.
static constexpr int64_t kRowSteps = 4;
/// A stage of the region that is read more than once may cost this many operations per point.
static constexpr unsigned kInlineTwice = 8;

std::optional<unsigned> StreamRegion::loopThatFollows(Operation *stage, int loop) const {
  auto found = follows.find(stage);
  if (found != follows.end())
    for (auto [number, followed] : llvm::enumerate(found->second))
      if (followed == loop)
        return number;
  return std::nullopt;
}

SmallVector<unsigned> outputLoops(const StageInfo &stage) {
  AffineMap map = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  SmallVector<unsigned> loops;
  for (AffineExpr expr : map.getResults())
    loops.push_back(cast<AffineDimExpr>(expr).getPosition());
  return loops;
}

bool isPlain(const IndexForm &form) {
  return form.linear && !form.clamped && form.loops.count() == 1 &&
         form.coefficients[form.loops.find_first()] == 1;
}

static int64_t bytesOf(Value tensor) {
  return std::max(8u, getElementTypeOrSelf(tensor.getType()).getIntOrFloatBitWidth()) / 8;
}

/// (1)
StreamRegion findStreamRegion(const KernelInfo &info, const StageInfo &merge,
                              llvm::function_ref<bool(const StageInfo &)> isWhole) {
  StreamRegion region;
  int blocks = merge.reductionLoops.find_first();
  std::function<void(const StageInfo &, ArrayRef<int>)> walk = [&](const StageInfo &stage,
                                                                   ArrayRef<int> follows) {
    for (Value init : stage.op.getDpsInits())
      if (init.getDefiningOp<linalg::GenericOp>() && stage.reduces())
        region.holds = false;
    for (const Access &read : stage.reads) {
      Operation *producer = read.tensor.getDefiningOp();
      const StageInfo *from = producer ? info.lookup(producer) : nullptr;
      bool isKept = !from || isWhole(*from);
      SmallVector<int> dims;
      for (const IndexForm &form : read.dims) {
        dims.push_back(isPlain(form) ? follows[form.loops.find_first()] : StreamRegion::kOwn);
        // What is inlined may be read anywhere in the block; only rows are computed past their end.
        if (!isPlain(form) && !isKept)
          for (unsigned loop : form.loops.set_bits())
            if (from->reduces() || follows[loop] != blocks)
              region.tangled.insert(follows[loop]);
      }
      if (isKept)
        continue;
      SmallVector<int> inner(from->loops.size(), StreamRegion::kOwn);
      for (auto [dim, loop] : llvm::enumerate(outputLoops(*from)))
        inner[loop] = dims[dim];
      auto [known, isNew] = region.follows.insert({from->op, inner});
      if (isNew) {
        walk(*from, inner);
      } else if (known->second != inner) {
        // A map that is read along several loops, such as positions of rows and of the block,
        // follows none of them.
        if (from->reduces()) {
          region.holds = false;
          continue;
        }
        SmallVector<int> joined = known->second;
        for (auto [loop, other] : llvm::zip(joined, inner))
          if (loop != other)
            loop = StreamRegion::kOwn;
        if (std::exchange(known->second, joined) != joined)
          walk(*from, joined);
      }
    }
  };
  SmallVector<int> all;
  for (unsigned loop = 0; loop < merge.loops.size(); ++loop)
    all.push_back(loop);
  walk(merge, all);
  return region;
}

namespace {
class StreamPlanner {
public:
  StreamPlanner(const KernelInfo &info, const StageInfo &merge, const Target &target,
                llvm::function_ref<bool(const StageInfo &)> isWhole)
      : info(info), merge(merge), target(target), isWhole(isWhole) {}

  std::optional<StreamPlan> run() {
    blocks = merge.reductionLoops.find_first();
    region = findStreamRegion(info, merge, isWhole);
    if (!region.holds || !isStream() || !findShared() || !isApart())
      return std::nullopt;
    findRows();
    if (region.tangled.contains(blocks) || (rows && region.tangled.contains(*rows)))
      return std::nullopt;
    StreamPlan plan;
    plan.stage = merge.name;
    plan.blocks = merge.loops[blocks];
    plan.rows = rows ? merge.loops[*rows] : "";
    plan.lanes = lanesOf(merge);
    for (unsigned loop : outputLoops(merge)) {
      plan.loops.push_back(merge.loops[loop]);
      plan.isShared.push_back(llvm::is_contained(shared, loop));
    }
    plan.inOrder = !plan.loops.empty() && !plan.isShared.back() &&
                   kernel::resultsAlike(merge.op, outputLoops(merge).back()).any();
    chooseMembers(plan);
    if (!chooseRows(plan))
      return std::nullopt;
    for (const StageInfo &stage : info.stages)
      if (auto found = region.follows.find(stage.op); found != region.follows.end())
        plan.work += iterations(stage) * std::max(1u, stage.flopsPerPoint);
    return plan;
  }

private:
  int64_t lanesOf(const StageInfo &stage) const {
    int64_t bytes = 4;
    for (Value result : stage.op.getResults())
      bytes = std::max(bytes, bytesOf(result));
    return target.lanes(8 * bytes);
  }

  bool isLifted(const StageInfo &stage) const {
    return region.loopThatFollows(stage.op, blocks).has_value();
  }

  /// Reductions give what is merged, and the loops of the merging stage are plain.
  bool isStream() const {
    bool hasReduction = false;
    for (auto &[op, follows] : region.follows) {
      const StageInfo &stage = *info.lookup(op);
      if (!stage.reduces())
        continue;
      hasReduction = true;
      // What does not depend on the block would be computed for every block: keep it instead.
      if (!isLifted(stage) || stage.kind == StageKind::Scan)
        return false;
      llvm::SmallDenseSet<int> seen;
      for (int loop : follows)
        if (loop != StreamRegion::kOwn && !seen.insert(loop).second)
          return false;
    }
    return hasReduction;
  }

  /// (2)
  bool findShared() {
    for (unsigned loop : outputLoops(merge)) {
      bool all = llvm::all_of(region.follows, [&](auto &entry) {
        return !info.lookup(entry.first)->reduces() || llvm::is_contained(entry.second, int(loop));
      });
      if (all)
        shared.push_back(loop);
      else if (ShapedType::isDynamic(merge.extents[loop]) || merge.extents[loop] < 1)
        return false;
    }
    return true;
  }

  /// Nobody else reads what would be kept.
  bool isApart() const {
    for (auto &[op, follows] : region.follows)
      if (info.lookup(op)->reduces())
        for (Operation *user : op->getUsers()) {
          if (isa<tensor::ExtractOp>(user))
            user = user->getParentOp();
          if (user != merge.op.getOperation() && !region.follows.contains(user))
            return false;
        }
    return true;
  }

  bool isProduct(const StageInfo &stage) const {
    return stage.kind == StageKind::Contraction && stage.reductionLoops.count() == 1;
  }

  void findRows() {
    for (unsigned loop : shared) {
      bool fits = llvm::any_of(region.follows, [&](auto &entry) {
        const StageInfo &stage = *info.lookup(entry.first);
        std::optional<unsigned> own = region.loopThatFollows(entry.first, loop);
        return isProduct(stage) && own &&
               (llvm::is_contained(stage.m, *own) || llvm::is_contained(stage.n, *own));
      });
      if (fits)
        rows = loop; // the innermost one
    }
    if (!rows && !shared.empty())
      rows = shared.back();
  }

  bool isOneRow() const { return !rows || merge.extents[*rows] == 1; }

  /// Whether the columns of a product can lie on vectors.
  bool hasColumns(const StageInfo &stage) const {
    std::optional<unsigned> columns = stage.innermostOutputLoop();
    if (!isProduct(stage) || !columns || region.follows.lookup(stage.op)[*columns] == int(blocks))
      return false;
    if (ShapedType::isDynamic(stage.bounds[*columns]) || stage.bounds[*columns] < 2)
      return false;
    if (std::optional<unsigned> own = rows ? region.loopThatFollows(stage.op, *rows) : std::nullopt;
        own == columns)
      return false;
    for (const Access &read : stage.reads)
      if (read.dependsOn(*columns) && !(read.isContiguousIn(*columns) && isOneRow()) &&
          !(packedDim(read, *columns) && !isOneRow()))
        return false;
    return true;
  }

  SmallVector<const StageInfo *> readersOf(const StageInfo &stage) const {
    SmallVector<const StageInfo *> readers;
    for (Operation *user : stage.op->getUsers()) {
      if (isa<tensor::ExtractOp>(user))
        user = user->getParentOp();
      const StageInfo *reader = info.lookup(user);
      if (reader && !llvm::is_contained(readers, reader))
        readers.push_back(reader);
    }
    return readers;
  }

  /// Element for element the same place.
  static bool readsInPlace(const StageInfo &reader, const StageInfo &stage) {
    SmallVector<unsigned> loops = outputLoops(reader);
    for (const Access &read : reader.reads)
      if (read.tensor.getDefiningOp() == stage.op) {
        if (!read.operand || read.dims.size() != loops.size())
          return false;
        for (auto [form, loop] : llvm::zip(read.dims, loops))
          if (!isPlain(form) || unsigned(form.loops.find_first()) != loop)
            return false;
      }
    return true;
  }

  /// (3) The last of the stages that are computed one from the other, each read by the next alone.
  const StageInfo *lastOfChain(const StageInfo &stage) const {
    const StageInfo *last = &stage;
    while (true) {
      SmallVector<const StageInfo *> readers = readersOf(*last);
      if (readers.size() != 1 || readers[0]->reduces() || readers[0] == &merge ||
          !region.follows.contains(readers[0]->op) || !readsInPlace(*readers[0], *last))
        return last == &stage ? nullptr : last;
      last = readers[0];
    }
  }

  void chooseMembers(StreamPlan &plan) {
    llvm::SmallPtrSet<Operation *, 8> kept;
    llvm::DenseMap<Operation *, std::string> hosts;
    for (const StageInfo &stage : info.stages)
      if (region.follows.contains(stage.op) && stage.reduces() && hasColumns(stage))
        if (const StageInfo *last = lastOfChain(stage)) {
          kept.insert(last->op);
          hosts[stage.op] = last->name;
        }
    llvm::DenseMap<Operation *, unsigned> costs; // per point, with what is inlined
    for (const StageInfo &stage : info.stages) {
      if (!region.follows.contains(stage.op) || stage.reduces())
        continue;
      unsigned cost = stage.flopsPerPoint;
      for (const Access &read : stage.reads)
        if (Operation *producer = read.tensor.getDefiningOp())
          cost += costs.lookup(producer);
      SmallVector<const StageInfo *> readers = readersOf(stage);
      bool keep = kept.contains(stage.op) || (readers.size() > 1 && cost > kInlineTwice);
      // What a product broadcasts is read again for every column.
      for (const StageInfo *reader : readers)
        if (cost > 0 && hasColumns(*reader) && region.follows.contains(reader->op))
          for (const Access &read : reader->reads)
            keep |= read.tensor.getDefiningOp() == stage.op &&
                    !read.dependsOn(*reader->innermostOutputLoop());
      if (keep)
        kept.insert(stage.op);
      costs[stage.op] = keep ? 0 : cost;
    }
    for (const StageInfo &stage : info.stages)
      if (region.follows.contains(stage.op) && (stage.reduces() || kept.contains(stage.op)))
        plan.members.push_back(member(stage, hosts.lookup(stage.op)));
  }

  StreamPlan::Member member(const StageInfo &stage, const std::string &host) const {
    StreamPlan::Member member;
    member.stage = stage.name;
    member.lanes = lanesOf(stage);
    std::optional<unsigned> own = rows ? region.loopThatFollows(stage.op, *rows) : std::nullopt;
    if (own)
      member.rows = stage.loops[*own];
    if (!stage.reduces())
      return member;
    for (unsigned loop : stage.reductionLoops.set_bits())
      member.reductionLoops.push_back(stage.loops[loop]);
    if (hasColumns(stage)) {
      member.kind = StreamPlan::Member::Tile;
      member.columns = stage.loops[*stage.innermostOutputLoop()];
      member.host = host;
      return member;
    }
    bool associative = true;
    for (unsigned result = 0; result < stage.op.getNumResults(); ++result)
      associative &= matchCombiner(stage.op, result).has_value();
    unsigned last = stage.reductionLoops.find_last();
    bool contiguous =
        llvm::any_of(stage.reads, [&](const Access &read) { return read.isContiguousIn(last); });
    // Accumulators side by side, without a rest.
    int64_t width = 4 * member.lanes;
    while (width > 1 && stage.steps[last] % width != 0)
      width /= 2;
    bool isRow = associative && contiguous && !outputLoops(stage).empty() && width >= member.lanes;
    member.kind = isRow ? StreamPlan::Member::Row : StreamPlan::Member::Point;
    member.row.rowWidth = width;
    return member;
  }

  /// How many rows; false when what is kept does not fit.
  bool chooseRows(StreamPlan &plan) {
    int64_t extent = rows ? merge.extents[*rows] : 1;
    RegisterTile tile;
    for (StreamPlan::Member &member : plan.members) {
      if (member.kind != StreamPlan::Member::Tile)
        continue;
      const StageInfo &stage = *info.lookup(member.stage);
      int64_t columns = stage.bounds[stage.loopNumber(member.columns)];
      RegisterTile own =
          chooseRegisterTile(target, member.lanes, member.rows.empty() ? 1 : extent, columns);
      if (own.rows * own.vectors > tile.rows * tile.vectors)
        tile = own;
    }
    for (StreamPlan::Member &member : plan.members) {
      if (member.kind != StreamPlan::Member::Tile)
        continue;
      const StageInfo &stage = *info.lookup(member.stage);
      unsigned loop = stage.loopNumber(member.columns);
      int64_t columns = stage.bounds[loop];
      // Fewer columns than lanes: shorter vectors.
      if (columns < member.lanes)
        member.lanes = std::max<int64_t>(2, llvm::PowerOf2Ceil(columns));
      member.rowTile = member.rows.empty() ? 1 : tile.rows;
      int64_t vectors = std::min(tile.vectors, llvm::divideCeilSigned(columns, member.lanes));
      // The stage around a tile has whole tiles.
      while (!member.host.empty() && vectors > 1 &&
             stage.steps[loop] % (vectors * member.lanes) != 0)
        --vectors;
      member.columnTile = member.lanes * vectors;
      member.isPadded = stage.steps[loop] % member.columnTile != 0;
    }
    bool hasTile = tile.rows * tile.vectors > 1;
    int64_t unit = hasTile ? tile.rows : 1;
    // As the rows of a cache block: so many hide what a block's operands ask of L2.
    int64_t wanted = hasTile ? 2 * target.vectorBits / 8 / 4 : plan.lanes;
    plan.rowStep = unit * llvm::divideCeil(wanted, unit);
    if (!ShapedType::isDynamic(extent))
      plan.rowStep = std::min(plan.rowStep, unit * llvm::divideCeilSigned(extent, unit));
    plan.rowStep = std::max(plan.rowStep, unit);
    if (!rows)
      plan.rowStep = 1;
    while (true) {
      int64_t state = 0, fixed = 0;
      for (Value result : merge.op.getResults()) {
        int64_t bytes = bytesOf(result);
        for (unsigned loop : outputLoops(merge))
          if (!llvm::is_contained(shared, loop))
            bytes *= merge.extents[loop];
        state += bytes;
      }
      for (StreamPlan::Member &member : plan.members) {
        std::optional<int64_t> bytes = boundExtents(member, plan.rowStep);
        if (!bytes)
          return false;
        fixed += *bytes;
      }
      int64_t room = std::min(kStateBytes, kStreamBytes - fixed);
      int64_t steps = std::min(kRowSteps, room / (state * plan.rowStep));
      // Halide does not find the extents of a reduction inside of three loops over tasks.
      bool isBounded = shared.size() < 3 || plan.rowStep <= unit ||
                       llvm::none_of(
                           plan.members,
                           [](const StreamPlan::Member &member) {
                             return (member.kind == StreamPlan::Member::Row ||
                                     member.kind == StreamPlan::Member::Point) &&
                                    member.bytes > kHalideStackBytes;
                           });
      if (steps >= 1 && isBounded) {
        plan.rowBlock = rows ? steps * plan.rowStep : 1;
        if (rows && !ShapedType::isDynamic(extent))
          plan.rowBlock =
              std::min(plan.rowBlock, plan.rowStep * llvm::divideCeilSigned(extent, plan.rowStep));
        break;
      }
      if (plan.rowStep <= unit)
        return false;
      plan.rowStep -= unit;
    }
    for (unsigned loop : outputLoops(merge))
      plan.bounds.push_back(rows && loop == *rows              ? plan.rowBlock
                            : llvm::is_contained(shared, loop) ? 1
                                                               : merge.extents[loop]);
    return true;
  }

  /// What a member has of each of its dimensions; gives its bytes, nothing where that is not known.
  std::optional<int64_t> boundExtents(StreamPlan::Member &member, int64_t rowStep) const {
    const StageInfo &stage = *info.lookup(member.stage);
    ArrayRef<int> follows = region.follows.find(stage.op)->second;
    member.loops.clear();
    member.bounds.clear();
    member.isFull.clear();
    member.steps.clear();
    int64_t bytes = 0, largest = 0;
    for (Value result : stage.op.getResults()) {
      bytes += bytesOf(result);
      largest = std::max(largest, bytesOf(result));
    }
    for (unsigned loop : outputLoops(stage)) {
      int64_t bound = stage.bounds[loop];
      bool isFull = !ShapedType::isDynamic(stage.extents[loop]);
      int64_t step = stage.steps[loop];
      if (follows[loop] != StreamRegion::kOwn) {
        bool isRows = rows && follows[loop] == int(*rows);
        if (isRows || follows[loop] == int(blocks) || llvm::is_contained(shared, follows[loop])) {
          bound = step = isRows ? rowStep : 1;
          // The last rows are fewer, and a mask leaves rows out. On vectors they are computed in
          // full.
          bool onVectors =
              loop == outputLoops(stage).back() &&
              (member.kind == StreamPlan::Member::Map || member.kind == StreamPlan::Member::Tile);
          isFull = !isRows || onVectors;
        }
      }
      if (ShapedType::isDynamic(bound) || bound < 1)
        return std::nullopt;
      member.loops.push_back(stage.loops[loop]);
      member.bounds.push_back(bound);
      member.isFull.push_back(isFull);
      member.steps.push_back(step);
      bytes *= bound;
      largest *= bound;
    }
    member.bytes = largest;
    // The register tile of a product inside of another stage.
    return member.host.empty() ? bytes : 0;
  }

  const KernelInfo &info;
  const StageInfo &merge;
  const Target &target;
  llvm::function_ref<bool(const StageInfo &)> isWhole;
  StreamRegion region;
  unsigned blocks = 0;
  SmallVector<unsigned> shared;
  std::optional<unsigned> rows;
};
} // namespace

std::optional<StreamPlan> planStream(const KernelInfo &info, const StageInfo &merge,
                                     const Target &target,
                                     llvm::function_ref<bool(const StageInfo &)> isWhole) {
  return StreamPlanner(info, merge, target, isWhole).run();
}

} // namespace tessera::scheduling
