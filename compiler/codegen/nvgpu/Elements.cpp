//===- Elements.cpp - What a stage yields, in a device function ----------------------------===//
#include "compiler/codegen/nvgpu/GpuFunction.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tessera::nvgpu {

Value GpuFunction::address(const Memory &memory, Type element, ArrayRef<Value> at) {
  Value offset = arith::ConstantIndexOp::create(b, 0);
  for (auto [stride, index] : llvm::zip_equal(memory.strides, at)) {
    Value step = arith::MulIOp::create(b, index, stride);
    offset = arith::AddIOp::create(b, offset, step);
  }
  Value number = arith::IndexCastOp::create(b, b.getI64Type(), offset);
  return LLVM::GEPOp::create(b, memory.pointer.getType(), stored(element), memory.pointer,
                             ArrayRef<LLVM::GEPArg>{number});
}

/// What was loaded as the element that it stands for.
Value GpuFunction::asElement(Value loaded, Type type) {
  if (!type.isInteger(1))
    return loaded;
  Value zero = arith::ConstantOp::create(b, b.getI8IntegerAttr(0));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, loaded, zero);
}

/// The element of a tensor at these indices.
FailureOr<Value> GpuFunction::element(Value tensor, ArrayRef<Value> at) {
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  if (auto memory = arguments.find(tensor); memory != arguments.end()) {
    return asElement(LLVM::LoadOp::create(b, stored(type), address(memory->second, type, at)),
                     type);
  }
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    return scalars.lookupOrDefault(fill.getInputs()[0]);
  if (auto constant = tensor.getDefiningOp<arith::ConstantOp>())
    return constantElement(constant, at);
  auto stage = tensor.getDefiningOp<linalg::GenericOp>();
  if (!stage)
    return fail(kernel, "has a tensor that is no argument, constant, fill or stage");
  FailureOr<SmallVector<Value>> values = elements(stage, at);
  if (failed(values))
    return failure();
  return (*values)[cast<OpResult>(tensor).getResultNumber()];
}

/// Tables lie in device memory: threads read different elements, which constant memory gives one
/// after the other.
FailureOr<Value> GpuFunction::constantElement(arith::ConstantOp constant, ArrayRef<Value> at) {
  auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!elements || !elements.getElementType().isIntOrFloat() ||
      elements.getElementType().isInteger(1))
    return fail(constant, "is a constant of which single elements are read");
  Type type = elements.getElementType();
  LLVM::GlobalOp &table = tables[elements];
  if (!table) {
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPoint(function);
    auto flat = DenseElementsAttr::get(RankedTensorType::get({elements.getNumElements()}, type),
                                       llvm::to_vector(elements.getValues<Attribute>()));
    table = LLVM::GlobalOp::create(
        b, LLVM::LLVMArrayType::get(type, unsigned(elements.getNumElements())), /*isConstant=*/true,
        LLVM::Linkage::Internal, "table" + std::to_string(tables.size()), flat, /*alignment=*/16,
        kGlobal);
  }
  Memory memory{LLVM::AddressOfOp::create(b, table), {}, {}, 0};
  int64_t stride = 1;
  for (int64_t extent : llvm::reverse(elements.getType().getShape())) {
    memory.strides.insert(memory.strides.begin(), arith::ConstantIndexOp::create(b, stride));
    stride *= extent;
  }
  return Value(LLVM::LoadOp::create(b, type, address(memory, type, at)));
}

/// The extent of a dimension of any tensor of the kernel.
FailureOr<Value> GpuFunction::extentOf(Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return Value(arith::ConstantIndexOp::create(b, type.getDimSize(dim)));
  if (auto memory = arguments.find(tensor); memory != arguments.end())
    return memory->second.extents[dim];
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    return extentOf(fill.getOutputs()[0], dim);
  if (auto stage = tensor.getDefiningOp<linalg::GenericOp>())
    return extentOf(stage.getOutputs()[cast<OpResult>(tensor).getResultNumber()], dim);
  if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>())
    return scalars.lookupOrDefault(empty.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
  return fail(kernel, "has an extent that is none of an argument");
}

FailureOr<Value> GpuFunction::loopExtent(linalg::GenericOp stage, unsigned loop) {
  for (OpOperand &operand : stage->getOpOperands())
    if (isa<RankedTensorType>(operand.get().getType()))
      if (std::optional<unsigned> place =
              stage.getMatchingIndexingMap(&operand).getResultPosition(b.getAffineDimExpr(loop)))
        return extentOf(operand.get(), *place);
  return fail(stage, "has a loop that is no dimension of an operand");
}

/// What a stage yields at an element of its result.
FailureOr<SmallVector<Value>> GpuFunction::elements(linalg::GenericOp stage, ArrayRef<Value> at) {
  if (auto shared = sharedValues.find(stage); shared != sharedValues.end())
    return shared->second;
  InStage inside(*this, stage);
  SmallVector<Value> loops(stage.getNumLoops());
  AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  for (auto [expr, index] : llvm::zip_equal(map.getResults(), at)) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim)
      return fail(stage, "writes to computed places");
    loops[dim.getPosition()] = index;
  }
  FailureOr<Values> values = firstValues(stage, at);
  if (failed(values))
    return failure();
  SmallVector<unsigned> reduced;
  stage.getReductionDims(reduced);
  return reduce(stage, loops, reduced, *values);
}

