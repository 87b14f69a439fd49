//===- ToGpu.cpp - Kernels of parallel stages as CUDA device functions --------------------===//
//
// A thread computes elements of the output: its indices come from the block and thread numbers by
// undoing the splits and fusions of the schedule, values by following the stages back to the
// arguments (Elements.cpp). What a whole block needs its threads compute together
// (SharedStages.cpp, BlockTile.cpp).
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/ToGpu.h"

#include "compiler/codegen/nvgpu/GpuFunction.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

FailureOr<OwningOpRef<ModuleOp>> GpuFunction::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  b.setInsertionPointToEnd(module->getBody());
  if (failed(findOutputs()))
    return failure();
  // What is kept in scratch memory has a launch of its own; later ones read it like arguments.
  SmallVector<llvm::SetVector<linalg::GenericOp>> launches;
  llvm::SetVector<linalg::GenericOp> last;
  for (linalg::GenericOp stage : outputs) {
    if (isScratch(stage))
      launches.emplace_back().insert(stage);
    else
      last.insert(stage);
  }
  llvm::stable_sort(launches,
                    [](auto &a, auto &b) { return a.front()->isBeforeInBlock(b.front()); });
  launches.push_back(last);
  SmallVector<linalg::GenericOp> done;
  for (auto &stages : launches) {
    outputs = stages;
    declare(launches.size() == 1 ? "" : "_" + std::to_string(launch.launches.size()));
    for (linalg::GenericOp stage : done)
      for (auto [memory, result] : llvm::zip_equal(results, returned()))
        if (result.getDefiningOp() == stage)
          arguments[result] = memory;
    if (failed(readScalars()))
      return failure();
    // One launch computes them all: its grid is as large as the largest needs.
    for (linalg::GenericOp stage : stages) {
      output = stage;
      if (!findHost(stage) && failed(emitOutput()))
        return failure();
    }
    LLVM::ReturnOp::create(b, ValueRange());
    b.setInsertionPointToEnd(module->getBody());
    done.append(stages.begin(), stages.end());
  }
  return module;
}

OperandRange GpuFunction::returned() {
  return kernel.getBody().front().getTerminator()->getOperands();
}

bool GpuFunction::isScratch(linalg::GenericOp stage) {
  for (auto [number, result] : llvm::enumerate(returned()))
    if (result.getDefiningOp() == stage)
      return kernel.getResultAttr(unsigned(number), kernel::KernelDialect::kScratchAttr) != nullptr;
  return false;
}

