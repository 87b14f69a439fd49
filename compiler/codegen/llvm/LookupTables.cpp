//===- LookupTables.cpp - Reads of short constant tables ------------------------------===//
// A generator writes `tessera_table_N(i)` for entry i of a kernel's table N, lane by lane where it
// makes vectors. Before LLVM's passes these lanes become one call; behind them, so that nothing
// undoes it, tables that fit registers become permutations of them:
//
//   %c0 = call float @tessera_table_0(i32 %i0)
//   %v0 = insertelement <8 x float> poison, float %c0, i64 0
//   ...
//   => %v7 = call <8 x float> @tessera_table_0x8(<8 x i32> %i)
//   =>
//   %low = permps(%entries0to7, %i), %high = permps(%entries8to15, %i)
//   %v7 = select (%i & 8), %high, %low
//
// What is no such vector, or a longer table, is a load.
#include "compiler/codegen/llvm/LookupTables.h"

#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

#include <cmath>

using namespace llvm;

namespace tessera::codegen {
namespace {

static void setPure(Function &function) {
  function.setDoesNotAccessMemory();
  function.setDoesNotThrow();
  function.setWillReturn();
}

/// The lanes of a vector that are read from a table become one read of a vector.
class VectorForming {
public:
  VectorForming(Function &read) : module(*read.getParent()), read(read) {}

  void run() {
    SmallVector<InsertElementInst *> ends;
    for (User *user : read.users())
      if (user->hasOneUse())
        if (auto *insert = dyn_cast<InsertElementInst>(*user->user_begin());
            insert && isEnd(insert))
          ends.push_back(insert);
    for (InsertElementInst *end : ends)
      replace(end);
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
    SmallBitVector filled(cast<FixedVectorType>(insert->getType())->getNumElements());
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

  void replace(InsertElementInst *end) {
    auto *type = cast<FixedVectorType>(end->getType());
    IRBuilder<> builder(end);
    auto *indexType = FixedVectorType::get(builder.getInt32Ty(), type->getNumElements());
    Value *indices = PoisonValue::get(indexType);
    SmallVector<InsertElementInst *> chain;
    for (Value *value = end; auto *part = dyn_cast<InsertElementInst>(value);
         value = part->getOperand(0))
      chain.push_back(part);
    for (InsertElementInst *part : reverse(chain))
      indices = builder.CreateInsertElement(indices, readOf(part)->getArgOperand(0), *laneOf(part));
    std::string name = (read.getName() + "x" + Twine(type->getNumElements())).str();
    FunctionCallee whole = module.getOrInsertFunction(name, type, indexType);
    setPure(*cast<Function>(whole.getCallee()));
    end->replaceAllUsesWith(builder.CreateCall(whole, indices));
    for (InsertElementInst *part : chain) {
      CallInst *call = readOf(part);
      part->eraseFromParent();
      call->eraseFromParent();
    }
  }

  Module &module;
  Function &read;
};

/// What a read of a vector is for a target.
class Expansion {
public:
  Expansion(ArrayRef<float> entries, const TargetMachine &machine)
      : entries(entries), hasAvx2(machine.getMCSubtargetInfo()->checkFeatures("+avx2")),
        hasAvx512(machine.getMCSubtargetInfo()->checkFeatures("+avx512f")) {}

  void run(Function &read) {
    Module &module = *read.getParent();
    LLVMContext &context = module.getContext();
    GlobalVariable *global = nullptr;
    for (User *user : make_early_inc_range(read.users())) {
      auto *call = cast<CallInst>(user);
      IRBuilder<> builder(call);
      Value *indices = call->getArgOperand(0), *value;
      auto *vector = dyn_cast<FixedVectorType>(call->getType());
      if (vector && hasAvx2 && entries.size() <= 16) {
        value = lookUp(builder, indices, vector->getNumElements());
      } else {
        auto *constant = ConstantDataArray::get(context, entries);
        if (!global) {
          global = new GlobalVariable(module, constant->getType(), /*isConstant=*/true,
                                      GlobalValue::InternalLinkage, constant, "table");
          global->setAlignment(Align(64));
        }
        auto load = [&](Value *index) -> Value * {
          index = builder.CreateZExt(index, builder.getInt64Ty());
          Value *place =
              builder.CreateInBoundsGEP(constant->getType(), global, {builder.getInt64(0), index});
          return builder.CreateLoad(builder.getFloatTy(), place);
        };
        if (Value *same = vector ? getSplatValue(indices) : nullptr) {
          value = builder.CreateVectorSplat(vector->getElementCount(), load(same));
        } else if (vector) {
          value = PoisonValue::get(vector);
          for (uint64_t lane = 0; lane < vector->getNumElements(); ++lane)
            value = builder.CreateInsertElement(
                value, load(builder.CreateExtractElement(indices, lane)), lane);
        } else {
          value = load(indices);
        }
      }
      call->replaceAllUsesWith(value);
      call->eraseFromParent();
    }
    read.eraseFromParent();
  }

private:
  /// Entries from `first` on as a register of `lanes` lanes, repeated where there are fewer.
  Constant *registerOf(LLVMContext &context, unsigned first, unsigned lanes) const {
    SmallVector<float> part;
    for (unsigned i = 0; i < lanes; ++i)
      part.push_back(entries[(first + i) % entries.size()]);
    return ConstantDataVector::get(context, part);
  }

