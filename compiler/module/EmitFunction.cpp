//===- EmitFunction.cpp - One program.func becomes bytecode --------------------------------===//

#include "compiler/module/EmitFunction.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tessera;
using module::BufferKind;
using module::Dim;
using module::Opcode;

module::ElementType tessera::getRuntimeType(Type element) {
  using module::ElementType;
  if (element.isF64())
    return ElementType::F64;
  if (element.isF32())
    return ElementType::F32;
  if (element.isF16())
    return ElementType::F16;
  if (element.isBF16())
    return ElementType::BF16;
  if (llvm::isa<Float8E4M3FNType>(element))
    return ElementType::F8E4M3FN;
  if (llvm::isa<Float8E5M2Type>(element))
    return ElementType::F8E5M2;
  if (llvm::isa<Float8E4M3FNUZType>(element))
    return ElementType::F8E4M3FNUZ;
  if (llvm::isa<Float8E5M2FNUZType>(element))
    return ElementType::F8E5M2FNUZ;
  if (llvm::isa<Float8E8M0FNUType>(element))
    return ElementType::F8E8M0FNU;
  if (llvm::isa<Float4E2M1FNType>(element))
    return ElementType::F4E2M1FN;
  if (llvm::isa<Float6E2M3FNType>(element))
    return ElementType::F6E2M3FN;
  if (llvm::isa<Float6E3M2FNType>(element))
    return ElementType::F6E3M2FN;
  if (llvm::isa<FloatType>(element)) // The bits of types that the runtime does not name.
    return ElementType::U8;
  auto integer = llvm::cast<IntegerType>(element);
  if (integer.getWidth() == 1)
    return ElementType::Bool;
  bool isSigned = !integer.isUnsigned();
  switch (integer.getWidth()) {
  case 2: return isSigned ? ElementType::I2 : ElementType::U2;
  case 4: return isSigned ? ElementType::I4 : ElementType::U4;
  case 8: return isSigned ? ElementType::I8 : ElementType::U8;
  case 16: return isSigned ? ElementType::I16 : ElementType::U16;
  case 32: return isSigned ? ElementType::I32 : ElementType::U32;
  default: return isSigned ? ElementType::I64 : ElementType::U64;
  }
}

namespace {
class Emitter {
public:
  explicit Emitter(const EmitTables &tables) : tables(tables) {}
  module::Function run(program::FuncOp function);

private:
  void emit(Block &block);
  void emit(Operation &op);
  void emitBinary(program::BinaryOp op);
  void emitBuffer(Value result, BufferKind kind, uint32_t source, ValueRange dims);
  void emitFixed(Value result, BufferKind kind, uint32_t source, ArrayRef<int64_t> shape);
  void emitIf(program::IfOp op);
  void emitWhile(program::WhileOp op);

  uint32_t reg(Value value);
  uint32_t newRegister(Value value) { return registers[value] = out.newRegister(); }
  Dim dim(Value value);
  uint32_t use(Value buffer, uint32_t instruction);
  void liveRanges();

  struct Use {
    uint32_t buffer, instruction;
  };
  const EmitTables &tables;
  module::Function out;
  DenseMap<Value, uint32_t> registers, buffers;
  std::vector<uint32_t> unplanned; // of the segment that the next plan ends
  std::vector<Use> uses;
  std::vector<std::pair<uint32_t, uint32_t>> loops; // first and last instruction
};
} // namespace

uint32_t Emitter::reg(Value value) { return registers.lookup(value); }

/// Numbers stay numbers: what is known when loading is checked when loading.
Dim Emitter::dim(Value value) {
  if (auto number = value.getDefiningOp<program::NumberOp>())
    return Dim::constant(number.getValue());
  return Dim::reg(reg(value));
}

uint32_t Emitter::use(Value buffer, uint32_t instruction) {
  uint32_t index = buffers.lookup(buffer);
  uint32_t root = index;
  while (out.buffers[root].kind == BufferKind::View)
    root = out.buffers[root].source;
  uses.push_back({root, instruction});
  return index;
}

void Emitter::emitBuffer(Value result, BufferKind kind, uint32_t source, ValueRange dims) {
  module::Buffer buffer;
  buffer.kind = kind;
  buffer.type = getRuntimeType(llvm::cast<program::BufferType>(result.getType()).getElementType());
  buffer.source = source;
  buffer.onHost = program::isOnHost(result);
  for (Value value : dims)
    buffer.dims.push_back(dim(value));
  buffers[result] = out.addBuffer(std::move(buffer));
  unplanned.push_back(buffers[result]);
}

