//===- Regions.h - Regions of graph ops as stages and as scalars ----------------*- C++ -*-===//
//
// An op such as graph.stream says parts of its meaning by regions of graph ops. Each op of a region
// is lowered as anywhere else; what differs is where the stages go: `lowerRegion` leaves them as
// they are, `BatchedRegion` repeats them along a new outer loop, `ScalarRegion` makes one scalar
// function of them.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_REGIONS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_REGIONS_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/SmallBitVector.h"

namespace tessera::lower {

/// The operations that were built in a kernel since then.
class Recorder {
public:
  explicit Recorder(mlir::OpBuilder &builder) : builder(builder) {
    auto at = builder.getInsertionPoint();
    if (at != builder.getInsertionBlock()->begin())
      last = &*std::prev(at);
  }
  llvm::SmallVector<mlir::Operation *> take() {
    llvm::SmallVector<mlir::Operation *> operations;
    auto begin = last ? std::next(last->getIterator()) : builder.getInsertionBlock()->begin();
    for (auto it = begin; it != builder.getInsertionPoint(); ++it)
      operations.push_back(&*it);
    return operations;
  }

private:
  mlir::OpBuilder &builder;
  mlir::Operation *last = nullptr;
};

/// Lowers a block whose arguments are these tensors; gives what it yields.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
lowerRegion(KernelEmitter &emitter, mlir::Block &block, mlir::ValueRange arguments);

/// An axis cut into blocks of equal size. Without blocks (a size of 1) no element lies outside.
/// Blocks may be counted within parts of the axis: then some of the last part may have no element.
struct AxisBlocks {
  graph::DimAttr extent; ///< of the axis
  graph::DimAttr size;   ///< of a block
  /// Of blocks; or of parts, then of the blocks of each.
  llvm::SmallVector<graph::DimAttr, 2> counts;
  mlir::Value sizeValue = {};     ///< where it is not constant
  mlir::Value blocksOfAPart = {}; ///< where there are parts
  /// Loops over blocks.
  unsigned loops() const { return counts.size(); }
  /// Whether the last block may reach past the end.
  bool hasTail() const;
  /// The number of a block, by the indices of the loops over blocks.
  mlir::Value number(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange block) const;
  /// number * size + place.
  mlir::Value position(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange block,
                       mlir::Value place) const;
  /// In a stage whose outer loops run over blocks.
  mlir::Value positionHere(mlir::ImplicitLocOpBuilder &b, unsigned placeLoop) const;
};

/// A block lowered once for all blocks of an axis: every stage that depends on a block gets one
/// outer loop more. Reductions along the axis leave out what lies past its end.
class BatchedRegion {
public:
  struct Result {
    mlir::Value tensor;
    bool isBatched; ///< whether its first dimensions count blocks
  };
  BatchedRegion(KernelEmitter &emitter, const AxisBlocks &blocks)
      : emitter(emitter), blocks(blocks),
        extent(blocks.hasTail() ? emitter.extent(blocks.extent) : mlir::Value()) {}

  /// The argument is, for every block, this tensor without its first dimensions, which count
  /// blocks. `tailDim`: the dimension of the argument that lies along the axis, or -1.
  void bind(mlir::BlockArgument argument, mlir::Value batched, int64_t tailDim);
  /// Gives what the block yields. It has constant extents in place of symbols that stand for the
  /// size of a block of the axis; `isTail` says which dimensions of which result of the op with
  /// this number lie along the axis.
  llvm::FailureOr<llvm::SmallVector<Result>>
  lower(mlir::Block &block,
        llvm::function_ref<bool(unsigned op, unsigned result, unsigned dim)> isTail);

private:
  llvm::LogicalResult batch(mlir::linalg::GenericOp stage);
  llvm::LogicalResult findTailLoops(mlir::linalg::GenericOp stage, llvm::SmallBitVector &loops);
  mlir::Value batchInit(mlir::Value init);
  bool countInstead(mlir::linalg::GenericOp stage, const llvm::SmallBitVector &tailLoops);
  void guard(mlir::linalg::GenericOp stage, const llvm::SmallBitVector &tailLoops);
  bool guardSum(mlir::linalg::GenericOp stage, unsigned loop);
  mlir::Value zeroPastEnd(mlir::linalg::GenericOp stage, mlir::OpOperand &operand, unsigned dim);
  bool isTailDim(mlir::Value tensor, unsigned dim) const;

  KernelEmitter &emitter;
  const AxisBlocks &blocks;
  mlir::Value extent;                               // of the axis, when there is a tail
  llvm::DenseMap<mlir::Value, mlir::Value> batched; // by the tensor without the outer dimension
  llvm::DenseMap<mlir::Value, llvm::SmallBitVector> tails;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> zeroed; // past the end, along a dim
  llvm::SmallVector<mlir::Operation *> templates;
};

/// A block in which every element of a result follows from one element of each argument:
/// elementwise ops, broadcasts, transposes, constants. Its axes are numbered: dimensions that
/// always run together are one.
class ScalarRegion {
public:
  explicit ScalarRegion(KernelEmitter &emitter) : emitter(emitter) {}
  ~ScalarRegion();

  /// Lowers the block. `ties`: pairs of values of the block whose dimensions run together.
  /// `independent`: arguments of which one may run along with another that it has nothing to do
  /// with, where their extents are the same.
  llvm::LogicalResult analyze(mlir::Block &block,
                              llvm::ArrayRef<std::pair<mlir::Value, mlir::Value>> ties,
                              mlir::ValueRange independent = {});
  /// The axis of every dimension of a value of the block.
  llvm::SmallVector<unsigned> axesOf(mlir::Value graphValue) const;
  /// The arguments that a value of the block depends on.
  llvm::SmallBitVector argumentsOf(mlir::Value graphValue) const;
  /// Builds the scalar of a value in the body of a stage, from scalars of the arguments (null where
  /// it does not depend on one) and the index along each axis.
  mlir::Value build(mlir::ImplicitLocOpBuilder &b, mlir::Value graphValue,
                    llvm::ArrayRef<mlir::Value> arguments,
                    llvm::function_ref<mlir::Value(unsigned axis)> indexOf) const;

private:
  using Dimension = std::pair<void *, unsigned>; // of a tensor
  llvm::LogicalResult addStage(mlir::linalg::GenericOp stage);
  Dimension dimensionOf(mlir::Value graphValue, unsigned dim) const;
  bool areTied(mlir::Value x, mlir::Value y);
  bool runAlong(mlir::Value x, mlir::Value y, mlir::ValueRange independent);
  unsigned axisOf(mlir::Value tensor, unsigned dim) const;

  KernelEmitter &emitter;
  llvm::SmallVector<mlir::Operation *> built;
  llvm::SmallVector<mlir::Value> placeholders; // per argument
  llvm::EquivalenceClasses<Dimension> classes;
  llvm::SmallVector<Dimension> leaders;
};

} // namespace tessera::lower

#endif
