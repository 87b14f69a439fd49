//===- SharedTile.h - Tiles in shared memory, and the warps that use them --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_SHAREDTILE_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_SHAREDTILE_H

#include "compiler/codegen/nvgpu/GpuFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace tessera::nvgpu {

/// What every device gives a block without being asked, and the most that one is asked for.
constexpr int64_t kSharedBytes = 48 << 10, kMostSharedBytes = rt::kMaxSharedBytes;

/// Threads that bring what others multiply by four warps.
constexpr int64_t kCopyThreads = 128;

/// What computes by warps on tiles in shared memory.
class SharedTile {
protected:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  explicit SharedTile(GpuFunction &function) : f(function), b(function.b) {}

  /// So many bytes of shared memory, of which the launch is asked for those that not every device
  /// gives, and threads; sets `memory`, `thread` and `lane`.
  void allocate(const llvm::Twine &name, int64_t bytes, int64_t count, unsigned alignment = 128);
  /// The byte of a chunk of 16 bytes in lines of so many. Chunks of a line change places from line
  /// to line, so that eight lines of one chunk, or a whole line, lie in different banks.
  /// `isByPairs`: so that four lines of two chunks do.
  Value slot(int64_t chunks, Value line, Value chunk, bool isByPairs = false);
  /// The same where 8 lanes read one chunk of lines `vector` apart.
  Value slotOfVectors(int64_t chunks, int64_t vector, Value line, Value chunk);
  /// As slot, for chunk `low` (0 or 1) + `chunk` (even) of line `line` + `lines` (a multiple of 8),
  /// as few different bytes and constants behind them: for all of a lane that takes few registers.
  Value slotBehind(int64_t chunks, Value line, Value low, int64_t chunk, int64_t lines);
  /// Four matrices of 8 lines x 16 bytes: lane 8 j + i has the byte of line i of matrix j. Turned:
  /// lines are the second index of what a lane gets.
  Values loadFour(Value byte, mlir::Type element, bool isTurned);
  /// f32 to tf32: to nearest, which instructions would not do by themselves.
  Values roundWords(Values words);
  /// Whether the memory itself and all strides but the innermost are multiples of `multiple` bytes;
  /// and these other numbers of elements. An element has `bytes`.
  Value isAligned(const GpuFunction::Memory &memory, int64_t bytes,
                  llvm::ArrayRef<Value> others = {}, int64_t multiple = 16);

  // SharedCopy.cpp

  /// Whether all chunks of 16 bytes lie at multiples of these; or else words at multiples of theirs
  /// (null: they always do).
  struct Alignment {
    Value ofChunks, ofWords;
  };
  Alignment alignmentOf(const GpuFunction::Memory &memory, int64_t perChunk,
                        llvm::ArrayRef<Value> others = {});
  /// Copies by pieces of so many elements, or element by element.
  mlir::LogicalResult copyWhere(const Alignment &alignment, int64_t perChunk,
                                llvm::function_ref<mlir::LogicalResult(int64_t)> pieces,
                                llvm::function_ref<mlir::LogicalResult()> elements);
  /// So many threads that share work, and the number of this one among them.
  struct Crew {
    Value own;
    int64_t count;
  };
  /// Of so many things in a row, those that this thread takes: its neighbours take theirs.
  mlir::LogicalResult share(const Crew &crew, int64_t total, bool isRolled,
                            llvm::function_ref<mlir::LogicalResult(Value)> take);
  /// Elements of lines, each loaded and stored at a byte; those of several lines are under way
  /// together.
  mlir::LogicalResult
  shareElements(const Crew &crew, int64_t lines, int64_t perLine, int64_t bytes,
                llvm::function_ref<mlir::FailureOr<Value>(Value line, Value element)> load,
                llvm::function_ref<Value(Value line, Value element)> place);
  /// `given` of the bytes, then zeros.
  void copyAsync(Value to, Value from, int64_t bytes, Value given);

