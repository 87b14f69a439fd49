//===- GpuReduction.cpp - Reductions that are results, on a GPU ------------------------------===//
//
// Where an element of an output is a reduction, or follows from reductions that no other element
// shares (sums of rows or columns, products with one row, logarithms of sums of exponentials),
// threads of a block reduce together: neighbouring threads read neighbouring elements, and few
// elements still are work for many threads.
//
//===----------------------------------------------------------------------===//
#include "compiler/scheduling/restructure/Restructure.h"
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/SharedStages.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

static constexpr int64_t kThreads = 256, kLanes = 32;
/// A thread that reduces fewer elements does so by itself.
static constexpr int64_t kLeastSteps = 64;
/// Steps that a thread has at least before more threads share a reduction.
static constexpr int64_t kStepsOfThread = 4;
/// Vectors of a reduction: with fewer, each is shorter.
static constexpr int64_t kLeastVectors = 16;
/// As many threads keep a device busy without sharing any reduction (120 multiprocessors).
static constexpr int64_t kManyElements = 120 * 1024;
/// Blocks that a device has at once (120 multiprocessors), and steps of an element that are worth
/// a launch more.
static constexpr int64_t kMostBlocks = 120 * 4, kLeastPart = 1024;

namespace {
struct Reduction {
  SmallVector<linalg::GenericOp> stages; ///< producers first
  SmallVector<std::string> loops;        ///< of the output, innermost last
  int64_t steps = 1, elements = 1;       ///< of the longest; of the output
  bool isAlong = true; ///< neighbours in memory are reduced together; else they are neighbours
                       ///< in the output
};
} // namespace

static bool mayBeShared(linalg::GenericOp stage) {
  const AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
    if (stage.getMatchingIndexingMap(stage.getDpsInitOperand(i)) != map || !matchCombiner(stage, i))
      return false;
  return llvm::all_of(map.getResults(), [](AffineExpr expr) { return isa<AffineDimExpr>(expr); });
}

static std::optional<Reduction> findReduction(linalg::GenericOp output, const Roots &roots) {
  llvm::SetVector<linalg::GenericOp> reachable = findReductions(output, roots);
  Reduction result;
  // Of a stage, the loop of the output for each dimension of its result.
  llvm::DenseMap<Operation *, SmallVector<unsigned>> loopsOf;
  const AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
  if (!llvm::all_of(map.getResults(), [](AffineExpr expr) { return isa<AffineDimExpr>(expr); }))
    return std::nullopt;
  if (output.getNumReductionLoops()) {
    if (reachable.size() != 1 || !mayBeShared(output))
      return std::nullopt;
    result.stages.push_back(output);
    loopsOf[output] = llvm::map_to_vector(
        map.getResults(), [](AffineExpr expr) { return cast<AffineDimExpr>(expr).getPosition(); });
  } else {
    for (const kernel::SharedStage &shared : kernel::findSharedStages(output))
      if (!roots.contains(shared.stage) && reachable.contains(shared.stage) &&
          loopsOf.try_emplace(shared.stage, shared.loops).second)
        result.stages.push_back(shared.stage);
    if (result.stages.empty() || result.stages.size() != reachable.size())
      return std::nullopt;
  }
  const SmallVector<std::string> names = kernel::getLoopNames(output);
  for (AffineExpr expr : map.getResults())
    result.loops.push_back(names[cast<AffineDimExpr>(expr).getPosition()]);
  // How the longest of them reads the most.
  const Access *most = nullptr;
  std::optional<StageInfo> longest;
  for (linalg::GenericOp stage : result.stages) {
    StageInfo info = analyzeStage(stage);
    int64_t steps = 1;
    for (unsigned loop : info.reductionLoops.set_bits())
      steps *= std::min<int64_t>(info.extentOr(loop, kGpuExtent), 1 << 20);
    if (!longest || steps > result.steps) {
      longest = std::move(info);
      result.steps = steps;
    }
  }
  unsigned loops = 0;
  for (const Access &read : longest->reads) {
    unsigned own = 0;
    for (unsigned loop = 0; loop < longest->loops.size(); ++loop)
      own += read.dependsOn(loop);
    if (own > loops) {
      loops = own;
      most = &read;
    }
  }
  if (!most || result.steps < kLeastSteps)
    return std::nullopt;
  const bool isAlong = llvm::any_of(longest->reductionLoops.set_bits(),
                                    [&](unsigned loop) { return most->isContiguousIn(loop); });
  // The loop of the stage that is the innermost one of the output.
  const std::optional<unsigned> last = analyzeStage(output).innermostOutputLoop();
  std::optional<unsigned> inner;
  linalg::GenericOp stage = longest->op;
  for (auto [expr, loop] : llvm::zip(
           stage.getMatchingIndexingMap(stage.getDpsInitOperand(0)).getResults(), loopsOf[stage]))
    if (loop == last)
      inner = cast<AffineDimExpr>(expr).getPosition();
  result.isAlong = isAlong || !inner || !most->isContiguousIn(*inner);
  const StageInfo info = analyzeStage(output);
  for (unsigned loop = 0; loop < info.loops.size(); ++loop)
    if (!info.reductionLoops.test(loop))
      result.elements *= std::min<int64_t>(info.extentOr(loop, kGpuExtent), 1 << 20);
  if (!isAlong && result.elements >= kManyElements)
    return std::nullopt;
  return result;
}

