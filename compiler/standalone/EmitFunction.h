//===- EmitFunction.h - LLVM IR of one function of a module ----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_STANDALONE_EMITFUNCTION_H
#define TESSERA_COMPILER_STANDALONE_EMITFUNCTION_H

#include "compiler/standalone/EmitCode.h"

#include "llvm/IR/IRBuilder.h"

namespace tessera::standalone {

/// What the functions of an object share.
struct ObjectParts {
  const rt::Module &module;
  const StateLayout &state;
  llvm::Module &to;
  llvm::GlobalVariable *kernels;                 ///< the machine code
  std::vector<llvm::GlobalVariable *> constants; ///< per constant of the module
  llvm::Function *parallelFor, *report;          ///< of runtime/base/KernelAbi.h
  llvm::GlobalVariable *never;                   ///< a 0, for kernels that ask whether to stop
  std::vector<std::string> messages = {"", "the arena or the state is not aligned to 64 bytes"};

  /// The number that a C function returns for a message.
  uint32_t codeOf(const std::string &message);
};

/// One instruction of the module after the other; control flow becomes blocks.
class FunctionEmitter {
public:
  FunctionEmitter(ObjectParts &parts, const rt::Function &function, const FunctionLayout &layout,
                  const std::string &name);
  void emit();

private:
  void makeBlocks();
  void makeSlots();
  void checkAlignment();
  void emit(const rt::Instruction &x);
  void emitScalar(const rt::Instruction &x);
  void emitLaunch(const rt::Instruction &x);
  void emitCopy(const rt::Instruction &x);
  void emitFill(const rt::Instruction &x);
  void emitLoad(const rt::Instruction &x);
  void emitStore(const rt::Instruction &x);
  void emitReturn();
  void beginWrite(uint32_t buffer, bool isComplete);

  llvm::Value *reg(uint32_t index);
  void setReg(uint32_t index, llvm::Value *value);
  llvm::Value *divideFloor(llvm::Value *a, llvm::Value *b, llvm::Value *&remainder);
  llvm::Value *checked(llvm::Intrinsic::ID id, llvm::Value *a, llvm::Value *b);
  llvm::Value *address(uint32_t buffer);
  llvm::Value *at(llvm::Value *base, uint64_t offset);
  llvm::Value *elementAt(uint32_t buffer, llvm::Value *index, const char *what);
  llvm::Constant *dimsOf(uint32_t buffer);
  llvm::Value *zeros(uint64_t bytes);
  /// Goes on only where the condition is true; else the function returns the message's code.
  void require(llvm::Value *condition, const std::string &message);
  uint32_t rootOf(uint32_t buffer) const { return function.buffers[buffer].root; }

  ObjectParts &parts;
  const rt::Function &function;
  const FunctionLayout &layout;
  llvm::IRBuilder<> b;
  llvm::Function *target;
  llvm::Value *arena, *state = nullptr;
  std::vector<llvm::BasicBlock *> blocks; ///< per instruction; null where no block begins
  std::vector<llvm::AllocaInst *> registers, scalarSlots, bufferSlots;
  llvm::AllocaInst *arguments = nullptr, *context = nullptr, *reported = nullptr;
  std::vector<llvm::AllocaInst *> seen, isWritten; ///< per variable of the module
  std::vector<llvm::Constant *> dims;              ///< per buffer
};

} // namespace tessera::standalone

#endif
