//===- ExtendBytes.cpp - Bits are cut out of bytes that were extended -----------------===//
// LLVM narrows vector arithmetic to the shortest type. Where bytes are unpacked that costs an
// extension (two operations on shuffle ports) for each part of a byte, and shifts that x86 does not
// have:
//
//   %low = zext (and <8 x i8> %loaded, 15), %high = zext (lshr %loaded, 4)
//   =>
//   %wide = zext %loaded          (one load that extends)
//   %low = and %wide, 15, %high = lshr %wide, 4
//
// The same for comparisons that select among longer integers.
//
// A product with a constant that is then copied to all lanes is computed in all lanes where its
// other factor is copied as well: one copy less.
#include "compiler/codegen/llvm/ExtendBytes.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;
using namespace llvm::PatternMatch;

namespace tessera::codegen {
namespace {

class Extender {
public:
  explicit Extender(Function &function) : function(function) {}

  bool run() {
    SmallVector<Instruction *> found;
    for (BasicBlock &block : function)
      for (Instruction &instruction : block)
        if (isExtension(instruction))
          found.push_back(&instruction);
    SmallVector<WeakTrackingVH> dead;
    for (Instruction *instruction : found) {
      auto *type = cast<FixedVectorType>(instruction->getType());
      bool toFloat = isa<UIToFPInst>(instruction);
      Type *wide = type;
      if (toFloat)
        wide = FixedVectorType::get(IntegerType::get(function.getContext(), 32),
                                    type->getNumElements());
      IRBuilder<> builder(instruction);
      Value *value = extend(builder, instruction->getOperand(0), wide);
      if (toFloat)
        value = builder.CreateSIToFP(value, type);
      instruction->replaceAllUsesWith(value);
      dead.push_back(instruction);
    }
    bool changed = !found.empty();
    for (BasicBlock &block : function)
      for (Instruction &instruction : block)
        if (auto *comparison = dyn_cast<ICmpInst>(&instruction))
          changed |= extendComparison(*comparison, dead);
    RecursivelyDeleteTriviallyDeadInstructionsPermissive(dead);
    return copyFactors() | changed;
  }

private:
  /// Masks and shifts of a loaded vector of bytes.
  static Value *sourceOf(Value *value) {
    Value *inner;
    while (match(value, m_And(m_Value(inner), m_ImmConstant())) ||
           match(value, m_LShr(m_Value(inner), m_ImmConstant())))
      value = inner;
    return isa<LoadInst>(value) ? value : nullptr;
  }

  static bool isExtension(Instruction &instruction) {
    if (!isa<ZExtInst, UIToFPInst>(instruction))
      return false;
    auto *from = dyn_cast<FixedVectorType>(instruction.getOperand(0)->getType());
    return from && from->getElementType()->isIntegerTy(8) &&
           (isa<ZExtInst>(instruction) || instruction.getType()->getScalarType()->isFloatTy()) &&
           sourceOf(instruction.getOperand(0));
  }

  bool extendComparison(ICmpInst &comparison, SmallVectorImpl<WeakTrackingVH> &dead) {
    auto *from = dyn_cast<FixedVectorType>(comparison.getOperand(0)->getType());
    if (!from || !from->getElementType()->isIntegerTy(8) || comparison.use_empty() ||
        comparison.isSigned() || !sourceOf(comparison.getOperand(0)) ||
        !match(comparison.getOperand(1), m_ImmConstant()))
      return false;
    auto *type = dyn_cast<FixedVectorType>(comparison.user_back()->getType());
    for (User *user : comparison.users())
      if (!isa<SelectInst>(user) || user->getType() != type || user->getOperand(0) != &comparison)
        return false;
    if (!type || !type->getElementType()->isIntegerTy() || type->getScalarSizeInBits() <= 8)
      return false;
    IRBuilder<> builder(&comparison);
    Value *wide = builder.CreateICmp(comparison.getPredicate(),
                                     extend(builder, comparison.getOperand(0), type),
                                     extend(builder, comparison.getOperand(1), type));
    comparison.replaceAllUsesWith(wide);
    dead.push_back(&comparison);
    return true;
  }

  Value *extend(IRBuilder<> &builder, Value *value, Type *type) {
    if (auto *constant = dyn_cast<Constant>(value))
      return builder.CreateZExt(constant, type);
    if (auto *load = dyn_cast<LoadInst>(value)) {
      Value *&wide = extended[{load, type}];
      if (!wide) {
        IRBuilder<> behind(load->getNextNode());
        wide = behind.CreateZExt(load, type);
      }
      return wide;
    }
    auto *operation = cast<BinaryOperator>(value);
    Value *x = extend(builder, operation->getOperand(0), type);
    Value *y = extend(builder, operation->getOperand(1), type);
    return builder.CreateBinOp(operation->getOpcode(), x, y);
  }

  /// splat(x * c) => splat(x) * c, where splat(x) is needed anyway.
  bool copyFactors() {
    bool changed = false;
    for (BasicBlock &block : function) {
      DenseMap<Value *, Instruction *> copies;
      SmallVector<std::pair<ShuffleVectorInst *, Value *>> products;
      for (Instruction &instruction : block) {
        Value *scalar;
        if (!match(&instruction, m_Shuffle(m_InsertElt(m_Value(), m_Value(scalar), m_ZeroInt()),
                                           m_Value(), m_ZeroMask())))
          continue;
        copies.try_emplace(scalar, &instruction);
        if (match(scalar, m_FMul(m_Value(), m_ImmConstant())))
          products.emplace_back(cast<ShuffleVectorInst>(&instruction), scalar);
      }
      for (auto [copy, scalar] : products) {
        auto *product = cast<Instruction>(scalar);
        Instruction *factor = copies.lookup(product->getOperand(0));
        if (!factor || factor->getType() != copy->getType())
          continue;
        if (!factor->comesBefore(copy))
          factor->moveAfter(cast<Instruction>(factor->getOperand(0)));
        if (!factor->comesBefore(copy))
          continue;
        IRBuilder<> builder(copy);
        auto *type = cast<FixedVectorType>(copy->getType());
        Value *constant = ConstantVector::getSplat(type->getElementCount(),
                                                   cast<Constant>(product->getOperand(1)));
        Value *wide = builder.CreateFMulFMF(factor, constant, product);
        copy->replaceAllUsesWith(wide);
        RecursivelyDeleteTriviallyDeadInstructions(copy);
        changed = true;
      }
    }
    return changed;
  }

  Function &function;
  DenseMap<std::pair<Value *, Type *>, Value *> extended;
};

} // namespace

bool extendBytesEarly(Function &function) { return Extender(function).run(); }

} // namespace tessera::codegen
