//===- SharedStages.cpp - What the threads of a block compute together ----------------------===//
//
// A stage that is computed at the blocks of its consumer: each thread reduces a part, then the
// parts are combined in shared memory, pairs of halves after halves. The number of threads is
// fixed, and with it the order of a sum.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/GpuFunction.h"
#include "dialects/kernel/Combiner.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

LogicalResult GpuFunction::computeSharedStages() {
  llvm::StringMap<schedule::UpdateOp> updates;
  llvm::StringSet<> isComputedAt;
  if (schedule)
    for (Operation &op : schedule.getBody().front()) {
      if (auto update = dyn_cast<schedule::UpdateOp>(op))
        updates[update.getStage()] = update;
      else if (auto stage = dyn_cast<schedule::StageOp>(op))
        for (auto at : stage.getBody().front().getOps<schedule::ComputeAtOp>())
          if (at.getConsumer() == kernel::getStageName(output))
            isComputedAt.insert(stage.getStage());
    }
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

  FailureOr<Values> first = firstValues(stage, at);
  if (failed(first))
    return failure();
  SmallVector<kernel::Combiner> combiners;
  for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
    combiners.push_back(*kernel::matchCombiner(stage, i));
  // The first thread begins with what the stage adds to, the others with what changes nothing.
  Value thread = special(/*isThread=*/true, 0);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread,
                                        arith::ConstantIndexOp::create(b, 0));
  Values begin;
  for (auto [value, combiner] : llvm::zip_equal(*first, combiners)) {
    Value identity = arith::ConstantOp::create(b, combiner.identity);
    begin.push_back(arith::SelectOp::create(b, isFirst, value, identity));
  }
  FailureOr<Values> parts = loopSerial(loops.serial(), begin, [&](Values values) {
    return guard(place(), values, [&](Values current) {
      for (unsigned dim : reduced)
        indices[dim] = loops.positions[names[dim]];
      return body(stage, indices, current);
    });
  });
  if (failed(parts))
    return failure();
  Values &results = sharedValues[stage];
  for (auto [part, combiner] : llvm::zip_equal(*parts, combiners)) {
    FailureOr<Value> whole = combineThreads(
        part, [&](Value x, Value y) { return combiner.combine(b, b.getLoc(), x, y); });
    if (failed(whole))
      return failure();
    results.push_back(*whole);
  }
  return success();
}

/// Room for an element of every thread.
Value GpuFunction::sharedMemory(Type element) {
  LLVM::GlobalOp &global = sharedMemories[element];
  if (!global) {
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPoint(function);
    auto type = LLVM::LLVMArrayType::get(stored(element), unsigned(loops.threads));
    global = LLVM::GlobalOp::create(b, type, /*isConstant=*/false, LLVM::Linkage::Internal,
                                    "parts" + std::to_string(sharedMemories.size()), Attribute(),
                                    /*alignment=*/8, kShared);
  }
  return LLVM::AddressOfOp::create(b, global);
}

/// The value of the whole block, for every thread.
FailureOr<Value> GpuFunction::combineThreads(Value value,
                                             llvm::function_ref<Value(Value, Value)> combine) {
  Type type = value.getType();
  Value memory = sharedMemory(type);
  Value thread = arith::IndexCastOp::create(b, b.getI64Type(), special(/*isThread=*/true, 0));
  auto at = [&](Value number) -> Value {
    return LLVM::GEPOp::create(b, memory.getType(), stored(type), memory,
                               ArrayRef<LLVM::GEPArg>{number});
  };
  auto load = [&](Value number) -> Value {
    Value loaded = LLVM::LoadOp::create(b, stored(type), at(number));
    return type.isInteger(1) ? Value(arith::TruncIOp::create(b, type, loaded)) : loaded;
  };
  auto store = [&](Value number, Value element) {
    if (type.isInteger(1))
      element = arith::ExtUIOp::create(b, b.getI8Type(), element);
    LLVM::StoreOp::create(b, element, at(number));
  };
  store(thread, value);
  NVVM::Barrier0Op::create(b);
  for (int64_t half = loops.threads / 2; half >= 1; half /= 2) {
    Value isLower = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, thread, i64Constant(half));
    FailureOr<Values> done = guard(isLower, {}, [&](Values) -> FailureOr<Values> {
      Value other = arith::AddIOp::create(b, thread, i64Constant(half));
      store(thread, combine(load(thread), load(other)));
      return Values();
    });
    if (failed(done))
      return failure();
    NVVM::Barrier0Op::create(b);
  }
  Value whole = load(i64Constant(0));
  // The memory serves the next stage: nobody may write before all have read.
  NVVM::Barrier0Op::create(b);
  return whole;
}

} // namespace tessera::nvgpu
