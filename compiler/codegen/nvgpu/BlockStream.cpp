//===- BlockStream.cpp - States of a stream, merged by the warps of a block -----------------===//
#include "compiler/codegen/nvgpu/BlockStream.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

using kernel::StreamStages;

schedule::GpuStreamOp GpuFunction::findStream() { return findInside<schedule::GpuStreamOp>(); }

LogicalResult GpuFunction::emitStream(schedule::GpuStreamOp directive) {
  return BlockStream(*this, directive).emit();
}

LogicalResult BlockStream::emit() {
  outer = f.loops;
  if (failed(read()))
    return failure();
  b.setLoc(f.lines.of(stage));
  if (failed(layOut()))
    return failure();
  if (tile.isGroup) {
    if (failed(runGroups()))
      return failure();
  } else {
    FailureOr<Values> states = run();
    if (failed(states) || failed(store(*states)))
      return failure();
  }
  f.loops = outer;
  return success();
}

LogicalResult BlockStream::read() {
  const StringRef name = directive->getParentOfType<schedule::UpdateOp>().getStage();
  for (auto other : f.kernel.getBody().front().getOps<linalg::GenericOp>())
    if (kernel::getStageName(other) == name)
      stage = other;
  std::string why;
  std::optional<StreamStages> found;
  if (stage)
    found = kernel::matchStream(stage, why);
  if (!found)
    return fail("is on a stage that merges no states of blocks: " + why);
  stream = std::move(*found);
  if (stream.isMatrix != (directive.getUnit() != schedule::Unit::Fma))
    return fail("needs products of f16, bf16, or f32 that may be rounded, for mma and wgmma, and "
                "others for fma");
  if (stream.isTf32 && directive.getUnit() == schedule::Unit::Wgmma)
    return fail("multiplies by wgmma, which turns no f32; expected mma");
  for (linalg::GenericOp output : f.outputs) {
    if (output != f.output && f.findHost(output) != f.output)
      continue;
    auto loops = kernel::followMerged(output, stream);
    if (!loops)
      return fail("is at the blocks of an output that does not follow from its stage");
    SmallVector<std::string> names = kernel::getLoopNames(output), own;
    for (unsigned loop : *loops)
      own.push_back(loop < names.size() ? names[loop] : "");
    outputs.push_back({output, own});
  }
  tile = {int64_t(directive.getKeys()),        int64_t(directive.getRowWarps()),
          int64_t(directive.getColumnWarps()), int64_t(directive.getKeyWarps()),
          int64_t(directive.getStages()),      directive.getUnit() == schedule::Unit::Wgmma};
  rowExtent = tile.rows();
  rowTile = index(0);
  rowCount = index(1);
  if (!stream.rows)
    return success();
  for (Operation *other : outer.applied)
    if (auto split = dyn_cast<schedule::SplitOp>(other);
        split && split.getInner() == directive.getRows()) {
      if (int64_t(split.getFactor()) != rowExtent ||
          split.getLoop() != outputs.front().second[*stream.rows])
        break;
      rowTile = outer.positions.lookup(split.getOuter());
      rowCount = outer.extents.lookup(split.getLoop()).value;
      return success();
    }
  return fail("needs " + Twine(rowExtent) + " rows for its warps, split from the loop over rows");
}

BlockStream::Factor BlockStream::makeFactor(const Reduction &reduction, Value scalar, bool isOfRows,
                                            int64_t extent, int64_t padded, int64_t lines) {
  Factor factor;
  factor.reduction = &reduction;
  factor.scalar = scalar;
  factor.element = scalar.getType();
  factor.isOfRows = isOfRows;
  factor.extent = extent;
  factor.lines = lines;
  factor.perChunk = 128 / factor.element.getIntOrFloatBitWidth();
  factor.chunks = padded / factor.perChunk;
  const int along =
      reduction.kind == Reduction::Scores ? StreamStages::kOther : int(*stream.columns);
  const auto *loop = llvm::find(reduction.follows, along);
  linalg::GenericOp from = reduction.stage;
  if (!findSource(factor, from, scalar, unsigned(loop - reduction.follows.begin()))) {
    const auto *line = llvm::find(reduction.follows,
                                  isOfRows ? int(stream.rows.value_or(0)) : StreamStages::kKeys);
    if (factor.argument && line != reduction.follows.end()) {
      const int64_t rank = cast<RankedTensorType>(factor.argument.getType()).getRank();
      std::optional<unsigned> dim =
          findKeys(from, scalar, unsigned(line - reduction.follows.begin()));
      factor.isContiguousAcross = dim && int64_t(*dim) + 1 == rank;
    }
    factor.argument = {};
  }
  if (factor.argument)
    factor.alignment = alignmentOf(f.arguments.find(factor.argument)->second, factor.perChunk);
  return factor;
}

