//===- StackSlots.cpp - Places on the stack for what a kernel allocates -----------------------===//
// Two buffers may share a place when neither is live where the other is allocated: what a buffer
// holds means nothing before its allocation. A buffer lives as its address does, as a value in SSA
// form: where some use of it, or of an address made from it, can follow. (Halide copies a loop into
// its beginning, middle and end, each with buffers of its own.)
#include "compiler/codegen/llvm/StackSlots.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace tessera::codegen {
namespace {

constexpr uint64_t kMaxBytes = 128 << 10; // runtime/base/KernelAbi.h tells callers
constexpr uint64_t kAlignment = 64;
/// A register tile gets a place of its own where there is room: next to a buffer that is indexed it
/// would stay in memory, or be carried through loops that have nothing to do with it.
constexpr uint64_t kTileBytes = 4096;

/// Where the address of a buffer, and all that are made from it, are live.
class LiveRange {
public:
  explicit LiveRange(CallInst *allocation) {
    SetVector<Value *> addresses;
    addresses.insert(allocation);
    for (unsigned i = 0; i < addresses.size() && !escapes; ++i)
      for (Use &use : addresses[i]->uses())
        visit(*cast<Instruction>(addresses[i]), use, addresses);
    escapes |= isDescribed && !isReleased;
  }

  bool contains(CallInst *point) const {
    if (escapes)
      return true;
    const BasicBlock *block = point->getParent();
    if (liveOut.count(block))
      return true;
    auto found = lastUse.find(block);
    return found != lastUse.end() && point->comesBefore(found->second);
  }

private:
  void visit(Instruction &address, Use &use, SetVector<Value *> &addresses) {
    auto *user = cast<Instruction>(use.getUser());
    if (isa<GetElementPtrInst, CastInst, PHINode, SelectInst>(user) &&
        user->getType()->isPtrOrPtrVectorTy())
      addresses.insert(user);
    else if (isDescription(use))
      isDescribed = true; // For a function that is called before the buffer is released.
    else if (isRelease(use))
      isReleased = true;
    else if (!isPlainUse(use))
      escapes = true;
    if (auto *phi = dyn_cast<PHINode>(user)) {
      markOut(*phi->getIncomingBlock(use), address);
      return;
    }
    const BasicBlock *block = user->getParent();
    const Instruction *&last = lastUse[block];
    if (!last || last->comesBefore(user))
      last = user;
    // Used before it is defined in the same block: the use is of the turn of a loop before.
    if (block != address.getParent() || user->comesBefore(&address))
      markIn(*block, address);
  }

  /// The address becomes a part of what stands on the stack (a halide_buffer_t).
  static bool isDescription(const Use &use) {
    auto *store = dyn_cast<StoreInst>(use.getUser());
    return store && use.getOperandNo() != StoreInst::getPointerOperandIndex() &&
           isa<AllocaInst>(getUnderlyingObject(store->getPointerOperand()));
  }
  static bool isRelease(const Use &use) {
    auto *call = dyn_cast<CallInst>(use.getUser());
    const Function *callee = call ? call->getCalledFunction() : nullptr;
    return callee && callee->getName() == "halide_free";
  }

  /// Reading, writing and comparing keep no copy of an address.
  static bool isPlainUse(const Use &use) {
    const User *user = use.getUser();
    if (isa<LoadInst, ICmpInst, MemIntrinsic>(user))
      return true;
    if (auto *store = dyn_cast<StoreInst>(user))
      return use.getOperandNo() == StoreInst::getPointerOperandIndex();
    auto *intrinsic = dyn_cast<IntrinsicInst>(user);
    return intrinsic && !intrinsic->getType()->isPtrOrPtrVectorTy() &&
           intrinsic->doesNotCapture(use.getOperandNo());
  }

  void markIn(const BasicBlock &block, const Instruction &address) {
    for (const BasicBlock *before : predecessors(&block))
      markOut(*before, address);
  }

  void markOut(const BasicBlock &block, const Instruction &address) {
    SmallVector<const BasicBlock *> work{&block};
    while (!work.empty()) {
      const BasicBlock *next = work.pop_back_val();
      if (!reached.insert({&address, next}).second)
        continue;
      liveOut.insert(next);
      if (next != address.getParent())
        llvm::append_range(work, predecessors(next));
    }
  }

