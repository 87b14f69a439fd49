//===- FactorReduction.cpp - Factors that a block of a sum shares -----------------------------===//
// acc[m, n] += x[m, k] * w[n, k], where w is computed by a map w = s * c + o, and s and o are the
// same for `factor` steps of k:
// 1. The map takes in what it copies (a panel reads a map that unpacks), and gives c.
// 2. The partial stage sums x * c over a block; where o is not 0, another sums x.
// 3. The stage sums s * part + o * sums over the blocks; s and o are maps of their own.
// Reassociates: a sum of products.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace tessera::scheduling {
namespace {

/// What a block shares, as a function of the block.
using Shared = std::function<Value(OpBuilder &, llvm::function_ref<Value(Value)> shared)>;

/// scale * core + offset; an absent scale is 1, an absent offset 0.
struct Factored {
  Shared scale, offset;
  Value core;
};

class Matcher {
public:
  /// Steps of `loop` are the same in blocks of `factor`.
  Matcher(unsigned loop, int64_t factor) : loop(loop), factor(factor) {}

  /// Whether a value of the body depends on the loop by its block only.
  bool isShared(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return false;
    auto [found, isNew] = known.try_emplace(value, false);
    if (!isNew)
      return found->second;
    bool result;
    if (auto index = dyn_cast<linalg::IndexOp>(op))
      result = index.getDim() != loop;
    else if (isBlockNumber(value))
      result = true;
    else
      result = op->getNumRegions() == 0 && llvm::all_of(op->getOperands(), [&](Value operand) {
                 return isa<RankedTensorType>(operand.getType()) || isShared(operand);
               });
    return known[value] = result;
  }

  /// k / c, c a multiple of the factor.
  bool isBlockNumber(Value value) const {
    auto division = value.getDefiningOp<arith::DivUIOp>();
    auto index = division ? division.getLhs().getDefiningOp<linalg::IndexOp>() : nullptr;
    APInt divisor;
    return index && index.getDim() == loop &&
           matchPattern(division.getRhs(), m_ConstantInt(&divisor)) &&
           divisor.getSExtValue() % factor == 0;
  }

  Factored match(Value value) {
    Operation *op = value.getDefiningOp();
    // Where nothing is, all is 0.
    if (auto select = dyn_cast_if_present<arith::SelectOp>(op);
        select && isShared(select.getCondition()) &&
        matchPattern(select.getFalseValue(), m_AnyZeroFloat())) {
      Factored inner = match(select.getTrueValue());
      for (Shared *part : {&inner.scale, &inner.offset})
        if (*part)
          *part = where(*part, select);
      return inner;
    }
    if (isa_and_present<arith::MulFOp, arith::AddFOp, arith::SubFOp>(op)) {
      bool isLeft = isShared(op->getOperand(0));
      Value shared = op->getOperand(isLeft ? 0 : 1);
      if (isLeft || isShared(shared)) {
        Factored inner = match(op->getOperand(isLeft ? 1 : 0));
        if (isa<arith::MulFOp>(op)) {
          inner.scale = times(inner.scale, shared);
          if (inner.offset)
            inner.offset = times(inner.offset, shared);
          return inner;
        }
        bool isMinus = isa<arith::SubFOp>(op);
        if (!isMinus || !isLeft) {
          inner.offset = plus(inner.offset, shared, isMinus);
          return inner;
        }
      }
    }
    return {{}, {}, value};
  }

private:
  static Shared where(Shared from, arith::SelectOp select) {
    Value condition = select.getCondition(), zero = select.getFalseValue();
    return [=](OpBuilder &builder, llvm::function_ref<Value(Value)> shared) -> Value {
      Value value = from(builder, shared);
      return arith::SelectOp::create(builder, zero.getLoc(), shared(condition), value,
                                     shared(zero));
    };
  }
  static Shared times(Shared from, Value by) {
    return [=](OpBuilder &builder, llvm::function_ref<Value(Value)> shared) -> Value {
      Value factor = shared(by);
      return from ? arith::MulFOp::create(builder, by.getLoc(), from(builder, shared), factor)
                  : factor;
    };
  }
  static Shared plus(Shared from, Value by, bool isMinus) {
    return [=](OpBuilder &builder, llvm::function_ref<Value(Value)> shared) -> Value {
      Value term = shared(by);
      if (isMinus)
        term = arith::NegFOp::create(builder, by.getLoc(), term);
      return from ? arith::AddFOp::create(builder, by.getLoc(), from(builder, shared), term) : term;
    };
  }