LogicalResult BlockStream::layOut() {
  const int64_t bytes = stream.getSharedBytes(tile);
  if (bytes > kMostSharedBytes)
    return fail("needs " + Twine(bytes) + " bytes of shared memory, of " + Twine(kMostSharedBytes));
  // Instructions that read shared memory themselves count lines from multiples of 1024 bytes.
  allocate("stream_" + kernel::getStageName(stage), bytes,
           32 * tile.warps() + (tile.isGroup ? kCopyThreads : 0), tile.isGroup ? 1024 : 128);
  // Assemblers would rather spill than have fewer such blocks side by side.
  const bool hasWide =
      stream.productBytes == 8 || stream.getAlikeBytes() > 4 * int64_t(stream.isAlike.count());
  if (tile.isGroup || tile.keyWarps > 1 || stream.columnExtent > 64 || hasWide)
    f.function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  warp = div(thread, 32);
  weightOffset = 0;
  auto put = [&](Factor &factor) {
    factor.offset = weightOffset;
    weightOffset += factor.lines * factor.chunks * 16;
  };
  for (const Reduction *score : stream.scores()) {
    const int64_t depth = score->depth, padded = stream.getPaddedDepth(*score, tile);
    ScoreFactors &both = factors.emplace_back();
    both.queries = makeFactor(*score, score->left, true, depth, padded, rowExtent);
    both.keys = makeFactor(*score, score->right, false, depth, padded, tile.keys);
    put(both.queries);
  }
  const int64_t firstOwn = weightOffset;
  for (ScoreFactors &both : factors)
    put(both.keys);
  if (const Reduction *sums = stream.sums()) {
    values = makeFactor(*sums, sums->right, false, stream.columnExtent,
                        stream.getPaddedColumns(tile), tile.keys);
    put(values);
  }
  if (tile.isGroup) {
    stageBytes = weightOffset - firstOwn;
    barrierOffset = bytes - StreamStages::getBarrierBytes(tile);
    for (ArrayRef<Factor *> part : parts())
      for (Factor *factor : part)
        factor->isRing = true;
  }
  if (tile.keyWarps > 1) {
    values.isOwn = true;
    for (ScoreFactors &both : factors)
      both.keys.isOwn = true;
    ownBytes = weightOffset - firstOwn + stream.getWeightBytes(tile);
  }
  const Reduction &score = *stream.scores().front();
  const auto *loop = llvm::find(score.follows, int(StreamStages::kKeys));
  FailureOr<Value> extent = f.loopExtent(score.stage, unsigned(loop - score.follows.begin())),
                   blocks = f.loopExtent(stage, stream.blocks);
  if (failed(extent) || failed(blocks))
    return failure();
  keyCount = *extent;
  Value most = arith::AddIOp::create(b, keyCount, index(tile.keys - 1));
  Value count = arith::DivUIOp::create(b, most, index(tile.keys));
  steps = arith::IndexCastOp::create(b, b.getI64Type(), count);
  total = arith::IndexCastOp::create(b, b.getI64Type(), arith::MulIOp::create(b, *blocks, count));
  if (tile.isGroup)
    addMaps();
  return success();
}

SmallVector<Value> BlockStream::loopsOf(ArrayRef<int> follows, const Place &place) {
  return llvm::map_to_vector(follows, [&](int followed) -> Value {
    if (followed == StreamStages::kKeys)
      return place.key;
    if (followed == StreamStages::kOther)
      return place.depth;
    const auto loop = unsigned(followed);
    if (loop == stream.blocks)
      return place.block;
    if (loop == stream.rows)
      return place.row;
    if (loop == stream.columns)
      return place.column;
    return outer.positions.lookup(outputs.front().second[loop]);
  });
}

Value BlockStream::rowAt(Value row) {
  Value first = arith::MulIOp::create(b, rowTile, index(rowExtent));
  Value position = arith::AddIOp::create(b, first, index(row));
  Value last = arith::SubIOp::create(b, rowCount, index(1));
  return arith::MinSIOp::create(b, position, last);
}

