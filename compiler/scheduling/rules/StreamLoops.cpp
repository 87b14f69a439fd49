//===- StreamLoops.cpp - Loop directives for a stream -----------------------------------------===//
// The output runs over blocks of rows; the states of one are merged inside, block after block. For
// a block and a step of rows everything is computed that is merged then:
//
//   output:  for heads, row block | for rows, columns
//   merging:   for blocks, row step | for rows, columns
//   members:     scores, their maximum, weights, sums ... of a row step and a block
#include "compiler/scheduling/rules/Plan.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

using Names = SmallVector<std::string>;

namespace {
class StreamWriter {
public:
  StreamWriter(ScheduleWriter &writer, const OutputPlan &plan, const Target &target)
      : writer(writer), plan(plan), stream(*plan.stream), target(target) {}

  void run() {
    writeOutput();
    writeMerge();
    // What lives in the loops of another member comes when these are there.
    for (bool isHosted : {false, true})
      for (const Member &member : stream.members)
        if (member.host.empty() != isHosted)
          writeMember(member);
  }

private:
  using Member = StreamPlan::Member;

  /// Vectors along the innermost of some loops: of that extent, or (`step` is less) of at most that
  /// and a multiple of the step.
  void vectorize(ArrayRef<StageWriter *> stages, const std::string &loop, int64_t extent,
                 int64_t step, int64_t lanes) {
    constexpr int64_t kUnrolled = 8;
    if (extent < 2)
      return;
    int64_t width = std::min<int64_t>(lanes, llvm::bit_floor<uint64_t>(extent));
    for (StageWriter *stage : stages) {
      if (step == extent && extent % width == 0)
        stage->vectorizeEven(loop, width);
      else if (step % width == 0)
        stage->vectorizeWhole(loop, width);
      else
        stage->vectorize(loop, width);
      if (step == extent && extent % width == 0 && extent / width > 1 &&
          extent / width <= kUnrolled)
        stage->unroll(loop);
    }
  }

  void writeOutput() {
    StageWriter out = writer.stage(plan.stage);
    std::string rows;
    Names shared;
    for (auto [loop, host] : llvm::zip_equal(stream.loops, stream.hostLoops))
      if (!host.empty()) {
        shared.push_back(host);
        if (loop == stream.rows)
          rows = host;
      }
    Names inner, outer;
    for (const std::string &loop : llvm::reverse(plan.loops)) {
      if (loop == rows) {
        out.split(rows, rows + "_b", rows + "_i", stream.rowBlock);
        inner.push_back(rows + "_i");
      } else {
        (llvm::is_contained(shared, loop) ? outer : inner).push_back(loop);
      }
    }
    if (!rows.empty())
      outer.insert(outer.begin(), rows + "_b");
    Names order(inner);
    order.append(outer);
    out.reorder(order);
    if (!inner.empty() && inner.front() == plan.loops.back()) {
      int64_t extent = plan.extents.back();
      int64_t width = target.lanes(std::max<int64_t>(plan.elementBits, 8));
      if (!ShapedType::isDynamic(extent))
        width = std::min<int64_t>(width, llvm::bit_floor<uint64_t>(std::max<int64_t>(extent, 1)));
      if (width > 1)
        out.vectorize(inner.front(), width);
    }
    at = outer.empty() ? "" : outer.front();
    if (outer.empty() || target.cores < 2)
      return;
    // Only the two outermost are joined (see Loops.cpp). Heads are few, so that blocks of rows come
    // along where they can.
    if (outer.size() == 1) {
      out.parallel(outer.front());
      return;
    }
    out.fuse(outer[outer.size() - 2], outer.back(), "task");
    out.parallel("task");
    if (outer.size() == 2)
      at = "task";
    else
      out.parallel(outer.front());
  }

  /// Whether no block of rows is shorter than the others.
  bool hasWholeBlocks() const {
    for (auto [loop, host] : llvm::zip_equal(stream.loops, stream.hostLoops))
      for (auto [name, extent] : llvm::zip_equal(plan.loops, plan.extents))
        if (loop == stream.rows && name == host)
          return !ShapedType::isDynamic(extent) && extent > 0 && extent % stream.rowBlock == 0;
    return false;
  }

