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
//
// Where a register holds 8 entries, reads of 32 lanes whose indices are parts of bytes in memory,
// or four of 8 that lie side by side, are made together: shuffles of bytes look up each byte of the
// entries (none for bytes that are 0 in all of them), and the bytes are put together, half a
// register at a time:
//
//   %codes = <32 x i8> loaded, its fourths in the order in which the halves are put together
//   %b0 = pshufb(%byte0OfEntries, %codes), ..., %b3 = pshufb(%byte3OfEntries, %codes)
//   %v0 = unpacklo16(unpacklo8(%b0, %b1), unpacklo8(%b2, %b3)), ...
#include "compiler/codegen/llvm/LookupTables.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

#include <array>
#include <cmath>
#include <tuple>

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
    if (hasAvx2 && !hasAvx512 && entries.size() <= 16)
      lookUpTogether(read);
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
  /// Indices that are bits of bytes in memory.
  struct Codes {
    CallInst *call = nullptr;
    LoadInst *load = nullptr;
    Value *base = nullptr;
    int64_t offset = 0;
    unsigned shift = 0, mask = 0xff; ///< first the one, then the other
    unsigned lanes = 8;              ///< or 32
    bool operator<(const Codes &other) const {
      return std::tie(lanes, base, shift, mask, offset) <
             std::tie(other.lanes, other.base, other.shift, other.mask, other.offset);
    }
  };

  static std::optional<Codes> codesOf(CallInst *call) {
    using namespace PatternMatch;
    Codes codes{call};
    SmallVector<std::pair<bool, unsigned>> steps; // Shifts and masks, the last one first.
    Value *value = call->getArgOperand(0), *inner;
    const APInt *number;
    while (true) {
      if (match(value, m_And(m_Value(inner), m_APInt(number))))
        steps.emplace_back(false, unsigned(number->getZExtValue()) & 0xff);
      else if (match(value, m_LShr(m_Value(inner), m_APInt(number))))
        steps.emplace_back(true, unsigned(number->getZExtValue()));
      else if (!match(value, m_ZExt(m_Value(inner))))
        break;
      value = inner;
    }
    codes.load = dyn_cast<LoadInst>(value);
    auto *type = dyn_cast<FixedVectorType>(value->getType());
    if (!codes.load || !codes.load->isSimple() || codes.load->getParent() != call->getParent() ||
        !type || !type->getElementType()->isIntegerTy(8) ||
        (type->getNumElements() != 8 && type->getNumElements() != 32))
      return std::nullopt;
    codes.lanes = type->getNumElements();
    for (auto [isShift, amount] : reverse(steps)) {
      codes.shift += isShift ? amount : 0;
      codes.mask = isShift ? codes.mask >> amount : codes.mask & amount;
    }
    const DataLayout &layout = call->getModule()->getDataLayout();
    APInt offset(64, 0);
    codes.base = codes.load->getPointerOperand()->stripAndAccumulateConstantOffsets(
        layout, offset, /*AllowNonInbounds=*/true);
    codes.offset = offset.getSExtValue();
    return codes.shift < 8 ? std::optional(codes) : std::nullopt;
  }

  /// Whether what the codes are loaded from is the same at an earlier instruction of their block.
  static bool canLoadAt(Instruction *place, ArrayRef<Codes> group) {
    auto *base = dyn_cast<Instruction>(group[0].base);
    if (base && base->getParent() == place->getParent() && !isa<PHINode>(base) &&
        !base->comesBefore(place))
      return false;
    for (const Codes &codes : group) {
      Instruction *from = place, *to = codes.load;
      if (to->comesBefore(from))
        std::swap(from, to);
      for (; from != to; from = from->getNextNode())
        if (from->mayWriteToMemory())
          return false;
    }
    return true;
  }

  void lookUpTogether(Function &read) {
    MapVector<BasicBlock *, SmallVector<Codes>> blocks;
    for (User *user : read.users())
      if (std::optional<Codes> codes = codesOf(cast<CallInst>(user)))
        blocks[codes->call->getParent()].push_back(*codes);
    for (auto &[block, all] : blocks) {
      llvm::sort(all);
      SmallVector<std::pair<CallInst *, ArrayRef<Codes>>> groups; // With the first call of each.
      for (ArrayRef<Codes> rest = all; !rest.empty();) {
        size_t count = rest[0].lanes == 32 ? 1 : 4;
        ArrayRef<Codes> group = rest.take_front(count);
        bool fits = group.size() == count;
        for (const Codes &codes : group)
          fits &= codes.lanes == group[0].lanes && codes.base == group[0].base &&
                  codes.shift == group[0].shift && codes.mask == group[0].mask &&
                  codes.offset == group[0].offset + 8 * (&codes - group.data());
        if (fits) {
          CallInst *first = group[0].call;
          for (const Codes &codes : group)
            if (codes.call->comesBefore(first))
              first = codes.call;
          if (canLoadAt(first, group))
            groups.emplace_back(first, group);
        }
        rest = rest.drop_front(fits ? count : 1);
      }
      llvm::sort(groups, [](auto &a, auto &b) { return a.first->comesBefore(b.first); });
      DenseMap<std::pair<Value *, int64_t>, Value *> loaded;
      SmallVector<CallInst *> done;
      for (auto [first, group] : groups) {
        IRBuilder<> builder(first);
        Value *&bytes = loaded[{group[0].base, group[0].offset}];
        if (!bytes)
          bytes = loadInHalves(builder, group[0]);
        std::array<Value *, 4> found = lookUpBytes(builder, bytes, group[0].shift, group[0].mask);
        if (group.size() == 1)
          found[0] = concatenateVectors(builder, found);
        for (auto [number, codes] : enumerate(group)) {
          codes.call->replaceAllUsesWith(found[number]);
          done.push_back(codes.call);
        }
      }
      for (CallInst *call : done)
        call->eraseFromParent();
    }
  }

  /// 32 bytes, of which both halves hold 4 of each 8: what is put together by halves is in order
  /// then.
  static Value *loadInHalves(IRBuilder<> &builder, const Codes &first) {
    auto *words = FixedVectorType::get(builder.getInt32Ty(), 8);
    Value *place = builder.CreatePtrAdd(first.base, builder.getInt64(first.offset));
    Value *loaded = builder.CreateAlignedLoad(words, place, Align(1));
    loaded = builder.CreateShuffleVector(loaded, ArrayRef<int>{0, 2, 4, 6, 1, 3, 5, 7});
    return builder.CreateBitCast(loaded, FixedVectorType::get(builder.getInt8Ty(), 32));
  }

  std::array<Value *, 4> lookUpBytes(IRBuilder<> &builder, Value *bytes, unsigned shift,
                                     unsigned mask) const {
    auto constant = [&](unsigned number) {
      return ConstantVector::getSplat(ElementCount::getFixed(32), builder.getInt8(number));
    };
    Value *codes = shift ? builder.CreateLShr(bytes, constant(shift)) : bytes;
    codes = builder.CreateAnd(codes, constant(mask & 15));
    Value *zero = Constant::getNullValue(bytes->getType());
    std::array<Value *, 4> planes;
    for (unsigned plane = 0; plane < 4; ++plane) {
      SmallVector<uint8_t> table;
      for (unsigned i = 0; i < 32; ++i)
        table.push_back(
            uint8_t(bit_cast<uint32_t>(entries[i % 16 % entries.size()]) >> (8 * plane)));
      planes[plane] = all_of(table, [](uint8_t byte) { return byte == 0; })
                          ? zero
                          : builder.CreateIntrinsic(
                                Intrinsic::x86_avx2_pshuf_b, {},
                                {ConstantDataVector::get(builder.getContext(), table), codes});
    }
    // In each half of the registers: the lower, or the upper elements of both by turns.
    auto unpack = [&](Value *a, Value *b, unsigned bits, bool isHigh) {
      int perHalf = 128 / int(bits);
      auto *type = FixedVectorType::get(builder.getIntNTy(bits), 2 * perHalf);
      SmallVector<int> lanes;
      for (int half : {0, 1})
        for (int i = 0; i < perHalf / 2; ++i) {
          int lane = half * perHalf + (isHigh ? perHalf / 2 : 0) + i;
          lanes.append({lane, 2 * perHalf + lane});
        }
      return builder.CreateShuffleVector(builder.CreateBitCast(a, type),
                                         builder.CreateBitCast(b, type), lanes);
    };
    auto *result = FixedVectorType::get(builder.getFloatTy(), 8);
    std::array<Value *, 4> found;
    for (unsigned i = 0; i < 4; ++i) {
      Value *low = unpack(planes[0], planes[1], 8, i >= 2);
      Value *high = unpack(planes[2], planes[3], 8, i >= 2);
      found[i] = builder.CreateBitCast(unpack(low, high, 16, i % 2), result);
    }
    return found;
  }

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
