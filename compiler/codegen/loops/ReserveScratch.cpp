//===- ReserveScratch.cpp - A result for what a kernel keeps in memory -------------------===//
#include "compiler/codegen/loops/Loops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace tessera::loops {
#define GEN_PASS_DEF_KERNELRESERVESCRATCH
#include "compiler/codegen/loops/Passes.h.inc"
} // namespace tessera::loops

using namespace mlir;
using namespace tessera;

/// The index `value` of a bufferized kernel as an index of the kernel, whose arguments have the
/// same numbers.
static Value inKernel(Value value, kernel::FuncOp kernel, OpBuilder &builder) {
  Block &body = kernel.getBody().front();
  if (auto argument = dyn_cast<BlockArgument>(value))
    return body.getArgument(argument.getArgNumber());
  Operation *op = value.getDefiningOp();
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    unsigned number = cast<BlockArgument>(dim.getSource()).getArgNumber();
    unsigned extent = *dim.getConstantIndex();
    if (number < kernel.getNumArguments())
      return tensor::DimOp::create(builder, op->getLoc(), body.getArgument(number), extent);
    // A result: what its destination was made with.
    Value root = kernel::getDestinationRoot(
        body.getTerminator()->getOperand(number - kernel.getNumArguments()));
    return root.getDefiningOp<tensor::EmptyOp>().getDynamicSize(extent);
  }
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, inKernel(operand, kernel, builder));
  return builder.clone(*op, mapping)->getResult(0);
}

static LogicalResult reserve(kernel::FuncOp kernel, bool forGpu) {
  FailureOr<loops::BufferizedKernel> buffers = loops::bufferize(kernel, forGpu);
  if (failed(buffers))
    return failure();
  if (!buffers->scratchBytes)
    return success();
  Operation *yield = kernel.getBody().front().getTerminator();
  OpBuilder builder(yield);
  Value bytes = inKernel(buffers->scratchBytes, kernel, builder);
  auto type = RankedTensorType::get({ShapedType::kDynamic}, builder.getI8Type());
  Value scratch = tensor::EmptyOp::create(builder, kernel.getLoc(), type, bytes);
  yield->insertOperands(yield->getNumOperands(), scratch);
  SmallVector<Type> results(kernel.getResultTypes());
  unsigned number = results.size();
  results.push_back(type);
  SmallVector<DictionaryAttr> attributes;
  for (unsigned i = 0; i < number; ++i)
    attributes.push_back(DictionaryAttr::get(kernel.getContext(), kernel.getResultAttrs(i)));
  attributes.push_back(builder.getDictionaryAttr(
      builder.getNamedAttr(kernel::KernelDialect::kScratchAttr, builder.getUnitAttr())));
  kernel.removeResAttrsAttr();
  kernel.setFunctionType(builder.getFunctionType(kernel.getArgumentTypes(), results));
  kernel.setResAttrsAttr(
      builder.getArrayAttr(SmallVector<Attribute>(attributes.begin(), attributes.end())));
  return success();
}

namespace {
struct KernelReserveScratch : loops::impl::KernelReserveScratchBase<KernelReserveScratch> {
  void getDependentDialects(DialectRegistry &registry) const override {
    loops::registerDialects(registry);
  }
  void runOnOperation() override {
    const bool forGpu = loops::isForGpu(getOperation());
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      if (kernel.isSequential() && !loops::getScratchResult(kernel) &&
          failed(reserve(kernel, forGpu)))
        return signalPassFailure();
  }
};
} // namespace