  void writeMerge() {
    StageWriter init = writer.stage(stream.stage);
    if (at.empty())
      init.computeRoot();
    else
      init.computeAt(stream.host, at);
    init.storeInRegisters();
    for (auto [loop, bound] : llvm::zip_equal(stream.loops, stream.bounds))
      if (loop == stream.rows && !hasWholeBlocks()) // The last block has fewer.
        init.boundStorage(loop, bound);
      else
        init.boundExtent(loop, bound);
    StageWriter update = writer.update(stream.stage);
    if (stream.inOrder)
      update.inOrder(stream.loops.back());
    Names order, shared;
    step = stream.blocks;
    if (!stream.rows.empty()) {
      step = stream.rows + "_o";
      update.split(stream.rows, step, stream.rows + "_i", stream.rowStep);
    }
    for (size_t i = stream.loops.size(); i-- > 0;) {
      if (stream.loops[i] == stream.rows)
        continue;
      (stream.isShared[i] ? shared : order).push_back(stream.loops[i]);
    }
    if (!stream.rows.empty())
      order.append({stream.rows + "_i", step});
    order.append(shared);
    order.push_back(stream.blocks);
    update.reorder(order);
    if (stream.loops.empty())
      return;
    const std::string &last = stream.loops.back();
    if (last == stream.rows) {
      // The start is left to LLVM: in vectors, the rows of a last block have no bound that Halide
      // can prove.
      vectorize({&update}, last + "_i", stream.rowStep, stream.rowStep, stream.lanes);
    } else if (!stream.isShared.back()) {
      vectorize({&init, &update}, last, stream.bounds.back(), stream.bounds.back(), stream.lanes);
    }
  }

  StageWriter place(const Member &member) {
    StageWriter stage = writer.stage(member.stage);
    stage.computeAt(stream.stage, step);
    if (member.bytes <= kHalideStackBytes)
      stage.storeOnStack();
    else
      stage.storeInRegisters();
    return stage;
  }

  static void bound(StageWriter &stage, const Member &member) {
    for (auto [loop, bound, isFull] : llvm::zip_equal(member.loops, member.bounds, member.isFull)) {
      bool isTiled = member.isPadded && loop == member.columns;
      std::string name = isTiled ? loop + "_t" : loop;
      int64_t count = isTiled ? llvm::divideCeilSigned(bound, member.columnTile) : bound;
      if (isFull)
        stage.boundExtent(name, count);
      else
        stage.boundStorage(name, count);
      if (isTiled)
        stage.boundExtent(loop + "_i", member.columnTile);
    }
  }

  /// Tiles of rows and columns; gives the loops, innermost first.
  static Names tile(StageWriter &stage, const Member &tile, const std::string &rows,
                    const std::string &columns, bool isPadded, ArrayRef<std::string> loops,
                    ArrayRef<std::string> reductions) {
    Names order{columns + "_i"}, outer;
    if (!isPadded)
      stage.split(columns, columns + "_t", columns + "_i", tile.columnTile,
                  schedule::Tail::RoundUp);
    if (!rows.empty()) {
      stage.split(rows, rows + "_t", rows + "_i", tile.rowTile, schedule::Tail::RoundUp);
      order.push_back(rows + "_i");
    }
    order.append(reductions.begin(), reductions.end());
    if (!rows.empty())
      order.push_back(rows + "_t");
    order.push_back(columns + "_t");
    for (const std::string &loop : llvm::reverse(loops))
      if (loop != rows && loop != columns)
        order.push_back(loop);
    stage.reorder(order);
    stage.vectorizeEven(columns + "_i", tile.lanes);
    if (tile.columnTile > tile.lanes)
      stage.unroll(columns + "_i");
    if (!rows.empty())
      stage.unroll(rows + "_i");
    return order;
  }

