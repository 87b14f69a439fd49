//===- MapLoops.cpp - Loop directives of elements that nothing is reduced for -----------------===//
#include "compiler/scheduling/rules/LoopWriter.h"

using namespace mlir;

namespace tessera::scheduling {

/// A few elements side by side, each from another row.
bool LoopWriter::isInterleaved() const {
  size_t last = plan.loops.size() - 1;
  return last > 0 && plan.transposed == last - 1 && plan.extents[last] > 1 &&
         plan.extents[last] <= 4;
}

/// The loops around rows that are shared between threads, innermost first. The place of a short
/// row in a fused loop costs more (divisions) than the row: there the loops around rows stay,
/// where enough others are left to share.
void LoopWriter::shareRows(size_t row, double &innerWork, Names &outer) const {
  constexpr double kShortRow = 512;
  while (row >= 3 && innerWork < kShortRow)
    innerWork *= extentOr(--row, kAssumedExtent);
  for (size_t i = row; i-- > 0;)
    outer.push_back(plan.loops[i]);
}

void LoopWriter::map() {
  if (plan.loops.empty())
    return;
  size_t rank = plan.loops.size(), last = rank - 1;
  if (!plan.turns.empty() && (!plan.transposed || *plan.transposed == last))
    return writeTurns(writer, plan, target, worthThreads());
  StageWriter out = writer.stage(plan.stage);
  double perPoint = plan.workPerPoint;
  if (rank == 1) {
    const std::string &loop = plan.loops[0];
    vectorizeInner(out, loop, 0);
    if (worthThreads()) {
      // Tasks of whole vectors: where the last one ends does not depend on a lane, so Halide leaves
      // out its iterations behind that (a few elements took the time of 32768 that do nothing).
      int64_t grain = std::max<int64_t>(1024, llvm::bit_floor<uint64_t>(plan.taskWork / perPoint));
      out.split(loop, "task", "task_i", std::max<int64_t>(1, grain / lanes()));
      out.parallel("task");
    }
    return;
  }
  std::string v = plan.loops[last];
  Names outer;
  double innerWork = perPoint * extentOr(last, kAssumedExtent);
  if (isInterleaved()) {
    // Vectors are read and their elements stored in turn, by shuffles.
    std::string c = plan.loops[last - 1];
    int64_t width = lanes(), extent = plan.extents[last - 1];
    while (!ShapedType::isDynamic(extent) && width > 8 && extent % width != 0)
      width /= 2;
    out.unroll(v);
    out.vectorize(c, width);
    innerWork *= extentOr(last - 1, kAssumedExtent);
    shareRows(last - 1, innerWork, outer);
  } else if (plan.isContinued && last > 1 && !ShapedType::isDynamic(plan.extents[last]) &&
             plan.extents[last] < lanes()) {
    // Short pieces of a row that lie one after the other: as long vectors as the row has.
    std::string c = plan.loops[last - 1], row = c + "_" + v;
    out.fuse(v, c, row);
    out.vectorize(row, lanes());
    innerWork *= extentOr(last - 1, kAssumedExtent);
    shareRows(last - 1, innerWork, outer);
  } else if (plan.transposed && *plan.transposed != last) {
    // Both the loop that is contiguous when writing and the one when reading stay in cache: tiles
    // write lines of the cache, and read pieces of rows, one piece of as many rows as L2 holds
    // after the other. (The tiles of a piece are turned in registers: TransposeTiles.cpp.)
    constexpr int64_t kLineBits = 64 * 8, kPieceBits = 256 * 8, kRows = 256;
    std::string c = plan.loops[*plan.transposed];
    const int64_t edge = std::max<int64_t>(kLineBits / plan.elementBits, lanes());
    const int64_t piece = std::max<int64_t>(kPieceBits / plan.elementBits, edge);
    out.split(v, v + "_o", v + "_i", edge);
    out.split(c, c + "_o", c + "_i", piece);
    Names order{v + "_i", c + "_i", v + "_o"};
    outer.push_back(c + "_o");
    if (ShapedType::isDynamic(plan.extents[last]) || plan.extents[last] > 2 * kRows) {
      out.split(v + "_o", v + "_b", v + "_o", std::max<int64_t>(1, kRows / edge));
      outer.push_back(v + "_b");
    }
    for (size_t i = last; i-- > 0;)
      if (i != *plan.transposed)
        outer.push_back(plan.loops[i]);
    order.append(outer);
    out.reorder(order);
    out.vectorizeEven(v + "_i", lanes());
    if (edge > lanes())
      out.unroll(v + "_i");
    innerWork = perPoint * piece * std::min<int64_t>(kRows, extentOr(last, kRows));
  } else if (plan.continued) {
    // Several panels at once read pieces of rows (of 512 bytes) instead of single cache lines far
    // apart. Where a row of a panel fills lines of the cache, pieces are as long as pages, of few
    // rows: what is read lies together, and lines are written as a whole (a product of 1024
    // cubed on Zen 5: 90.8 % of the peak, with short pieces 88.7).
    const int64_t rowBits = plan.extents[last] * plan.elementBits;
    const bool fillsLines = rowBits >= 64 * 8;
    const int64_t pieceBits = (fillsLines ? 4096 : 512) * 8, rows = fillsLines ? 4 : 64;
    std::string c = plan.loops[*plan.continued], row = plan.loops[last - 1];
    int64_t panels = std::max<int64_t>(1, pieceBits / rowBits);
    out.split(c, c + "_o", c + "_i", panels);
    out.split(row, row + "_o", row + "_i", rows);
    Names order{v, c + "_i", row + "_i"};
    for (size_t i = last; i-- > 0;)
      outer.push_back(i == *plan.continued || i == last - 1 ? plan.loops[i] + "_o" : plan.loops[i]);
    order.append(outer);
    out.reorder(order);
    vectorizeInner(out, v, last);
    innerWork *= panels * rows;
  } else {
    shareRows(last, innerWork, outer);
    if (plan.piece) {
      // Which piece it is, is known in each copy of the loop: nothing is chosen.
      out.split(v, v + "_p", v + "_i", plan.piece, schedule::Tail::Auto);
      out.unroll(v + "_p");
      out.vectorize(v + "_i", std::min<int64_t>(lanes(), llvm::bit_floor<uint64_t>(plan.piece)));
    } else {
      vectorizeInner(out, v, last);
    }
  }
  if (!worthThreads() || outer.empty())
    return;
  std::string row = fuse(out, outer, "row");
  int64_t grain = std::clamp<int64_t>(plan.taskWork / std::max(1.0, innerWork), 1, 4096);
  if (grain > 1) {
    out.split(row, "task", "task_i", grain);
    row = "task";
  }
  out.parallel(row);
}

} // namespace tessera::scheduling