LogicalResult GpuFunction::findOutputs() {
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
const GpuFunction::Memory &GpuFunction::resultOf(linalg::GenericOp stage) {
  Operation *yield = kernel.getBody().front().getTerminator();
  auto it = llvm::find_if(yield->getOperands(),
                          [&](Value value) { return value.getDefiningOp() == stage; });
  return results[size_t(it - yield->getOperands().begin())];
}

void GpuFunction::declare(const std::string &suffix) {
  const bool isFirst = launch.launches.empty();
  constexpr uint32_t none = rt::kNoStep;
  launch.launches.push_back({0, {none, none, none, none, none, none}, 0});
  launch.names.push_back(kernel.getSymName().str() + suffix);
  arguments.clear();
  results.clear();
  scalars = IRMapping();
  sharedValues.clear();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), kGlobal);
  SmallVector<Type> parameters;
  auto addTensor = [&](Type type, rt::DeviceArgKind kind) {
    auto tensor = cast<RankedTensorType>(type);
    parameters.push_back(pointer);
    parameters.append(2 * size_t(tensor.getRank()), b.getI64Type());
    if (isFirst)
      launch.args.push_back({uint32_t(kind), uint32_t(tensor.getRank()),
                             (stored(tensor.getElementType()).getIntOrFloatBitWidth() + 7) / 8});
  };
  for (Type type : kernel.getArgumentTypes())
    if (!type.isIndex())
      addTensor(type, rt::DeviceArgKind::Input);
  for (Type type : kernel.getArgumentTypes())
    if (type.isIndex()) {
      parameters.push_back(b.getI64Type());
      if (isFirst)
        launch.args.push_back({uint32_t(rt::DeviceArgKind::Scalar), 0, 0});
    }
  for (Type type : kernel.getResultTypes())
    addTensor(type, rt::DeviceArgKind::Output);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), parameters);
  function = LLVM::LLVMFuncOp::create(b, launch.names.back(), type);
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
      memory.extents.push_back(
          ShapedType::isDynamic(extent) ? given : Value(arith::ConstantIndexOp::create(b, extent)));
    }
    for (size_t i = 0; i < shape.size(); ++i) {
      Value given = index();
      memory.strides.push_back(i + 1 < shape.size() ? given
                                                    : Value(arith::ConstantIndexOp::create(b, 1)));
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

uint32_t GpuFunction::addStep(rt::DeviceStepKind kind, uint32_t a, uint32_t b) {
  if (!loops.decidesLaunch)
    return rt::kNoStep;
  launch.steps.push_back({kind, a, b});
  return uint32_t(launch.steps.size() - 1);
}
uint32_t GpuFunction::numberStep(int64_t value) {
  return addStep(rt::DeviceStepKind::Number, uint32_t(value), uint32_t(uint64_t(value) >> 32));
}

/// Scalars outside of stages: extents and constants.
LogicalResult GpuFunction::readScalars() {
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

SmallVector<std::string> GpuFunction::Loops::serial() const {
  SmallVector<std::string> left;
  for (const std::string &name : order)
    if (!isUsed.contains(name) && !positions.count(name))
      left.push_back(name);
  return left;
}

LogicalResult GpuFunction::emitOutput() {
  InStage own(*this, output);
  loops = Loops();
  sharedValues.clear();
  if (failed(readSchedule()))
    return failure();
  const SmallVector<std::string> serial = loops.serial();
  auto store = [&](Values) -> FailureOr<Values> {
    if (failed(storeResults()))
      return failure();
    return Values();
  };
  for (Operation *directive : loops.applied)
    if (auto turn = dyn_cast<schedule::GpuTurnOp>(directive))
      return emitTurned(turn);
  if (reducesTogether())
    return emitTogether();
  auto storeLanes = [&](ArrayRef<Places> places, Values) -> FailureOr<Values> {
    if (failed(storeElements(places)))
      return failure();
    return Values();
  };
  if (!loops.lane.empty() && serial.size() == 1)
    return success(succeeded(eachLane(output, {}, storeLanes)));
  // With loops of a thread this is the place of its block: whole blocks go on or leave.
  Value inside = place();
  return guard(inside, {}, [&](Values) -> FailureOr<Values> {
    if (schedule::GpuStreamOp stream = findStream()) {
      if (failed(emitStream(stream)))
        return failure();
      return Values();
    }
    if (schedule::GpuTileOp tile = findTile()) {
      if (failed(emitTile(tile)))
        return failure();
      return Values();
    }
    if (serial.empty())
      return store({});
    if (failed(computeSharedStages()))
      return failure();
    if (!loops.lane.empty())
      return eachLane(output, {}, storeLanes);
    return loopSerial(serial, {}, [&](Values) { return guard(place(), {}, store); });
  });
}

LogicalResult GpuFunction::readSchedule() {
  const Memory &result = resultOf(output);
  for (auto [dim, name] : llvm::enumerate(kernel::getLoopNames(output))) {
    if (output.getIteratorTypesArray()[dim] == utils::IteratorType::reduction)
      continue; // every thread reduces by itself
    AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
    std::optional<unsigned> place = map.getResultPosition(b.getAffineDimExpr(unsigned(dim)));
    if (!place)
      return fail(output, "has a loop '" + name + "' that is no dimension of its result");
    loops.add(name, {result.extents[*place],
                     addStep(rt::DeviceStepKind::Extent, result.argument, *place)});
  }
  if (schedule)
    for (auto stage : schedule.getBody().front().getOps<schedule::StageOp>())
      if (stage.getStage() == kernel::getStageName(output))
        for (Operation &directive : stage.getBody().front())
          if (!isa<schedule::ComputeRootOp>(directive) && failed(apply(&directive)))
            return failure();
  return success();
}

LogicalResult GpuFunction::apply(Operation *directive) {
  auto take = [&](StringRef loop) -> FailureOr<LoopExtent> {
    auto it = loops.extents.find(loop);
    if (it == loops.extents.end() || !loops.isUsed.insert(loop).second)
      return directive->emitOpError()
             << "stage '" << kernel::getStageName(output) << "' has no loop '" << loop << "' here";
    return it->second;
  };
  if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
    FailureOr<LoopExtent> extent = take(split.getLoop());
    if (failed(extent))
      return failure();
    Value factor = arith::ConstantIndexOp::create(b, split.getFactor());
    uint32_t size = numberStep(split.getFactor());
    loops.add(split.getOuter(), {arith::CeilDivUIOp::create(b, extent->value, factor),
                                 addStep(rt::DeviceStepKind::CeilDivide, extent->step, size)});
    loops.add(split.getInner(), {factor, size});
    loops.widths[split.getInner()] = split.getFactor();
  } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
    FailureOr<LoopExtent> inner = take(fuse.getInner()), outer = take(fuse.getOuter());
    if (failed(inner) || failed(outer))
      return failure();
    loops.add(fuse.getFused(), {arith::MulIOp::create(b, inner->value, outer->value),
                                addStep(rt::DeviceStepKind::Multiply, inner->step, outer->step)});
  } else if (isa<schedule::GpuBlocksOp, schedule::GpuThreadsOp>(directive)) {
    auto thread = dyn_cast<schedule::GpuThreadsOp>(directive);
    const bool isThread = bool(thread);
    StringRef loop = thread ? thread.getLoop() : cast<schedule::GpuBlocksOp>(directive).getLoop();
    FailureOr<LoopExtent> extent = take(loop);
    unsigned &axes = isThread ? loops.threadAxes : loops.blockAxes;
    if (failed(extent))
      return failure();
    if (axes == 3)
      return directive->emitOpError()
             << "is the fourth of its kind; a grid and a block have three axes";
    const unsigned axis = thread && thread.getAxis() ? unsigned(*thread.getAxis()) : axes;
    ++axes;
    if (loops.decidesLaunch) {
      uint32_t &size = launch.launches.back().extents[axis + (isThread ? 3 : 0)];
      size =
          size == rt::kNoStep ? extent->step : addStep(rt::DeviceStepKind::Max, size, extent->step);
    }
    if (isThread) {
      loops.threads = loops.widths.lookup(loop);
      loops.threadAxis = axis;
    }
    loops.positions[loop] = special(isThread, axis);
  } else if (auto lanes = dyn_cast<schedule::VectorizeOp>(directive)) {
    const int64_t width = loops.widths.lookup(lanes.getLoop());
    if (!loops.lane.empty() || width < 2 || !llvm::isPowerOf2_64(uint64_t(width)) ||
        (lanes.getWidth() && int64_t(*lanes.getWidth()) != width))
      return directive->emitOpError()
             << "expected the inner loop of a split by a power of two, the only one of its stage";
    loops.lane = lanes.getLoop().str();
  } else if (!isa<schedule::GpuTurnOp>(directive)) {
    return fail(directive, "is no split, fuse, gpu_blocks, gpu_threads or vectorize");
  }
  loops.applied.push_back(directive);
  return success();
}