/// What a stage adds to.
FailureOr<SmallVector<Value>> GpuFunction::firstValues(linalg::GenericOp stage,
                                                       ArrayRef<Value> at) {
  SmallVector<Value> values;
  // Sums begin with what they are added to; other stages mostly never look at it.
  bool isUsed = llvm::any_of(stage.getRegionOutputArgs(),
                             [](BlockArgument argument) { return !argument.use_empty(); });
  if (isUsed)
    for (OpOperand &init : stage.getDpsInitsMutable()) {
      FailureOr<Value> value = element(init.get(), at);
      if (failed(value))
        return failure();
      values.push_back(*value);
    }
  else if (stage.getNumReductionLoops())
    return fail(stage, "reduces without its last value");
  return values;
}

FailureOr<SmallVector<Value>>
GpuFunction::loopWhile(Values values, llvm::function_ref<FailureOr<Value>(Values)> condition,
                       llvm::function_ref<FailureOr<Values>(Values)> iteration, bool isRolled) {
  Block *header = function.addBlock(), *inside = function.addBlock(), *after = function.addBlock();
  for (Value value : values)
    header->addArgument(value.getType(), b.getLoc());
  LLVM::BrOp::create(b, values, header);
  b.setInsertionPointToEnd(header);
  Values current(header->getArguments());
  FailureOr<Value> goesOn = condition(current);
  if (failed(goesOn))
    return failure();
  LLVM::CondBrOp::create(b, *goesOn, inside, after);
  b.setInsertionPointToEnd(inside);
  FailureOr<Values> next = iteration(current);
  if (failed(next))
    return failure();
  auto back = LLVM::BrOp::create(b, *next, header);
  if (isRolled) {
    auto unroll = LLVM::LoopUnrollAttr::get(b.getContext(), /*disable=*/b.getBoolAttr(true), {}, {},
                                            {}, {}, {}, {});
    back.setLoopAnnotationAttr(LLVM::LoopAnnotationAttr::get(
        b.getContext(), {}, {}, {}, unroll, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}));
  }
  b.setInsertionPointToEnd(after);
  return current;
}

FailureOr<SmallVector<Value>> GpuFunction::loop(Value extent, Values values, Iteration iteration,
                                                bool isRolled) {
  Values carried = {i64Constant(0)};
  carried.append(values);
  FailureOr<Values> end = loopWhile(
      carried,
      [&](Values current) -> FailureOr<Value> {
        Value last = arith::IndexCastOp::create(b, b.getI64Type(), extent);
        return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, current[0], last));
      },
      [&](Values current) -> FailureOr<Values> {
        FailureOr<Values> next =
            iteration(arith::IndexCastOp::create(b, b.getIndexType(), current[0]),
                      Values(llvm::drop_begin(current)));
        if (failed(next))
          return failure();
        Values following = {arith::AddIOp::create(b, current[0], i64Constant(1))};
        following.append(*next);
        return following;
      },
      isRolled);
  if (failed(end))
    return failure();
  return Values(llvm::drop_begin(*end));
}

FailureOr<SmallVector<Value>>
GpuFunction::loopSerial(ArrayRef<std::string> names, Values values,
                        llvm::function_ref<FailureOr<Values>(Values)> iteration) {
  if (names.empty())
    return iteration(values);
  Value extent = loops.extents[names.front()].value;
  return loop(extent, values, [&](Value position, Values current) {
    loops.positions[names.front()] = position;
    return loopSerial(names.drop_front(), current, iteration);
  });
}

FailureOr<SmallVector<Value>>
GpuFunction::guard(Value condition, Values values,
                   llvm::function_ref<FailureOr<Values>(Values)> then) {
  Block *work = function.addBlock(), *end = function.addBlock();
  for (Value value : values)
    end->addArgument(value.getType(), b.getLoc());
  LLVM::CondBrOp::create(b, condition, work, ValueRange(), end, values);
  b.setInsertionPointToEnd(work);
  FailureOr<Values> changed = then(values);
  if (failed(changed))
    return failure();
  LLVM::BrOp::create(b, *changed, end);
  b.setInsertionPointToEnd(end);
  return Values(end->getArguments());
}

FailureOr<SmallVector<Value>>
GpuFunction::either(Value condition, Values values,
                    llvm::function_ref<FailureOr<Values>(Values)> then,
                    llvm::function_ref<FailureOr<Values>(Values)> otherwise) {
  Block *first = function.addBlock(), *second = function.addBlock(), *end = function.addBlock();
  for (Value value : values)
    end->addArgument(value.getType(), b.getLoc());
  LLVM::CondBrOp::create(b, condition, first, ValueRange(), second, ValueRange());
  for (auto [block, work] : {std::pair(first, then), std::pair(second, otherwise)}) {
    b.setInsertionPointToEnd(block);
    FailureOr<Values> changed = work(values);
    if (failed(changed))
      return failure();
    LLVM::BrOp::create(b, *changed, end);
  }
  b.setInsertionPointToEnd(end);
  return Values(end->getArguments());
}

