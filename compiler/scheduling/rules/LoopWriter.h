//===- LoopWriter.h - Loop directives of one output ----------------------------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RULES_LOOPWRITER_H
#define TESSERA_COMPILER_SCHEDULING_RULES_LOOPWRITER_H

#include "compiler/scheduling/rules/Plan.h"

#include "llvm/Support/MathExtras.h"

namespace tessera::scheduling {

/// Writes the loops of an output and of all that is computed inside of it: register tiles and rows
/// (Loops.cpp), or elements (MapLoops.cpp).
class LoopWriter {
public:
  LoopWriter(ScheduleWriter &writer, const OutputPlan &plan, const Target &target)
      : writer(writer), plan(plan), target(target) {}
  void run();

private:
  using Names = llvm::SmallVector<std::string>;

  int64_t extentOr(size_t loop, int64_t assumed) const {
    return mlir::ShapedType::isDynamic(plan.extents[loop]) ? assumed : plan.extents[loop];
  }
  bool isKnown() const { return llvm::none_of(plan.extents, mlir::ShapedType::isDynamic); }
  double work() const {
    double work = plan.workPerPoint;
    for (size_t loop = 0; loop < plan.loops.size(); ++loop)
      work *= extentOr(loop, kAssumedExtent);
    for (const ReducerPlan &reducer : plan.reducers)
      work += reducer.work;
    return work;
  }
  bool worthThreads() const {
    return target.cores > 1 && (!isKnown() || work() > 2 * plan.taskWork);
  }

  static std::string hostLoop(const ReducerPlan &reducer, const std::string &loop) {
    for (auto [dim, host] : llvm::zip_equal(reducer.dims, reducer.hostLoops))
      if (dim == loop)
        return host;
    return {};
  }

  /// Joins loops (innermost first, adjacent) into one; gives its name.
  static std::string fuse(StageWriter &stage, llvm::ArrayRef<std::string> loops,
                          const std::string &name) {
    std::string fused = loops.front();
    for (size_t i = 1; i < loops.size(); ++i) {
      std::string next = i + 1 == loops.size() ? name : name + std::to_string(i);
      stage.fuse(fused, loops[i], next);
      fused = next;
    }
    return fused;
  }

  /// Spreads loops (innermost first) over threads. Only the two outermost are joined: Halide's
  /// bounds of what is computed inside of loops that were joined twice, or split after joining, are
  /// not exact (a remainder of anything but a loop variable is taken for its whole range), and with
  /// bound_extent wrong code would follow. `at` follows when its loop is renamed.
  void share(StageWriter &out, llvm::ArrayRef<std::string> loops, std::string &at) {
    if (loops.empty() || !worthThreads())
      return;
    std::string task = loops.back();
    if (loops.size() > 1) {
      llvm::ArrayRef<std::string> joined = loops.take_back(2);
      task = fuse(out, joined, "task");
      if (llvm::is_contained(joined, at))
        at = task;
    }
    out.parallel(task);
  }

  int64_t lanes() const { return target.lanes(std::max<int64_t>(plan.elementBits, 8)); }

  void vectorizeInner(StageWriter &out, const std::string &loop, size_t number) {
    int64_t width = std::max<int64_t>(lanes(), 1);
    // At most as wide as the extent, when it is known.
    if (!mlir::ShapedType::isDynamic(plan.extents[number]))
      width = std::min<int64_t>(
          width, llvm::bit_floor<uint64_t>(std::max<int64_t>(plan.extents[number], 1)));
    if (width > 1)
      out.vectorize(loop, width);
  }

  // Register tiles.
  void tiles(const ReducerPlan &main);
  void tile(const ReducerPlan &reducer, const std::string &name, const std::string &at,
            bool blocked);
  void unit(const ReducerPlan &reducer);
  void panel(const ReducerPlan &reducer, const std::string &at);
  // Rows.
  void point(const ReducerPlan &reducer, const std::string &at);
  void rows();
  double rowWork(const ReducerPlan &reducer) const;
  // Maps.
  bool isInterleaved() const;
  void shareRows(size_t row, double &innerWork, Names &outer) const;
  void map();

  ScheduleWriter &writer;
  const OutputPlan &plan;
  const Target &target;
};

} // namespace tessera::scheduling

#endif
