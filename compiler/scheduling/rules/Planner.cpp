//===- Planner.cpp - How every stage is computed ----------------------------------------------===//
// 1. A stage without reduction that is no result is inlined into its readers, unless that repeats
//    much work: then it is kept in memory.
// 2. A reducing stage that is a result gets a copying stage behind it (cache_write), so that the
//    stage itself can live inside of the copy's loops.
// 3. A reducing stage is computed inside of the one output that needs it, when each of its
//    dimensions follows one loop of that output; otherwise it is kept in memory as an output of its
//    own.
// 4. Its kind of plan follows from what is contiguous (PlanReducer.cpp): along the vector loop of
// the
//    output a register tile, along the reduction a row of accumulators.
#include "compiler/scheduling/rules/Plan.h"

#include "compiler/scheduling/restructure/Restructure.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

/// What a sum of lanes is folded to before it is one number.
static constexpr int64_t kFewLanes = 4;

/// A stage inlined more than once, or into a contraction, may cost this many operations per point.
static constexpr unsigned kInlineRepeated = 64, kInlineIntoProduct = 4;

void Planner::analyze() { info = analyzeKernel(kernel); }

bool Planner::isReturned(const StageInfo &stage) {
  return llvm::any_of(stage.op->getUsers(),
                      [](Operation *user) { return isa<kernel::ReturnOp>(user); });
}

LogicalResult Planner::apply(Operation *directive) {
  if (failed(applyRestructuring(kernel, directive)))
    return failure();
  analyze();
  return success();
}

LogicalResult Planner::keepInMemory(const std::string &stage) {
  OpBuilder builder = writer.restructuring();
  return apply(schedule::ScratchOp::create(builder, writer.loc(), stage));
}

/// Stages that read a value: bodies that extract from it count as their stage.
static llvm::SmallSetVector<Operation *, 4> readersOf(Operation *stage) {
  llvm::SmallSetVector<Operation *, 4> readers;
  for (Operation *user : stage->getUsers()) {
    if (isa<tensor::ExtractOp>(user))
      user = user->getParentOp();
    if (isa<linalg::GenericOp>(user))
      readers.insert(user);
  }
  return readers;
}

/// Whether all that reads a stage computes one element of one output from one element of it: then
/// several readers are computed side by side, and share it in registers.
bool Planner::isReadAtOnePoint(const StageInfo &stage) {
  std::optional<Place> place = findPlace(stage);
  return place && place->direct;
}

/// (1)
LogicalResult Planner::materializePrologues() {
  std::map<std::string, std::set<std::string>> inlined; // into a stage, with itself
  for (unsigned number = 0; number < info.stages.size(); ++number) {
    const StageInfo &stage = info.stages[number];
    std::set<std::string> &parts = inlined[stage.name];
    parts.insert(stage.name);
    for (const Access &read : stage.reads)
      if (Operation *producer = read.tensor.getDefiningOp())
        if (const StageInfo *from = info.lookup(producer);
            from && !from->reduces() && !isReturned(*from))
          parts.insert(inlined[from->name].begin(), inlined[from->name].end());
    if (inStreams.count(stage.name))
      continue;
    if (stage.reduces() || isReturned(stage) || stage.op->use_empty())
      continue;
    unsigned cost = 0; // operations per point
    for (const std::string &part : parts)
      cost += info.lookup(part)->flopsPerPoint;
    auto readers = readersOf(stage.op);
    bool intoProduct = llvm::any_of(readers, [&](Operation *reader) {
      const StageInfo *to = info.lookup(reader);
      return to && to->isProduct && to->kind != StageKind::DepthwiseWindow &&
             iterations(*to) > 64 * iterations(stage);
    });
    // What a product unpacks, it unpacks into panels (Unpack.cpp).
    if (readers.size() == 1 && intoProduct && matchUnpacking(kernel, stage))
      continue;
    bool keep = (intoProduct && cost > kInlineIntoProduct) ||
                (readers.size() > 1 && cost > kInlineRepeated && !isReadAtOnePoint(stage));
    if (!keep)
      continue;
    parts.clear();
    if (failed(keepInMemory(std::string(stage.name))))
      return failure();
  }
  return success();
}

