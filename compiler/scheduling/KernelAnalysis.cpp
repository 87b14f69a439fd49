//===- KernelAnalysis.cpp - What the stages of a kernel are by structure -----------------===//
#include "compiler/scheduling/KernelAnalysis.h"

#include "dialects/kernel/Operations.h"
#include "dialects/kernel/Product.h"

#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace tessera::scheduling {

StringRef stringify(StageKind kind) {
  switch (kind) {
  case StageKind::Elementwise: return "elementwise";
  case StageKind::Movement: return "movement";
  case StageKind::Gather: return "gather";
  case StageKind::Reduction: return "reduction";
  case StageKind::Contraction: return "contraction";
  case StageKind::Window: return "window";
  case StageKind::DepthwiseWindow: return "depthwise window";
  case StageKind::Scan: return "scan";
  }
  llvm_unreachable("unknown kind");
}

//===-- Indices ------------------------------------------------------------------===//

static IndexForm constantForm(unsigned loops) {
  IndexForm form;
  form.coefficients.assign(loops, 0);
  form.loops.resize(loops);
  return form;
}

static IndexForm loopForm(unsigned loops, unsigned loop) {
  IndexForm form = constantForm(loops);
  form.coefficients[loop] = 1;
  form.loops.set(loop);
  return form;
}

/// a + scale * b
static IndexForm add(IndexForm a, const IndexForm &b, int64_t scale = 1) {
  for (auto [to, from] : llvm::zip_equal(a.coefficients, b.coefficients))
    to += scale * from;
  a.loops |= b.loops;
  a.linear &= b.linear;
  a.clamped |= b.clamped;
  a.fromData |= b.fromData;
  return a;
}

/// Whatever depends on both in a way that is not linear.
static IndexForm join(const IndexForm &a, const IndexForm &b) {
  IndexForm form = add(a, b);
  form.linear = form.loops.none();
  return form;
}

static IndexForm formOf(AffineExpr expr, unsigned loops) {
  if (auto loop = dyn_cast<AffineDimExpr>(expr))
    return loopForm(loops, loop.getPosition());
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return constantForm(loops);
  IndexForm a = formOf(binary.getLHS(), loops), b = formOf(binary.getRHS(), loops);
  if (expr.getKind() == AffineExprKind::Add)
    return add(a, b);
  if (auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
      factor && expr.getKind() == AffineExprKind::Mul)
    return add(constantForm(loops), a, factor.getValue());
  return join(a, b);
}

std::vector<IndexForm> formsOf(AffineMap map) {
  std::vector<IndexForm> forms;
  for (AffineExpr expr : map.getResults())
    forms.push_back(formOf(expr, map.getNumDims()));
  return forms;
}

bool Access::dependsOn(unsigned loop) const {
  return llvm::any_of(dims, [&](const IndexForm &form) { return form.loops.test(loop); });
}

bool Access::isContiguousIn(unsigned loop) const {
  if (dims.empty() || !dims.back().movesByOne(loop))
    return false;
  return llvm::none_of(ArrayRef<IndexForm>(dims).drop_back(),
                       [&](const IndexForm &form) { return form.loops.test(loop); });
}

bool Access::slides(const llvm::SmallBitVector &reductionLoops) const {
  return llvm::any_of(dims, [&](const IndexForm &form) {
    llvm::SmallBitVector reduction = form.loops, parallel = form.loops;
    reduction &= reductionLoops;
    parallel.reset(reductionLoops);
    return reduction.any() && parallel.any() && !form.fromData;
  });
}

//===-- Bodies -------------------------------------------------------------------===//

namespace {
class BodyAnalysis {
public:
  explicit BodyAnalysis(linalg::GenericOp op) : op(op), loops(op.getNumLoops()) {
    for (unsigned loop = 0; loop < loops; ++loop)
      kinds.push_back(op.getIteratorTypesArray()[loop]);
  }

  IndexForm form(Value value) {
    auto found = forms.find(value);
    if (found != forms.end())
      return found->second;
    IndexForm form = compute(value);
    forms.try_emplace(value, form);
    return form;
  }

  std::optional<Access> access(OpOperand &operand) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      return std::nullopt;
    return Access{operand.get(), formsOf(op.getMatchingIndexingMap(&operand)), &operand};
  }

