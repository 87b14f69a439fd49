//===- Prediction.cpp - How long a scheduled kernel takes, estimated -----------------------===//
// 1. The directives that restructure are applied to a copy: padding is then in its extents.
// 2. Every stage that has loops of its own costs what its register tiles cost (StageCost.cpp); what
//    has none is part of those that read it.
// 3. A stage belongs to the output in whose loops it is computed; threads share the tasks of that.
// 4. Bytes of arguments, results and scratch come at the rate of the memory that holds them all.
#include "compiler/scheduling/Prediction.h"

#include "compiler/scheduling/StageCost.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;

namespace tessera::scheduling {

namespace {
/// What is computed in the loops of one output.
struct Output {
  double units = 0, tasks = 1;
  bool isParallel = false;
};

class Predictor {
public:
  Predictor(kernel::FuncOp formed, schedule::FuncOp schedule, const KernelSizes &sizes,
            const Machine &machine)
      : formed(formed), schedule(schedule), sizes(sizes), machine(machine),
        unit(2.0 * double(machine.vectorBits) / 32 / machine.flopsPerCore) {}

  std::optional<Prediction> run(std::string &why) {
    if (formed.isSequential())
      return fail(why, "it has loops of its own, which are not modelled");
    if (schedule.walk([](schedule::TileMultiplyOp) { return WalkResult::interrupt(); })
            .wasInterrupted())
      return fail(why, "it multiplies tiles of matrices, whose rate is not measured");
    copy = formed.clone();
    for (Operation &op : schedule.getBody().front()) {
      if (!schedule::isRestructuring(&op))
        break;
      if (failed(applyRestructuring(*copy, &op)))
        return fail(why, "its schedule does not fit");
    }
    if (!findRoof() || !findLoops() || !findBytes())
      return fail(why, "an extent is not known before it runs");
    combine();
    explain();
    return std::move(result);
  }

private:
  static std::optional<Prediction> fail(std::string &why, StringRef reason) {
    why = reason;
    return std::nullopt;
  }

  /// Of the kernel as it was formed.
  bool findRoof() {
    Extents extents(formed, sizes);
    double seconds = 0;
    for (const StageInfo &stage : analyzeKernel(formed).stages) {
      std::optional<SmallVector<int64_t>> loops = extents.loopsOf(stage.op);
      if (!loops)
        return false;
      double points = 1;
      for (int64_t extent : *loops)
        points *= double(extent);
      points_[stage.name] = points;
      const double operations = points * stage.flopsPerPoint;
      result.operations += operations;
      if (machine.byteProductsPerCore > 0 && matchIntegerProduct(stage))
        seconds += 2 * points / machine.byteProductsPerCore;
      else if (machine.bf16ProductsPerCore > 0 && matchBf16Product(stage))
        seconds += 2 * points / machine.bf16ProductsPerCore;
      else
        seconds += operations / machine.flopsPerCore;
    }
    arithmetic = seconds / machine.threads;
    return true;
  }

  bool isInlined(const StageInfo &stage) const {
    if (containers.contains(stage.name) || stage.reduces())
      return false;
    return llvm::none_of(stage.op->getUsers(),
                         [](Operation *user) { return isa<kernel::ReturnOp>(user); });
  }

  /// A head computes a part of its stage's steps.
  void shareWithHeads(Extents &extents) {
    const auto pointsOf = [&](StringRef name) {
      double points = 1;
      for (const StageInfo &stage : info.stages)
        if (std::optional<SmallVector<int64_t>> loops;
            stage.name == name && (loops = extents.loopsOf(stage.op)))
          for (int64_t extent : *loops)
            points *= double(extent);
      return points;
    };
    for (auto peeled : schedule.getBody().getOps<schedule::PeelReductionOp>()) {
      const double head = pointsOf(peeled.getHead()), rest = pointsOf(peeled.getStage());
      const double formedPoints = points_.lookup(peeled.getStage());
      points_[peeled.getHead()] = formedPoints * head / std::max(1.0, head + rest);
      points_[peeled.getStage()] = formedPoints * rest / std::max(1.0, head + rest);
      stagesOfHeads[peeled.getHead()] = peeled.getStage();
    }
  }