/// (2)
LogicalResult Planner::separateResults() {
  SmallVector<std::string> names;
  for (const StageInfo &stage : info.stages)
    if (stage.reduces() && isReturned(stage))
      names.push_back(stage.name);
  for (const std::string &name : names) {
    OpBuilder builder = writer.restructuring();
    if (failed(apply(schedule::CacheWriteOp::create(builder, writer.loc(), name, name + "_out"))))
      return failure();
  }
  return success();
}

/// (3) Walks from each output towards the stage and notes which loop of the output every dimension
/// follows; -1: none.
std::optional<Planner::Place> Planner::findPlace(const StageInfo &wanted) {
  std::optional<Place> place;
  bool possible = true;
  std::function<void(const StageInfo &, const StageInfo &, ArrayRef<int>, bool)> walk =
      [&](const StageInfo &output, const StageInfo &stage, ArrayRef<int> follows, bool direct) {
        for (const Access &read : stage.reads) {
          Operation *producer = read.tensor.getDefiningOp();
          const StageInfo *from = producer ? info.lookup(producer) : nullptr;
          if (!from || isOutput(*from))
            continue;
          SmallVector<int> dims;
          for (const IndexForm &form : read.dims) {
            bool plain = form.linear && !form.clamped && form.loops.count() == 1 &&
                         form.coefficients[form.loops.find_first()] == 1 && read.operand;
            dims.push_back(plain ? follows[form.loops.find_first()] : -1);
          }
          if (from == &wanted) {
            llvm::SmallDenseSet<int> distinct(dims.begin(), dims.end());
            possible &= !distinct.contains(-1) && distinct.size() == dims.size();
            possible &= !place || (place->host == output.name && place->loops == dims);
            bool both = place && !place->direct;
            place = Place{output.name, dims, direct && !both};
            continue;
          }
          SmallVector<int> inner(from->loops.size(), -1);
          AffineMap map = from->op.getMatchingIndexingMap(from->op.getDpsInitOperand(0));
          for (auto [dim, expr] : llvm::enumerate(map.getResults()))
            inner[cast<AffineDimExpr>(expr).getPosition()] = dims[dim];
          walk(output, *from, inner, direct && !from->reduces());
        }
        // Initial values are read as well.
        if (stage.reduces())
          for (Value init : stage.op.getDpsInits()) {
            Operation *producer = init.getDefiningOp();
            const StageInfo *from = producer ? info.lookup(producer) : nullptr;
            if (from == &wanted)
              possible = false;
          }
      };
  for (const StageInfo &output : info.stages) {
    if (!isOutput(output))
      continue;
    SmallVector<int> follows;
    for (unsigned loop = 0; loop < output.loops.size(); ++loop)
      follows.push_back(loop);
    walk(output, output, follows, true);
  }
  return possible ? place : std::nullopt;
}

//===-- Restructuring ------------------------------------------------------------===//

