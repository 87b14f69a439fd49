//===- DefineMatrixTiles.cpp - Functions for products by matrix tiles -----------------------===//
// 1. A block has tiles of rows (along any dimensions of the sums but the columns) and of columns.
//    Where each tile of rows lies is noted in a table once, for `kMostTiles` at a time.
// 2. The reductions go by in pieces whose columns stay in the first cache (`kPieceBytes`) while all
//    rows of the block pass by: all taps of a window if they fit, else some inner ones, or
//    `kPieceSteps` steps of the last reduction.
// 3. Two tiles of rows and two of 16 columns are in four registers (16 x 16 each) while they go
//    through a piece. Steps are written out, each load right before what it is for.
// 4. Of tiles of rows that would be read past the end of the factor's memory, what is there is
// copied
//    for each piece. The other rows have any numbers, and sums that nobody reads.
#include "compiler/codegen/llvm/DefineMatrixTiles.h"

#include "compiler/codegen/llvm/MatrixBlock.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/Support/MathExtras.h"

#include <array>

using namespace llvm;

namespace tessera::codegen {

namespace {

/// With twice as many a piece leaves no room in L1 for the rows that pass by (Granite Rapids, bf16,
/// 512, 1024 and 2048 cubed: 8 steps of 2 KB take 0.98, 0.93 and 0.81 of the time of 16).
constexpr int64_t kPieceSteps = 8, kPieceBytes = 18 << 10;
constexpr unsigned kMostTiles = 64;

class Definer : MatrixBlock {
public:
  using MatrixBlock::MatrixBlock;

  void run() {
    b.SetInsertPoint(block("entry"));
    for (Value *&column : tileTable)
      column = b.CreateAlloca(b.getInt64Ty(), b.getInt64(kMostTiles));
    rest = stack(kMatrixRows * 2 * kMatrixRowBytes);
    const int64_t step = tiles.stepBytes / tiles.elementBytes();
    Value *depth = extents.back();
    count = b.CreateSDiv(b.CreateAdd(depth, b.getInt32(step - 1)), b.getInt32(step));
    Value *isQuery = b.CreateIsNull(host(sums));
    for (Value *buffer : {lhs.buffer, rhs.buffer})
      isQuery = b.CreateOr(isQuery, b.CreateIsNull(host(buffer)));
    BasicBlock *query = block("query"), *multiply = block("multiply");
    b.CreateCondBr(isQuery, query, multiply);
    b.SetInsertPoint(query);
    sayWhatIsRead(lhs);
    sayWhatIsRead(rhs);
    b.CreateRet(b.getInt32(0));
    b.SetInsertPoint(multiply);
    multiplyBlock();
    b.CreateRet(b.getInt32(0));
  }

private:
  using Four = std::array<Value *, 4>;
  using Two = std::array<Value *, 2>;
  /// Of a tile in a piece: where the rows lie, how far apart, and where each tap begins.
  struct Rows {
    Value *begin, *rowBytes;
    SmallVector<Value *> taps;
  };
  using TwoRows = std::array<Rows, 2>;

  //===-- Blocks -----------------------------------------------------------------===//