  /// The same number, of which LLVM knows nothing: what follows from it is neither computed before
  /// a loop nor carried from one iteration to the next, where registers are few.
  /// Of 32 or 64 bits; `iteration`, of 64, changes from one to the next.
  Value opaque(Value number, Value iteration);

  // SharedGroups.cpp

  /// How a factor of wgmma lies: in lines of 2, 4 or 8 chunks of so many elements; lines of more
  /// (multiples of 8) lie side by side in blocks of lines of 8.
  struct GroupLayout {
    int64_t lines, chunks, perChunk;
    bool alongDepth; ///< a line is a row (column); else a step of the depth
  };
  Value groupSlot(const GroupLayout &layout, Value line, Value chunk);
  /// The descriptor of a factor at `byte`, from a row (column) on: a multiple of 8, or of a line.
  Value describe(const GroupLayout &layout, Value byte, Value first);
  /// Where the two chunks of a step of the depth begin, as descriptors count.
  int64_t sixteensBehind(const GroupLayout &layout, int64_t step);
  /// Text whose first operands are all sums, in place; then words of 32 bits and descriptors.
  Values callOnSums(const std::string &text, Values sums, llvm::ArrayRef<Value> others);
  Value callText(mlir::Type result, const llvm::Twine &text, llvm::StringRef constraints,
                 mlir::ValueRange operands);
  /// What this thread wrote to shared memory may be read by instructions that do so themselves.
  void fenceProxy();
  Value sharedAddress(Value byte);
  /// mbarriers. One thread makes them and fences; who waits says the parity of the phase.
  void initBarrier(int64_t byte, Value arrivals);
  void initBarrier(int64_t byte, int64_t arrivals) { initBarrier(byte, i32(arrivals)); }
  void fenceBarriers();
  void arriveAt(Value byte);
  void arriveExpecting(Value byte, int64_t bytes);
  mlir::LogicalResult waitFor(Value byte, Value parity);
  // A ring of memories that four warps fill and others empty.
  /// The memory behind `slot`; the parity to wait for changes where the ring begins again.
  Value turnSlot(Value slot, Value &parity, int64_t slots);
  /// What was copied before the last `copies` times is there: whoever waits at the barrier
  /// `pending` (none: -1) may read it.
  mlir::LogicalResult settle(Value pending, int64_t copies);
  /// Eight warps that multiply get registers of four that copy, to which so many are left.
  void giveRegisters(bool copies, int64_t left);
  /// Boxes of a tensor, whose map the runtime makes when launching, where it can.
  struct MapRequest {
    Value argument;
    llvm::SmallVector<uint32_t, 5> box; ///< the innermost dimension first
    uint32_t swizzle;
  };
  struct Map {
    Value pointer, isMade;
  };
  /// Gives the launch maps, as parameters behind all others; once.
  llvm::SmallVector<Map> addMaps(llvm::ArrayRef<MapRequest> requests);
  /// Begins to copy the box at a place of the tensor; it arrives at a barrier.
  void copyBox(const Map &map, Value byte, llvm::ArrayRef<Value> place, Value barrier);

  Value i32(int64_t value) {
    return mlir::arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(value)));
  }
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(b, x, y); }
  Value add(Value x, int64_t y) { return add(x, i32(y)); }
  Value mul(Value x, int64_t y) { return mlir::arith::MulIOp::create(b, x, i32(y)); }
  Value div(Value x, int64_t y) { return mlir::arith::DivUIOp::create(b, x, i32(y)); }
  Value rem(Value x, int64_t y) { return mlir::arith::RemUIOp::create(b, x, i32(y)); }
  Value index(int64_t value) { return mlir::arith::ConstantIndexOp::create(b, value); }
  Value index(Value number) {
    return mlir::arith::IndexCastUIOp::create(b, b.getIndexType(), number);
  }
  Value shared(Value byte);

  GpuFunction &f;
  mlir::ImplicitLocOpBuilder &b;
  int64_t threads = 0;
  Value memory;
  Value thread, lane; ///< i32
};

} // namespace tessera::nvgpu

#endif
