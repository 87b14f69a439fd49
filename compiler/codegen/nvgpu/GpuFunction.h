//===- GpuFunction.h - One kernel on its way to a device function ---------------*- C++ -*-===//
//
// Shared by the files that convertToGpu (ToGpu.h) consists of.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_GPUFUNCTION_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_GPUFUNCTION_H

#include "compiler/codegen/nvgpu/StageLines.h"
#include "compiler/codegen/nvgpu/ToGpu.h"
#include "dialects/kernel/SharedStages.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace tessera::nvgpu {

/// The address spaces of device memory, and of what the threads of a block share.
constexpr unsigned kGlobal = 1, kShared = 3;

class GpuFunction {
  friend class SharedTile;
  friend class BlockTile;
  friend class BlockStream;

public:
  GpuFunction(kernel::FuncOp kernel, schedule::FuncOp schedule, LaunchRecord &launch)
      : kernel(kernel), schedule(schedule), launch(launch), lines(kernel),
        b(lines.of(nullptr), kernel.getContext()) {}

  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> run();

private:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  struct Memory {
    Value pointer;
    Values extents, strides; // index values, outermost first
    uint32_t argument;       // its number in the launch
  };
  /// The extent of a loop, here and when launching.
  struct LoopExtent {
    Value value;
    uint32_t step;
  };
  /// The loops of a stage while directives are applied to them.
  struct Loops {
    llvm::SmallVector<std::string> order; // as they came up
    llvm::StringMap<LoopExtent> extents;
    llvm::StringMap<Value> positions;
    llvm::StringMap<int64_t> widths; // of loops that a split made
    llvm::StringSet<> isUsed;        // that a directive took
    llvm::SmallVector<mlir::Operation *> applied;
    unsigned blockAxes = 0, threadAxes = 0;
    int64_t threads = 0;       // of the last gpu_threads, when known
    unsigned threadAxis = 0;   // its axis
    bool decidesLaunch = true; // of an output: its extents make the grid
    std::string lane;          // the loop that is vectorized, or ""
    bool isFlat = false;       // fused loops are one: the innermost has all of their steps

    void add(llvm::StringRef name, LoopExtent extent) {
      extents[name] = extent;
      order.push_back(name.str());
    }
    /// Those that are neither taken nor placed: loops of a thread.
    llvm::SmallVector<std::string> serial() const;
  };

  /// While it lives, what is emitted belongs to the stage.
  class InStage {
  public:
    InStage(GpuFunction &function, mlir::Operation *stage) : b(function.b), before(b.getLoc()) {
      b.setLoc(function.lines.of(stage));
    }
    InStage(const InStage &) = delete;
    InStage &operator=(const InStage &) = delete;
    ~InStage() { b.setLoc(before); }

  private:
    mlir::ImplicitLocOpBuilder &b;
    mlir::Location before;
  };

  mlir::LogicalResult fail(mlir::Operation *op, const llvm::Twine &why) {
    return op->emitOpError() << why << ", which the CUDA generator does not take yet";
  }

  // ToGpu.cpp: the function, its parameters, and which thread does what.
  mlir::LogicalResult findOutputs();
  mlir::LogicalResult emitOutput();
  const Memory &resultOf(mlir::linalg::GenericOp stage);
  mlir::Type stored(mlir::Type element) { return element.isInteger(1) ? b.getI8Type() : element; }
  /// Begins a function, for the next launch.
  void declare(const std::string &suffix);
  mlir::OperandRange returned();
  bool isScratch(mlir::linalg::GenericOp stage);
  uint32_t addStep(rt::DeviceStepKind kind, uint32_t a, uint32_t b);
  uint32_t numberStep(int64_t value);
  mlir::LogicalResult readScalars();
  mlir::LogicalResult readSchedule();
  mlir::LogicalResult apply(mlir::Operation *directive);
  Value special(bool isThread, unsigned axis);
  /// Undoes the directives whose loops have positions, from the last on. Gives whether this thread
  /// has an element. `clamp`: where it has none, the positions are those of the last one.
  Value place(bool clamp = false);
  /// Of numbers below 2^32, which elements of tensors have; an extent of 0, which leaves no thread
  /// inside, divides as 1.
  Value divide(Value x, Value y, bool wantsRest);

