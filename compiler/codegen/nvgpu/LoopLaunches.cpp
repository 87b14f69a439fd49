//===- LoopLaunches.cpp - Kernels with loops of their own as device functions --------------===//
#include "compiler/codegen/nvgpu/LoopLaunches.h"

#include "compiler/codegen/loops/Loops.h"
#include "compiler/codegen/nvgpu/GpuFunction.h"
#include "compiler/codegen/nvgpu/StageLines.h"
#include "dialects/kernel/Atomic.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Transforms/Utils/LowerAtomic.h"

using namespace mlir;

namespace tessera::nvgpu {
namespace {

/// Threads of a block that shares stages, and of one whose threads have nothing in common.
constexpr int64_t kThreads = 256, kLoneThreads = 128;
/// Where the number of iterations is no product of extents; blocks take several each.
constexpr int64_t kManyBlocks = 1024;

constexpr llvm::StringLiteral kBody = "_body";

/// The functions of a kernel, one for each launch.
class Cutter {
public:
  Cutter(kernel::FuncOp kernel, func::FuncOp whole, LaunchRecord &launch)
      : kernel(kernel), whole(whole), launch(launch), b(kernel.getLoc(), kernel.getContext()) {}

  void run() {
    findParts();
    for (auto [number, part] : llvm::enumerate(parts))
      emit(part,
           kernel.getSymName().str() + (parts.size() == 1 ? "" : "_" + std::to_string(number)));
    whole.erase();
  }

private:
  using Ops = SmallVector<Operation *>;

  /// What computes the same wherever it stands.
  bool isScalar(Operation *op) {
    if (isPure(op) || isa<memref::AllocaOp>(op))
      return true;
    // Nobody writes to what the kernel is given.
    auto load = dyn_cast<memref::LoadOp>(op);
    auto from = load ? dyn_cast<BlockArgument>(load.getMemRef()) : BlockArgument();
    return from && from.getArgNumber() < kernel.getNumArguments();
  }

  void findParts() {
    DenseMap<Operation *, size_t> partOf; // of those that only one launch can have
    for (Operation &op : whole.getBody().front().without_terminator()) {
      // The first launch whose scalars it needs.
      size_t first = parts.size();
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (auto found = partOf.find(operand.getDefiningOp()); found != partOf.end())
            first = std::min(first, found->second);
      });
      if (isScalar(&op)) {
        if (first < parts.size())
          partOf[&op] = first;
        continue;
      }
      if (first == parts.size())
        parts.emplace_back();
      for (size_t later = first + 1; later < parts.size(); ++later)
        parts[first].append(parts[later]);
      parts.resize(first + 1);
      parts[first].push_back(&op);
      for (auto &entry : partOf)
        entry.second = std::min(entry.second, first);
      partOf[&op] = first;
    }
  }

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value special(Value number) { return arith::IndexCastUIOp::create(b, b.getIndexType(), number); }
  Value thread() { return special(NVVM::ThreadIdXOp::create(b, b.getI32Type())); }
  Value block() { return special(NVVM::BlockIdXOp::create(b, b.getI32Type())); }
  Value blocks() { return special(NVVM::GridDimXOp::create(b, b.getI32Type())); }

  void emit(const Ops &part, const std::string &name) {
    SmallVector<Type> types(whole.getArgumentTypes().drop_back());
    b.setInsertionPoint(whole);
    auto function = func::FuncOp::create(b, name + kBody.str(), b.getFunctionType(types, {}));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    mapping.map(whole.getArguments().drop_back(), body->getArguments());
    launch.names.push_back(name);
    constexpr uint32_t none = rt::kNoStep;
    launch.launches.push_back({0, {none, none, none, none, none, none}, 0});
    for (Operation &op : whole.getBody().front().without_terminator()) {
      const bool isKnown =
          llvm::all_of(op.getOperands(), [&](Value value) { return mapping.contains(value); });
      if (isScalar(&op)) {
        if (isKnown)
          b.clone(op, mapping);
      } else if (llvm::is_contained(part, &op)) {
        if (part.size() == 1)
          emitAlone(&op, mapping);
        else
          emitTogether(&op, mapping);
      }
    }
    if (part.size() > 1)
      setGrid(number(1), kThreads);
    func::ReturnOp::create(b);
  }

