//===- Machine.h - Interprets kernels element by element ---------------------*- C++ -*-===//
//
// A kernel is first made a list of instructions (operands and results are numbered cells, the rule
// of each op is looked up once), then run. A rule computes the result cells of one instruction from
// its operand cells; rules stand in a table by op, filled by one function per category.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_REFERENCE_KERNEL_MACHINE_H
#define TESSERA_COMPILER_REFERENCE_KERNEL_MACHINE_H

#include "compiler/reference/Tensor.h"
#include "dialects/kernel/Kernel.h"

namespace tessera::reference {

/// The value of an SSA value: a float, an integer (signless: its sign extended), or a tensor.
struct Cell {
  double real = 0;
  int64_t integer = 0;
  Tensor tensor;
};

class Machine;
struct Instruction;

using Rule = llvm::LogicalResult (*)(const Instruction &, Machine &);
using RuleTable = llvm::DenseMap<mlir::TypeID, Rule>;

/// The instructions of a block, its arguments, and what its terminator takes.
struct Program {
  std::vector<Instruction> instructions;
  llvm::SmallVector<unsigned> arguments, yielded;
};

struct Instruction {
  mlir::Operation *op;
  Rule rule;
  llvm::SmallVector<unsigned, 3> operands, results;
  /// Operands that are read here for the last time: their tensors may be changed in place.
  llvm::SmallVector<bool, 3> isLastUse;
  /// Of the first result and the first operand (of their elements, when they are tensors).
  ElementFormat format, operandFormat;
  std::vector<Program> regions;
};

class Machine {
public:
  explicit Machine(kernel::FuncOp kernel, int64_t steps = int64_t(1) << 36);

  /// The results, scratch included. On failure getError says why, with kernel and stage.
  llvm::FailureOr<llvm::SmallVector<Tensor>> run(llvm::ArrayRef<Tensor> tensors,
                                                 llvm::ArrayRef<int64_t> extents);
  const std::string &getError() const { return error; }
  int64_t getRemainingSteps() const { return steps; }

  // For rules.

  Cell &operand(const Instruction &instruction, unsigned i) {
    return cells[instruction.operands[i]];
  }
  Cell &result(const Instruction &instruction, unsigned i = 0) {
    return cells[instruction.results[i]];
  }
  Cell &cell(unsigned number) { return cells[number]; }
  /// The operand's tensor, moved out of its cell when nobody reads it any more, with bytes of its
  /// own.
  Tensor take(const Instruction &instruction, unsigned i);
  llvm::LogicalResult execute(const Program &program);
  llvm::LogicalResult fail(const llvm::Twine &message);
  llvm::LogicalResult spend(int64_t count);
  /// A shape with limits checked.
  llvm::FailureOr<Tensor> make(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);

  /// The indices of the stage that runs (linalg.index).
  llvm::ArrayRef<int64_t> loopIndex;
  /// The stage that runs, for messages.
  llvm::StringRef stage;

private:
  Program translate(mlir::Block &block);
  unsigned number(mlir::Value value);

  kernel::FuncOp kernel;
  int64_t steps;
  llvm::DenseMap<mlir::Value, unsigned> numbers;
  std::vector<Cell> cells;
  Program program;
  std::string error;
};

void addScalarRules(RuleTable &table);
void addTensorRules(RuleTable &table);
void addStageRules(RuleTable &table);

/// The semantics of linalg.pack with zero padding.
Tensor pack(const Tensor &logical, kernel::PackedAttr layout);

} // namespace tessera::reference

#endif
