//===- EmitFunction.cpp - LLVM IR of one function of a module -------------------------------===//
#include "compiler/standalone/EmitFunction.h"

#include "runtime/base/ElementType.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Intrinsics.h"

using namespace tessera;
using namespace tessera::standalone;
using llvm::BasicBlock;
using llvm::Value;

uint32_t ObjectParts::codeOf(const std::string &message) {
  auto found = llvm::find(messages, message);
  if (found == messages.end())
    found = messages.insert(found, message);
  return uint32_t(found - messages.begin());
}

FunctionEmitter::FunctionEmitter(ObjectParts &parts, const rt::Function &function,
                                 const FunctionLayout &layout, const std::string &name)
    : parts(parts), function(function), layout(layout), b(parts.to.getContext()) {
  const bool hasState = parts.state.bytes != 0;
  std::vector<llvm::Type *> types(function.inputs.size + function.outputs.size + hasState + 1,
                                  b.getPtrTy());
  target = llvm::Function::Create(llvm::FunctionType::get(b.getInt32Ty(), types, false),
                                  llvm::Function::ExternalLinkage, name, parts.to);
  arena = target->getArg(unsigned(types.size() - 1));
  if (hasState)
    state = target->getArg(unsigned(types.size() - 2));
  dims.resize(function.buffers.size);
}

//===----------------------------------------------------------------------===//
// The frame
//===----------------------------------------------------------------------===//

void FunctionEmitter::makeBlocks() {
  blocks.resize(function.instructions.size + 1);
  auto begin = [&](uint32_t index) {
    if (!blocks[index])
      blocks[index] = BasicBlock::Create(b.getContext(), "i" + llvm::Twine(index), target);
  };
  begin(function.prologue);
  for (uint32_t i = function.prologue; i < function.instructions.size; ++i) {
    const rt::Instruction &x = function.instructions[i];
    if (x.op == rt::Opcode::Jump) {
      begin(x.a);
      begin(i + 1);
    } else if (x.op == rt::Opcode::Branch) {
      begin(x.b);
      begin(x.c);
      begin(i + 1);
    } else if (x.op == rt::Opcode::Return) {
      begin(i + 1);
    }
  }
}

void FunctionEmitter::makeSlots() {
  llvm::Type *word = b.getInt64Ty(), *pointer = b.getPtrTy();
  for (int64_t value : layout.registers) {
    registers.push_back(b.CreateAlloca(word));
    b.CreateStore(b.getInt64(value), registers.back());
  }
  for (size_t i = 0; i < parts.module.variables.size; ++i) {
    llvm::AllocaInst *written = b.CreateAlloca(b.getInt1Ty()), *current = b.CreateAlloca(pointer);
    b.CreateStore(b.getFalse(), written);
    Value *number = b.CreateLoad(b.getInt32Ty(), at(state, 4 * i));
    b.CreateStore(b.CreateSelect(b.CreateICmpEQ(number, b.getInt32(0)),
                                 at(state, parts.state.first[i]), at(state, parts.state.second[i])),
                  current);
    isWritten.push_back(written);
    seen.push_back(current);
  }
  llvm::Type *buffer = llvm::ArrayType::get(word, sizeof(rt::KernelBuffer) / 8);
  for (uint32_t i = 0; i < function.maxArgs; ++i) {
    scalarSlots.push_back(b.CreateAlloca(word));
    bufferSlots.push_back(b.CreateAlloca(buffer));
    b.CreateStore(llvm::Constant::getNullValue(buffer), bufferSlots.back());
  }
  arguments = b.CreateAlloca(llvm::ArrayType::get(pointer, std::max(function.maxArgs, 1u)));
  reported = b.CreateAlloca(b.getInt32Ty());
  context = b.CreateAlloca(llvm::ArrayType::get(word, sizeof(rt::KernelContext) / 8));
  b.CreateStore(b.getInt64(rt::kKernelAbiVersion | uint64_t(sizeof(rt::KernelContext)) << 32),
                context);
  b.CreateStore(parts.parallelFor, at(context, offsetof(rt::KernelContext, parallelFor)));
  b.CreateStore(parts.report, at(context, offsetof(rt::KernelContext, report)));
  b.CreateStore(parts.never, at(context, offsetof(rt::KernelContext, cancel)));
  b.CreateStore(reported, at(context, offsetof(rt::KernelContext, runtime)));
  b.CreateStore(b.getInt64(1), at(context, offsetof(rt::KernelContext, threads)));
}