  void emitTogether(Operation *op, IRMapping &mapping) { shareStages(b.clone(*op, mapping)); }

  void emitAlone(Operation *op, IRMapping &mapping) {
    if (isa<linalg::LinalgOp>(op)) {
      Value threads = index(kThreads);
      Value first = arith::AddIOp::create(b, arith::MulIOp::create(b, block(), threads), thread());
      Value step = arith::MulIOp::create(b, blocks(), threads);
      shares[b.clone(*op, mapping)] = {first, step};
      std::optional<uint32_t> elements = elementsOf(cast<linalg::LinalgOp>(op));
      setGrid(elements ? step2(rt::DeviceStepKind::CeilDivide, *elements, number(kThreads))
                       : number(kManyBlocks),
              kThreads);
      return;
    }
    SmallVector<scf::ForOp> nest = loops::getParallelNest(op);
    const bool isLone = loops::hasScalarStages(op);
    if (nest.empty()) {
      setGrid(number(1), isLone ? 1 : kThreads);
      Operation *copy = b.clone(*op, mapping);
      if (!isLone)
        shareStages(copy);
      return;
    }
    Value count = index(1);
    std::optional<uint32_t> iterations = number(1);
    for (scf::ForOp loop : nest) {
      count = arith::MulIOp::create(b, count, mapping.lookupOrDefault(loop.getUpperBound()));
      std::optional<uint32_t> extent = stepOf(loop.getUpperBound());
      iterations =
          iterations && extent
              ? std::optional<uint32_t>(step2(rt::DeviceStepKind::Multiply, *iterations, *extent))
              : std::nullopt;
    }
    Value first = block(), step = blocks();
    if (isLone) {
      Value threads = index(kLoneThreads);
      first = arith::AddIOp::create(b, arith::MulIOp::create(b, first, threads), thread());
      step = arith::MulIOp::create(b, step, threads);
    }
    setGrid(!iterations ? number(kManyBlocks)
            : isLone    ? step2(rt::DeviceStepKind::CeilDivide, *iterations, number(kLoneThreads))
                        : *iterations,
            isLone ? kLoneThreads : kThreads);
    auto each = scf::ForOp::create(b, first, count, step);
    if (llvm::any_of(nest, [](scf::ForOp loop) { return loop->hasAttr(kernel::kAtomicAttr); }))
      each->setAttr(kernel::kAtomicAttr, b.getUnitAttr());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(each.getBody());
    Value left = each.getInductionVar();
    for (scf::ForOp loop : llvm::reverse(nest)) {
      Value extent = mapping.lookupOrDefault(loop.getUpperBound());
      mapping.map(loop.getInductionVar(), arith::RemUIOp::create(b, left, extent).getResult());
      left = arith::DivUIOp::create(b, left, extent);
    }
    for (auto [number, loop] : llvm::enumerate(nest))
      for (Operation &inner : loop.getBody()->without_terminator()) {
        if (number + 1 < nest.size() && &inner == nest[number + 1].getOperation())
          continue;
        Operation *copy = b.clone(inner, mapping);
        if (!isLone)
          shareStages(copy);
      }
  }

