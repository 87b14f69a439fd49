//===- Program.cpp - The program dialect ---------------------------------------------------===//
#include "dialects/program/Program.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tessera::program;

#include "dialects/program/ProgramDialect.cpp.inc"
#include "dialects/program/ProgramEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/program/ProgramTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/program/ProgramOps.cpp.inc"

void ProgramDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/program/ProgramTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/program/ProgramOps.cpp.inc"
      >();
}

bool tessera::program::isOnHost(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewOp>())
    buffer = view.getSource();
  Operation *root = buffer.getDefiningOp();
  return root && root->hasAttr("on_host");
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// (C4) Buffers of the body are fixed by the next program.plan in their block.
static LogicalResult verifyPlans(FuncOp function) {
  Operation *waiting = nullptr;
  bool isBody = false;
  function.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    isBody |= isa<BodyOp>(op);
    if (isBody && !waiting && isa<OutputOp, TempOp, ViewOp, MirrorOp>(op))
      waiting = op;
    if (isa<PlanOp>(op))
      waiting = nullptr;
  });
  if (waiting)
    return waiting->emitOpError("stands behind program.body, and no program.plan fixes its place");
  return success();
}

LogicalResult FuncOp::verifyRegions() {
  auto bodies = getBody().getOps<BodyOp>();
  // func_c1
  if (std::distance(bodies.begin(), bodies.end()) != 1)
    return emitOpError("expected one program.body");
  Operation *body = *bodies.begin();
  llvm::StringSet<> symbols;
  llvm::SmallDenseSet<uint64_t> numbers;
  int64_t inputs = 0;
  uint64_t outputs = 0;
  for (Operation &op : getBody().getOps()) {
    bool isBefore = op.isBeforeInBlock(body);
    // func_c2
    if (isBefore && !isa<BinaryOp, NumberOp, SymbolOp, AssertOp, InputOp, OutputOp, ConstantOp,
                         VariableOp, TempOp, ViewOp, MirrorOp>(op))
      return op.emitOpError("may not stand before program.body: it does more than compute sizes");
    // func_c3
    if (!isBefore && isa<SymbolOp, InputOp>(op))
      return op.emitOpError("has to stand before program.body");
    if (auto symbol = dyn_cast<SymbolOp>(op); symbol && !symbols.insert(symbol.getName()).second)
      return symbol.emitOpError("'") << symbol.getName() << "' is bound twice";
    if (auto output = dyn_cast<OutputOp>(op)) {
      if (!numbers.insert(output.getIndex()).second)
        return output.emitOpError("number ") << output.getIndex() << " is defined twice";
      ++outputs;
    }
    auto inOrder = [&](auto numbered, int64_t &next) -> LogicalResult {
      if (numbered && int64_t(numbered.getIndex()) != next++)
        return numbered.emitOpError("expected number ")
               << next - 1 << ", found " << numbered.getIndex();
      return success();
    };
    if (failed(inOrder(dyn_cast<InputOp>(op), inputs)))
      return failure();
  }
  for (uint64_t number : numbers)
    if (number >= outputs)
      return emitOpError("has output ") << number << ", but only " << outputs << " outputs";
  return verifyPlans(*this);
}

LogicalResult SymbolOp::verify() {
  // symbol_c1
  if (int64_t(getMin()) < 0 || int64_t(getMin()) > int64_t(getMax()))
    return emitOpError("expected 0 <= min <= max, found [") << getMin() << ", " << getMax() << "]";
  return success();
}

LogicalResult HostCallOp::verify() {
  // host_call_c1
  constexpr size_t maxTensors = 32; // runtime/base/HostAbi.h
  if (getOutputs().empty() || getInputs().size() + getOutputs().size() > maxTensors)
    return emitOpError("expected results, and at most ") << maxTensors << " tensors";
  return success();
}

LogicalResult LoadOp::verify() {
  // load_c1
  Type element = getBuffer().getType().getElementType();
  if (!element.isInteger())
    return emitOpError("expected integers or bools, found ") << element;
  return success();
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

static LogicalResult verifyRank(Operation *op, size_t dims, StringRef what = "dims") {
  auto type = cast<BufferType>(op->getResult(0).getType());
  if (int64_t(dims) != type.getRank())
    return op->emitOpError("expected ") << type.getRank() << " " << what << ", found " << dims;
  return success();
}

static LogicalResult verifyShape(Operation *op, ArrayRef<int64_t> shape) {
  if (llvm::any_of(shape, [](int64_t extent) { return extent < 0; }))
    return op->emitOpError("expected extents that are not negative, found [") << shape << "]";
  return verifyRank(op, shape.size(), "extents");
}

LogicalResult InputOp::verify() {
  // input_c1
  return failed(verifyRank(*this, getDims().size()))
             ? failure()
             : verifyRank(*this, getDimText().size(), "texts");
}
LogicalResult OutputOp::verify() {
  // output_c1
  return failed(verifyRank(*this, getDims().size()))
             ? failure()
             : verifyRank(*this, getDimText().size(), "texts");
}
LogicalResult ConstantOp::verify() { return verifyShape(*this, getShape()); }  // constant_c1
LogicalResult VariableOp::verify() { return verifyShape(*this, getShape()); }  // variable_c1
LogicalResult TempOp::verify() { return verifyRank(*this, getDims().size()); } // temp_c1

LogicalResult MirrorOp::verify() {
  // mirror_c1
  if (Operation *source = getSource().getDefiningOp();
      !isa_and_present<InputOp, OutputOp>(source) || !isOnHost(getSource()))
    return emitOpError("expected an input or output on the host");
  return success();
}

LogicalResult VariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // variable_c2
  if (!symbols.lookupNearestSymbolFrom(*this, getVariableAttr()))
    return emitOpError("names no variable: ") << getVariableAttr();
  return success();
}

