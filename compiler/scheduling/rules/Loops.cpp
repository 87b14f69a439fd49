//===- Loops.cpp - Loop directives for what was planned ---------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

/// How far ahead weights are asked for that each product reads once. The processor's own
/// prefetching follows the loads in flight, which are few where each is followed by much unpacking:
/// 19 of 40 GB/s on Zen 5, 31 with 2048 bytes, 40 with these.
static constexpr int64_t kPrefetchBytes = 8192;

/// Where there are rows for so many tasks, a task has so many: it asks for its next row while it
/// reads one (PrefetchRows.cpp).
static constexpr int64_t kManyTasks = 16, kRowsOfATask = 4;

using Names = SmallVector<std::string>;

namespace {
class LoopWriter {
public:
  LoopWriter(ScheduleWriter &writer, const OutputPlan &plan, const Target &target)
      : writer(writer), plan(plan), target(target) {}

  void run() {
    const ReducerPlan *main = nullptr;
    for (const ReducerPlan &reducer : plan.reducers)
      if (reducer.kind == ReducerPlan::Tile && (!main || reducer.work > main->work))
        main = &reducer;
    if (main)
      tiles(*main);
    else if (!plan.reducers.empty())
      rows();
    else
      map();
  }

private:
  int64_t extentOr(size_t loop, int64_t assumed) const {
    return ShapedType::isDynamic(plan.extents[loop]) ? assumed : plan.extents[loop];
  }
  bool isKnown() const { return llvm::none_of(plan.extents, ShapedType::isDynamic); }
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
  static std::string fuse(StageWriter &stage, ArrayRef<std::string> loops,
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
  void share(StageWriter &out, ArrayRef<std::string> loops, std::string &at) {
    if (loops.empty() || !worthThreads())
      return;
    std::string task = loops.back();
    if (loops.size() > 1) {
      ArrayRef<std::string> joined = loops.take_back(2);
      task = fuse(out, joined, "task");
      if (llvm::is_contained(joined, at))
        at = task;
    }
    out.parallel(task);
  }

  //===-- Register tiles ---------------------------------------------------------===//

  void tiles(const ReducerPlan &main) {
    std::string v = hostLoop(main, main.columns);
    std::string u = main.rows.empty() ? "" : hostLoop(main, main.rows);
    StageWriter out = writer.stage(plan.stage);
    out.split(v, v + "_t", v + "_i", main.columnTile);
    if (!u.empty())
      out.split(u, u + "_t", u + "_i", main.rowTile);
    Names others;
    double otherTasks = 1;
    for (size_t i = plan.loops.size(); i-- > 0;)
      if (plan.loops[i] != v && plan.loops[i] != u) {
        others.push_back(plan.loops[i]);
        otherTasks *= extentOr(i, 1); // An unknown one may be 1.
      }
    std::string at;
    bool isWindow = main.stageKind != StageKind::Contraction;
    Names order{v + "_i"};
    if (!u.empty())
      order.push_back(u + "_i");
    Names tasks = others; // What threads share, innermost first.
    const std::string w = main.outerRows.empty() ? "" : hostLoop(main, main.outerRows);
    if (isWindow && !w.empty()) {
      // A tile of columns keeps its part of the filter in place for several rows.
      out.split(w, w + "_b", w + "_c", main.outerTile);
      at = u + "_t";
      if (main.blocked) {
        out.split(at, u + "_b", u + "_c", main.block.rowTiles);
        order.append({u + "_c", w + "_c", u + "_b"});
        at = u + "_b";
      } else {
        order.append({at, w + "_c"});
      }
      // Threads share what there is more of: tiles of columns, or blocks of rows.
      const size_t rowLoop = llvm::find(plan.loops, w) - plan.loops.begin();
      const size_t columnLoop = llvm::find(plan.loops, v) - plan.loops.begin();
      Names inner{v + "_t", w + "_b"};
      if (extentOr(columnLoop, kAssumedExtent) * main.outerTile >
          extentOr(rowLoop, kAssumedExtent) * main.columnTile)
        std::swap(inner[0], inner[1]);
      order.append(inner);
      tasks = {inner[1]};
      for (const std::string &other : others)
        if (other != w) {
          order.push_back(other);
          if (plan.extents[llvm::find(plan.loops, other) - plan.loops.begin()] != 1)
            tasks.push_back(other);
        }
      if (tasks.size() == 1)
        tasks.insert(tasks.begin(), inner[0]);
    } else if (main.blocked && main.walksRows) {
      out.split(v + "_t", v + "_b", v + "_c", main.block.columnTiles);
      order.append({v + "_c", v + "_b"});
      order.append(others);
      at = v + "_b";
      if (otherTasks < 4)
        tasks.insert(tasks.begin(), at);
    } else if (isWindow && main.blocked) {
      out.split(u + "_t", u + "_b", u + "_c", main.block.rowTiles);
      order.append({u + "_c", u + "_b", v + "_t"});
      order.append(others);
      at = u + "_b";
      if (otherTasks < 4)
        tasks.insert(tasks.begin(), v + "_t");
    } else if (isWindow) {
      // The tile loop that keeps the filter in place runs inside.
      Names tileLoops{v + "_t"};
      if (!u.empty())
        tileLoops.insert(main.columnsSlide ? tileLoops.end() : tileLoops.begin(), u + "_t");
      at = tileLoops.front();
      order.append(tileLoops);
      order.append(others);
      if (otherTasks < 4)
        tasks.insert(tasks.begin(), tileLoops.back());
    } else {
      out.split(v + "_t", v + "_b", v + "_c", main.block.columnTiles);
      if (!u.empty())
        out.split(u + "_t", u + "_b", u + "_c", main.block.rowTiles);
      if (main.blocked) {
        // The last piece of a tile's columns serves all rows of the block.
        order.append(main.peels ? Names{u + "_c", v + "_c"} : Names{v + "_c", u + "_c"});
        at = v + "_b";
      } else {
        if (!u.empty())
          order.push_back(u + "_c");
        order.push_back(v + "_c");
        at = order[u.empty() ? 1 : 2];
      }
      Names blocks{v + "_b"};
      if (!u.empty())
        blocks.push_back(u + "_b");
      if (main.blocked && main.block.groupedBlocks) {
        out.split(v + "_b", v + "_g", v + "_b", main.block.groupedBlocks);
        blocks.push_back(v + "_g");
      }
      order.append(blocks);
      order.append(others);
      if (others.empty())
        tasks = blocks;
      else if (otherTasks < 4)
        tasks.insert(tasks.begin(), blocks.back());
    }
    out.reorder(order);
    out.vectorizeEven(v + "_i", main.lanes);
    if (main.columnTile > main.lanes)
      out.unroll(v + "_i");
    share(out, tasks, at);
    for (const ReducerPlan &reducer : plan.reducers)
      if (reducer.kind != ReducerPlan::Tile) {
        point(reducer, at);
      } else if (reducer.head.empty()) {
        tile(reducer, reducer.stage, at, reducer.blocked);
      } else {
        tile(reducer, reducer.head, at, true);
        tile(reducer, reducer.stage, u + "_c", false);
      }
  }

  /// `name`: the stage of the reducer, or its head. Blocked: sums of all tiles of a cache block.
  void tile(const ReducerPlan &reducer, const std::string &name, const std::string &at,
            bool blocked) {
    std::string c = reducer.columns, r = reducer.rows;
    StageWriter init = writer.stage(name);
    init.computeAt(plan.stage, at);
    if (!blocked) // A block is too large for what Halide calls stack; codegen finds its place.
      init.storeOnStack();
    for (const std::string &dim : reducer.dims) {
      bool isTiled = dim == c || dim == r;
      std::string loop = isTiled ? dim + "_t" : dim;
      if (isTiled && blocked)
        init.boundStorage(loop, dim == c ? reducer.block.columnTiles : reducer.block.rowTiles);
      else if (dim == reducer.outerRows && blocked)
        init.boundStorage(loop, reducer.outerTile);
      else
        init.boundExtent(loop, 1);
    }
    if (!r.empty())
      init.boundExtent(r + "_i", reducer.rowTile);
    init.boundExtent(c + "_i", reducer.columnTile);
    StageWriter update = writer.update(name);
    if (reducer.byMatrixTiles) {
      update.tileMultiply(r + "_t", c + "_t");
      return;
    }
    Names order{c + "_i"};
    if (!r.empty())
      order.push_back(r + "_i");
    if (blocked) {
      Names loops(llvm::reverse(reducer.reductionLoops));
      if (reducer.splitPiece) {
        std::string k = loops.front();
        if (reducer.head.empty())
          update.split(k, k + "_o", k + "_i", reducer.block.depth);
        loops.front() = k + "_o";
        loops.insert(loops.begin(), k + "_i");
      }
      auto piece = ArrayRef(loops).take_front(reducer.pieceLoops);
      order.append(piece.begin(), piece.end());
      if (!r.empty())
        order.push_back(r + "_t");
      if (!reducer.outerRows.empty())
        order.push_back(reducer.outerRows);
      order.push_back(c + "_t");
      order.append(loops.begin() + piece.size(), loops.end());
    } else if (!reducer.unit.empty()) {
      const std::string &k = reducer.reductionLoops.back();
      order.push_back(k);
      unit(reducer);
      update.prefetch(reducer.panelArgument, k,
                      std::max<int64_t>(1, kPrefetchBytes / reducer.panelBytes));
    } else if (!reducer.panel.empty()) {
      // What steps share is read once: those that read the same bytes follow each other, and the
      // scales stay in registers for all steps of a unit.
      const std::string &k = reducer.reductionLoops.back();
      update.split(k, k + "_o", k + "_i", reducer.panelPeriod);
      update.split(k + "_i", k + "_h", k + "_b", reducer.panelStride);
      order.append({k + "_h", k + "_b", k + "_o"});
      update.unroll(k + "_h");
      if (reducer.panelStride < reducer.panelPeriod)
        update.unroll(k + "_b"); // Where a code lies in its bytes becomes a constant.
      update.prefetch(reducer.panelArgument, k + "_o",
                      std::max<int64_t>(1, kPrefetchBytes / reducer.panelBytes));
    } else {
      order.append(reducer.reductionLoops.rbegin(), reducer.reductionLoops.rend());
    }
    if (reducer.filterArgument >= 0 && reducer.group == 1)
      update.prefetch(reducer.filterArgument, order[r.empty() ? 1 : 2],
                      std::max<int64_t>(1, reducer.filterAhead * target.lanes(32) /
                                               (reducer.columnTile * target.vectorBits / 8)));
    if (reducer.group > 1)
      order.insert(order.begin(), reducer.grouped);
    update.reorder(order);
    if (reducer.group > 1) {
      update.atomic();
      update.vectorizeEven(reducer.grouped, reducer.group);
    }
    if (!reducer.panel.empty() && blocked)
      panel(reducer, c + "_t");
    for (StageWriter *stage : {&init, &update}) {
      stage->vectorizeEven(c + "_i", reducer.lanes);
      if (reducer.columnTile > reducer.lanes)
        stage->unroll(c + "_i");
      if (!r.empty())
        stage->unroll(r + "_i");
    }
  }

  /// The sums of a unit, in registers beside those of all units.
  void unit(const ReducerPlan &reducer) {
    std::string c = reducer.columns, r = reducer.rows, k = reducer.unitLoop;
    StageWriter init = writer.stage(reducer.unit);
    init.computeAt(reducer.stage, reducer.reductionLoops.back());
    init.storeOnStack();
    for (const std::string &dim : reducer.dims)
      init.boundExtent(dim == c || dim == r ? dim + "_t" : dim, 1);
    init.boundExtent(reducer.reductionLoops.back(), 1);
    if (!r.empty())
      init.boundExtent(r + "_i", reducer.rowTile);
    init.boundExtent(c + "_i", reducer.columnTile);
    StageWriter update = writer.update(reducer.unit);
    Names order{c + "_i"};
    if (!r.empty())
      order.push_back(r + "_i");
    // Steps that read the same bytes follow each other.
    update.split(k, k + "_h", k + "_b", reducer.panelStride);
    order.append({k + "_h", k + "_b"});
    update.unroll(k + "_h");
    if (reducer.panelStride < reducer.panelPeriod)
      update.unroll(k + "_b"); // Where a code lies in its bytes becomes a constant.
    update.reorder(order);
    init.vectorizeEven(c + "_i", reducer.lanes);
    if (reducer.columnTile > reducer.lanes)
      init.unroll(c + "_i");
    // Codes are short: all columns together fill a register before they are converted.
    update.vectorizeEven(c + "_i", reducer.columnTile);
    for (StageWriter *stage : {&init, &update})
      if (!r.empty())
        stage->unroll(r + "_i");
  }

  /// Columns are unpacked for all rows of a block at a time. The steps of a unit are unrolled: what
  /// they share (scales) is read once, and where each lies in it is known.
  void panel(const ReducerPlan &reducer, const std::string &at) {
    StageWriter stage = writer.stage(reducer.panel);
    stage.computeAt(reducer.stage, at);
    for (const std::string &loop : reducer.panelOthers)
      stage.boundExtent(loop, 1);
    std::string k = reducer.panelDepth;
    stage.boundExtent(k, reducer.block.depth);
    stage.boundExtent(reducer.panelColumns, reducer.columnTile);
    stage.split(k, k + "_o", k + "_i", reducer.panelPeriod);
    Names order{reducer.panelColumns, k + "_i", k + "_o"};
    order.append(reducer.panelOthers.rbegin(), reducer.panelOthers.rend());
    stage.reorder(order);
    stage.vectorizeEven(reducer.panelColumns, reducer.lanes);
    if (reducer.columnTile > reducer.lanes)
      stage.unroll(reducer.panelColumns);
    stage.unroll(k + "_i");
  }

  //===-- Rows -------------------------------------------------------------------===//

  void point(const ReducerPlan &reducer, const std::string &at) {
    auto place = [&](const std::string &name) {
      StageWriter stage = writer.stage(name);
      if (at.empty())
        stage.computeRoot();
      else
        stage.computeAt(plan.stage, at);
      stage.storeOnStack();
      for (const std::string &dim : reducer.dims)
        stage.boundExtent(dim, 1);
      return stage;
    };
    if (reducer.kind == ReducerPlan::Row)
      writeRowSum(writer, reducer, reducer.stage, reducer.reductionLoops, place);
    place(reducer.stage);
  }

  void rows() {
    llvm::SmallDenseSet<StringRef> shared;
    for (const ReducerPlan &reducer : plan.reducers)
      shared.insert(reducer.hostLoops.begin(), reducer.hostLoops.end());
    StageWriter out = writer.stage(plan.stage);
    Names inner, outer;
    double innerWork = plan.workPerPoint;
    for (size_t i = plan.loops.size(); i-- > 0;) {
      bool isShared = shared.contains(plan.loops[i]);
      (isShared ? outer : inner).push_back(plan.loops[i]);
      if (!isShared)
        innerWork *= extentOr(i, kAssumedExtent);
    }
    for (const ReducerPlan &reducer : plan.reducers)
      innerWork += rowWork(reducer);
    for (const KeptRow &row : plan.keptRows)
      for (size_t i = row.loops.size(); i-- > outer.size();)
        innerWork += row.work * extentOr(i, kAssumedExtent);
    Names order(inner);
    order.append(outer);
    out.reorder(order);
    if (!inner.empty() && inner.front() == plan.loops.back())
      vectorizeInner(out, inner.front(), plan.loops.size() - 1);
    // Some rows at a time, so that a task is worth its start.
    std::string at = outer.empty() ? "" : outer.front();
    if (!outer.empty() && worthThreads()) {
      Names tasks(outer);
      int64_t grain = std::clamp<int64_t>(plan.taskWork / std::max(1.0, innerWork), 1, 1024);
      double rows = 1;
      for (size_t i = 0; i < plan.loops.size(); ++i)
        rows *= shared.contains(plan.loops[i]) ? extentOr(i, kAssumedExtent) : 1;
      if (rows >= kManyTasks * kRowsOfATask)
        grain = std::max(grain, kRowsOfATask);
      if (grain > 1 && outer.size() <= 2) {
        std::string row = outer.front();
        out.split(row, row + "_t", row + "_i", grain);
        tasks.front() = row + "_t";
        at = row + "_i";
      }
      share(out, tasks, at);
    }
    for (const ReducerPlan &reducer : plan.reducers) {
      point(reducer, reducer.hostLoops.empty() ? "" : at);
    }
    for (const KeptRow &row : plan.keptRows) {
      StageWriter stage = writer.stage(row.stage);
      stage.computeAt(plan.stage, at);
      for (const std::string &loop : ArrayRef(row.loops).take_front(outer.size()))
        stage.boundExtent(loop, 1);
      for (size_t i = outer.size(); i < row.loops.size(); ++i)
        if (ShapedType::isDynamic(plan.extents[i]))
          stage.boundStorage(row.loops[i], row.bounds[i]);
      vectorizeInner(stage, row.loops.back(), plan.loops.size() - 1);
    }
  }

  /// Work of a reducer for one of its values.
  double rowWork(const ReducerPlan &reducer) const {
    double values = 1;
    for (const std::string &loop : reducer.hostLoops)
      values *= extentOr(llvm::find(plan.loops, loop) - plan.loops.begin(), kAssumedExtent);
    return reducer.work / std::max(1.0, values);
  }

  //===-- Maps -------------------------------------------------------------------===//

  int64_t lanes() const { return target.lanes(std::max<int64_t>(plan.elementBits, 8)); }

  void vectorizeInner(StageWriter &out, const std::string &loop, size_t number) {
    int64_t width = std::max<int64_t>(lanes(), 1);
    // At most as wide as the extent, when it is known.
    if (!ShapedType::isDynamic(plan.extents[number]))
      width = std::min<int64_t>(
          width, llvm::bit_floor<uint64_t>(std::max<int64_t>(plan.extents[number], 1)));
    if (width > 1)
      out.vectorize(loop, width);
  }

  /// A few elements side by side, each from another row.
  bool isInterleaved() const {
    size_t last = plan.loops.size() - 1;
    return last > 0 && plan.transposed == last - 1 && plan.extents[last] > 1 &&
           plan.extents[last] <= 4;
  }

  /// The loops around rows that are shared between threads, innermost first. The place of a short
  /// row in a fused loop costs more (divisions) than the row: there the loops around rows stay,
  /// where enough others are left to share.
  void shareRows(size_t row, double &innerWork, Names &outer) const {
    constexpr double kShortRow = 512;
    while (row >= 3 && innerWork < kShortRow)
      innerWork *= extentOr(--row, kAssumedExtent);
    for (size_t i = row; i-- > 0;)
      outer.push_back(plan.loops[i]);
  }

  void map() {
    if (plan.loops.empty())
      return;
    size_t rank = plan.loops.size(), last = rank - 1;
    if (!plan.turns.empty() && (!plan.transposed || *plan.transposed == last))
      return writeTurns(writer, plan, target, worthThreads());
    StageWriter out = writer.stage(plan.stage);
    double perPoint = plan.workPerPoint;
    if (rank == 1) {
      std::string loop = plan.loops[0];
      if (worthThreads()) {
        int64_t grain =
            std::max<int64_t>(1024, llvm::bit_floor<uint64_t>(plan.taskWork / perPoint));
        out.split(loop, "task", "task_i", grain);
        out.parallel("task");
        loop = "task_i";
      }
      vectorizeInner(out, loop, 0);
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
        outer.push_back(i == *plan.continued || i == last - 1 ? plan.loops[i] + "_o"
                                                              : plan.loops[i]);
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

  ScheduleWriter &writer;
  const OutputPlan &plan;
  const Target &target;
};
} // namespace

void writeLoops(ScheduleWriter &writer, const OutputPlan &plan, const Target &target) {
  if (plan.stream)
    writeStreamLoops(writer, plan, target);
  else
    LoopWriter(writer, plan, target).run();
}

} // namespace tessera::scheduling