/// Brings the operand that depends on `loop` into tiles of it: constants in the layout of the
/// argument, other values as a copy, where reading them as they are would be slow.
LogicalResult Planner::pack(ReducerPlan &plan, const std::string &loopName, int64_t tile,
                            bool columns) {
  const StageInfo &stage = *info.lookup(plan.stage);
  unsigned loop = stage.loopNumber(loopName);
  for (const Access &read : stage.reads) {
    if (!read.operand || !read.dependsOn(loop) || read.slides(stage.reductionLoops))
      continue;
    auto type = cast<RankedTensorType>(read.tensor.getType());
    std::optional<int64_t> dim = packedDim(read, loop);
    if (!dim)
      continue;
    if (columns && (plan.blocked || findUnpackedRows(stage, loop)) && findUnpacking(stage, loop))
      return unpackPanels(plan, read, *dim, tile);
    auto argument = dyn_cast<BlockArgument>(read.tensor);
    bool constant = argument && kernel.getArgAttr(argument.getArgNumber(),
                                                  kernel::KernelDialect::kConstantAttr);
    if (argument && kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kLayoutAttr))
      continue;
    if (constant)
      for (Operation *user : argument.getUsers())
        constant &= user == stage.op.getOperation() || isa<tensor::DimOp>(user);
    // Other dimensions: what is no reduction comes first, then the packed one, then reductions in
    // the order of their loops.
    SmallVector<int64_t> outer, reductions;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (d == *dim)
        continue;
      bool reduced =
          read.dims[d].loops.any() && stage.reductionLoops.test(read.dims[d].loops.find_first());
      (reduced ? reductions : outer).push_back(d);
    }
    auto nesting = [&](int64_t d) {
      std::string name = stage.loops[read.dims[d].loops.find_first()];
      return llvm::find(plan.reductionLoops, name) - plan.reductionLoops.begin();
    };
    llvm::sort(reductions, [&](int64_t a, int64_t b) { return nesting(a) < nesting(b); });
    outer.push_back(*dim);
    outer.append(reductions);
    // From L3 or memory, a filter comes too late for the few places that read it. So does a weight
    // for few rows, of which all but the first tile read it from L2: memory rests meanwhile, unless
    // what comes next is asked for (16 products of 16 x 512 x 512, 17 MB, Zen 5: 700 us instead of
    // 830).
    constexpr int64_t kStreamedBytes = 1 << 20, kFewRows = 64;
    const bool hasFewRows = stage.kind == StageKind::Contraction && !plan.blocked &&
                            !plan.rows.empty() &&
                            stage.extentOr(stage.loopNumber(plan.rows), kFewRows + 1) <= kFewRows;
    if (constant && columns && (stage.kind == StageKind::Window || hasFewRows) &&
        type.hasStaticShape() &&
        type.getNumElements() * type.getElementTypeBitWidth() / 8 > kStreamedBytes) {
      plan.filterArgument = argument.getArgNumber();
      plan.filterAhead = hasFewRows ? target.l2Bytes / 4 : kFilterPrefetchBytes;
    }
    OpBuilder builder = writer.restructuring();
    if (constant)
      return apply(schedule::PackOperandOp::create(builder, writer.loc(), argument.getArgNumber(),
                                                   ArrayRef<int64_t>{*dim}, ArrayRef<int64_t>{tile},
                                                   outer));
    // Rows far apart share cache sets: a copy pays when the product reads each of them many times.
    // So does one whose last tile would be read element by element, for every tile of rows.
    constexpr int64_t kRowTiles = 3;
    const int64_t along = stage.extents[loop];
    bool isUneven =
        columns && stage.kind == StageKind::Contraction && !plan.rows.empty() &&
        !ShapedType::isDynamic(along) && along % tile != 0 &&
        stage.extentOr(stage.loopNumber(plan.rows), kAssumedExtent) >= kRowTiles * plan.rowTile;
    // So does one of a filter, which is read at every place of a picture; in tiles its end is
    // padded, where it would be read element by element.
    constexpr double kReadOften = 64;
    double elements = 1;
    for (int64_t extent : type.getShape())
      elements *= ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
    bool isFilter =
        columns && stage.kind == StageKind::Window && iterations(stage) >= kReadOften * elements;
    bool many = stage.kind == StageKind::Contraction && !plan.rows.empty() &&
                stage.extentOr(stage.loopNumber(plan.rows), kAssumedExtent) >= 48 &&
                stage.extentOr(stage.loopNumber(plan.reductionLoops.back()), kAssumedExtent) >= 128;
    if (!columns || (read.isContiguousIn(loop) && !many && !isFilter && !isUneven))
      continue;
    std::string copy = plan.stage + "_" + loopName + "_packed";
    unsigned operand = read.operand->getOperandNumber();
    if (failed(apply(schedule::CopyPackedOp::create(builder, writer.loc(), plan.stage, operand,
                                                    copy, ArrayRef<int64_t>{*dim},
                                                    ArrayRef<int64_t>{tile}, outer))))
      return failure();
    return keepInMemory(copy);
  }
  return success();
}

/// Additions that wait for each other, when a row of known length is summed by accumulators of so
/// many elements: for what is left, four lanes at a time and then one, and to merge.
static int64_t chainOf(int64_t extent, int64_t width) {
  int64_t rest = extent % width;
  return extent / width + rest / kFewLanes + rest % kFewLanes +
         (rest >= kFewLanes ? kFewLanes : 0) + llvm::Log2_64(width);
}