  void multiplyBlock() {
    prepare(lhs);
    prepare(rhs);
    allSteps = wide(count);
    const int64_t group = kMatrixGroupBytes / tiles.elementBytes();
    allGroups =
        wide(b.CreateSDiv(b.CreateAdd(extents.back(), b.getInt32(group - 1)), b.getInt32(group)));
    rowOfSums = times(stride(sums, 1), 4);
    findPieces();
    findEnd();
    Value *rowTiles = b.getInt64(1);
    for (unsigned dim = 0; isOuter(dim); ++dim)
      if (dim != tiles.columnTiles)
        rowTiles = b.CreateMul(rowTiles, wide(extentOf(dim)));
    Value *columns = wide(extentOf(tiles.columnTiles));
    Value *acrossSums = times(stride(sums, ofSums(tiles.columnTiles)), 4);
    loop("tiles", b.getInt64(0), rowTiles, kMostTiles, [&](Value *first) {
      Value *number = b.CreateBinaryIntrinsic(Intrinsic::smin, b.CreateSub(rowTiles, first),
                                              b.getInt64(kMostTiles));
      loop("note", b.getInt64(0), number, 1,
           [&](Value *tile) { note(tile, b.CreateAdd(first, tile)); });
      pieces(0, lhs.begin, rhs.begin, nullptr,
             [&](Value *x, Value *w, Value *isFirst, Value *from) {
               loop("column", b.getInt64(0), columns, 1, [&](Value *column) {
                 Value *here = at(w, b.CreateMul(column, rhs.moves[tiles.columnTiles]));
                 Value *sumsAt = at(host(sums), b.CreateMul(column, acrossSums));
                 loop("row", b.getInt64(0), number, 2, [&](Value *row) {
                   // An odd one is computed twice.
                   Value *next =
                       b.CreateBinaryIntrinsic(Intrinsic::smin, b.CreateAdd(row, b.getInt64(1)),
                                               b.CreateSub(number, b.getInt64(1)));
                   multiplyTiles({row, next}, x, here, sumsAt, isFirst, from);
                 });
               });
             });
    });
  }

  /// (1) Of the tile `number` of the block: where its rows and sums lie, from where the block
  /// begins, and how many of its rows can be read in place (0: all).
  void note(Value *entry, Value *number) {
    Value *left = number, *rows = b.getInt64(0), *place = b.getInt64(0), *tile = nullptr;
    for (unsigned dim = tiles.rank - 2; dim-- > 0;) {
      if (dim == tiles.columnTiles)
        continue;
      Value *extent = wide(extentOf(dim)), *index = b.CreateURem(left, extent);
      left = b.CreateUDiv(left, extent);
      rows = b.CreateAdd(rows, b.CreateMul(index, lhs.moves[dim]));
      place = b.CreateAdd(place, b.CreateMul(index, times(stride(sums, ofSums(dim)), 4)));
      if (dim == tiles.rowTiles)
        tile = b.CreateAdd(index, wide(min(sums, ofSums(dim))));
    }
    Value *there = b.CreateSub(wide(rowCount), times(tile, tiles.rows));
    there = b.CreateBinaryIntrinsic(Intrinsic::smin, there, b.getInt64(tiles.rows));
    Value *isInside = b.CreateICmpSLE(b.CreateAdd(rows, tileEnd), lhsEnd);
    Value *mine[] = {rows, place, b.CreateSelect(isInside, b.getInt64(0), there)};
    for (auto [column, value] : zip_equal(tileTable, mine))
      b.CreateStore(value, b.CreateInBoundsGEP(b.getInt64Ty(), column, entry));
  }
  Value *noted(unsigned column, Value *entry) {
    return b.CreateLoad(b.getInt64Ty(),
                        b.CreateInBoundsGEP(b.getInt64Ty(), tileTable[column], entry));
  }

  /// Where the factor's memory ends and where a tile does, in bytes from where the block begins.
  void findEnd() {
    Value *end = b.getInt64(tiles.elementBytes());
    for (size_t dim = 0; dim < lhs.factor->widths.size(); ++dim) {
      Value *last = b.CreateSub(extent(lhs.buffer, unsigned(dim)), b.getInt32(1));
      end = b.CreateAdd(end, b.CreateMul(wide(last), times(stride(lhs.buffer, unsigned(dim)),
                                                           tiles.elementBytes())));
    }
    Value *begin = b.CreatePtrToInt(lhs.begin, b.getInt64Ty());
    lhsEnd =
        b.CreateSub(b.CreateAdd(b.CreatePtrToInt(host(lhs.buffer), b.getInt64Ty()), end), begin);
    tileEnd =
        b.CreateAdd(times(lhs.moves[tiles.rank - 2], tiles.rows - 1), b.getInt64(tiles.stepBytes));
    for (unsigned number = 0; number <= taps; ++number) {
      Value *steps = number == taps ? allSteps : wide(extents[tiles.rank - 2 + number]);
      tileEnd = b.CreateAdd(
          tileEnd, b.CreateMul(b.CreateSub(steps, b.getInt64(1)), lhs.moves[tiles.rank + number]));
    }
  }