/// Loops over what is left to reduce; `values` are those before the first of them.
FailureOr<SmallVector<Value>> GpuFunction::reduce(linalg::GenericOp stage, Values &loops,
                                                  ArrayRef<unsigned> left, Values values) {
  if (left.empty())
    return body(stage, loops, values);
  FailureOr<Value> extent = loopExtent(stage, left.front());
  if (failed(extent))
    return failure();
  return loop(*extent, values, [&](Value position, Values current) {
    loops[left.front()] = position;
    return reduce(stage, loops, left.drop_front(), current);
  });
}

Value GpuFunction::i64Constant(int64_t value) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
}

/// What an operand of a stage is at these loops.
FailureOr<Value> GpuFunction::read(OpOperand &operand, ArrayRef<Value> loops) {
  if (!isa<RankedTensorType>(operand.get().getType()))
    return scalars.lookupOrDefault(operand.get());
  if (auto found = turned.find(&operand); found != turned.end())
    return asElement(LLVM::LoadOp::create(b, stored(found->second.element), found->second.address),
                     found->second.element);
  auto stage = cast<linalg::GenericOp>(operand.getOwner());
  AffineMap map = stage.getMatchingIndexingMap(&operand);
  for (auto [number, position] : llvm::enumerate(loops))
    if (!position && map.isFunctionOfDim(unsigned(number)))
      return fail(stage, "reads along a loop that has no place here");
  SmallVector<Value> place;
  for (AffineExpr expr : map.getResults())
    place.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
  return element(operand.get(), place);
}

FailureOr<Value> GpuFunction::scalar(linalg::GenericOp stage, Value value, ArrayRef<Value> loops,
                                     IRMapping &known) {
  if (Value found = known.lookupOrNull(value))
    return found;
  FailureOr<Value> result;
  auto argument = dyn_cast<BlockArgument>(value);
  Operation *producer = value.getDefiningOp();
  if (!stage.getRegion().isAncestor(value.getParentRegion())) {
    result = scalars.lookupOrDefault(value);
  } else if (argument) {
    result = read(stage->getOpOperand(argument.getArgNumber()), loops);
  } else if (auto index = dyn_cast<linalg::IndexOp>(producer)) {
    if (!loops[index.getDim()])
      return fail(stage, "asks for the number of a loop that has no place here");
    result = loops[index.getDim()];
  } else {
    WalkResult walk = producer->walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (!isa<TensorType>(operand.getType()) &&
            !producer->isProperAncestor(operand.getParentBlock()->getParentOp()) &&
            failed(scalar(stage, operand, loops, known)))
          return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return failure();
    auto extract = dyn_cast<tensor::ExtractOp>(producer);
    if (!extract) {
      b.clone(*producer, known)->walk([&](Operation *op) { op->setLoc(b.getLoc()); });
      return known.lookup(value);
    }
    result = element(extract.getTensor(), llvm::map_to_vector(extract.getIndices(), [&](Value at) {
                       return known.lookup(at);
                     }));
  }
  if (succeeded(result))
    known.map(value, *result);
  return result;
}

FailureOr<SmallVector<Value>> GpuFunction::body(linalg::GenericOp stage, ArrayRef<Value> loops,
                                                ArrayRef<Value> values) {
  InStage inside(*this, stage);
  IRMapping known;
  for (auto [argument, value] : llvm::zip(stage.getRegionOutputArgs(), values))
    known.map(argument, value);
  Values results;
  for (Value yielded : stage.getRegion().front().getTerminator()->getOperands()) {
    FailureOr<Value> result = scalar(stage, yielded, loops, known);
    if (failed(result))
      return failure();
    results.push_back(*result);
  }
  return results;
}

LogicalResult GpuFunction::storeElements(ArrayRef<Places> places) {
  InStage inside(*this, output);
  AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
  SmallVector<std::string> names = kernel::getLoopNames(output);
  SmallVector<Values> at(places.size()), values;
  for (auto [place, indices] : llvm::zip_equal(places, at)) {
    for (AffineExpr expr : map.getResults())
      indices.push_back(place.lookup(names[cast<AffineDimExpr>(expr).getPosition()]));
    FailureOr<Values> own = elements(output, indices);
    if (failed(own))
      return failure();
    values.push_back(std::move(*own));
  }
  Operation *yield = kernel.getBody().front().getTerminator();
  for (auto [memory, result] : llvm::zip_equal(results, yield->getOperands())) {
    if (result.getDefiningOp() != output)
      continue;
    for (auto [indices, own] : llvm::zip_equal(at, values)) {
      Value value = own[cast<OpResult>(result).getResultNumber()];
      Type type = value.getType();
      if (type.isInteger(1))
        value = arith::ExtUIOp::create(b, b.getI8Type(), value);
      LLVM::StoreOp::create(b, value, address(memory, type, indices));
    }
  }
  return success();
}

} // namespace tessera::nvgpu
