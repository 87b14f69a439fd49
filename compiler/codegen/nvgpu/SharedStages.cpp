//===- SharedStages.cpp - What the threads of a block compute together ----------------------===//
//
// A stage that is computed at the blocks of its consumer, or a result whose elements have threads
// of their own: each thread reduces a part, then the parts are combined, those of a warp by
// shuffles, those of warps in shared memory. The number of threads is fixed, and with it the order
// of a sum.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/GpuFunction.h"
#include "dialects/kernel/Combiner.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

static constexpr int64_t kLanes = 32, kMostWarps = 32;

/// The stages that are computed at the blocks of the output, and how they reduce.
static llvm::StringMap<schedule::UpdateOp> findUpdates(schedule::FuncOp schedule,
                                                       linalg::GenericOp output) {
  llvm::StringMap<schedule::UpdateOp> updates;
  if (!schedule)
    return updates;
  llvm::StringSet<> isInside;
  const StringRef own = kernel::getStageName(output);
  isInside.insert(own);
  for (auto stage : schedule.getBody().front().getOps<schedule::StageOp>())
    for (auto at : stage.getBody().front().getOps<schedule::ComputeAtOp>())
      if (at.getConsumer() == own) {
        isInside.insert(stage.getStage());
        updates[stage.getStage()];
      }
  for (auto update : schedule.getBody().front().getOps<schedule::UpdateOp>())
    if (isInside.contains(update.getStage()))
      updates[update.getStage()] = update;
  return updates;
}

/// Threads reduce, and no loop of the output is left to one thread.
bool GpuFunction::reducesTogether() {
  return loops.serial().empty() &&
         llvm::any_of(findUpdates(schedule, output), [](const auto &entry) {
           schedule::UpdateOp update = entry.second;
           return update && !update.getBody().front().getOps<schedule::GpuThreadsOp>().empty();
         });
}

/// Threads of elements behind the end reduce with the last one, as they meet the others.
LogicalResult GpuFunction::emitTogether() {
  const bool areBlocks = loops.threadAxes == 0;
  Value inside = place(/*clamp=*/!areBlocks);
  auto compute = [&]() -> LogicalResult {
    const llvm::StringMap<schedule::UpdateOp> updates = findUpdates(schedule, output);
    if (failed(computeSharedStages()))
      return failure();
    const Loops own = loops;
    if (output.getNumReductionLoops()) {
      AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
      kernel::SharedStage whole{output, llvm::map_to_vector(map.getResults(), [](AffineExpr expr) {
                                  return cast<AffineDimExpr>(expr).getPosition();
                                })};
      if (failed(computeShared(whole, updates.lookup(kernel::getStageName(output)))))
        return failure();
    }
    loops = own;
    // All have the result, one stores it.
    Value thread = special(/*isThread=*/true, combinedAxis);
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread,
                                          arith::ConstantIndexOp::create(b, 0));
    if (!areBlocks)
      isFirst = arith::AndIOp::create(b, isFirst, inside);
    return success(succeeded(guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
      if (failed(storeResults()))
        return failure();
      return Values();
    })));
  };
  if (!areBlocks)
    return compute();
  return success(succeeded(guard(inside, {}, [&](Values) -> FailureOr<Values> {
    if (failed(compute()))
      return failure();
    return Values();
  })));
}

LogicalResult GpuFunction::computeSharedStages() {
  llvm::StringMap<schedule::UpdateOp> updates = findUpdates(schedule, output);
  llvm::StringSet<> isComputedAt;
  for (const auto &entry : updates)
    if (entry.first() != kernel::getStageName(output))
      isComputedAt.insert(entry.first());
  const Loops outer = loops;
  for (const kernel::SharedStage &shared : kernel::findSharedStages(output)) {
    StringRef name = kernel::getStageName(shared.stage);
    if (!isComputedAt.erase(name))
      continue;
    loops = outer;
    if (failed(computeShared(shared, updates.lookup(name))))
      return failure();
  }
  loops = outer;
  if (!isComputedAt.empty())
    return fail(output, "needs stage '" + isComputedAt.begin()->first() +
                            "' for a block, but its elements do not share it");
  return success();
}