LogicalResult Planner::blockRow(ReducerPlan &plan) {
  const StageInfo &stage = *info.lookup(plan.stage);
  std::string loop = plan.reductionLoops.back();
  const int64_t known = stage.extents[stage.loopNumber(loop)];
  int64_t extent = stage.extentOr(stage.loopNumber(loop), kAssumedExtent);
  int64_t lanes = plan.lanes;
  // Four accumulators hide the latency of their additions, and leave registers for operands.
  int64_t width = plan.rowWidth
                      ? plan.rowWidth
                      : std::clamp<int64_t>(llvm::bit_floor<uint64_t>(extent), lanes, 4 * lanes);
  const bool isOwn = !plan.rowWidth;
  if (isOwn) {
    if (!ShapedType::isDynamic(known))
      for (int64_t less = width / 2; less >= lanes; less /= 2)
        if (chainOf(known, less) < chainOf(known, width))
          width = less;
    SmallVector<int64_t> widths;
    for (int64_t vectors : {1, 2, 4, 8})
      if (vectors == 1 || vectors * lanes <= extent)
        widths.push_back(vectors * lanes);
    // Folded in halves: a power of two vectors.
    width = llvm::bit_floor<uint64_t>(choices.choose(plan.stage, "accumulators", width, widths));
  }
  std::string part = plan.stage + "_part", merge = plan.stage + "_merge";
  if (isOwn && stage.kind == StageKind::Contraction)
    noteAhead(plan.ahead, info, stage, stage.loopNumber(loop), width);
  OpBuilder builder = writer.restructuring();
  if (failed(apply(schedule::BlockReductionOp::create(builder, writer.loc(), plan.stage, loop,
                                                      width, loop + "_o", loop + "_i", part))))
    return failure();
  plan.rowWidth = width;
  plan.hasMerge = info.lookup(merge) != nullptr;
  // Vectors are added first, then parts of a vector: one lane after the other would cost more than
  // a short row.
  std::string merging = plan.hasMerge ? merge : plan.stage, kept = loop + "_i";
  auto fold = [&](int64_t to, StringRef suffix, StringRef outer, StringRef inner) {
    if (width <= to)
      return success();
    Fold made{plan.stage + suffix.str(), loop + outer.str(), loop + inner.str(), to};
    builder = writer.restructuring();
    if (failed(apply(schedule::BlockReductionOp::create(builder, writer.loc(), merging, kept, to,
                                                        made.outer, made.inner, made.stage))))
      return failure();
    kept = made.inner;
    width = to;
    plan.folds.push_back(made);
    return success();
  };
  const int64_t rest = ShapedType::isDynamic(known) ? width - 1 : known % width;
  if (failed(fold(lanes, "_lanes", "_v", "_l")) || failed(fold(kFewLanes, "_few", "_q", "_p")))
    return failure();
  // One by one, what is left would take longer than many a row.
  if (!isOwn || !plan.hasMerge || rest < 2 * kFewLanes)
    return success();
  plan.rest = plan.stage + "_rest";
  std::set<std::string> before;
  for (const StageInfo &other : info.stages)
    before.insert(other.name);
  builder = writer.restructuring();
  if (failed(apply(schedule::BlockReductionOp::create(builder, writer.loc(), plan.stage, loop,
                                                      kFewLanes, loop + "_u", loop + "_w",
                                                      plan.rest))))
    return failure();
  plan.restMerge = plan.stage;
  for (const StageInfo &other : info.stages)
    if (other.name != plan.rest && !before.count(other.name))
      plan.restMerge = other.name;
  return success();
}

/// The last piece of a blocked sum ends in registers, from where the output is stored beside the
/// sums of the next tile. Copying a finished block would wait for memory (1024 cubed on Zen 5: 3 %
/// of the time).
LogicalResult Planner::peel(ReducerPlan &plan) {
  const std::string &loop = plan.reductionLoops.back();
  plan.head = plan.stage + "_head";
  OpBuilder builder = writer.restructuring();
  return apply(schedule::PeelReductionOp::create(builder, writer.loc(), plan.stage, loop,
                                                 plan.block.depth, loop + "_o", loop + "_i",
                                                 plan.head));
}

