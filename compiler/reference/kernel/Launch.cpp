//===- Launch.cpp - kernel.launch in functions of the graph level -----------------===//
#include "compiler/reference/graph/Rules.h"
#include "compiler/reference/kernel/Machine.h"
#include "compiler/reference/kernel/Register.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

Tensor reference::pack(const Tensor &logical, kernel::PackedAttr layout) {
  SmallVector<int64_t> outer(logical.getShape()), shape;
  for (auto [dim, tile] : llvm::zip(layout.getInnerDimsPos(), layout.getInnerTiles()))
    outer[dim] = llvm::divideCeilSigned(outer[dim], tile);
  for (int64_t dim : layout.getOuterDimsPerm())
    shape.push_back(outer[dim]);
  llvm::append_range(shape, layout.getInnerTiles());
  Tensor packed(logical.getElementType(), shape);
  int64_t rank = logical.getRank();
  SmallVector<int64_t> at(rank);
  forEachIndex(shape, [&](ArrayRef<int64_t> index, int64_t place) {
    for (auto [i, dim] : llvm::enumerate(layout.getOuterDimsPerm()))
      at[dim] = index[i];
    for (auto [i, dim] : llvm::enumerate(layout.getInnerDimsPos()))
      at[dim] = at[dim] * layout.getInnerTiles()[i] + index[rank + i];
    for (int64_t d = 0; d < rank; ++d)
      if (at[d] >= logical.getDim(d))
        return; // Padding is zero.
    packed.copyElement(place, logical, logical.position(at));
  });
  return packed;
}

static FailureOr<SmallVector<int64_t>> evaluateDims(kernel::LaunchOp op, Evaluation &evaluation) {
  SmallVector<int64_t> values;
  for (Attribute dim : op.getDims()) {
    FailureOr<int64_t> value = failure();
    if (auto number = llvm::dyn_cast<IntegerAttr>(dim))
      value = number.getInt();
    else
      value = evaluation.extent(llvm::cast<graph::DimAttr>(dim));
    if (failed(value))
      return failure();
    values.push_back(*value);
  }
  return values;
}

/// Packed blocks are bytes in a kernel.
static Tensor seenByKernel(const Tensor &tensor) {
  if (!llvm::isa<graph::BlockType>(tensor.getElementType()) || tensor.getRank() == 0)
    return tensor;
  SmallVector<int64_t> shape(tensor.getShape());
  shape.back() *= tensor.getFormat().getByteSize();
  Type byte = IntegerType::get(tensor.getElementType().getContext(), 8);
  return Tensor::borrow(byte, shape, tensor.getBytes());
}

static Tensors evaluateLaunch(kernel::LaunchOp op, Operands operands, Evaluation &evaluation) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<kernel::FuncOp>(op, op.getKernelAttr());
  if (!kernel)
    return evaluation.fail("there is no kernel @" + op.getKernel());
  FailureOr<SmallVector<int64_t>> dims = evaluateDims(op, evaluation);
  if (failed(dims))
    return failure();
  SmallVector<Tensor> arguments;
  for (auto [i, given] : llvm::enumerate(operands)) {
    Tensor operand = seenByKernel(given);
    // Kernels see integers without a sign.
    Type element = getElementTypeOrSelf(kernel.getArgumentTypes()[i]);
    if (ElementFormat(element).getByteSize() != operand.getFormat().getByteSize())
      return evaluation.fail("operand " + llvm::Twine(i) + " has other elements than the kernel");
    Tensor argument = operand.withElementType(element);
    auto layout =
        kernel.getArgAttrOfType<kernel::PackedAttr>(i, kernel::KernelDialect::kLayoutAttr);
    if (layout && operand.getRank() == int64_t(layout.getOuterDimsPerm().size()))
      argument = pack(argument, layout);
    arguments.push_back(argument);
  }
  Machine machine(kernel, evaluation.getRemainingSteps());
  FailureOr<SmallVector<Tensor>> results = machine.run(arguments, *dims);
  if (failed(results))
    return evaluation.fail(machine.getError());
  if (failed(evaluation.spend(evaluation.getRemainingSteps() - machine.getRemainingSteps())))
    return failure();
  results->truncate(op.getNumResults()); // Scratch comes last.
  for (auto [result, value] : llvm::zip(*results, op.getResults()))
    result = result.withElementType(graph::getTensorType(value).getElementType());
  return results;
}

void reference::registerKernelReference(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, kernel::KernelDialect *) { attach<evaluateLaunch>(*context); });
}
