//===- StreamStages.cpp - What a stage merges, block by block ---------------------------------===//
#include "dialects/kernel/StreamStages.h"

#include "dialects/kernel/Kernel.h"
#include "dialects/kernel/LoopTracer.h"
#include "dialects/kernel/Operations.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::kernel;

/// More depth than shared memory holds, more columns than registers do.
static constexpr int64_t kMostScores = 2, kMostDepth = 256, kMostColumns = 256;

SmallVector<const StreamStages::Reduction *> StreamStages::scores() const {
  SmallVector<const Reduction *> found;
  for (const Reduction &reduction : reductions)
    if (reduction.kind == Reduction::Scores)
      found.push_back(&reduction);
  return found;
}

const StreamStages::Reduction *StreamStages::sums() const {
  const auto *found =
      llvm::find_if(reductions, [](const Reduction &r) { return r.kind == Reduction::Sums; });
  return found == reductions.end() ? nullptr : found;
}

int64_t StreamStages::getAlikeBytes() const {
  int64_t bytes = 0;
  for (unsigned state : isAlike.set_bits())
    bytes += bytesOf(state);
  return bytes;
}

int64_t StreamStages::getSharedBytes(const StreamTile &tile) const {
  const int64_t size = isMatrix && !isTf32 ? 2 : productBytes;
  int64_t depthExtent = 0;
  for (const Reduction *score : scores())
    depthExtent += getPaddedDepth(*score, tile);
  const int64_t columns = columnExtent ? getPaddedColumns(tile) : 0;
  int64_t bytes = tile.rows() * depthExtent * size +
                  tile.stages * tile.keyWarps * tile.keys * (depthExtent + columns) * size;
  bytes += tile.warps() * getWeightBytes(tile);
  // At the end: sums (64 columns at a time, but all where warps merge theirs), and a value of every
  // row for each state.
  const int64_t last =
      std::max<int64_t>(tile.keyWarps > 1 ? columns : std::min<int64_t>(columns, 64), 1);
  return std::max(bytes, tile.warps() * 16 * ((last + 8) * productBytes + getAlikeBytes())) +
         getBarrierBytes(tile);
}

/// Whether two loops have one extent, as far as the operands say.
static OpFoldResult extentOf(Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return IntegerAttr::get(IndexType::get(tensor.getContext()), type.getDimSize(dim));
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    return extentOf(fill.getOutputs()[0], dim);
  if (auto stage = tensor.getDefiningOp<linalg::GenericOp>())
    return extentOf(stage.getOutputs()[cast<OpResult>(tensor).getResultNumber()], dim);
  if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>())
    return empty.getDynamicSizes()[type.getDynamicDimIndex(dim)];
  return {};
}

static OpFoldResult extentOf(linalg::GenericOp stage, unsigned loop) {
  OpFoldResult found;
  for (OpOperand &operand : stage->getOpOperands())
    if (isa<RankedTensorType>(operand.get().getType()))
      if (std::optional<unsigned> place = stage.getMatchingIndexingMap(&operand).getResultPosition(
              getAffineDimExpr(loop, stage.getContext()))) {
        found = extentOf(operand.get(), *place);
        if (found)
          return found;
      }
  return found;
}

static std::optional<int64_t> constantExtent(linalg::GenericOp stage, unsigned loop) {
  OpFoldResult extent = extentOf(stage, loop);
  return extent ? getConstantIntValue(extent) : std::nullopt;
}

namespace {
class Matcher {
public:
  using Reduction = StreamStages::Reduction;
  Matcher(linalg::GenericOp merge, std::string &why) : why(why) { stream.merge = merge; }

  std::optional<StreamStages> run() {
    if (!readMerge() || !findReductions() || !chooseLoops() || !readProducts())
      return std::nullopt;
    return stream;
  }

private:
  bool fail(const Twine &reason) {
    why = reason.str();
    return false;
  }

  /// What registers have, and lanes exchange.
  static bool isNumber(Type type) {
    return type.isIntOrFloat() && type.getIntOrFloatBitWidth() <= 64 &&
           (type.isInteger() || type.getIntOrFloatBitWidth() >= 16);
  }