  bool findLoops() {
    for (Operation &op : schedule.getBody().front()) {
      if (auto stage = dyn_cast<schedule::StageOp>(op))
        containers[stage.getStage()].first = &stage.getBody().front();
      else if (auto update = dyn_cast<schedule::UpdateOp>(op))
        containers[update.getStage()].second = &update.getBody().front();
    }
    info = analyzeKernel(*copy);
    Extents extents(*copy, sizes);
    shareWithHeads(extents);
    llvm::StringMap<StringRef> consumers;
    struct Costed {
      const StageInfo *stage;
      StageCost cost;
    };
    std::vector<Costed> costed;
    for (const StageInfo &stage : info.stages) {
      if (isInlined(stage))
        continue;
      std::optional<SmallVector<int64_t>> loops = extents.loopsOf(stage.op);
      if (!loops)
        return false;
      auto [init, update] = containers.lookup(stage.name);
      StageLoops cut = readLoops(stage, *loops, stage.reduces() && update ? update : init);
      StageLoops own = readLoops(stage, *loops, init);
      consumers[stage.name] = own.consumer;
      if (own.isParallel) {
        outputs[stage.name].isParallel = true;
        outputs[stage.name].tasks = own.tasks;
      }
      StageBody body =
          readBody(info, stage, [this](const StageInfo &other) { return isInlined(other); });
      double points = 1;
      for (int64_t extent : *loops)
        points *= double(extent);
      const double formedPoints = points_.lookup(stage.name);
      const bool isPadded = formedPoints > 0 && points > formedPoints * 1.0001;
      costed.push_back({&stage, costOf(stage, body, cut, isPadded, machine.vectorBits)});
    }
    // Without a place a sum is computed where its reader needs it.
    for (const Costed &entry : costed)
      if (entry.stage->reduces() && !containers.contains(entry.stage->name))
        for (Operation *user : entry.stage->op->getUsers())
          if (const StageInfo *reader = info.lookup(user))
            consumers[entry.stage->name] = reader->name;
    for (const Costed &entry : costed) {
      StringRef root = entry.stage->name;
      for (unsigned depth = 0; depth < 64 && !consumers.lookup(root).empty(); ++depth)
        root = consumers.lookup(root);
      outputs[root].units += entry.cost.units;
      if (!main || entry.cost.units > mainCost.units) {
        main = entry.stage;
        mainCost = entry.cost;
        mainRoot = root;
      }
    }
    return true;
  }

  /// Of an argument no more than what is read of it.
  double readBytes(BlockArgument argument, double all) {
    Extents extents(*copy, sizes);
    double read = 0;
    for (const StageInfo &stage : info.stages) {
      std::optional<SmallVector<int64_t>> loops = extents.loopsOf(stage.op);
      for (const Access &access : stage.reads) {
        if (access.tensor != argument || !loops)
          continue;
        double elements = 1;
        for (auto [loop, extent] : llvm::enumerate(*loops))
          if (access.dependsOn(loop))
            elements *= double(extent);
        Type element = getElementTypeOrSelf(argument.getType());
        read += elements * (element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 64) / 8;
      }
    }
    return std::min(read, all);
  }

  bool findBytes() {
    Extents extents(*copy, sizes);
    double written = 0;
    for (BlockArgument argument : (*copy).getBody().getArguments()) {
      if (!isa<RankedTensorType>(argument.getType()))
        continue;
      std::optional<double> bytes = extents.bytesOf(argument);
      if (!bytes)
        return false;
      result.bytes += readBytes(argument, *bytes);
    }
    double kept = 0;
    auto results = cast<kernel::ReturnOp>((*copy).getBody().front().getTerminator());
    for (auto [number, value] : llvm::enumerate(results.getOperands())) {
      std::optional<double> bytes = extents.bytesOf(value);
      if (!bytes)
        return false;
      ((*copy).getResultAttr(number, kernel::KernelDialect::kScratchAttr) ? kept : written) +=
          *bytes;
    }
    // What is written to memory is fetched there first.
    const double held = result.bytes + written + kept;
    const bool isFar = held > machine.l3Bytes / 2;
    moved = result.bytes + (written + kept) * (isFar ? 2 : 1) + kept;
    result.bytes += written;
    const double roofBytes = result.bytes + (isFar ? written : 0);
    memoryRoof = roofBytes / machine.readRate(result.bytes, machine.threads);
    footprint = held;
    return true;
  }