  void writeTile(const Member &member) {
    Names reductions(llvm::reverse(member.reductionLoops));
    if (member.host.empty()) {
      StageWriter init = place(member);
      bound(init, member);
      StageWriter update = writer.update(member.stage);
      if (!reductions.empty())
        writeAhead(update, member.ahead, reductions.front());
      tile(init, member, member.rows, member.columns, member.isPadded, member.loops, {});
      tile(update, member, member.rows, member.columns, member.isPadded, member.loops, reductions);
      return;
    }
    // Inside of a tile of what is computed from it, at the same places.
    const Member &host = *llvm::find_if(
        stream.members, [&](const Member &other) { return other.stage == member.host; });
    std::string hostColumns = host.loops.back();
    std::string at = (member.rows.empty() ? hostColumns : host.rows) + "_t";
    StageWriter init = writer.stage(member.stage);
    init.computeAt(member.host, at);
    init.storeAsTile();
    for (auto [loop, bound] : llvm::zip_equal(member.loops, member.bounds)) {
      if (loop == member.columns && member.isPadded)
        init.boundExtent(loop + "_t", 1);
      if (loop == member.columns)
        init.boundExtent(member.isPadded ? loop + "_i" : loop, member.columnTile);
      else
        init.boundExtent(loop, loop == member.rows ? member.rowTile : bound);
    }
    StageWriter update = writer.update(member.stage);
    std::string columns = member.isPadded ? member.columns + "_i" : member.columns;
    Names order{columns};
    if (!member.rows.empty())
      order.push_back(member.rows);
    order.append(reductions);
    if (member.isPadded)
      order.push_back(member.columns + "_t");
    for (const std::string &loop : llvm::reverse(member.loops))
      if (loop != member.rows && loop != member.columns)
        order.push_back(loop);
    update.reorder(order);
    for (StageWriter *stage : {&init, &update}) {
      stage->vectorizeEven(columns, member.lanes);
      if (member.columnTile > member.lanes)
        stage->unroll(columns);
      if (!member.rows.empty())
        stage->unroll(member.rows);
    }
  }

  void writeMember(const Member &member) {
    if (member.kind == Member::Tile)
      return writeTile(member);
    StageWriter stage = place(member);
    bound(stage, member);
    if (member.loops.empty())
      return;
    const std::string &last = member.loops.back();
    if (member.kind == Member::Map) {
      const auto *product = llvm::find_if(ArrayRef(stream.members), [&](const Member &other) {
        return other.kind == Member::Tile && other.host == member.stage;
      });
      if (product != ArrayRef(stream.members).end()) {
        // The tile of the product, whose columns are the last dimension here.
        tile(stage, *product, product->rows.empty() ? "" : member.rows, last, /*isPadded=*/false,
             member.loops, {});
        return;
      }
      stage.reorder(Names(llvm::reverse(member.loops)));
      vectorize({&stage}, last, member.bounds.back(), member.steps.back(), member.lanes);
      return;
    }
    if (member.kind == Member::Row)
      return writeRow(member, last);
    Names order(llvm::reverse(member.reductionLoops));
    order.append(member.loops.rbegin(), member.loops.rend());
    writer.update(member.stage).reorder(order);
  }

  void writeRow(const Member &member, const std::string &at) {
    writeAhead(writer.update(member.stage), member.ahead, at);
    writeRowSum(writer, member.row, member.stage, member.reductionLoops,
                [&](const std::string &name) {
                  StageWriter stage = writer.stage(name);
                  stage.computeAt(member.stage, at);
                  stage.storeOnStack();
                  for (const std::string &loop : member.loops)
                    stage.boundExtent(loop, 1);
                  return stage;
                });
  }

  ScheduleWriter &writer;
  const OutputPlan &plan;
  const StreamPlan &stream;
  const Target &target;
  std::string at;   // loop of the output in which states are merged; "" for none
  std::string step; // loop of the merging stage in which a block is lifted
};
} // namespace

void writeStreamLoops(ScheduleWriter &writer, const OutputPlan &plan, const Target &target) {
  StreamWriter(writer, plan, target).run();
}

} // namespace tessera::scheduling