LogicalResult Planner::restructure(ReducerPlan &plan) {
  if (plan.kind == ReducerPlan::Row)
    return blockRow(plan);
  if (plan.kind != ReducerPlan::Tile)
    return success();
  bool isProduct = plan.stageKind == StageKind::Contraction ||
                   plan.stageKind == StageKind::Window ||
                   plan.stageKind == StageKind::DepthwiseWindow;
  if (plan.byMatrixTiles) {
    if (failed(packMatrixTiles(plan)))
      return failure();
  } else if (plan.group > 1) {
    if (failed(group(plan)))
      return failure();
  } else if (isProduct) {
    if (failed(widenBroadcast(plan)))
      return failure();
    if (failed(pack(plan, plan.columns, plan.columnTile, true)))
      return failure();
    if (!plan.rows.empty() && failed(pack(plan, plan.rows, plan.rowTile, false)))
      return failure();
  }
  auto pad = [&](const std::string &loop, int64_t tile) {
    OpBuilder builder = writer.restructuring();
    return apply(schedule::PadToTileOp::create(builder, writer.loc(), plan.stage, loop, tile,
                                               loop + "_t", loop + "_i",
                                               plan.unrolledTaps > 0 && loop != plan.columns));
  };
  if (!plan.lines.empty() && failed(pad(plan.lines, plan.lineTile)))
    return failure();
  if (!plan.rows.empty() && failed(pad(plan.rows, plan.rowTile)))
    return failure();
  if (failed(pad(plan.columns, plan.columnTile)))
    return failure();
  if (plan.peels)
    return peel(plan);
  return plan.panel.empty() || plan.blocked ? success() : factor(plan);
}

/// (3) What is computed in the same output follows the same loops as the heaviest; the rest would
/// be repeated for every tile or row.
LogicalResult Planner::keepApart() {
  struct Found {
    std::string name, host;
    SmallVector<int> loops;
    std::pair<bool, double> weight;
  };
  std::vector<Found> all;
  for (const StageInfo &stage : info.stages) {
    if (!stage.reduces() || isReturned(stage) || inStreams.count(stage.name))
      continue;
    bool heavy = stage.kind == StageKind::Contraction || stage.kind == StageKind::Window;
    if (std::optional<Place> place = findPlace(stage)) {
      llvm::sort(place->loops);
      all.push_back({stage.name,
                     place->host,
                     place->loops,
                     {heavy, heavy ? iterations(stage) : double(place->loops.size())}});
    }
  }
  for (const Found &other : all) {
    const Found *main = &other;
    for (const Found &found : all)
      if (found.host == other.host && found.weight > main->weight)
        main = &found;
    if (main->loops != other.loops && !other.loops.empty() && failed(keepInMemory(other.name)))
      return failure();
  }
  return success();
}

/// (3) What became a result is where others are read now: those may have lost their place.
LogicalResult Planner::keepUnplaced(ArrayRef<std::string> reducers) {
  for (bool isDone = false; !isDone;) {
    isDone = true;
    for (const std::string &name : reducers) {
      const StageInfo *stage = info.lookup(name);
      if (!stage || stage->op->use_empty() || isReturned(*stage) || findPlace(*stage))
        continue;
      if (failed(keepInMemory(name)))
        return failure();
      isDone = false;
    }
  }
  return success();
}

/// Whether the loop before the last one goes on where the last one ends, in all that it reads.
static bool isContinued(const StageInfo &stage, unsigned last) {
  AffineMap map = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  if (map.getNumResults() < 2)
    return false;
  unsigned before = map.getDimPosition(map.getNumResults() - 2);
  return llvm::all_of(stage.reads, [&](const Access &read) {
    if (!read.dependsOn(last))
      return !read.dependsOn(before);
    return read.isContiguousIn(last) &&
           read.dims.back().coefficients[before] == stage.extents[last];
  });
}