  /// The threads of a block compute the stages in `op` together, and the first of them stores what
  /// is stored outside of stages. Everybody waits before and after whatever writes: others may
  /// still read what was there, or read it next.
  void shareStages(Operation *op) {
    SmallVector<Operation *> writers;
    op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
      if (isa<linalg::LinalgOp, memref::StoreOp>(inner)) {
        writers.push_back(inner);
        return WalkResult::skip();
      }
      return WalkResult::advance();
    });
    OpBuilder::InsertionGuard guard(b);
    for (Operation *writer : writers) {
      b.setInsertionPoint(writer);
      Operation *before = writer->getPrevNode();
      while (before && isPure(before))
        before = before->getPrevNode();
      if (!isa_and_nonnull<NVVM::Barrier0Op>(before))
        NVVM::Barrier0Op::create(b);
      Operation *last = writer;
      if (isa<linalg::LinalgOp>(writer)) {
        shares[writer] = {thread(), index(kThreads)};
      } else {
        Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread(), index(0));
        auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
        writer->moveBefore(branch.thenBlock()->getTerminator());
        last = branch;
      }
      b.setInsertionPointAfter(last);
      NVVM::Barrier0Op::create(b);
    }
  }

  //===-- The launch record -----------------------------------------------------------===//

  uint32_t addStep(rt::DeviceStep step) {
    for (auto [number, known] : llvm::enumerate(launch.steps))
      if (known.kind == step.kind && known.a == step.a && known.b == step.b)
        return uint32_t(number);
    launch.steps.push_back(step);
    return uint32_t(launch.steps.size() - 1);
  }
  uint32_t number(int64_t value) {
    return addStep({rt::DeviceStepKind::Number, uint32_t(value), uint32_t(uint64_t(value) >> 32)});
  }
  uint32_t step2(rt::DeviceStepKind kind, uint32_t x, uint32_t y) { return addStep({kind, x, y}); }

  void setGrid(uint32_t blocks, int64_t threads) {
    launch.launches.back().extents[0] = blocks;
    launch.launches.back().extents[3] = number(threads);
  }

  /// The number of a parameter in the record: tensors of the kernel, scalars, results.
  uint32_t numberOf(BlockArgument argument) {
    const unsigned place = argument.getArgNumber(), inputs = kernel.getNumArguments();
    if (place >= inputs)
      return place;
    const bool isScalar = argument.getType().isIndex();
    uint32_t before = 0;
    for (auto [other, type] : llvm::enumerate(kernel.getArgumentTypes()))
      before += type.isIndex() ? isScalar && other < place : isScalar || other < place;
    return before;
  }

  /// An index of the function that a launch can compute.
  std::optional<uint32_t> stepOf(Value value) {
    if (std::optional<int64_t> constant = getConstantIntValue(value))
      return number(*constant);
    if (auto argument = dyn_cast<BlockArgument>(value))
      return addStep({rt::DeviceStepKind::Scalar, numberOf(argument), 0});
    Operation *op = value.getDefiningOp();
    if (auto dim = dyn_cast<memref::DimOp>(op)) {
      auto argument = dyn_cast<BlockArgument>(dim.getSource());
      std::optional<int64_t> constant = dim.getConstantIndex();
      if (!argument || !constant)
        return std::nullopt;
      return addStep({rt::DeviceStepKind::Extent, numberOf(argument), uint32_t(*constant)});
    }
    std::optional<rt::DeviceStepKind> kind;
    if (isa<arith::MulIOp>(op))
      kind = rt::DeviceStepKind::Multiply;
    else if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
      kind = rt::DeviceStepKind::CeilDivide;
    else if (isa<arith::MaxSIOp, arith::MaxUIOp>(op))
      kind = rt::DeviceStepKind::Max;
    if (!kind)
      return std::nullopt;
    std::optional<uint32_t> x = stepOf(op->getOperand(0)), y = stepOf(op->getOperand(1));
    if (!x || !y)
      return std::nullopt;
    return step2(*kind, *x, *y);
  }

  /// The elements of the result of a stage.
  std::optional<uint32_t> elementsOf(linalg::LinalgOp stage) {
    auto type = cast<MemRefType>(stage.getDpsInits()[0].getType());
    std::optional<uint32_t> result = number(1);
    for (int64_t d = 0; d < type.getRank() && result; ++d) {
      std::optional<uint32_t> extent;
      if (!type.isDynamicDim(d))
        extent = number(type.getDimSize(d));
      else if (auto argument = dyn_cast<BlockArgument>(stage.getDpsInits()[0]))
        extent = addStep({rt::DeviceStepKind::Extent, numberOf(argument), uint32_t(d)});
      else if (auto view = stage.getDpsInits()[0].getDefiningOp<memref::ViewOp>())
        extent = stepOf(view.getSizes()[type.getDynamicDimIndex(unsigned(d))]);
      result = extent
                   ? std::optional<uint32_t>(step2(rt::DeviceStepKind::Multiply, *result, *extent))
                   : std::nullopt;
    }
    return result;
  }

  kernel::FuncOp kernel;
  func::FuncOp whole;
  LaunchRecord &launch;
  ImplicitLocOpBuilder b;
  SmallVector<Ops> parts;

