//===- ScheduleWriter.h - Directives, written one after the other ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RULES_SCHEDULEWRITER_H
#define TESSERA_COMPILER_SCHEDULING_RULES_SCHEDULEWRITER_H

#include "dialects/kernel/StreamStages.h"
#include "dialects/schedule/Schedule.h"

#include "mlir/IR/Builders.h"

namespace tessera::scheduling {

/// Writes loop directives on one stage, or on its update.
class StageWriter {
public:
  StageWriter(mlir::OpBuilder builder, mlir::Location loc) : builder(builder), loc(loc) {}

  void split(const std::string &loop, const std::string &outer, const std::string &inner,
             int64_t factor, schedule::Tail tail = schedule::Tail::Guard) {
    schedule::SplitOp::create(builder, loc, loop, outer, inner, factor, tail);
  }
  void fuse(const std::string &inner, const std::string &outer, const std::string &fused) {
    schedule::FuseOp::create(builder, loc, inner, outer, fused);
  }
  /// All into one, which is called `name` and returned; the innermost comes last.
  std::string fuseAll(llvm::ArrayRef<std::string> loops, const std::string &name) {
    std::string all = loops.back();
    for (size_t i = loops.size() - 1; i-- > 0;) {
      std::string fused = i == 0 ? name : name + std::to_string(i);
      fuse(all, loops[i], fused);
      all = fused;
    }
    return all;
  }
  /// Innermost first.
  void reorder(llvm::ArrayRef<std::string> loops) {
    if (loops.size() < 2)
      return;
    llvm::SmallVector<llvm::StringRef> names(loops.begin(), loops.end());
    schedule::ReorderOp::create(builder, loc, builder.getStrArrayAttr(names));
  }
  void vectorize(const std::string &loop, int64_t width) {
    schedule::VectorizeOp::create(builder, loc, builder.getStringAttr(loop),
                                  builder.getI64IntegerAttr(width), tail(schedule::Tail::Guard));
  }
  /// Of a loop whose extent is a multiple of the width.
  void vectorizeEven(const std::string &loop, int64_t width) {
    schedule::VectorizeOp::create(builder, loc, builder.getStringAttr(loop),
                                  builder.getI64IntegerAttr(width), tail(schedule::Tail::Auto));
  }
  void inOrder(const std::string &loop) { schedule::InOrderOp::create(builder, loc, loop); }
  void tileMultiply(const std::string &rows, const std::string &columns) {
    schedule::TileMultiplyOp::create(builder, loc, rows, columns);
  }
  /// Lets a reduction loop be vectorized.
  void atomic() { schedule::AtomicOp::create(builder, loc); }
  /// Of a loop that may be computed up to the next multiple of the width.
  void vectorizeWhole(const std::string &loop, int64_t width) {
    schedule::VectorizeOp::create(builder, loc, builder.getStringAttr(loop),
                                  builder.getI64IntegerAttr(width), tail(schedule::Tail::RoundUp));
  }
  void unroll(const std::string &loop) {
    schedule::UnrollOp::create(builder, loc, builder.getStringAttr(loop), nullptr,
                               tail(schedule::Tail::Auto));
  }
  void parallel(const std::string &loop) { schedule::ParallelOp::create(builder, loc, loop); }
  void gpuBlocks(const std::string &loop) { schedule::GpuBlocksOp::create(builder, loc, loop); }
  /// `axis`: none, the next one of the stage.
  void gpuThreads(const std::string &loop, std::optional<int64_t> axis = {}) {
    schedule::GpuThreadsOp::create(builder, loc, loop,
                                   axis ? builder.getI64IntegerAttr(*axis) : mlir::IntegerAttr());
  }
  void gpuTurn(const std::string &loop, const std::string &rows, const std::string &columns) {
    schedule::GpuTurnOp::create(builder, loc, loop, rows, columns);
  }
  void gpuTile(const std::string &rows, const std::string &columns, const std::string &depth,
               int64_t rowWarps, int64_t columnWarps, int64_t stages, schedule::Unit unit,
               bool byteFloats, bool copyWarps, bool bulk) {
    schedule::GpuTileOp::create(builder, loc, rows, columns, depth, rowWarps, columnWarps, stages,
                                unit, byteFloats, copyWarps, bulk);
  }
  void gpuStream(const std::string &rows, const kernel::StreamTile &tile, schedule::Unit unit) {
    schedule::GpuStreamOp::create(builder, loc, rows, tile.keys, tile.rowWarps, tile.columnWarps,
                                  tile.keyWarps, tile.stages, unit);
  }
  void computeAt(const std::string &stage, const std::string &loop) {
    schedule::ComputeAtOp::create(builder, loc, stage, loop);
  }
  void computeRoot() { schedule::ComputeRootOp::create(builder, loc); }
  void storeOnStack() { schedule::StoreOp::create(builder, loc, schedule::Storage::Stack); }
  void storeAsTile() { schedule::StoreOp::create(builder, loc, schedule::Storage::Tile); }
  void storeInRegisters() { schedule::StoreOp::create(builder, loc, schedule::Storage::Register); }
  void boundExtent(const std::string &loop, int64_t extent) {
    schedule::BoundExtentOp::create(builder, loc, loop, extent);
  }
  void prefetch(int64_t argument, const std::string &loop, int64_t distance) {
    schedule::PrefetchOp::create(builder, loc, argument, loop, distance);
  }
  void boundStorage(const std::string &loop, int64_t extent) {
    schedule::BoundStorageOp::create(builder, loc, loop, extent);
  }

private:
  schedule::TailAttr tail(schedule::Tail kind) {
    return schedule::TailAttr::get(builder.getContext(), kind);
  }
  mlir::OpBuilder builder;
  mlir::Location loc;
};

/// Writes one schedule.func.
class ScheduleWriter {
public:
  explicit ScheduleWriter(schedule::FuncOp func) : func(func) {}

  StageWriter stage(const std::string &name) { return container<schedule::StageOp>(name); }
  StageWriter update(const std::string &name) { return container<schedule::UpdateOp>(name); }
  /// Where the next restructuring directive goes.
  mlir::OpBuilder restructuring() { return mlir::OpBuilder::atBlockEnd(&func.getBody().front()); }
  mlir::Location loc() { return func.getLoc(); }

private:
  template <typename Op> StageWriter container(const std::string &name) {
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(&func.getBody().front());
    auto op = Op::create(builder, func.getLoc(), name);
    op.getBody().emplaceBlock();
    return StageWriter(mlir::OpBuilder::atBlockEnd(&op.getBody().front()), func.getLoc());
  }
  schedule::FuncOp func;
};

} // namespace tessera::scheduling

#endif