  unsigned loop;
  int64_t factor;
  llvm::DenseMap<Value, bool> known;
};

/// A stage without reductions or operands whose elements one other stage reads.
linalg::GenericOp soleMap(Value tensor) {
  auto map = tensor.getDefiningOp<linalg::GenericOp>();
  bool fits = map && !map.getNumReductionLoops() && map.getNumResults() == 1 &&
              !map.getNumDpsInputs() && map->hasOneUse() &&
              map.getMatchingIndexingMap(map.getDpsInitOperand(0)).isIdentity();
  return fits ? map : nullptr;
}

Value valueOf(linalg::GenericOp map) {
  return map.getRegion().front().getTerminator()->getOperand(0);
}

/// Computes in the body of a map what it reads of other maps.
void takeIn(linalg::GenericOp map) {
  for (Operation &op : llvm::make_early_inc_range(map.getRegion().front())) {
    auto read = dyn_cast<tensor::ExtractOp>(op);
    linalg::GenericOp from = read ? soleMap(read.getTensor()) : nullptr;
    if (!from)
      continue;
    OpBuilder builder(read);
    IRMapping mapping;
    for (Operation &inner : from.getRegion().front().without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner))
        mapping.map(index.getResult(), read.getIndices()[index.getDim()]);
      else
        builder.clone(inner, mapping);
    }
    read.replaceAllUsesWith(mapping.lookupOrDefault(valueOf(from)));
    read.erase();
    from.erase();
  }
}

/// What a map reads of another one at the same place along the loop; else the map itself.
std::pair<linalg::GenericOp, unsigned> behindCopy(linalg::GenericOp map, unsigned loop,
                                                  int64_t factor) {
  Value value = valueOf(map);
  if (auto select = value.getDefiningOp<arith::SelectOp>())
    value = select.getTrueValue();
  auto read = value.getDefiningOp<tensor::ExtractOp>();
  linalg::GenericOp from = read ? soleMap(read.getTensor()) : nullptr;
  if (!from)
    return {map, loop};
  Matcher matcher(loop, factor);
  std::optional<unsigned> along;
  for (auto [dim, at] : llvm::enumerate(read.getIndices())) {
    auto index = at.getDefiningOp<linalg::IndexOp>();
    if (index && index.getDim() == loop && !along)
      along = dim;
    else if (!matcher.isShared(at))
      return {map, loop};
  }
  return along ? std::pair(from, *along) : std::pair(map, loop);
}

/// A sum of products with an operand that has such factors.
struct Match {
  OpOperand *plain = nullptr, *factored = nullptr;
  linalg::GenericOp map; ///< computes the factored operand
  unsigned mapLoop = 0;  ///< its loop along the reduction
  Factored value;
};

std::optional<Match> matchSum(linalg::GenericOp stage, unsigned loop, int64_t factor) {
  Block &body = stage.getRegion().front();
  auto sum = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (stage.getNumResults() != 1 || stage.getNumReductionLoops() != 1 || !sum)
    return std::nullopt;
  Value out = body.getArguments().back();
  auto product = (sum.getLhs() == out ? sum.getRhs() : sum.getLhs()).getDefiningOp<arith::MulFOp>();
  if ((sum.getLhs() != out && sum.getRhs() != out) || !product)
    return std::nullopt;
  auto operandOf = [&](Value value) -> OpOperand * {
    auto argument = dyn_cast<BlockArgument>(value);
    if (!argument || argument == out || !argument.hasOneUse())
      return nullptr;
    return stage.getDpsInputOperand(argument.getArgNumber());
  };
  OpOperand *sides[] = {operandOf(product.getLhs()), operandOf(product.getRhs())};
  if (!sides[0] || !sides[1] || sides[0] == sides[1])
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    linalg::GenericOp map = soleMap(sides[side]->get());
    if (!map)
      continue;
    AffineExpr k = getAffineDimExpr(loop, stage.getContext());
    std::optional<unsigned> along;
    bool isPlain = true;
    for (auto [dim, expr] :
         llvm::enumerate(stage.getMatchingIndexingMap(sides[side]).getResults())) {
      if (expr == k)
        along = dim;
      else
        isPlain &= !expr.isFunctionOfDim(loop);
    }
    if (!along || !isPlain)
      continue;
    auto [source, sourceLoop] = behindCopy(map, *along, factor);
    Value value = valueOf(source);
    Factored factored = Matcher(sourceLoop, factor).match(value);
    if (!factored.scale || factored.core.getType() != value.getType())
      continue;
    return Match{sides[1 - side], sides[side], map, *along, std::move(factored)};
  }
  return std::nullopt;
}