public:
  DenseMap<Operation *, loops::StageShare> shares;
};

/// x[i] = x[i] op y as one atomic operation; none where the store is something else.
memref::AtomicRMWOp makeAtomic(memref::StoreOp store) {
  using Kind = arith::AtomicRMWKind;
  Operation *combine = store.getValueToStore().getDefiningOp();
  if (!combine || combine->getNumOperands() != 2)
    return {};
  std::optional<Kind> kind = llvm::TypeSwitch<Operation *, std::optional<Kind>>(combine)
                                 .Case([](arith::AddIOp) { return Kind::addi; })
                                 .Case([](arith::MinSIOp) { return Kind::mins; })
                                 .Case([](arith::MaxSIOp) { return Kind::maxs; })
                                 .Case([](arith::MinUIOp) { return Kind::minu; })
                                 .Case([](arith::MaxUIOp) { return Kind::maxu; })
                                 .Default([](Operation *) { return std::nullopt; });
  for (unsigned old : {0u, 1u}) {
    auto load = combine->getOperand(old).getDefiningOp<memref::LoadOp>();
    if (!kind || !load || load.getMemRef() != store.getMemRef() ||
        load.getIndices() != store.getIndices())
      continue;
    OpBuilder b(store);
    return memref::AtomicRMWOp::create(b, store.getLoc(), *kind, combine->getOperand(1 - old),
                                       store.getMemRef(), store.getIndices());
  }
  return {};
}

/// x[i] = x[i]: what is left of putting a slice back where it was taken from.
bool isNothing(memref::StoreOp store) {
  auto load = store.getValueToStore().getDefiningOp<memref::LoadOp>();
  return load && load.getMemRef() == store.getMemRef() && load.getIndices() == store.getIndices();
}

/// In loops whose iterations meet, updates become atomic.
LogicalResult makeAtomics(ModuleOp module) {
  SmallVector<scf::ForOp> loops;
  module.walk([&](scf::ForOp loop) {
    if (loop->hasAttr(kernel::kAtomicAttr))
      loops.push_back(loop);
  });
  for (scf::ForOp loop : loops) {
    // Equal slices become one.
    IRRewriter rewriter(loop.getContext());
    DominanceInfo dominance(loop->getParentOp());
    eliminateCommonSubExpressions(rewriter, dominance, loop);
    SmallVector<memref::StoreOp> stores; // LLVM drops what they alone needed.
    loop.walk([&](memref::StoreOp store) { stores.push_back(store); });
    for (memref::StoreOp store : stores) {
      if (!isNothing(store) && !makeAtomic(store))
        return store.emitOpError() << "stands in a loop whose iterations meet, and is no update";
      store.erase();
    }
  }
  return success();
}

/// Nothing else is to wait for them: what reads the result is another launch.
void relaxAtomics(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *atomic = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) {
        atomic->setOrdering(llvm::AtomicOrdering::Monotonic);
        atomic->setSyncScopeID(module.getContext().getOrInsertSyncScopeID("device"));
      }
}

