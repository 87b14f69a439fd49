#include "runtime/module/Program.h"

#include "runtime/base/ElementType.h"

namespace tessera::rt {
namespace {

#define TESSERA_CHECK(condition, ...)                                                              \
  do {                                                                                             \
    if (!(condition))                                                                              \
      return Status::error(Code::Malformed, __VA_ARGS__);                                          \
  } while (false)

bool isScalar(Opcode op) { return op <= Opcode::Select; }

class Checker {
public:
  Checker(Function &function, Span<Kernel> kernels, Span<Constant> constants,
          Span<Variable> variables, Arena &arena)
      : f(function), kernels(kernels), constants(constants), variables(variables), arena(arena) {}

  Status run() {
    TESSERA_CHECK(f.symbols.size <= f.registers && f.prologue < f.instructions.size,
                  "too few registers or instructions");
    TESSERA_TRY(signatures());
    TESSERA_TRY(buffers());
    for (uint32_t i = 0; i < f.instructions.size; ++i)
      TESSERA_TRY(instruction(i, f.instructions[i]).at("instruction %u", i));
    TESSERA_TRY(views());
    TESSERA_TRY(prologue());
    for (uint32_t i = 0; i < f.instructions.size; ++i)
      TESSERA_TRY(loop(i, f.instructions[i]));
    return segments();
  }

private:
  Status signatures();
  Status buffers();
  Status views();
  Status prologue();
  Status segments();
  Status instruction(uint32_t index, const Instruction &x);
  Status launch(uint32_t index, const Instruction &x);
  Status transfer(uint32_t index, const Instruction &x);
  Status loop(uint32_t index, const Instruction &x);

  Status inRegisters(const Dim &dim) {
    TESSERA_CHECK(!dim.isRegister || uint64_t(dim.value) < f.registers,
                  "register %lld does not exist", (long long)dim.value);
    return {};
  }
  Status reg(uint32_t r) {
    TESSERA_CHECK(r < f.registers, "register %u does not exist", r);
    return {};
  }
  // A use of a buffer: it exists and its temporary is alive.
  Status use(uint32_t index, uint32_t b, bool isWritten) {
    TESSERA_CHECK(b < f.buffers.size, "buffer %u does not exist", b);
    const Buffer &root = f.buffers[f.buffers[b].root];
    if (root.kind == BufferKind::Temp)
      TESSERA_CHECK(root.first <= index && index <= root.last,
                    "buffer %u is used outside its live range [%u, %u]", b, root.first, root.last);
    TESSERA_CHECK(!isWritten ||
                      (root.kind != BufferKind::Input && root.kind != BufferKind::Constant),
                  "buffer %u is an input or a constant and cannot be written", b);
    return {};
  }
  // Elements that follow each other in memory.
  Status dense(uint32_t b) {
    TESSERA_CHECK(f.buffers[b].strides.empty(),
                  "buffer %u has strides, which only a launch follows", b);
    return {};
  }
  // In the memory of kernels.
  Status computes(uint32_t b) {
    TESSERA_CHECK(f.buffers[b].space == Space::Kernels,
                  "buffer %u is in the host's memory, which kernels do not see", b);
    return {};
  }
  void noteRead(uint32_t b) { f.buffers[f.buffers[b].root].isReadOnHost = true; }
  Status target(uint32_t t) {
    TESSERA_CHECK(t >= f.prologue && t < f.instructions.size, "jump to instruction %u", t);
    return {};
  }

