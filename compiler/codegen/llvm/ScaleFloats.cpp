//===- ScaleFloats.cpp - Powers of two are multiplied in one step -----------------------------===//
// Exponentials end in x 2^n, which takes two steps where the result may be subnormal or infinite:
//
//   %half = and (shl %n, 22), 0xff800000          ; n / 2 at the place of an exponent
//   %first = fmul %x, bitcast (add %half, 1.0)
//   fmul %first, bitcast (sub (add (shl %n, 23), 1.0), %half)
//
// AVX-512 has one instruction for all of it (vscalef), and for NaN and the conversion of n, too.
#include "compiler/codegen/llvm/ScaleFloats.h"

#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::PatternMatch;

namespace tessera::codegen {

namespace {
struct Scaling {
  Value *x, *exponent; // the exponent as a float
};
} // namespace

/// Whether a value is NaN wherever `origin` is.
static bool handsOnNaN(Value *value, Value *origin, unsigned depth = 32) {
  if (value == origin)
    return true;
  auto *op = dyn_cast<Instruction>(value);
  return depth > 0 && op && isa<FPMathOperator>(op) &&
         (op->isBinaryOp() || op->getOpcode() == Instruction::FNeg) &&
         any_of(op->operands(),
                [&](Value *operand) { return handsOnNaN(operand, origin, depth - 1); });
}

/// Whether a value is a whole number, an infinity or NaN: what rounds, and vectors put together of
/// it.
static bool isWhole(Value *value, unsigned depth = 8) {
  if (auto *shuffle = dyn_cast<ShuffleVectorInst>(value))
    return depth > 0 && all_of(shuffle->operands(), [&](Value *operand) {
             return isa<PoisonValue>(operand) || isWhole(operand, depth - 1);
           });
  auto *intrinsic = dyn_cast<IntrinsicInst>(value);
  if (!intrinsic)
    return false;
  switch (intrinsic->getIntrinsicID()) {
  case Intrinsic::roundeven:
  case Intrinsic::rint:
  case Intrinsic::nearbyint:
  case Intrinsic::floor:
  case Intrinsic::ceil:
  case Intrinsic::trunc:
  case Intrinsic::x86_sse41_round_ps:
  case Intrinsic::x86_sse41_round_pd:
  case Intrinsic::x86_avx_round_ps_256:
  case Intrinsic::x86_avx_round_pd_256: return true;
  default: return false;
  }
}

static std::optional<Scaling> matchScaling(Instruction &instruction) {
  Type *type = instruction.getType()->getScalarType();
  if (!type->isFloatTy() && !type->isDoubleTy())
    return std::nullopt;
  const unsigned mantissa = type->isFloatTy() ? 23 : 52, bits = type->getPrimitiveSizeInBits();
  const APInt one = APInt(bits, type->isFloatTy() ? 127 : 1023) << mantissa;
  const APInt exponents = APInt::getHighBitsSet(bits, bits - mantissa);
  Value *x, *n, *half;
  auto power = m_BitCast(m_c_Add(m_Value(half), m_SpecificInt(one)));
  auto rest = m_BitCast(m_Sub(
      m_c_Add(m_Shl(m_Value(n), m_SpecificInt(mantissa)), m_SpecificInt(one)), m_Deferred(half)));
  if (!match(&instruction, m_c_FMul(m_c_FMul(m_Value(x), power), rest)) ||
      !match(half,
             m_c_And(m_Shl(m_Specific(n), m_SpecificInt(mantissa - 1)), m_SpecificInt(exponents))))
    return std::nullopt;
  Value *exponent;
  if (!match(n, m_FPToSI(m_Value(exponent))))
    return std::nullopt;
  // Zero instead of NaN only keeps the conversion defined.
  Value *chosen = nullptr;
  CmpPredicate isNumber, isNaN;
  if (match(exponent, m_Select(m_FCmp(isNumber, m_Value(chosen), m_AnyZeroFP()), m_Deferred(chosen),
                               m_AnyZeroFP())) &&
      isNumber == CmpInst::FCMP_ORD && handsOnNaN(x, chosen))
    exponent = chosen;
  else if (match(exponent, m_Select(m_FCmp(isNaN, m_Value(chosen), m_AnyZeroFP()), m_AnyZeroFP(),
                                    m_Deferred(chosen))) &&
           isNaN == CmpInst::FCMP_UNO && handsOnNaN(x, chosen))
    exponent = chosen;
  return isWhole(exponent) ? std::optional(Scaling{x, exponent}) : std::nullopt;
}

static Value *scaleVector(IRBuilder<> &builder, Value *x, Value *exponent) {
  auto *type = cast<FixedVectorType>(x->getType());
  const bool isFloat = type->getElementType()->isFloatTy();
  Intrinsic::ID id;
  switch (type->getPrimitiveSizeInBits().getFixedValue()) {
  case 128:
    id = isFloat ? Intrinsic::x86_avx512_mask_scalef_ps_128
                 : Intrinsic::x86_avx512_mask_scalef_pd_128;
    break;
  case 256:
    id = isFloat ? Intrinsic::x86_avx512_mask_scalef_ps_256
                 : Intrinsic::x86_avx512_mask_scalef_pd_256;
    break;
  default:
    id = isFloat ? Intrinsic::x86_avx512_mask_scalef_ps_512
                 : Intrinsic::x86_avx512_mask_scalef_pd_512;
  }
  constexpr unsigned kCurrentRounding = 4;
  unsigned maskBits = std::max(8u, type->getNumElements());
  SmallVector<Value *> arguments{x, exponent, PoisonValue::get(type),
                                 ConstantInt::getAllOnesValue(builder.getIntNTy(maskBits))};
  if (type->getPrimitiveSizeInBits().getFixedValue() == 512)
    arguments.push_back(builder.getInt32(kCurrentRounding));
  return builder.CreateIntrinsic(id, arguments);
}

/// Of any number of lanes: by vectors of the widest registers, the last one filled up.
static Value *scale(IRBuilder<> &builder, const Scaling &scaling) {
  Type *type = scaling.x->getType();
  auto *vector = dyn_cast<FixedVectorType>(type);
  const unsigned lanes = vector ? vector->getNumElements() : 1;
  const unsigned elementBits = type->getScalarSizeInBits();
  const unsigned width =
      std::clamp<unsigned>(PowerOf2Ceil(lanes), 128 / elementBits, 512 / elementBits);
  auto *piece = FixedVectorType::get(type->getScalarType(), width);
  if (!vector) {
    auto insert = [&](Value *value) {
      return builder.CreateInsertElement(PoisonValue::get(piece), value, uint64_t(0));
    };
    return builder.CreateExtractElement(
        scaleVector(builder, insert(scaling.x), insert(scaling.exponent)), uint64_t(0));
  }
  SmallVector<Value *> pieces;
  for (unsigned first = 0; first < lanes; first += width) {
    SmallVector<int> mask;
    for (unsigned lane = first; lane < first + width; ++lane)
      mask.push_back(lane < lanes ? int(lane) : PoisonMaskElem);
    auto part = [&](Value *value) {
      return lanes == width ? value : builder.CreateShuffleVector(value, mask);
    };
    pieces.push_back(scaleVector(builder, part(scaling.x), part(scaling.exponent)));
  }
  Value *joined = concatenateVectors(builder, pieces);
  if (joined->getType() == type)
    return joined;
  return builder.CreateShuffleVector(joined, to_vector(seq<int>(0, lanes)));
}

void scaleFloats(Function &function, const TargetMachine &machine) {
  const MCSubtargetInfo &features = *machine.getMCSubtargetInfo();
  if (!features.checkFeatures("+avx512f") || !features.checkFeatures("+avx512vl"))
    return;
  for (Instruction &instruction : make_early_inc_range(instructions(function))) {
    std::optional<Scaling> scaling = matchScaling(instruction);
    if (!scaling)
      continue;
    IRBuilder<> builder(&instruction);
    instruction.replaceAllUsesWith(scale(builder, *scaling));
    instruction.eraseFromParent();
  }
}

} // namespace tessera::codegen
