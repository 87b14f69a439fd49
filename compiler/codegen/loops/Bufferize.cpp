//===- Bufferize.cpp - Kernels on tensors become functions on buffers -------------------===//
// 1. A kernel becomes a function that takes a buffer per argument and per result. The tensor.empty
// at
//    whose place a result is computed (kernel::getDestinationRoot) becomes the result's buffer.
// 2. One-shot bufferization decides which operations work in place.
// 3. Stages that compute element by element become few (FuseStages.h).
// 4. Parallel loops become functions of their own, with their own stack.
// 5. What it allocates gets a place: on the stack of the function, or in the scratch result.
#include "compiler/codegen/loops/FuseStages.h"
#include "compiler/codegen/loops/Parallel.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tessera::loops {

/// Every buffer in the scratch result starts at a multiple of this.
static constexpr int64_t kScratchAlignment = 64;

static MemRefType bufferType(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

static int64_t bytesOf(Type element) {
  return llvm::divideCeil(element.getIntOrFloatBitWidth(), 8u);
}

std::optional<unsigned> getScratchResult(kernel::FuncOp kernel) {
  Operation *yield = kernel.getBody().front().getTerminator();
  for (OpOperand &operand : yield->getOpOperands())
    if (kernel.getResultAttr(operand.getOperandNumber(), kernel::KernelDialect::kScratchAttr) &&
        operand.get().getDefiningOp<tensor::EmptyOp>())
      return operand.getOperandNumber();
  return std::nullopt;
}

//===-- (1) ------------------------------------------------------------------------===//

/// Puts the result's buffer where the tensor.empty stands that it is computed from, if it is the
/// only one computed from there.
static void bindDestination(OpOperand &result, Value buffer, Block &body) {
  OpOperand *use = &result;
  while (Operation *op = use->get().getDefiningOp()) {
    unsigned number = cast<OpResult>(use->get()).getResultNumber();
    if (auto stage = dyn_cast<DestinationStyleOpInterface>(op)) {
      use = stage.getDpsInitOperand(number);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      use = &loop.getInitArgsMutable()[number];
    } else {
      break;
    }
  }
  auto empty = use->get().getDefiningOp<tensor::EmptyOp>();
  if (!empty || use == &result)
    return;
  OpBuilder builder(use->getOwner());
  use->set(bufferization::ToTensorOp::create(builder, empty.getLoc(), empty.getType(), buffer,
                                             /*restrict=*/true, /*writable=*/true));
}

static func::FuncOp makeFunction(kernel::FuncOp kernel, ModuleOp module) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> types;
  for (Type type : kernel.getArgumentTypes())
    types.push_back(type.isIndex() ? type : Type(bufferType(type)));
  unsigned firstResult = types.size();
  for (Type type : kernel.getResultTypes())
    types.push_back(bufferType(type));
  types.push_back(builder.getIndexType()); // The context of the launch.
  auto function = func::FuncOp::create(builder, kernel.getLoc(), kernel.getSymName(),
                                       builder.getFunctionType(types, builder.getIndexType()));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  for (auto [argument, buffer] : llvm::zip(kernel.getArguments(), body->getArguments())) {
    if (argument.getType().isIndex())
      mapping.map(argument, buffer);
    else
      mapping.map(argument, bufferization::ToTensorOp::create(builder, kernel.getLoc(),
                                                              argument.getType(), buffer,
                                                              /*restrict=*/true));
  }
  for (Operation &op : kernel.getBody().front())
    builder.clone(op, mapping);
  Operation *yield = &body->back();
  std::optional<unsigned> scratch = getScratchResult(kernel);
  builder.setInsertionPointToEnd(body);
  llvm::SmallDenseSet<Value> bound;
  for (OpOperand &result : yield->getOpOperands()) {
    if (scratch == result.getOperandNumber())
      continue;
    Value buffer = body->getArgument(firstResult + result.getOperandNumber());
    if (bound.insert(kernel::getDestinationRoot(result.get())).second)
      bindDestination(result, buffer, *body);
    bufferization::MaterializeInDestinationOp::create(builder, yield->getLoc(), Type(),
                                                      result.get(), buffer, /*restrict=*/true,
                                                      /*writable=*/true);
  }
  yield->erase();
  Value good = arith::ConstantIndexOp::create(builder, kernel.getLoc(), 0);
  func::ReturnOp::create(builder, kernel.getLoc(), good);
  return function;
}