  bool readMerge() {
    linalg::GenericOp merge = stream.merge;
    if (!merge->hasAttr(KernelDialect::kAnyBlocksAttr))
      return fail("its blocks may not be cut into smaller ones");
    SmallVector<unsigned> reduced;
    merge.getReductionDims(reduced);
    if (reduced.size() != 1)
      return fail("it has several loops over blocks");
    stream.blocks = reduced[0];
    for (OpOperand &init : merge.getDpsInitsMutable()) {
      AffineMap map = merge.getMatchingIndexingMap(&init);
      if (map != resultMap(merge) || !map.isProjectedPermutation() ||
          map.getNumResults() + 1 != merge.getNumLoops())
        return fail("its results have different dimensions");
      if (!init.get().getDefiningOp<linalg::FillOp>())
        return fail("it starts from states that differ from element to element");
      if (!isNumber(getElementTypeOrSelf(init.get().getType())))
        return fail("it has states that are no numbers of up to 64 bits");
    }
    return true;
  }

  bool findReductions() {
    LoopTracer tracer;
    LoopTracer::Loops &own = tracer.begin(stream.merge);
    for (unsigned loop = 0; loop < stream.merge.getNumLoops(); ++loop)
      own.push_back(int(loop));
    for (Operation *op = stream.merge; op; op = op->getPrevNode()) {
      auto stage = dyn_cast<linalg::GenericOp>(op);
      LoopTracer::Loops *loops = stage ? tracer.lookup(stage) : nullptr;
      if (!loops)
        continue;
      if (stage != stream.merge && stage.getNumReductionLoops() && !readReduction(stage, *loops))
        return false;
      tracer.follow(stage);
    }
    std::reverse(stream.reductions.begin(), stream.reductions.end());
    auto count = [&](Reduction::Kind kind) {
      return llvm::count_if(stream.reductions, [&](auto &r) { return r.kind == kind; });
    };
    if (count(Reduction::Scores) < 1 || count(Reduction::Scores) > kMostScores)
      return fail(Twine(count(Reduction::Scores)) + " products give its scores, not 1 to " +
                  Twine(kMostScores));
    if (count(Reduction::Row) == 0)
      return fail("no reduction of a row of scores gives a state");
    if (count(Reduction::Sums) > 1)
      return fail("several weighted sums follow from its scores");
    if (std::optional<int64_t> number = getConstantIntValue(keys))
      stream.keyStep = std::max<int64_t>(*number, 1);
    else if (auto product = llvm::cast<Value>(keys).getDefiningOp<arith::MulIOp>())
      for (Value factor : product->getOperands())
        if (std::optional<int64_t> number = getConstantIntValue(factor); number && *number > 0)
          stream.keyStep = *number;
    return true;
  }

  bool readReduction(linalg::GenericOp stage, LoopTracer::Loops &loops) {
    const std::string name = getStageName(stage).str();
    SmallVector<unsigned> reduced;
    stage.getReductionDims(reduced);
    if (reduced.size() != 1)
      return fail("stage '" + name + "' has several loops that reduce");
    bool hasKeys = false, hasBlocks = false;
    llvm::SmallDenseSet<int> seen;
    for (auto [loop, kind] : llvm::enumerate(stage.getIteratorTypesArray())) {
      if (kind == utils::IteratorType::reduction)
        continue;
      if (loops[loop] == StreamStages::kOther || !seen.insert(loops[loop]).second)
        return fail("stage '" + name + "' is read at several places, or at computed ones");
      hasKeys |= loops[loop] == StreamStages::kKeys;
      hasBlocks |= loops[loop] == int(stream.blocks);
    }
    if (!hasBlocks)
      return fail("stage '" + name + "' is the same for all blocks");
    if (stage.getOutputs()[0].getDefiningOp<linalg::FillOp>() == nullptr)
      return fail("stage '" + name + "' adds to something that differs from element to element");
    Reduction reduction;
    reduction.stage = stage;
    reduction.reduced = reduced[0];
    for (unsigned result = 0; result < stage.getNumResults(); ++result)
      if (!matchCombiner(stage, result) ||
          !isNumber(getElementTypeOrSelf(stage.getResult(result).getType())))
        return fail("stage '" + name + "' reduces by no known operation, or no numbers");
    std::optional<Product> product = matchProduct(stage);
    if (!hasKeys)
      loops[reduced[0]] = StreamStages::kKeys;
    reduction.follows = loops;
    reduction.kind = hasKeys ? Reduction::Scores : Reduction::Row;
    if (hasKeys && !product)
      return fail("stage '" + name + "' gives scores that are no sums of products");
    if (product)
      reduction.product = *product;
    OpFoldResult extent =
        extentOf(stage, unsigned(llvm::find(loops, StreamStages::kKeys) - loops.begin()));
    if (!extent || (keys && extent != keys))
      return fail("stage '" + name + "' has another number of keys than others");
    keys = extent;
    stream.reductions.push_back(reduction);
    return true;
  }

