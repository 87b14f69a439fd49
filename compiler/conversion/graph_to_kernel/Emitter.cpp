//===- Emitter.cpp - Builds the stages of one kernel ------------------------------------===//

#include "compiler/conversion/graph_to_kernel/Emitter.h"

#include "dialects/common/NarrowElements.h"
#include "dialects/graph/Storage.h"
#include "dialects/kernel/Sums.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace tessera;

#include "compiler/conversion/graph_to_kernel/LoweringInterface.cpp.inc"

Type tessera::getKernelElementType(Type graphElement) {
  if (isNarrow(graphElement))
    return IntegerType::get(graphElement.getContext(), 8);
  if (auto integer = llvm::dyn_cast<IntegerType>(graphElement))
    return IntegerType::get(integer.getContext(), integer.getWidth());
  return graphElement;
}

RankedTensorType tessera::getKernelType(graph::TensorType type) {
  type = graph::getStorageType(type);
  return RankedTensorType::get(type.getShape(), getKernelElementType(type.getElementType()));
}

Value tessera::extract(ImplicitLocOpBuilder &b, Value tensor, ValueRange indices) {
  return tensor::ExtractOp::create(b, tensor, indices);
}

KernelEmitter::KernelEmitter(OpBuilder &builder, kernel::FuncOp kernel)
    : builder(builder), kernel(kernel), loc(kernel.getLoc()) {}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value KernelEmitter::extent(graph::DimAttr dim) {
  if (dim.isConstant())
    return constantIndex(dim.getValue());
  if (Value known = knownExtents.lookup(dim))
    return known;
  auto *it = llvm::find(indexArguments, dim);
  Block &entry = kernel.getBody().front();
  unsigned firstIndex = entry.getNumArguments() - indexArguments.size();
  if (it != indexArguments.end())
    return entry.getArgument(firstIndex + (it - indexArguments.begin()));
  indexArguments.push_back(dim);
  return entry.addArgument(builder.getIndexType(), loc);
}

Value KernelEmitter::constantIndex(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value KernelEmitter::constant(TypedAttr value) {
  return arith::ConstantOp::create(builder, loc, value);
}

Value KernelEmitter::number(Type elementType, double value) {
  if (auto type = llvm::dyn_cast<FloatType>(elementType))
    return constant(FloatAttr::get(type, value));
  unsigned width = elementType.getIntOrFloatBitWidth();
  return constant(
      IntegerAttr::get(elementType, llvm::APInt(64, int64_t(value), true).sextOrTrunc(width)));
}

void KernelEmitter::askForSumsIn(Type elementType) {
  llvm::SetVector<Attribute> types;
  if (auto asked = kernel->getAttrOfType<ArrayAttr>(kernel::kAskedSumsAttr))
    types.insert(asked.begin(), asked.end());
  types.insert(TypeAttr::get(elementType));
  kernel->setAttr(kernel::kAskedSumsAttr, builder.getArrayAttr(types.getArrayRef()));
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

std::string KernelEmitter::uniqueName(StringRef name) {
  unsigned count = names[name]++;
  return count == 0 ? name.str() : (name + "_" + Twine(count)).str();
}

Value KernelEmitter::empty(ArrayRef<graph::DimAttr> dims, Type elementType) {
  SmallVector<Value> extents;
  for (graph::DimAttr dim : dims)
    if (!dim.isConstant())
      extents.push_back(extent(dim));
  return tensor::EmptyOp::create(builder, loc, graph::getShapeEntries(dims), elementType, extents);
}

Value KernelEmitter::fill(StringRef name, ArrayRef<graph::DimAttr> dims, Value scalar) {
  Value init = empty(dims, scalar.getType());
  auto fill = linalg::FillOp::create(builder, loc, scalar, init);
  kernel::setStage(fill, uniqueName(name));
  return fill.getResult(0);
}

Value KernelEmitter::map(StringRef name, ArrayRef<graph::DimAttr> dims, Type elementType,
                         ArrayRef<Read> reads, Body body) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> tensors;
  for (const Read &read : reads) {
    tensors.push_back(read.tensor);
    maps.push_back(read.map);
  }
  maps.push_back(builder.getMultiDimIdentityMap(dims.size()));
  SmallVector<utils::IteratorType> iterators(dims.size(), utils::IteratorType::parallel);
  Value init = empty(dims, elementType);
  auto stage =
      linalg::GenericOp::create(builder, loc, init.getType(), tensors, init, maps, iterators,
                                [&](OpBuilder &inner, Location location, ValueRange scalars) {
                                  ImplicitLocOpBuilder b(location, inner);
                                  Value result = body(b, scalars.drop_back());
                                  linalg::YieldOp::create(b, result);
                                });
  kernel::setStage(stage, uniqueName(name));
  return stage.getResult(0);
}

Value KernelEmitter::mapIndexed(StringRef name, ArrayRef<graph::DimAttr> dims, Type elementType,
                                Body body) {
  return map(name, dims, elementType, {}, [&](ImplicitLocOpBuilder &b, Scalars) {
    SmallVector<Value> indices;
    for (size_t i = 0; i < dims.size(); ++i)
      indices.push_back(linalg::IndexOp::create(b, i));
    return body(b, indices);
  });
}

LogicalResult KernelEmitter::lower(Operation *op) {
  auto lowering = llvm::dyn_cast<KernelLoweringOpInterface>(op);
  if (!lowering)
    return op->emitError("'") << op->getName() << "' cannot stand in a loop that a kernel computes";
  Location outer = loc;
  loc = op->getLoc();
  FailureOr<SmallVector<Value>> results = lowering.lowerToStages(*this);
  loc = outer;
  if (failed(results))
    return failure();
  for (auto [result, tensor] : llvm::zip(op->getResults(), *results))
    bind(result, tensor);
  return success();
}

void KernelEmitter::nameLoop(scf::ForOp loop, StringRef name) {
  if (loop->getParentOp() == kernel)
    kernel::setStage(loop, uniqueName((name + "_loop").str()));
}

SmallVector<Value> KernelEmitter::reduce(StringRef name, unsigned parallelLoops,
                                         unsigned reductionLoops, ArrayRef<Read> reads,
                                         ArrayRef<Value> inits, AffineMap outputMap, Bodies body) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> tensors;
  for (const Read &read : reads) {
    tensors.push_back(read.tensor);
    maps.push_back(read.map);
  }
  if (!outputMap) // A map without results is no map to MLIR's helpers.
    outputMap = AffineMap::get(parallelLoops + reductionLoops, 0, builder.getContext());
  maps.append(inits.size(), outputMap);
  SmallVector<utils::IteratorType> iterators(parallelLoops, utils::IteratorType::parallel);
  iterators.append(reductionLoops, utils::IteratorType::reduction);
  auto stage = linalg::GenericOp::create(
      builder, loc, ValueRange(inits).getTypes(), tensors, inits, maps, iterators,
      [&](OpBuilder &inner, Location location, ValueRange scalars) {
        ImplicitLocOpBuilder b(location, inner);
        linalg::YieldOp::create(
            b, body(b, scalars.take_front(tensors.size()), scalars.drop_front(tensors.size())));
      });
  kernel::setStage(stage, uniqueName(name));
  return SmallVector<Value>(stage.getResults());
}