/// A stage that gives a factor for each block: of the extents of `map`, with blocks along its loop.
Value buildShared(kernel::FuncOp kernel, OpBuilder &builder, const Match &match, const Shared &make,
                  int64_t factor, int64_t blocks, StringRef name) {
  linalg::GenericOp map = match.map;
  Location loc = map.getLoc();
  Value init = map.getDpsInits()[0];
  SmallVector<OpFoldResult> shape;
  for (unsigned dim = 0; dim < map.getNumLoops(); ++dim)
    shape.push_back(dim == match.mapLoop ? builder.getIndexAttr(blocks)
                                         : extentOfDim(builder, init, dim));
  Matcher matcher(match.mapLoop, factor);
  auto built =
      buildMap(builder, loc, freshStageName(kernel, name), shape,
               cast<RankedTensorType>(init.getType()).getElementType(), kernel::getLoopNames(map),
               [&](OpBuilder &inside, ArrayRef<Value> at) {
                 IRMapping mapping;
                 std::function<Value(Value)> shared = [&](Value value) -> Value {
                   if (Value done = mapping.lookupOrNull(value))
                     return done;
                   Operation *op = value.getDefiningOp();
                   if (!op || op->getBlock() != &map.getRegion().front())
                     return value;
                   Value result;
                   if (auto index = dyn_cast<linalg::IndexOp>(op)) {
                     result = at[index.getDim()];
                   } else if (matcher.isBlockNumber(value)) {
                     APInt divisor;
                     matchPattern(op->getOperand(1), m_ConstantInt(&divisor));
                     int64_t units = divisor.getSExtValue() / factor;
                     result = at[match.mapLoop];
                     if (units > 1)
                       result = arith::DivUIOp::create(
                           inside, loc, result, arith::ConstantIndexOp::create(inside, loc, units));
                   } else {
                     for (Value operand : op->getOperands())
                       shared(operand);
                     for (Value operand : op->getOperands())
                       if (!mapping.contains(operand))
                         mapping.map(operand, shared(operand));
                     result = inside.clone(*op, mapping)->getResult(0);
                   }
                   mapping.map(value, result);
                   return result;
                 };
                 return make(inside, shared);
               });
  return built.getResult(0);
}

} // namespace

bool hasFactors(linalg::GenericOp stage, unsigned loop, int64_t factor) {
  return matchSum(stage, loop, factor).has_value();
}