  Access access(tensor::ExtractOp extract) {
    Access access{extract.getTensor(), {}, nullptr};
    for (Value index : extract.getIndices())
      access.dims.push_back(form(index));
    return access;
  }

  /// Everything `value` is computed from; stops at `stop`.
  Slice slice(Value value) {
    Slice slice;
    slice.loops.resize(loops);
    llvm::SmallPtrSet<Value, 16> seen;
    collect(value, slice, seen);
    return slice;
  }

private:
  bool isInside(Value value) { return op.getRegion().isAncestor(value.getParentRegion()); }

  IndexForm compute(Value value) {
    if (!isInside(value))
      return constantForm(loops);
    Operation *producer = value.getDefiningOp();
    if (!producer) {
      IndexForm result = constantForm(loops);
      auto argument = cast<BlockArgument>(value);
      if (auto read = access(op->getOpOperand(argument.getArgNumber())))
        for (const IndexForm &dim : read->dims)
          result = join(result, dim);
      result.fromData = true;
      result.linear = false;
      return result;
    }
    if (auto index = dyn_cast<linalg::IndexOp>(producer))
      return loopForm(loops, index.getDim());
    if (matchPattern(value, m_Constant()))
      return constantForm(loops);
    if (isa<arith::AddIOp>(producer))
      return add(form(producer->getOperand(0)), form(producer->getOperand(1)));
    if (isa<arith::SubIOp>(producer))
      return add(form(producer->getOperand(0)), form(producer->getOperand(1)), -1);
    if (isa<arith::MulIOp>(producer)) {
      APInt factor;
      for (unsigned side = 0; side < 2; ++side)
        if (matchPattern(producer->getOperand(side), m_ConstantInt(&factor)))
          return add(constantForm(loops), form(producer->getOperand(1 - side)),
                     factor.getSExtValue());
    }
    if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp,
            arith::TruncIOp>(producer))
      return form(producer->getOperand(0));
    if (isa<arith::MinSIOp, arith::MaxSIOp, arith::MinUIOp, arith::MaxUIOp>(producer))
      return clamp(form(producer->getOperand(0)), form(producer->getOperand(1)));
    if (isa<arith::SelectOp>(producer))
      return clamp(form(producer->getOperand(1)), form(producer->getOperand(2)));
    IndexForm result = constantForm(loops);
    for (Value operand : producer->getOperands())
      result = join(result, form(operand));
    if (isa<tensor::ExtractOp>(producer)) {
      result.fromData = true;
      result.linear = false;
    }
    return result;
  }

  static IndexForm clamp(IndexForm a, IndexForm b) {
    if (a.loops.none())
      std::swap(a, b);
    IndexForm result = b.loops.none() ? a : join(a, b);
    result.fromData |= b.fromData;
    result.clamped = true;
    return result;
  }

  void collect(Value value, Slice &slice, llvm::SmallPtrSet<Value, 16> &seen) {
    if (!isInside(value) || !seen.insert(value).second)
      return;
    auto note = [&](const Access &read) {
      for (const IndexForm &dim : read.dims)
        slice.loops |= dim.loops;
      slice.reads.push_back(read);
    };
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (auto read = access(op->getOpOperand(argument.getArgNumber())))
        note(*read);
      return;
    }
    Operation *producer = value.getDefiningOp();
    if (auto index = dyn_cast<linalg::IndexOp>(producer)) {
      slice.loops.set(index.getDim());
      return;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(producer))
      note(access(extract));
    for (Value operand : producer->getOperands())
      collect(operand, slice, seen);
  }

  linalg::GenericOp op;
  unsigned loops;
  SmallVector<utils::IteratorType> kinds;
  llvm::DenseMap<Value, IndexForm> forms;
};
} // namespace

/// The operand that a factor is extended from, which the body reads once.
template <typename... Extensions>
static OpOperand *matchExtended(linalg::GenericOp op, Value factor, auto isNarrow) {
  Operation *extend = factor.getDefiningOp();
  if (!isa_and_present<Extensions...>(extend))
    return nullptr;
  auto argument = dyn_cast<BlockArgument>(extend->getOperand(0));
  if (!argument || argument.getOwner() != &op.getRegion().front() ||
      !isNarrow(argument.getType()) || !argument.hasOneUse() ||
      argument.getArgNumber() >= unsigned(op.getNumDpsInputs()))
    return nullptr;
  return op.getDpsInputOperand(argument.getArgNumber());
}