  /// Loops that all reductions follow, and the columns, which only sums follow.
  bool chooseLoops() {
    linalg::GenericOp merge = stream.merge;
    for (auto [number, kind] : llvm::enumerate(merge.getIteratorTypesArray())) {
      const auto loop = unsigned(number);
      if (kind == utils::IteratorType::reduction)
        continue;
      SmallVector<Reduction *> without;
      for (Reduction &reduction : stream.reductions)
        if (!llvm::is_contained(reduction.follows, int(loop)))
          without.push_back(&reduction);
      if (without.empty())
        continue;
      if (stream.columns)
        return fail("its states have several loops of columns");
      stream.columns = loop;
      std::optional<int64_t> extent = constantExtent(merge, loop);
      if (!extent || *extent < 1 || *extent > kMostColumns)
        return fail("the number of columns is not known, or above " + Twine(kMostColumns));
      stream.columnExtent = *extent;
      for (Reduction &reduction : stream.reductions)
        if (!llvm::is_contained(without, &reduction)) {
          if (reduction.kind != Reduction::Row || !reduction.product.op)
            return fail("what follows the columns is no sum of products");
          reduction.kind = Reduction::Sums;
        }
    }
    stream.isAlike = llvm::SmallBitVector(merge.getNumResults(), true);
    if (stream.columns)
      stream.isAlike = resultsAlike(merge, *stream.columns);
    if (stream.isAlike.size() - stream.isAlike.count() > 1)
      return fail("several states have columns");
    if (bool(stream.sums()) != bool(stream.columns) || bool(stream.columns) == stream.isAlike.all())
      return fail("no state has the columns of the weighted sum");
    return true;
  }

  /// The two factors: the second is along the loop, the first is not.
  bool sortFactors(Reduction &reduction, int along) {
    reduction.left = reduction.product.lhs;
    reduction.right = reduction.product.rhs;
    for (bool swapped : {false, true}) {
      if (swapped)
        std::swap(reduction.left, reduction.right);
      if (!isAlong(reduction, reduction.left, along) && isAlong(reduction, reduction.right, along))
        return true;
    }
    return false;
  }

  bool isAlong(const Reduction &reduction, Value scalar, int followed) {
    return llvm::any_of(getLoopsOf(reduction.stage, scalar).set_bits(),
                        [&](unsigned loop) { return reduction.follows[loop] == followed; });
  }

  bool readProducts() {
    SmallVector<Reduction *> scores, products;
    for (Reduction &reduction : stream.reductions)
      if (reduction.kind == Reduction::Scores)
        scores.push_back(&reduction);
    for (Reduction *score : scores) {
      std::optional<int64_t> depth = constantExtent(score->stage, score->reduced);
      if (!depth || *depth < 1 || *depth > kMostDepth)
        return fail("the depth of the scores is not known, or above " + Twine(kMostDepth));
      score->depth = *depth;
      if (!sortFactors(*score, StreamStages::kKeys))
        return fail("both factors of the scores, or none, follow the keys");
      if (isAlong(*score, score->left, int(stream.blocks)))
        return fail("the factor along rows changes from block to block");
    }
    auto isRow = [&](unsigned loop) {
      return llvm::all_of(scores, [&](Reduction *score) {
        return isAlong(*score, score->left, int(loop)) && !isAlong(*score, score->right, int(loop));
      });
    };
    // The innermost one of which there may be more than one: for one query the heads of a group,
    // which share their keys.
    bool isOne = true;
    for (unsigned loop = 0; loop < stream.merge.getNumLoops(); ++loop)
      if (loop != stream.blocks && loop != stream.columns.value_or(~0u) && isRow(loop)) {
        const bool isSingle = constantExtent(stream.merge, loop) == 1;
        if (!stream.rows || !isSingle || isOne)
          stream.rows = loop;
        isOne &= isSingle;
      }
    auto *sums =
        llvm::find_if(stream.reductions, [](auto &r) { return r.kind == Reduction::Sums; });
    if (sums != stream.reductions.end()) {
      if (!sortFactors(*sums, int(*stream.columns)))
        return fail("both factors of the weighted sum, or none, follow the columns");
      if (!isAlong(*sums, sums->left, StreamStages::kKeys) ||
          (stream.rows && isAlong(*sums, sums->right, int(*stream.rows))))
        return fail("the factors of the weighted sum are no weights of rows and keys");
    }
    products = scores;
    if (sums != stream.reductions.end())
      products.push_back(sums);
    auto areAll = [&](bool isTf32) {
      return llvm::all_of(products, [&](Reduction *product) {
        std::optional<MatrixProduct> matrix = matchMatrixProduct(product->product);
        return matrix && matrix->isTf32 == isTf32 && isa<FloatType>(matrix->lhs.getType());
      });
    };
    stream.isTf32 = areAll(true);
    stream.isMatrix = stream.isTf32 || areAll(false);
    for (Reduction *product : products) {
      const int64_t bits =
          getElementTypeOrSelf(product->stage.getResult(0).getType()).getIntOrFloatBitWidth();
      if ((bits != 32 && bits != 64) || (stream.productBytes && bits != 8 * stream.productBytes))
        return fail("its products are not all summed in 32 bits, nor all in 64");
      stream.productBytes = bits / 8;
      for (Value *factor : {&product->left, &product->right}) {
        if (stream.isMatrix && !stream.isTf32)
          *factor = stripExtensions(*factor);
        else if (factor->getType().getIntOrFloatBitWidth() != bits)
          return fail("a product has factors of another size than its sum");
      }
    }
    if (stream.columns && stream.bytesOf(stream.varying()) != stream.productBytes)
      return fail("the state with columns has another size than the sum that it follows from");
    return true;
  }

