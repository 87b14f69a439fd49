//===- KernelToProgram.cpp - Values get buffers, launches become instructions ----------------===//

#include "compiler/conversion/kernel_to_program/KernelToProgram.h"

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/TypeSwitch.h"

namespace tessera {
#define GEN_PASS_DEF_KERNELTOPROGRAM
#include "compiler/conversion/kernel_to_program/Passes.h.inc"
} // namespace tessera

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;
using graph::DimKind;

namespace {
class Converter {
public:
  Converter(graph::FuncOp function, OpBuilder &builder) : function(function), builder(builder) {}
  LogicalResult run();

private:
  // Registers.
  LogicalResult bindSymbols();
  Value reg(DimAttr dim);
  Value computeDim(DimAttr dim);
  Value number(int64_t value);
  Value binary(program::BinaryKind kind, Value x, Value y);
  SmallVector<Value> regs(ArrayRef<DimAttr> dims);

  // Buffers.
  program::BufferType bufferType(graph::TensorType type);
  Value temp(graph::TensorType type);
  Value view(Value buffer, graph::TensorType type);
  Value bufferOf(Value value);
  Value destination(Value value);
  /// The values' producers write into these buffers where they can; who cannot is copied afterwards.
  void wish(ValueRange values, ValueRange buffers);
  void deliver(ValueRange values, ValueRange buffers);

  // Instructions.
  LogicalResult convert(Block &block);
  LogicalResult convert(Operation &op);
  LogicalResult convertLaunch(kernel::LaunchOp op);
  Value scratchExtent(kernel::LaunchOp op, Value extent);
  LogicalResult addScratch(kernel::LaunchOp op, SmallVectorImpl<Value> &outputs);
  LogicalResult convertIf(graph::IfOp op);
  LogicalResult convertWhile(graph::WhileOp op);
  Value loadCondition(Value value);
  void assertSizes();

  graph::FuncOp function;
  OpBuilder &builder;
  Location loc = builder.getUnknownLoc();
  Operation *bodyMarker = nullptr;
  DenseMap<Attribute, Value> registers;
  DenseMap<Value, Value> buffers; // of graph values
  DenseMap<Value, Value> wishes;  // where the producer of a graph value should write
};
} // namespace

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Value Converter::number(int64_t value) {
  return reg(graph::getDim(builder.getContext(), value));
}

Value Converter::binary(program::BinaryKind kind, Value x, Value y) {
  return program::BinaryOp::create(builder, loc, builder.getI64Type(), kind, x, y);
}

Value Converter::computeDim(DimAttr dim) {
  using Kind = program::BinaryKind;
  ArrayRef<DimAttr> operands = dim.getOperands();
  auto fold = [&](Kind kind, Value start, ArrayRef<DimAttr> rest) {
    for (DimAttr operand : rest)
      start = binary(kind, start, reg(operand));
    return start;
  };
  switch (dim.getKind()) {
  case DimKind::Constant:
    return program::NumberOp::create(builder, loc, builder.getI64Type(), dim.getValue());
  case DimKind::Symbol:
    return {}; // Bound before.
  case DimKind::Sum: {
    Value sum = fold(Kind::add, reg(operands[0]), operands.drop_front());
    return dim.getValue() ? binary(Kind::add, sum, number(dim.getValue())) : sum;
  }
  case DimKind::Product: {
    Value product = fold(Kind::mul, reg(operands[0]), operands.drop_front());
    return dim.getValue() != 1 ? binary(Kind::mul, product, number(dim.getValue())) : product;
  }
  case DimKind::FloorDiv:
    return binary(Kind::floordiv, reg(operands[0]), reg(operands[1]));
  case DimKind::Mod:
    return binary(Kind::mod, reg(operands[0]), reg(operands[1]));
  case DimKind::Min:
    return fold(Kind::min, reg(operands[0]), operands.drop_front());
  case DimKind::Max:
    return fold(Kind::max, reg(operands[0]), operands.drop_front());
  }
  return {};
}

/// Computed once, in the prologue.
Value Converter::reg(DimAttr dim) {
  if (Value known = registers.lookup(dim))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  Value value = computeDim(dim);
  registers[dim] = value;
  return value;
}