  //===-- Pieces -----------------------------------------------------------------===//

  int64_t knownSteps() const {
    const int64_t depth = tiles.reductions.back();
    return depth < 0 ? -1 : divideCeil(depth, tiles.stepBytes / tiles.elementBytes());
  }
  bool isShort() const {
    return tiles.reductions.back() < 0 ||
           tiles.reductions.back() % (tiles.stepBytes / tiles.elementBytes()) != 0;
  }

  /// (2) How many taps, from the last one, are in a piece, and where each of them lies.
  void findPieces() {
    const int64_t most = kPieceBytes / (tiles.stepBytes * kMatrixColumns);
    int64_t steps = knownSteps();
    isWhole = steps > 0 && steps <= most && !isShort();
    pieceTaps = 0;
    for (Side *side : {&lhs, &rhs})
      side->tapOffsets = {b.getInt64(0)};
    if (!isWhole)
      return;
    while (pieceTaps < taps) {
      const unsigned loop = tiles.rank + taps - 1 - pieceTaps;
      const int64_t extent = tiles.reductions[loop - tiles.rank];
      if (extent <= 0 || steps * extent > most)
        break;
      steps *= extent;
      ++pieceTaps;
      for (Side *side : {&lhs, &rhs}) {
        SmallVector<Value *> offsets;
        for (int64_t tap = 0; tap < extent; ++tap)
          for (Value *offset : side->tapOffsets)
            offsets.push_back(b.CreateAdd(times(side->moves[loop], tap), offset));
        side->tapOffsets = offsets;
      }
    }
  }

  using PieceBody = function_ref<void(Value *x, Value *w, Value *isFirst, Value *from)>;
  void pieces(unsigned tap, Value *x, Value *w, Value *isFirst, PieceBody body) {
    auto both = [&](Value *more) { return isFirst ? b.CreateAnd(isFirst, more) : more; };
    if (tap + pieceTaps < taps) {
      loop("tap", b.getInt64(0), wide(extents[tiles.rank - 2 + tap]), 1, [&](Value *i) {
        pieces(tap + 1, at(x, b.CreateMul(i, lhs.moves[tiles.rank + tap])),
               at(w, b.CreateMul(i, rhs.moves[tiles.rank + tap])),
               both(b.CreateICmpEQ(i, b.getInt64(0))), body);
      });
      return;
    }
    if (isWhole) {
      body(x, w, isFirst ? isFirst : b.getTrue(), b.getInt64(0));
      return;
    }
    // A sum of nothing is stored, too.
    Value *end = b.CreateBinaryIntrinsic(Intrinsic::smax, allSteps, b.getInt64(1));
    loop("piece", b.getInt64(0), end, kPieceSteps, [&](Value *from) {
      body(at(x, b.CreateMul(from, lhs.moves[stepLoop])),
           at(w, b.CreateMul(from, rhs.moves[stepLoop])), both(b.CreateICmpEQ(from, b.getInt64(0))),
           from);
    });
  }

  //===-- Tiles ------------------------------------------------------------------===//

  Value *load(int64_t rows, int64_t bytes, Value *place, Value *rowBytes) {
    return b.CreateIntrinsic(Intrinsic::x86_tileloadd64_internal, {},
                             {b.getInt16(rows), b.getInt16(bytes), place, rowBytes});
  }

