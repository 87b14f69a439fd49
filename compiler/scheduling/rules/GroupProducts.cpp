//===- GroupProducts.cpp - Products that one instruction sums in groups -----------------------===//
// Products of 8-bit integers: an instruction sums two products of 16-bit ones (vpmaddwd), or four
// of u8 and s8 (vpdpbusd). Products of bf16: one sums two in f32 (vdpbf16ps). Neighbours along the
// innermost reduction are then neighbours in both operands.
// 1. One operand follows the columns and does not slide: it is packed by columns and groups.
// 2. The other one is broadcast, and read in groups as it is where its neighbours are contiguous.
// 3. Or it is a window over the columns' own channels: neighbours are taps. A copy lays them side
// by
//    side, in tiles of columns.
#include "compiler/scheduling/rules/Plan.h"

#include "compiler/scheduling/restructure/Restructure.h"

using namespace mlir;

namespace tessera::scheduling {

std::optional<GroupedFactors> findGroupedFactors(const Target &target, const StageInfo &stage,
                                                 unsigned columns) {
  std::optional<IntegerProduct> product = matchIntegerProduct(stage);
  GroupedFactors factors;
  // Of bf16, a depthwise window would copy as many bytes as it has in f32.
  if (std::optional<Bf16Product> floats; !product && (target.bf16Products || target.matrixTiles) &&
                                         stage.kind != StageKind::DepthwiseWindow &&
                                         (floats = matchBf16Product(stage))) {
    product = IntegerProduct{floats->lhs, floats->rhs};
    factors.isFloat = true;
  }
  if (!product)
    return std::nullopt;
  for (const Access &read : stage.reads) {
    if (read.operand != product->lhs && read.operand != product->rhs)
      continue;
    bool isUnsigned = read.operand == product->lhs ? product->lhsUnsigned : product->rhsUnsigned;
    bool isPacked = stage.kind == StageKind::DepthwiseWindow ? !read.slides(stage.reductionLoops)
                                                             : read.dependsOn(columns);
    (isPacked ? factors.packed : factors.grouped) = &read;
    (isPacked ? factors.packedUnsigned : factors.groupedUnsigned) = isUnsigned;
  }
  if (!factors.packed || !factors.grouped)
    return std::nullopt;
  return factors;
}

/// The dimension of a window's operand along which `loop` moves it, and nothing else does.
static std::optional<unsigned> slidingDim(const Access &read, unsigned loop) {
  std::optional<unsigned> dim;
  for (auto [d, form] : llvm::enumerate(read.dims)) {
    if (!form.loops.test(loop))
      continue;
    if (dim || !form.linear || form.clamped || form.loops.count() != 2)
      return std::nullopt;
    dim = d;
  }
  return dim;
}

/// Tiles that channels fill: of bytes that lie past a tile's last channel no vector can be read.
static bool chooseChannelTile(ReducerPlan &plan, const Target &target, const StageInfo &stage,
                              unsigned columns) {
  constexpr int64_t kFewestLanes = 4, kRows = 4, kAccumulators = 8;
  int64_t channels = stage.extents[columns], most = target.vectorRegisters >= 32 ? 4 : 3;
  if (ShapedType::isDynamic(channels))
    return false;
  int64_t lanes = plan.lanes;
  while (lanes > kFewestLanes && channels % lanes != 0)
    lanes /= 2;
  if (channels % lanes != 0)
    return false;
  int64_t vectors = most;
  while (channels / lanes % vectors != 0)
    --vectors;
  plan.lanes = lanes;
  plan.columnTile = lanes * vectors;
  if (!plan.rows.empty()) {
    int64_t rows = stage.extents[stage.loopNumber(plan.rows)];
    plan.rowTile = vectors == 1 ? kAccumulators : kRows;
    if (!ShapedType::isDynamic(rows))
      plan.rowTile = std::min(plan.rowTile, rows);
  }
  return true;
}

void Planner::planGroups(ReducerPlan &plan, const StageInfo &stage, unsigned columns) {
  std::optional<GroupedFactors> factors = findGroupedFactors(target, stage, columns);
  if (!factors || (factors->isFloat && !target.bf16Products) ||
      !packedDim(*factors->packed, columns))
    return;
  std::optional<unsigned> inner;
  if (stage.kind == StageKind::DepthwiseWindow) {
    if (!factors->grouped->isContiguousIn(columns))
      return;
    for (const std::string &name : llvm::reverse(plan.reductionLoops))
      if (unsigned loop = stage.loopNumber(name);
          !inner && stage.extents[loop] != 1 && slidingDim(*factors->grouped, loop))
        inner = loop;
  } else if (unsigned last = stage.loopNumber(plan.reductionLoops.back());
             factors->grouped->isContiguousIn(last) && stage.extents[last] != 1) {
    inner = last;
  }
  if (!inner || !packedDim(*factors->packed, *inner) ||
      (stage.kind == StageKind::DepthwiseWindow &&
       !chooseChannelTile(plan, target, stage, columns)))
    return;
  std::string name = stage.loops[*inner];
  llvm::erase(plan.reductionLoops, name);
  plan.reductionLoops.push_back(name);
  bool four = target.dotProducts && factors->groupedUnsigned && !factors->packedUnsigned;
  plan.group = four ? 4 : 2;
  plan.widen = !four && !factors->isFloat;
}

/// (1)
LogicalResult Planner::packGroups(const ReducerPlan &plan) {
  const StageInfo &stage = *info.lookup(plan.stage);
  unsigned columns = stage.loopNumber(plan.columns);
  const Access &read = *findGroupedFactors(target, stage, columns)->packed;
  int64_t n = *packedDim(read, columns);
  int64_t k = *packedDim(read, stage.loopNumber(plan.reductionLoops.back()));
  SmallVector<int64_t> outer, reductions;
  for (int64_t d = 0; d < int64_t(read.dims.size()); ++d)
    if (d != n) {
      int at = read.dims[d].loops.find_first();
      (at >= 0 && stage.reductionLoops.test(at) ? reductions : outer).push_back(d);
    }
  auto nesting = [&](int64_t d) {
    std::string name = stage.loops[read.dims[d].loops.find_first()];
    return llvm::find(plan.reductionLoops, name) - plan.reductionLoops.begin();
  };
  llvm::sort(reductions, [&](int64_t a, int64_t b) { return nesting(a) < nesting(b); });
  outer.push_back(n);
  outer.append(reductions);
  bool constant =
      isConstant(read.tensor) && llvm::all_of(read.tensor.getUsers(), [&](Operation *user) {
        return user == stage.op.getOperation() || isa<tensor::DimOp>(user);
      });
  SmallVector<int64_t> dims{n, k}, tiles{plan.columnTile, plan.group};
  OpBuilder builder = writer.restructuring();
  if (constant)
    return apply(schedule::PackOperandOp::create(builder, writer.loc(),
                                                 cast<BlockArgument>(read.tensor).getArgNumber(),
                                                 dims, tiles, outer));
  std::string copy = plan.stage + "_" + plan.columns + "_packed";
  return success(succeeded(apply(schedule::CopyPackedOp::create(builder, writer.loc(), plan.stage,
                                                                read.operand->getOperandNumber(),
                                                                copy, dims, tiles, outer))) &&
                 succeeded(keepInMemory(copy)));
}

LogicalResult Planner::group(ReducerPlan &plan) {
  std::string loop = plan.reductionLoops.back();
  if (failed(packGroups(plan))) // First: widening changes the product.
    return failure();
  const StageInfo &stage = *info.lookup(plan.stage);
  unsigned columns = stage.loopNumber(plan.columns), inner = stage.loopNumber(loop);
  const Access read = *findGroupedFactors(target, stage, columns)->grouped;
  unsigned operand = read.operand->getOperandNumber();
  int64_t rank = read.dims.size(), extent = stage.extents[inner];
  bool isWindow = plan.stageKind == StageKind::DepthwiseWindow;
  std::string kept;
  OpBuilder builder = writer.restructuring();
  if (plan.widen) {
    kept = plan.stage + "_wide";
    if (failed(apply(schedule::WidenOperandOp::create(builder, writer.loc(), plan.stage, operand,
                                                      builder.getI16Type(), kept))))
      return failure();
  }
  if (isWindow) { // (3)
    int64_t slides = *slidingDim(read, inner);
    SmallVector<int64_t> order;
    for (int64_t d = 0; d + 1 < rank; ++d) {
      if (d == slides)
        order.push_back(rank - 1);
      order.push_back(d);
    }
    kept = plan.stage + "_taps";
    builder = writer.restructuring();
    if (failed(apply(schedule::CopyPackedOp::create(
            builder, writer.loc(), plan.stage, operand, plan.stage + "_tiled",
            ArrayRef<int64_t>{rank - 1}, ArrayRef<int64_t>{plan.columnTile}, order))))
      return failure();
    builder = writer.restructuring();
    if (failed(apply(schedule::CopyWindowOp::create(builder, writer.loc(), plan.stage, operand,
                                                    loop, plan.group, kept))))
      return failure();
  } else if (ShapedType::isDynamic(extent) || extent % plan.group != 0) { // (2)
    kept = plan.stage + "_grouped";
    builder = writer.restructuring();
    if (failed(apply(schedule::CopyPackedOp::create(
            builder, writer.loc(), plan.stage, operand, kept, ArrayRef<int64_t>{rank - 1},
            ArrayRef<int64_t>{plan.group}, llvm::to_vector(llvm::seq<int64_t>(0, rank))))))
      return failure();
  }
  if (!kept.empty() && failed(keepInMemory(kept)))
    return failure();
  plan.grouped = loop + "_g";
  builder = writer.restructuring();
  return apply(schedule::GroupReductionOp::create(builder, writer.loc(), plan.stage, loop,
                                                  plan.group, plan.grouped));
}

} // namespace tessera::scheduling