//===-- (2) ------------------------------------------------------------------------===//

/// The patterns of the canonicalizer: extents of views become extents of what they look at.
static LogicalResult simplify(func::FuncOp function) {
  RewritePatternSet patterns(function.getContext());
  for (Dialect *dialect : function.getContext()->getLoadedDialects())
    dialect->getCanonicalizationPatterns(patterns);
  for (RegisteredOperationName op : function.getContext()->getRegisteredOperations())
    op.getCanonicalizationPatterns(patterns, function.getContext());
  memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
  return applyPatternsGreedily(function, std::move(patterns));
}

static LogicalResult runBufferization(ModuleOp module) {
  IRRewriter rewriter(module.getContext());
  if (failed(bufferization::eliminateEmptyTensors(rewriter, module)))
    return failure();
  bufferization::OneShotBufferizationOptions options;
  options.memCpyFn = [](OpBuilder &builder, Location loc, Value from, Value to) {
    linalg::makeMemRefCopyOp(builder, loc, from, to);
    return success();
  };
  bufferization::BufferizationState state;
  return bufferization::runOneShotBufferize(module, options, state);
}

//===-- Updates in place ------------------------------------------------------------===//

/// The program may give an argument that a result is an update of, and the result, one buffer: then
/// the copy that the kernel begins with is left out.
static void skipCopiesInPlace(func::FuncOp function, kernel::FuncOp kernel) {
  for (unsigned result = 0; result < kernel.getResultTypes().size(); ++result) {
    std::optional<unsigned> argument = kernel::getUpdatedArgument(kernel, result);
    if (!argument)
      continue;
    Value from = function.getArgument(*argument),
          to = function.getArgument(kernel.getNumArguments() + result);
    SmallVector<linalg::LinalgOp> copies;
    for (Operation *user : from.getUsers())
      if (auto copy = dyn_cast<linalg::LinalgOp>(user);
          copy && copy.getNumDpsInputs() == 1 && copy.getNumDpsInits() == 1 &&
          copy.getDpsInputs()[0] == from && copy.getDpsInits()[0] == to &&
          copy->getBlock() == &function.getBody().front())
        copies.push_back(copy);
    if (copies.size() != 1)
      continue;
    ImplicitLocOpBuilder b(copies[0]->getLoc(), copies[0]);
    auto addressOf = [&](Value buffer) -> Value {
      return memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
    };
    Value differs =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, addressOf(from), addressOf(to));
    auto branch = scf::IfOp::create(b, differs, /*withElseRegion=*/false);
    copies[0]->moveBefore(branch.thenBlock()->getTerminator());
  }
}

//===-- (5) ------------------------------------------------------------------------===//

/// An index of the function's entry that equals `value`, computed from arguments; null when it
/// depends on anything else.
static Value atEntry(Value value, OpBuilder &entry, DenseMap<Value, Value> &known) {
  if (Value found = known.lookup(value))
    return found;
  if (auto argument = dyn_cast<BlockArgument>(value))
    return isa<func::FuncOp>(argument.getOwner()->getParentOp()) ? value : Value();
  Operation *op = value.getDefiningOp();
  if (!isa<arith::ArithDialect>(op->getDialect()) && !isa<memref::DimOp>(op))
    return {};
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    if (isa<MemRefType>(operand.getType())) {
      auto argument = dyn_cast<BlockArgument>(operand);
      if (!argument || !isa<func::FuncOp>(argument.getOwner()->getParentOp()))
        return {};
      continue;
    }
    Value moved = atEntry(operand, entry, known);
    if (!moved)
      return {};
    mapping.map(operand, moved);
  }
  return known[value] =
             entry.clone(*op, mapping)->getResult(cast<OpResult>(value).getResultNumber());
}