Value BlockStream::isRow(Value row) {
  Value first = arith::MulIOp::create(b, rowTile, index(rowExtent));
  Value position = arith::AddIOp::create(b, first, index(row));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, position, rowCount);
}

Value BlockStream::lineOfLane(int64_t row) {
  return stream.isMatrix ? add(div(lane, 4), 8 * row) : add(mul(div(lane, 8), 4), row);
}
Value BlockStream::firstRow() {
  if (tile.isGroup)
    return add(mul(rowGroup(), 64), mul(rem(warp, 4), 16));
  return tile.rowWarps > 1 ? mul(div(warp, tile.columnWarps), 16) : i32(0);
}
Value BlockStream::rowGroup() { return div(warp, 4 * tile.columnWarps); }
Value BlockStream::columnPart() {
  return rem(tile.isGroup ? div(warp, 4) : warp, tile.columnWarps);
}
Value BlockStream::keyOfLane(int64_t unit, int64_t element) {
  if (stream.isMatrix)
    return add(mul(rem(lane, 4), 2), 8 * unit + element);
  return add(rem(lane, 8), 8 * unit);
}
Value BlockStream::columnOfLane(int64_t unit, int64_t element) {
  Value column = stream.isMatrix
                     ? add(mul(rem(lane, 4), 2), 8 * unit + element)
                     : add(mul(rem(lane, 8), columnWidth()), unitExtent() * unit + element);
  if (tile.columnWarps == 1)
    return column;
  return add(column, mul(columnPart(), columnUnits() * unitExtent()));
}

/// Of each row of the lane those that are alike for all columns, then the columns.
SmallVector<Value> BlockStream::firstStates() {
  Values rows, columns;
  for (auto [number, init] : llvm::enumerate(stage.getDpsInits())) {
    Value first = f.scalars.lookupOrDefault(init.getDefiningOp<linalg::FillOp>().getInputs()[0]);
    if (!stream.isAlike.test(unsigned(number)))
      columns.append(size_t(columnUnits() * rowsOfLane() * columnWidth()), first);
  }
  for (int64_t row = 0; row < rowsOfLane(); ++row)
    for (unsigned number : stream.isAlike.set_bits())
      rows.push_back(f.scalars.lookupOrDefault(
          stage.getDpsInits()[number].getDefiningOp<linalg::FillOp>().getInputs()[0]));
  rows.append(columns);
  return rows;
}

Value BlockStream::findCondition() {
  if (!stage->hasAttr(kernel::KernelDialect::kSkipsAttr))
    return {};
  Value condition;
  for (auto [value, running] : llvm::zip_equal(
           stage.getRegion().front().getTerminator()->getOperands(), stage.getRegionOutputArgs())) {
    auto select = value.getDefiningOp<arith::SelectOp>();
    if (!select || select.getFalseValue() != running ||
        (condition && condition != select.getCondition()))
      return {};
    condition = select.getCondition();
  }
  return condition;
}

/// Every warp asks for all rows of the block, so that none has to wait for another.
FailureOr<Value> BlockStream::isNeeded(Value block) {
  Value any = arith::ConstantOp::create(b, b.getBoolAttr(false));
  SmallVector<int> follows = llvm::to_vector(llvm::seq<int>(0, int(stage.getNumLoops())));
  for (int64_t first = 0; first < rowExtent; first += 32) {
    Value row = rowExtent < 32 ? rem(lane, rowExtent) : add(lane, first);
    IRMapping known;
    FailureOr<Value> isNeeded =
        f.scalar(stage, findCondition(), loopsOf(follows, {block, rowAt(row), {}, {}, {}}), known);
    if (failed(isNeeded))
      return failure();
    any = arith::OrIOp::create(b, any, *isNeeded);
  }
  return Value(NVVM::VoteSyncOp::create(b, b.getI1Type(), i32(-1), any, NVVM::VoteSyncKind::any));
}

FailureOr<Value> BlockStream::skipBlocks(Value number) {
  auto end = f.loopWhile(
      {number, arith::ConstantOp::create(b, b.getBoolAttr(false))},
      [&](Values current) -> FailureOr<Value> {
        Value isLeft = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, current[0], total);
        Value isFound = current[1];
        Value goesOn =
            arith::XOrIOp::create(b, isFound, arith::ConstantOp::create(b, b.getBoolAttr(true)));
        return Value(arith::AndIOp::create(b, isLeft, goesOn));
      },
      [&](Values current) -> FailureOr<Values> {
        Value block = arith::DivUIOp::create(b, current[0], steps);
        FailureOr<Value> found = isNeeded(arith::IndexCastOp::create(b, b.getIndexType(), block));
        if (failed(found))
          return failure();
        Value next =
            arith::MulIOp::create(b, arith::AddIOp::create(b, block, f.i64Constant(1)), steps);
        return Values{arith::SelectOp::create(b, *found, current[0], next), *found};
      });
  if (failed(end))
    return failure();
  return (*end)[0];
}

