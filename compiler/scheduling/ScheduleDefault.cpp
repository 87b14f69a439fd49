//===- ScheduleDefault.cpp - Schedules by rules
//------------------------------------------------===//
#include "compiler/scheduling/Passes.h"
#include "compiler/scheduling/Prediction.h"
#include "compiler/scheduling/rules/Plan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace tessera::scheduling {

#define GEN_PASS_DEF_SCHEDULEDEFAULT
#include "compiler/scheduling/Passes.h.inc"

namespace {
struct ScheduleDefault : impl::ScheduleDefaultBase<ScheduleDefault> {
  using Base::Base;
  ScheduleDefault(const ScheduleDefaultOptions &options, Tuning *tuning)
      : Base(options), tuning(tuning) {}

  void runOnOperation() override {
    Target target;
    target.vectorBits = vectorBits;
    target.vectorRegisters = vectorRegisters ? vectorRegisters : (vectorBits >= 512 ? 32 : 16);
    target.dotProducts = dotProducts;
    target.bf16Products = bf16Products;
    target.matrixTiles = matrixTiles;
    target.l1Bytes = l1Bytes;
    target.l2Bytes = l2Bytes;
    target.groupBytes = groupBytes;
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
      return writeGpuLoops(writer, *copy, {sharedBytes, warpGroups, byteFloats}, explain);
    const std::string hash = tuning ? hashOf(kernel) : "";
    Choices choices;
    const bool isGiven = tuning && tuning->given.count(hash);
    if (isGiven)
      choices = Choices(tuning->given[hash]);
    FailureOr<std::vector<OutputPlan>> plans = Planner(*copy, writer, target, choices).run();
    if (failed(plans))
      return failure();
    for (const OutputPlan &plan : *plans)
      writeLoops(writer, plan, target);
    if (std::string problem = choices.problem(); !problem.empty())
      return kernel.emitOpError("has a tuning record (kernel ")
             << hash << ") that does not fit: " << problem;
    if (explain && !machine.empty() && failed(explainTime(kernel, schedule)))
      return failure();
    if (tuning)
      tuning->kernels[kernel.getSymName().str()] = {hash, choices.all(), isGiven};
    return success();
  }

  /// What is open counts as kAssumedExtent.
  LogicalResult explainTime(kernel::FuncOp kernel, schedule::FuncOp schedule) {
    std::string problem;
    std::optional<Machine> rates = Machine::parse(machine, problem);
    if (!rates)
      return kernel.emitOpError("cannot be predicted: ") << problem;
    *rates = rates->forCode(vectorBits, dotProducts, bf16Products);
    KernelSizes sizes;
    bool isOpen = false;
    auto assume = [&](int64_t extent) {
      isOpen |= ShapedType::isDynamic(extent);
      return ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
    };
    for (Type type : kernel.getArgumentTypes()) {
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        llvm::transform(tensor.getShape(), std::back_inserter(sizes.tensors.emplace_back()),
                        assume);
      else
        sizes.values.push_back(kAssumedExtent);
    }
    std::optional<Prediction> time = predict(kernel, schedule, sizes, *rates, problem);
    InFlightDiagnostic remark = kernel.emitRemark("kernel '") << kernel.getSymName() << "' ";
    if (!time) {
      remark << "has no predicted time: " << problem;
      return success();
    }
    remark << llvm::formatv("takes {0:F2} us, {1:P0} of its roofline ({2})", time->seconds * 1e6,
                            time->share(), time->bound)
                  .str();
    if (isOpen)
      remark << ", where open extents are " << kAssumedExtent;
    if (!time->reason.empty())
      remark << ": " << time->reason;
    return success();
  }

  Tuning *tuning = nullptr;
};
} // namespace

std::string hashOf(kernel::FuncOp kernel) {
  OwningOpRef<kernel::FuncOp> copy = kernel.clone();
  copy->setSymName("kernel");
  (*copy)->removeAttr(kernel::KernelDialect::kSourcesAttr);
  std::string text;
  llvm::raw_string_ostream out(text);
  (*copy)->print(out, OpPrintingFlags().useLocalScope());
  std::string digits = llvm::utohexstr(llvm::xxh3_64bits(text), /*LowerCase=*/true);
  return std::string(16 - digits.size(), '0') + digits;
}

std::unique_ptr<Pass> createScheduleDefault(const ScheduleDefaultOptions &options, Tuning *tuning) {
  return std::make_unique<ScheduleDefault>(options, tuning);
}

} // namespace tessera::scheduling