  /// (3) Adds a piece to two tiles of rows of a tile of columns. `x`: of the first tile.
  void multiplyTiles(Two entries, Value *x, Value *w, Value *sumsAt, Value *isFirst, Value *from) {
    TwoRows rows;
    Four places;
    for (int i : {0, 1}) {
      rows[i] = readable(i, at(x, noted(0, entries[i])), noted(2, entries[i]), from);
      places[2 * i] = at(sumsAt, noted(1, entries[i]));
      places[2 * i + 1] = at(places[2 * i], kMatrixRowBytes);
    }
    auto go = [&](bool isFirstPiece) {
      Four values;
      for (int i = 0; i < 4; ++i)
        values[i] = isFirstPiece
                        ? b.CreateIntrinsic(Intrinsic::x86_tilezero_internal, {},
                                            {b.getInt16(tiles.rows), b.getInt16(kMatrixRowBytes)})
                        : load(tiles.rows, kMatrixRowBytes, places[i], rowOfSums);
      auto finish = [&](const Four &results) {
        for (int i = 0; i < 4; ++i)
          b.CreateIntrinsic(Intrinsic::x86_tilestored64_internal, {},
                            {b.getInt16(tiles.rows), b.getInt16(kMatrixRowBytes), places[i],
                             rowOfSums, results[i]});
      };
      if (isWhole)
        writeOut(values, rows, w, finish);
      else
        steps(values, rows, w, from, finish);
    };
    branch(isFirst, [&] { go(true); }, [&] { go(false); });
  }

  /// Rows in tiles of their own are all there.
  bool canOverrun() const {
    return stepOf(lhs, unsigned(lhs.factor->widths.size() - 1)) != nullptr;
  }

  /// One step at x and w.
  Four step(Four values, const TwoRows &rows, const Two &x, Value *w) {
    Value *rowOfColumns = b.getInt64(2 * kMatrixRowBytes);
    const int64_t groups = tiles.stepBytes / kMatrixGroupBytes;
    Value *down = load(tiles.rows, tiles.stepBytes, x[0], rows[0].rowBytes);
    Two across;
    across[0] = load(groups, kMatrixRowBytes, w, rowOfColumns);
    values[0] = multiply(values[0], down, across[0]);
    across[1] = load(groups, kMatrixRowBytes, at(w, kMatrixRowBytes), rowOfColumns);
    values[1] = multiply(values[1], down, across[1]);
    down = load(tiles.rows, tiles.stepBytes, x[1], rows[1].rowBytes);
    values[2] = multiply(values[2], down, across[0]);
    values[3] = multiply(values[3], down, across[1]);
    return values;
  }
  Value *multiply(Value *sum, Value *down, Value *across) {
    return b.CreateIntrinsic(instruction(), {},
                             {b.getInt16(tiles.rows), b.getInt16(kMatrixRowBytes),
                              b.getInt16(tiles.stepBytes), sum, down, across});
  }

  /// All steps of a piece whose number is known.
  void writeOut(Four values, const TwoRows &rows, Value *w,
                function_ref<void(const Four &)> finish) {
    for (auto [tap, right] : enumerate(rhs.tapOffsets))
      for (int64_t i = 0; i < knownSteps(); ++i) {
        Two x;
        for (int r : {0, 1})
          x[r] = at(rows[r].begin, b.CreateAdd(rows[r].taps[tap], times(lhs.moves[stepLoop], i)));
        values = step(values, rows, x, at(w, b.CreateAdd(right, times(rhs.moves[stepLoop], i))));
      }
    finish(values);
  }