LogicalResult ViewOp::verify() {
  // view_c2
  Type from = getSource().getType().getElementType(), to = getType().getElementType();
  if (from != to)
    return emitOpError("expected elements of ") << from << " as in the source, found " << to;
  return verifyRank(*this, getDims().size()); // view_c1
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // launch_c1
  auto kernel = dyn_cast_or_null<FunctionOpInterface>(
      symbols.lookupNearestSymbolFrom(*this, getKernelAttr()));
  if (!kernel)
    return emitOpError("names no kernel: ") << getKernelAttr();
  size_t tensors =
      llvm::count_if(kernel.getArgumentTypes(), [](Type type) { return isa<ShapedType>(type); });
  size_t extents = kernel.getNumArguments() - tensors;
  if (getInputs().size() != tensors || getScalars().size() != extents ||
      getOutputs().size() != kernel.getNumResults())
    return emitOpError("expected ")
           << tensors << " tensors, " << extents << " extents and " << kernel.getNumResults()
           << " outputs, found " << getInputs().size() << ", " << getScalars().size() << " and "
           << getOutputs().size();
  // launch_c2
  auto fits = [](Value buffer, Type type) {
    return cast<BufferType>(buffer.getType()).getRank() == cast<ShapedType>(type).getRank();
  };
  for (auto [i, buffer] : llvm::enumerate(getInputs()))
    if (!fits(buffer, kernel.getArgumentTypes()[i]))
      return emitOpError("input ") << i << " is " << buffer.getType() << ", but the kernel takes "
                                   << kernel.getArgumentTypes()[i];
  for (auto [i, buffer] : llvm::enumerate(getOutputs()))
    if (!fits(buffer, kernel.getResultTypes()[i]))
      return emitOpError("output ") << i << " is " << buffer.getType() << ", but the kernel writes "
                                    << kernel.getResultTypes()[i];
  // launch_c3
  for (Value buffer :
       llvm::concat<Value>(llvm::to_vector(getInputs()), llvm::to_vector(getOutputs())))
    if (isOnHost(buffer))
      return emitOpError("takes a buffer that is on the host");
  return success();
}

/// (C1) to (C3) of copies between the host and a device.
static LogicalResult verifyTransfer(Operation *op, Value source, Value target, bool isUpload,
                                    bool isBeside) {
  Type from = cast<BufferType>(source.getType()).getElementType(),
       to = cast<BufferType>(target.getType()).getElementType();
  // upload_c1, download_c1
  if (from != to)
    return op->emitOpError("expected one element type, found ") << from << " and " << to;
  // upload_c2, download_c2
  if (isOnHost(source) != isUpload || isOnHost(target) == isUpload)
    return op->emitOpError("expected a copy ") << (isUpload ? "from" : "to") << " the host";
  // upload_c3, download_c3
  auto mirror = (isUpload ? target : source).getDefiningOp<MirrorOp>();
  if (isBeside && (!mirror || mirror.getSource() != (isUpload ? source : target)))
    return op->emitOpError("goes beside launches, but not between a tensor and its mirror");
  return success();
}
LogicalResult UploadOp::verify() {
  return verifyTransfer(*this, getSource(), getTarget(), true, getBeside());
}
LogicalResult DownloadOp::verify() {
  return verifyTransfer(*this, getSource(), getTarget(), false, getBeside());
}

LogicalResult CopyOp::verify() {
  // copy_c1
  Type from = getSource().getType().getElementType(), to = getTarget().getType().getElementType();
  if (from != to)
    return emitOpError("expected one element type, found ") << from << " and " << to;
  return success();
}

LogicalResult WhileOp::verifyRegions() {
  // while_c1
  Block &condition = getCondRegion().front();
  auto conditions = condition.getOps<ConditionOp>();
  if (condition.empty() || !isa<ConditionOp>(condition.back()) ||
      std::distance(conditions.begin(), conditions.end()) != 1 ||
      !getBodyRegion().getOps<ConditionOp>().empty())
    return emitOpError(
        "expected program.condition at the end of the condition region, and nowhere else");
  return success();
}
