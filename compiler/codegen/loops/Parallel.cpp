//===- Parallel.cpp - Independent iterations as tasks of the runtime ----------------------===//
// On buffers, an outermost loop marked kernel.parallel, and the loop over the blocks of a stage
// (StageLoops.cpp), which may lie in other loops, becomes
//
//   func @task0(%from, %to, captured...) { for %i = %from to %to { body } }
//   %status = if (it is worth it) { call @parallel_for0(%context, %lo, %hi, captured...) }
//             else { call @task0(%lo, %hi, captured...) }
//
// and in LLVM IR @parallel_for0 hands a closure to the runtime's parallelFor
// (runtime/base/KernelAbi.h). How the iterations are cut into tasks does not depend on the number
// of threads, and no iteration sees another one: the result is the same however they run.
#include "compiler/codegen/loops/Parallel.h"

#include "runtime/base/KernelAbi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace tessera::loops {

/// A loop whose largest buffer has fewer elements than this is done before other threads have woken
/// up.
static constexpr int64_t kMinElements = 1 << 15;
/// Tasks of one loop: enough for many threads to end at about the same time.
static constexpr int64_t kMaxTasks = 64;

static constexpr llvm::StringLiteral kTask = "task", kParallelFor = "parallel_for",
                                     kThreadCount = "thread_count";

/// Whether every iteration can have its own buffers: those on the stack of a task are.
static bool fitsTask(scf::ForOp loop) {
  int64_t bytes = 0;
  WalkResult walk = loop.walk([&](memref::AllocOp allocation) {
    MemRefType type = allocation.getType();
    if (!type.hasStaticShape())
      return WalkResult::interrupt();
    int64_t own = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8u);
    bytes += own;
    return own > kMaxStackBuffer ? WalkResult::interrupt() : WalkResult::advance();
  });
  return !walk.wasInterrupted() && bytes <= kMaxStack;
}

namespace {
class Outliner {
public:
  explicit Outliner(func::FuncOp function)
      : function(function), module(function->getParentOfType<ModuleOp>()),
        b(function.getLoc(), function.getContext()) {
    while (module.lookupSymbol(kTask.str() + std::to_string(count)))
      ++count;
  }

  void run(ArrayRef<SharedLoop> loops) {
    for (const SharedLoop &shared : loops)
      if (shared.loop->getParentOfType<func::FuncOp>() == function &&
          getConstantIntValue(shared.isLarge) != 0)
        outline(shared.loop, shared.isLarge);
  }

  void run() {
    SmallVector<scf::ForOp> loops;
    for (auto loop : function.getBody().front().getOps<scf::ForOp>())
      if (loop->hasAttr(kernel::KernelDialect::kParallelAttr) && loop.getNumResults() == 0 &&
          getConstantIntValue(loop.getStep()) == 1 && fitsTask(loop))
        loops.push_back(loop);
    for (scf::ForOp loop : loops)
      outline(loop, {});
  }

private:
  void outline(scf::ForOp loop, Value isLarge) {
    llvm::SetVector<Value> above;
    getUsedValuesDefinedAbove(loop.getRegion(), above);
    SmallVector<Value> captured, constants;
    for (Value value : above)
      (value.getDefiningOp<arith::ConstantOp>() ? constants : captured).push_back(value);
    std::string number = std::to_string(count++);
    SmallVector<Type> types(2, b.getIndexType());
    llvm::append_range(types, ValueRange(captured).getTypes());

    b.setInsertionPoint(function);
    auto task = func::FuncOp::create(b, kTask.str() + number, b.getFunctionType(types, {}));
    task.setPrivate();
    Block *body = task.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    for (Value constant : constants)
      b.clone(*constant.getDefiningOp(), mapping);
    mapping.map(captured, body->getArguments().drop_front(2));
    Value one = arith::ConstantIndexOp::create(b, 1);
    auto part = scf::ForOp::create(b, body->getArgument(0), body->getArgument(1), one);
    mapping.map(loop.getInductionVar(), part.getInductionVar());
    b.setInsertionPointToStart(part.getBody());
    for (Operation &op : loop.getBody()->without_terminator())
      b.clone(op, mapping);
    b.setInsertionPointToEnd(body);
    func::ReturnOp::create(b);

    types.insert(types.begin(), b.getIndexType());
    b.setInsertionPoint(function);
    auto parallel = func::FuncOp::create(b, kParallelFor.str() + number,
                                         b.getFunctionType(types, b.getIndexType()));
    parallel.setPrivate();
    call(loop, task, parallel, captured, isLarge ? isLarge : hasLargeBuffer(loop, captured));
  }

