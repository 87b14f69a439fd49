//===- LookupTables.cpp - Reads of short constant tables ------------------------------===//
// A generator writes `tessera_table_N(i)` for entry i of a kernel's table N, lane by lane where it
// makes vectors. Tables that fit registers become permutations of them:
//
//   %c0 = call float @tessera_table_0(i32 %i0)
//   %v0 = insertelement <8 x float> poison, float %c0, i64 0
//   ...
//   =>
//   %low = permps(%entries0to7, %i), %high = permps(%entries8to15, %i)
//   %v7 = select (%i & 8), %high, %low
//
// What is no such vector, or a longer table, is a load.
#include "compiler/codegen/llvm/LookupTables.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace tessera::codegen {
namespace {

class TableLowering {
public:
  TableLowering(Function &read, ArrayRef<float> entries, const TargetMachine &machine)
      : module(*read.getParent()), context(module.getContext()), read(read), entries(entries),
        hasAvx2(machine.getMCSubtargetInfo()->checkFeatures("+avx2")),
        hasAvx512(machine.getMCSubtargetInfo()->checkFeatures("+avx512f")) {}

  void run() {
    if (hasAvx2 && entries.size() <= 16) {
      SmallVector<InsertElementInst *> ends;
      for (User *user : read.users())
        if (user->hasOneUse())
          if (auto *insert = dyn_cast<InsertElementInst>(*user->user_begin());
              insert && isEnd(insert))
            ends.push_back(insert);
      for (InsertElementInst *end : ends)
        replaceVector(end);
    }
    auto *constant = ConstantDataArray::get(context, entries);
    auto *global = new GlobalVariable(module, constant->getType(), /*isConstant=*/true,
                                      GlobalValue::InternalLinkage, constant, read.getName());
    global->setAlignment(Align(64));
    for (User *user : make_early_inc_range(read.users())) {
      auto *call = cast<CallInst>(user);
      IRBuilder<> builder(call);
      Value *zero = builder.getInt64(0);
      Value *index = builder.CreateZExt(call->getArgOperand(0), builder.getInt64Ty());
      Value *place = builder.CreateInBoundsGEP(constant->getType(), global, {zero, index});
      call->replaceAllUsesWith(builder.CreateLoad(builder.getFloatTy(), place));
      call->eraseFromParent();
    }
    if (global->use_empty())
      global->eraseFromParent();
    read.eraseFromParent();
  }

private:
  CallInst *readOf(InsertElementInst *insert) const {
    auto *call = dyn_cast<CallInst>(insert->getOperand(1));
    return call && call->getCalledFunction() == &read && call->hasOneUse() ? call : nullptr;
  }

  static std::optional<uint64_t> laneOf(InsertElementInst *insert) {
    auto *lane = dyn_cast<ConstantInt>(insert->getOperand(2));
    return lane ? std::optional(lane->getZExtValue()) : std::nullopt;
  }

  /// The last of a chain that fills a vector by reads of this table.
  bool isEnd(InsertElementInst *insert) const {
    for (User *user : insert->users())
      if (auto *next = dyn_cast<InsertElementInst>(user);
          next && next->getOperand(0) == insert && readOf(next))
        return false;
    auto type = cast<FixedVectorType>(insert->getType());
    SmallBitVector filled(type->getNumElements());
    Value *value = insert;
    while (auto *part = dyn_cast<InsertElementInst>(value)) {
      std::optional<uint64_t> lane = laneOf(part);
      if (!lane || *lane >= filled.size() || filled.test(*lane) || !readOf(part) ||
          (part != insert && !part->hasOneUse()))
        return false;
      filled.set(*lane);
      value = part->getOperand(0);
    }
    return filled.all() && filled.size() >= 4 && isPowerOf2_64(filled.size());
  }