  Value *lookUp(IRBuilder<> &builder, Value *indices, unsigned lanes) {
    unsigned width = hasAvx512 && lanes >= 16 ? 16 : 8;
    if (lanes > width) {
      Value *low = lookUp(builder, slice(builder, indices, 0, lanes / 2), lanes / 2);
      Value *high = lookUp(builder, slice(builder, indices, lanes / 2, lanes / 2), lanes / 2);
      return builder.CreateShuffleVector(low, high, sequence(0, lanes));
    }
    if (lanes < width) {
      SmallVector<int> mask = sequence(0, width);
      for (unsigned i = lanes; i < width; ++i)
        mask[i] = PoisonMaskElem;
      Value *wide = lookUp(builder, builder.CreateShuffleVector(indices, mask), width);
      return slice(builder, wide, 0, lanes);
    }
    LLVMContext &context = builder.getContext();
    if (width == 16)
      return builder.CreateIntrinsic(Intrinsic::x86_avx512_permvar_sf_512, {},
                                     {registerOf(context, 0, 16), indices});
    if (Value *value = lookUpMultiples(builder, indices))
      return value;
    auto permute = [&](unsigned first) -> Value * {
      return builder.CreateIntrinsic(Intrinsic::x86_avx2_permps, {},
                                     {registerOf(context, first, 8), indices});
    };
    if (entries.size() <= 8)
      return permute(0);
    Value *top = builder.CreateShl(indices, 28);
    Value *isHigh = builder.CreateICmpSLT(top, Constant::getNullValue(top->getType()));
    return builder.CreateSelect(isHigh, permute(8), permute(0));
  }

  /// Entries that are small multiples of a power of two, the first of them 0: bytes, looked up in
  /// the upper byte of each lane, where they are integers times 2^24. (A shuffle of bytes takes
  /// half of what a permutation across a register does.)
  Value *lookUpMultiples(IRBuilder<> &builder, Value *indices) {
    int exponent = 0;
    SmallVector<uint8_t> bytes;
    for (; exponent > -8 && bytes.empty(); --exponent) {
      for (unsigned i = 0; i < 16; ++i) {
        float multiple = std::ldexp(entries[i % entries.size()], -exponent);
        if (multiple != std::nearbyint(multiple) || std::fabs(multiple) > 127)
          break;
        bytes.push_back(uint8_t(int8_t(multiple)));
      }
      if (bytes.size() < 16)
        bytes.clear();
    }
    if (bytes.empty() || bytes[0] != 0)
      return nullptr;
    ++exponent;
    SmallVector<uint8_t> both(bytes);
    both.append(bytes.begin(), bytes.end());
    auto *byteType = FixedVectorType::get(builder.getInt8Ty(), 32);
    Value *places = builder.CreateBitCast(builder.CreateShl(indices, 24), byteType);
    Value *found =
        builder.CreateIntrinsic(Intrinsic::x86_avx2_pshuf_b, {},
                                {ConstantDataVector::get(builder.getContext(), both), places});
    Value *number = builder.CreateSIToFP(builder.CreateBitCast(found, indices->getType()),
                                         FixedVectorType::get(builder.getFloatTy(), 8));
    return builder.CreateFMul(number,
                              ConstantFP::get(number->getType(), std::ldexp(1.0, exponent - 24)));
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

  ArrayRef<float> entries;
  bool hasAvx2, hasAvx512;
};

} // namespace

void formTableVectors(Module &module) {
  SmallVector<Function *> reads;
  for (Function &function : module)
    if (function.getName().starts_with(kTablePrefix))
      reads.push_back(&function);
  for (Function *read : reads) {
    setPure(*read);
    VectorForming(*read).run();
  }
}

void lowerTables(Module &module, ArrayRef<std::vector<float>> tables,
                 const TargetMachine &machine) {
  for (Function &function : make_early_inc_range(module)) {
    StringRef name = function.getName();
    unsigned number;
    if (name.consume_front(kTablePrefix) && !name.consumeInteger(10, number) &&
        number < tables.size())
      Expansion(tables[number], machine).run(function);
  }
}

} // namespace tessera::codegen