  Value hasLargeBuffer(scf::ForOp loop, ArrayRef<Value> captured) {
    b.setInsertionPoint(loop);
    Value zero = arith::ConstantIndexOp::create(b, 0);
    Value most = zero;
    for (Value value : captured)
      if (auto type = dyn_cast<MemRefType>(value.getType())) {
        Value size = arith::ConstantIndexOp::create(b, 1);
        for (int64_t d = 0; d < type.getRank(); ++d)
          size = b.createOrFold<arith::MulIOp>(size, b.createOrFold<memref::DimOp>(value, d));
        most = arith::MaxSIOp::create(b, most, size);
      }
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, most,
                                 arith::ConstantIndexOp::create(b, kMinElements));
  }

  void call(scf::ForOp loop, func::FuncOp task, func::FuncOp parallel, ArrayRef<Value> captured,
            Value isLarge) {
    Value place = status().getDefiningOp<memref::LoadOp>().getMemRef();
    b.setInsertionPoint(loop);
    Value zero = arith::ConstantIndexOp::create(b, 0);
    auto branch = scf::IfOp::create(b, b.getIndexType(), isLarge, /*withElse=*/true);
    SmallVector<Value> operands{loop.getLowerBound(), loop.getUpperBound()};
    llvm::append_range(operands, captured);
    b.setInsertionPointToStart(branch.elseBlock());
    func::CallOp::create(b, task, operands);
    scf::YieldOp::create(b, zero);
    b.setInsertionPointToStart(branch.thenBlock());
    operands.insert(operands.begin(), function.getBody().front().getArguments().back());
    scf::YieldOp::create(b, func::CallOp::create(b, parallel, operands).getResults());
    b.setInsertionPointAfter(branch);
    // The first status that is not 0.
    Value before = memref::LoadOp::create(b, place);
    Value isGood = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, before, zero);
    Value now = arith::SelectOp::create(b, isGood, branch.getResult(0), before);
    memref::StoreOp::create(b, now, place);
    loop.erase();
  }

  /// What the function returns lies in memory, where every loop finds it.
  Value status() {
    Operation *end = function.getBody().front().getTerminator();
    if (end->getOperand(0).getDefiningOp<memref::LoadOp>())
      return end->getOperand(0);
    b.setInsertionPointToStart(&function.getBody().front());
    Value place = memref::AllocaOp::create(b, MemRefType::get({}, b.getIndexType()));
    memref::StoreOp::create(b, arith::ConstantIndexOp::create(b, 0), place);
    b.setInsertionPoint(end);
    end->setOperand(0, memref::LoadOp::create(b, place));
    return end->getOperand(0);
  }

  func::FuncOp function;
  ModuleOp module;
  ImplicitLocOpBuilder b;
  unsigned count = 0;
};
} // namespace

void outlineParallelLoops(func::FuncOp function) { Outliner(function).run(); }

void outlineSharedLoops(func::FuncOp function, ArrayRef<SharedLoop> loops) {
  Outliner(function).run(loops);
}

Value threadCount(func::FuncOp function, OpBuilder &builder) {
  auto module = function->getParentOfType<ModuleOp>();
  auto count = module.lookupSymbol<func::FuncOp>(kThreadCount);
  if (!count) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function);
    count = func::FuncOp::create(
        builder, function.getLoc(), kThreadCount,
        builder.getFunctionType(builder.getIndexType(), builder.getIndexType()));
    count.setPrivate();
  }
  Value context = function.getBody().front().getArguments().back();
  return func::CallOp::create(builder, function.getLoc(), count, context).getResult(0);
}

//===-- In LLVM IR -----------------------------------------------------------------===//

