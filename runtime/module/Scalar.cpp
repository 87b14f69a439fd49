// Arithmetic on registers.
#include "runtime/base/Checked.h"
#include "runtime/module/Program.h"

namespace tessera::rt {

Status evaluate(const Instruction &x, int64_t *r) {
  bool ok = true;
  switch (x.op) {
  case Opcode::Const: r[x.dst] = x.imm; break;
  case Opcode::Move: r[x.dst] = r[x.a]; break;
  case Opcode::Add: ok = checkedAdd(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::Sub: ok = checkedSub(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::Mul: ok = checkedMul(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::FloorDiv: ok = checkedFloorDiv(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::CeilDiv: ok = checkedCeilDiv(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::Mod: ok = checkedMod(r[x.a], r[x.b], r[x.dst]); break;
  case Opcode::Min: r[x.dst] = r[x.a] < r[x.b] ? r[x.a] : r[x.b]; break;
  case Opcode::Max: r[x.dst] = r[x.a] > r[x.b] ? r[x.a] : r[x.b]; break;
  case Opcode::Compare: {
    const int64_t a = r[x.a], b = r[x.b];
    const bool results[] = {a == b, a != b, a < b, a <= b, b < a, b <= a};
    r[x.dst] = results[uint16_t(x.kind)];
    break;
  }
  case Opcode::Select: r[x.dst] = r[x.c] != 0 ? r[x.a] : r[x.b]; break;
  default: return Status::error(Code::Internal, "opcode %u is no scalar operation", unsigned(x.op));
  }
  if (!ok)
    return Status::error(Code::ArithmeticOverflow,
                         "computing a size overflows 64 bits or divides by zero");
  return {};
}

} // namespace tessera::rt
