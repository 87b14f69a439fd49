//===- FenceSelects.cpp - Around an error of LLVM's in selects of bits ------------------===//
// With AVX-512, LLVM 22.1.8 makes one instruction (vpternlog under a mask) of
//
//   %bits = or (and %x, %sign), (and %y, %others)
//   select %mask, %bits, %x
//
// and swaps the wrong two operands of three when the one that is kept is not the first. A fence,
// which costs nothing but the merging, keeps the two apart.
#include "compiler/codegen/llvm/FenceSelects.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/MC/MCSubtargetInfo.h"

using namespace llvm;

namespace tessera::codegen {

static Value *withoutCasts(Value *value) {
  while (auto *cast = dyn_cast<BitCastInst>(value))
    value = cast->getOperand(0);
  return value;
}

static bool combinesBits(const Value *value) {
  if (auto *intrinsic = dyn_cast<IntrinsicInst>(value))
    return intrinsic->getIntrinsicID() == Intrinsic::copysign ||
           intrinsic->getIntrinsicID() == Intrinsic::fabs;
  auto *instruction = dyn_cast<Instruction>(value);
  return instruction &&
         (instruction->isBitwiseLogicOp() || instruction->getOpcode() == Instruction::FNeg);
}

/// Whether a value is one of those that bits are combined from.
static bool readsBits(Value *bits, const Value *value, unsigned depth = 3) {
  bits = withoutCasts(bits);
  if (bits == value)
    return true;
  return depth > 0 && combinesBits(bits) &&
         any_of(cast<User>(bits)->operands(),
                [&](Value *operand) { return readsBits(operand, value, depth - 1); });
}

void fenceSelects(Function &function, const TargetMachine &machine) {
  if (!machine.getMCSubtargetInfo()->checkFeatures("+avx512f"))
    return;
  for (Instruction &instruction : instructions(function)) {
    auto *select = dyn_cast<SelectInst>(&instruction);
    auto *type = select ? dyn_cast<FixedVectorType>(select->getType()) : nullptr;
    if (!type || !select->getCondition()->getType()->isVectorTy())
      continue;
    unsigned bits = type->getScalarSizeInBits();
    if (bits != 32 && bits != 64)
      continue;
    for (unsigned arm : {1, 2}) {
      Value *chosen = select->getOperand(arm);
      if (!combinesBits(withoutCasts(chosen)) ||
          !readsBits(chosen, withoutCasts(select->getOperand(3 - arm))))
        continue;
      IRBuilder<> builder(select);
      Type *floats = FixedVectorType::get(bits == 32 ? builder.getFloatTy() : builder.getDoubleTy(),
                                          type->getNumElements());
      Value *fenced = builder.CreateIntrinsic(Intrinsic::arithmetic_fence, {floats},
                                              {builder.CreateBitCast(chosen, floats)});
      select->setOperand(arm, builder.CreateBitCast(fenced, type));
    }
  }
}

} // namespace tessera::codegen