LogicalResult GpuFunction::computeShared(const kernel::SharedStage &shared,
                                         schedule::UpdateOp update) {
  linalg::GenericOp stage = shared.stage;
  if (!update)
    return fail(stage, "is computed for a block without a schedule of its reduction");
  InStage inside(*this, stage);
  // Where the block is.
  SmallVector<std::string> outerNames = kernel::getLoopNames(output);
  SmallVector<Value> at, indices(stage.getNumLoops());
  AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  for (auto [expr, loop] : llvm::zip_equal(map.getResults(), shared.loops)) {
    auto place = loops.positions.find(outerNames[loop]);
    if (place == loops.positions.end())
      return fail(stage, "depends on loop '" + outerNames[loop] + "', which is none of the blocks");
    at.push_back(place->second);
    indices[cast<AffineDimExpr>(expr).getPosition()] = place->second;
  }
  // What each thread does.
  loops = Loops();
  loops.decidesLaunch = false;
  SmallVector<unsigned> reduced;
  stage.getReductionDims(reduced);
  SmallVector<std::string> names = kernel::getLoopNames(stage);
  for (unsigned dim : reduced) {
    FailureOr<Value> extent = loopExtent(stage, dim);
    if (failed(extent))
      return failure();
    loops.add(names[dim], {*extent, rt::kNoStep});
  }
  for (Operation &directive : update.getBody().front())
    if (failed(apply(&directive)))
      return failure();
  if (loops.threads < 1 || (loops.threads & (loops.threads - 1)) != 0)
    return fail(stage, "is not reduced by a number of threads that is a power of two");
  combinedAxis = loops.threadAxis;
  // Where no loop of the output has this axis, its extent is decided here.
  if (uint32_t &extent = launch.launches.back().extents[3 + loops.threadAxis];
      extent == rt::kNoStep) {
    launch.steps.push_back({rt::DeviceStepKind::Number, uint32_t(loops.threads), 0});
    extent = uint32_t(launch.steps.size() - 1);
  }

  FailureOr<Values> first = firstValues(stage, at);
  if (failed(first))
    return failure();
  SmallVector<kernel::Combiner> combiners;
  for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
    combiners.push_back(*kernel::matchCombiner(stage, i));
  // The first thread begins with what the stage adds to, the others with what changes nothing.
  Value thread = special(/*isThread=*/true, combinedAxis);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread,
                                        arith::ConstantIndexOp::create(b, 0));
  Values begin;
  for (auto [value, combiner] : llvm::zip_equal(*first, combiners)) {
    Value identity = arith::ConstantOp::create(b, combiner.identity);
    begin.push_back(arith::SelectOp::create(b, isFirst, value, identity));
  }
  auto add = [&](ArrayRef<Places> places, Values values) -> FailureOr<Values> {
    for (const Places &place : places) {
      for (unsigned dim : reduced)
        indices[dim] = place.lookup(names[dim]);
      FailureOr<Values> next = body(stage, indices, values);
      if (failed(next))
        return failure();
      values = std::move(*next);
    }
    return values;
  };
  FailureOr<Values> parts = !loops.lane.empty()
                                ? eachLane(stage, begin, add)
                                : loopSerial(loops.serial(), begin, [&](Values values) {
                                    return guard(place(), values, [&](Values current) {
                                      return add(loops.positions, current);
                                    });
                                  });
  if (failed(parts))
    return failure();
  Values &results = sharedValues[stage];
  for (auto [part, combiner] : llvm::zip_equal(*parts, combiners)) {
    results.push_back(combineThreads(
        part, [&](Value x, Value y) { return combiner.combine(b, b.getLoc(), x, y); }));
  }
  return success();
}

/// Room for so many elements, which several stages use one after the other.
Value GpuFunction::sharedMemory(Type element, int64_t count) {
  LLVM::GlobalOp &global = sharedMemories[{element, count}];
  if (!global) {
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPoint(function);
    auto type = LLVM::LLVMArrayType::get(stored(element), unsigned(count));
    global = LLVM::GlobalOp::create(b, type, /*isConstant=*/false, LLVM::Linkage::Internal,
                                    "parts" + std::to_string(sharedMemories.size()), Attribute(),
                                    /*alignment=*/8, kShared);
  }
  return LLVM::AddressOfOp::create(b, global);
}

