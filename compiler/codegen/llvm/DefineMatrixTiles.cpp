//===- DefineMatrixTiles.cpp - Functions for products by matrix tiles -----------------------===//
// A block is summed in pieces of `kPiece` steps, so that the columns of a piece stay in the first
// cache while all rows of the block pass by. Sums of a tile are loaded, go through the piece in
// four registers (16 x 16 each), and are stored.
#include "compiler/codegen/llvm/DefineMatrixTiles.h"

#include "runtime/base/KernelAbi.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"

using namespace llvm;

namespace tessera::codegen {

namespace {

/// Steps of the instructions in a piece: 16 KB of a tile of columns.
constexpr int64_t kPiece = 8;
/// A register: 16 rows of 64 bytes.
constexpr int64_t kRows = 16, kRowBytes = kMatrixRowBytes;
/// What one instruction sums in a place, in bytes.
constexpr int64_t kGroupBytes = 4;

class Definer {
public:
  Definer(Function &function, const MatrixTiles &tiles)
      : function(function), tiles(tiles), b(function.getContext()) {
    const unsigned count = function.arg_size();
    lhs = function.getArg(count - 4);
    rhs = function.getArg(count - 3);
    steps = function.getArg(count - 2);
    sums = function.getArg(count - 1);
  }

  void run() {
    b.SetInsertPoint(block("entry"));
    AllocaInst *rest = b.CreateAlloca(b.getInt8Ty(), b.getInt64(kRows * 2 * kRowBytes));
    rest->setAlignment(Align(64));
    Value *perGroup = b.getInt32(kGroupBytes / bytes()), *perRow = b.getInt32(kRowBytes / bytes());
    groups = b.CreateSDiv(b.CreateAdd(steps, b.getInt32(kGroupBytes / bytes() - 1)), perGroup);
    count = b.CreateSDiv(b.CreateAdd(steps, b.getInt32(kRowBytes / bytes() - 1)), perRow);
    Value *isQuery = b.CreateOr(b.CreateIsNull(host(lhs)), b.CreateIsNull(host(rhs)));
    BasicBlock *query = block("query"), *multiply = block("multiply");
    b.CreateCondBr(isQuery, query, multiply);
    b.SetInsertPoint(query);
    sayWhatIsRead();
    b.CreateRet(b.getInt32(0));
    b.SetInsertPoint(multiply);
    multiplyBlock(rest);
    b.CreateRet(b.getInt32(0));
  }

private:
  int64_t bytes() const { return tiles.isFloat ? 2 : 1; }
  BasicBlock *block(const Twine &name) {
    return BasicBlock::Create(function.getContext(), name, &function);
  }

  //===-- Buffers ----------------------------------------------------------------===//

