//===- StageTile.h - The elements of a stage that are computed at a time -------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_STAGETILE_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_STAGETILE_H

#include "compiler/codegen/loops/ByteProducts.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

namespace tessera::loops {

/// The elements that one step of the innermost parallel loops computes.
struct Tile {
  int64_t rows = 1, lanes = 1;
};

/// Emits tiles of a stage on buffers: whoever derives from it makes the loops around them, and says
/// in `indices` where they are.
class TileEmitter {
protected:
  TileEmitter(mlir::linalg::GenericOp op, const VectorUnit &unit)
      : op(op), b(op.getLoc(), op), unit(unit), indices(op.getNumLoops()),
        starts(op.getNumDpsInits()) {}

  /// All results of a tile: running values in registers, reduction loops around the body.
  void emitTile(Tile tile);
  mlir::Value constant(int64_t value);

  mlir::linalg::GenericOp op;
  mlir::ImplicitLocOpBuilder b;
  const VectorUnit &unit;
  mlir::Value zero;
  llvm::SmallVector<unsigned> parallel,
      reductions; ///< loops, the parallel ones as the result's dims
  llvm::SmallVector<mlir::Value> extents, indices; ///< of all loops
  llvm::SmallVector<mlir::Value> starts; ///< of reductions, per result; null: what its buffer holds
  std::optional<ByteGroups> groups;      ///< that the innermost reduction is
  unsigned lanesLoop = 0;                ///< along which the elements of a vector lie
  int64_t vectorLanes = 1;
  /// Makes one of a vector's elements, which lie along the innermost reduction.
  std::optional<mlir::vector::CombiningKind> across;

private:
  using Values = llvm::SmallVector<mlir::Value>;

  Values emitReductions(size_t depth, Values carried, Tile tile);
  Values emitLoop(size_t depth, Values carried, Tile tile, mlir::Value from);
  mlir::Value lanesEnd();
  Values emitAcross(llvm::ArrayRef<mlir::Value> carried);
  Values emitGroups(llvm::ArrayRef<mlir::Value> sums, Tile tile);
  Values emitBodies(llvm::ArrayRef<mlir::Value> carried, Tile tile);
  Values emitBody(llvm::ArrayRef<mlir::Value> carried, int64_t row, Tile tile);
  void emitScalar(mlir::Operation &inner, mlir::IRMapping &mapping, int64_t row, Tile tile);
  mlir::Value start(mlir::OpOperand &init, int64_t row, Tile tile);
  bool needsInit(mlir::OpOperand &init);
  mlir::Value indexOf(unsigned loop, int64_t row);
  Values place(mlir::OpOperand &operand, int64_t row);
  bool isVector(mlir::OpOperand &operand, Tile tile);
  mlir::Value load(mlir::OpOperand &operand, int64_t row, Tile tile);
  void storeAll(llvm::ArrayRef<mlir::Value> values, Tile tile);
  void prefetch(mlir::OpOperand &operand, unsigned loop, int64_t elements);
  mlir::Value widen(mlir::Value value, int64_t lanes);
};

} // namespace tessera::loops

#endif
