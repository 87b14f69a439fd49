//===- ScheduleDefault.cpp - Schedules by rules
//------------------------------------------------===//
#include "compiler/scheduling/Passes.h"
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

#define GEN_PASS_DEF_SCHEDULEDEFAULT
#include "compiler/scheduling/Passes.h.inc"

namespace {
struct ScheduleDefault : impl::ScheduleDefaultBase<ScheduleDefault> {
  using Base::Base;

  void runOnOperation() override {
    Target target;
    target.vectorBits = vectorBits;
    target.vectorRegisters = vectorRegisters ? vectorRegisters : (vectorBits >= 512 ? 32 : 16);
    target.dotProducts = dotProducts;
    target.l1Bytes = l1Bytes;
    target.l2Bytes = l2Bytes;
    target.cores = cores;

    llvm::DenseSet<StringAttr> scheduled;
    for (auto schedule : getOperation().getOps<schedule::FuncOp>())
      scheduled.insert(schedule.getKernelAttr().getAttr());
    SymbolTable symbols(getOperation());
    for (auto kernel : llvm::make_early_inc_range(getOperation().getOps<kernel::FuncOp>()))
      if (!scheduled.contains(kernel.getSymNameAttr()) && failed(schedule(kernel, symbols, target)))
        return signalPassFailure();
  }

  LogicalResult schedule(kernel::FuncOp kernel, SymbolTable &symbols, const Target &target) {
    OpBuilder builder(kernel);
    builder.setInsertionPointAfter(kernel);
    auto schedule = schedule::FuncOp::create(
        builder, kernel.getLoc(), (kernel.getSymName() + "_schedule").str(), kernel.getSymName());
    schedule.getBody().emplaceBlock();
    symbols.insert(schedule);
    if (kernel.isSequential()) { // Halide cannot say it; the order of its loops is its meaning.
      OpBuilder inside = OpBuilder::atBlockEnd(&schedule.getBody().front());
      schedule::GeneratorOp::create(inside, kernel.getLoc(), "loops");
      return success();
    }
    // Restructuring directives are tried on a copy, so that later rules see their result.
    OwningOpRef<kernel::FuncOp> copy = kernel.clone();
    ScheduleWriter writer(schedule);
    if (gpu)
      return writeGpuLoops(writer, *copy, {sharedBytes, warpGroups}, explain);
    FailureOr<std::vector<OutputPlan>> plans = Planner(*copy, writer, target).run();
    if (failed(plans))
      return failure();
    for (const OutputPlan &plan : *plans)
      writeLoops(writer, plan, target);
    return success();
  }
};
} // namespace

} // namespace tessera::scheduling