  /// `kPieceSteps` steps written out, or fewer one after the other.
  void steps(const Four &values, const TwoRows &rows, Value *w, Value *from,
             function_ref<void(const Four &)> finish) {
    auto written = [&] {
      Four sums = values;
      for (int64_t i = 0; i < kPieceSteps; ++i) {
        Value *down = times(lhs.moves[stepLoop], i);
        sums = step(sums, rows, {at(rows[0].begin, down), at(rows[1].begin, down)},
                    at(w, times(rhs.moves[stepLoop], i)));
      }
      finish(sums);
    };
    const int64_t known = isShort() ? -1 : knownSteps();
    if (known > 0 && known % kPieceSteps == 0) {
      written();
      return;
    }
    Value *end = b.CreateAdd(from, b.getInt64(kPieceSteps));
    Value *fits = b.CreateICmpSLE(end, allSteps);
    if (isShort())
      fits = b.CreateAnd(fits, b.CreateICmpSLE(groupsOf(end), allGroups));
    branch(fits, written, [&] { finish(loopOverSteps(values, rows, w, from)); });
  }
  Value *groupsOf(Value *steps) { return times(steps, tiles.stepBytes / kMatrixGroupBytes); }

  /// The steps of a piece from `from` on, at most `kPieceSteps`. Columns of a short last step are
  /// filled up with zeros.
  Four loopOverSteps(const Four &values, const TwoRows &rows, Value *w, Value *from) {
    Value *end = b.CreateAdd(from, b.getInt64(kPieceSteps));
    Value *to = b.CreateBinaryIntrinsic(Intrinsic::smin, end, allSteps);
    Value *last = b.CreateSub(to, b.getInt64(1)), *cut = b.getFalse();
    if (isShort()) {
      cut = b.CreateICmpSGT(groupsOf(to), allGroups);
      branch(cut, [&] { copyRest(w, b.CreateSub(last, from), groupsOf(last)); }, [] {});
    }
    BasicBlock *before = b.GetInsertBlock(), *head = block("step"), *inside = block("step.body"),
               *after = block("step.end");
    b.CreateBr(head);
    b.SetInsertPoint(head);
    PHINode *i = b.CreatePHI(b.getInt64Ty(), 2);
    i->addIncoming(from, before);
    std::array<PHINode *, 4> carried;
    Four sums;
    for (int c = 0; c < 4; ++c) {
      carried[c] = b.CreatePHI(values[c]->getType(), 2);
      carried[c]->addIncoming(values[c], before);
      sums[c] = carried[c];
    }
    b.CreateCondBr(b.CreateICmpSLT(i, to), inside, after);
    b.SetInsertPoint(inside);
    Value *done = b.CreateSub(i, from);
    Value *down = b.CreateMul(done, lhs.moves[stepLoop]);
    Value *across = at(w, b.CreateMul(done, rhs.moves[stepLoop]));
    if (isShort())
      across = b.CreateSelect(b.CreateAnd(cut, b.CreateICmpEQ(i, last)), rest, across);
    Four next = step(sums, rows, {at(rows[0].begin, down), at(rows[1].begin, down)}, across);
    for (int c = 0; c < 4; ++c)
      carried[c]->addIncoming(next[c], inside);
    i->addIncoming(b.CreateAdd(i, b.getInt64(1)), inside);
    b.CreateBr(head);
    b.SetInsertPoint(after);
    return sums;
  }

  void copyRest(Value *w, Value *steps, Value *first) {
    Type *vector = FixedVectorType::get(b.getInt32Ty(), 16);
    Value *from = at(w, b.CreateMul(steps, rhs.moves[stepLoop]));
    loop("rest", b.getInt64(0), b.getInt64(kMatrixRows), 1, [&](Value *row) {
      Value *exists = b.CreateICmpSLT(b.CreateAdd(first, row), allGroups);
      Value *mask = b.CreateVectorSplat(16, exists);
      Value *offset = times(row, 2 * kMatrixRowBytes);
      Value *source = at(from, offset), *target = at(rest, offset);
      for (int64_t half : {int64_t(0), kMatrixRowBytes})
        b.CreateAlignedStore(b.CreateMaskedLoad(vector, at(source, half), Align(4), mask,
                                                Constant::getNullValue(vector)),
                             at(target, half), Align(64));
    });
  }