LogicalResult factorReduction(kernel::FuncOp kernel, schedule::FactorReductionOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found) || failed(expectFree(kernel, directive, directive.getPartial())) ||
      failed(expectFree(kernel, directive, directive.getSums())))
    return failure();
  linalg::GenericOp stage = *found;
  FailureOr<unsigned> number = lookupReduction(stage, directive, directive.getLoop());
  if (failed(number))
    return failure();
  unsigned loop = *number, inner = stage.getNumLoops();
  int64_t factor = directive.getFactor();
  OpBuilder builder(stage);
  OpFoldResult extent = extentOfLoop(builder, stage, loop);
  std::optional<int64_t> constant = extent ? getConstantIntValue(extent) : std::nullopt;
  if (!constant || *constant % factor)
    return directive.emitOpError() << "needs an extent that is a multiple of " << factor << " for '"
                                   << directive.getLoop() << "'";
  std::optional<Match> match = matchSum(stage, loop, factor);
  if (!match)
    return directive.emitOpError()
           << "stage '" << directive.getStage() << "' sums no products with an operand that has a "
           << "factor for " << factor << " steps of '" << directive.getLoop() << "'";
  takeIn(match->map);
  match->value = Matcher(match->mapLoop, factor).match(valueOf(match->map));
  int64_t blocks = *constant / factor;
  MLIRContext *context = kernel.getContext();
  Location loc = stage.getLoc();
  Type element = cast<RankedTensorType>(stage.getDpsInits()[0].getType()).getElementType();
  AffineExpr k = builder.getAffineDimExpr(loop), place = builder.getAffineDimExpr(inner);
  AffineMap outputMap = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  SmallVector<std::string> names = kernel::getLoopNames(stage);
  std::string partial = directive.getPartial().str();
  auto zeros = [&](ArrayRef<OpFoldResult> shape, const std::string &name) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(element));
    auto fill = linalg::FillOp::create(builder, loc, ValueRange{zero},
                                       ValueRange{emptyTensor(builder, loc, shape, element)});
    kernel::setStage(fill, freshStageName(kernel, name + "_init"));
    return fill.getResult(0);
  };
  auto read = [&](OpOperand *operand) { return stage.getMatchingIndexingMap(operand); };

  // (3), what it reads.
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  Value scale =
      buildShared(kernel, builder, *match, match->value.scale, factor, blocks, partial + "_scale");
  Value offset;
  if (match->value.offset)
    offset = buildShared(kernel, builder, *match, match->value.offset, factor, blocks,
                         partial + "_offset");

  // (1)
  Block &codes = match->map.getRegion().front();
  codes.getTerminator()->setOperand(0, match->value.core);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(codes)))
    if (isOpTriviallyDead(&op))
      op.erase();

  // (2)
  Draft draft(stage);
  for (unsigned l = 0; l < inner; ++l)
    draft.extents[l] = l == loop ? builder.getIndexAttr(blocks) : extentOfLoop(builder, stage, l);
  draft.extents.push_back(builder.getIndexAttr(factor));
  for (Draft::Input &input : draft.inputs)
    input.map = input.map.replace(k, k * factor + place, inner + 1, 0);
  draft.iterators[loop] = utils::IteratorType::parallel;
  draft.iterators.push_back(utils::IteratorType::reduction);
  draft.loops.push_back(directive.getInner().str());
  draft.name = partial;
  SmallVector<AffineExpr> results(outputMap.getResults());
  results.push_back(k);
  draft.outputMap = AffineMap::get(inner + 1, 0, results, context);
  SmallVector<OpFoldResult> shape;
  for (AffineExpr expr : results)
    shape.push_back(draft.extents[cast<AffineDimExpr>(expr).getPosition()]);
  draft.inits[0] = zeros(shape, partial);
  inputs = {draft.build(builder).getResult(0), scale};
  maps = {AffineMap::get(inner, 0, results, context), read(match->factored)};

  if (offset) {
    AffineMap plain = read(match->plain);
    SmallVector<AffineExpr> from(inner + 1), kept;
    SmallVector<std::string> loops;
    SmallVector<OpFoldResult> extents;
    SmallVector<utils::IteratorType> iterators;
    for (unsigned l = 0; l < inner; ++l)
      if (plain.isFunctionOfDim(l) && l != loop) {
        from[l] = builder.getAffineDimExpr(kept.size());
        kept.push_back(builder.getAffineDimExpr(l));
        loops.push_back(names[l]);
        extents.push_back(draft.extents[l]);
      }
    unsigned rank = kept.size() + 1;
    kept.push_back(k);
    extents.push_back(builder.getIndexAttr(blocks));
    from[loop] = builder.getAffineDimExpr(rank - 1) * factor + builder.getAffineDimExpr(rank);
    loops.append({names[loop], directive.getInner().str()});
    iterators.assign(rank, utils::IteratorType::parallel);
    iterators.push_back(utils::IteratorType::reduction);
    for (AffineExpr &expr : from)
      if (!expr)
        expr = builder.getAffineConstantExpr(0);
    SmallVector<AffineMap> sumMaps{
        plain.replaceDimsAndSymbols(ArrayRef(from).take_front(inner), {}, rank + 1, 0),
        AffineMap::get(rank + 1, 0, builder.getAffineDimExpr(rank), context),
        builder.getMultiDimIdentityMap(rank + 1).dropResult(rank)};
    Value init = zeros(extents, directive.getSums().str());
    Value steps = emptyTensor(builder, loc, {builder.getIndexAttr(factor)}, builder.getI8Type());
    auto sums = linalg::GenericOp::create(
        builder, loc, init.getType(), ValueRange{match->plain->get(), steps}, init, sumMaps,
        iterators, [&](OpBuilder &inside, Location, ValueRange arguments) {
          linalg::YieldOp::create(
              inside, loc,
              arith::AddFOp::create(inside, loc, arguments.back(), arguments[0]).getResult());
        });
    SmallVector<StringRef> loopNames(loops.begin(), loops.end());
    kernel::setStage(sums, directive.getSums(), loopNames);
    inputs.append({sums.getResult(0), offset});
    maps.append({AffineMap::get(inner, 0, kept, context), read(match->factored)});
  }

  // (3)
  maps.push_back(outputMap);
  auto merged = linalg::GenericOp::create(
      builder, loc, stage.getResultTypes(), inputs, stage.getDpsInits(), maps,
      stage.getIteratorTypesArray(), [&](OpBuilder &inside, Location, ValueRange arguments) {
        Value sum = arguments.back();
        for (unsigned at = 0; at < inputs.size(); at += 2)
          sum = arith::AddFOp::create(
              inside, loc, sum,
              arith::MulFOp::create(inside, loc, arguments[at], arguments[at + 1]));
        linalg::YieldOp::create(inside, loc, sum);
      });
  SmallVector<StringRef> loopNames(names.begin(), names.end());
  kernel::setStage(merged, directive.getStage(), loopNames);
  stage.replaceAllUsesWith(merged.getResults());
  stage.erase();
  return success();
}

} // namespace tessera::scheduling
