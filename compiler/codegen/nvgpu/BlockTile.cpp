//===- BlockTile.cpp - A tile of a sum of products, by the warps of a block ----------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::nvgpu {

schedule::GpuTileOp GpuFunction::findTile() { return findInside<schedule::GpuTileOp>(); }

/// The output at whose blocks another one is computed, or null.
linalg::GenericOp GpuFunction::findHost(linalg::GenericOp other) {
  if (schedule)
    for (auto stage : schedule.getBody().front().getOps<schedule::StageOp>())
      if (stage.getStage() == kernel::getStageName(other))
        for (auto at : stage.getBody().front().getOps<schedule::ComputeAtOp>())
          for (linalg::GenericOp host : outputs)
            if (at.getConsumer() == kernel::getStageName(host))
              return host;
  return {};
}

LogicalResult GpuFunction::emitTile(schedule::GpuTileOp tile) {
  return BlockTile(*this, tile).emit();
}

LogicalResult BlockTile::emit() {
  outer = f.loops;
  if (failed(read()) || failed(mapLoops()) || failed(readFactors()))
    return failure();
  if (failed(layOut()) || failed(directive.getCopyWarps() ? runRing() : run()))
    return failure();
  f.loops = outer;
  return success();
}

/// Which stage it is, and its loops by name: the parallel ones are those of the output.
LogicalResult BlockTile::read() {
  const StringRef name = directive->getParentOfType<schedule::UpdateOp>().getStage();
  auto find = [&](linalg::GenericOp output) {
    if (kernel::getStageName(output) == name)
      return kernel::SharedStage{output, llvm::to_vector(llvm::seq(output.getNumLoops()))};
    for (const kernel::SharedStage &shared : kernel::findSharedStages(output))
      if (kernel::getStageName(shared.stage) == name)
        return shared;
    return kernel::SharedStage{};
  };
  stage = find(f.output).stage;
  std::optional<kernel::Product> found =
      stage ? kernel::matchProduct(stage) : std::optional<kernel::Product>();
  if (!found)
    return fail("is on a stage that sums no products for every element of its output");
  b.setLoc(f.lines.of(stage));
  product = *found;
  sumType = product.combiner.op->getResult(0).getType();
  isGroup = directive.getUnit() == schedule::Unit::Wgmma;
  isMatrix = isGroup || directive.getUnit() == schedule::Unit::Mma;
  // Outputs that are computed with this one follow from the same stage.
  AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  for (linalg::GenericOp output : f.outputs) {
    if (output != f.output && f.findHost(output) != f.output)
      continue;
    kernel::SharedStage shared = find(output);
    SmallVector<std::string> names = kernel::getLoopNames(output),
                             loops = kernel::getLoopNames(stage);
    if (!shared.stage)
      return fail("is at the blocks of an output that does not follow from its stage");
    if (output != stage)
      for (auto [expr, loop] : llvm::zip_equal(map.getResults(), shared.loops))
        loops[cast<AffineDimExpr>(expr).getPosition()] = names[loop];
    if (output == f.output)
      loopNames = loops;
    outputs.push_back({output, loops});
  }
  return success();
}

/// The loops that a split loop was fused from, innermost last.
static SmallVector<std::string> findParts(ArrayRef<Operation *> directives, StringRef loop) {
  for (Operation *directive : directives)
    if (auto fuse = dyn_cast<schedule::FuseOp>(directive); fuse && fuse.getFused() == loop) {
      SmallVector<std::string> parts = findParts(directives, fuse.getOuter());
      parts.append(findParts(directives, fuse.getInner()));
      return parts;
    }
  return {loop.str()};
}

static schedule::SplitOp findSplit(ArrayRef<Operation *> directives, StringRef inner) {
  for (Operation *directive : directives)
    if (auto split = dyn_cast<schedule::SplitOp>(directive); split && split.getInner() == inner)
      return split;
  return {};
}