void FunctionEmitter::checkAlignment() {
  Value *bits = b.getInt64(0);
  if (layout.arenaBytes)
    bits = b.CreateOr(bits, b.CreatePtrToInt(arena, b.getInt64Ty()));
  if (state)
    bits = b.CreateOr(bits, b.CreatePtrToInt(state, b.getInt64Ty()));
  Value *low = b.CreateAnd(bits, b.getInt64(rt::kBufferAlignment - 1));
  require(b.CreateICmpEQ(low, b.getInt64(0)), parts.messages[1]);
}

void FunctionEmitter::emit() {
  b.SetInsertPoint(BasicBlock::Create(b.getContext(), "entry", target));
  makeBlocks();
  makeSlots();
  checkAlignment();
  b.CreateBr(blocks[function.prologue]);
  for (uint32_t i = function.prologue; i < function.instructions.size; ++i) {
    if (blocks[i]) {
      if (!b.GetInsertBlock()->getTerminator())
        b.CreateBr(blocks[i]);
      b.SetInsertPoint(blocks[i]);
    }
    emit(function.instructions[i]);
  }
  // Behind the last return: nothing leads there.
  b.SetInsertPoint(blocks.back());
  b.CreateUnreachable();
}

void FunctionEmitter::require(Value *condition, const std::string &message) {
  BasicBlock *good = BasicBlock::Create(b.getContext(), "good", target),
             *bad = BasicBlock::Create(b.getContext(), "bad", target);
  b.CreateCondBr(condition, good, bad);
  b.SetInsertPoint(bad);
  b.CreateRet(b.getInt32(parts.codeOf(message)));
  b.SetInsertPoint(good);
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Value *FunctionEmitter::reg(uint32_t index) {
  return b.CreateLoad(b.getInt64Ty(), registers[index]);
}
void FunctionEmitter::setReg(uint32_t index, Value *value) {
  b.CreateStore(value, registers[index]);
}

static const char *const kOverflow = "computing a size overflows 64 bits or divides by zero";

Value *FunctionEmitter::checked(llvm::Intrinsic::ID id, Value *a, Value *c) {
  Value *pair = b.CreateBinaryIntrinsic(id, a, c);
  require(b.CreateNot(b.CreateExtractValue(pair, 1)), kOverflow);
  return b.CreateExtractValue(pair, 0);
}

/// Rounds to minus infinity. The remainder has the sign of the divisor.
Value *FunctionEmitter::divideFloor(Value *a, Value *c, Value *&remainder) {
  Value *zero = b.getInt64(0);
  Value *isOverflow =
      b.CreateAnd(b.CreateICmpEQ(a, b.getInt64(INT64_MIN)), b.CreateICmpEQ(c, b.getInt64(-1)));
  require(b.CreateNot(b.CreateOr(isOverflow, b.CreateICmpEQ(c, zero))), kOverflow);
  Value *quotient = b.CreateSDiv(a, c), *rest = b.CreateSRem(a, c);
  Value *isBelow =
      b.CreateAnd(b.CreateICmpNE(rest, zero), b.CreateICmpSLT(b.CreateXor(rest, c), zero));
  remainder = b.CreateSelect(isBelow, b.CreateAdd(rest, c), rest);
  return b.CreateSelect(isBelow, b.CreateSub(quotient, b.getInt64(1)), quotient);
}

void FunctionEmitter::emitScalar(const rt::Instruction &x) {
  using llvm::CmpInst;
  using rt::Opcode;
  Value *remainder = nullptr;
  switch (x.op) {
  case Opcode::Const: return setReg(x.dst, b.getInt64(uint64_t(x.imm)));
  case Opcode::Move: return setReg(x.dst, reg(x.a));
  case Opcode::Select: {
    Value *isTrue = b.CreateICmpNE(reg(x.c), b.getInt64(0));
    return setReg(x.dst, b.CreateSelect(isTrue, reg(x.a), reg(x.b)));
  }
  default: break;
  }
  Value *a = reg(x.a), *c = reg(x.b);
  switch (x.op) {
  case Opcode::Add: return setReg(x.dst, checked(llvm::Intrinsic::sadd_with_overflow, a, c));
  case Opcode::Sub: return setReg(x.dst, checked(llvm::Intrinsic::ssub_with_overflow, a, c));
  case Opcode::Mul: return setReg(x.dst, checked(llvm::Intrinsic::smul_with_overflow, a, c));
  case Opcode::Min: return setReg(x.dst, b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, c));
  case Opcode::Max: return setReg(x.dst, b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, c));
  case Opcode::FloorDiv: return setReg(x.dst, divideFloor(a, c, remainder));
  case Opcode::CeilDiv: {
    Value *quotient = divideFloor(a, c, remainder);
    Value *isAbove = b.CreateZExt(b.CreateICmpNE(remainder, b.getInt64(0)), b.getInt64Ty());
    return setReg(x.dst, b.CreateAdd(quotient, isAbove));
  }
  case Opcode::Mod: divideFloor(a, c, remainder); return setReg(x.dst, remainder);
  case Opcode::Compare: {
    constexpr CmpInst::Predicate predicates[] = {CmpInst::ICMP_EQ,  CmpInst::ICMP_NE,
                                                 CmpInst::ICMP_SLT, CmpInst::ICMP_SLE,
                                                 CmpInst::ICMP_SGT, CmpInst::ICMP_SGE};
    Value *result = b.CreateICmp(predicates[uint16_t(x.kind)], a, c);
    return setReg(x.dst, b.CreateZExt(result, b.getInt64Ty()));
  }
  default: llvm_unreachable("the verifier knows all opcodes");
  }
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value *FunctionEmitter::at(Value *base, uint64_t offset) {
  return offset ? b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, offset) : base;
}