SmallVector<Value> Converter::regs(ArrayRef<DimAttr> dims) {
  return llvm::map_to_vector(dims, [&](DimAttr dim) { return reg(dim); });
}

LogicalResult Converter::bindSymbols() {
  DictionaryAttr dims = function.getDimsAttr();
  if (!dims)
    return success();
  for (NamedAttribute entry : dims) {
    StringRef name = entry.getName().getValue();
    DimAttr symbol = DimExpr::symbol(builder.getContext(), name);
    bool isBound = llvm::any_of(function.getArgumentTypes(), [&](Type type) {
      return llvm::is_contained(llvm::cast<graph::TensorType>(type).getDims(), symbol);
    });
    if (!isBound)
      return function.emitError("symbol '")
             << name << "' is the extent of no input alone, so it has no value when the program "
                        "starts; give an input this extent, or fix it with --dim";
    auto range = llvm::cast<graph::RangeAttr>(entry.getValue());
    constexpr int64_t kMaxExtent = 0x7fffffff; // Kernels count in 32 bits.
    registers[symbol] = program::SymbolOp::create(
        builder, loc, builder.getI64Type(), name, range.getLo(),
        std::min(range.getHi().value_or(kMaxExtent), kMaxExtent));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

program::BufferType Converter::bufferType(graph::TensorType type) {
  return program::BufferType::get(builder.getContext(), type.getElementType(), type.rank());
}

Value Converter::temp(graph::TensorType type) {
  SmallVector<Value> dims = regs(type.getDims());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  return program::TempOp::create(builder, loc, bufferType(type), dims);
}

Value Converter::view(Value buffer, graph::TensorType type) {
  SmallVector<Value> dims = regs(type.getDims());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  return program::ViewOp::create(builder, loc, bufferType(type), buffer, dims);
}

Value Converter::bufferOf(Value value) {
  Value &buffer = buffers[value];
  if (buffer)
    return buffer;
  if (auto reshape = value.getDefiningOp<graph::ReshapeOp>()) {
    Value source = bufferOf(reshape.getX());
    return buffers[value] = view(source, reshape.getType());
  }
  if (auto constant = value.getDefiningOp<graph::ConstantOp>()) {
    graph::TensorType type = graph::getTensorType(value);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(bodyMarker);
    return buffers[value] = program::ConstantOp::create(builder, loc, bufferType(type),
                                                        constant.getValue(), type.getShape());
  }
  return buffer = destination(value);
}

/// Where the producer of a value should write it.
Value Converter::destination(Value value) {
  if (Value wished = wishes.lookup(value))
    return wished;
  return temp(graph::getTensorType(value));
}

void Converter::wish(ValueRange values, ValueRange targets) {
  for (auto [value, target] : llvm::zip(values, targets)) {
    Value root = value;
    while (auto reshape = root.getDefiningOp<graph::ReshapeOp>())
      root = reshape.getX();
    // Only a launch writes where it is told, and only to one place.
    auto launch = root.getDefiningOp<kernel::LaunchOp>();
    if (!launch || launch->getBlock() != value.getDefiningOp()->getBlock() ||
        wishes.count(root) || buffers.count(root))
      continue;
    wishes[root] = root == value ? target : view(target, graph::getTensorType(root));
  }
}

/// Copies what its producer did not write in place.
void Converter::deliver(ValueRange values, ValueRange targets) {
  auto rootOf = [](Value buffer) {
    while (auto view = buffer.getDefiningOp<program::ViewOp>())
      buffer = view.getSource();
    return buffer;
  };
  for (auto [value, target] : llvm::zip(values, targets)) {
    Value buffer = bufferOf(value);
    if (rootOf(buffer) != rootOf(target))
      program::CopyOp::create(builder, loc, buffer, target);
  }
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

/// An extent that a kernel computes from its `index` arguments; null when it is something else.
Value Converter::scratchExtent(kernel::LaunchOp op, Value extent) {
  using Kind = program::BinaryKind;
  if (auto argument = llvm::dyn_cast<BlockArgument>(extent)) {
    auto kernel = llvm::cast<kernel::FuncOp>(argument.getOwner()->getParentOp());
    unsigned first = kernel.getNumTensorArguments();
    if (argument.getArgNumber() < first)
      return {};
    return reg(llvm::cast<DimAttr>(op.getDims()[argument.getArgNumber() - first]));
  }
  if (auto constant = extent.getDefiningOp<arith::ConstantIndexOp>())
    return number(constant.value());
  if (auto dim = extent.getDefiningOp<tensor::DimOp>()) {
    auto tensor = llvm::dyn_cast<BlockArgument>(dim.getSource());
    std::optional<int64_t> number = dim.getConstantIndex();
    if (!tensor || !number)
      return {};
    return reg(graph::getTensorType(op.getOperands()[tensor.getArgNumber()]).getDim(*number));
  }
  Operation *definition = extent.getDefiningOp();
  if (!definition || definition->getNumOperands() != 2)
    return {};
  Value x = scratchExtent(op, definition->getOperand(0));
  Value y = scratchExtent(op, definition->getOperand(1));
  if (!x || !y)
    return {};
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  return llvm::TypeSwitch<Operation *, Value>(definition)
      .Case([&](arith::AddIOp) { return binary(Kind::add, x, y); })
      .Case([&](arith::SubIOp) { return binary(Kind::sub, x, y); })
      .Case([&](arith::MulIOp) { return binary(Kind::mul, x, y); })
      .Case([&](arith::MinSIOp) { return binary(Kind::min, x, y); })
      .Case([&](arith::MaxSIOp) { return binary(Kind::max, x, y); })
      // Extents are not negative: every division rounds down.
      .Case<arith::FloorDivSIOp, arith::DivSIOp, arith::DivUIOp>(
          [&](auto) { return binary(Kind::floordiv, x, y); })
      .Case([&](arith::CeilDivSIOp) {
        Value above = binary(Kind::sub, binary(Kind::add, x, y), number(1));
        return binary(Kind::floordiv, above, y);
      })
      .Default([](Operation *) { return Value(); });
}

/// Results that scheduling added to a kernel hold its intermediate stages: temporaries of this launch.
LogicalResult Converter::addScratch(kernel::LaunchOp op, SmallVectorImpl<Value> &outputs) {
  auto kernel = function->getParentOfType<ModuleOp>().lookupSymbol<kernel::FuncOp>(op.getKernel());
  for (size_t i = outputs.size(); i < kernel.getResultTypes().size(); ++i) {
    auto type = llvm::cast<RankedTensorType>(kernel.getResultTypes()[i]);
    Value result = kernel.getBody().front().getTerminator()->getOperand(i);
    while (auto stage = result.getDefiningOp<DestinationStyleOpInterface>())
      result = stage.getDpsInits()[llvm::cast<OpResult>(result).getResultNumber()];
    auto empty = result.getDefiningOp<tensor::EmptyOp>();
    SmallVector<Value> dims;
    for (int64_t d = 0; empty && d < type.getRank(); ++d)
      dims.push_back(type.isDynamicDim(d) ? scratchExtent(op, empty.getDynamicSize(d))
                                          : number(type.getDimSize(d)));
    if (!kernel.getResultAttr(i, kernel::KernelDialect::kScratchAttr) ||
        int64_t(dims.size()) != type.getRank() || llvm::is_contained(dims, Value()))
      return op.emitError("kernel '") << op.getKernel() << "' has a result more than its launch, "
                                      << type << ", that is no scratch whose extents are known";
    // Scratch is never looked at outside: integers need no sign but the runtime's types have one.
    Type element = type.getElementType();
    if (auto integer = llvm::dyn_cast<IntegerType>(element); integer && integer.getWidth() > 1)
      element = IntegerType::get(integer.getContext(), integer.getWidth(), IntegerType::Signed);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(bodyMarker);
    outputs.push_back(program::TempOp::create(
        builder, loc, program::BufferType::get(builder.getContext(), element, type.getRank()), dims));
  }
  return success();
}

LogicalResult Converter::convertLaunch(kernel::LaunchOp op) {
  SmallVector<Value> inputs, outputs;
  for (Value operand : op.getOperands())
    inputs.push_back(bufferOf(operand));
  SmallVector<Value> scalars;
  for (Attribute dim : op.getDims()) {
    if (auto integer = llvm::dyn_cast<IntegerAttr>(dim))
      scalars.push_back(number(integer.getInt()));
    else
      scalars.push_back(reg(llvm::cast<DimAttr>(dim)));
  }
  for (Value result : op.getResults())
    outputs.push_back(bufferOf(result));
  if (failed(addScratch(op, outputs)))
    return failure();
  program::LaunchOp::create(builder, op.getLoc(), op.getKernelAttr(), inputs, scalars, outputs);
  return success();
}

Value Converter::loadCondition(Value value) {
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
        wish(value, target);
    if (failed(convert(from->front())))
      return failure();
    deliver(yield->getOperands(), targets);
  }
  return success();
}

/// Carried values live in buffers of their own; the body computes the next ones beside them.
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
      .Case<graph::ConstantOp, graph::ReshapeOp, graph::ReturnOp, graph::YieldOp,
            graph::ConditionOp>([](auto) { return success(); })
      .Default([](Operation *other) {
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

/// Element counts that reshapes assume.
void Converter::assertSizes() {
  function.walk([&](graph::ReshapeOp op) {
    DimExpr before = graph::multiplyDims(op.getContext(), graph::getTensorType(op.getX()).getDims());
    DimExpr after = graph::multiplyDims(op.getContext(), op.getType().getDims());
    if (!before || !after || before == after)
      return;
    Value x = reg(before), y = reg(after);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(bodyMarker);
    std::string message = "a reshape needs " + before.get().str() + " = " + after.get().str() +
                          " elements, which these input extents do not give";
    program::AssertOp::create(builder, op.getLoc(), binary(program::BinaryKind::eq, x, y), message);
  });
}

LogicalResult Converter::run() {
  auto result = program::FuncOp::create(builder, function.getLoc(), function.getSymName());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&result.getBody().emplaceBlock());
  loc = function.getLoc();
  bodyMarker = program::BodyOp::create(builder, loc);
  builder.setInsertionPoint(bodyMarker);
  if (failed(bindSymbols()))
    return failure();
  auto texts = [&](graph::TensorType type) {
    SmallVector<std::string> list;
    for (DimAttr dim : type.getDims())
      list.push_back(dim.str());
    SmallVector<StringRef> refs(list.begin(), list.end());
    return builder.getStrArrayAttr(refs);
  };
  auto nameOr = [](StringRef name, StringRef kind, size_t i) {
    return name.empty() ? (kind + Twine(i)).str() : name.str();
  };
  for (auto [i, argument] : llvm::enumerate(function.getBody().getArguments())) {
    graph::TensorType type = graph::getTensorType(argument);
    SmallVector<Value> dims = regs(type.getDims());
    buffers[argument] = program::InputOp::create(
        builder, loc, bufferType(type), builder.getI64IntegerAttr(i),
        builder.getStringAttr(nameOr(function.getArgName(i), "input", i)), dims, texts(type));
  }
  Block &body = function.getBody().front();
  SmallVector<Value> outputs;
  for (auto [i, resultType] : llvm::enumerate(function.getResultTypes())) {
    auto type = llvm::cast<graph::TensorType>(resultType);
    SmallVector<Value> dims = regs(type.getDims());
    outputs.push_back(program::OutputOp::create(builder, loc, bufferType(type),
                                                builder.getI64IntegerAttr(i),
                                                builder.getStringAttr(nameOr(
                                                    function.getResultName(i), "output", i)),
                                                dims, texts(type)));
  }
  assertSizes();
  builder.setInsertionPointAfter(bodyMarker);
  ValueRange returned = body.getTerminator()->getOperands();
  for (auto [value, output] : llvm::zip(returned, outputs))
    if (Operation *producer = value.getDefiningOp(); producer && producer->getBlock() == &body)
      wish(value, output);
  if (failed(convert(body)))
    return failure();
  deliver(returned, outputs);
  return success();
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