LogicalResult BlockTile::mapLoops() {
  f.loops = GpuFunction::Loops();
  f.loops.decidesLaunch = false;
  for (auto [loop, kind] : llvm::enumerate(stage.getIteratorTypesArray())) {
    if (kind != utils::IteratorType::reduction)
      continue;
    FailureOr<Value> extent = f.loopExtent(stage, unsigned(loop));
    if (failed(extent))
      return failure();
    f.loops.add(loopNames[loop], {*extent, rt::kNoStep});
  }
  for (Operation &other : *directive->getBlock())
    if (&other != directive && failed(f.apply(&other)))
      return failure();
  inner = f.loops;
  rows.split = findSplit(outer.applied, directive.getRows());
  columns.split = findSplit(outer.applied, directive.getColumns());
  steps.split = findSplit(inner.applied, directive.getDepth());
  for (Axis *axis : {&rows, &columns, &steps}) {
    if (!axis->split)
      return fail("needs loops that a split made");
    const int64_t extent = axis->split.getFactor();
    if (!llvm::isPowerOf2_64(uint64_t(extent)))
      return fail("has a tile whose extents are no powers of two");
    axis->parts = findParts(axis == &steps ? inner.applied : outer.applied, axis->split.getLoop());
  }
  return success();
}

bool BlockTile::isAlong(const Axis &axis, unsigned loop) {
  const bool isReduced = stage.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
  return isReduced == (&axis == &steps) && llvm::is_contained(axis.parts, loopNames[loop]);
}

/// What is kept of the factors, and which of them runs along the rows.
LogicalResult BlockTile::readFactors() {
  Factor &lhs = left, &rhs = right;
  lhs.scalar = product.lhs;
  rhs.scalar = product.rhs;
  if (isMatrix) {
    std::optional<kernel::MatrixProduct> matrix =
        kernel::matchMatrixProduct(product, directive.getByteFloats());
    if (!matrix)
      return fail("is by instructions for matrices, which multiply f16 or bf16 summed in f32, f32 "
                  "that may be rounded, or i8 summed in i32");
    if (directive.getByteFloats() && !matrix->lhsFloat)
      return fail("multiplies 8-bit floats as they are, and its stage does not let it sum so");
    lhs.scalar = matrix->lhs;
    lhs.floating = matrix->lhsFloat;
    rhs.floating = matrix->rhsFloat;
    lhs.isUnsigned = matrix->lhsUnsigned;
    rhs.scalar = matrix->rhs;
    rhs.isUnsigned = matrix->rhsUnsigned;
  } else {
    Value x = kernel::stripExtensions(lhs.scalar), y = kernel::stripExtensions(rhs.scalar);
    if (x.getType() == y.getType() && x.getType().getIntOrFloatBitWidth() >= 32)
      lhs.scalar = x, rhs.scalar = y;
  }
  auto dependsOn = [&](const Factor &factor, const Axis &axis) {
    return llvm::any_of(kernel::getLoopsOf(stage, factor.scalar).set_bits(),
                        [&](unsigned loop) { return isAlong(axis, loop); });
  };
  if (dependsOn(lhs, columns))
    std::swap(lhs, rhs);
  if (dependsOn(left, columns) || dependsOn(right, rows))
    return fail("has a factor along rows and columns");
  left.axis = &rows;
  right.axis = &columns;
  for (Factor *factor : {&left, &right}) {
    factor->element = factor->scalar.getType();
    if (!factor->element.isIntOrFloat())
      return fail("multiplies no numbers");
    const int64_t bits = factor->element.getIntOrFloatBitWidth();
    if (!isMatrix && bits != 32 && bits != 64)
      return fail("multiplies elements of " + Twine(bits) + " bits one by one");
    factor->perChunk = 128 / bits;
    findMemory(*factor);
  }
  return success();
}

/// The loop whose next step is the next place; all else moves by a multiple of a number.
static std::optional<unsigned> findUnitLoop(AffineExpr expr, int64_t number) {
  if (auto loop = dyn_cast<AffineDimExpr>(expr))
    return loop.getPosition();
  auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!sum || sum.getKind() != AffineExprKind::Add)
    return std::nullopt;
  if (sum.getLHS().isMultipleOf(number))
    return findUnitLoop(sum.getRHS(), number);
  return sum.getRHS().isMultipleOf(number) ? findUnitLoop(sum.getLHS(), number) : std::nullopt;
}

