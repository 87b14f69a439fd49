//===- KernelToProgram.cpp - Values get buffers, launches become instructions ----------------===//

#include "compiler/conversion/kernel_to_program/KernelToProgram.h"

#include "compiler/conversion/kernel_to_program/Converter.h"
#include "dialects/graph/Storage.h"

namespace tessera {
#define GEN_PASS_DEF_KERNELTOPROGRAM
#include "compiler/conversion/kernel_to_program/Passes.h.inc"
} // namespace tessera

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

/// a > b of extents: the positive number a - b, or 0.
static std::optional<DimAttr> extentCondition(Value value) {
  auto compare = value.getDefiningOp<graph::CompareOp>();
  if (!compare || compare.getKind() != graph::CompareKind::gt)
    return std::nullopt;
  auto a = compare.getX().getDefiningOp<graph::DimValueOp>(),
       b = compare.getY().getDefiningOp<graph::DimValueOp>();
  if (!a || !b)
    return std::nullopt;
  graph::DimExpr more = graph::DimExpr(a.getDim()) - graph::DimExpr(b.getDim());
  more = graph::DimExpr::max(more, graph::DimExpr::constant(value.getContext(), 0));
  return more ? std::optional(more.get()) : std::nullopt;
}

/// A comparison of extents for branches alone needs no memory.
static bool isForBranches(Operation *op) {
  if (auto compare = llvm::dyn_cast<graph::CompareOp>(op))
    return extentCondition(compare.getResult()) &&
           llvm::all_of(op->getUsers(),
                        [](Operation *user) { return llvm::isa<graph::IfOp>(user); });
  return llvm::isa<graph::DimValueOp>(op) && llvm::all_of(op->getUsers(), isForBranches);
}

Value Converter::loadCondition(Value value) {
  if (std::optional<DimAttr> dim = extentCondition(value))
    return reg(*dim);
  return program::LoadOp::create(builder, loc, builder.getI64Type(), bufferOf(value), number(0));
}

LogicalResult Converter::convertIf(graph::IfOp op) {
  Value condition = loadCondition(op.getCond());
  SmallVector<Value> targets;
  for (Value result : op.getResults())
    targets.push_back(bufferOf(result));
  auto branch = program::IfOp::create(builder, op.getLoc(), condition);
  for (auto [from, to] : {std::pair(&op.getThenRegion(), &branch.getThenRegion()),
                          std::pair(&op.getElseRegion(), &branch.getElseRegion())}) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&to->emplaceBlock());
    Operation *yield = from->front().getTerminator();
    for (auto [value, target] : llvm::zip(yield->getOperands(), targets))
      if (Operation *producer = value.getDefiningOp();
          producer && producer->getParentRegion() == from)
        wish(value, [target = target] { return target; });
    if (failed(convert(from->front())))
      return failure();
    for (auto [value, target] : llvm::zip(yield->getOperands(), targets))
      deliver(value, target);
  }
  return success();
}

/// Carried values live in buffers of their own; the body computes the next ones beside them, or
/// there where it only replaces elements.
LogicalResult Converter::convertWhile(graph::WhileOp op) {
  SmallVector<Value> carried;
  Block &condition = op.getCondRegion().front(), &body = op.getBodyRegion().front();
  for (auto [i, init] : llvm::enumerate(op.getInits())) {
    Value buffer = temp(graph::getTensorType(init));
    program::CopyOp::create(builder, loc, bufferOf(init), buffer);
    buffers[condition.getArgument(i)] = buffers[body.getArgument(i)] = buffer;
    buffers[op.getResult(i)] = buffer;
    carried.push_back(buffer);
  }
  auto loop = program::WhileOp::create(builder, op.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&loop.getCondRegion().emplaceBlock());
  if (failed(convert(condition)))
    return failure();
  auto last = llvm::cast<graph::ConditionOp>(condition.getTerminator());
  program::ConditionOp::create(builder, loc, loadCondition(last.getValue()));
  builder.setInsertionPointToEnd(&loop.getBodyRegion().emplaceBlock());
  updateInPlace(op, carried);
  if (failed(convert(body)))
    return failure();
  // A carried value may be yielded at another place: copies of those come first.
  SmallVector<Value> next(body.getTerminator()->getOperands()), sources;
  for (auto [value, target] : llvm::zip(next, carried)) {
    Value source = bufferOf(value);
    if (source != target && llvm::is_contained(carried, source)) {
      Value saved = temp(graph::getTensorType(value));
      program::CopyOp::create(builder, loc, source, saved);
      source = saved;
    }
    sources.push_back(source);
  }
  for (auto [source, target] : llvm::zip(sources, carried))
    if (source != target)
      program::CopyOp::create(builder, loc, source, target);
  return success();
}