/// `acc + factor * factor` in 32 bits, whatever the factors are; both null where it is not so.
template <typename Sum, typename Product>
static std::pair<Sum, Product> matchSumOfProducts(const StageInfo &stage) {
  linalg::GenericOp op = stage.op;
  if (!stage.isProduct || op.getNumDpsInits() != 1 || op.getNumDpsInputs() < 2)
    return {};
  Block &body = op.getRegion().front();
  auto sum = body.getTerminator()->getOperand(0).getDefiningOp<Sum>();
  if (!sum || sum.getType().getIntOrFloatBitWidth() != 32 ||
      sum.getLhs() != body.getArgument(op.getNumDpsInputs()))
    return {};
  auto product = sum.getRhs().template getDefiningOp<Product>();
  return product ? std::pair(sum, product) : std::pair<Sum, Product>();
}

std::optional<IntegerProduct> matchIntegerProduct(const StageInfo &stage) {
  constexpr auto kNoOverflow = arith::IntegerOverflowFlags::nsw;
  auto [sum, product] = matchSumOfProducts<arith::AddIOp, arith::MulIOp>(stage);
  linalg::GenericOp op = stage.op;
  if (!sum || !bitEnumContainsAny(sum.getOverflowFlags(), kNoOverflow) ||
      !bitEnumContainsAny(product.getOverflowFlags(), kNoOverflow))
    return std::nullopt;
  auto isByte = [](Type type) { return type.isInteger(8); };
  IntegerProduct result{matchExtended<arith::ExtSIOp, arith::ExtUIOp>(op, product.getLhs(), isByte),
                        matchExtended<arith::ExtSIOp, arith::ExtUIOp>(op, product.getRhs(), isByte),
                        product.getLhs().getDefiningOp<arith::ExtUIOp>() != nullptr,
                        product.getRhs().getDefiningOp<arith::ExtUIOp>() != nullptr};
  if (!result.lhs || !result.rhs || result.lhs == result.rhs)
    return std::nullopt;
  return result;
}

std::optional<Bf16Product> matchBf16Product(const StageInfo &stage) {
  auto [sum, product] = matchSumOfProducts<arith::AddFOp, arith::MulFOp>(stage);
  if (!sum)
    return std::nullopt;
  auto isBf16 = [](Type type) { return type.isBF16(); };
  Bf16Product result{matchExtended<arith::ExtFOp>(stage.op, product.getLhs(), isBf16),
                     matchExtended<arith::ExtFOp>(stage.op, product.getRhs(), isBf16)};
  if (!result.lhs || !result.rhs || result.lhs == result.rhs)
    return std::nullopt;
  return result;
}

//===-- Stages -------------------------------------------------------------------===//

unsigned StageInfo::loopNumber(StringRef loop) const {
  for (auto [number, name] : llvm::enumerate(loops))
    if (loop == name)
      return number;
  return ~0u;
}

std::optional<unsigned> StageInfo::innermostOutputLoop() const {
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  if (map.getNumResults() == 0)
    return std::nullopt;
  return cast<AffineDimExpr>(map.getResults().back()).getPosition();
}

int64_t StageInfo::extentOr(unsigned loop, int64_t assumed) const {
  return ShapedType::isDynamic(extents[loop]) ? assumed : extents[loop];
}

/// Whether the body only passes elements on: conversions and arithmetic make it elementwise;
/// selecting by index conditions does not.
static bool onlyMoves(linalg::GenericOp op) {
  for (Operation &inner : op.getRegion().front().without_terminator()) {
    if (isa<linalg::IndexOp, tensor::ExtractOp, tensor::DimOp, arith::ConstantOp, arith::SelectOp,
            arith::CmpIOp>(inner))
      continue;
    Type type = inner.getResult(0).getType();
    bool onConditions = type.isInteger(1) && isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(inner);
    if (!type.isIndex() && !onConditions)
      return false;
  }
  return true;
}