SmallVector<scf::ForOp> getParallelNest(Operation *op) {
  SmallVector<scf::ForOp> nest;
  for (auto loop = dyn_cast<scf::ForOp>(op); loop; loop = dyn_cast_or_null<scf::ForOp>(op)) {
    const bool isKnown = nest.empty() || !nest.front()->isAncestor(
                                             loop.getUpperBound().getParentBlock()->getParentOp());
    if (!loop->hasAttr(kernel::KernelDialect::kParallelAttr) || loop.getNumResults() != 0 ||
        getConstantIntValue(loop.getLowerBound()) != 0 ||
        getConstantIntValue(loop.getStep()) != 1 || !isKnown)
      break;
    nest.push_back(loop);
    op = nullptr;
    for (Operation &inner : loop.getBody()->without_terminator()) {
      if (isPure(&inner))
        continue;
      if (op) {
        op = nullptr;
        break;
      }
      op = &inner;
    }
  }
  return nest;
}

bool hasScalarStages(Operation *op) {
  return !op->walk([](linalg::LinalgOp stage) {
              for (auto [extent, kind] :
                   llvm::zip(stage.getStaticLoopRanges(), stage.getIteratorTypesArray()))
                if (kind == utils::IteratorType::parallel && extent != 1)
                  return WalkResult::interrupt();
              return WalkResult::advance();
            }).wasInterrupted();
}

/// Loops that are marked from here on are those whose iterations get memory of their own.
static void keepParallelNests(func::FuncOp function) {
  DenseSet<Operation *> kept;
  for (Operation &op : function.getBody().front())
    for (scf::ForOp loop : getParallelNest(&op))
      kept.insert(loop);
  function.walk([&](scf::ForOp loop) {
    if (!kept.contains(loop))
      loop->removeAttr(kernel::KernelDialect::kParallelAttr);
  });
}

namespace {
class Placer {
public:
  Placer(func::FuncOp function, Value scratch, bool forGpu)
      : function(function), scratch(scratch), forGpu(forGpu),
        b(function.getLoc(), function.getContext()) {
    b.setInsertionPointToStart(&function.getBody().front());
  }