  // Elements.cpp: what a stage yields.
  Value address(const Memory &memory, mlir::Type element, llvm::ArrayRef<Value> at);
  Value asElement(Value loaded, mlir::Type type);
  mlir::FailureOr<Value> element(Value tensor, llvm::ArrayRef<Value> at);
  mlir::FailureOr<Value> constantElement(mlir::arith::ConstantOp constant,
                                         llvm::ArrayRef<Value> at);
  mlir::FailureOr<Value> extentOf(Value tensor, unsigned dim);
  mlir::FailureOr<Value> loopExtent(mlir::linalg::GenericOp stage, unsigned loop);
  mlir::FailureOr<Values> elements(mlir::linalg::GenericOp stage, llvm::ArrayRef<Value> at);
  mlir::FailureOr<Values> firstValues(mlir::linalg::GenericOp stage, llvm::ArrayRef<Value> at);
  mlir::FailureOr<Values> reduce(mlir::linalg::GenericOp stage, Values &loops,
                                 llvm::ArrayRef<unsigned> left, Values values);
  mlir::FailureOr<Values> body(mlir::linalg::GenericOp stage, llvm::ArrayRef<Value> loops,
                               llvm::ArrayRef<Value> values);
  /// A scalar of a stage's body, with what it is computed from; `known` has what was computed.
  mlir::FailureOr<Value> scalar(mlir::linalg::GenericOp stage, Value value,
                                llvm::ArrayRef<Value> loops, mlir::IRMapping &known);
  mlir::FailureOr<Value> read(mlir::OpOperand &operand, llvm::ArrayRef<Value> loops);
  using Places = llvm::StringMap<Value>; ///< of the loops of a stage
  /// Of one element, or of neighbours whose values are all known before the first is stored.
  mlir::LogicalResult storeElements(llvm::ArrayRef<Places> places);
  mlir::LogicalResult storeResults() { return storeElements(loops.positions); }
  Value i64Constant(int64_t value);
  /// for (position = 0; position < extent; ++position): values go from iteration to iteration.
  /// `isRolled`: where the registers of several iterations at once would be missed elsewhere.
  using Iteration = llvm::function_ref<mlir::FailureOr<Values>(Value position, Values values)>;
  mlir::FailureOr<Values> loop(Value extent, Values values, Iteration iteration,
                               bool isRolled = false);
  /// while (condition): values go from iteration to iteration.
  mlir::FailureOr<Values> loopWhile(Values values,
                                    llvm::function_ref<mlir::FailureOr<Value>(Values)> condition,
                                    llvm::function_ref<mlir::FailureOr<Values>(Values)> iteration,
                                    bool isRolled = false);
  /// Loops over all of these, innermost last, with their positions set.
  mlir::FailureOr<Values> loopSerial(llvm::ArrayRef<std::string> names, Values values,
                                     llvm::function_ref<mlir::FailureOr<Values>(Values)> iteration);
  /// if (condition): what `then` gives, else the values.
  mlir::FailureOr<Values> guard(Value condition, Values values,
                                llvm::function_ref<mlir::FailureOr<Values>(Values)> then);
  /// What one of them gives.
  mlir::FailureOr<Values> either(Value condition, Values values,
                                 llvm::function_ref<mlir::FailureOr<Values>(Values)> then,
                                 llvm::function_ref<mlir::FailureOr<Values>(Values)> otherwise);

