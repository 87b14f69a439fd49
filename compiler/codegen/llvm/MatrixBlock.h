//===- MatrixBlock.h - The buffers of a block of a product -----------------------------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LLVM_MATRIXBLOCK_H
#define TESSERA_COMPILER_CODEGEN_LLVM_MATRIXBLOCK_H

#include "compiler/codegen/MatrixTiles.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"

namespace tessera::codegen {

/// What a function for products by matrix tiles gets (MatrixTiles), and the code that finds its way
/// in it: where factors and sums lie, what is read of them, loops.
class MatrixBlock {
public:
  MatrixBlock(llvm::Function &function, const MatrixTiles &tiles);

protected:
  using Value = llvm::Value;

  struct Side {
    Value *buffer = nullptr;
    const MatrixFactor *factor = nullptr;
    Value *begin = nullptr;                ///< where the first tile of the block begins
    llvm::SmallVector<Value *> moves;      ///< bytes per loop
    llvm::SmallVector<Value *> tapOffsets; ///< of the taps in a piece, in order
  };

  llvm::BasicBlock *block(const llvm::Twine &name) {
    return llvm::BasicBlock::Create(function.getContext(), name, &function);
  }
  Value *stack(int64_t bytes);
  Value *wide(Value *value) { return b.CreateSExt(value, b.getInt64Ty()); }
  Value *times(Value *value, int64_t by) { return b.CreateMul(value, b.getInt64(by)); }
  Value *at(Value *base, Value *offset) { return b.CreateInBoundsGEP(b.getInt8Ty(), base, offset); }
  Value *at(Value *base, int64_t offset) { return at(base, b.getInt64(offset)); }

  Value *host(Value *buffer);
  /// Of a dimension, counted from the innermost.
  Value *min(Value *buffer, unsigned dim);
  Value *extent(Value *buffer, unsigned dim);
  Value *stride(Value *buffer, unsigned dim);
  /// The dimension of the sums, or of a factor, counted from the innermost.
  unsigned ofSums(unsigned dim) const { return tiles.rank - 1 - dim; }
  static unsigned of(const Side &side, unsigned dim) {
    return unsigned(side.factor->widths.size()) - 1 - dim;
  }
  bool isOuter(unsigned loop) const { return loop < tiles.rank - 2; }
  /// How the steps of the last reduction move along a dimension, if they do.
  const MatrixFactor::Move *stepOf(const Side &side, unsigned dim) const;

  /// Of an outer dimension of the sums. The last block has memory for as many as the others, but
  /// the sums end before.
  Value *extentOf(unsigned dim);
  /// The region of a factor that the block reads, if it has no memory yet.
  void sayWhatIsRead(const Side &side);
  /// Begins, and bytes that each loop moves by.
  void prepare(Side &side);

  /// `for (i = from; i < to; i += by) body(i)`; nothing where there is nothing.
  void loop(const llvm::Twine &name, Value *from, Value *to, int64_t by,
            llvm::function_ref<void(Value *)> body);
  void branch(Value *condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);

  llvm::Function &function;
  const MatrixTiles &tiles;
  llvm::IRBuilder<> b;
  const unsigned taps, stepLoop; ///< reductions but the last; the number of the last one
  Side lhs, rhs;
  /// Of the sums but for the last two dimensions, of reductions.
  llvm::SmallVector<Value *> extents;
  Value *rowCount, *sums;
  Value *count = nullptr; ///< steps of instructions

private:
  Value *field(Value *buffer, unsigned dim, uint64_t offset);
  Value *rowsOfLastTile();
};

} // namespace tessera::codegen

#endif