Value *FunctionEmitter::address(uint32_t index) {
  const rt::Buffer &buffer = function.buffers[index];
  const uint64_t offset = layout.buffers[index].offset;
  switch (buffer.kind) {
  case rt::BufferKind::Input: return target->getArg(buffer.source);
  case rt::BufferKind::Output:
    return target->getArg(unsigned(function.inputs.size) + buffer.source);
  case rt::BufferKind::Constant: return parts.constants[buffer.source];
  case rt::BufferKind::Variable: return b.CreateLoad(b.getPtrTy(), seen[buffer.source]);
  case rt::BufferKind::Temp: return at(arena, offset);
  case rt::BufferKind::View: return at(address(buffer.source), offset);
  }
  llvm_unreachable("the verifier knows all kinds");
}

/// The first write of a call to a variable goes on in its other copy, so that a call that fails has
/// changed nothing.
void FunctionEmitter::beginWrite(uint32_t index, bool isComplete) {
  const rt::Buffer &root = function.buffers[rootOf(index)];
  if (root.kind != rt::BufferKind::Variable)
    return;
  const uint32_t variable = root.source;
  BasicBlock *first = BasicBlock::Create(b.getContext(), "write", target),
             *rest = BasicBlock::Create(b.getContext(), "written", target);
  b.CreateCondBr(b.CreateLoad(b.getInt1Ty(), isWritten[variable]), rest, first);
  b.SetInsertPoint(first);
  Value *from = b.CreateLoad(b.getPtrTy(), seen[variable]);
  Value *copies[] = {at(state, parts.state.first[variable]),
                     at(state, parts.state.second[variable])};
  Value *to = b.CreateSelect(b.CreateICmpEQ(from, copies[0]), copies[1], copies[0]);
  const llvm::Align alignment(rt::kBufferAlignment);
  if (!isComplete)
    b.CreateMemCpy(to, alignment, from, alignment, parts.module.variables[variable].bytes);
  b.CreateStore(to, seen[variable]);
  b.CreateStore(b.getTrue(), isWritten[variable]);
  b.CreateBr(rest);
  b.SetInsertPoint(rest);
}

static bool covers(const rt::Module &module, const rt::Buffer &root, uint64_t bytes) {
  return root.kind == rt::BufferKind::Variable && bytes == module.variables[root.source].bytes;
}

void FunctionEmitter::emitCopy(const rt::Instruction &x) {
  const BufferLayout &to = layout.buffers[x.dst], &from = layout.buffers[x.a];
  if (to.elements != from.elements) {
    require(b.getFalse(), "a copy between tensors of " + std::to_string(from.elements) + " and " +
                              std::to_string(to.elements) + " elements");
    return;
  }
  if (!to.bytes)
    return;
  // Before the write begins: the source may be the variable's old value.
  Value *source = address(x.a);
  beginWrite(x.dst, covers(parts.module, function.buffers[rootOf(x.dst)], to.bytes));
  b.CreateMemMove(address(x.dst), llvm::Align(), source, llvm::Align(), to.bytes);
}