  Function &f;
  Span<Kernel> kernels;
  Span<Constant> constants;
  Span<Variable> variables;
  Arena &arena;
};

// Every symbol is bound by an input, and ranges hold only numbers that kernels can count.
Status Checker::signatures() {
  auto *bound = arena.array<bool>(f.symbols.size);
  if (!bound)
    return Status::outOfMemory();
  for (const TensorSignature &input : f.inputs)
    for (const Dim &dim : input.dims) {
      TESSERA_TRY(inRegisters(dim).at("input '%s'", input.name));
      if (dim.isRegister && uint64_t(dim.value) < f.symbols.size)
        bound[dim.value] = true;
      TESSERA_CHECK(dim.isRegister || dim.value >= 0, "input '%s' has a negative extent",
                    input.name);
    }
  for (const TensorSignature &output : f.outputs)
    for (const Dim &dim : output.dims)
      TESSERA_TRY(inRegisters(dim).at("output '%s'", output.name));
  for (size_t i = 0; i < f.symbols.size; ++i)
    TESSERA_CHECK(bound[i], "no input binds the symbol '%s'", f.symbols[i].name);
  return {};
}

Status Checker::buffers() {
  for (uint32_t space = 0; space < kSpaces; ++space) {
    f.inputBuffers[space] = {arena.array<uint32_t>(f.inputs.size), f.inputs.size};
    f.outputBuffers[space] = {arena.array<uint32_t>(f.outputs.size), f.outputs.size};
    if (!f.inputBuffers[space].data || !f.outputBuffers[space].data)
      return Status::outOfMemory();
    for (uint32_t &buffer : f.inputBuffers[space])
      buffer = kNoBuffer;
    for (uint32_t &buffer : f.outputBuffers[space])
      buffer = kNoBuffer;
  }
  const auto agrees = [](const Buffer &b, ElementType type, size_t rank) {
    return b.type == type && b.dims.size == rank;
  };
  const auto agreesWithShape = [&](const Buffer &b, ElementType type, Span<int64_t> dims) {
    if (!agrees(b, type, dims.size))
      return false;
    for (size_t d = 0; d < dims.size; ++d)
      if (b.dims[d].isRegister || b.dims[d].value != dims[d])
        return false;
    return true;
  };
  for (uint32_t i = 0; i < f.buffers.size; ++i) {
    Buffer &b = f.buffers[i];
    b.root = i;
    TESSERA_CHECK(b.segment < f.segments.size, "buffer %u lies in plan segment %u", i, b.segment);
    for (const Dim &dim : b.dims)
      TESSERA_TRY(inRegisters(dim).at("buffer %u", i));
    for (const Dim &dim : b.strides)
      TESSERA_TRY(inRegisters(dim).at("buffer %u", i));
    TESSERA_TRY(inRegisters(b.offset).at("buffer %u", i));
    if (b.kind != BufferKind::View)
      TESSERA_CHECK(b.strides.empty() && b.offset == Dim{}, "buffer %u is no view, but has strides",
                    i);
    switch (b.kind) {
    case BufferKind::Input:
      TESSERA_CHECK(b.source < f.inputs.size && b.segment == 0 &&
                        agrees(b, f.inputs[b.source].type, f.inputs[b.source].dims.size),
                    "buffer %u does not agree with its input", i);
      f.inputBuffers[uint32_t(b.space)][b.source] = i;
      break;
    case BufferKind::Output:
      TESSERA_CHECK(b.source < f.outputs.size &&
                        agrees(b, f.outputs[b.source].type, f.outputs[b.source].dims.size),
                    "buffer %u does not agree with its output", i);
      TESSERA_CHECK(f.outputBuffers[uint32_t(b.space)][b.source] == kNoBuffer,
                    "output '%s' has two buffers", f.outputs[b.source].name);
      f.outputBuffers[uint32_t(b.space)][b.source] = i;
      break;
    case BufferKind::Constant:
      TESSERA_CHECK(b.source < constants.size &&
                        agreesWithShape(b, constants[b.source].type, constants[b.source].dims),
                    "buffer %u does not agree with its constant", i);
      break;
    case BufferKind::Variable:
      TESSERA_CHECK(b.source < variables.size &&
                        agreesWithShape(b, variables[b.source].type, variables[b.source].dims),
                    "buffer %u does not agree with its variable", i);
      break;
    case BufferKind::Temp:
      TESSERA_CHECK(b.first <= b.last && b.last < f.instructions.size,
                    "buffer %u has an impossible live range", i);
      break;
    case BufferKind::View:
      TESSERA_CHECK(b.source < i && f.buffers[b.source].segment <= b.segment,
                    "buffer %u is a view of buffer %u, which comes later", i, b.source);
      TESSERA_CHECK(b.strides.empty() || b.strides.size == b.dims.size,
                    "buffer %u has %zu dimensions and %zu strides", i, b.dims.size, b.strides.size);
      TESSERA_CHECK(b.space == f.buffers[b.source].space,
                    "buffer %u is a view of buffer %u in another space", i, b.source);
      b.root = f.buffers[b.source].root;
      break;
    }
    TESSERA_CHECK(b.kind != BufferKind::Variable || b.space == Space::Kernels,
                  "buffer %u is a variable in the host's memory", i);
  }
  for (size_t i = 0; i < f.outputs.size; ++i)
    TESSERA_CHECK(f.outputBuffers[0][i] != kNoBuffer || f.outputBuffers[1][i] != kNoBuffer,
                  "output '%s' has no buffer", f.outputs[i].name);
  return {};
}

Status Checker::instruction(uint32_t index, const Instruction &x) {
  TESSERA_CHECK(index >= f.prologue || isScalar(x.op) || x.op == Opcode::Assert,
                "the prologue may only compute");
  switch (x.op) {
  case Opcode::Const: return reg(x.dst);
  case Opcode::Move: TESSERA_TRY(reg(x.dst)); return reg(x.a);
  case Opcode::Select: TESSERA_TRY(reg(x.c)); [[fallthrough]];
  case Opcode::Add:
  case Opcode::Sub:
  case Opcode::Mul:
  case Opcode::FloorDiv:
  case Opcode::CeilDiv:
  case Opcode::Mod:
  case Opcode::Min:
  case Opcode::Max:
  case Opcode::Compare:
    TESSERA_TRY(reg(x.dst));
    TESSERA_TRY(reg(x.a));
    return reg(x.b);
  case Opcode::LoadScalar:
    TESSERA_TRY(reg(x.dst));
    TESSERA_TRY(reg(x.b));
    TESSERA_TRY(use(index, x.a, false));
    TESSERA_TRY(dense(x.a));
    noteRead(x.a);
    TESSERA_CHECK(info(f.buffers[x.a].type).isInteger, "buffer %u holds no integers", x.a);
    return {};
  case Opcode::StoreScalar:
    TESSERA_TRY(reg(x.a));
    TESSERA_TRY(reg(x.b));
    TESSERA_TRY(use(index, x.dst, true));
    TESSERA_TRY(dense(x.dst));
    TESSERA_CHECK(info(f.buffers[x.dst].type).isInteger, "buffer %u holds no integers", x.dst);
    return {};
  case Opcode::Launch: return launch(index, x);
  case Opcode::Copy:
    TESSERA_TRY(use(index, x.dst, true));
    TESSERA_TRY(use(index, x.a, false));
    TESSERA_TRY(dense(x.dst));
    TESSERA_TRY(dense(x.a));
    TESSERA_CHECK(f.buffers[x.dst].type == f.buffers[x.a].type, "a copy cannot change the type");
    return computes(x.dst).ok() ? computes(x.a) : computes(x.dst);
  case Opcode::Fill:
    TESSERA_TRY(use(index, x.dst, true));
    TESSERA_TRY(dense(x.dst));
    return computes(x.dst);
  case Opcode::Upload:
  case Opcode::Download: return transfer(index, x);
  case Opcode::Await: return use(index, x.a, false);
  case Opcode::Assert:
    TESSERA_CHECK(x.b < f.messages.size, "message %u does not exist", x.b);
    return reg(x.a);
  case Opcode::Jump: return target(x.a);
  case Opcode::Branch:
    TESSERA_TRY(reg(x.a));
    TESSERA_TRY(target(x.b));
    return target(x.c);
  case Opcode::Return: break;
  case Opcode::Plan:
    TESSERA_CHECK(x.a >= 1 && x.a < f.segments.size,
                  "plan segment %u does not exist, or is 0, which starts by itself", x.a);
    break;
  case Opcode::BindView:
    TESSERA_CHECK(x.a < f.buffers.size && f.buffers[x.a].kind == BufferKind::View,
                  "buffer %u is no view", x.a);
    f.buffers[x.a].isRebound = true;
    break;
  }
  return {};
}

Status Checker::launch(uint32_t index, const Instruction &x) {
  TESSERA_CHECK(x.a < kernels.size, "kernel %u does not exist", x.a);
  const Kernel &kernel = kernels[x.a];
  TESSERA_CHECK(x.c == kernel.args.size && x.b <= f.operands.size && x.c <= f.operands.size - x.b,
                "kernel '%s' takes %zu arguments, not %u", kernel.name, kernel.args.size, x.c);
  for (uint32_t i = 0; i < x.c; ++i) {
    const KernelArg &arg = kernel.args[i];
    const uint32_t operand = f.operands[x.b + i];
    if (arg.kind == KernelArgKind::Scalar) {
      TESSERA_TRY(reg(operand));
      continue;
    }
    TESSERA_TRY(use(index, operand, arg.kind == KernelArgKind::Output));
    if (!kernel.host)
      TESSERA_TRY(computes(operand));
    else if (arg.kind == KernelArgKind::Input)
      noteRead(operand);
    const Buffer &buffer = f.buffers[operand];
    TESSERA_CHECK(buffer.type == arg.type && buffer.dims.size == arg.rank,
                  "argument %u of kernel '%s' is %s of rank %u, buffer %u is %s of rank %zu", i,
                  kernel.name, info(arg.type).name, arg.rank, operand, info(buffer.type).name,
                  buffer.dims.size);
    const bool innerOne =
        buffer.strides.empty() || arg.rank == 0 || buffer.strides[arg.rank - 1] == Dim{1, false};
    TESSERA_CHECK(arg.strides == StrideRule::Any || buffer.strides.empty() ||
                      (arg.strides == StrideRule::InnerOne && innerOne),
                  "argument %u of kernel '%s' cannot have the strides of buffer %u", i, kernel.name,
                  operand);
  }
  if (x.dst != kNoRegister)
    TESSERA_TRY(reg(x.dst));
  if (x.d != kNoRegister)
    TESSERA_TRY(reg(x.d));
  if (x.c > f.maxArgs)
    f.maxArgs = x.c;
  return {};
}

// An upload is the one way to write an input: its other buffer.
Status Checker::transfer(uint32_t index, const Instruction &x) {
  const bool isUpload = x.op == Opcode::Upload;
  TESSERA_CHECK(x.dst < f.buffers.size && x.a < f.buffers.size, "buffer %u or %u does not exist",
                x.dst, x.a);
  const Buffer &to = f.buffers[x.dst], &from = f.buffers[x.a];
  const bool isOfInput = isUpload && to.kind == BufferKind::Input && from.kind == to.kind,
             isOfOutput = !isUpload && to.kind == BufferKind::Output && from.kind == to.kind;
  TESSERA_TRY(use(index, x.dst, !isOfInput));
  TESSERA_TRY(use(index, x.a, false));
  TESSERA_TRY(dense(x.dst));
  TESSERA_TRY(dense(x.a));
  TESSERA_CHECK(to.type == from.type, "a copy cannot change the type");
  TESSERA_CHECK(to.space == (isUpload ? Space::Kernels : Space::Host) && to.space != from.space,
                "buffers %u and %u are not in the spaces of this copy", x.dst, x.a);
  TESSERA_CHECK((!isOfInput && !isOfOutput) || to.source == from.source,
                "buffers %u and %u are not of one tensor", x.dst, x.a);
  TESSERA_CHECK(x.imm == 0 || (x.imm == 1 && (isOfInput || isOfOutput)),
                "a copy that is of no input or output cannot go beside launches");
  return {};
}

// A view whose source is bound late has to be bound late as well.
Status Checker::views() {
  for (uint32_t i = 0; i < f.buffers.size; ++i) {
    const Buffer &b = f.buffers[i];
    TESSERA_CHECK(b.kind != BufferKind::View || !f.buffers[b.source].isRebound || b.isRebound,
                  "buffer %u is a view of buffer %u and needs a bind instruction as well", i,
                  b.source);
  }
  return {};
}

// Segment 0 is planned from what symbols and prologue give; anything else would silently read 0.
Status Checker::prologue() {
  auto *isSet = arena.array<bool>(f.registers);
  if (!isSet)
    return Status::outOfMemory();
  for (size_t i = 0; i < f.symbols.size; ++i)
    isSet[i] = true;
  for (uint32_t i = 0; i < f.prologue; ++i) {
    const Instruction &x = f.instructions[i];
    const bool needsA = x.op != Opcode::Const, needsB = x.op > Opcode::Move && isScalar(x.op);
    TESSERA_CHECK((!needsA || isSet[x.a]) && (!needsB || isSet[x.b]) &&
                      (x.op != Opcode::Select || isSet[x.c]),
                  "instruction %u of the prologue reads a register that is not set", i);
    if (x.op != Opcode::Assert)
      isSet[x.dst] = true;
  }
  const auto known = [&](const Dim &dim) { return !dim.isRegister || isSet[dim.value]; };
  for (const TensorSignature &input : f.inputs)
    for (const Dim &dim : input.dims)
      TESSERA_CHECK(known(dim), "an extent of input '%s' is computed too late", input.name);
  for (uint32_t i = 0; i < f.buffers.size; ++i) {
    const Buffer &b = f.buffers[i];
    if (b.segment != 0 || b.isRebound)
      continue;
    bool isKnown = known(b.offset);
    for (const Dim &dim : b.dims)
      isKnown &= known(dim);
    for (const Dim &dim : b.strides)
      isKnown &= known(dim);
    TESSERA_CHECK(isKnown, "the size of buffer %u is computed after its plan", i);
  }
  return {};
}

// A temporary that is alive when a loop begins must not be given up before the loop ends.
Status Checker::loop(uint32_t index, const Instruction &x) {
  const uint32_t targets[2] = {x.op == Opcode::Jump ? x.a : x.b, x.op == Opcode::Jump ? x.a : x.c};
  if (x.op != Opcode::Jump && x.op != Opcode::Branch) {
    TESSERA_CHECK(index + 1 < f.instructions.size || x.op == Opcode::Return,
                  "the program runs off its end");
    return {};
  }
  for (uint32_t t : targets) {
    if (t > index)
      continue;
    for (uint32_t b = 0; b < f.buffers.size; ++b) {
      const Buffer &buffer = f.buffers[b];
      TESSERA_CHECK(buffer.kind != BufferKind::Temp || buffer.first >= t || buffer.last < t ||
                        buffer.last >= index,
                    "buffer %u lives from %u to %u, which ends inside the loop from %u to %u", b,
                    buffer.first, buffer.last, t, index);
    }
  }
  return {};
}

// Lists what each plan segment holds and depends on.
Status Checker::segments() {
  auto *counts = arena.array<uint32_t>(f.segments.size);
  auto *seen = arena.array<uint32_t>(f.registers); // segment + 1 that last listed a register
  if (!counts || !seen)
    return Status::outOfMemory();
  for (const Buffer &b : f.buffers)
    ++counts[b.segment];
  for (size_t s = 0; s < f.segments.size; ++s) {
    f.segments[s].buffers = {arena.array<uint32_t>(counts[s]), 0};
    if (!f.segments[s].buffers.data)
      return Status::outOfMemory();
  }
  for (uint32_t i = 0; i < f.buffers.size; ++i) {
    Span<uint32_t> &list = f.segments[f.buffers[i].segment].buffers;
    list.data[list.size++] = i;
  }
  Span<uint32_t> &symbols = f.segments[0].keys;
  symbols = {arena.array<uint32_t>(f.symbols.size), f.symbols.size};
  if (!symbols.data)
    return Status::outOfMemory();
  for (uint32_t i = 0; i < symbols.size; ++i)
    symbols[i] = i;
  for (uint32_t s = 1; s < f.segments.size; ++s) {
    PlanSegment &segment = f.segments[s];
    for (const bool count : {true, false}) {
      size_t size = 0;
      const uint32_t mark = s * 2 + (count ? 1 : 2);
      const auto visit = [&](const Dim &dim) {
        if (!dim.isRegister || seen[dim.value] == mark)
          return;
        seen[dim.value] = mark;
        if (!count)
          segment.keys[size] = uint32_t(dim.value);
        ++size;
      };
      for (uint32_t index : segment.buffers) {
        const Buffer &b = f.buffers[index];
        if (b.isRebound)
          continue;
        for (const Dim &dim : b.dims)
          visit(dim);
        for (const Dim &dim : b.strides)
          visit(dim);
        visit(b.offset);
      }
      if (count) {
        segment.keys = {arena.array<uint32_t>(size), size};
        if (!segment.keys.data)
          return Status::outOfMemory();
      }
    }
  }
  return {};
}

} // namespace

Status verifyFunction(Function &function, Span<Kernel> kernels, Span<Constant> constants,
                      Span<Variable> variables, Arena &arena) {
  return Checker(function, kernels, constants, variables, arena).run();
}

Status verifySpaces(const Function &function, Span<Kernel> kernels) {
  const auto isOfHost = [&](uint32_t b) { return function.buffers[b].space == Space::Host; };
  for (uint32_t i = 0; i < function.instructions.size; ++i) {
    const Instruction &x = function.instructions[i];
    bool isGood = true;
    if (x.op == Opcode::LoadScalar || x.op == Opcode::StoreScalar)
      isGood = isOfHost(x.op == Opcode::LoadScalar ? x.a : x.dst);
    else if (x.op == Opcode::Launch && kernels[x.a].host)
      for (uint32_t operand = 0; operand < x.c; ++operand)
        isGood &= isOfHost(function.operands[x.b + operand]);
    TESSERA_CHECK(isGood,
                  "instruction %u of function '%s' looks at the device's memory from the host", i,
                  function.name);
  }
  for (size_t o = 0; o < function.outputs.size; ++o)
    TESSERA_CHECK(function.outputBuffers[uint32_t(Space::Host)][o] != kNoBuffer,
                  "output '%s' of function '%s' never comes to the host", function.outputs[o].name,
                  function.name);
  return {};
}

} // namespace tessera::rt