/// int32_t (const KernelContext *, int32_t, uint8_t *): the part of the iterations that is number
/// `index`.
static llvm::Function *makeTrampoline(llvm::Module &module, llvm::Function *task,
                                      llvm::StructType *closureType) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::Type *pointer = b.getPtrTy(), *i64 = b.getInt64Ty();
  auto *trampoline = llvm::Function::Create(
      llvm::FunctionType::get(b.getInt32Ty(), {pointer, b.getInt32Ty(), pointer}, false),
      llvm::GlobalValue::InternalLinkage, task->getName() + "_entry", module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", trampoline));
  SmallVector<llvm::Value *> fields;
  for (unsigned i = 0; i < closureType->getNumElements(); ++i)
    fields.push_back(b.CreateLoad(closureType->getElementType(i),
                                  b.CreateStructGEP(closureType, trampoline->getArg(2), i)));
  llvm::Value *low = fields[0], *count = fields[1], *tasks = fields[2];
  auto cut = [&](llvm::Value *index) {
    return b.CreateAdd(low, b.CreateUDiv(b.CreateMul(count, index), tasks));
  };
  llvm::Value *index = b.CreateZExt(trampoline->getArg(1), i64);
  SmallVector<llvm::Value *> arguments{cut(index), cut(b.CreateAdd(index, b.getInt64(1)))};
  arguments.append(fields.begin() + 3, fields.end());
  b.CreateCall(task, arguments);
  b.CreateRet(b.getInt32(0));
  return trampoline;
}

/// index (context, low, high, captured...)
static void defineParallelFor(llvm::Module &module, llvm::Function *function,
                              llvm::Function *task) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::Type *pointer = b.getPtrTy(), *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
  SmallVector<llvm::Type *> types{i64, i64, i64};
  for (llvm::Argument &argument : llvm::drop_begin(function->args(), 3))
    types.push_back(argument.getType());
  auto *closureType = llvm::StructType::get(module.getContext(), types);
  llvm::Function *trampoline = makeTrampoline(module, task, closureType);

  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", function));
  llvm::Value *closure = b.CreateAlloca(closureType);
  llvm::Value *low = function->getArg(1), *high = function->getArg(2);
  llvm::Value *count = b.CreateSub(high, low);
  llvm::Value *tasks = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, count, b.getInt64(kMaxTasks));
  SmallVector<llvm::Value *> fields{low, count, tasks};
  for (llvm::Argument &argument : llvm::drop_begin(function->args(), 3))
    fields.push_back(&argument);
  for (auto [i, field] : llvm::enumerate(fields))
    b.CreateStore(field, b.CreateStructGEP(closureType, closure, i));
  llvm::Value *context = b.CreateIntToPtr(function->getArg(0), pointer);
  auto *type = llvm::FunctionType::get(i32, {pointer, pointer, i32, i32, pointer}, false);
  llvm::Value *callee =
      b.CreateLoad(pointer, b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), context,
                                                         offsetof(rt::KernelContext, parallelFor)));
  llvm::Value *status = b.CreateCall(
      type, callee, {context, trampoline, b.getInt32(0), b.CreateTrunc(tasks, i32), closure});
  b.CreateRet(b.CreateSExt(status, i64));
  function->setLinkage(llvm::GlobalValue::InternalLinkage);
}

/// index (context)
static void defineThreadCount(llvm::Module &module) {
  llvm::Function *function = module.getFunction(kThreadCount);
  if (!function)
    return;
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(module.getContext(), "", function));
  llvm::Value *context = b.CreateIntToPtr(function->getArg(0), b.getPtrTy());
  llvm::Value *threads = b.CreateLoad(
      b.getInt32Ty(),
      b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), context, offsetof(rt::KernelContext, threads)));
  b.CreateRet(b.CreateZExt(threads, b.getInt64Ty()));
  function->setLinkage(llvm::GlobalValue::InternalLinkage);
}

void defineParallelCalls(llvm::Module &module) {
  defineThreadCount(module);
  for (unsigned i = 0;; ++i) {
    llvm::Function *function = module.getFunction(kParallelFor.str() + std::to_string(i));
    if (!function)
      return;
    defineParallelFor(module, function, module.getFunction(kTask.str() + std::to_string(i)));
  }
}

} // namespace tessera::loops