void FunctionEmitter::emitFill(const rt::Instruction &x) {
  const BufferLayout &to = layout.buffers[x.dst];
  if (!to.bytes)
    return;
  beginWrite(x.dst, covers(parts.module, function.buffers[rootOf(x.dst)], to.bytes));
  llvm::Type *element = b.getIntNTy(8 * rt::info(function.buffers[x.dst].type).bytes);
  Value *base = address(x.dst);
  BasicBlock *before = b.GetInsertBlock(),
             *loop = BasicBlock::Create(b.getContext(), "fill", target),
             *after = BasicBlock::Create(b.getContext(), "filled", target);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode *index = b.CreatePHI(b.getInt64Ty(), 2);
  b.CreateAlignedStore(b.CreateTrunc(b.getInt64(uint64_t(x.imm)), element),
                       b.CreateGEP(element, base, index), llvm::Align());
  Value *next = b.CreateAdd(index, b.getInt64(1));
  index->addIncoming(b.getInt64(0), before);
  index->addIncoming(next, loop);
  b.CreateCondBr(b.CreateICmpEQ(next, b.getInt64(uint64_t(to.elements))), after, loop);
  b.SetInsertPoint(after);
}

Value *FunctionEmitter::elementAt(uint32_t buffer, Value *index, const char *what) {
  const int64_t elements = layout.buffers[buffer].elements;
  require(b.CreateICmpULT(index, b.getInt64(uint64_t(elements))),
          "an element outside of a tensor of " + std::to_string(elements) + " is " + what);
  llvm::Type *element = b.getIntNTy(8 * rt::info(function.buffers[buffer].type).bytes);
  return b.CreateGEP(element, address(buffer), index);
}

void FunctionEmitter::emitLoad(const rt::Instruction &x) {
  const rt::ElementType type = function.buffers[x.a].type;
  const rt::ElementTypeInfo &info = rt::info(type);
  llvm::Type *element = b.getIntNTy(8 * info.bytes), *word = b.getInt64Ty();
  Value *value = b.CreateAlignedLoad(element, elementAt(x.a, reg(x.b), "read"), llvm::Align());
  if (type == rt::ElementType::Bool)
    value = b.CreateZExt(b.CreateICmpNE(value, llvm::ConstantInt::get(element, 0)), word);
  else
    value = info.kernelType.code == rt::TypeCode::Int ? b.CreateSExt(value, word)
                                                      : b.CreateZExt(value, word);
  setReg(x.dst, value);
}

