//===- Unpack.cpp - Products with packed weights ----------------------------------------------===//
// A product whose columns are unpacked from a constant by a stage of its own (blocks of few bits):
// the constant is laid out in tiles of columns, byte by byte, so that vectors of columns are
// unpacked from vectors of bytes, and the product reads panels that are unpacked for one cache
// block at a time; of few rows (decoding), the product unpacks in registers.
#include "compiler/scheduling/rules/Plan.h"

#include "compiler/scheduling/restructure/Restructure.h"

using namespace mlir;

namespace tessera::scheduling {

std::optional<Unpacking> matchUnpacking(kernel::FuncOp kernel, const StageInfo &stage) {
  if (stage.reduces() || stage.op.getNumResults() != 1 || stage.loops.empty())
    return std::nullopt;
  AffineMap output = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  unsigned last = output.getDimPosition(output.getNumResults() - 1);
  Unpacking unpacking;
  for (const Access &read : stage.reads) {
    if (read.tensor.getDefiningOp<arith::ConstantOp>())
      continue; // A table.
    auto argument = dyn_cast<BlockArgument>(read.tensor);
    if (!argument || argument.getOwner() != &kernel.getBody().front() || read.operand ||
        (unpacking.argument && unpacking.argument != argument) || read.dims.empty() ||
        !kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kConstantAttr) ||
        kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kLayoutAttr))
      return std::nullopt;
    SmallVector<int64_t> dims;
    for (unsigned place = 0; place + 1 < output.getNumResults(); ++place) {
      unsigned loop = output.getDimPosition(place);
      std::optional<int64_t> found;
      for (auto [dim, form] : llvm::enumerate(read.dims)) {
        if (!form.loops.test(loop))
          continue;
        if (found || !form.movesByOne(loop) || form.loops.count() != 1 || form.clamped)
          return std::nullopt;
        found = dim;
      }
      if (!found)
        return std::nullopt;
      dims.push_back(*found);
    }
    if (unpacking.argument && dims != unpacking.argumentDims)
      return std::nullopt;
    unpacking.argument = argument;
    unpacking.argumentDims = dims;
  }
  if (!unpacking.argument)
    return std::nullopt;
  for (Operation *user : unpacking.argument.getUsers())
    if (user->getParentOp() != stage.op && !isa<tensor::DimOp>(user))
      return std::nullopt;
  // The length of a block: what the last index is divided by; and of its pieces, what the place in
  // the block is divided by.
  int64_t piece = 0;
  for (Operation &inner : stage.op.getRegion().front()) {
    APInt divisor;
    if (!isa<arith::DivUIOp, arith::RemUIOp>(inner) ||
        !matchPattern(inner.getOperand(1), m_ConstantInt(&divisor)))
      continue;
    auto index = inner.getOperand(0).getDefiningOp<linalg::IndexOp>();
    if (index && index.getDim() == last)
      unpacking.period = std::max(unpacking.period, divisor.getSExtValue());
    else if (auto place = inner.getOperand(0).getDefiningOp<arith::RemUIOp>();
             place && isa<arith::RemUIOp>(inner))
      piece = piece ? std::min(piece, divisor.getSExtValue()) : divisor.getSExtValue();
  }
  bool fits = piece && unpacking.period % piece == 0;
  unpacking.stride = fits ? piece : unpacking.period;
  return unpacking;
}

/// What unpacks the operand of a product that depends on `loop`.
std::optional<Unpacking> Planner::findUnpacking(const StageInfo &stage, unsigned loop) {
  for (const Access &read : stage.reads) {
    if (!read.operand || !read.dependsOn(loop))
      continue;
    Operation *producer = read.tensor.getDefiningOp();
    const StageInfo *from = producer ? info.lookup(producer) : nullptr;
    if (!from || !from->op->hasOneUse())
      return std::nullopt;
    std::optional<int64_t> dim = packedDim(read, loop);
    int64_t rank = read.dims.size();
    bool alongReduction = rank > 1 && dim && *dim + 1 < rank &&
                          read.dims.back().loops.count() == 1 &&
                          stage.reductionLoops.test(read.dims.back().loops.find_first());
    return alongReduction ? matchUnpacking(kernel, *from) : std::nullopt;
  }
  return std::nullopt;
}

