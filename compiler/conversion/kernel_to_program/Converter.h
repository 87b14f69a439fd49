//===- Converter.h - One function on its way to instructions --------------------*- C++ -*-===//
//
// Shared by the files of this folder, one subject each: Registers.cpp (extents), Buffers.cpp (where
// values are), Launches.cpp (kernels and their scratch), KernelToProgram.cpp (the rest, and the
// order of things).
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_CONVERTER_H
#define TESSERA_COMPILER_CONVERSION_KERNEL_TO_PROGRAM_CONVERTER_H

#include "dialects/graph/Graph.h"
#include "dialects/graph/Host.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/program/Program.h"

#include "llvm/ADT/TypeSwitch.h"

#include <functional>
#include <map>

namespace tessera {

class Converter {
public:
  Converter(graph::FuncOp function, mlir::OpBuilder &builder)
      : function(function), builder(builder) {}
  llvm::LogicalResult run();

private:
  // Sections: the prologue (0), whose sizes follow from symbols, and one for every extent that
  // depends on data. What is computed in a section stands before its marker: program.body, or the
  // program.plan that ends it.
  unsigned sectionOf(mlir::Value value) const { return sections.lookup(value); }
  unsigned sectionOf(mlir::ValueRange values) const;
  void enter(unsigned section) { builder.setInsertionPoint(markers[section]); }
  mlir::Value inSection(unsigned section, mlir::Value value);
  llvm::LogicalResult convertBindDim(graph::BindDimOp op);

  // Registers.
  llvm::LogicalResult bindSymbols();
  mlir::Value reg(graph::DimAttr dim);
  mlir::Value computeDim(graph::DimAttr dim);
  mlir::Value number(int64_t value);
  mlir::Value binary(program::BinaryKind kind, mlir::Value x, mlir::Value y);
  llvm::SmallVector<mlir::Value> regs(llvm::ArrayRef<graph::DimAttr> dims);

  // Buffers.
  program::BufferType bufferType(graph::TensorType type);
  llvm::SmallVector<mlir::Value> extentsOf(graph::TensorType type); ///< in memory
  mlir::Value temp(graph::TensorType type);
  mlir::Value view(mlir::Value buffer, graph::TensorType type);
  mlir::Value bufferOf(mlir::Value value);
  mlir::Value destination(mlir::Value value);
  mlir::Value outputBuffer(unsigned number);
  mlir::Value packed(graph::ConstantOp constant, mlir::Value operand, kernel::PackedAttr layout);
  /// The values' producers write into these buffers where they can; who cannot is copied
  /// afterwards.
  using Target = std::function<mlir::Value()>; ///< makes the buffer when it is needed
  void wish(mlir::Value value, Target target);
  void deliver(mlir::Value value, mlir::Value target);

  // Updates in place (Updates.cpp).
  bool collectUpdates(mlir::Value value, mlir::Value argument, mlir::Block *block,
                      llvm::SmallVectorImpl<mlir::OpResult> &updates);
  void updateInPlace(graph::WhileOp loop, llvm::ArrayRef<mlir::Value> carried);

  // Instructions.
  llvm::LogicalResult convert(mlir::Block &block);
  llvm::LogicalResult convert(mlir::Operation &op);
  llvm::LogicalResult convertLaunch(kernel::LaunchOp op);
  llvm::LogicalResult convertHostCall(graph::HostCallOp op);
  mlir::Value scratchExtent(kernel::LaunchOp op, mlir::Value extent);
  llvm::LogicalResult addScratch(kernel::LaunchOp op, llvm::SmallVectorImpl<mlir::Value> &outputs);
  llvm::LogicalResult convertIf(graph::IfOp op);
  llvm::LogicalResult convertWhile(graph::WhileOp op);
  mlir::Value loadCondition(mlir::Value value);
  bool isLate(graph::DimAttr dim);
  void assertSize(graph::ReshapeOp op);

  graph::FuncOp function;
  mlir::OpBuilder &builder;
  mlir::Location loc = builder.getUnknownLoc();
  llvm::SmallVector<mlir::Operation *> markers; // of sections
  llvm::DenseMap<mlir::Value, unsigned>
      sections; // of registers and buffers; the prologue where none is listed
  llvm::StringMap<graph::BindDimOp> boundSymbols;
  bool hasFailed = false; // an error was reported where nothing can be returned
  llvm::DenseMap<mlir::Attribute, mlir::Value> registers;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers; // of graph values
  llvm::DenseMap<mlir::Value, Target> wishes; // where the producer of a graph value should write
  llvm::SmallVector<mlir::Value> outputs;
  /// By value, logical type and layout.
  std::map<std::tuple<const void *, const void *, const void *>, mlir::Value> packedConstants;
};

} // namespace tessera

#endif
