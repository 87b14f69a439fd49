//===- VectorReads.cpp - Reads of neighbours by consecutive steps of a loop -----------------===//
#include "dialects/kernel/VectorReads.h"

#include "dialects/kernel/LoopTracer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <numeric>

using namespace mlir;

namespace tessera::kernel {

/// More ways to the arguments than a kernel of elementwise stages has.
static constexpr size_t kMostVisits = 256;
static constexpr int64_t kMostLanes = 64;

namespace {
class Finder {
public:
  Finder(unsigned loop, llvm::function_ref<bool(Value)> isMemory)
      : loop(loop), isMemory(isMemory) {}

  VectorReads run(linalg::GenericOp stage) {
    const AffineMap identity =
        AffineMap::getMultiDimIdentityMap(stage.getNumLoops(), stage.getContext());
    result.isFlat = !stage.getNumReductionLoops() && resultMap(stage).isIdentity();
    visits.push_back({stage, identity});
    for (size_t i = 0; i < visits.size(); ++i)
      visit(visits[i]);
    result.isFlat &= visits.size() < kMostVisits;
    return std::move(result);
  }

private:
  struct Visit {
    linalg::GenericOp stage;
    AffineMap map; // from the loops of the first stage to its own
  };

  void visit(Visit at) {
    for (OpOperand &operand : at.stage->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()) &&
          !at.stage.getMatchingBlockArgument(&operand).use_empty())
        read(operand.get(), at.stage.getMatchingIndexingMap(&operand).compose(at.map));
    at.stage.getRegion().walk([&](Operation *op) {
      if (isa<linalg::IndexOp>(op))
        result.isFlat = false;
      if (auto extract = dyn_cast<tensor::ExtractOp>(op))
        readComputed(at, extract);
    });
  }

  void read(Value tensor, AffineMap map) {
    if (isMemory(tensor)) {
      result.isFlat &= map.isIdentity();
      auto moves = [&](AffineExpr expr) { return expr.isFunctionOfDim(loop); };
      const bool isInLine =
          map.getNumResults() && llvm::none_of(map.getResults().drop_back(), moves);
      note(tensor, isInLine ? behind(map.getResults().back()) : 0);
      return;
    }
    auto producer = tensor.getDefiningOp<linalg::GenericOp>();
    if (producer && !producer.getNumReductionLoops() && resultMap(producer).isPermutation()) {
      if (visits.size() < kMostVisits)
        visits.push_back({producer, inversePermutation(resultMap(producer)).compose(map)});
      return;
    }
    // A fill is the same everywhere; of tables and reductions single elements are read.
    result.isFlat &= tensor.getDefiningOp<linalg::FillOp>() != nullptr;
  }

  /// A place that the stage computes.
  void readComputed(const Visit &at, tensor::ExtractOp extract) {
    result.isFlat = false;
    if (!isMemory(extract.getTensor()) || extract.getIndices().empty())
      return;
    auto moves = [&](Value index) { return follows(at, index); };
    const bool isInLine = llvm::none_of(extract.getIndices().drop_back(), moves);
    note(extract.getTensor(), isInLine ? behind(at, extract.getIndices().back()) : 0);
  }

  /// `behind`: 0 where steps do not read consecutive elements.
  void note(Value tensor, int64_t behind) {
    int64_t &known = result.tensors.try_emplace(tensor, kMostLanes).first->second;
    known = std::min(known, std::max<int64_t>(behind, 1));
  }

  /// Where the expression is the loop plus what is the same for all of its steps, a number of
  /// which that is a multiple; else 0.
  int64_t behind(AffineExpr expr) const {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      return dim.getPosition() == loop ? kMostLanes : 0;
    auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
    if (!sum || sum.getKind() != AffineExprKind::Add)
      return 0;
    AffineExpr lhs = sum.getLHS(), rhs = sum.getRHS();
    if (lhs.isFunctionOfDim(loop) == rhs.isFunctionOfDim(loop))
      return 0;
    if (rhs.isFunctionOfDim(loop))
      std::swap(lhs, rhs);
    const int64_t own = behind(lhs);
    return own ? std::gcd(own, rhs.getLargestKnownDivisor()) : 0;
  }

  int64_t behind(const Visit &at, Value scalar) const {
    if (auto index = scalar.getDefiningOp<linalg::IndexOp>())
      return behind(at.map.getResult(unsigned(index.getDim())));
    auto sum = scalar.getDefiningOp<arith::AddIOp>();
    if (!sum || follows(at, sum.getLhs()) == follows(at, sum.getRhs()))
      return 0;
    const bool isFirst = follows(at, sum.getLhs());
    const int64_t own = behind(at, isFirst ? sum.getLhs() : sum.getRhs());
    std::optional<int64_t> rest = getConstantIntValue(isFirst ? sum.getRhs() : sum.getLhs());
    return own ? std::gcd(own, rest.value_or(1)) : 0;
  }

  bool follows(const Visit &at, Value scalar) const {
    linalg::GenericOp stage = at.stage;
    if (auto argument = dyn_cast<BlockArgument>(scalar)) {
      if (argument.getOwner() != stage.getBody())
        return argument.getOwner()->getParentOp() != stage->getParentOp();
      AffineMap map = stage.getMatchingIndexingMap(&stage->getOpOperand(argument.getArgNumber()))
                          .compose(at.map);
      return map.isFunctionOfDim(loop);
    }
    Operation *op = scalar.getDefiningOp();
    if (!stage.getRegion().isAncestor(op->getParentRegion()))
      return false;
    if (auto index = dyn_cast<linalg::IndexOp>(op))
      return at.map.getResult(unsigned(index.getDim())).isFunctionOfDim(loop);
    return op->getNumRegions() || llvm::any_of(op->getOperands(), [&](Value operand) {
             return !isa<TensorType>(operand.getType()) && follows(at, operand);
           });
  }

  const unsigned loop;
  llvm::function_ref<bool(Value)> isMemory;
  SmallVector<Visit> visits;
  VectorReads result;
};
} // namespace

SmallVector<Value> VectorReads::inVectors(int64_t width) const {
  SmallVector<Value> found;
  for (auto [tensor, multiple] : tensors)
    if (multiple % width == 0)
      found.push_back(tensor);
  return found;
}

VectorReads findVectorReads(linalg::GenericOp stage, unsigned loop,
                            llvm::function_ref<bool(Value)> isMemory) {
  return Finder(loop, isMemory).run(stage);
}

} // namespace tessera::kernel