/// Whether rows of the result do not follow each other in memory.
bool Planner::isPlaced(const StageInfo &stage) {
  for (OpOperand &use : stage.op->getUses())
    if (isa<kernel::ReturnOp>(use.getOwner()) &&
        kernel.getResultAttr(use.getOperandNumber(), kernel::KernelDialect::kPlaceAttr))
      return true;
  return false;
}

FailureOr<std::vector<OutputPlan>> Planner::run() {
  analyze();
  std::vector<StreamPlan> streams;
  if (failed(planStreams(streams)) || failed(materializePrologues()))
    return failure();
  // (3), before (2): what is kept in memory becomes a result.
  SmallVector<std::string> reducers;
  for (const StageInfo &stage : info.stages)
    if (stage.reduces() && !inStreams.count(stage.name))
      reducers.push_back(stage.name);
  for (const std::string &name : reducers) {
    const StageInfo *stage = info.lookup(name);
    if (isReturned(*stage))
      continue;
    std::optional<Place> place = findPlace(*stage);
    bool heavy = stage->kind == StageKind::Contraction || stage->kind == StageKind::Window;
    if ((!place || (heavy && !place->direct)) && failed(keepInMemory(name)))
      return failure();
  }
  if (failed(keepApart()) || failed(keepUnplaced(reducers)) || failed(separateResults()) ||
      failed(splitRuns(reducers)))
    return failure();

  std::vector<ReducerPlan> plans;
  if (failed(planReducers(reducers, plans)))
    return failure();
  unify(plans);
  keepRows(plans);
  for (ReducerPlan &reducer : plans)
    if (failed(restructure(reducer)))
      return failure();

  for (size_t number = 0, count = plans.size(); number < count; ++number) {
    if (plans[number].unitSums.empty())
      continue;
    FailureOr<ReducerPlan> sums = planSums(plans[number]);
    if (failed(sums))
      return failure();
    plans.push_back(std::move(*sums));
  }

  std::vector<OutputPlan> outputs;
  for (const StageInfo &stage : info.stages) {
    if (!isOutput(stage))
      continue;
    OutputPlan output;
    output.stage = stage.name;
    AffineMap map = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
    for (AffineExpr expr : map.getResults()) {
      unsigned loop = cast<AffineDimExpr>(expr).getPosition();
      output.loops.push_back(stage.loops[loop]);
      output.extents.push_back(stage.extents[loop]);
    }
    output.workPerPoint = 1 + stage.flopsPerPoint;
    output.taskWork = double(choices.choose(output.stage, "task_work", kTaskWork,
                                            {kTaskWork / 4, kTaskWork, kTaskWork * 4}));
    unsigned bits = 8;
    for (Value operand : stage.op->getOperands()) {
      Type element = getElementTypeOrSelf(operand.getType());
      if (element.isIntOrFloat())
        bits = std::max(bits, element.getIntOrFloatBitWidth());
    }
    output.elementBits = bits;
    if (auto last = stage.innermostOutputLoop()) {
      output.isContinued = isContinued(stage, *last) && !isPlaced(stage);
      output.piece = pieceOf(stage, *last);
      output.turns = turnsOf(stage);
      for (const Access &read : stage.reads) {
        if (!read.dependsOn(*last))
          continue;
        if (read.isContiguousIn(*last)) {
          for (unsigned position = 0; position + 2 < map.getNumResults(); ++position)
            if (unsigned loop = map.getDimPosition(position);
                read.dims.back().coefficients[loop] == stage.extents[*last])
              output.continued = position;
          continue;
        }
        for (auto [position, expr] : llvm::enumerate(map.getResults())) {
          unsigned loop = cast<AffineDimExpr>(expr).getPosition();
          if (loop != *last && read.isContiguousIn(loop))
            output.transposed = position;
        }
      }
    }
    for (const StreamPlan &stream : streams)
      if (stream.host == output.stage)
        output.stream = stream;
    for (const ReducerPlan &reducer : plans)
      if (reducer.host == output.stage) {
        output.reducers.push_back(reducer);
      }
    if (!output.reducers.empty())
      output.keptRows = keptRows;
    outputs.push_back(std::move(output));
  }
  return outputs;
}

} // namespace tessera::scheduling