  /// (4) Of the tile at x, of which so many rows are there (0: all).
  Rows readable(int number, Value *x, Value *there, Value *from) {
    Value *rowBytes = lhs.moves[tiles.rank - 2];
    if (!canOverrun())
      return {x, rowBytes, lhs.tapOffsets};
    const int64_t pitch = bytesOfCopiedRow(), tapBytes = tiles.rows * pitch;
    Value *&copy = copies[number];
    if (!copy) {
      IRBuilder<>::InsertPointGuard guard(b);
      b.SetInsertPoint(&function.getEntryBlock(), function.getEntryBlock().begin());
      copy = stack(tapBytes * int64_t(lhs.tapOffsets.size()));
    }
    Value *isCopied = b.CreateICmpNE(there, b.getInt64(0));
    branch(
        isCopied,
        [&] {
          for (auto [tap, offset] : enumerate(lhs.tapOffsets))
            copyRows(at(x, offset), there, from, at(copy, tapBytes * int64_t(tap)), pitch);
        },
        [] {});
    Rows rows{b.CreateSelect(isCopied, copy, x),
              b.CreateSelect(isCopied, b.getInt64(pitch), rowBytes),
              {}};
    for (auto [tap, offset] : enumerate(lhs.tapOffsets))
      rows.taps.push_back(b.CreateSelect(isCopied, b.getInt64(tapBytes * int64_t(tap)), offset));
    return rows;
  }
  int64_t bytesOfCopiedRow() const {
    return alignTo((isWhole ? knownSteps() : kPieceSteps) * tiles.stepBytes, kMatrixRowBytes);
  }

  /// The steps of a piece, which follow each other as in the factor.
  void copyRows(Value *x, Value *there, Value *from, Value *to, int64_t pitch) {
    Type *vector = FixedVectorType::get(b.getInt32Ty(), 16);
    SmallVector<Constant *> lanes;
    for (int64_t lane = 0; lane < 16; ++lane)
      lanes.push_back(b.getInt1(lane * 4 < tiles.stepBytes));
    Constant *mask = ConstantVector::get(lanes);
    Value *end = b.CreateBinaryIntrinsic(Intrinsic::smin, b.CreateSub(allSteps, from),
                                         b.getInt64(isWhole ? knownSteps() : kPieceSteps));
    loop("copy", b.getInt64(0), there, 1, [&](Value *row) {
      Value *source = at(x, b.CreateMul(row, lhs.moves[tiles.rank - 2]));
      Value *target = at(to, times(row, pitch));
      loop("copy.step", b.getInt64(0), end, 1, [&](Value *step) {
        Value *offset = times(step, tiles.stepBytes);
        Value *numbers = b.CreateMaskedLoad(vector, at(source, offset), Align(1), mask,
                                            Constant::getNullValue(vector));
        b.CreateMaskedStore(numbers, at(target, offset), Align(4), mask);
      });
    });
  }

  Intrinsic::ID instruction() const {
    if (tiles.isFloat)
      return Intrinsic::x86_tdpbf16ps_internal;
    if (tiles.lhs.isUnsigned)
      return tiles.rhs.isUnsigned ? Intrinsic::x86_tdpbuud_internal
                                  : Intrinsic::x86_tdpbusd_internal;
    return tiles.rhs.isUnsigned ? Intrinsic::x86_tdpbsud_internal : Intrinsic::x86_tdpbssd_internal;
  }

  Value *allSteps = nullptr, *allGroups = nullptr; ///< the same, wide, and its groups
  Value *rowOfSums = nullptr;                      ///< bytes from a row of the sums to the next
  Value *tileEnd = nullptr, *lhsEnd = nullptr;
  std::array<Value *, 3> tileTable; ///< columns of the table of tiles
  Two copies{};                     ///< of the rows of two tiles, for a piece
  Value *rest = nullptr;            ///< the columns of a short step
  bool isWhole = false;             ///< a piece has all steps of the last reduction
  unsigned pieceTaps = 0;           ///< and all of so many taps
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