void Emitter::emitFixed(Value result, BufferKind kind, uint32_t source, ArrayRef<int64_t> shape) {
  module::Buffer buffer;
  buffer.kind = kind;
  buffer.type = getRuntimeType(llvm::cast<program::BufferType>(result.getType()).getElementType());
  buffer.source = source;
  buffer.onHost = program::isOnHost(result);
  for (int64_t extent : shape)
    buffer.dims.push_back(Dim::constant(extent));
  buffers[result] = out.addBuffer(std::move(buffer));
}

void Emitter::emitBinary(program::BinaryOp op) {
  using Kind = program::BinaryKind;
  uint32_t x = reg(op.getX()), y = reg(op.getY()), result = newRegister(op.getResult());
  switch (op.getKind()) {
  case Kind::add: out.binary(Opcode::Add, result, x, y); return;
  case Kind::sub: out.binary(Opcode::Sub, result, x, y); return;
  case Kind::mul: out.binary(Opcode::Mul, result, x, y); return;
  case Kind::floordiv: out.binary(Opcode::FloorDiv, result, x, y); return;
  case Kind::mod: out.binary(Opcode::Mod, result, x, y); return;
  case Kind::min: out.binary(Opcode::Min, result, x, y); return;
  case Kind::max: out.binary(Opcode::Max, result, x, y); return;
  case Kind::eq: out.compare(module::CompareKind::Eq, result, x, y); return;
  case Kind::le: out.compare(module::CompareKind::Le, result, x, y); return;
  }
}

void Emitter::emitIf(program::IfOp op) {
  uint32_t branch = out.branch(reg(op.getCondition()), 0, 0);
  out.instructions[branch].b = branch + 1;
  emit(op.getThenRegion().front());
  uint32_t jump = out.jump(0);
  out.instructions[branch].c = jump + 1;
  emit(op.getElseRegion().front());
  out.instructions[jump].a = uint32_t(out.instructions.size());
}

void Emitter::emitWhile(program::WhileOp op) {
  uint32_t begin = uint32_t(out.instructions.size());
  Block &condition = op.getCondRegion().front();
  emit(condition);
  auto last = llvm::cast<program::ConditionOp>(condition.back());
  uint32_t branch = out.branch(reg(last.getValue()), 0, 0);
  out.instructions[branch].b = branch + 1;
  emit(op.getBodyRegion().front());
  uint32_t jump = out.jump(begin);
  out.instructions[branch].c = jump + 1;
  loops.push_back({begin, jump});
}