  void combine() {
    double compute = 0;
    bool isShared = false;
    for (auto &[name, output] : outputs) {
      const double cores = std::min(machine.threads, output.isParallel ? output.tasks : 1);
      const double rounds = std::ceil(output.tasks / cores) * cores / output.tasks;
      compute += output.units * unit / cores * (output.isParallel ? rounds : 1);
      isShared |= cores > 1;
      if (name == mainRoot)
        mainCores = cores / (output.isParallel ? rounds : 1);
    }
    const double cores = isShared ? machine.threads : 1;
    memory = moved / machine.readRate(footprint, cores);
    launch = machine.launchSeconds + (isShared ? machine.shareSeconds : 0);
    // Loads run ahead of arithmetic, but not all of them.
    constexpr double kOverlap = 0.25;
    result.seconds = launch + std::max(compute, memory) + kOverlap * std::min(compute, memory);
    const double roof = std::max(arithmetic, memoryRoof);
    result.roofSeconds = std::min(machine.launchSeconds + roof, result.seconds);
    result.bound = machine.launchSeconds > roof ? "launch"
                   : arithmetic > memoryRoof    ? "arithmetic"
                                                : "memory";
    computing = compute;
  }

  /// The largest of the factors between the roof and the prediction.
  void explain() {
    constexpr double kWorthSaying = 1.2;
    double worst = kWorthSaying;
    auto offer = [&](double factor, const llvm::Twine &text) {
      if (!(factor > worst))
        return;
      worst = factor;
      result.reason = text.str();
    };
    const double rest = std::max(1e-12, result.seconds - launch);
    offer(result.seconds / rest,
          llvm::formatv("starting it takes {0:P0} of its time", launch / result.seconds).str());
    if (memory > computing) {
      offer(moved / std::max(1.0, result.bytes), "it keeps values in memory that it reads again");
      if (memoryRoof > 0)
        offer(memory / memoryRoof, "its bytes are not read by all threads");
      return;
    }
    offer(machine.threads / std::max(1.0, mainCores),
          llvm::formatv("{0:F1} of {1:F0} threads have work", mainCores, machine.threads).str());
    if (!main)
      return;
    const StringRef headed = stagesOfHeads.lookup(main->name);
    const StringRef name = headed.empty() ? StringRef(main->name) : headed;
    const double formedPoints = points_.lookup(main->name);
    if (formedPoints > 0)
      offer(mainCost.points / formedPoints,
            llvm::formatv("stage '{0}' computes {1:F1} times its elements to fill tiles", name,
                          mainCost.points / formedPoints)
                .str());
    offer(mainCost.fullLanes / mainCost.lanes,
          llvm::formatv("stage '{0}' computes {1:F0} of {2:F0} lanes of a vector", name,
                        mainCost.lanes, mainCost.fullLanes)
              .str());
    const double operations = std::max(1e-9, mainCost.operations / mainCost.units * mainCost.step);
    if (mainCost.latency >= mainCost.loads)
      offer(mainCost.latency / operations, "sums of stage '" + name + "' wait for each other");
    else
      offer(mainCost.loads / operations, "stage '" + name + "' loads more than it computes with");
    if (main->flopsPerPoint > 0)
      offer(2 * mainCost.operations * mainCost.lanes / (mainCost.points * main->flopsPerPoint),
            "its operations are no multiply-adds, which the peak counts");
  }

  kernel::FuncOp formed;
  schedule::FuncOp schedule;
  const KernelSizes &sizes;
  const Machine &machine;
  const double unit; ///< seconds of a multiply-add of full vectors
  OwningOpRef<kernel::FuncOp> copy;
  KernelInfo info;
  llvm::StringMap<std::pair<Block *, Block *>> containers; ///< schedule.stage, schedule.update
  llvm::StringMap<StringRef> stagesOfHeads;
  llvm::StringMap<double> points_; ///< of the stages as they were formed
  llvm::MapVector<StringRef, Output> outputs;
  const StageInfo *main = nullptr; ///< the stage that takes longest
  StageCost mainCost;
  StringRef mainRoot;
  double mainCores = 1;
  double arithmetic = 0, memoryRoof = 0, moved = 0, footprint = 0;
  double memory = 0, computing = 0, launch = 0;
  Prediction result;
};
} // namespace

std::optional<Prediction> predict(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                  const KernelSizes &sizes, const Machine &machine,
                                  std::string &why) {
  return Predictor(kernel, schedule, sizes, machine).run(why);
}

} // namespace tessera::scheduling
