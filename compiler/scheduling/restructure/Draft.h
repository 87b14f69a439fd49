//===- Draft.h - A stage on its way to another form -----------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_DRAFT_H
#define TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_DRAFT_H

#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tessera::scheduling {

/// Extents outside of stages: constants where known.
mlir::OpFoldResult extentOfDim(mlir::OpBuilder &builder, mlir::Value tensor, int64_t dim);
/// The extent of a loop: by the rule of the kernel dialect, the first operand whose map has the
/// plain loop tells it. Null when none does.
mlir::OpFoldResult extentOfLoop(mlir::OpBuilder &builder, mlir::linalg::GenericOp stage,
                                unsigned loop);
/// Whether an extent is a multiple of that number in any case: a constant, or a product with one.
bool isMultiple(mlir::OpFoldResult extent, int64_t number);
mlir::OpFoldResult ceilDiv(mlir::OpBuilder &builder, mlir::Location loc, mlir::OpFoldResult extent,
                           int64_t divisor);
mlir::OpFoldResult floorDiv(mlir::OpBuilder &builder, mlir::Location loc, mlir::OpFoldResult extent,
                            int64_t divisor);
mlir::Value materialize(mlir::OpBuilder &builder, mlir::Location loc, mlir::OpFoldResult value);
mlir::Value emptyTensor(mlir::OpBuilder &builder, mlir::Location loc,
                        llvm::ArrayRef<mlir::OpFoldResult> shape, mlir::Type element);
/// `expr` cut by tiles: which tile, and where in it. Sums of a multiple of the tile and a
/// remainder below it are seen through; `bounds` tells constant extents of loops (0 where unknown).
std::pair<mlir::AffineExpr, mlir::AffineExpr> cut(mlir::AffineExpr expr, int64_t tile,
                                                  llvm::ArrayRef<int64_t> bounds);
/// A stage name that is not taken: `wanted`, or with a number appended.
std::string freshStageName(kernel::FuncOp kernel, llvm::StringRef wanted);

/// A linalg.generic taken apart, to be built anew with other loops, operands or maps. The body
/// is cloned; the old stage stays until the caller replaces it.
class Draft {
public:
  explicit Draft(mlir::linalg::GenericOp stage);

  struct Input {
    mlir::Value value;
    mlir::AffineMap map; ///< over the new loops; unused when `read` is set
    /// Gives the coordinates at which the body reads the value by tensor.extract instead.
    std::function<llvm::SmallVector<mlir::Value>(mlir::OpBuilder &)> read;
  };
  mlir::linalg::GenericOp stage;
  llvm::SmallVector<Input> inputs;
  llvm::SmallVector<mlir::Value> inits;
  mlir::AffineMap outputMap;
  llvm::SmallVector<mlir::utils::IteratorType> iterators;
  llvm::SmallVector<std::string> loops;
  std::string name;
  /// Extents of loops that no operand may tell any more; where set, an operand that only tells the
  /// extent is added when needed.
  llvm::SmallVector<mlir::OpFoldResult> extents;
  /// What stands for linalg.index of an old loop (by number) in the body; default: the same loop.
  llvm::DenseMap<unsigned, std::function<mlir::Value(mlir::OpBuilder &)>> indices;
  /// A loop that is in tiles now: its index divided by the tile is the loop itself, what remains is
  /// the loop `inner`. So bodies say it that read what is in such tiles.
  struct Tiled {
    unsigned loop, inner;
    int64_t tile;
  };
  std::optional<Tiled> tiled;

  /// Builds the stage before `stage` (or where the builder stands) and gives it.
  mlir::linalg::GenericOp build(mlir::OpBuilder &builder);

  /// Reads input `number` through tensor.extract: its old map with the values of `indices` in place
  /// of the old loops.
  void readThroughExtract(unsigned number);

private:
  /// The loop that an operation of the old body computes from `tiled`, if it does.
  std::optional<unsigned> asLoop(mlir::Operation &op);
};

/// Changes how every stage of the kernel reads `tensor`: `maps` turns the results of an indexing
/// map (bounds: constant extents of its loops), `coordinates` the indices of a tensor.extract.
/// tensor.dim of it is left alone. Fails on other users than stage inputs.
mlir::LogicalResult rewriteReads(
    mlir::Value tensor, mlir::Value replacement,
    llvm::function_ref<llvm::SmallVector<mlir::AffineExpr>(llvm::ArrayRef<mlir::AffineExpr>,
                                                           llvm::ArrayRef<int64_t>)>
        maps,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::OpBuilder &, mlir::Location,
                                                      mlir::ValueRange)>
        coordinates,
    llvm::function_ref<mlir::InFlightDiagnostic()> error, mlir::Operation *only = nullptr);

/// Evaluates an affine expression over loop values.
mlir::Value expand(mlir::OpBuilder &builder, mlir::Location loc, mlir::AffineExpr expr,
                   llvm::ArrayRef<mlir::Value> loops);

/// A stage without reduction over `shape`, one result; `value` makes the element from the loops.
mlir::linalg::GenericOp
buildMap(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
         llvm::ArrayRef<mlir::OpFoldResult> shape, mlir::Type element,
         llvm::ArrayRef<std::string> loops,
         llvm::function_ref<mlir::Value(mlir::OpBuilder &, llvm::ArrayRef<mlir::Value>)> value);

} // namespace tessera::scheduling

#endif