void Emitter::emit(Operation &op) {
  uint32_t next = uint32_t(out.instructions.size());
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](program::SymbolOp symbol) {
        newRegister(symbol.getResult());
        out.symbols.push_back(
            {symbol.getName().str(), int64_t(symbol.getMin()), int64_t(symbol.getMax())});
      })
      .Case([&](program::NumberOp number) {
        out.constant(newRegister(number.getResult()), number.getValue());
      })
      .Case([&](program::BinaryOp binary) { emitBinary(binary); })
      .Case([&](program::LoadOp load) {
        uint32_t buffer = use(load.getBuffer(), next);
        out.loadScalar(newRegister(load.getResult()), buffer, reg(load.getIndex()));
      })
      .Case([&](program::AssertOp check) {
        out.assertTrue(reg(check.getCondition()), check.getMessage().str());
      })
      .Case([&](program::BodyOp) {
        out.prologue = next;
        unplanned.clear();
      })
      .Case([&](program::PlanOp) {
        if (unplanned.empty())
          return;
        for (uint32_t buffer : unplanned)
          out.buffers[buffer].segment = out.planSegments;
        unplanned.clear();
        out.plan(out.planSegments++);
      })
      .Case<program::InputOp, program::OutputOp>([&](auto tensor) {
        constexpr bool isInput = std::is_same_v<decltype(tensor), program::InputOp>;
        module::TensorSignature signature;
        signature.name = tensor.getName().str();
        signature.areStrings = tensor->hasAttr("program.strings");
        if (auto axes = tensor->template getAttrOfType<DenseI64ArrayAttr>("program.squeezed"))
          for (int64_t axis : axes.asArrayRef())
            signature.squeezed |= uint32_t(1) << axis;
        signature.type =
            getRuntimeType(llvm::cast<program::BufferType>(tensor.getType()).getElementType());
        for (Value extent : tensor.getDims())
          signature.dims.push_back(dim(extent));
        for (Attribute text : tensor.getDimText())
          signature.dimText.push_back(llvm::cast<StringAttr>(text).str());
        auto &list = isInput ? out.inputs : out.outputs;
        list.resize(std::max<size_t>(list.size(), tensor.getIndex() + 1));
        list[tensor.getIndex()] = std::move(signature);
        emitBuffer(tensor.getResult(), isInput ? BufferKind::Input : BufferKind::Output,
                   uint32_t(tensor.getIndex()), tensor.getDims());
      })
      .Case([&](program::ConstantOp constant) {
        emitFixed(constant.getResult(), BufferKind::Constant, tables.constant(constant),
                  constant.getShape());
      })
      .Case([&](program::VariableOp variable) {
        emitFixed(variable.getResult(), BufferKind::Variable, tables.variable(variable),
                  variable.getShape());
      })
      .Case([&](program::TempOp temp) {
        emitBuffer(temp.getResult(), BufferKind::Temp, 0, temp.getDims());
      })
      .Case([&](program::MirrorOp mirror) {
        Operation *tensor = mirror.getSource().getDefiningOp();
        if (auto input = dyn_cast<program::InputOp>(tensor))
          emitBuffer(mirror.getResult(), BufferKind::Input, uint32_t(input.getIndex()),
                     input.getDims());
        else if (auto output = dyn_cast<program::OutputOp>(tensor))
          emitBuffer(mirror.getResult(), BufferKind::Output, uint32_t(output.getIndex()),
                     output.getDims());
      })
      .Case([&](program::ViewOp view) {
        emitBuffer(view.getResult(), BufferKind::View, buffers.lookup(view.getSource()),
                   view.getDims());
      })
      .Case([&](program::LaunchOp launch) {
        std::vector<uint32_t> args;
        for (Value input : launch.getInputs())
          args.push_back(use(input, next));
        for (Value scalar : launch.getScalars())
          args.push_back(reg(scalar));
        for (Value output : launch.getOutputs())
          args.push_back(use(output, next));
        auto count = [&](Value value) { return value ? reg(value) : rt::kNoRegister; };
        out.launch(tables.kernel(launch), args, count(launch.getOperations()),
                   count(launch.getBytes()));
      })
      .Case([&](program::HostCallOp call) {
        std::vector<uint32_t> args;
        for (Value input : call.getInputs())
          args.push_back(use(input, next));
        for (Value output : call.getOutputs())
          args.push_back(use(output, next));
        out.launch(tables.kernel(call), args);
      })
      .Case([&](program::CopyOp copy) {
        uint32_t source = use(copy.getSource(), next), target = use(copy.getTarget(), next);
        out.copy(target, source);
      })
      .Case([&](program::UploadOp copy) {
        uint32_t source = use(copy.getSource(), next), target = use(copy.getTarget(), next);
        out.upload(target, source, copy.getBeside());
      })
      .Case([&](program::DownloadOp copy) {
        uint32_t source = use(copy.getSource(), next), target = use(copy.getTarget(), next);
        out.download(target, source, copy.getBeside());
      })
      .Case([&](program::AwaitOp wait) { out.await(use(wait.getBuffer(), next)); })
      .Case([&](program::IfOp branch) { emitIf(branch); })
      .Case([&](program::WhileOp loop) { emitWhile(loop); })
      .Case([](program::ConditionOp) {});
}

void Emitter::emit(Block &block) {
  for (Operation &op : block)
    emit(op);
}

/// From the first to the last use; a buffer that a loop uses and that lives outside it too lives
/// through the whole loop. What one iteration alone uses is dead between iterations only if it is
/// written before it is read, so a loop keeps all of its own.
void Emitter::liveRanges() {
  std::vector<bool> isUsed(out.buffers.size());
  for (const Use &use : uses) {
    module::Buffer &buffer = out.buffers[use.buffer];
    buffer.first = isUsed[use.buffer] ? std::min(buffer.first, use.instruction) : use.instruction;
    buffer.last = isUsed[use.buffer] ? std::max(buffer.last, use.instruction) : use.instruction;
    isUsed[use.buffer] = true;
  }
  // Inner loops come first in the list.
  for (auto [begin, end] : loops)
    for (module::Buffer &buffer : out.buffers)
      if (buffer.first <= end && begin <= buffer.last) {
        buffer.first = std::min(buffer.first, begin);
        buffer.last = std::max(buffer.last, end);
      }
}

module::Function Emitter::run(program::FuncOp function) {
  out.name = function.getSymName().str();
  emit(function.getBody().front());
  out.ret();
  liveRanges();
  return std::move(out);
}

module::Function tessera::emitFunction(program::FuncOp function, const EmitTables &tables) {
  return Emitter(tables).run(function);
}