/// The value of the lane whose number differs in these bits.
Value GpuFunction::shuffle(Value value, int64_t by) {
  const Type type = value.getType(), i32 = b.getI32Type();
  const unsigned bits = type.getIntOrFloatBitWidth();
  auto constant = [&](int32_t number) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(number));
  };
  auto exchange = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, i32, constant(-1), word, constant(int32_t(by)), constant(31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  const Type whole = b.getIntegerType(bits);
  if (type != whole)
    value = arith::BitcastOp::create(b, whole, value);
  if (bits < 32) {
    Value other = exchange(arith::ExtUIOp::create(b, i32, value));
    value = arith::TruncIOp::create(b, whole, other);
  } else if (bits == 32) {
    value = exchange(value);
  } else {
    Value shift = arith::ConstantOp::create(b, b.getIntegerAttr(whole, 32));
    Value low = exchange(arith::TruncIOp::create(b, i32, value));
    Value high = exchange(
        arith::TruncIOp::create(b, i32, arith::ShRUIOp::create(b, value, shift).getResult()));
    value = arith::OrIOp::create(
        b, arith::ExtUIOp::create(b, whole, low),
        arith::ShLIOp::create(b, arith::ExtUIOp::create(b, whole, high), shift));
  }
  return type == whole ? value : Value(arith::BitcastOp::create(b, type, value));
}

/// Of lanes side by side, for each of them.
Value GpuFunction::combineLanes(Value value, int64_t lanes, Combine combine) {
  for (int64_t by = 1; by < lanes; by *= 2)
    value = combine(value, shuffle(value, by));
  return value;
}

/// The value of all threads along the axis at hand, for every thread. Along x lanes meet first, and
/// then warps; along others every thread adds up what lies in its column.
Value GpuFunction::combineThreads(Value value, Combine combine) {
  Type type = value.getType();
  const bool isAlongX = combinedAxis == 0;
  const int64_t lanes = isAlongX ? std::min<int64_t>(loops.threads, kLanes) : 1;
  const int64_t parts = loops.threads / lanes;
  value = combineLanes(value, lanes, combine);
  if (parts == 1)
    return value;
  // Beside each other are the warps of a block, or a row of columns for each part.
  const int64_t width = isAlongX ? 1 : kLanes;
  Value memory = sharedMemory(type, isAlongX ? kMostWarps : parts * width);
  auto number = [&](unsigned axis) -> Value {
    return arith::IndexCastOp::create(b, b.getI64Type(), special(/*isThread=*/true, axis));
  };
  auto at = [&](Value place) -> Value {
    return LLVM::GEPOp::create(b, memory.getType(), stored(type), memory,
                               ArrayRef<LLVM::GEPArg>{place});
  };
  Value column =
      isAlongX ? Value(arith::MulIOp::create(b, number(1), i64Constant(parts))) : number(0);
  Value own = isAlongX ? Value(arith::DivUIOp::create(b, number(0), i64Constant(kLanes)))
                       : number(combinedAxis);
  Value place = arith::AddIOp::create(b, arith::MulIOp::create(b, own, i64Constant(width)), column);
  Value element =
      type.isInteger(1) ? Value(arith::ExtUIOp::create(b, b.getI8Type(), value)) : value;
  if (isAlongX) { // All lanes of a warp have the same value.
    Value lane = arith::RemUIOp::create(b, number(0), i64Constant(kLanes));
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, i64Constant(0));
    (void)guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
      LLVM::StoreOp::create(b, element, at(place));
      return Values();
    });
  } else {
    LLVM::StoreOp::create(b, element, at(place));
  }
  NVVM::Barrier0Op::create(b);
  Value whole;
  for (int64_t part = 0; part < parts; ++part) {
    Value loaded = LLVM::LoadOp::create(
        b, stored(type), at(arith::AddIOp::create(b, i64Constant(part * width), column)));
    if (type.isInteger(1))
      loaded = arith::TruncIOp::create(b, type, loaded);
    whole = part ? combine(whole, loaded) : loaded;
  }
  // The memory serves the next stage: nobody may write before all have read.
  NVVM::Barrier0Op::create(b);
  return whole;
}

} // namespace tessera::nvgpu
