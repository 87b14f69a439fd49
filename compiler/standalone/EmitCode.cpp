//===- EmitCode.cpp - LLVM IR of a module's functions ---------------------------------------===//
#include "compiler/standalone/EmitCode.h"

#include "compiler/standalone/EmitFunction.h"

#include "llvm/IR/Constants.h"
#include "llvm/Support/raw_ostream.h"

using namespace tessera;
using namespace tessera::standalone;
using llvm::BasicBlock;
using llvm::GlobalValue;
using llvm::GlobalVariable;
using llvm::Value;

StateLayout standalone::layOutState(const rt::Module &module) {
  constexpr uint64_t alignment = rt::kBufferAlignment;
  StateLayout layout;
  if (module.variables.empty())
    return layout;
  uint64_t end = module.variables.size * 4;
  auto place = [&](uint64_t bytes) {
    const uint64_t offset = (end + alignment - 1) / alignment * alignment;
    end = offset + bytes;
    return offset;
  };
  for (const rt::Variable &variable : module.variables) {
    layout.first.push_back(place(variable.bytes));
    layout.second.push_back(place(variable.bytes));
  }
  layout.bytes = place(0);
  return layout;
}

/// The machine code of all kernels, as bytes in a section that may be executed.
static GlobalVariable *addKernels(const rt::Module &module, const std::string &name,
                                  llvm::Module &to) {
  const rt::Segment &code = module.segments[module.variant().codeSegment];
  std::string text;
  llvm::raw_string_ostream out(text);
  out << ".section .text." << name << ",\"ax\",@progbits\n.p2align 6\n.globl " << name
      << "\n.hidden " << name << "\n.type " << name << ",@object\n"
      << name << ":\n";
  for (uint64_t i = 0; i < code.size; ++i)
    out << (i % 32 ? "," : ".byte ") << unsigned(module.file[code.offset + i])
        << (i % 32 == 31 || i + 1 == code.size ? "\n" : "");
  out << ".size " << name << ", " << code.size << "\n.text\n";
  to.appendModuleInlineAsm(text);
  auto *kernels = new GlobalVariable(to, llvm::Type::getInt8Ty(to.getContext()), true,
                                     GlobalValue::ExternalLinkage, nullptr, name);
  kernels->setVisibility(GlobalValue::HiddenVisibility);
  return kernels;
}

static GlobalVariable *addConstant(const rt::Constant &constant, llvm::Module &to) {
  llvm::LLVMContext &context = to.getContext();
  llvm::StringRef bytes(reinterpret_cast<const char *>(constant.data), constant.bytes);
  llvm::Constant *value =
      llvm::ConstantDataArray::getRaw(bytes, constant.bytes, llvm::Type::getInt8Ty(context));
  auto *global = new GlobalVariable(to, value->getType(), true, GlobalValue::InternalLinkage, value,
                                    constant.name);
  global->setAlignment(llvm::Align(rt::kBufferAlignment));
  return global;
}

/// KernelContext::parallelFor on the calling thread.
static llvm::Function *addParallelFor(llvm::Module &to) {
  llvm::IRBuilder<> b(to.getContext());
  llvm::Type *i32 = b.getInt32Ty(), *pointer = b.getPtrTy();
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(i32, {pointer, pointer, i32, i32, pointer}, false),
      llvm::Function::InternalLinkage, "parallel_for", to);
  Value *context = function->getArg(0), *task = function->getArg(1), *min = function->getArg(2),
        *extent = function->getArg(3), *closure = function->getArg(4);
  auto block = [&](const char *name) {
    return BasicBlock::Create(to.getContext(), name, function);
  };
  BasicBlock *entry = block("entry"), *loop = block("loop"), *next = block("next"),
             *failed = block("failed"), *done = block("done");
  b.SetInsertPoint(entry);
  b.CreateCondBr(b.CreateICmpSGT(extent, b.getInt32(0)), loop, done);
  b.SetInsertPoint(loop);
  llvm::PHINode *index = b.CreatePHI(i32, 2);
  auto *type = llvm::FunctionType::get(i32, {pointer, i32, pointer}, false);
  Value *status = b.CreateCall(type, task, {context, b.CreateAdd(min, index), closure});
  b.CreateCondBr(b.CreateICmpEQ(status, b.getInt32(0)), next, failed);
  b.SetInsertPoint(failed);
  b.CreateRet(status);
  b.SetInsertPoint(next);
  Value *following = b.CreateAdd(index, b.getInt32(1));
  index->addIncoming(b.getInt32(0), entry);
  index->addIncoming(following, next);
  b.CreateCondBr(b.CreateICmpEQ(following, extent), done, loop);
  b.SetInsertPoint(done);
  b.CreateRet(b.getInt32(0));
  return function;
}