  void replaceVector(InsertElementInst *end) {
    unsigned lanes = cast<FixedVectorType>(end->getType())->getNumElements();
    SmallVector<CallInst *> calls;
    IRBuilder<> builder(end);
    Value *indices = PoisonValue::get(FixedVectorType::get(builder.getInt32Ty(), lanes));
    SmallVector<InsertElementInst *> chain;
    for (Value *value = end; auto *part = dyn_cast<InsertElementInst>(value);
         value = part->getOperand(0))
      chain.push_back(part);
    for (InsertElementInst *part : reverse(chain)) {
      calls.push_back(readOf(part));
      indices = builder.CreateInsertElement(indices, calls.back()->getArgOperand(0), *laneOf(part));
    }
    end->replaceAllUsesWith(lookUp(builder, indices, lanes));
    for (InsertElementInst *part : chain)
      part->eraseFromParent();
    for (CallInst *call : calls)
      call->eraseFromParent();
  }

  /// Entries from `first` on as a register of `lanes` lanes, repeated where there are fewer.
  Constant *registerOf(unsigned first, unsigned lanes) const {
    SmallVector<float> part;
    for (unsigned i = 0; i < lanes; ++i)
      part.push_back(entries[(first + i) % entries.size()]);
    return ConstantDataVector::get(context, part);
  }

  Value *lookUp(IRBuilder<> &builder, Value *indices, unsigned lanes) {
    unsigned width = hasAvx512 && lanes >= 16 ? 16 : 8;
    if (lanes > width) {
      Value *whole = nullptr;
      SmallVector<Value *> parts;
      for (unsigned first = 0; first < lanes; first += width)
        parts.push_back(lookUp(builder, slice(builder, indices, first, width), width));
      while (parts.size() > 1) {
        SmallVector<Value *> pairs;
        for (size_t i = 0; i < parts.size(); i += 2)
          pairs.push_back(builder.CreateShuffleVector(
              parts[i], parts[i + 1],
              sequence(0, 2 * cast<FixedVectorType>(parts[i]->getType())->getNumElements())));
        parts = pairs;
      }
      whole = parts.front();
      return whole;
    }
    if (lanes < width) {
      SmallVector<int> mask = sequence(0, width);
      for (unsigned i = lanes; i < width; ++i)
        mask[i] = PoisonMaskElem;
      Value *wide = lookUp(builder, builder.CreateShuffleVector(indices, mask), width);
      return slice(builder, wide, 0, lanes);
    }
    if (width == 16)
      return builder.CreateIntrinsic(Intrinsic::x86_avx512_permvar_sf_512, {},
                                     {registerOf(0, 16), indices});
    auto permute = [&](unsigned first) -> Value * {
      return builder.CreateIntrinsic(Intrinsic::x86_avx2_permps, {},
                                     {registerOf(first, 8), indices});
    };
    if (entries.size() <= 8)
      return permute(0);
    Value *top = builder.CreateShl(indices, 28);
    Value *isHigh = builder.CreateICmpSLT(top, Constant::getNullValue(top->getType()));
    return builder.CreateSelect(isHigh, permute(8), permute(0));
  }

  static SmallVector<int> sequence(int first, int count) {
    SmallVector<int> mask;
    for (int i = 0; i < count; ++i)
      mask.push_back(first + i);
    return mask;
  }
  static Value *slice(IRBuilder<> &builder, Value *vector, unsigned first, unsigned count) {
    return builder.CreateShuffleVector(vector, sequence(int(first), int(count)));
  }

  Module &module;
  LLVMContext &context;
  Function &read;
  ArrayRef<float> entries;
  bool hasAvx2, hasAvx512;
};

} // namespace

void lowerTables(Module &module, ArrayRef<std::vector<float>> tables,
                 const TargetMachine &machine) {
  for (auto [number, entries] : enumerate(tables))
    if (Function *read = module.getFunction((kTablePrefix + Twine(number)).str()))
      TableLowering(*read, entries, machine).run();
}

} // namespace tessera::codegen