BlockStream::Step BlockStream::stepOf(Value number) {
  Value block = arith::DivUIOp::create(b, number, steps);
  Value part = arith::SubIOp::create(b, number, arith::MulIOp::create(b, block, steps));
  Value first = arith::MulIOp::create(b, part, f.i64Constant(tile.keys));
  return Step{arith::IndexCastOp::create(b, b.getIndexType(), block),
              arith::IndexCastOp::create(b, b.getIndexType(), first)};
}

FailureOr<Value> BlockStream::nextStep(Value number) {
  Value next = arith::AddIOp::create(b, number, f.i64Constant(1));
  if (!findCondition())
    return next;
  Value part = arith::RemUIOp::create(b, next, steps);
  Value isBlock = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, part, f.i64Constant(0));
  FailureOr<Values> skipped = f.guard(isBlock, {next}, [&](Values from) -> FailureOr<Values> {
    FailureOr<Value> found = skipBlocks(from[0]);
    if (failed(found))
      return failure();
    return Values{*found};
  });
  if (failed(skipped))
    return failure();
  return (*skipped)[0];
}

void BlockStream::setThread(Value number) {
  thread = number;
  lane = rem(thread, 32);
  warp = div(thread, 32);
}

/// Values come while scores are multiplied, the next keys while weights are.
FailureOr<SmallVector<Value>> BlockStream::run() {
  const bool skips = bool(findCondition());
  auto copyKeys = [&](Value number) -> LogicalResult {
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, number, total);
    FailureOr<Values> done = f.guard(isThere, {}, [&](Values) -> FailureOr<Values> {
      for (const ScoreFactors &both : factors)
        if (failed(copy(both.keys, stepOf(number))))
          return failure();
      return Values();
    });
    NVVM::CpAsyncCommitGroupOp::create(b);
    return success(succeeded(done));
  };
  Value begin = f.i64Constant(0);
  if (tile.keyWarps > 1) {
    // A warp's part of all steps, in their order.
    Value more = arith::AddIOp::create(b, total, f.i64Constant(tile.keyWarps - 1));
    Value part = arith::DivUIOp::create(b, more, f.i64Constant(tile.keyWarps));
    begin = arith::MulIOp::create(b, part, arith::ExtUIOp::create(b, b.getI64Type(), warp));
    total = arith::MinSIOp::create(b, arith::AddIOp::create(b, begin, part), total);
  }
  FailureOr<Value> first = skips ? skipBlocks(begin) : FailureOr(begin);
  if (failed(first))
    return failure();
  for (const ScoreFactors &both : factors)
    if (failed(copy(both.queries, {})))
      return failure();
  if (failed(copyKeys(*first)))
    return failure();
  if (tile.keyWarps > 1) {
    NVVM::CpAsyncWaitGroupOp::create(b, b.getI32IntegerAttr(0));
    NVVM::Barrier0Op::create(b);
  }
  Value own = thread;
  Values carried = {*first};
  carried.append(firstStates());
  FailureOr<Values> end = f.loopWhile(
      carried,
      [&](Values current) -> FailureOr<Value> {
        return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, current[0], total));
      },
      [&](Values current) -> FailureOr<Values> {
        // Else LLVM computes the places of all lanes and pointers to them before the loop.
        Value number = opaque(current[0], current[0]);
        setThread(opaque(own, current[0]));
        const Step step = stepOf(number);
        meet(); // The keys are there, and nobody reads the last values any more.
        if (stream.sums() && failed(copy(values, step)))
          return failure();
        NVVM::CpAsyncCommitGroupOp::create(b);
        FailureOr<Values> scores = multiplyScores();
        if (failed(scores))
          return failure();
        meet(); // The values are there, and nobody reads the keys any more.
        FailureOr<Value> following = nextStep(number);
        if (failed(following) || failed(copyKeys(*following)))
          return failure();
        Values next = {*following};
        FailureOr<Values> merged = merge(step, *scores, Values(llvm::drop_begin(current)));
        if (failed(merged))
          return failure();
        next.append(*merged);
        return next;
      });
  if (failed(end))
    return failure();
  setThread(own);
  NVVM::CpAsyncWaitGroupOp::create(b, b.getI32IntegerAttr(0));
  NVVM::Barrier0Op::create(b);
  return Values(llvm::drop_begin(*end));
}