  std::string &why;
  StreamStages stream;
  OpFoldResult keys;
};
} // namespace

std::optional<StreamStages> kernel::matchStream(linalg::GenericOp merge, std::string &why) {
  return Matcher(merge, why).run();
}

std::optional<SmallVector<unsigned>> kernel::followMerged(linalg::GenericOp output,
                                                          const StreamStages &stream) {
  linalg::GenericOp merge = stream.merge;
  const unsigned columns = stream.columns.value_or(~0u);
  SmallVector<unsigned> result(merge.getNumLoops(), ~0u);
  if (output == merge) {
    for (unsigned loop = 0; loop < result.size(); ++loop)
      result[loop] = loop;
    return result;
  }
  LoopTracer tracer;
  LoopTracer::Loops &own = tracer.begin(output);
  for (unsigned loop = 0; loop < output.getNumLoops(); ++loop)
    own.push_back(int(loop));
  if (output.getNumReductionLoops())
    return std::nullopt;
  // Each result of the merging stage may be read differently.
  bool isRead = false, fits = true;
  for (Operation *op = output; op && op != merge.getOperation(); op = op->getPrevNode()) {
    auto stage = dyn_cast<linalg::GenericOp>(op);
    LoopTracer::Loops *loops = stage ? tracer.lookup(stage) : nullptr;
    if (!loops)
      continue;
    if (stage.getNumReductionLoops())
      return std::nullopt;
    stage.getRegion().walk([&](tensor::ExtractOp extract) {
      fits &= extract.getTensor().getDefiningOp() != merge.getOperation();
    });
    for (OpOperand &operand : stage->getOpOperands()) {
      if (operand.get().getDefiningOp() != merge.getOperation())
        continue;
      isRead = true;
      const bool isAlike = stream.isAlike.test(cast<OpResult>(operand.get()).getResultNumber());
      for (auto [expr, own] : llvm::zip_equal(stage.getMatchingIndexingMap(&operand).getResults(),
                                              resultMap(merge).getResults())) {
        const unsigned loop = cast<AffineDimExpr>(own).getPosition();
        if (loop == columns && isAlike)
          continue;
        auto dim = dyn_cast<AffineDimExpr>(expr);
        const int place = dim ? (*loops)[dim.getPosition()] : LoopTracer::kOther;
        fits &= place >= 0 && (result[loop] == ~0u || result[loop] == unsigned(place));
        result[loop] = unsigned(place);
      }
    }
    tracer.follow(stage);
  }
  llvm::SmallDenseSet<unsigned> distinct;
  for (auto [loop, place] : llvm::enumerate(result))
    if (loop != stream.blocks && place != ~0u)
      fits &= distinct.insert(place).second;
  for (unsigned loop = 0; loop < result.size(); ++loop)
    fits &= result[loop] != ~0u || loop == stream.blocks || loop == columns;
  if (!isRead || !fits || distinct.size() != output.getNumLoops())
    return std::nullopt;
  return result;
}