/// A condition that compares a reduction loop with a parallel one: the elements up to here.
static bool comparesWithOwnPlace(BodyAnalysis &body, linalg::GenericOp op,
                                 const llvm::SmallBitVector &reductionLoops) {
  for (Operation &inner : op.getRegion().front()) {
    auto compare = dyn_cast<arith::CmpIOp>(inner);
    if (!compare)
      continue;
    IndexForm a = body.form(compare.getLhs()), b = body.form(compare.getRhs());
    if (a.fromData || b.fromData)
      continue;
    auto reduced = [&](const IndexForm &form) { return form.loops.anyCommon(reductionLoops); };
    if (reduced(b))
      std::swap(a, b);
    if (reduced(a) && !reduced(b) && b.loops.any())
      return true;
  }
  return false;
}

/// Of an index that depends on a loop by d floordiv c alone: c. 1 when it depends on it otherwise,
/// 0 when it does not.
static int64_t stepsOfGroup(AffineExpr expr, unsigned loop) {
  if (!expr.isFunctionOfDim(loop))
    return 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return 1;
  if (auto by = dyn_cast<AffineConstantExpr>(binary.getRHS());
      by && expr.getKind() == AffineExprKind::FloorDiv && isa<AffineDimExpr>(binary.getLHS()))
    return by.getValue();
  return std::gcd(stepsOfGroup(binary.getLHS(), loop), stepsOfGroup(binary.getRHS(), loop));
}

/// Channels in groups, which are no columns: a factor that is an operand goes on to the next group
/// only where that begins.
static int64_t findGroups(StageInfo &info, const Slice &factor, unsigned loop) {
  // Fewer are no rows of a register tile.
  constexpr int64_t kFew = 4;
  if (factor.reads.size() != 1 || !factor.reads[0].operand || info.innermostOutputLoop() == loop)
    return 0;
  int64_t steps = 0;
  for (AffineExpr expr : info.op.getMatchingIndexingMap(factor.reads[0].operand).getResults())
    steps = std::gcd(steps, stepsOfGroup(expr, loop));
  return steps < kFew ? 0 : steps;
}

static void matchProduct(StageInfo &info, BodyAnalysis &body) {
  std::optional<kernel::Product> product = kernel::matchProduct(info.op);
  if (!product)
    return;
  info.lhs = body.slice(product->lhs);
  info.rhs = body.slice(product->rhs);
  info.groups.assign(info.loops.size(), 0);
  for (unsigned loop = 0; loop < info.loops.size(); ++loop) {
    if (info.reductionLoops.test(loop))
      continue;
    bool left = info.lhs.loops.test(loop), right = info.rhs.loops.test(loop);
    if (left && right) {
      int64_t ofLeft = findGroups(info, info.lhs, loop), ofRight = findGroups(info, info.rhs, loop);
      info.groups[loop] = ofLeft && ofRight ? 0 : ofLeft + ofRight;
      left = !info.groups[loop] || !ofLeft;
      right = !info.groups[loop] || !ofRight;
    }
    (left == right ? info.batch : left ? info.m : info.n).push_back(loop);
  }
  info.isProduct = !info.m.empty() || !info.n.empty();
}

static StageKind classify(StageInfo &info, BodyAnalysis &body) {
  bool readsAtData = llvm::any_of(info.reads, [](const Access &read) {
    return llvm::any_of(read.dims, [](const IndexForm &form) { return form.fromData; });
  });
  if (!info.reduces()) {
    if (readsAtData)
      return StageKind::Gather;
    return onlyMoves(info.op) ? StageKind::Movement : StageKind::Elementwise;
  }
  matchProduct(info, body);
  auto slides = [&](const Access &read) { return read.slides(info.reductionLoops); };
  if (llvm::any_of(info.reads, slides)) {
    if (!info.isProduct)
      return StageKind::DepthwiseWindow;
    // Channels are mixed when the other factor has a parallel loop of its own.
    bool left = llvm::any_of(info.lhs.reads, slides);
    return (left ? info.n : info.m).empty() ? StageKind::DepthwiseWindow : StageKind::Window;
  }
  if (comparesWithOwnPlace(body, info.op, info.reductionLoops))
    return StageKind::Scan;
  return info.isProduct ? StageKind::Contraction : StageKind::Reduction;
}

