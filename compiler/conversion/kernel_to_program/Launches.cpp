//===- Launches.cpp - Kernels and their scratch ----------------------------------------------===//

#include "compiler/conversion/graph_to_kernel/LaunchCost.h"
#include "compiler/conversion/kernel_to_program/Converter.h"
#include "dialects/graph/WeightStore.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

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

/// Results that scheduling added to a kernel hold its intermediate stages: temporaries of this
/// launch.
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
    unsigned section = sectionOf(ValueRange(dims));
    enter(section);
    auto buffer = program::BufferType::get(builder.getContext(), element, type.getRank());
    outputs.push_back(inSection(section, program::TempOp::create(builder, loc, buffer, dims)));
  }
  return success();
}

LogicalResult Converter::convertLaunch(kernel::LaunchOp op) {
  SmallVector<Value> inputs, outputs;
  auto kernel = function->getParentOfType<ModuleOp>().lookupSymbol<kernel::FuncOp>(op.getKernel());
  for (auto [number, operand] : llvm::enumerate(op.getOperands())) {
    auto layout =
        kernel.getArgAttrOfType<kernel::PackedAttr>(number, kernel::KernelDialect::kLayoutAttr);
    if (!layout) {
      inputs.push_back(bufferOf(operand));
      continue;
    }
    graph::ConstantOp constant = graph::getConstantSource(operand);
    if (!constant)
      return op.emitError("kernel '")
             << op.getKernel() << "' wants operand " << number << " in " << layout
             << ", but it is no constant; copy_packed lets the kernel make the copy";
    inputs.push_back(packed(constant, operand, layout));
    if (!inputs.back())
      return failure();
  }
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
  Value operations, bytes;
  if (auto count = op->getAttrOfType<DimAttr>(kOperationsAttr))
    operations = reg(count);
  if (auto count = op->getAttrOfType<DimAttr>(kBytesAttr))
    bytes = reg(count);
  program::LaunchOp::create(builder, op.getLoc(), op.getKernelAttr(), inputs, scalars, outputs,
                            operations, bytes);
  return success();
}

/// The names of the nodes that an op comes from; the lines of a text, whose ops have no names.
static void collectSources(Location loc, SmallVectorImpl<std::string> &names) {
  if (auto name = llvm::dyn_cast<NameLoc>(loc)) {
    names.push_back(name.getName().str());
  } else if (auto fused = llvm::dyn_cast<FusedLoc>(loc)) {
    for (Location part : fused.getLocations())
      collectSources(part, names);
  } else if (auto place = llvm::dyn_cast<FileLineColLoc>(loc)) {
    names.push_back("line " + std::to_string(place.getLine()));
  }
}

LogicalResult Converter::convertHostCall(graph::HostCallOp op) {
  SmallVector<Value> inputs, outputs;
  for (Value operand : op.getInputs())
    inputs.push_back(bufferOf(operand));
  for (Value result : op.getOutputs())
    outputs.push_back(bufferOf(result));
  SmallVector<std::string> sources;
  collectSources(op.getLoc(), sources);
  SmallVector<StringRef> names(sources.begin(), sources.end());
  program::HostCallOp::create(builder, op.getLoc(), op.getFunction(), op.getOptions(), inputs,
                              outputs, builder.getStrArrayAttr(names));
  return success();
}