/// Devices have atomics of words: an element of 8 or 16 bits is put into the word around it, which
/// takes the place of what it was computed from, unless somebody else has changed that. Neighbours
/// stay as they are. (LLVM would begin with a load that is none of an atomic.)
void widenAtomics(llvm::Module &module) {
  SmallVector<llvm::AtomicRMWInst *> narrow;
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *atomic = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction);
          atomic && atomic->getType()->getIntegerBitWidth() < 32)
        narrow.push_back(atomic);
  for (llvm::AtomicRMWInst *atomic : narrow) {
    llvm::IRBuilder<> b(atomic);
    const llvm::AtomicOrdering order = atomic->getOrdering();
    const llvm::SyncScope::ID scope = atomic->getSyncScopeID();
    const unsigned bits = atomic->getType()->getIntegerBitWidth();
    llvm::Value *pointer = atomic->getPointerOperand();
    llvm::Value *address = b.CreatePtrToInt(pointer, b.getInt64Ty());
    llvm::Value *word =
        b.CreateIntrinsic(llvm::Intrinsic::ptrmask, {pointer->getType(), b.getInt64Ty()},
                          {pointer, b.getInt64(~uint64_t(3))});
    llvm::Value *shift =
        b.CreateTrunc(b.CreateShl(b.CreateAnd(address, uint64_t(3)), 3), b.getInt32Ty());
    llvm::Value *mask = b.CreateShl(b.getInt32((1u << bits) - 1), shift);
    llvm::LoadInst *first = b.CreateAlignedLoad(b.getInt32Ty(), word, llvm::Align(4));
    first->setAtomic(order, scope);
    llvm::BasicBlock *before = atomic->getParent(),
                     *after = before->splitBasicBlock(atomic->getIterator()),
                     *loop =
                         llvm::BasicBlock::Create(b.getContext(), "", before->getParent(), after);
    before->getTerminator()->setSuccessor(0, loop);
    b.SetInsertPoint(loop);
    llvm::PHINode *old = b.CreatePHI(b.getInt32Ty(), 2);
    llvm::Value *element = b.CreateTrunc(b.CreateLShr(old, shift), atomic->getType());
    element =
        llvm::buildAtomicRMWValue(atomic->getOperation(), b, element, atomic->getValOperand());
    llvm::Value *changed = b.CreateOr(b.CreateAnd(old, b.CreateNot(mask)),
                                      b.CreateShl(b.CreateZExt(element, b.getInt32Ty()), shift));
    llvm::Value *pair =
        b.CreateAtomicCmpXchg(word, old, changed, llvm::Align(4), order, order, scope);
    old->addIncoming(first, before);
    old->addIncoming(b.CreateExtractValue(pair, 0), loop);
    b.CreateCondBr(b.CreateExtractValue(pair, 1), after, loop);
    b.SetInsertPoint(atomic);
    atomic->replaceAllUsesWith(b.CreateTrunc(b.CreateLShr(old, shift), atomic->getType()));
    atomic->eraseFromParent();
  }
}

/// Tensors of the kernel, scalars, results: the order of parameters.
SmallVector<Type> orderedTypes(kernel::FuncOp kernel) {
  SmallVector<Type> types;
  for (bool isIndex : {false, true})
    for (Type type : kernel.getArgumentTypes())
      if (type.isIndex() == isIndex)
        types.push_back(type);
  llvm::append_range(types, kernel.getResultTypes());
  return types;
}

void describeArguments(kernel::FuncOp kernel, LaunchRecord &launch) {
  const size_t firstResult = kernel.getNumArguments();
  for (auto [number, type] : llvm::enumerate(orderedTypes(kernel))) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    const rt::DeviceArgKind kind = !tensor                ? rt::DeviceArgKind::Scalar
                                   : number < firstResult ? rt::DeviceArgKind::Input
                                                          : rt::DeviceArgKind::Output;
    launch.args.push_back({uint32_t(kind), tensor ? uint32_t(tensor.getRank()) : 0,
                           tensor ? (tensor.getElementTypeBitWidth() + 7) / 8 : 0});
  }
}