/// The number of rows of a product with columns that are unpacked, when it is so small that
/// registers hold the sums of all rows: then nothing is unpacked twice, and a panel in memory would
/// only cost.
std::optional<int64_t> Planner::findUnpackedRows(const StageInfo &stage, unsigned columns) {
  constexpr int64_t kFew = 4;
  if (stage.kind != StageKind::Contraction || stage.reductionLoops.count() != 1)
    return std::nullopt;
  std::optional<Unpacking> unpacking = findUnpacking(stage, columns);
  int64_t depth = stage.extents[stage.reductionLoops.find_first()], rows = 1;
  if (!unpacking || ShapedType::isDynamic(depth) || depth % unpacking->period != 0)
    return std::nullopt;
  for (unsigned loop = 0; loop < stage.loops.size(); ++loop) {
    if (stage.reductionLoops.test(loop) || loop == columns || stage.extents[loop] == 1 ||
        llvm::is_contained(stage.batch, loop))
      continue;
    if (rows > 1 || ShapedType::isDynamic(stage.extents[loop]) || stage.extents[loop] > kFew)
      return std::nullopt;
    rows = stage.extents[loop];
  }
  return rows;
}

LogicalResult Planner::unpackPanels(ReducerPlan &plan, const Access &read, int64_t dim,
                                    int64_t tile) {
  Unpacking unpacking = *matchUnpacking(kernel, *info.lookup(read.tensor.getDefiningOp()));
  int64_t rank = read.dims.size();
  int64_t depth = cast<RankedTensorType>(read.tensor.getType()).getDimSize(rank - 1);
  unsigned operand = read.operand->getOperandNumber();
  plan.panelArgument = unpacking.argument.getArgNumber(); // Packing makes another argument.
  auto argumentType = cast<RankedTensorType>(unpacking.argument.getType());
  auto all = llvm::to_vector(llvm::seq<int64_t>(0, argumentType.getRank()));
  OpBuilder builder = writer.restructuring();
  if (failed(apply(schedule::PackOperandOp::create(
          builder, writer.loc(), unpacking.argument.getArgNumber(),
          ArrayRef<int64_t>{unpacking.argumentDims[dim]}, ArrayRef<int64_t>{tile}, all))))
    return failure();
  plan.panel = plan.stage + "_panel";
  plan.panelDepth = "i" + std::to_string(rank - 1);
  plan.panelColumns = "t" + std::to_string(dim);
  for (int64_t other = 0; other + 1 < rank; ++other)
    plan.panelOthers.push_back("i" + std::to_string(other));
  plan.panelPeriod = unpacking.period;
  plan.panelStride = unpacking.stride;
  plan.panelBytes = tile * argumentType.getDimSize(argumentType.getRank() - 1) /
                    std::max<int64_t>(1, depth / unpacking.period);
  builder = writer.restructuring();
  return apply(schedule::CopyPackedOp::create(
      builder, writer.loc(), plan.stage, operand, plan.panel, ArrayRef<int64_t>{dim},
      ArrayRef<int64_t>{tile}, llvm::to_vector(llvm::seq<int64_t>(0, rank))));
}

/// What the steps of a unit share multiplies their sum.
LogicalResult Planner::factor(ReducerPlan &plan) {
  const StageInfo &stage = *info.lookup(plan.stage);
  std::string loop = plan.reductionLoops.back();
  if (!hasFactors(stage.op, stage.loopNumber(loop), plan.panelPeriod))
    return success();
  plan.unit = plan.stage + "_unit";
  plan.unitLoop = loop + "_u";
  std::string sums = plan.stage + "_sums";
  OpBuilder builder = writer.restructuring();
  if (failed(apply(schedule::FactorReductionOp::create(builder, writer.loc(), plan.stage, loop,
                                                       plan.panelPeriod, plan.unitLoop, plan.unit,
                                                       sums))))
    return failure();
  if (!info.lookup(sums))
    return success();
  // All tiles of columns read them.
  plan.unitSums = sums;
  if (failed(keepInMemory(sums)))
    return failure();
  builder = writer.restructuring();
  return apply(schedule::CacheWriteOp::create(builder, writer.loc(), sums, sums + "_out"));
}

FailureOr<ReducerPlan> Planner::planSums(const ReducerPlan &plan) {
  const StageInfo *stage = info.lookup(plan.unitSums);
  std::optional<Place> place = findPlace(*stage);
  if (!place)
    return stage->op.emitOpError() << "has no place in the loops of an output";
  ReducerPlan sums = this->plan(*stage, *place);
  if (failed(restructure(sums)))
    return failure();
  return sums;
}

} // namespace tessera::scheduling