/// The value that gives a dynamic extent; null for arguments.
static Value dynamicExtent(Value tensor, int64_t dim) {
  while (auto stage = tensor.getDefiningOp<linalg::LinalgOp>())
    tensor = stage.getDpsInits()[cast<OpResult>(tensor).getResultNumber()];
  auto empty = tensor.getDefiningOp<tensor::EmptyOp>();
  return empty ? empty.getDynamicSize(dim) : Value();
}

/// What is known of an extent: min(x, c) is at most c, and a product with c a multiple of it.
static std::pair<int64_t, int64_t> boundAndStep(Value extent) {
  APInt constant;
  if (!extent)
    return {ShapedType::kDynamic, 1};
  if (matchPattern(extent, m_ConstantInt(&constant)))
    return {constant.getSExtValue(), std::max<int64_t>(1, constant.getSExtValue())};
  if (auto least = extent.getDefiningOp<arith::MinSIOp>())
    for (Value operand : least->getOperands())
      if (matchPattern(operand, m_ConstantInt(&constant)))
        return {constant.getSExtValue(), 1};
  if (auto product = extent.getDefiningOp<arith::MulIOp>())
    for (unsigned side = 0; side < 2; ++side)
      if (matchPattern(product->getOperand(side), m_ConstantInt(&constant)) &&
          constant.isStrictlyPositive()) {
        int64_t factor = constant.getSExtValue();
        auto [bound, step] = boundAndStep(product->getOperand(1 - side));
        return {ShapedType::isDynamic(bound) ? bound : bound * factor, step * factor};
      }
  return {ShapedType::kDynamic, 1};
}

StageInfo analyzeStage(linalg::GenericOp op) {
  StageInfo info;
  info.op = op;
  info.name = kernel::getStageName(op).str();
  info.loops = kernel::getLoopNames(op);
  unsigned loops = op.getNumLoops();
  info.reductionLoops.resize(loops);
  info.extents.assign(loops, ShapedType::kDynamic);
  info.bounds.assign(loops, ShapedType::kDynamic);
  info.steps.assign(loops, 1);
  for (unsigned loop = 0; loop < loops; ++loop)
    if (op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction)
      info.reductionLoops.set(loop);

  BodyAnalysis body(op);
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<Access> read = body.access(operand);
    if (!read)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    auto type = cast<RankedTensorType>(operand.get().getType());
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (auto plain = dyn_cast<AffineDimExpr>(expr)) {
        unsigned loop = plain.getPosition();
        if (!type.isDynamicDim(dim)) {
          info.extents[loop] = info.bounds[loop] = type.getDimSize(dim);
          info.steps[loop] = std::max<int64_t>(1, type.getDimSize(dim));
        } else if (ShapedType::isDynamic(info.bounds[loop])) {
          std::tie(info.bounds[loop], info.steps[loop]) =
              boundAndStep(dynamicExtent(operand.get(), dim));
        }
      }
    if (op.isDpsInput(&operand) && !op.getMatchingBlockArgument(&operand).use_empty())
      info.reads.push_back(*read);
  }
  for (Operation &inner : op.getRegion().front().without_terminator()) {
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner))
      info.reads.push_back(body.access(extract));
    info.flopsPerPoint += kernel::countOperations(inner);
  }
  info.kind = classify(info, body);
  return info;
}

KernelInfo analyzeKernel(kernel::FuncOp kernel) {
  KernelInfo info;
  for (Operation *stage : kernel.getStages())
    if (auto generic = dyn_cast<linalg::GenericOp>(stage))
      info.stages.push_back(analyzeStage(generic));
  return info;
}

const StageInfo *KernelInfo::lookup(StringRef stage) const {
  for (const StageInfo &info : stages)
    if (info.name == stage)
      return &info;
  return nullptr;
}

const StageInfo *KernelInfo::lookup(Operation *stage) const {
  for (const StageInfo &info : stages)
    if (info.op.getOperation() == stage)
      return &info;
  return nullptr;
}

} // namespace tessera::scheduling