/// What was copied is there for all who share it, and what they read before is free.
void BlockStream::meet() {
  NVVM::CpAsyncWaitGroupOp::create(b, b.getI32IntegerAttr(0));
  if (tile.keyWarps > 1)
    NVVM::SyncWarpOp::create(b, i32(-1));
  else
    NVVM::Barrier0Op::create(b);
}

/// Behind the columns of 16 rows: those of one state, then of the next.
Value BlockStream::alikeByte(Value region, int64_t pitch, unsigned state, Value line) {
  int64_t before = pitch * stream.productBytes;
  for (unsigned other : stream.isAlike.set_bits())
    if (other < state)
      before += stream.bytesOf(other);
  return add(add(region, mul(line, stream.bytesOf(state))), 16 * before);
}

int64_t BlockStream::regionBytes(int64_t pitch) const {
  return 16 * (pitch * stream.productBytes + stream.getAlikeBytes());
}

/// One lane of each row writes.
LogicalResult BlockStream::writeAlike(ArrayRef<Value> states, Value region, int64_t pitch) {
  const size_t alike = stream.isAlike.count();
  Value isFirst =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rem(lane, lanesOfRow()), i32(0));
  FailureOr<Values> done = f.guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
    for (int64_t row = 0; row < rowsOfLane(); ++row)
      for (auto [number, state] : llvm::enumerate(stream.isAlike.set_bits()))
        LLVM::StoreOp::create(b, states[size_t(row) * alike + number],
                              shared(alikeByte(region, pitch, state, lineOfLane(row))),
                              unsigned(stream.bytesOf(state)));
    return Values();
  });
  return success(succeeded(done));
}

void BlockStream::writeColumns(ArrayRef<Value> states, Value region, int64_t pitch,
                               int64_t firstUnit, int64_t units) {
  ArrayRef<Value> columns = states.drop_front(size_t(rowsOfLane()) * stream.isAlike.count());
  for (int64_t unit = 0; unit < units; ++unit)
    for (int64_t row = 0; row < rowsOfLane(); ++row) {
      Value vector = LLVM::PoisonOp::create(
          b, VectorType::get({columnWidth()}, stream.typeOf(stream.varying())));
      for (int64_t element = 0; element < columnWidth(); ++element)
        vector = LLVM::InsertElementOp::create(
            b, vector,
            columns[size_t(((firstUnit + unit) * rowsOfLane() + row) * columnWidth() + element)],
            i32(element));
      Value column = stream.isMatrix ? mul(rem(lane, 4), 2) : mul(rem(lane, 8), columnWidth());
      Value place = add(add(mul(lineOfLane(row), pitch), column), unit * unitExtent());
      LLVM::StoreOp::create(b, vector, shared(add(region, mul(place, stream.productBytes))),
                            unsigned(stream.productBytes * columnWidth()));
    }
}

SmallVector<Value> BlockStream::readStates(Value region, int64_t pitch, Value line, Value column) {
  Values states;
  for (unsigned state = 0; state < stage.getNumResults(); ++state) {
    Value byte = stream.isAlike.test(state)
                     ? alikeByte(region, pitch, state, line)
                     : add(region, mul(add(mul(line, pitch), column), stream.productBytes));
    states.push_back(LLVM::LoadOp::create(b, stream.typeOf(state), shared(byte)));
  }
  return states;
}

/// Warps pass their states through shared memory, 64 columns at a time, so that neighbouring lanes
/// get neighbouring elements, and the code behind the states exists once.
LogicalResult BlockStream::store(ArrayRef<Value> states) {
  if (tile.keyWarps > 1)
    return storeMerged(states);
  const int64_t all = stream.sums() ? columnUnits() * unitExtent() : 1;
  const int64_t group = std::min<int64_t>(all, 64), pitch = group + 8;
  Value region = mul(warp, regionBytes(pitch));
  if (failed(writeAlike(states, region, pitch)))
    return failure();
  for (int64_t base = 0; base < all; base += group) {
    const int64_t width = std::min(group, all - base);
    if (stream.sums())
      writeColumns(states, region, pitch, base / unitExtent(), width / unitExtent());
    NVVM::SyncWarpOp::create(b, i32(-1));
    if (failed(storeElements(region, pitch, base, width)))
      return failure();
    NVVM::SyncWarpOp::create(b, i32(-1));
  }
  return success();
}