LogicalResult Converter::convert(Operation &op) {
  loc = op.getLoc();
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](kernel::LaunchOp launch) { return convertLaunch(launch); })
      .Case([&](graph::HostCallOp call) { return convertHostCall(call); })
      .Case([](kernel::JoinOp) { return success(); })
      .Case([&](graph::IfOp branch) { return convertIf(branch); })
      .Case([&](graph::WhileOp loop) { return convertWhile(loop); })
      .Case([&](graph::ReadVariableOp read) {
        // The value at this point of the program: later writes must not change it.
        graph::TensorType type = graph::getTensorType(read.getResult());
        Value variable = program::VariableOp::create(builder, loc, bufferType(type),
                                                     read.getVariable(), type.getShape());
        Value copy = temp(type);
        program::CopyOp::create(builder, loc, variable, copy);
        buffers[read.getResult()] = copy;
        return success();
      })
      .Case([&](graph::WriteVariableOp write) {
        graph::TensorType type = graph::getTensorType(write.getValue());
        Value variable = program::VariableOp::create(builder, loc, bufferType(type),
                                                     write.getVariable(), type.getShape());
        program::CopyOp::create(builder, loc, bufferOf(write.getValue()), variable);
        return success();
      })
      .Case([&](graph::BindDimOp bind) { return convertBindDim(bind); })
      .Case([&](graph::ReshapeOp reshape) {
        assertSize(reshape);
        return success();
      })
      .Case<graph::ConstantOp, graph::ReturnOp, graph::YieldOp, graph::ConditionOp>(
          [](auto) { return success(); })
      .Default([](Operation *other) -> LogicalResult {
        if (isForBranches(other))
          return success();
        return other->emitError("'")
               << other->getName() << "' is in no kernel: nothing computes it yet";
      });
}

LogicalResult Converter::convert(Block &block) {
  for (Operation &op : block)
    if (failed(convert(op)))
      return failure();
  return success();
}

LogicalResult Converter::run() {
  auto result = program::FuncOp::create(builder, function.getLoc(), function.getSymName());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&result.getBody().emplaceBlock());
  loc = function.getLoc();
  markers.push_back(program::BodyOp::create(builder, loc));
  boundSymbols = function.getBoundSymbols();
  enter(0);
  if (failed(bindSymbols()))
    return failure();
  auto texts = [&](graph::TensorType type) {
    SmallVector<std::string> list;
    for (DimAttr dim : graph::getStorageType(type).getDims())
      list.push_back(dim.str());
    SmallVector<StringRef> refs(list.begin(), list.end());
    return builder.getStrArrayAttr(refs);
  };
  auto nameOr = [](StringRef name, StringRef kind, size_t i) {
    return name.empty() ? (kind + Twine(i)).str() : name.str();
  };
  for (auto [i, argument] : llvm::enumerate(function.getBody().getArguments())) {
    graph::TensorType type = graph::getTensorType(argument);
    SmallVector<Value> dims = extentsOf(type);
    buffers[argument] = program::InputOp::create(
        builder, loc, bufferType(type), builder.getI64IntegerAttr(i),
        builder.getStringAttr(nameOr(function.getArgName(i), "input", i)), dims, texts(type));
    if (Attribute strings = function.getArgAttr(unsigned(i), "graph.strings"))
      buffers[argument].getDefiningOp()->setAttr("program.strings", strings);
  }
  Block &body = function.getBody().front();
  outputs.resize(function.getNumResults());
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    if (llvm::none_of(llvm::cast<graph::TensorType>(type).getDims(),
                      [&](DimAttr dim) { return isLate(dim); }))
      outputBuffer(i);
  builder.setInsertionPointAfter(markers[0]);
  ValueRange returned = body.getTerminator()->getOperands();
  for (auto [i, value] : llvm::enumerate(returned))
    if (Operation *producer = value.getDefiningOp(); producer && producer->getBlock() == &body)
      wish(value, [this, i = i] { return outputBuffer(i); });
  if (failed(convert(body)))
    return failure();
  for (auto [i, value] : llvm::enumerate(returned))
    deliver(value, outputBuffer(i));
  return failure(hasFailed);
}

namespace {
struct KernelToProgram : tessera::impl::KernelToProgramBase<KernelToProgram> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto function : llvm::to_vector(module.getOps<graph::FuncOp>())) {
      OpBuilder builder(function);
      if (failed(Converter(function, builder).run()))
        return signalPassFailure();
      function.erase();
    }
  }
};
} // namespace