/// Whether the factor is an argument, and its elements lie side by side along the tile.
void BlockTile::findMemory(Factor &factor) {
  auto scalar = dyn_cast<BlockArgument>(factor.scalar);
  if (!scalar || scalar.getOwner() != &stage.getRegion().front())
    return;
  OpOperand &operand = stage->getOpOperand(scalar.getArgNumber());
  Value tensor = operand.get();
  AffineMap map = stage.getMatchingIndexingMap(&operand);
  // Stages that only place what they read.
  while (auto producer = f.arguments.count(tensor) ? linalg::GenericOp()
                                                   : tensor.getDefiningOp<linalg::GenericOp>()) {
    AffineMap result = producer.getMatchingIndexingMap(producer.getDpsInitOperand(0));
    auto yielded =
        dyn_cast<BlockArgument>(producer.getRegion().front().getTerminator()->getOperand(0));
    if (!result.isPermutation() || producer.getNumDpsInits() != 1 || !yielded ||
        yielded.getOwner() != &producer.getRegion().front() ||
        int64_t(yielded.getArgNumber()) >= producer.getNumDpsInputs())
      return;
    OpOperand &source = producer->getOpOperand(yielded.getArgNumber());
    tensor = source.get();
    if (!isa<RankedTensorType>(tensor.getType()))
      return;
    map = producer.getMatchingIndexingMap(&source).compose(inversePermutation(result)).compose(map);
  }
  if (!f.arguments.count(tensor) || map.getNumResults() == 0)
    return;
  std::optional<unsigned> last = findUnitLoop(map.getResults().back(), factor.perChunk);
  if (!last || llvm::any_of(map.getResults().drop_back(),
                            [&](AffineExpr expr) { return expr.isFunctionOfDim(*last); }))
    return;
  const unsigned loop = *last;
  for (Axis *axis : {factor.axis, &steps}) {
    if (!isAlong(*axis, loop) || axis->parts.back() != loopNames[loop])
      continue;
    // Instructions for matrices turn 16 bits at a time; 32 bits are loaded one by one.
    if (axis == &steps || !isMatrix || factor.perChunk == 8 || (factor.perChunk == 4 && !isGroup)) {
      factor.alongDepth = axis == &steps;
      factor.argument = tensor;
      factor.map = map;
    } else {
      factor.isContiguousAcross = true;
    }
  }
}

/// Where everything lies in shared memory, and which threads do what.
LogicalResult BlockTile::layOut() {
  const int64_t rowWarps = directive.getRowWarps(), columnWarps = directive.getColumnWarps();
  warpRows = rows.split.getFactor() / rowWarps;
  warpColumns = columns.split.getFactor() / columnWarps;
  for (Factor *factor : {&left, &right}) {
    const int64_t extent = factor->axis->split.getFactor(), depth = steps.split.getFactor();
    factor->lines = factor->alongDepth ? extent : depth;
    factor->chunks = (factor->alongDepth ? depth : extent) / factor->perChunk;
    factor->offset = stepBytes;
    stepBytes += factor->lines * factor->chunks * 16;
  }
  vector = isMatrix ? 8 : left.perChunk;
  passRows = isMatrix ? 16 : 4 * vector;
  passStride = isGroup ? 64 : passRows;
  const int64_t columnUnit = isMatrix ? 16 : 8 * vector;
  const int64_t depthUnit = (isMatrix ? 2 : 1) * left.perChunk;
  if (warpRows == 0 || warpRows % passRows || warpColumns == 0 || warpColumns % columnUnit ||
      steps.split.getFactor() % depthUnit || left.chunks == 0 || right.chunks == 0)
    return fail("needs tiles of at least " + Twine(passRows) + " x " + Twine(columnUnit) + " x " +
                Twine(depthUnit) + " for a warp");
  if (isGroup && (warpColumns > 256 || stepBytes % 1024 != 0 || left.lines % 8 != 0))
    return fail("needs tiles of 256 columns at most for four warps, in lines of 128 bytes");
  // Rows of sums are so far apart that the lanes of a warp write to different banks.
  pitch = isMatrix && warpColumns == kNarrowColumns ? warpColumns : warpColumns + 8;
  const int64_t sumBytes = sumType.getIntOrFloatBitWidth() / 8;
  int64_t bytes = std::max(stepBytes * int64_t(directive.getStages()),
                           rowWarps * columnWarps * passRows * pitch * sumBytes);
  const bool isBulk = directive.getBulk() && mayBeBoxed(left) && mayBeBoxed(right);
  barrierOffset = int64_t(llvm::alignTo(bytes, 8));
  const bool isRing = directive.getCopyWarps();
  if (isBulk || isRing)
    bytes = barrierOffset + (isRing ? 16 : 8) * int64_t(directive.getStages());
  if (bytes > kMostSharedBytes)
    return fail("needs " + Twine(bytes) + " bytes of shared memory, of " + Twine(kMostSharedBytes));
  f.loops = outer;
  // Instructions that read shared memory themselves count lines from multiples of 1024 bytes.
  multiplying = 32 * rowWarps * columnWarps;
  allocate("tile_" + kernel::getStageName(stage), bytes, multiplying + (isRing ? kCopyThreads : 0),
           isGroup ? 1024 : 128);
  setThread(thread);
  for (Factor *factor : {&left, &right})
    if (factor->argument)
      factor->alignment = alignmentOf(*factor);
  if (isBulk)
    addMaps();
  return success();
}

