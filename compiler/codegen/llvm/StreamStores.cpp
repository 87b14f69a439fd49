//===- StreamStores.cpp - Large results go past the caches ------------------------------------===//
// An ordinary store reads its line from memory before it changes it, though all of the line is
// written: a copy moves three bytes for two. Where a loop writes whole lines one after the other, a
// second form of it does so without reading them:
//
//   if (context->largeResults && the lines begin where the stores do)
//     for (...) store nontemporal
//   else
//     for (...) store
//
// The runtime sets the flag where results are larger than the caches, so that nobody would find
// them there. Stores of that kind are ordered by a fence at the end of the function alone.
#include "compiler/codegen/llvm/StreamStores.h"

#include "runtime/base/KernelAbi.h"

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/ScalarEvolutionExpander.h"

using namespace llvm;

namespace tessera::codegen {

static constexpr uint64_t kLineBytes = 64;

namespace {
/// Stores of one turn of a loop that lie side by side.
struct Run {
  const SCEVAddRecExpr *first;                         ///< address of the lowest one
  SmallVector<std::pair<int64_t, StoreInst *>> stores; ///< bytes from `first`
};
} // namespace

static uint64_t bytesOf(StoreInst *store) {
  return store->getDataLayout().getTypeStoreSize(store->getValueOperand()->getType());
}

/// Results lie in memory that the kernel was given. What it reads there as well is better kept in
/// cache.
static bool isResult(StoreInst *store) {
  const Value *memory = getUnderlyingObject(store->getPointerOperand(), 0);
  if (isa<AllocaInst>(memory))
    return false;
  for (Instruction &other : instructions(*store->getFunction()))
    if (auto *load = dyn_cast<LoadInst>(&other);
        load && load->getType()->isVectorTy() &&
        getUnderlyingObject(load->getPointerOperand(), 0) == memory)
      return false;
  return true;
}

/// All that a loop stores to results, if each turn writes whole lines, or goes on where the last
/// one has ended.
static SmallVector<Run> findRuns(Loop &loop, ScalarEvolution &evolution) {
  SmallVector<Run> runs;
  for (BasicBlock *block : loop.blocks())
    for (Instruction &instruction : *block) {
      auto *store = dyn_cast<StoreInst>(&instruction);
      if (!store)
        continue;
      const uint64_t bytes = bytesOf(store);
      if (!store->isSimple() || !store->getValueOperand()->getType()->isVectorTy() ||
          bytes % 32 != 0 || !isResult(store))
        return {};
      auto *address = dyn_cast<SCEVAddRecExpr>(evolution.getSCEV(store->getPointerOperand()));
      if (!address || address->getLoop() != &loop || !address->isAffine())
        return {};
      bool isPlaced = false;
      for (Run &run : runs)
        if (auto *distance = dyn_cast<SCEVConstant>(evolution.getMinusSCEV(address, run.first))) {
          run.stores.push_back({distance->getAPInt().getSExtValue(), store});
          if (run.stores.back().first < 0) {
            const int64_t moved = -run.stores.back().first;
            for (auto &[offset, _] : run.stores)
              offset += moved;
            run.first = address;
          }
          isPlaced = true;
          break;
        }
      if (!isPlaced)
        runs.push_back({address, {{0, store}}});
    }
  for (Run &run : runs) {
    llvm::sort(run.stores, llvm::less_first());
    int64_t end = 0;
    for (auto &[offset, store] : run.stores) {
      if (offset != end)
        return {};
      end += bytesOf(store);
    }
    auto *step = dyn_cast<SCEVConstant>(run.first->getStepRecurrence(evolution));
    const bool goesOn = step && step->getAPInt().getSExtValue() == end;
    if (!goesOn && end % kLineBytes != 0)
      return {};
  }
  return runs;
}

/// Gives the loop its second form.
static void duplicate(Loop &loop, ArrayRef<Run> runs, LoopInfo &loops, DominatorTree &dominators,
                      ScalarEvolution &evolution) {
  Function &function = *loop.getHeader()->getParent();
  BasicBlock *check = loop.getLoopPreheader();
  BasicBlock *exit = loop.getUniqueExitBlock();
  IRBuilder<> b(check->getTerminator());
  SCEVExpander expander(evolution, "line");
  Type *word = b.getInt64Ty();
  Value *bits = b.getInt64(0);
  for (const Run &run : runs) {
    Instruction *before = check->getTerminator();
    bits = b.CreateOr(
        bits,
        b.CreatePtrToInt(expander.expandCodeFor(run.first->getStart(), nullptr, before), word));
    const SCEV *step = run.first->getStepRecurrence(evolution);
    if (run.stores.size() * bytesOf(run.stores.front().second) % kLineBytes == 0)
      bits = b.CreateOr(
          bits, b.CreateSExtOrTrunc(expander.expandCodeFor(step, step->getType(), before), word));
  }
  Value *isOnLines = b.CreateICmpEQ(b.CreateAnd(bits, b.getInt64(kLineBytes - 1)), b.getInt64(0));
  Value *flag = b.CreateLoad(
      b.getInt32Ty(), b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), function.getArg(0),
                                                   offsetof(rt::KernelContext, largeResults)));
  Value *isPast = b.CreateAnd(isOnLines, b.CreateICmpNE(flag, b.getInt32(0)));

  BasicBlock *ordinary =
      SplitBlock(check, check->getTerminator(), &dominators, &loops, nullptr, "ordinary");
  ValueToValueMapTy copies;
  SmallVector<BasicBlock *> blocks;
  Loop *streamed =
      cloneLoopWithPreheader(ordinary, check, &loop, copies, ".past", &loops, &dominators, blocks);
  remapInstructionsInBlocks(blocks, copies);
  Instruction *branch = check->getTerminator();
  BranchInst::Create(streamed->getLoopPreheader(), ordinary, isPast, branch->getIterator());
  branch->eraseFromParent();
  dominators.changeImmediateDominator(exit, check);
  for (PHINode &phi : exit->phis())
    for (unsigned i = 0, count = phi.getNumIncomingValues(); i < count; ++i) {
      BasicBlock *from = phi.getIncomingBlock(i);
      if (!loop.contains(from))
        continue;
      Value *value = phi.getIncomingValue(i);
      Value *copy = copies.lookup(value);
      phi.addIncoming(copy ? copy : value, cast<BasicBlock>(copies[from]));
    }
  MDNode *one = MDNode::get(function.getContext(), ConstantAsMetadata::get(b.getInt32(1)));
  for (const Run &run : runs)
    for (auto &[offset, store] : run.stores) {
      auto *past = cast<StoreInst>(copies[store]);
      past->setMetadata(LLVMContext::MD_nontemporal, one);
      past->setAlignment(Align(offset % kLineBytes == 0 ? kLineBytes : 32));
    }
}

