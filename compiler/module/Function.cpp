// Builders of bytecode: one line per instruction form, so that operand places are written down
// once.
#include "compiler/module/ModuleWriter.h"

namespace tessera::module {

uint32_t Function::constant(uint32_t dst, int64_t value) {
  return emit({.op = Opcode::Const, .dst = dst, .imm = value});
}
uint32_t Function::binary(Opcode op, uint32_t dst, uint32_t a, uint32_t b) {
  return emit({.op = op, .dst = dst, .a = a, .b = b});
}
uint32_t Function::move(uint32_t dst, uint32_t a) {
  return emit({.op = Opcode::Move, .dst = dst, .a = a});
}
uint32_t Function::compare(CompareKind kind, uint32_t dst, uint32_t a, uint32_t b) {
  return emit({.op = Opcode::Compare, .kind = kind, .dst = dst, .a = a, .b = b});
}
uint32_t Function::select(uint32_t dst, uint32_t condition, uint32_t ifTrue, uint32_t ifFalse) {
  return emit({.op = Opcode::Select, .dst = dst, .a = ifTrue, .b = ifFalse, .c = condition});
}
uint32_t Function::loadScalar(uint32_t dst, uint32_t buffer, uint32_t indexRegister) {
  return emit({.op = Opcode::LoadScalar, .dst = dst, .a = buffer, .b = indexRegister});
}
uint32_t Function::storeScalar(uint32_t buffer, uint32_t indexRegister, uint32_t value) {
  return emit({.op = Opcode::StoreScalar, .dst = buffer, .a = value, .b = indexRegister});
}
uint32_t Function::launch(uint32_t kernel, const std::vector<uint32_t> &args,
                          uint32_t flopsRegister, uint32_t bytesRegister) {
  const uint32_t begin = uint32_t(operands.size());
  operands.insert(operands.end(), args.begin(), args.end());
  return emit({.op = Opcode::Launch,
               .dst = flopsRegister,
               .a = kernel,
               .b = begin,
               .c = uint32_t(args.size()),
               .d = bytesRegister});
}
uint32_t Function::copy(uint32_t dstBuffer, uint32_t srcBuffer) {
  return emit({.op = Opcode::Copy, .dst = dstBuffer, .a = srcBuffer});
}
uint32_t Function::fill(uint32_t buffer, int64_t pattern) {
  return emit({.op = Opcode::Fill, .dst = buffer, .imm = pattern});
}
uint32_t Function::upload(uint32_t dstBuffer, uint32_t srcBuffer, bool beside) {
  return emit({.op = Opcode::Upload, .dst = dstBuffer, .a = srcBuffer, .imm = beside});
}
uint32_t Function::download(uint32_t dstBuffer, uint32_t srcBuffer, bool beside) {
  return emit({.op = Opcode::Download, .dst = dstBuffer, .a = srcBuffer, .imm = beside});
}
uint32_t Function::await(uint32_t buffer) { return emit({.op = Opcode::Await, .a = buffer}); }
uint32_t Function::assertTrue(uint32_t reg, std::string message) {
  // Extents that a message spells out have no bound of their own; modules do.
  if (message.size() > rt::kMaxNameBytes) {
    size_t end = rt::kMaxNameBytes - 4;
    while (end > 0 && (message[end] & 0xc0) == 0x80) // in the middle of a character
      --end;
    message.replace(end, std::string::npos, " ...");
  }
  messages.push_back(std::move(message));
  return emit({.op = Opcode::Assert, .a = reg, .b = uint32_t(messages.size() - 1)});
}
uint32_t Function::jump(uint32_t target) { return emit({.op = Opcode::Jump, .a = target}); }
uint32_t Function::branch(uint32_t condition, uint32_t ifTrue, uint32_t ifFalse) {
  return emit({.op = Opcode::Branch, .a = condition, .b = ifTrue, .c = ifFalse});
}
uint32_t Function::plan(uint32_t segment) { return emit({.op = Opcode::Plan, .a = segment}); }
uint32_t Function::bindView(uint32_t buffer) { return emit({.op = Opcode::BindView, .a = buffer}); }
uint32_t Function::ret() { return emit({.op = Opcode::Return}); }

} // namespace tessera::module
