//===- Machine.cpp - Interprets kernels element by element -------------------===//
#include "compiler/reference/kernel/Machine.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static const RuleTable &getRules() {
  static const RuleTable table = [] {
    RuleTable rules;
    addScalarRules(rules);
    addTensorRules(rules);
    addStageRules(rules);
    return rules;
  }();
  return table;
}

static LogicalResult hasNoRule(const Instruction &instruction, Machine &machine) {
  return machine.fail(instruction.op->getName().getStringRef() + " has no reference rule");
}

//===----------------------------------------------------------------------===//
// Translation
//===----------------------------------------------------------------------===//

unsigned Machine::number(Value value) {
  auto [it, isNew] = numbers.try_emplace(value, cells.size());
  if (isNew)
    cells.emplace_back();
  return it->second;
}

static ElementFormat formatOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrIndexOrFloat() ? ElementFormat(element) : ElementFormat();
}

Program Machine::translate(Block &block) {
  Program program;
  for (Value argument : block.getArguments())
    program.arguments.push_back(number(argument));
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      for (Value operand : op.getOperands())
        program.yielded.push_back(number(operand));
      continue;
    }
    Instruction &instruction = program.instructions.emplace_back();
    instruction.op = &op;
    instruction.rule = getRules().lookup(op.getName().getTypeID());
    if (!instruction.rule)
      instruction.rule = hasNoRule;
    for (Value operand : op.getOperands()) {
      instruction.operands.push_back(number(operand));
      // In a loop, what comes from outside is read again.
      instruction.isLastUse.push_back(operand.hasOneUse() &&
                                      operand.getParentBlock() == op.getBlock());
    }
    for (Value result : op.getResults())
      instruction.results.push_back(number(result));
    if (op.getNumResults())
      instruction.format = formatOf(op.getResult(0).getType());
    if (op.getNumOperands())
      instruction.operandFormat = formatOf(op.getOperand(0).getType());
    // The scalar region of a named linalg op is its definition, not a body.
    if (!llvm::isa<linalg::FillOp>(op))
      for (Region &region : op.getRegions())
        instruction.regions.push_back(region.empty() ? Program() : translate(region.front()));
  }
  return program;
}

Machine::Machine(kernel::FuncOp kernel, int64_t steps) : kernel(kernel), steps(steps) {
  program = translate(kernel.getBody().front());
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

LogicalResult Machine::fail(const llvm::Twine &message) {
  if (error.empty())
    error = ("kernel @" + kernel.getSymName() +
             (stage.empty() ? "" : ", stage '" + stage.str() + "'") + ": " + message)
                .str();
  return failure();
}

LogicalResult Machine::spend(int64_t count) {
  if (count > steps)
    return fail("takes more element operations than the limit of the reference interpreter");
  steps -= count;
  return success();
}

FailureOr<Tensor> Machine::make(Type elementType, ArrayRef<int64_t> shape) {
  constexpr int64_t kMaxBytes = int64_t(1) << 31;
  int64_t bytes = ElementFormat(elementType).getByteSize();
  for (int64_t extent : shape)
    if (extent < 0 || llvm::MulOverflow(bytes, std::max<int64_t>(extent, 1), bytes) ||
        bytes > kMaxBytes)
      return fail(describe(elementType, shape) +
                  " is negative or larger than the limit of the reference interpreter");
  return Tensor(elementType, shape);
}

Tensor Machine::take(const Instruction &instruction, unsigned i) {
  Tensor &tensor = operand(instruction, i).tensor;
  Tensor taken = instruction.isLastUse[i] ? std::exchange(tensor, {}) : tensor;
  return taken.isShared() ? taken.copy() : taken;
}

LogicalResult Machine::execute(const Program &program) {
  for (const Instruction &instruction : program.instructions)
    if (failed(instruction.rule(instruction, *this)))
      return failure();
  return success();
}

FailureOr<SmallVector<Tensor>> Machine::run(ArrayRef<Tensor> tensors, ArrayRef<int64_t> extents) {
  error.clear();
  if (tensors.size() + extents.size() != program.arguments.size())
    return fail("takes " + llvm::Twine(program.arguments.size()) + " arguments, not " +
                llvm::Twine(tensors.size() + extents.size()));
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    auto type = llvm::dyn_cast<RankedTensorType>(kernel.getArgumentTypes()[i]);
    bool fits = type && type.getRank() == tensor.getRank() &&
                type.getElementType() == tensor.getElementType();
    for (int64_t d = 0; fits && d < type.getRank(); ++d)
      fits = type.isDynamicDim(d) || type.getDimSize(d) == tensor.getDim(d);
    if (!fits)
      return fail("argument " + llvm::Twine(i) + " is " +
                  describe(tensor.getElementType(), tensor.getShape()) +
                  ", which its type does not allow");
    cells[program.arguments[i]].tensor = tensor;
  }
  for (auto [i, extent] : llvm::enumerate(extents))
    cells[program.arguments[tensors.size() + i]].integer = extent;
  if (failed(execute(program)))
    return failure();
  return llvm::map_to_vector(program.yielded, [&](unsigned cell) { return cells[cell].tensor; });
}
