// Listings of programs, one line each.
#include "runtime/base/ElementType.h"
#include "runtime/module/Program.h"

#include <cstdarg>
#include <cstdio>

namespace tessera::rt {
namespace {

// Appends like snprintf; counts what does not fit.
class Line {
public:
  Line(char *text, size_t size) : text(text), size(size) {
    if (size)
      text[0] = 0;
  }
  void add(const char *format, ...) __attribute__((format(printf, 2, 3))) {
    va_list args;
    va_start(args, format);
    const size_t room = used < size ? size - used : 0;
    const int added = std::vsnprintf(room ? text + used : nullptr, room, format, args);
    va_end(args);
    used += added > 0 ? size_t(added) : 0;
  }
  void add(const Dim &dim) { add(dim.isRegister ? "r%lld" : "%lld", (long long)dim.value); }
  void add(Span<Dim> dims) {
    add("[");
    for (size_t i = 0; i < dims.size; ++i) {
      if (i)
        add(", ");
      add(dims[i]);
    }
    add("]");
  }
  size_t used = 0;

private:
  char *text;
  size_t size;
};

} // namespace

size_t formatBuffer(const Function &function, uint32_t index, char *text, size_t size) {
  static const char *const kinds[] = {"input", "output", "constant", "temp", "variable", "view of"};
  const Buffer &buffer = function.buffers[index];
  Line line(text, size);
  line.add("b%u = %s", index, kinds[uint8_t(buffer.kind)]);
  if (buffer.kind != BufferKind::Temp)
    line.add(buffer.kind == BufferKind::View ? " b%u" : " %u", buffer.source);
  line.add(" %s ", info(buffer.type).name);
  line.add(buffer.dims);
  if (buffer.kind == BufferKind::View) {
    line.add(" offset ");
    line.add(buffer.offset);
    if (!buffer.strides.empty()) {
      line.add(" strides ");
      line.add(buffer.strides);
    }
  }
  if (buffer.kind == BufferKind::Temp)
    line.add(" live %u..%u", buffer.first, buffer.last);
  if (buffer.segment)
    line.add(" segment %u", buffer.segment);
  if (buffer.space == Space::Host)
    line.add(" on the host");
  return line.used;
}

size_t formatInstruction(const Variant &variant, const Function &function, uint32_t index,
                         char *text, size_t size) {
  static const char *const names[] = {
      "const",  "move",      "add",    "sub",      "mul",    "floordiv",    "ceildiv",
      "mod",    "min",       "max",    "compare",  "select", "load_scalar", "store_scalar",
      "launch", "copy",      "fill",   "assert",   "jump",   "branch",      "return",
      "plan",   "bind_view", "upload", "download", "await"};
  static const char *const comparisons[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  const Instruction &x = function.instructions[index];
  Line line(text, size);
  line.add("%u: %s", index, names[uint16_t(x.op)]);
  switch (x.op) {
  case Opcode::Const: line.add(" r%u = %lld", x.dst, (long long)x.imm); break;
  case Opcode::Move: line.add(" r%u = r%u", x.dst, x.a); break;
  case Opcode::Compare:
    line.add(" r%u = r%u %s r%u", x.dst, x.a, comparisons[uint16_t(x.kind)], x.b);
    break;
  case Opcode::Select: line.add(" r%u = r%u ? r%u : r%u", x.dst, x.c, x.a, x.b); break;
  case Opcode::LoadScalar: line.add(" r%u = b%u[r%u]", x.dst, x.a, x.b); break;
  case Opcode::StoreScalar: line.add(" b%u[r%u] = r%u", x.dst, x.b, x.a); break;
  case Opcode::Launch: {
    const Kernel &kernel = variant.kernels[x.a];
    line.add(" %s(", kernel.name);
    for (uint32_t i = 0; i < x.c; ++i) {
      const bool isScalar = kernel.args[i].kind == KernelArgKind::Scalar;
      line.add("%s%s%u", i ? ", " : "", isScalar ? "r" : "b", function.operands[x.b + i]);
    }
    line.add(")");
    break;
  }
  case Opcode::Copy: line.add(" b%u = b%u", x.dst, x.a); break;
  case Opcode::Upload:
  case Opcode::Download: line.add(" b%u = b%u%s", x.dst, x.a, x.imm ? " beside" : ""); break;
  case Opcode::Await: line.add(" b%u", x.a); break;
  case Opcode::Fill: line.add(" b%u = 0x%llx", x.dst, (unsigned long long)x.imm); break;
  case Opcode::Assert: line.add(" r%u \"%s\"", x.a, function.messages[x.b]); break;
  case Opcode::Jump: line.add(" %u", x.a); break;
  case Opcode::Branch: line.add(" r%u ? %u : %u", x.a, x.b, x.c); break;
  case Opcode::Return: break;
  case Opcode::Plan: line.add(" %u", x.a); break;
  case Opcode::BindView: line.add(" b%u", x.a); break;
  default: line.add(" r%u = r%u, r%u", x.dst, x.a, x.b); break;
  }
  return line.used;
}

size_t formatKernelArg(const KernelArg &arg, char *text, size_t size) {
  Line line(text, size);
  if (arg.kind == KernelArgKind::Scalar)
    line.add("scalar");
  else
    line.add("%s %s rank %u", arg.kind == KernelArgKind::Input ? "input" : "output",
             info(arg.type).name, arg.rank);
  return line.used;
}

} // namespace tessera::rt