  // Vectors.cpp: neighbours in memory that a thread reads and writes together.
  struct Lanes {
    std::string loop; ///< of the stage
    int64_t width = 0;
    bool isFlat = false;
    llvm::SmallVector<std::pair<Memory *, int64_t>> memories; ///< and their alignment in bytes
  };
  class Aligned;
  mlir::FailureOr<Lanes> findLanes(mlir::linalg::GenericOp stage);
  Value areVectors(const Lanes &lanes);
  void takeApart(llvm::ArrayRef<std::string> names, Value number);
  using LaneWork =
      llvm::function_ref<mlir::FailureOr<Values>(llvm::ArrayRef<Places> places, Values values)>;
  mlir::FailureOr<Values> eachLane(mlir::linalg::GenericOp stage, Values begin, LaneWork work);

  // SharedStages.cpp: what the threads of a block compute together.
  /// Where every element reduces by threads of its own: whether it does, and all of that.
  bool reducesTogether();
  mlir::LogicalResult emitTogether();
  mlir::LogicalResult computeSharedStages();
  mlir::LogicalResult computeShared(const kernel::SharedStage &shared, schedule::UpdateOp update);
  using Combine = llvm::function_ref<Value(Value, Value)>;
  Value combineThreads(Value value, Combine combine);
  Value combineLanes(Value value, int64_t lanes, Combine combine);
  Value shuffle(Value value, int64_t by);
  Value sharedMemory(mlir::Type element, int64_t count);

  // TurnedReads.cpp: what is read across the result.
  struct Turned {
    mlir::LLVM::GlobalOp memory;
    mlir::Type element;
    Value address; ///< of the element at hand
  };
  mlir::LogicalResult emitTurned(schedule::GpuTurnOp directive);

  // BlockTile.cpp: contractions by tiles.
  schedule::GpuTileOp findTile();
  mlir::linalg::GenericOp findHost(mlir::linalg::GenericOp other);
  mlir::LogicalResult emitTile(schedule::GpuTileOp tile);
  /// The directive on what is computed at the blocks of the output, or on the output, or null.
  template <typename Directive> Directive findInside();

  // BlockStream.cpp: states of a stream.
  schedule::GpuStreamOp findStream();
  mlir::LogicalResult emitStream(schedule::GpuStreamOp directive);

  kernel::FuncOp kernel;
  schedule::FuncOp schedule;
  LaunchRecord &launch;
  const StageLines lines;
  mlir::ImplicitLocOpBuilder b;
  llvm::SetVector<mlir::linalg::GenericOp> outputs; ///< of the launch at hand
  mlir::linalg::GenericOp output;                   ///< the one at hand
  mlir::LLVM::LLVMFuncOp function;
  mlir::IRMapping scalars;
  llvm::DenseMap<Value, Memory> arguments;
  llvm::SmallVector<Memory> results;
  Loops loops;
  unsigned combinedAxis = 0;                              ///< of the threads that reduced last
  llvm::DenseMap<mlir::Operation *, Values> sharedValues; ///< of stages, the same for a block
  llvm::DenseMap<std::pair<mlir::Type, int64_t>, mlir::LLVM::GlobalOp> sharedMemories;
  llvm::DenseMap<mlir::Attribute, mlir::LLVM::GlobalOp> tables;
  llvm::DenseMap<mlir::OpOperand *, Turned> turned; ///< of the output at hand
  unsigned numTurned = 0;
};

template <typename Directive> Directive GpuFunction::findInside() {
  if (!schedule)
    return {};
  const llvm::StringRef own = kernel::getStageName(output);
  llvm::StringSet<> isInside;
  isInside.insert(own);
  mlir::Block &directives = schedule.getBody().front();
  for (auto stage : directives.getOps<schedule::StageOp>())
    for (auto at : stage.getBody().front().template getOps<schedule::ComputeAtOp>())
      if (at.getConsumer() == own)
        isInside.insert(stage.getStage());
  for (auto update : directives.getOps<schedule::UpdateOp>())
    if (isInside.contains(update.getStage()))
      for (auto found : update.getBody().front().template getOps<Directive>())
        return found;
  return {};
}

} // namespace tessera::nvgpu

#endif