/// The function that a launch calls: parameters of DeviceImage.h to what `body` takes, buffers by
/// their address twice, an offset, their extents and strides.
void addEntry(llvm::Module &module, kernel::FuncOp kernel, const std::string &name) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::Function *body = module.getFunction(name + kBody.str());
  llvm::Type *pointer = b.getPtrTy(kGlobal), *i64 = b.getInt64Ty();
  SmallVector<llvm::Type *> parameters;
  for (Type type : orderedTypes(kernel)) {
    parameters.push_back(type.isIndex() ? i64 : pointer);
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      parameters.append(2 * size_t(tensor.getRank()), i64);
  }
  auto *entry = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), parameters, false),
                                       llvm::GlobalValue::ExternalLinkage, name, module);
  entry->setCallingConv(llvm::CallingConv::PTX_Kernel);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", entry));
  SmallVector<SmallVector<llvm::Value *>> given;
  unsigned next = 0;
  for (Type type : orderedTypes(kernel)) {
    auto &values = given.emplace_back();
    llvm::Value *first = entry->getArg(next++);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) {
      values.push_back(first);
      continue;
    }
    llvm::Value *address = b.CreateAddrSpaceCast(first, b.getPtrTy());
    SmallVector<llvm::Value *> extents, strides(tensor.getRank());
    for (int64_t d = 0; d < tensor.getRank(); ++d)
      extents.push_back(tensor.isDynamicDim(d)
                            ? static_cast<llvm::Value *>(entry->getArg(next + unsigned(d)))
                            : b.getInt64(uint64_t(tensor.getDimSize(d))));
    llvm::Value *stride = b.getInt64(1); // Tensors are row-major and dense.
    for (int64_t d = tensor.getRank(); d-- > 0; stride = b.CreateMul(stride, extents[d]))
      strides[d] = stride;
    next += 2 * unsigned(tensor.getRank());
    values = {address, address, b.getInt64(0)};
    llvm::append_range(values, extents);
    llvm::append_range(values, strides);
  }
  // The body has the kernel's own order.
  SmallVector<llvm::Value *> arguments;
  unsigned tensors = 0, indices = unsigned(llvm::count_if(
                            kernel.getArgumentTypes(), [](Type type) { return !type.isIndex(); }));
  for (Type type : kernel.getArgumentTypes())
    llvm::append_range(arguments, given[type.isIndex() ? indices++ : tensors++]);
  for (unsigned result = kernel.getNumArguments(); result < given.size(); ++result)
    llvm::append_range(arguments, given[result]);
  // What is inlined keeps its lines.
  entry->setSubprogram(body->getSubprogram());
  body->setSubprogram(nullptr);
  body->setLinkage(llvm::GlobalValue::InternalLinkage);
  body->addFnAttr(llvm::Attribute::AlwaysInline);
  b.CreateCall(body, arguments);
  b.CreateRetVoid();
}

} // namespace

FailureOr<std::unique_ptr<llvm::Module>>
emitLoopLaunches(kernel::FuncOp kernel, llvm::LLVMContext &context, LaunchRecord &launch) {
  FailureOr<loops::BufferizedKernel> buffers = loops::bufferize(kernel, /*forGpu=*/true);
  if (failed(buffers))
    return failure();
  if (buffers->scratchBytes && !loops::getScratchResult(kernel))
    return kernel.emitOpError() << "has no scratch result for what it keeps in memory "
                                   "(--kernel-reserve-scratch makes one)";
  describeArguments(kernel, launch);
  ModuleOp module = *buffers->module;
  const StageLines lines(kernel);
  module.walk([&](linalg::LinalgOp stage) {
    if (!kernel::getStageName(stage).empty())
      lines.mark(stage);
  });
  Cutter cutter(kernel, module.lookupSymbol<func::FuncOp>(kernel.getSymName()), launch);
  cutter.run();
  auto share = [&](Operation *stage) -> std::optional<loops::StageShare> {
    auto found = cutter.shares.find(stage);
    return found == cutter.shares.end() ? std::nullopt : std::optional(found->second);
  };
  if (failed(loops::emitStageLoops(module, /*unit=*/{}, share)))
    return failure();
  if (failed(makeAtomics(module)))
    return failure();
  writePowersOfTwo(module);
  if (failed(loops::lowerToLLVM(module)))
    return kernel.emitOpError() << "cannot be lowered to LLVM";
  if (failed(lines.attach(module)))
    return failure();
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code)
    return kernel.emitOpError("cannot be written as LLVM IR for a CUDA device");
  loops::moveAsIntegers(*code);
  relaxAtomics(*code);
  widenAtomics(*code);
  for (const std::string &name : launch.names)
    addEntry(*code, kernel, name);
  return std::move(code);
}

} // namespace tessera::nvgpu
