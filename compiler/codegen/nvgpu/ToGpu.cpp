//===- ToGpu.cpp - Kernels of parallel stages as CUDA device functions --------------------===//
//
// One thread computes one element of the output: its indices come from the block and thread numbers
// by undoing the splits and fusions of the schedule, its value by following the stages back to the
// arguments. Every stage is inlined, so nothing is shared between threads and nothing is stored but
// the result.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/ToGpu.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tessera::nvgpu {
namespace {

/// The address space of device memory.
constexpr unsigned kGlobal = 1;

struct Memory {
  Value pointer;
  SmallVector<Value> extents, strides; // index values, outermost first
  uint32_t argument;                   // its number in the launch
};

/// The extent of a loop, here and when launching.
struct LoopExtent {
  Value value;
  uint32_t step;
};

class Converter {
public:
  Converter(kernel::FuncOp kernel, schedule::FuncOp schedule, LaunchRecord &launch)
      : kernel(kernel), schedule(schedule), launch(launch),
        b(kernel.getLoc(), kernel.getContext()) {}

  FailureOr<OwningOpRef<ModuleOp>> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    b.setInsertionPointToEnd(module->getBody());
    if (failed(findOutputs()))
      return failure();
    declare();
    if (failed(readScalars()))
      return failure();
    // One launch computes them all: its grid is as large as the largest needs.
    for (linalg::GenericOp stage : outputs) {
      output = stage;
      extents.clear();
      positions.clear();
      isUsed.clear();
      applied.clear();
      blockAxes = threadAxes = 0;
      if (failed(readSchedule()))
        return failure();
      Value inside = placeThread();
      Block *work = function.addBlock(), *end = function.addBlock();
      LLVM::CondBrOp::create(b, inside, work, end);
      b.setInsertionPointToEnd(work);
      if (failed(storeResults()))
        return failure();
      LLVM::BrOp::create(b, end);
      b.setInsertionPointToEnd(end);
    }
    LLVM::ReturnOp::create(b, ValueRange());
    return module;
  }

private:
  LogicalResult fail(Operation *op, const llvm::Twine &why) {
    return op->emitOpError() << why << ", which the CUDA generator does not take yet";
  }

  LogicalResult findOutputs() {
    auto yield = cast<kernel::ReturnOp>(kernel.getBody().front().getTerminator());
    for (Value result : yield.getOperands()) {
      auto stage = result.getDefiningOp<linalg::GenericOp>();
      if (!stage)
        return fail(kernel, "gives a result that comes from no stage");
      outputs.insert(stage);
    }
    return success();
  }

  /// Where a result of the stage goes.
  const Memory &resultOf(linalg::GenericOp stage) {
    Operation *yield = kernel.getBody().front().getTerminator();
    auto it = llvm::find_if(yield->getOperands(),
                            [&](Value value) { return value.getDefiningOp() == stage; });
    return results[size_t(it - yield->getOperands().begin())];
  }

  Type stored(Type element) { return element.isInteger(1) ? b.getI8Type() : element; }

