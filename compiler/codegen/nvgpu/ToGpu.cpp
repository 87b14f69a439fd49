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
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tessera::nvgpu {
namespace {

/// The address space of device memory.
constexpr unsigned kGlobal = 1;

struct Memory {
  Value pointer;
  SmallVector<Value> extents; // index values
};

class Converter {
public:
  Converter(kernel::FuncOp kernel, schedule::FuncOp schedule)
      : kernel(kernel), schedule(schedule), b(kernel.getLoc(), kernel.getContext()) {}

  FailureOr<OwningOpRef<ModuleOp>> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    b.setInsertionPointToEnd(module->getBody());
    if (failed(findOutput()))
      return failure();
    declare();
    if (failed(readScalars()) || failed(readSchedule()))
      return failure();
    Value inside = placeThread();
    Block *work = function.addBlock(), *end = function.addBlock();
    LLVM::CondBrOp::create(b, inside, work, end);
    b.setInsertionPointToEnd(work);
    if (failed(storeResults()))
      return failure();
    LLVM::BrOp::create(b, end);
    b.setInsertionPointToEnd(end);
    LLVM::ReturnOp::create(b, ValueRange());
    return module;
  }

private:
  LogicalResult fail(Operation *op, const llvm::Twine &why) {
    return op->emitOpError() << why << ", which the CUDA generator does not take yet";
  }

  LogicalResult findOutput() {
    auto yield = cast<kernel::ReturnOp>(kernel.getBody().front().getTerminator());
    for (Value result : yield.getOperands()) {
      auto stage = result.getDefiningOp<linalg::GenericOp>();
      if (!stage || (output && stage != output) || stage.getNumReductionLoops())
        return fail(kernel, "gives results that do not all come from one stage without reduction");
      output = stage;
    }
    return success();
  }

  Type stored(Type element) { return element.isInteger(1) ? b.getI8Type() : element; }

  void declare() {
    auto pointer = LLVM::LLVMPointerType::get(b.getContext(), kGlobal);
    SmallVector<Type> parameters;
    auto addTensor = [&](Type type) {
      parameters.push_back(pointer);
      parameters.append(cast<RankedTensorType>(type).getRank(), b.getI64Type());
    };
    for (Type type : kernel.getArgumentTypes())
      if (type.isIndex())
        parameters.push_back(b.getI64Type());
      else
        addTensor(type);
    llvm::for_each(kernel.getResultTypes(), addTensor);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), parameters);
    function = LLVM::LLVMFuncOp::create(b, kernel.getSymName(), type);
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    b.setInsertionPointToEnd(function.addEntryBlock(b));
    unsigned next = 0;
    auto index = [&]() -> Value {
      return arith::IndexCastOp::create(b, b.getIndexType(), function.getArgument(next++));
    };
    auto tensor = [&](Type type) {
      Memory memory{function.getArgument(next++), {}};
      for (int64_t extent : cast<RankedTensorType>(type).getShape()) {
        Value given = index();
        memory.extents.push_back(ShapedType::isDynamic(extent)
                                     ? given
                                     : Value(arith::ConstantIndexOp::create(b, extent)));
      }
      return memory;
    };
    for (BlockArgument argument : kernel.getArguments()) {
      if (argument.getType().isIndex())
        scalars.map(argument, index());
      else
        arguments[argument] = tensor(argument.getType());
    }
    for (Type result : kernel.getResultTypes())
      results.push_back(tensor(result));
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
    for (auto [dim, name] : llvm::enumerate(kernel::getLoopNames(output))) {
      AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
      std::optional<unsigned> place = map.getResultPosition(b.getAffineDimExpr(unsigned(dim)));
      if (!place)
        return fail(output, "has a loop '" + name + "' that is no dimension of its result");
      extents[name] = results[0].extents[*place];
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
    auto take = [&](StringRef loop) -> FailureOr<Value> {
      auto it = extents.find(loop);
      if (it == extents.end() || !isUsed.insert(loop).second)
        return directive->emitOpError() << "stage '" << kernel::getStageName(output)
                                        << "' has no loop '" << loop << "' here";
      return it->second;
    };
    if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
      FailureOr<Value> extent = take(split.getLoop());
      if (failed(extent))
        return failure();
      Value factor = arith::ConstantIndexOp::create(b, split.getFactor());
      extents[split.getOuter()] = arith::CeilDivUIOp::create(b, *extent, factor);
      extents[split.getInner()] = factor;
    } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
      FailureOr<Value> inner = take(fuse.getInner()), outer = take(fuse.getOuter());
      if (failed(inner) || failed(outer))
        return failure();
      extents[fuse.getFused()] = arith::MulIOp::create(b, *inner, *outer);
    } else if (isa<schedule::GpuBlocksOp, schedule::GpuThreadsOp>(directive)) {
      bool isThread = isa<schedule::GpuThreadsOp>(directive);
      StringRef loop = isThread ? cast<schedule::GpuThreadsOp>(directive).getLoop()
                                : cast<schedule::GpuBlocksOp>(directive).getLoop();
      FailureOr<Value> extent = take(loop);
      unsigned &axis = isThread ? threadAxes : blockAxes;
      if (failed(extent))
        return failure();
      if (axis == 3)
        return directive->emitOpError()
               << "is the fourth of its kind; a grid and a block have three axes";
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
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, positions[loop], extents[loop]);
      inside = arith::AndIOp::create(b, inside, isBelow);
    };
    for (Operation *directive : llvm::reverse(applied)) {
      if (auto split = dyn_cast<schedule::SplitOp>(directive)) {
        Value first =
            arith::MulIOp::create(b, positions[split.getOuter()], extents[split.getInner()]);
        positions[split.getLoop()] = arith::AddIOp::create(b, first, positions[split.getInner()]);
        bound(split.getLoop());
      } else if (auto fuse = dyn_cast<schedule::FuseOp>(directive)) {
        bound(fuse.getFused());
        // An extent of 0 leaves no thread inside; dividing by it would still be undefined.
        Value one = arith::ConstantIndexOp::create(b, 1);
        Value size = arith::MaxUIOp::create(b, extents[fuse.getInner()], one);
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
    for (auto [extent, index] : llvm::zip_equal(memory.extents, at)) {
      Value rows = arith::MulIOp::create(b, offset, extent);
      offset = arith::AddIOp::create(b, rows, index);
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
    if (!stage || stage.getNumReductionLoops())
      return fail(stage ? stage.getOperation() : kernel.getOperation(), "has a stage that reduces");
    FailureOr<SmallVector<Value>> values = elements(stage, at);
    if (failed(values))
      return failure();
    return (*values)[cast<OpResult>(tensor).getResultNumber()];
  }

  /// What a stage yields at an element of its result.
  FailureOr<SmallVector<Value>> elements(linalg::GenericOp stage, ArrayRef<Value> at) {
    SmallVector<Value> loops(stage.getNumLoops());
    AffineMap map = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
    for (auto [expr, index] : llvm::zip_equal(map.getResults(), at))
      loops[cast<AffineDimExpr>(expr).getPosition()] = index;
    IRMapping mapping(scalars);
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
  ImplicitLocOpBuilder b;
  linalg::GenericOp output;
  LLVM::LLVMFuncOp function;
  IRMapping scalars;
  llvm::DenseMap<Value, Memory> arguments;
  SmallVector<Memory> results;
  llvm::StringMap<Value> extents, positions; // of loops
  llvm::StringSet<> isUsed;                  // loops that a directive took
  SmallVector<Operation *> applied;
  unsigned blockAxes = 0, threadAxes = 0;
};

} // namespace

FailureOr<OwningOpRef<ModuleOp>> convertToGpu(kernel::FuncOp kernel, schedule::FuncOp schedule) {
  return Converter(kernel, schedule).run();
}

} // namespace tessera::nvgpu
