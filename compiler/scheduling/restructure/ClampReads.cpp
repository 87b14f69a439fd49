//===- ClampReads.cpp - A stage that may be computed past its extent --------------------------===//
// Where several stages are computed for a block of rows, all of them take the whole block, also the
// last one: what lies past the end is computed from the last row over and over, and nobody reads
// it. Only what the kernel takes, or keeps as a whole, ends where its extent says; stages in
// between have the rows of the block.
#include "compiler/scheduling/restructure/Draft.h"
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tessera::scheduling {

/// Whether a tensor ends where its extent says: an argument, or a stage that is a result.
static bool isWhole(Value tensor) {
  return isa<BlockArgument>(tensor) ||
         llvm::any_of(tensor.getDefiningOp()->getUsers(),
                      [](Operation *user) { return isa<kernel::ReturnOp>(user); });
}

namespace {
/// Copies the computation of an index, with a clamped loop in it.
class ClampedIndices {
public:
  ClampedIndices(linalg::GenericOp stage, unsigned loop, Value last)
      : stage(stage), loop(loop), last(last) {}

  /// The value itself where it does not depend on the loop.
  Value get(Value value) {
    auto index = value.getDefiningOp<linalg::IndexOp>();
    if (index && index.getDim() == loop) {
      if (!clamped) {
        OpBuilder builder(stage.getContext());
        builder.setInsertionPointAfter(index);
        clamped = arith::MinSIOp::create(builder, index.getLoc(), index, last);
      }
      return clamped;
    }
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != &stage.getRegion().front() || !isPure(op))
      return value;
    if (Value known = copies.lookupOrNull(value))
      return known;
    IRMapping mapping;
    bool changed = false;
    for (Value operand : op->getOperands()) {
      Value other = get(operand);
      mapping.map(operand, other);
      changed |= other != operand;
    }
    if (!changed)
      return value;
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    Operation *copy = builder.clone(*op, mapping);
    for (auto [from, to] : llvm::zip(op->getResults(), copy->getResults()))
      copies.map(from, to);
    return copies.lookup(value);
  }

private:
  linalg::GenericOp stage;
  unsigned loop;
  Value last, clamped;
  IRMapping copies;
};
} // namespace

LogicalResult clampReads(kernel::FuncOp kernel, schedule::ClampReadsOp directive) {
  FailureOr<linalg::GenericOp> found = lookupStage(kernel, directive, directive.getStage());
  if (failed(found))
    return failure();
  linalg::GenericOp stage = *found;
  FailureOr<unsigned> loop = lookupLoop(stage, directive, directive.getLoop());
  if (failed(loop))
    return failure();
  if (stage.getIteratorTypesArray()[*loop] != utils::IteratorType::parallel)
    return directive.emitOpError()
           << "needs a parallel loop; '" << directive.getLoop() << "' reduces";
  OpBuilder builder(stage);
  OpFoldResult extent = extentOfLoop(builder, stage, *loop);
  if (!extent)
    return directive.emitOpError()
           << "no operand tells the extent of '" << directive.getLoop() << "'";
  Location loc = stage.getLoc();
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value last = arith::SubIOp::create(builder, loc, materialize(builder, loc, extent), one);

  Draft draft(stage);
  for (unsigned l = 0; l < draft.loops.size(); ++l)
    draft.extents[l] = extentOfLoop(builder, stage, l);
  for (auto [number, input] : llvm::enumerate(draft.inputs))
    if (isa<RankedTensorType>(input.value.getType()) && input.map.isFunctionOfDim(*loop) &&
        isWhole(input.value))
      draft.readThroughExtract(number);
  linalg::GenericOp built = draft.build(builder);
  ClampedIndices indices(built, *loop, last);
  SmallVector<tensor::ExtractOp> extracts(built.getRegion().front().getOps<tensor::ExtractOp>());
  for (tensor::ExtractOp extract : extracts)
    if (isWhole(extract.getTensor()))
      for (OpOperand &index : extract.getIndicesMutable())
        index.set(indices.get(index.get()));
  stage.replaceAllUsesWith(built.getResults());
  stage.erase();
  return success();
}

} // namespace tessera::scheduling