  void declare() {
    auto pointer = LLVM::LLVMPointerType::get(b.getContext(), kGlobal);
    SmallVector<Type> parameters;
    auto addTensor = [&](Type type, rt::DeviceArgKind kind) {
      auto tensor = cast<RankedTensorType>(type);
      parameters.push_back(pointer);
      parameters.append(2 * size_t(tensor.getRank()), b.getI64Type());
      launch.args.push_back({uint32_t(kind), uint32_t(tensor.getRank()),
                             (stored(tensor.getElementType()).getIntOrFloatBitWidth() + 7) / 8});
    };
    for (Type type : kernel.getArgumentTypes())
      if (!type.isIndex())
        addTensor(type, rt::DeviceArgKind::Input);
    for (Type type : kernel.getArgumentTypes())
      if (type.isIndex()) {
        parameters.push_back(b.getI64Type());
        launch.args.push_back({uint32_t(rt::DeviceArgKind::Scalar), 0, 0});
      }
    for (Type type : kernel.getResultTypes())
      addTensor(type, rt::DeviceArgKind::Output);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), parameters);
    function = LLVM::LLVMFuncOp::create(b, kernel.getSymName(), type);
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    b.setInsertionPointToEnd(function.addEntryBlock(b));
    unsigned next = 0;
    uint32_t number = 0;
    auto index = [&]() -> Value {
      return arith::IndexCastOp::create(b, b.getIndexType(), function.getArgument(next++));
    };
    auto tensor = [&](Type type) {
      Memory memory{function.getArgument(next++), {}, {}, number++};
      ArrayRef<int64_t> shape = cast<RankedTensorType>(type).getShape();
      for (int64_t extent : shape) {
        Value given = index();
        memory.extents.push_back(ShapedType::isDynamic(extent)
                                     ? given
                                     : Value(arith::ConstantIndexOp::create(b, extent)));
      }
      for (size_t i = 0; i < shape.size(); ++i) {
        Value given = index();
        memory.strides.push_back(
            i + 1 < shape.size() ? given : Value(arith::ConstantIndexOp::create(b, 1)));
      }
      return memory;
    };
    for (BlockArgument argument : kernel.getArguments())
      if (!argument.getType().isIndex())
        arguments[argument] = tensor(argument.getType());
    for (BlockArgument argument : kernel.getArguments())
      if (argument.getType().isIndex()) {
        scalars.map(argument, index());
        ++number;
      }
    for (Type result : kernel.getResultTypes())
      results.push_back(tensor(result));
  }

  uint32_t addStep(rt::DeviceStepKind kind, uint32_t a, uint32_t b) {
    launch.steps.push_back({kind, a, b});
    return uint32_t(launch.steps.size() - 1);
  }
  uint32_t numberStep(int64_t value) {
    return addStep(rt::DeviceStepKind::Number, uint32_t(value), uint32_t(uint64_t(value) >> 32));
  }

  /// Scalars outside of stages: extents and constants.
  LogicalResult readScalars() {
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      if (auto dim = dyn_cast<tensor::DimOp>(op)) {
        std::optional<int64_t> number = dim.getConstantIndex();
        auto memory = arguments.find(dim.getSource());
        if (!number || memory == arguments.end())
          return fail(dim, "is no extent of an argument");
        scalars.map(dim.getResult(), memory->second.extents[*number]);
      } else if (isa<arith::ArithDialect>(op.getDialect())) {
        b.clone(op, scalars);
      }
    }
    return success();
  }

  //===-- Threads ------------------------------------------------------------------===//

  LogicalResult readSchedule() {
    const Memory &result = resultOf(output);
    for (auto [dim, name] : llvm::enumerate(kernel::getLoopNames(output))) {
      if (output.getIteratorTypesArray()[dim] == utils::IteratorType::reduction)
        continue; // every thread reduces by itself
      AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
      std::optional<unsigned> place = map.getResultPosition(b.getAffineDimExpr(unsigned(dim)));
      if (!place)
        return fail(output, "has a loop '" + name + "' that is no dimension of its result");
      extents[name] = {result.extents[*place],
                       addStep(rt::DeviceStepKind::Extent, result.argument, *place)};
    }
    if (schedule)
      for (auto stage : schedule.getBody().front().getOps<schedule::StageOp>())
        if (stage.getStage() == kernel::getStageName(output))
          for (Operation &directive : stage.getBody().front())
            if (failed(apply(&directive)))
              return failure();
    for (auto &loop : extents)
      if (!isUsed.contains(loop.first()) && !positions.count(loop.first()))
        return fail(output, "has a loop '" + loop.first() + "' that runs on no block or thread");
    return success();
  }

  LogicalResult apply(Operation *directive) {
    auto take = [&](StringRef loop) -> FailureOr<LoopExtent> {
      auto it = extents.find(loop);
      if (it == extents.end() || !isUsed.insert(loop).second)
        return directive->emitOpError() << "stage '" << kernel::getStageName(output)
                                        << "' has no loop '" << loop << "' here";
      return it->second;
    };
    if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
      FailureOr<LoopExtent> extent = take(split.getLoop());
      if (failed(extent))
        return failure();
      Value factor = arith::ConstantIndexOp::create(b, split.getFactor());
      uint32_t size = numberStep(split.getFactor());
      extents[split.getOuter()] = {arith::CeilDivUIOp::create(b, extent->value, factor),
                                   addStep(rt::DeviceStepKind::CeilDivide, extent->step, size)};
      extents[split.getInner()] = {factor, size};
    } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
      FailureOr<LoopExtent> inner = take(fuse.getInner()), outer = take(fuse.getOuter());
      if (failed(inner) || failed(outer))
        return failure();
      extents[fuse.getFused()] = {arith::MulIOp::create(b, inner->value, outer->value),
                                  addStep(rt::DeviceStepKind::Multiply, inner->step, outer->step)};
    } else if (isa<schedule::GpuBlocksOp, schedule::GpuThreadsOp>(directive)) {
      bool isThread = isa<schedule::GpuThreadsOp>(directive);
      StringRef loop = isThread ? cast<schedule::GpuThreadsOp>(directive).getLoop()
                                : cast<schedule::GpuBlocksOp>(directive).getLoop();
      FailureOr<LoopExtent> extent = take(loop);
      unsigned &axis = isThread ? threadAxes : blockAxes;
      if (failed(extent))
        return failure();
      if (axis == 3)
        return directive->emitOpError()
               << "is the fourth of its kind; a grid and a block have three axes";
      uint32_t &size = launch.extents[axis + (isThread ? 3 : 0)];
      size =
          size == rt::kNoStep ? extent->step : addStep(rt::DeviceStepKind::Max, size, extent->step);
      positions[loop] = special(isThread, axis++);
    } else {
      return fail(directive, "is no split, fuse, gpu_blocks or gpu_threads");
    }
    applied.push_back(directive);
    return success();
  }

  /// The number of this block or thread along an axis.
  Value special(bool isThread, unsigned axis) {
    Type i32 = b.getI32Type();
    Value number;
    if (isThread)
      number = axis == 0   ? Value(NVVM::ThreadIdXOp::create(b, i32))
               : axis == 1 ? Value(NVVM::ThreadIdYOp::create(b, i32))
                           : Value(NVVM::ThreadIdZOp::create(b, i32));
    else
      number = axis == 0   ? Value(NVVM::BlockIdXOp::create(b, i32))
               : axis == 1 ? Value(NVVM::BlockIdYOp::create(b, i32))
                           : Value(NVVM::BlockIdZOp::create(b, i32));
    Value wide = arith::ExtUIOp::create(b, b.getI64Type(), number);
    return arith::IndexCastOp::create(b, b.getIndexType(), wide);
  }

  /// The indices of this thread's element, undoing the directives from the last on; whether it has
  /// one.
  Value placeThread() {
    Value inside = arith::ConstantOp::create(b, b.getBoolAttr(true));
    auto bound = [&](StringRef loop) {
      Value isBelow =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, positions[loop], extents[loop].value);
      inside = arith::AndIOp::create(b, inside, isBelow);
    };
    for (Operation *directive : llvm::reverse(applied)) {
      if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
        Value first =
            arith::MulIOp::create(b, positions[split.getOuter()], extents[split.getInner()].value);
        positions[split.getLoop()] = arith::AddIOp::create(b, first, positions[split.getInner()]);
        bound(split.getLoop());
      } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
        bound(fuse.getFused());
        // An extent of 0 leaves no thread inside; dividing by it would still be undefined.
        Value one = arith::ConstantIndexOp::create(b, 1);
        Value size = arith::MaxUIOp::create(b, extents[fuse.getInner()].value, one);
        positions[fuse.getInner()] = arith::RemUIOp::create(b, positions[fuse.getFused()], size);
        positions[fuse.getOuter()] = arith::DivUIOp::create(b, positions[fuse.getFused()], size);
      } else if (auto blocks = dyn_cast<schedule::GpuBlocksOp>(directive)) {
        bound(blocks.getLoop());
      } else {
        bound(cast<schedule::GpuThreadsOp>(directive).getLoop());
      }
    }
    return inside;
  }

  //===-- Elements -----------------------------------------------------------------===//

  Value address(const Memory &memory, Type element, ArrayRef<Value> at) {
    Value offset = arith::ConstantIndexOp::create(b, 0);
    for (auto [stride, index] : llvm::zip_equal(memory.strides, at)) {
      Value step = arith::MulIOp::create(b, index, stride);
      offset = arith::AddIOp::create(b, offset, step);
    }
    Value number = arith::IndexCastOp::create(b, b.getI64Type(), offset);
    return LLVM::GEPOp::create(b, memory.pointer.getType(), stored(element), memory.pointer,
                               ArrayRef<LLVM::GEPArg>{number});
  }

  /// The element of a tensor at these indices.
  FailureOr<Value> element(Value tensor, ArrayRef<Value> at) {
    Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
    if (auto memory = arguments.find(tensor); memory != arguments.end()) {
      Value loaded = LLVM::LoadOp::create(b, stored(type), address(memory->second, type, at));
      if (!type.isInteger(1))
        return loaded;
      Value zero = arith::ConstantOp::create(b, b.getI8IntegerAttr(0));
      return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, loaded, zero));
    }
    if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
      return scalars.lookupOrDefault(fill.getInputs()[0]);
    auto stage = tensor.getDefiningOp<linalg::GenericOp>();
    if (!stage)
      return fail(kernel, "has a tensor that is no argument, fill or stage");
    FailureOr<SmallVector<Value>> values = elements(stage, at);
    if (failed(values))
      return failure();
    return (*values)[cast<OpResult>(tensor).getResultNumber()];
  }

  /// The extent of a dimension of any tensor of the kernel.
  FailureOr<Value> extentOf(Value tensor, unsigned dim) {
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

  FailureOr<Value> loopExtent(linalg::GenericOp stage, unsigned loop) {
    for (OpOperand &operand : stage->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()))
        if (std::optional<unsigned> place =
                stage.getMatchingIndexingMap(&operand).getResultPosition(b.getAffineDimExpr(loop)))
          return extentOf(operand.get(), *place);
    return fail(stage, "has a loop that is no dimension of an operand");
  }

  /// What a stage yields at an element of its result.
  FailureOr<SmallVector<Value>> elements(linalg::GenericOp stage, ArrayRef<Value> at) {
    SmallVector<Value> loops(stage.getNumLoops()), values;
    AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
    for (auto [expr, index] : llvm::zip_equal(map.getResults(), at)) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        return fail(stage, "writes to computed places");
      loops[dim.getPosition()] = index;
    }
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
    SmallVector<unsigned> reduced;
    stage.getReductionDims(reduced);
    return reduce(stage, loops, reduced, values);
  }

  /// Loops over what is left to reduce; `values` are those before the first of them.
  FailureOr<SmallVector<Value>> reduce(linalg::GenericOp stage, SmallVector<Value> &loops,
                                       ArrayRef<unsigned> left, SmallVector<Value> values) {
    if (left.empty())
      return body(stage, loops, values);
    FailureOr<Value> extent = loopExtent(stage, left.front());
    if (failed(extent))
      return failure();
    Block *header = function.addBlock(), *inside = function.addBlock(),
          *after = function.addBlock();
    SmallVector<Value> carried = {i64Constant(0)};
    carried.append(values);
    for (Value value : carried)
      header->addArgument(value.getType(), b.getLoc());
    LLVM::BrOp::create(b, carried, header);
    b.setInsertionPointToEnd(header);
    Value position = header->getArgument(0);
    Value end = arith::IndexCastOp::create(b, b.getI64Type(), *extent);
    Value isLeft = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, position, end);
    LLVM::CondBrOp::create(b, isLeft, inside, after);
    b.setInsertionPointToEnd(inside);
    loops[left.front()] = arith::IndexCastOp::create(b, b.getIndexType(), position);
    SmallVector<Value> current(header->getArguments().drop_front());
    FailureOr<SmallVector<Value>> next = reduce(stage, loops, left.drop_front(), current);
    if (failed(next))
      return failure();
    SmallVector<Value> following = {arith::AddIOp::create(b, position, i64Constant(1))};
    following.append(*next);
    LLVM::BrOp::create(b, following, header);
    b.setInsertionPointToEnd(after);
    return current;
  }

  Value i64Constant(int64_t value) {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
  }

  FailureOr<SmallVector<Value>> body(linalg::GenericOp stage, ArrayRef<Value> loops,
                                     ArrayRef<Value> values) {
    IRMapping mapping(scalars);
    for (auto [argument, value] : llvm::zip(stage.getRegionOutputArgs(), values))
      mapping.map(argument, value);
    for (OpOperand *operand : stage.getDpsInputOperands()) {
      BlockArgument argument = stage.getMatchingBlockArgument(operand);
      if (argument.use_empty())
        continue;
      if (!isa<RankedTensorType>(operand->get().getType())) {
        mapping.map(argument, scalars.lookupOrDefault(operand->get()));
        continue;
      }
      SmallVector<Value> place;
      for (AffineExpr expr : stage.getMatchingIndexingMap(operand).getResults())
        place.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, loops, {}));
      FailureOr<Value> value = element(operand->get(), place);
      if (failed(value))
        return failure();
      mapping.map(argument, *value);
    }
    Block &body = stage.getRegion().front();
    for (Operation &op : body.without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(op)) {
        mapping.map(index.getResult(), loops[index.getDim()]);
      } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
        SmallVector<Value> place;
        for (Value coordinate : extract.getIndices())
          place.push_back(mapping.lookupOrDefault(coordinate));
        FailureOr<Value> value = element(extract.getTensor(), place);
        if (failed(value))
          return failure();
        mapping.map(extract.getResult(), *value);
      } else {
        b.clone(op, mapping);
      }
    }
    return llvm::map_to_vector(body.getTerminator()->getOperands(),
                               [&](Value value) { return mapping.lookupOrDefault(value); });
  }

  LogicalResult storeResults() {
    SmallVector<Value> at;
    AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
    SmallVector<std::string> names = kernel::getLoopNames(output);
    for (AffineExpr expr : map.getResults())
      at.push_back(positions[names[cast<AffineDimExpr>(expr).getPosition()]]);
    FailureOr<SmallVector<Value>> values = elements(output, at);
    if (failed(values))
      return failure();
    Operation *yield = kernel.getBody().front().getTerminator();
    for (auto [memory, result] : llvm::zip_equal(results, yield->getOperands())) {
      if (result.getDefiningOp() != output)
        continue;
      Value value = (*values)[cast<OpResult>(result).getResultNumber()];
      Type type = value.getType();
      if (type.isInteger(1))
        value = arith::ExtUIOp::create(b, b.getI8Type(), value);
      LLVM::StoreOp::create(b, value, address(memory, type, at));
    }
    return success();
  }

  kernel::FuncOp kernel;
  schedule::FuncOp schedule;
  LaunchRecord &launch;
  ImplicitLocOpBuilder b;
  llvm::SetVector<linalg::GenericOp> outputs;
  linalg::GenericOp output; ///< the one at hand
  LLVM::LLVMFuncOp function;
  IRMapping scalars;
  llvm::DenseMap<Value, Memory> arguments;
  SmallVector<Memory> results;
  llvm::StringMap<LoopExtent> extents; // of loops
  llvm::StringMap<Value> positions;
  llvm::StringSet<> isUsed; // loops that a directive took
  SmallVector<Operation *> applied;
  unsigned blockAxes = 0, threadAxes = 0;
};

} // namespace

FailureOr<OwningOpRef<ModuleOp>> convertToGpu(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                              LaunchRecord &launch) {
  return Converter(kernel, schedule, launch).run();
}

} // namespace tessera::nvgpu