void FunctionEmitter::emitStore(const rt::Instruction &x) {
  beginWrite(x.dst, false);
  const rt::ElementType type = function.buffers[x.dst].type;
  Value *value = reg(x.a);
  if (type == rt::ElementType::Bool)
    value = b.CreateZExt(b.CreateICmpNE(value, b.getInt64(0)), b.getInt64Ty());
  value = b.CreateTrunc(value, b.getIntNTy(8 * rt::info(type).bytes));
  b.CreateAlignedStore(value, elementAt(x.dst, reg(x.b), "written"), llvm::Align());
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The KernelDims of a buffer, innermost first.
llvm::Constant *FunctionEmitter::dimsOf(uint32_t index) {
  if (dims[index])
    return dims[index];
  const BufferLayout &buffer = layout.buffers[index];
  std::vector<uint32_t> numbers;
  for (size_t d = buffer.dims.size(); d-- > 0;)
    numbers.insert(numbers.end(), {0, uint32_t(buffer.dims[d]), uint32_t(buffer.strides[d]), 0});
  llvm::Constant *value = llvm::ConstantDataArray::get(b.getContext(), numbers);
  auto *global = new llvm::GlobalVariable(parts.to, value->getType(), true,
                                          llvm::GlobalValue::PrivateLinkage, value, "dims");
  global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  return dims[index] = global;
}

/// Kernels clamp indices into empty tensors: what they read there (see Context::bindEmptyInputs).
Value *FunctionEmitter::zeros(uint64_t bytes) {
  llvm::Type *type = llvm::ArrayType::get(b.getInt8Ty(), bytes + rt::kBufferAlignment);
  auto *global = new llvm::GlobalVariable(parts.to, type, true, llvm::GlobalValue::PrivateLinkage,
                                          llvm::Constant::getNullValue(type), "zeros");
  global->setAlignment(llvm::Align(rt::kBufferAlignment));
  return global;
}

void FunctionEmitter::emitLaunch(const rt::Instruction &x) {
  const rt::Kernel &kernel = parts.module.variant().kernels[x.a];
  const uint32_t *operands = &function.operands[x.b];
  const std::string source = kernel.sources.empty() ? kernel.name : kernel.sources[0];
  bool writesNothing = true;
  for (size_t i = 0; i < kernel.args.size; ++i)
    if (kernel.args[i].kind == rt::KernelArgKind::Output)
      writesNothing &= layout.buffers[operands[i]].elements == 0;
  for (const rt::Precondition &condition : kernel.preconditions)
    if (!rt::holds(condition, layout.buffers[operands[condition.arg]].dims[condition.dim]))
      require(b.getFalse(),
              "an extent is not what kernel '" + std::string(kernel.name) + "' was compiled for");
  if (writesNothing)
    return;
  for (size_t i = 0; i < kernel.args.size; ++i)
    if (kernel.args[i].kind == rt::KernelArgKind::Output)
      beginWrite(operands[i], false);
  for (size_t i = 0; i < kernel.args.size; ++i) {
    Value *argument = at(arguments, 8 * i);
    if (kernel.args[i].kind == rt::KernelArgKind::Scalar) {
      b.CreateStore(reg(operands[i]), scalarSlots[i]);
      b.CreateStore(scalarSlots[i], argument);
      continue;
    }
    const BufferLayout &buffer = layout.buffers[operands[i]];
    uint64_t reach = rt::info(function.buffers[operands[i]].type).bytes;
    for (int64_t extent : buffer.dims)
      reach *= uint64_t(std::max<int64_t>(extent, 1));
    // The type and the number of dims are one word.
    static_assert(offsetof(rt::KernelBuffer, dimensions) ==
                  offsetof(rt::KernelBuffer, type) + sizeof(rt::KernelType));
    const uint64_t type =
        llvm::bit_cast<uint32_t>(rt::info(function.buffers[operands[i]].type).kernelType) |
        uint64_t(buffer.dims.size()) << 32;
    b.CreateStore(buffer.elements ? address(operands[i]) : zeros(reach),
                  at(bufferSlots[i], offsetof(rt::KernelBuffer, host)));
    b.CreateStore(b.getInt64(type), at(bufferSlots[i], offsetof(rt::KernelBuffer, type)));
    b.CreateStore(dimsOf(operands[i]), at(bufferSlots[i], offsetof(rt::KernelBuffer, dim)));
    b.CreateStore(bufferSlots[i], argument);
  }
  b.CreateStore(b.getInt32(0), reported);
  llvm::FunctionType *entry =
      llvm::FunctionType::get(b.getInt32Ty(), {b.getPtrTy(), b.getPtrTy()}, false);
  Value *status = b.CreateCall(entry, at(parts.kernels, kernel.entry), {context, arguments});
  Value *isGood = b.CreateICmpEQ(status, b.getInt32(0));
  Value *isIndex = b.CreateICmpEQ(b.CreateLoad(b.getInt32Ty(), reported),
                                  b.getInt32(uint32_t(rt::kKernelBadIndex)));
  require(b.CreateOr(isGood, b.CreateNot(isIndex)), "an index is out of range in '" + source + "'");
  require(isGood, "kernel '" + std::string(kernel.name) + "' of '" + source + "' failed");
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void FunctionEmitter::emitReturn() {
  for (size_t i = 0; i < isWritten.size(); ++i) {
    Value *word = at(state, 4 * i);
    Value *current = b.CreateLoad(b.getInt32Ty(), word);
    Value *isOther = b.CreateZExt(b.CreateLoad(b.getInt1Ty(), isWritten[i]), b.getInt32Ty());
    b.CreateStore(b.CreateXor(current, isOther), word);
  }
  b.CreateRet(b.getInt32(0));
}

void FunctionEmitter::emit(const rt::Instruction &x) {
  using rt::Opcode;
  switch (x.op) {
  case Opcode::LoadScalar: return emitLoad(x);
  case Opcode::StoreScalar: return emitStore(x);
  case Opcode::Launch: return emitLaunch(x);
  case Opcode::Copy: return emitCopy(x);
  case Opcode::Fill: return emitFill(x);
  case Opcode::Assert:
    return require(b.CreateICmpNE(reg(x.a), b.getInt64(0)), function.messages[x.b]);
  case Opcode::Jump: b.CreateBr(blocks[x.a]); return;
  case Opcode::Branch:
    b.CreateCondBr(b.CreateICmpNE(reg(x.a), b.getInt64(0)), blocks[x.b], blocks[x.c]);
    return;
  case Opcode::Return: return emitReturn();
  case Opcode::Plan:
  case Opcode::BindView: llvm_unreachable("refused when sizes were fixed");
  case Opcode::Upload:
  case Opcode::Download:
  case Opcode::Await: llvm_unreachable("objects are for the host's memory");
  default: return emitScalar(x);
  }
}
