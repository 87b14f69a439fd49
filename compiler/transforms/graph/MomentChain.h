//===- MomentChain.h - A sum and what varies around it --------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_MOMENTCHAIN_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_MOMENTCHAIN_H

#include "compiler/transforms/graph/ReductionChain.h"

namespace tessera::transforms {

/// Where a sum runs over several axes at the end of long rows, and sums of squares around what
/// follows from it do: views join these axes, and one axis is left. Gives the sum that takes the
/// place of `total`; null where it is no such sum.
graph::ReduceOp joinLongAxes(graph::ReduceOp total);

/// t = sum x along one axis, and sum (x - c)^2 where c follows from t: a mean and a variance.
class MomentChain : public ReductionChain {
public:
  explicit MomentChain(graph::ReduceOp total) : ReductionChain(total) {}
  std::string find() override;
  bool isBegun() const override { return !squares.empty(); }
  std::string describe() const override;

private:
  /// sum (x - c)^2
  struct Square {
    graph::ReduceOp op;
    mlir::Value shift; // without the axis
  };

  const Square *squareOf(mlir::Value value) const;
  std::string checkCost() const;

  bool isOwn(mlir::Value value) const override;
  mlir::Value makeOwn(graph::GraphBuilder &b, mlir::Value value, mlir::ValueRange states) override;
  void prepare(graph::GraphBuilder &b) override;
  llvm::SmallVector<mlir::Attribute> identity() override;
  mlir::Type typeOfState(unsigned number) override;
  llvm::SmallVector<mlir::Value> lift(graph::GraphBuilder &b) override;
  llvm::SmallVector<mlir::Value> merge(graph::GraphBuilder &b, mlir::ValueRange x,
                                       mlir::ValueRange y) override;
  llvm::SmallVector<mlir::Value> finalize(graph::GraphBuilder &b, mlir::ValueRange states) override;
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>>
  resultsOf(graph::GraphBuilder &b, mlir::ValueRange streamed) override;

  llvm::SmallVector<Square> squares;
  llvm::SmallVector<mlir::Value> outputs;
};
} // namespace tessera::transforms

#endif
