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

/// The tensor that a launch writes a part of; zeros elsewhere.
static FailureOr<Tensor> putInPlace(const Tensor &part, kernel::PlaceAttr place, Value result,
                                    Evaluation &evaluation) {
  SmallVector<int64_t> shape;
  for (graph::DimAttr dim : graph::getTensorType(result).getDims()) {
    FailureOr<int64_t> extent = evaluation.extent(dim);
    if (failed(extent))
      return failure();
    shape.push_back(*extent);
  }
  for (auto [d, extent] : llvm::enumerate(shape))
    if (place.first(d, extent) < 0 || place.last(d, extent) > extent ||
        std::max<int64_t>(place.last(d, extent) - place.first(d, extent), 0) != part.getDim(d))
      return evaluation.fail("a result does not fit into its place");
  Tensor whole(part.getElementType(), shape);
  SmallVector<int64_t> at(shape.size());
  forEachIndex(part.getShape(), [&](ArrayRef<int64_t> index, int64_t from) {
    for (size_t d = 0; d < at.size(); ++d)
      at[d] = index[d] + place.first(d, shape[d]);
    whole.copyElement(whole.position(at), part, from);
  });
  return whole;
}

/// Where a part has nothing, its bytes are zero.
static Tensors evaluateJoin(kernel::JoinOp, Operands parts, Evaluation &) {
  Tensor whole = Tensor(parts[0]).copy();
  for (const Tensor &part : parts.drop_front())
    for (int64_t byte = 0; byte < whole.getByteSize(); ++byte)
      whole.at(0)[byte] |= part.getBytes()[byte];
  return SmallVector<Tensor>{whole};
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
  for (auto [i, value] : llvm::enumerate(op.getResults())) {
    auto place =
        kernel.getResultAttrOfType<kernel::PlaceAttr>(i, kernel::KernelDialect::kPlaceAttr);
    if (!place)
      continue;
    FailureOr<Tensor> whole = putInPlace((*results)[i], place, value, evaluation);
    if (failed(whole))
      return failure();
    (*results)[i] = *whole;
  }
  for (auto [result, value] : llvm::zip(*results, op.getResults()))
    result = result.withElementType(graph::getTensorType(value).getElementType());
  return results;
}

void reference::registerKernelReference(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, kernel::KernelDialect *) {
    attach<evaluateLaunch, evaluateJoin>(*context);
  });
}