LogicalResult BlockStream::storeElements(Value region, int64_t pitch, int64_t base, int64_t width) {
  const int64_t turns = (16 * width + 31) / 32;
  FailureOr<Values> done = f.loop(index(turns), {}, [&](Value turn, Values) -> FailureOr<Values> {
    Value number = add(mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), 32), lane);
    Value line = div(number, width), column = rem(number, width);
    Value row = add(firstRow(), line), place = add(column, base);
    if (tile.columnWarps > 1)
      place = add(place, mul(columnPart(), columnUnits() * unitExtent()));
    Value isInside = isRow(row);
    if (16 * width % 32)
      isInside = arith::AndIOp::create(
          b, isInside, arith::CmpIOp::create(b, arith::CmpIPredicate::ult, line, i32(16)));
    if (stream.sums())
      isInside = arith::AndIOp::create(
          b, isInside,
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, place, i32(stream.columnExtent)));
    return f.guard(isInside, {}, [&](Values) -> FailureOr<Values> {
      if (failed(storeOutputs(row, index(place), readStates(region, pitch, line, column))))
        return failure();
      return Values();
    });
  });
  return success(succeeded(done));
}

/// The threads of all warps take elements of the rows that there are, and merge the states of the
/// warps in the order of their keys.
LogicalResult BlockStream::storeMerged(ArrayRef<Value> states) {
  const int64_t all = stream.sums() ? columnUnits() * unitExtent() : 1, pitch = all + 8;
  const int64_t bytes = regionBytes(pitch);
  const int64_t width = stream.sums() ? stream.columnExtent : 1;
  Value region = mul(warp, bytes);
  if (failed(writeAlike(states, region, pitch)))
    return failure();
  if (stream.sums())
    writeColumns(states, region, pitch, 0, columnUnits());
  NVVM::Barrier0Op::create(b);
  Value first = arith::MulIOp::create(b, rowTile, index(rowExtent));
  Value rows = arith::MinSIOp::create(b, arith::SubIOp::create(b, rowCount, first), index(16));
  Value count = arith::MulIOp::create(b, rows, index(width));
  Value turns = arith::DivUIOp::create(b, arith::AddIOp::create(b, count, index(threads - 1)),
                                       index(threads));
  FailureOr<Values> done = f.loop(turns, {}, [&](Value turn, Values) -> FailureOr<Values> {
    Value number = add(mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), threads), thread);
    Value line = div(number, width), column = rem(number, width);
    Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index(number), count);
    return f.guard(isInside, {}, [&](Values) -> FailureOr<Values> {
      Place place{{}, rowAt(line), {}, index(column), {}};
      Values merged = readStates(i32(0), pitch, line, column);
      for (int64_t part = 1; part < tile.keyWarps; ++part) {
        FailureOr<Values> next =
            mergeElement(place, merged, readStates(i32(part * bytes), pitch, line, column));
        if (failed(next))
          return failure();
        merged = *next;
      }
      if (failed(storeOutputs(line, index(column), merged)))
        return failure();
      return Values();
    });
  });
  return success(succeeded(done));
}

LogicalResult BlockStream::storeOutputs(Value row, Value column, ArrayRef<Value> merged) {
  f.sharedValues[stage] = Values(merged);
  for (auto &[output, names] : outputs) {
    f.output = output;
    f.loops = outer;
    auto store = [&](Values) -> FailureOr<Values> {
      for (auto [loop, name] : llvm::enumerate(names)) {
        if (name.empty() || loop == stream.blocks)
          continue;
        if (loop == stream.rows)
          f.loops.positions[name] = rowAt(row);
        else if (loop == stream.columns)
          f.loops.positions[name] = column;
        else
          f.loops.positions[name] = outer.positions.lookup(outputs.front().second[loop]);
      }
      if (failed(f.storeResults()))
        return failure();
      return Values();
    };
    // What has no columns is stored with the first one.
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, column, index(0));
    const bool hasColumns = !stream.columns || !names[*stream.columns].empty();
    if (failed(hasColumns ? store({}) : f.guard(isFirst, {}, store)))
      return failure();
  }
  f.loops = outer;
  f.output = outputs.front().first;
  f.sharedValues.erase(stage);
  return success();
}

} // namespace tessera::nvgpu