bool streamStores(Function &function, FunctionAnalysisManager &analyses) {
  if (function.isDeclaration() || function.arg_empty() ||
      function.getArg(0)->getName() != kContextName)
    return false;
  auto &loops = analyses.getResult<LoopAnalysis>(function);
  auto &dominators = analyses.getResult<DominatorTreeAnalysis>(function);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &assumptions = analyses.getResult<AssumptionAnalysis>(function);
  bool changed = false;
  for (Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || findRuns(*loop, evolution).empty())
      continue;
    simplifyLoop(loop, &dominators, &loops, &evolution, &assumptions, nullptr, false);
    formLCSSARecursively(*loop, dominators, &loops, &evolution);
    SmallVector<Run> runs = findRuns(*loop, evolution);
    if (runs.empty() || !loop->isLoopSimplifyForm() || !loop->getUniqueExitBlock())
      continue;
    duplicate(*loop, runs, loops, dominators, evolution);
    changed = true;
  }
  if (!changed)
    return false;
  for (BasicBlock &block : function)
    if (auto *end = dyn_cast<ReturnInst>(block.getTerminator()))
      IRBuilder<>(end).CreateIntrinsic(Intrinsic::x86_sse_sfence, {});
  function.removeParamAttr(0, Attribute::ReadNone);
  function.setMemoryEffects(MemoryEffects::unknown());
  analyses.invalidate(function, PreservedAnalyses::none());
  return true;
}

} // namespace tessera::codegen
