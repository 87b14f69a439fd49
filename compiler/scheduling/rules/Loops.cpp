//===- Loops.cpp - Loop directives for what was planned ---------------------------------------===//
#include "compiler/scheduling/rules/LoopWriter.h"

using namespace mlir;

namespace tessera::scheduling {

/// How far ahead weights are asked for that each product reads once. The processor's own
/// prefetching follows the loads in flight, which are few where each is followed by much unpacking:
/// 19 of 40 GB/s on Zen 5, 31 with 2048 bytes, 40 with these.
static constexpr int64_t kPrefetchBytes = 8192;

/// Where there are rows for so many tasks, a task has so many: it asks for its next row while it
/// reads one (PrefetchRows.cpp).
static constexpr int64_t kManyTasks = 16, kRowsOfATask = 4;

void LoopWriter::run() {
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

//===-- Register tiles ---------------------------------------------------------===//

void LoopWriter::tiles(const ReducerPlan &main) {
  std::string v = hostLoop(main, main.columns);
  std::string u = main.rows.empty() ? "" : hostLoop(main, main.rows);
  StageWriter out = writer.stage(plan.stage);
  out.split(v, v + "_t", v + "_i", main.columnTile);
  if (!u.empty())
    out.split(u, u + "_t", u + "_i", main.rowTile);
  const std::string l = main.lines.empty() ? "" : hostLoop(main, main.lines);
  if (!l.empty())
    out.split(l, l + "_t", l + "_i", main.lineTile);
  Names others;
  double otherTasks = 1;
  for (size_t i = plan.loops.size(); i-- > 0;)
    if (plan.loops[i] == l) {
      others.push_back(l + "_t");
      otherTasks *= double(llvm::divideCeil(extentOr(i, 1), main.lineTile));
    } else if (plan.loops[i] != v && plan.loops[i] != u) {
      others.push_back(plan.loops[i]);
      otherTasks *= extentOr(i, 1); // An unknown one may be 1.
    }
  std::string at;
  bool isWindow = main.stageKind != StageKind::Contraction;
  Names order{v + "_i"};
  if (!u.empty())
    order.push_back(u + "_i");
  if (!l.empty())
    order.push_back(l + "_i");
  Names tasks = others; // What threads share, innermost first.
  const std::string w = main.outerRows.empty() ? "" : hostLoop(main, main.outerRows);
  if (!w.empty()) {
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
    // The tile loop that keeps the filter in place runs inside; where a filter is read but once,
    // the one along which what the window moves over lies in memory.
    Names tileLoops{v + "_t"};
    const bool keepsFilter = !main.columnsSlide && main.unrolledTaps == 0;
    if (!u.empty())
      tileLoops.insert(keepsFilter ? tileLoops.begin() : tileLoops.end(), u + "_t");
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
void LoopWriter::tile(const ReducerPlan &reducer, const std::string &name, const std::string &at,
                      bool blocked) {
  std::string c = reducer.columns, r = reducer.rows;
  StageWriter init = writer.stage(name);
  init.computeAt(plan.stage, at);
  if (!blocked) // A block is too large for what Halide calls stack; codegen finds its place.
    init.storeOnStack();
  for (const std::string &dim : reducer.dims) {
    bool isTiled = dim == c || dim == r || dim == reducer.lines;
    std::string loop = isTiled ? dim + "_t" : dim;
    if (isTiled && blocked)
      init.boundStorage(loop, dim == c ? reducer.block.columnTiles : reducer.block.rowTiles);
    else if (dim == reducer.outerRows && blocked)
      init.boundStorage(loop, reducer.outerTile);
    else
      init.boundExtent(loop, 1);
  }
  // The loops of a register tile that are written out.
  Names places;
  if (!r.empty()) {
    init.boundExtent(r + "_i", reducer.rowTile);
    places.push_back(r + "_i");
  }
  if (!reducer.lines.empty()) {
    init.boundExtent(reducer.lines + "_i", reducer.lineTile);
    places.push_back(reducer.lines + "_i");
  }
  init.boundExtent(c + "_i", reducer.columnTile);
  StageWriter update = writer.update(name);
  if (reducer.byMatrixTiles) {
    update.tileMultiply(r + "_t", c + "_t");
    return;
  }
  Names order{c + "_i"};
  order.append(places);
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
    for (const std::string &taps : ArrayRef(reducer.reductionLoops).take_back(reducer.unrolledTaps))
      update.unroll(taps);
  }
  if (reducer.filterArgument >= 0 && reducer.group == 1)
    update.prefetch(reducer.filterArgument, order[1 + places.size()],
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
    for (const std::string &place : places)
      stage->unroll(place);
  }
}

/// The sums of a unit, in registers beside those of all units.
void LoopWriter::unit(const ReducerPlan &reducer) {
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
void LoopWriter::panel(const ReducerPlan &reducer, const std::string &at) {
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

void LoopWriter::point(const ReducerPlan &reducer, const std::string &at) {
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

void LoopWriter::rows() {
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
double LoopWriter::rowWork(const ReducerPlan &reducer) const {
  double values = 1;
  for (const std::string &loop : reducer.hostLoops)
    values *= extentOr(llvm::find(plan.loops, loop) - plan.loops.begin(), kAssumedExtent);
  return reducer.work / std::max(1.0, values);
}

void writeLoops(ScheduleWriter &writer, const OutputPlan &plan, const Target &target) {
  if (plan.stream)
    writeStreamLoops(writer, plan, target);
  else
    LoopWriter(writer, plan, target).run();
}

} // namespace tessera::scheduling