  LogicalResult run() {
    SmallVector<memref::AllocOp> allocations;
    function.walk([&](memref::AllocOp op) { allocations.push_back(op); });
    for (memref::AllocOp allocation : allocations)
      if (failed(place(allocation)))
        return failure();
    return success();
  }
  Value used; ///< bytes of the scratch result that are taken

private:
  LogicalResult place(memref::AllocOp allocation) {
    MemRefType type = allocation.getType();
    int64_t bytes = bytesOf(type.getElementType());
    Operation *outermost = function.getBody().findAncestorOpInRegion(*allocation);
    // A stack is one thread's; what threads share lies in memory.
    const bool hasStack =
        !forGpu || (outermost != allocation.getOperation() && hasScalarStages(outermost));
    if (hasStack && type.hasStaticShape() && type.getNumElements() * bytes <= kMaxStackBuffer &&
        stack + type.getNumElements() * bytes <= kMaxStack) {
      stack += type.getNumElements() * bytes;
      Value buffer = memref::AllocaOp::create(b, type, allocation.getAlignmentAttr());
      allocation.replaceAllUsesWith(buffer);
      allocation.erase();
      return success();
    }
    SmallVector<Value> sizes;
    Value size = arith::ConstantIndexOp::create(b, bytes);
    for (int64_t d = 0, next = 0; d < type.getRank(); ++d) {
      Value extent;
      if (type.isDynamicDim(d)) {
        extent = atEntry(allocation.getDynamicSizes()[next++], b, moved);
        if (!extent)
          return allocation.emitOpError()
                 << "needs a buffer whose extent " << d << " is computed in a loop";
        sizes.push_back(extent);
      } else {
        extent = arith::ConstantIndexOp::create(b, type.getDimSize(d));
      }
      size = arith::MulIOp::create(b, size, extent);
    }
    Value start = used ? used : Value(arith::ConstantIndexOp::create(b, 0));
    Value unit = arith::ConstantIndexOp::create(b, kScratchAlignment);
    Value whole = arith::MulIOp::create(b, arith::CeilDivSIOp::create(b, size, unit), unit);
    Value all = whole;
    SmallVector<scf::ForOp> nest;
    if (forGpu)
      for (scf::ForOp loop : getParallelNest(outermost))
        if (loop->isProperAncestor(allocation))
          nest.push_back(loop);
    for (scf::ForOp loop : nest) {
      Value extent = atEntry(loop.getUpperBound(), b, moved);
      if (!extent)
        return loop.emitOpError() << "has a number of iterations that is computed in the kernel";
      all = arith::MulIOp::create(b, all, extent);
    }
    if (scratch) {
      OpBuilder::InsertionGuard guard(b);
      if (!nest.empty())
        b.setInsertionPointToStart(nest.back().getBody());
      Value number;
      for (scf::ForOp loop : nest) {
        Value outer =
            number ? Value(arith::MulIOp::create(b, number, loop.getUpperBound())) : Value();
        number = outer ? Value(arith::AddIOp::create(b, outer, loop.getInductionVar()))
                       : loop.getInductionVar();
      }
      Value own =
          number ? Value(arith::AddIOp::create(b, start, arith::MulIOp::create(b, number, whole)))
                 : start;
      Value buffer = memref::ViewOp::create(b, type, scratch, own, sizes);
      allocation.replaceAllUsesWith(buffer);
      allocation.erase();
    }
    used = used ? Value(arith::AddIOp::create(b, used, all)) : all;
    return success();
  }

  func::FuncOp function;
  Value scratch;
  bool forGpu;
  ImplicitLocOpBuilder b;
  DenseMap<Value, Value> moved;
  int64_t stack = 0;
};
} // namespace

bool isForGpu(ModuleOp module) {
  auto target = module->getAttrOfType<StringAttr>("tessera.target");
  return target && target.getValue().starts_with(codegen::kCudaPrefix);
}

FailureOr<BufferizedKernel> bufferize(kernel::FuncOp kernel, bool forGpu) {
  BufferizedKernel result;
  result.module = ModuleOp::create(kernel.getLoc());
  func::FuncOp function = makeFunction(kernel, *result.module);
  if (failed(runBufferization(*result.module)) || failed(simplify(function)))
    return kernel.emitOpError() << "has no form on buffers";
  // On a GPU threads share the elements of a stage: there it stays as it is.
  if (!forGpu) {
    fuseStages(function);
    if (failed(simplify(function)))
      return kernel.emitOpError() << "has stages that cannot be fused";
    splitRows(function);
    skipCopiesInPlace(function, kernel);
  }
  std::optional<unsigned> scratch = getScratchResult(kernel);
  if (forGpu)
    keepParallelNests(function);
  else
    outlineParallelLoops(function);
  Value arena = scratch ? function.getArgument(kernel.getNumArguments() + *scratch) : Value();
  for (auto each : result.module->getOps<func::FuncOp>()) {
    if (each.isDeclaration())
      continue;
    Placer placer(each, each == function ? arena : Value(), forGpu);
    if (failed(placer.run()))
      return failure();
    if (each == function)
      result.scratchBytes = placer.used;
  }
  return std::move(result);
}

} // namespace tessera::loops