bool isGpuReduction(linalg::GenericOp output, const Roots &roots) {
  return findReduction(output, roots).has_value();
}

/// How many threads of a block reduce together.
static int64_t countTogether(const Reduction &reduction, bool isAlone) {
  if (!isAlone)
    return kThreads; // as of all outputs of a launch
  if (!reduction.isAlong)
    return kThreads / kLanes;
  const int64_t wanted = int64_t(llvm::PowerOf2Ceil(uint64_t(reduction.steps / kStepsOfThread)));
  return std::clamp<int64_t>(wanted, kLanes, kThreads);
}

FailureOr<std::string> splitGpuReduction(ScheduleWriter &writer, kernel::FuncOp kernel,
                                         ArrayRef<Operation *> outputs) {
  std::optional<Reduction> found;
  if (outputs.size() == 1)
    found = findReduction(cast<linalg::GenericOp>(outputs.front()), {});
  if (!found || found->stages.size() != 1)
    return std::string();
  const StageInfo info = analyzeStage(found->stages.front());
  if (llvm::any_of(info.extents, ShapedType::isDynamic))
    return std::string();
  // The outermost loop: parts are long pieces of memory.
  const unsigned loop = unsigned(info.reductionLoops.find_first());
  const int64_t blocks =
      (found->elements * countTogether(*found, /*isAlone=*/true) + kThreads - 1) / kThreads;
  int64_t parts = 1;
  while (blocks * parts * 2 <= kMostBlocks && info.extents[loop] % (parts * 2) == 0 &&
         found->steps / (parts * 2) >= kLeastPart)
    parts *= 2;
  if (parts == 1)
    return std::string();
  const std::string name = info.name, part = name + "_part";
  OpBuilder builder = writer.restructuring();
  auto directive = schedule::BlockReductionOp::create(builder, writer.loc(), name, info.loops[loop],
                                                      parts, info.loops[loop], "part", part,
                                                      /*contiguous=*/true);
  if (failed(applyRestructuring(kernel, directive)))
    return failure();
  return part;
}

bool writeGpuReduction(ScheduleWriter &writer, linalg::GenericOp output, const Roots &roots,
                       bool isAlone) {
  std::optional<Reduction> found = findReduction(output, roots);
  if (!found)
    return false;
  // Threads that reduce, of a block's; the others have other elements of the output. Outputs of one
  // launch have the same threads.
  const int64_t together = countTogether(*found, isAlone);
  const bool isAcross = isAlone && !found->isAlong;
  if (found->loops.empty() && isAcross)
    return false;
  const std::string name = kernel::getStageName(output).str();
  StageWriter out = writer.stage(name);
  std::string place;
  if (!found->loops.empty()) {
    if (isAcross) {
      // Neighbouring threads take neighbouring elements.
      std::string last = found->loops.pop_back_val();
      out.split(last, "columns", "column", kLanes);
      out.gpuThreads("column", 0);
      found->loops.push_back("columns");
      place = out.fuseAll(found->loops, "block");
    } else {
      place = out.fuseAll(found->loops, "element");
      if (together < kThreads) {
        out.split(place, "block", "own", kThreads / together);
        out.gpuThreads("own", 1);
        place = "block";
      }
    }
    out.gpuBlocks(place);
  }
  for (linalg::GenericOp stage : found->stages) {
    const std::string own = kernel::getStageName(stage).str();
    if (stage != output)
      writer.stage(own).computeAt(name, place);
    SmallVector<std::string> loops;
    for (auto [loop, kind] :
         llvm::zip_equal(kernel::getLoopNames(stage), stage.getIteratorTypesArray()))
      if (kind == utils::IteratorType::reduction)
        loops.push_back(loop);
    StageWriter update = writer.update(own);
    GpuLanes lanes;
    if (llvm::all_of(findReductions(stage, roots), [&](linalg::GenericOp reduction) {
          return reduction == stage || llvm::is_contained(found->stages, reduction);
        }))
      lanes = chooseGpuLanes(stage, loops, roots, kLeastVectors);
    update.split(writeGpuLanes(update, loops, "part", lanes), "step", "thread", together);
    update.gpuThreads("thread", isAcross ? 1 : 0);
  }
  return true;
}

} // namespace tessera::scheduling
