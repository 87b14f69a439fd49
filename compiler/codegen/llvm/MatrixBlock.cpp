//===- MatrixBlock.cpp - The buffers of a block of a product ----------------------------------===//
#include "compiler/codegen/llvm/MatrixBlock.h"

#include "runtime/base/KernelAbi.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace tessera::codegen {

MatrixBlock::MatrixBlock(Function &function, const MatrixTiles &tiles)
    : function(function), tiles(tiles), b(function.getContext()),
      taps(unsigned(tiles.reductions.size() - 1)), stepLoop(tiles.rank + taps) {
  const unsigned others = tiles.rank - 2 + taps + 1;
  unsigned next = unsigned(function.arg_size()) - (2 + others + 2);
  lhs.buffer = function.getArg(next++);
  rhs.buffer = function.getArg(next++);
  for (unsigned i = 0; i < others; ++i)
    extents.push_back(function.getArg(next++));
  rowCount = function.getArg(next++);
  sums = function.getArg(next++);
  lhs.factor = &tiles.lhs;
  rhs.factor = &tiles.rhs;
}

Value *MatrixBlock::stack(int64_t bytes) {
  AllocaInst *slot = b.CreateAlloca(b.getInt8Ty(), b.getInt64(bytes));
  slot->setAlignment(Align(64));
  return slot;
}

Value *MatrixBlock::host(Value *buffer) {
  return b.CreateLoad(b.getPtrTy(), at(buffer, int64_t(offsetof(rt::KernelBuffer, host))));
}

Value *MatrixBlock::field(Value *buffer, unsigned dim, uint64_t offset) {
  Value *dims = b.CreateLoad(b.getPtrTy(), at(buffer, int64_t(offsetof(rt::KernelBuffer, dim))));
  return at(dims, int64_t(dim * sizeof(rt::KernelDim) + offset));
}

Value *MatrixBlock::min(Value *buffer, unsigned dim) {
  return b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, min)));
}

Value *MatrixBlock::extent(Value *buffer, unsigned dim) {
  return b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, extent)));
}

Value *MatrixBlock::stride(Value *buffer, unsigned dim) {
  return wide(b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, stride))));
}

Value *MatrixBlock::extentOf(unsigned dim) {
  Value *left = b.CreateSub(extents[dim], min(sums, ofSums(dim)));
  left = b.CreateBinaryIntrinsic(Intrinsic::smin, extent(sums, ofSums(dim)), left);
  return b.CreateBinaryIntrinsic(Intrinsic::smax, left, b.getInt32(0));
}

void MatrixBlock::sayWhatIsRead(const Side &side) {
  BasicBlock *say = block("say"), *after = block("said");
  b.CreateCondBr(b.CreateIsNull(host(side.buffer)), say, after);
  b.SetInsertPoint(say);
  for (auto [dim, width] : enumerate(side.factor->widths)) {
    Value *first = b.getInt32(0), *length = b.getInt32(width);
    for (const MatrixFactor::Move &move : side.factor->moves) {
      if (move.dim != dim)
        continue;
      Value *by = b.getInt32(move.by), *steps = nullptr;
      if (isOuter(move.loop)) {
        first = b.CreateAdd(first, b.CreateMul(by, min(sums, ofSums(move.loop))));
        steps = extentOf(move.loop);
      } else if (move.loop == tiles.rank - 2) {
        steps = rowsOfLastTile();
      } else if (move.loop == tiles.rank - 1) {
        steps = b.getInt32(kMatrixColumns);
      } else {
        steps = move.loop == stepLoop ? count : extents[move.loop - 2];
      }
      length = b.CreateAdd(length, b.CreateMul(by, b.CreateSub(steps, b.getInt32(1))));
    }
    // The last step of a row in groups may be short.
    if (const MatrixFactor::Move *step = stepOf(side, unsigned(dim)); step && step->by > 1) {
      Value *group = b.getInt32(kMatrixGroupBytes / tiles.elementBytes());
      Value *all = extents.back();
      if (&side == &rhs)
        all = b.CreateSDiv(b.CreateAdd(all, b.CreateSub(group, b.getInt32(1))), group);
      length = all;
    }
    const unsigned inner = of(side, unsigned(dim));
    b.CreateStore(first, field(side.buffer, inner, offsetof(rt::KernelDim, min)));
    b.CreateStore(length, field(side.buffer, inner, offsetof(rt::KernelDim, extent)));
  }
  b.CreateBr(after);
  b.SetInsertPoint(after);
}

Value *MatrixBlock::rowsOfLastTile() {
  Value *tile = b.CreateAdd(min(sums, ofSums(tiles.rowTiles)), extentOf(tiles.rowTiles));
  tile = b.CreateSub(tile, b.getInt32(1));
  Value *there = b.CreateSub(rowCount, b.CreateMul(tile, b.getInt32(tiles.rows)));
  return b.CreateBinaryIntrinsic(Intrinsic::smin, there, b.getInt32(tiles.rows));
}

const MatrixFactor::Move *MatrixBlock::stepOf(const Side &side, unsigned dim) const {
  auto found = find_if(side.factor->moves, [&](const MatrixFactor::Move &move) {
    return move.dim == dim && move.loop == stepLoop;
  });
  return found == side.factor->moves.end() ? nullptr : &*found;
}

void MatrixBlock::prepare(Side &side) {
  side.moves.assign(stepLoop + 1, b.getInt64(0));
  Value *offset = b.getInt64(0);
  for (size_t dim = 0; dim < side.factor->widths.size(); ++dim) {
    Value *bytes = times(stride(side.buffer, of(side, unsigned(dim))), tiles.elementBytes());
    offset =
        b.CreateSub(offset, b.CreateMul(wide(min(side.buffer, of(side, unsigned(dim)))), bytes));
    for (const MatrixFactor::Move &move : side.factor->moves) {
      if (move.dim != dim)
        continue;
      Value *&all = side.moves[move.loop];
      all = b.CreateAdd(all, times(bytes, move.by));
    }
  }
  for (unsigned loop = 0; isOuter(loop); ++loop)
    offset = b.CreateAdd(offset, b.CreateMul(wide(min(sums, ofSums(loop))), side.moves[loop]));
  side.begin = at(host(side.buffer), offset);
}

void MatrixBlock::loop(const Twine &name, Value *from, Value *to, int64_t by,
                       function_ref<void(Value *)> body) {
  BasicBlock *before = b.GetInsertBlock(), *head = block(name), *inside = block(name + ".body"),
             *after = block(name + ".end");
  b.CreateBr(head);
  b.SetInsertPoint(head);
  PHINode *i = b.CreatePHI(b.getInt64Ty(), 2);
  i->addIncoming(from, before);
  b.CreateCondBr(b.CreateICmpSLT(i, to), inside, after);
  b.SetInsertPoint(inside);
  body(i);
  i->addIncoming(b.CreateAdd(i, b.getInt64(by)), b.GetInsertBlock());
  b.CreateBr(head);
  b.SetInsertPoint(after);
}

void MatrixBlock::branch(Value *condition, function_ref<void()> then,
                         function_ref<void()> otherwise) {
  BasicBlock *yes = block("yes"), *no = block("no"), *after = block("after");
  b.CreateCondBr(condition, yes, no);
  b.SetInsertPoint(yes);
  then();
  b.CreateBr(after);
  b.SetInsertPoint(no);
  otherwise();
  b.CreateBr(after);
  b.SetInsertPoint(after);
}

} // namespace tessera::codegen