/// KernelContext::report: the first code wins. `runtime` is the address of the word for it.
static llvm::Function *addReport(llvm::Module &to) {
  llvm::IRBuilder<> b(to.getContext());
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getInt32Ty()}, false),
      llvm::Function::InternalLinkage, "report", to);
  b.SetInsertPoint(BasicBlock::Create(to.getContext(), "entry", function));
  Value *field = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), function->getArg(0),
                                              offsetof(rt::KernelContext, runtime));
  Value *word = b.CreateLoad(b.getPtrTy(), field), *old = b.CreateLoad(b.getInt32Ty(), word);
  Value *isFirst = b.CreateICmpEQ(old, b.getInt32(0));
  b.CreateStore(b.CreateSelect(isFirst, function->getArg(1), old), word);
  b.CreateRetVoid();
  return function;
}

/// const char *message(int code): "" for numbers that no function returns.
static void addMessages(const ObjectParts &parts, const std::string &name) {
  llvm::Module &to = parts.to;
  llvm::IRBuilder<> b(to.getContext());
  auto *function =
      llvm::Function::Create(llvm::FunctionType::get(b.getPtrTy(), {b.getInt32Ty()}, false),
                             llvm::Function::ExternalLinkage, name, to);
  BasicBlock *entry = BasicBlock::Create(to.getContext(), "entry", function),
             *other = BasicBlock::Create(to.getContext(), "other", function);
  b.SetInsertPoint(entry);
  auto *choice = b.CreateSwitch(function->getArg(0), other, unsigned(parts.messages.size()));
  for (auto [code, message] : llvm::enumerate(parts.messages)) {
    if (code == 0)
      continue;
    BasicBlock *block = BasicBlock::Create(to.getContext(), "message", function);
    choice->addCase(b.getInt32(uint32_t(code)), block);
    b.SetInsertPoint(block);
    b.CreateRet(b.CreateGlobalString(message, "text"));
  }
  b.SetInsertPoint(other);
  b.CreateRet(b.CreateGlobalString("", "text"));
}

static Value *at(llvm::IRBuilder<> &b, Value *base, uint64_t offset) {
  return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, offset);
}

/// void reset(void *state): every variable gets its first value.
static void addReset(const ObjectParts &parts, const std::string &name) {
  llvm::IRBuilder<> b(parts.to.getContext());
  auto *function =
      llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false),
                             llvm::Function::ExternalLinkage, name, parts.to);
  b.SetInsertPoint(BasicBlock::Create(parts.to.getContext(), "entry", function));
  for (auto [i, variable] : llvm::enumerate(parts.module.variables)) {
    Value *state = function->getArg(0), *to = at(b, state, parts.state.first[i]);
    b.CreateStore(b.getInt32(0), at(b, state, 4 * i));
    if (variable.initial < 0)
      b.CreateMemSet(to, b.getInt8(0), variable.bytes, llvm::Align(1));
    else
      b.CreateMemCpy(to, llvm::Align(1), parts.constants[variable.initial], llvm::Align(1),
                     variable.bytes);
  }
  b.CreateRetVoid();
}

/// void *variable(void *state): where the value is now.
static void addVariable(const ObjectParts &parts, size_t index, const std::string &name) {
  llvm::IRBuilder<> b(parts.to.getContext());
  auto *function =
      llvm::Function::Create(llvm::FunctionType::get(b.getPtrTy(), {b.getPtrTy()}, false),
                             llvm::Function::ExternalLinkage, name, parts.to);
  b.SetInsertPoint(BasicBlock::Create(parts.to.getContext(), "entry", function));
  Value *state = function->getArg(0);
  Value *current = b.CreateLoad(b.getInt32Ty(), at(b, state, 4 * index));
  b.CreateRet(b.CreateSelect(b.CreateICmpEQ(current, b.getInt32(0)),
                             at(b, state, parts.state.first[index]),
                             at(b, state, parts.state.second[index])));
}

void standalone::emitCode(const rt::Module &module, llvm::ArrayRef<FunctionLayout> layouts,
                          const StateLayout &state, const ObjectNames &names, llvm::Module &to) {
  ObjectParts parts{module,
                    state,
                    to,
                    addKernels(module, names.prefix + "_kernels", to),
                    {},
                    addParallelFor(to),
                    addReport(to),
                    nullptr};
  llvm::Type *i32 = llvm::Type::getInt32Ty(to.getContext());
  parts.never = new GlobalVariable(to, i32, true, GlobalValue::PrivateLinkage,
                                   llvm::Constant::getNullValue(i32), "never");
  for (const rt::Constant &constant : module.constants)
    parts.constants.push_back(addConstant(constant, to));
  for (auto [i, layout] : llvm::enumerate(layouts))
    FunctionEmitter(parts, module.variant().functions[i], layout, names.functions[i]).emit();
  addMessages(parts, names.message);
  if (state.bytes == 0)
    return;
  addReset(parts, names.reset);
  for (size_t i = 0; i < module.variables.size; ++i)
    addVariable(parts, i, names.variables[i]);
}