  SmallPtrSet<const BasicBlock *, 16> liveOut;
  SmallDenseSet<std::pair<const Instruction *, const BasicBlock *>, 16> reached;
  SmallDenseMap<const BasicBlock *, const Instruction *> lastUse;
  bool isDescribed = false, isReleased = false;
  bool escapes = false;
};

struct Slot {
  uint64_t bytes = 0;
  SmallVector<CallInst *> allocations;
};

/// Vectors at the end of a buffer read past it, what nobody uses: that has to be there.
uint64_t bytesOf(CallInst *allocation) {
  return alignTo(cast<ConstantInt>(allocation->getArgOperand(1))->getZExtValue(), kAlignment);
}

/// Places for the allocations of one function: each goes to the first in which it disturbs nobody.
SmallVector<Slot> assignSlots(ArrayRef<CallInst *> allocations, bool sharesTiles) {
  DenseMap<CallInst *, LiveRange> ranges;
  for (CallInst *allocation : allocations)
    ranges.try_emplace(allocation, allocation);
  auto conflict = [&](CallInst *a, CallInst *b) {
    return ranges.at(a).contains(b) || ranges.at(b).contains(a);
  };
  SmallVector<CallInst *> largestFirst(allocations);
  llvm::stable_sort(largestFirst, [](CallInst *a, CallInst *b) { return bytesOf(a) > bytesOf(b); });
  SmallVector<Slot> slots;
  for (CallInst *allocation : largestFirst) {
    auto *found = llvm::find_if(slots, [&](const Slot &slot) {
      return (sharesTiles || bytesOf(allocation) > kTileBytes) &&
             llvm::none_of(slot.allocations,
                           [&](CallInst *other) { return conflict(allocation, other); });
    });
    if (found == slots.end())
      found = &slots.emplace_back(Slot{bytesOf(allocation), {}});
    found->allocations.push_back(allocation);
  }
  return slots;
}

/// Halide says of each access which buffer it is to, so that those to others may change places with
/// it. Of buffers that share a place that is no longer true.
void forgetBuffers(Value &place) {
  SetVector<Value *> addresses;
  addresses.insert(&place);
  for (unsigned i = 0; i < addresses.size(); ++i)
    for (User *user : addresses[i]->users()) {
      auto *instruction = cast<Instruction>(user);
      instruction->setMetadata(LLVMContext::MD_tbaa, nullptr);
      if (isa<GetElementPtrInst, CastInst, PHINode, SelectInst>(instruction) &&
          instruction->getType()->isPtrOrPtrVectorTy())
        addresses.insert(instruction);
    }
}

} // namespace

void moveAllocationsToStack(Module &module) {
  Function *allocate = module.getFunction("halide_malloc");
  if (!allocate)
    return;
  MapVector<Function *, SmallVector<CallInst *>> calls;
  for (User *user : allocate->users()) {
    auto *call = dyn_cast<CallInst>(user);
    if (!call || call->getCalledFunction() != allocate ||
        !isa<ConstantInt>(call->getArgOperand(1)) || bytesOf(call) > kMaxBytes)
      return;
    calls[call->getFunction()].push_back(call);
  }
  SmallVector<Slot> slots;
  uint64_t total = 0;
  for (bool sharesTiles : {false, true}) {
    slots.clear();
    for (auto &[function, allocations] : calls)
      llvm::append_range(slots, assignSlots(allocations, sharesTiles));
    total = 0;
    for (const Slot &slot : slots)
      total += slot.bytes;
    if (total <= kMaxBytes)
      break;
  }
  if (total > kMaxBytes)
    return;
  for (Slot &slot : slots) {
    Function *function = slot.allocations.front()->getFunction();
    IRBuilder<> builder(&*function->getEntryBlock().begin());
    AllocaInst *place = builder.CreateAlloca(ArrayType::get(builder.getInt8Ty(), slot.bytes));
    place->setAlignment(Align(kAlignment));
    for (CallInst *call : slot.allocations) {
      call->replaceAllUsesWith(place);
      call->eraseFromParent();
    }
    if (slot.allocations.size() > 1)
      forgetBuffers(*place);
  }
  if (Function *release = module.getFunction("halide_free"); release && release->isDeclaration()) {
    IRBuilder<> builder(BasicBlock::Create(module.getContext(), "", release));
    builder.CreateRetVoid();
    release->setLinkage(GlobalValue::InternalLinkage);
  }
}

} // namespace tessera::codegen