/// The number of this block or thread along an axis.
Value GpuFunction::special(bool isThread, unsigned axis) {
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

/// Dividing 64 bits takes four times the instructions of 32. Where a block divides once and not for
/// every element, LLVM has it its way: with other numbers of 32 bits a tile in parts spilled.
Value GpuFunction::divide(Value x, Value y, bool wantsRest) {
  y = arith::MaxUIOp::create(b, y, arith::ConstantIndexOp::create(b, 1));
  const bool isNarrow = !loops.lane.empty();
  auto narrow = [&](Value number) -> Value {
    return isNarrow ? Value(arith::IndexCastUIOp::create(b, b.getI32Type(), number)) : number;
  };
  Value dividend = narrow(x), divisor = narrow(y);
  Value result = wantsRest ? Value(arith::RemUIOp::create(b, dividend, divisor))
                           : Value(arith::DivUIOp::create(b, dividend, divisor));
  return isNarrow ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), result)) : result;
}

Value GpuFunction::place(bool clamp) {
  Value inside = arith::ConstantOp::create(b, b.getBoolAttr(true));
  auto &positions = loops.positions;
  auto &extents = loops.extents;
  auto bound = [&](StringRef loop) {
    Value isBelow =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, positions[loop], extents[loop].value);
    inside = arith::AndIOp::create(b, inside, isBelow);
  };
  for (Operation *directive : llvm::reverse(loops.applied)) {
    if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
      if (!positions.count(split.getOuter()) || !positions.count(split.getInner()))
        continue;
      Value first =
          arith::MulIOp::create(b, positions[split.getOuter()], extents[split.getInner()].value);
      Value position = arith::AddIOp::create(b, first, positions[split.getInner()]);
      positions[split.getLoop()] = position;
      bound(split.getLoop());
      if (clamp) {
        Value last = arith::SubIOp::create(b, extents[split.getLoop()].value,
                                           arith::ConstantIndexOp::create(b, 1));
        positions[split.getLoop()] = arith::MinUIOp::create(b, position, last);
      }
    } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
      if (!positions.count(fuse.getFused()))
        continue;
      if (!loops.isFlat) // Then the innermost goes beyond its extent.
        bound(fuse.getFused());
      Value size = extents[fuse.getInner()].value;
      Value fused = positions[fuse.getFused()];
      positions[fuse.getInner()] = loops.isFlat ? fused : divide(fused, size, /*wantsRest=*/true);
      positions[fuse.getOuter()] = loops.isFlat ? Value(arith::ConstantIndexOp::create(b, 0))
                                                : divide(fused, size, /*wantsRest=*/false);
    } else if (auto blocks = dyn_cast<schedule::GpuBlocksOp>(directive)) {
      bound(blocks.getLoop());
    } else if (auto threads = dyn_cast<schedule::GpuThreadsOp>(directive);
               threads && positions.count(threads.getLoop())) {
      bound(threads.getLoop());
    }
  }
  return inside;
}

FailureOr<OwningOpRef<ModuleOp>> convertToGpu(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                              LaunchRecord &launch) {
  return GpuFunction(kernel, schedule, launch).run();
}

} // namespace tessera::nvgpu
