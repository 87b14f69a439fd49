//===- PrefetchRows.cpp - The next row comes while one is read again --------------------------===//
// What reduces a row and goes on with it (a norm, a softmax) reads the row from memory, and again
// from the caches. Memory has nothing to do then: the processor fetches ahead of what misses, and
// nothing does. So the first two loops over a row ask for the next one, each for a half, or only
// the second one where that computes for longer than a row takes to come.
//
//   for (i)                              for (i)
//     for (j) ... x[i][j] ...              for (j) ... x[i][j] ..., prefetch x[i + 1][j / 2]
//     for (j) ... x[i][j] ...      ⇒       for (j) ... x[i][j] ..., prefetch x[i + 1][(N + j) / 2]
//
// A loop that adds rows to sums in memory of its own asks for the next one, too: vectors that begin
// anywhere on a line wait for two lines each (64 MB with AVX-512: 1.8 ms instead of 2.3).
//
// Rows that would be gone before they are used are not asked for: then the distance is 0.
#include "compiler/codegen/llvm/PrefetchRows.h"

#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/ScalarEvolutionExpander.h"

using namespace llvm;

namespace tessera::codegen {

static constexpr int64_t kLineBytes = 64;
/// A row, the next one, and what is computed from them lie in an L2 of 512 KB.
static constexpr uint64_t kMostRowBytes = 128 << 10;
/// A loop that computes so much with a line takes longer than memory.
static constexpr unsigned kManyOperations = 12;

namespace {
/// A loop that reads rows from their beginning, one for each turn of the loop around it.
struct Reader {
  Loop *loop;
  const Value *memory;
  const SCEV *begin, *step;                          ///< of the first row, and from row to row
  SmallVector<std::pair<int64_t, LoadInst *>> loads; ///< bytes from the first one
  bool isLong = false;                               ///< it computes much
  bool keepsSums = false;                            ///< it changes what lies in memory of its own
  bool readsSameRows(const Reader &other) const {
    return loop->getParentLoop() == other.loop->getParentLoop() && memory == other.memory &&
           begin == other.begin && step == other.step;
  }
};
} // namespace

static bool isOwn(Value *address) { return isa<AllocaInst>(getUnderlyingObject(address, 0)); }

/// What a loop reads by vectors from memory that the kernel was given.
static void findReaders(Loop &loop, ScalarEvolution &evolution, SmallVectorImpl<Reader> &readers) {
  Loop *around = loop.getParentLoop();
  unsigned operations = 0;
  bool loadsOwn = false, storesOwn = false, storesResults = false;
  SmallVector<Reader> own;
  for (BasicBlock *block : loop.blocks())
    for (Instruction &instruction : *block) {
      operations += instruction.getType()->isVectorTy();
      if (auto *store = dyn_cast<StoreInst>(&instruction))
        (isOwn(store->getPointerOperand()) ? storesOwn : storesResults) = true;
      auto *load = dyn_cast<LoadInst>(&instruction);
      if (!load || !load->isSimple() || !load->getType()->isVectorTy())
        continue;
      loadsOwn |= isOwn(load->getPointerOperand());
      const Value *memory = getUnderlyingObject(load->getPointerOperand(), 0);
      auto *address = dyn_cast<SCEVAddRecExpr>(evolution.getSCEV(load->getPointerOperand()));
      if (isa<AllocaInst>(memory) || !address || address->getLoop() != &loop ||
          !address->isAffine())
        continue;
      bool isNext = false;
      for (Reader &reader : own)
        if (auto *distance = dyn_cast<SCEVConstant>(evolution.getMinusSCEV(
                address, evolution.getSCEV(reader.loads.front().second->getPointerOperand())))) {
          reader.loads.push_back({distance->getAPInt().getSExtValue(), load});
          isNext = true;
          break;
        }
      auto *row = dyn_cast<SCEVAddRecExpr>(address->getStart());
      if (isNext || !row || row->getLoop() != around || !row->isAffine())
        continue;
      own.push_back(
          {&loop, memory, row->getStart(), row->getStepRecurrence(evolution), {{0, load}}});
    }
  for (Reader &reader : own) {
    reader.isLong = storesResults || operations >= kManyOperations * reader.loads.size();
    reader.keepsSums = loadsOwn && storesOwn && own.size() == 1;
  }
  llvm::append_range(readers, own);
}

/// Whether one loop follows another in the same turn of the loop around both.
static bool follows(const Loop &second, const Loop &first) {
  const Loop *around = first.getParentLoop();
  SmallVector<BasicBlock *> work;
  first.getExitBlocks(work);
  SmallPtrSet<BasicBlock *, 16> visited;
  while (!work.empty()) {
    BasicBlock *block = work.pop_back_val();
    if (block == second.getHeader())
      return true;
    if (around->contains(block) && block != around->getHeader() && visited.insert(block).second)
      append_range(work, successors(block));
  }
  return false;
}

namespace {
/// Of the next row: the first or the second half, half a line for each line that is read, or all.
enum class Share { First, Second, Whole };
} // namespace

static void request(const Reader &reader, Share share, ScalarEvolution &evolution) {
  Instruction *outside = reader.loop->getParentLoop()->getLoopPreheader()->getTerminator();
  BasicBlock *before = reader.loop->getLoopPreheader();
  SCEVExpander expander(evolution, "row");
  auto *address =
      cast<SCEVAddRecExpr>(evolution.getSCEV(reader.loads.front().second->getPointerOperand()));
  const SCEV *turns = evolution.getBackedgeTakenCount(reader.loop);
  if (!before || isa<SCEVCouldNotCompute>(turns) ||
      !expander.isSafeToExpandAt(reader.step, outside) ||
      !expander.isSafeToExpandAt(turns, outside) ||
      !expander.isSafeToExpandAt(address->getStart(), before->getTerminator()))
    return;
  IRBuilder<> b(outside);
  Type *word = b.getInt64Ty();
  auto number = [&](uint64_t value) { return ConstantInt::get(word, value); };
  auto expand = [&](const SCEV *value) {
    return expander.expandCodeFor(evolution.getTruncateOrSignExtend(value, word), word, outside);
  };
  // What is read of a row.
  Value *bytes = b.CreateMul(b.CreateAdd(expand(turns), number(1)),
                             expand(address->getStepRecurrence(evolution)));
  Value *isShort = b.CreateICmpULE(bytes, number(kMostRowBytes));
  Value *distance = b.CreateSelect(isShort, expand(reader.step), number(0));
  if (share == Share::Second)
    distance = b.CreateAdd(distance, b.CreateLShr(bytes, 1));
  Value *row = expander.expandCodeFor(address->getStart(), nullptr, before->getTerminator());
  b.SetInsertPoint(before->getTerminator());
  Value *next = b.CreateGEP(b.getInt8Ty(), row, distance);
  const unsigned halved = share == Share::Whole ? 0 : 1;
  SmallVector<std::pair<int64_t, LoadInst *>> loads = reader.loads;
  llvm::sort(loads, llvm::less_first());
  std::optional<int64_t> last;
  for (auto [offset, load] : loads) {
    if (last && offset - *last < kLineBytes << halved)
      continue;
    last = offset;
    b.SetInsertPoint(load);
    Value *passed =
        b.CreateLShr(b.CreatePtrDiff(b.getInt8Ty(), load->getPointerOperand(), row), halved);
    Value *place = b.CreateGEP(b.getInt8Ty(), next, passed);
    b.CreateIntrinsic(Intrinsic::prefetch, {place->getType()},
                      {place, b.getInt32(0), b.getInt32(3), b.getInt32(1)});
  }
}

void prefetchRows(Function &function, FunctionAnalysisManager &analyses) {
  auto &loops = analyses.getResult<LoopAnalysis>(function);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &dominators = analyses.getResult<DominatorTreeAnalysis>(function);
  auto &assumptions = analyses.getResult<AssumptionAnalysis>(function);
  for (Loop *loop : loops) // with all inside
    simplifyLoop(loop, &dominators, &loops, &evolution, &assumptions, nullptr, false);
  SmallVector<Reader> readers;
  for (Loop *loop : loops.getLoopsInPreorder())
    if (Loop *around = loop->getParentLoop();
        around && loop->isInnermost() && around->getLoopPreheader())
      findReaders(*loop, evolution, readers);

  SmallVector<std::pair<const Reader *, Share>> shares;
  auto precedes = [](const Reader &first, const Reader &second) {
    return first.loop != second.loop && first.readsSameRows(second) &&
           follows(*second.loop, *first.loop);
  };
  for (const Reader &reader : readers) {
    SmallVector<const Reader *> before, behind;
    for (const Reader &other : readers) {
      if (precedes(other, reader))
        before.push_back(&other);
      if (precedes(reader, other))
        behind.push_back(&other);
    }
    if (before.size() == 1)
      shares.push_back({&reader, reader.isLong ? Share::Whole : Share::Second});
    else if (before.empty() && !behind.empty() && !behind.front()->isLong)
      shares.push_back({&reader, Share::First});
    else if (before.empty() && behind.empty() && reader.keepsSums)
      shares.push_back({&reader, Share::Whole});
  }
  for (auto [reader, share] : shares)
    request(*reader, share, evolution);
  analyses.invalidate(function, PreservedAnalyses::none());
}

} // namespace tessera::codegen