void BlockTile::setThread(Value number) {
  const int64_t columnWarps = directive.getColumnWarps();
  thread = number;
  lane = rem(thread, 32);
  Value warp = div(thread, 32);
  if (isGroup) {
    // Four warps take 16 rows each, one below the other, of every 64.
    Value group = div(warp, 4);
    warpRow = add(mul(div(group, columnWarps), 4 * warpRows), mul(rem(warp, 4), 16));
    warpColumn = mul(rem(group, columnWarps), warpColumns);
  } else {
    warpRow = mul(div(warp, columnWarps), warpRows);
    warpColumn = mul(rem(warp, columnWarps), warpColumns);
  }
}

SmallVector<Value> BlockTile::place(const Place &at) {
  Values result(stage.getNumLoops());
  auto collect = [&](bool isReduced) {
    f.place(/*clamp=*/true);
    for (auto [loop, kind] : llvm::enumerate(stage.getIteratorTypesArray()))
      if ((kind == utils::IteratorType::reduction) == isReduced)
        result[loop] = f.loops.positions.lookup(loopNames[loop]);
  };
  f.loops = outer;
  if (at.row)
    f.loops.positions[directive.getRows()] = at.row;
  if (at.column)
    f.loops.positions[directive.getColumns()] = at.column;
  collect(false);
  f.loops = inner;
  f.loops.positions[steps.split.getOuter()] = at.step;
  f.loops.positions[steps.split.getInner()] = at.depth;
  collect(true);
  f.loops = outer;
  return result;
}

Value BlockTile::remaining(const Axis &axis, Value outerPosition, Value innerPosition) {
  schedule::SplitOp split = axis.split;
  const GpuFunction::Loops &loops = &axis == &steps ? inner : outer;
  if (!outerPosition)
    outerPosition = loops.positions.lookup(split.getOuter());
  Value first = arith::MulIOp::create(b, outerPosition, index(split.getFactor()));
  Value position = arith::AddIOp::create(b, first, innerPosition);
  return arith::SubIOp::create(b, loops.extents.lookup(split.getLoop()).value, position);
}

/// Sums begin with what the stage begins with.
LogicalResult BlockTile::beginSums() {
  auto fill = stage.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  if (!fill)
    return fail("adds to something that differs from element to element");
  sums.assign(size_t(warpRows * warpColumns / 32), f.scalars.lookupOrDefault(fill.getInputs()[0]));
  return success();
}

