//===- ClampedLoads.cpp - Vectors that reach past the end of a row ----------------------------===//
// The last tile of a row is as wide as the others, its indices are clamped to the last element, and
// what is computed behind that is dropped. Halide reads it element by element:
//
//   %index = smin (splat %start + <0, 1, ...>), splat %last
//   %x0 = load (gep %base, sext (extractelement %index, 0))
//   %v0 = insertelement poison, %x0, 0
//   ...
//
// These are the elements from %start to %last, and copies of the last one: a load under a mask.
#include "compiler/codegen/llvm/ClampedLoads.h"

#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/PatternMatch.h"

#include <optional>

using namespace llvm;
using namespace llvm::PatternMatch;

namespace tessera::codegen {

namespace {
/// A sum of scalars, and of a number.
struct Sum {
  SmallVector<Value *, 4> terms;
  int64_t number = 0;

  Sum operator+(const Sum &other) const {
    Sum sum = *this;
    sum.terms.append(other.terms);
    sum.number += other.number;
    return sum;
  }
  Value *build(IRBuilder<> &b, Type *type) const {
    Value *value = ConstantInt::getSigned(type, number);
    for (Value *term : terms)
      value = b.CreateAdd(value, term);
    return value;
  }
};

/// Lane k of a vector of integers is `start`, `start + k`, or the smaller of `start + k` and
/// `last`.
struct Lanes {
  enum Kind { Splat, Ramp, Clamped } kind;
  Sum start, last;
};

struct Gather {
  Value *base = nullptr;
  Lanes lanes;
  SmallVector<Instruction *> loads;
};
} // namespace

static std::optional<Lanes> describeConstant(Constant *constant) {
  auto type = cast<FixedVectorType>(constant->getType());
  std::optional<int64_t> first, step;
  for (unsigned lane = 0; lane < type->getNumElements(); ++lane) {
    auto *element = dyn_cast_or_null<ConstantInt>(constant->getAggregateElement(lane));
    if (!element)
      return std::nullopt;
    int64_t value = element->getSExtValue();
    if (!lane)
      first = value;
    else if (!step)
      step = value - *first;
    if (lane && value != *first + *step * int64_t(lane))
      return std::nullopt;
  }
  if (step.value_or(0) != 0 && *step != 1)
    return std::nullopt;
  return Lanes{step.value_or(0) ? Lanes::Ramp : Lanes::Splat, {{}, *first}, {}};
}

static std::optional<Lanes> describe(Value *value, unsigned depth = 8) {
  if (!depth || !isa<FixedVectorType>(value->getType()))
    return std::nullopt;
  if (auto *constant = dyn_cast<Constant>(value))
    return describeConstant(constant);
  Value *scalar, *x, *y;
  if (match(value, m_Shuffle(m_InsertElt(m_Value(), m_Value(scalar), m_ZeroInt()), m_Value(),
                             m_ZeroMask())))
    return Lanes{Lanes::Splat, {{scalar}, 0}, {}};
  if (match(value, m_AddLike(m_Value(x), m_Value(y)))) {
    std::optional<Lanes> a = describe(x, depth - 1), b = describe(y, depth - 1);
    if (!a || !b)
      return std::nullopt;
    if (a->kind != Lanes::Splat)
      std::swap(a, b);
    if (a->kind != Lanes::Splat)
      return std::nullopt;
    Lanes sum = *b;
    sum.start = sum.start + a->start;
    if (sum.kind == Lanes::Clamped)
      sum.last = sum.last + a->start;
    return sum;
  }
  if (match(value, m_SMin(m_Value(x), m_Value(y)))) {
    std::optional<Lanes> a = describe(x, depth - 1), b = describe(y, depth - 1);
    if (a && b && a->kind == Lanes::Splat)
      std::swap(a, b);
    if (a && b && a->kind == Lanes::Ramp && b->kind == Lanes::Splat)
      return Lanes{Lanes::Clamped, a->start, b->start};
  }
  return std::nullopt;
}

/// The loads of all lanes of a vector that is put together by this instruction, the last one.
static std::optional<Gather> matchGather(InsertElementInst &last) {
  auto type = dyn_cast<FixedVectorType>(last.getType());
  if (!type || (last.hasOneUse() && isa<InsertElementInst>(*last.user_begin())))
    return std::nullopt;
  Gather gather;
  Value *vector = &last, *indices = nullptr;
  SmallVector<bool> seen(type->getNumElements());
  for (unsigned count = 0; count < type->getNumElements(); ++count) {
    Value *rest, *element, *address, *index, *lanes;
    uint64_t lane, from;
    if (!match(vector, m_InsertElt(m_Value(rest), m_Value(element), m_ConstantInt(lane))) ||
        lane >= seen.size() || seen[lane])
      return std::nullopt;
    auto *load = dyn_cast<LoadInst>(element);
    if (!load || !load->isSimple() || load->getParent() != last.getParent())
      return std::nullopt;
    address = load->getPointerOperand();
    auto *place = dyn_cast<GetElementPtrInst>(address);
    if (!place || place->getNumIndices() != 1 ||
        place->getSourceElementType() != type->getElementType())
      return std::nullopt;
    index = place->getOperand(1);
    if (!match(index, m_SExt(m_ExtractElt(m_Value(lanes), m_ConstantInt(from)))) || from != lane)
      return std::nullopt;
    if ((gather.base && gather.base != place->getPointerOperand()) || (indices && indices != lanes))
      return std::nullopt;
    gather.base = place->getPointerOperand();
    indices = lanes;
    seen[lane] = true;
    gather.loads.push_back(load);
    vector = rest;
  }
  if (!cast<VectorType>(indices->getType())->getElementType()->isIntegerTy(32))
    return std::nullopt;
  std::optional<Lanes> lanes = describe(indices);
  if (!lanes || lanes->kind != Lanes::Clamped)
    return std::nullopt;
  gather.lanes = *lanes;
  // All are read at one time, then.
  Instruction *first =
      *min_element(gather.loads, [](Instruction *a, Instruction *b) { return a->comesBefore(b); });
  for (Instruction *between = first; between != &last; between = between->getNextNode())
    if (between->mayWriteToMemory())
      return std::nullopt;
  return gather;
}

static void replace(InsertElementInst &last, const Gather &gather) {
  auto *type = cast<FixedVectorType>(last.getType());
  const unsigned count = type->getNumElements();
  auto *load = cast<LoadInst>(gather.loads.front());
  IRBuilder<> b(&last);
  Type *index = b.getInt32Ty();
  Value *start = gather.lanes.start.build(b, index), *end = gather.lanes.last.build(b, index);
  auto at = [&](Value *place) {
    return b.CreateInBoundsGEP(type->getElementType(), gather.base,
                               b.CreateSExt(place, b.getInt64Ty()));
  };
  // What the last lane reads, whether it is clamped or not.
  Value *furthest =
      b.CreateBinaryIntrinsic(Intrinsic::smin, b.CreateAdd(start, b.getInt32(count - 1)), end);
  LoadInst *copied = b.CreateAlignedLoad(type->getElementType(), at(furthest), load->getAlign());
  copied->copyMetadata(*load);
  SmallVector<Constant *> numbers;
  for (unsigned lane = 0; lane < count; ++lane)
    numbers.push_back(b.getInt32(lane));
  Value *mask = b.CreateICmpSLE(ConstantVector::get(numbers),
                                b.CreateVectorSplat(count, b.CreateSub(end, start)));
  Value *address =
      b.CreateGEP(type->getElementType(), gather.base, b.CreateSExt(start, b.getInt64Ty()));
  CallInst *masked =
      b.CreateMaskedLoad(type, address, load->getAlign(), mask, b.CreateVectorSplat(count, copied));
  masked->copyMetadata(*load, {LLVMContext::MD_tbaa});
  last.replaceAllUsesWith(masked);
}

void maskClampedLoads(Function &function, TargetMachine &machine) {
  if (function.isDeclaration())
    return;
  const TargetTransformInfo info = machine.getTargetTransformInfo(function);
  SmallVector<std::pair<InsertElementInst *, Gather>> found;
  for (Instruction &instruction : instructions(function))
    if (auto *insert = dyn_cast<InsertElementInst>(&instruction))
      if (std::optional<Gather> gather = matchGather(*insert);
          gather && info.isLegalMaskedLoad(insert->getType(),
                                           cast<LoadInst>(gather->loads.front())->getAlign(), 0))
        found.push_back({insert, *gather});
  for (auto &[last, gather] : found)
    replace(*last, gather);
}

} // namespace tessera::codegen