  Value *at(Value *base, Value *offset) { return b.CreateInBoundsGEP(b.getInt8Ty(), base, offset); }
  Value *at(Value *base, int64_t offset) { return at(base, b.getInt64(offset)); }
  Value *host(Value *buffer) {
    return b.CreateLoad(b.getPtrTy(), at(buffer, int64_t(offsetof(rt::KernelBuffer, host))));
  }
  /// A field of a dimension, counted from the innermost.
  Value *field(Value *buffer, unsigned dim, uint64_t offset) {
    Value *dims = b.CreateLoad(b.getPtrTy(), at(buffer, int64_t(offsetof(rt::KernelBuffer, dim))));
    return at(dims, int64_t(dim * sizeof(rt::KernelDim) + offset));
  }
  Value *min(Value *buffer, unsigned dim) {
    return b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, min)));
  }
  Value *extent(Value *buffer, unsigned dim) {
    return b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, extent)));
  }
  Value *stride(Value *buffer, unsigned dim) {
    return b.CreateSExt(
        b.CreateLoad(b.getInt32Ty(), field(buffer, dim, offsetof(rt::KernelDim, stride))),
        b.getInt64Ty());
  }
  /// The dimension of the sums, counted from the innermost.
  unsigned ofSums(unsigned dim) const { return tiles.rank - 1 - dim; }

  /// The region of a factor that the block reads, if it has no memory yet.
  void sayWhatIsRead(Value *factor, ArrayRef<unsigned> outer, unsigned tileDim, int64_t inner,
                     Value *along) {
    BasicBlock *say = block("say"), *after = block("said");
    b.CreateCondBr(b.CreateIsNull(host(factor)), say, after);
    b.SetInsertPoint(say);
    auto set = [&](unsigned dim, Value *from, Value *length) {
      b.CreateStore(from, field(factor, dim, offsetof(rt::KernelDim, min)));
      b.CreateStore(length, field(factor, dim, offsetof(rt::KernelDim, extent)));
    };
    auto follow = [&](unsigned dim, unsigned other) {
      set(dim, min(sums, ofSums(other)), extent(sums, ofSums(other)));
    };
    set(0, b.getInt32(0), b.getInt32(inner));
    set(1, b.getInt32(0), b.getInt32(kMatrixEdge));
    set(2, b.getInt32(0), along);
    follow(3, tileDim);
    for (auto [d, other] : enumerate(outer))
      follow(unsigned(3 + outer.size() - d), other);
    b.CreateBr(after);
    b.SetInsertPoint(after);
  }
  void sayWhatIsRead() {
    sayWhatIsRead(lhs, tiles.lhsOuter, tiles.rowTiles, kRowBytes / bytes(), count);
    sayWhatIsRead(rhs, tiles.rhsOuter, tiles.columnTiles, kGroupBytes / bytes(), groups);
  }

  /// Where the first tile of the block begins.
  Value *begin(Value *factor, ArrayRef<unsigned> outer, unsigned tileDim) {
    Value *offset = b.getInt64(0);
    auto add = [&](unsigned dim, Value *index) {
      Value *distance = b.CreateSExt(b.CreateSub(index, min(factor, dim)), b.getInt64Ty());
      offset = b.CreateAdd(offset, b.CreateMul(distance, stride(factor, dim)));
    };
    for (unsigned dim = 0; dim < 3; ++dim)
      add(dim, b.getInt32(0));
    add(3, min(sums, ofSums(tileDim)));
    for (auto [d, other] : enumerate(outer))
      add(unsigned(3 + outer.size() - d), min(sums, ofSums(other)));
    return at(host(factor), b.CreateMul(offset, b.getInt64(bytes())));
  }

  /// Tiles that the block has along a dimension. The last block has memory for as many as the
  /// others, but the factor ends before.
  Value *tilesOf(Value *factor, unsigned tileDim) {
    Value *end = b.CreateAdd(min(factor, 3), extent(factor, 3));
    Value *left = b.CreateSub(end, min(sums, ofSums(tileDim)));
    return b.CreateBinaryIntrinsic(Intrinsic::smin, extent(sums, ofSums(tileDim)), left);
  }

  //===-- Loops ------------------------------------------------------------------===//

  /// `for (i = from; i < to; i += by) body(i)`; nothing where there is nothing.
  void loop(const Twine &name, Value *from, Value *to, int64_t by,
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

  void multiplyBlock(Value *rest) {
    Value *zero = b.getInt64(0);
    auto wide = [&](Value *value) { return b.CreateSExt(value, b.getInt64Ty()); };
    Value *rows = wide(tilesOf(lhs, tiles.rowTiles));
    Value *columns = wide(tilesOf(rhs, tiles.columnTiles));
    Value *all = wide(count), *allGroups = wide(groups);
    Value *sumsAt = host(sums);
    auto bytesOf = [&](Value *buffer, unsigned dim, int64_t element) {
      return b.CreateMul(stride(buffer, dim), b.getInt64(element));
    };
    rowOfSums = bytesOf(sums, 1, 4);
    Value *downSums = bytesOf(sums, ofSums(tiles.rowTiles), 4),
          *acrossSums = bytesOf(sums, ofSums(tiles.columnTiles), 4);
    Value *lhsAt = begin(lhs, tiles.lhsOuter, tiles.rowTiles),
          *rhsAt = begin(rhs, tiles.rhsOuter, tiles.columnTiles);
    Value *lhsTile = bytesOf(lhs, 3, bytes()), *rhsTile = bytesOf(rhs, 3, bytes());
    auto tileOfSums = [&](Value *row, Value *column) {
      return at(at(sumsAt, b.CreateMul(row, downSums)), b.CreateMul(column, acrossSums));
    };
    loop("row", zero, rows, 1, [&](Value *row) {
      loop("column", zero, columns, 1, [&](Value *column) { clear(tileOfSums(row, column)); });
    });
    loop("piece", zero, all, kPiece, [&](Value *from) {
      Value *end = b.CreateAdd(from, b.getInt64(kPiece));
      Value *to = b.CreateSelect(b.CreateICmpSLT(end, all), end, all);
      loop("row", zero, rows, 1, [&](Value *row) {
        loop("column", zero, columns, 1, [&](Value *column) {
          multiplyTile(tileOfSums(row, column), at(lhsAt, b.CreateMul(row, lhsTile)),
                       at(rhsAt, b.CreateMul(column, rhsTile)), from, to, allGroups, rest);
        });
      });
    });
  }

  void clear(Value *tile) {
    Type *vector = FixedVectorType::get(b.getInt32Ty(), 16);
    loop("clear", b.getInt64(0), b.getInt64(kMatrixEdge), 1, [&](Value *row) {
      Value *place = at(tile, b.CreateMul(row, rowOfSums));
      b.CreateAlignedStore(Constant::getNullValue(vector), place, Align(4));
      b.CreateAlignedStore(Constant::getNullValue(vector), at(place, 64), Align(4));
    });
  }

  /// The columns of the last step, filled up with zeros: their tile ends with the last group.
  void copyRest(Value *from, Value *first, Value *allGroups, Value *rest) {
    Type *vector = FixedVectorType::get(b.getInt32Ty(), 16);
    loop("rest", b.getInt64(0), b.getInt64(kRows), 1, [&](Value *row) {
      Value *exists = b.CreateICmpSLT(b.CreateAdd(first, row), allGroups);
      Value *mask = b.CreateVectorSplat(16, exists);
      Value *source = at(from, b.CreateMul(row, b.getInt64(2 * kRowBytes)));
      Value *target = at(rest, b.CreateMul(row, b.getInt64(2 * kRowBytes)));
      for (int64_t half : {int64_t(0), kRowBytes})
        b.CreateAlignedStore(b.CreateMaskedLoad(vector, at(source, half), Align(4), mask,
                                                Constant::getNullValue(vector)),
                             at(target, half), Align(64));
    });
  }

  Value *load(Value *place, Value *rowBytes) {
    return b.CreateIntrinsic(Intrinsic::x86_tileloadd64_internal, {},
                             {b.getInt16(kRows), b.getInt16(kRowBytes), place, rowBytes});
  }

  /// Adds the steps from..to to a tile of sums.
  void multiplyTile(Value *tile, Value *lhsAt, Value *rhsAt, Value *from, Value *to,
                    Value *allGroups, Value *rest) {
    Value *lastStep = b.CreateSub(to, b.getInt64(1));
    Value *lastGroup = b.CreateMul(lastStep, b.getInt64(kRows));
    constexpr int64_t kLhsStep = kMatrixEdge * kRowBytes, kRhsStep = kRows * 2 * kRowBytes;
    Value *isShort = b.CreateICmpSGT(b.CreateAdd(lastGroup, b.getInt64(kRows)), allGroups);
    BasicBlock *copy = block("short"), *head = block("step"), *inside = block("step.body"),
               *after = block("step.end"), *go = block("go");
    b.CreateCondBr(isShort, copy, go);
    b.SetInsertPoint(copy);
    copyRest(at(rhsAt, b.CreateMul(lastStep, b.getInt64(kRhsStep))), lastGroup, allGroups, rest);
    b.CreateBr(go);
    b.SetInsertPoint(go);
    Value *corners[4], *places[4];
    for (int i = 0; i < 4; ++i) {
      Value *corner = at(tile, (i & 1) * kRowBytes);
      places[i] = i < 2 ? corner : at(corner, b.CreateMul(rowOfSums, b.getInt64(kRows)));
      corners[i] = load(places[i], rowOfSums);
    }
    BasicBlock *before = b.GetInsertBlock();
    b.CreateBr(head);
    b.SetInsertPoint(head);
    PHINode *step = b.CreatePHI(b.getInt64Ty(), 2), *values[4];
    step->addIncoming(from, before);
    for (int i = 0; i < 4; ++i) {
      values[i] = b.CreatePHI(corners[i]->getType(), 2);
      values[i]->addIncoming(corners[i], before);
    }
    b.CreateCondBr(b.CreateICmpSLT(step, to), inside, after);
    b.SetInsertPoint(inside);
    Value *x = at(lhsAt, b.CreateMul(step, b.getInt64(kLhsStep)));
    Value *w = at(rhsAt, b.CreateMul(step, b.getInt64(kRhsStep)));
    w = b.CreateSelect(b.CreateAnd(isShort, b.CreateICmpEQ(step, lastStep)), rest, w);
    Value *down[2] = {load(x, b.getInt64(kRowBytes)),
                      load(at(x, kRows * kRowBytes), b.getInt64(kRowBytes))};
    Value *across[2] = {load(w, b.getInt64(2 * kRowBytes)),
                        load(at(w, kRowBytes), b.getInt64(2 * kRowBytes))};
    for (int i = 0; i < 4; ++i)
      values[i]->addIncoming(
          b.CreateIntrinsic(instruction(), {},
                            {b.getInt16(kRows), b.getInt16(kRowBytes), b.getInt16(kRowBytes),
                             values[i], down[i >> 1], across[i & 1]}),
          inside);
    step->addIncoming(b.CreateAdd(step, b.getInt64(1)), inside);
    b.CreateBr(head);
    b.SetInsertPoint(after);
    for (int i = 0; i < 4; ++i)
      b.CreateIntrinsic(
          Intrinsic::x86_tilestored64_internal, {},
          {b.getInt16(kRows), b.getInt16(kRowBytes), places[i], rowOfSums, values[i]});
  }

  Intrinsic::ID instruction() const {
    if (tiles.isFloat)
      return Intrinsic::x86_tdpbf16ps_internal;
    if (tiles.lhsUnsigned)
      return tiles.rhsUnsigned ? Intrinsic::x86_tdpbuud_internal : Intrinsic::x86_tdpbusd_internal;
    return tiles.rhsUnsigned ? Intrinsic::x86_tdpbsud_internal : Intrinsic::x86_tdpbssd_internal;
  }

  Function &function;
  const MatrixTiles &tiles;
  IRBuilder<> b;
  Value *lhs, *rhs, *steps, *sums;
  Value *groups = nullptr, *count = nullptr; ///< of the reduction: groups; steps of instructions
  Value *rowOfSums = nullptr;                ///< bytes from a row of the sums to the next
};

} // namespace

void defineMatrixTiles(Module &module, ArrayRef<MatrixTiles> functions) {
  for (const MatrixTiles &tiles : functions) {
    Function *function = module.getFunction(tiles.name);
    if (!function) // Nobody reads the product.
      continue;
    Definer(*function, tiles).run();
    function->setLinkage(GlobalValue::InternalLinkage);
    // Its registers are set up once for a block, not in every function that asks for one.
    function->addFnAttr(Attribute::NoInline);
  }
}

} // namespace tessera::codegen