/// By bulk copies where there are maps when launching.
LogicalResult BlockTile::run() {
  if (failed(beginSums()))
    return failure();
  Value count = inner.extents.lookup(steps.split.getOuter()).value;
  if (!left.boxes)
    return success(succeeded(runCopies(count)) && succeeded(storeTile()));
  Value mayBox = arith::AndIOp::create(b, left.boxes->isMade, right.boxes->isMade);
  Value mustCopy =
      arith::XOrIOp::create(b, mayBox, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  for (bool isBulk : {true, false}) {
    FailureOr<Values> done =
        f.guard(isBulk ? mayBox : mustCopy, sums, [&](Values) -> FailureOr<Values> {
          if (failed(isBulk ? runBulk(count) : runCopies(count)))
            return failure();
          return sums;
        });
    if (failed(done))
      return failure();
    sums = *done;
  }
  return storeTile();
}

/// A step multiplies what came into one of several memories while the next ones fill the others.
LogicalResult BlockTile::runCopies(Value count) {
  const int64_t stages = directive.getStages();
  const bool isAsync = left.argument || right.argument;
  auto close = [&] {
    if (isAsync)
      NVVM::CpAsyncCommitGroupOp::create(b);
  };
  auto copyIf = [&](Value step, Value buffer) -> LogicalResult {
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, step, count);
    FailureOr<Values> done = f.guard(isThere, {}, [&](Values) -> FailureOr<Values> {
      for (Factor *factor : {&left, &right})
        if (failed(copy(*factor, step, add(buffer, factor->offset))))
          return failure();
      return Values();
    });
    close();
    return success(succeeded(done));
  };
  for (int64_t step = 0; step + 1 < stages; ++step)
    if (failed(copyIf(index(step), i32(step * stepBytes))))
      return failure();
  Values carried = {i32(0)};
  carried.append(sums);
  // Places of so many elements, computed before the loop, would leave no registers for sums.
  const bool isCrowded = !isGroup && left.perChunk == 16;
  const std::array outside = {thread, lane, warpRow, warpColumn};
  FailureOr<Values> end =
      f.loop(count, carried, [&](Value step, Values values) -> FailureOr<Values> {
        if (isCrowded)
          setThread(opaque(outside[0], arith::IndexCastOp::create(b, b.getI64Type(), step)));
        if (isAsync)
          NVVM::CpAsyncWaitGroupOp::create(b, b.getI32IntegerAttr(int32_t(stages - 2)));
        if (isGroup)
          fenceProxy();
        // What was copied is there for all, and what the last step read is free.
        NVVM::Barrier0Op::create(b);
        Value buffer = values[0];
        Values next(llvm::drop_begin(values));
        if (isGroup)
          next = beginGroups(buffer, next);
        const int64_t last = (stages - 1) * stepBytes;
        Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, buffer, i32(0));
        Value previous = arith::SelectOp::create(b, isFirst, i32(last), add(buffer, -stepBytes));
        Value ahead = arith::AddIOp::create(b, step, index(stages - 1));
        if (failed(copyIf(ahead, previous)))
          return failure();
        FailureOr<Values> sums = isGroup ? finishGroups(next) : multiply(buffer, next);
        if (failed(sums))
          return failure();
        Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, buffer, i32(last));
        Values result = {arith::SelectOp::create(b, isLast, i32(0), add(buffer, stepBytes))};
        result.append(*sums);
        return result;
      });
  if (failed(end))
    return failure();
  std::tie(thread, lane, warpRow, warpColumn) = std::tuple_cat(outside);
  sums.assign(std::next(end->begin()), end->end());
  return success();
}

LogicalResult BlockTile::storeTile() {
  // The memory of the last step may still be read.
  if (directive.getCopyWarps())
    NVVM::BarrierOp::create(b, TypeRange(), i32(1), i32(multiplying), NVVM::BarrierReductionAttr(),
                            Value());
  else
    NVVM::Barrier0Op::create(b);
  const int64_t sumBytes = sumType.getIntOrFloatBitWidth() / 8;
  Value first = mul(div(thread, 32), passRows * pitch * sumBytes);
  for (int64_t pass = 0; pass * passRows < warpRows; ++pass) {
    writeSums(pass, first);
    NVVM::SyncWarpOp::create(b, i32(-1));
    if (failed(storeElements(add(warpRow, pass * passStride), first)))
      return failure();
    NVVM::SyncWarpOp::create(b, i32(-1));
  }
  return success();
}

/// Neighbouring lanes take neighbouring columns.
LogicalResult BlockTile::storeElements(Value firstRow, Value first) {
  const int64_t sumBytes = sumType.getIntOrFloatBitWidth() / 8;
  FailureOr<Values> done =
      f.loop(index(passRows * warpColumns / 32), {}, [&](Value turn, Values) -> FailureOr<Values> {
        Value number = add(mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), 32), lane);
        Value row = div(number, warpColumns), column = rem(number, warpColumns);
        f.loops = outer;
        f.loops.positions[directive.getRows()] = index(add(firstRow, row));
        f.loops.positions[directive.getColumns()] = index(add(warpColumn, column));
        Value isInside = f.place();
        return f.guard(isInside, {}, [&](Values) -> FailureOr<Values> {
          Value byte = add(first, mul(sumPlace(row, column), sumBytes));
          f.sharedValues[stage] = {LLVM::LoadOp::create(b, sumType, shared(byte))};
          const GpuFunction::Loops found = f.loops;
          for (auto &[output, names] : outputs) {
            f.output = output;
            f.loops = found;
            for (auto [own, other] : llvm::zip_equal(loopNames, names))
              f.loops.positions[other] = found.positions.lookup(own);
            if (failed(f.storeResults()))
              return failure();
          }
          f.output = outputs.front().first;
          f.sharedValues.erase(stage);
          return Values();
        });
      });
  return success(succeeded(done));
}

} // namespace tessera::nvgpu
