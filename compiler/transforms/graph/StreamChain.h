//===- StreamChain.h - A chain of reductions that becomes a stream --------------*- C++ -*-===//
//
// A maximum along one axis, with what follows from it and what it follows from (FormStreams.cpp
// finds it, WriteStream.cpp puts a graph.stream in its place).
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_STREAMCHAIN_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_STREAMCHAIN_H

#include "dialects/graph/GraphBuilder.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace tessera::transforms {

/// The dims of a tensor, and without one of them.
llvm::ArrayRef<graph::DimAttr> dimsOf(mlir::Value value);
llvm::SmallVector<graph::DimAttr> without(llvm::ArrayRef<graph::DimAttr> dims, int64_t axis);
/// Where an operand has the axis of the op's result: -1 when it lacks it. Nothing for ops that do
/// not keep the axis apart.
std::optional<int64_t> axisOfOperand(mlir::OpOperand &operand, int64_t axis);

/// e^(scores - maximum), times what varies along the axis, times what does not.
struct Weight {
  enum class How { multiplies, divides, keepsWhere, zerosWhere };
  struct Factor {
    mlir::Value value; // without the axis
    How how;
  };
  llvm::SmallVector<mlir::Value> varying;
  llvm::SmallVector<Factor> fixed;
  /// Where the maximum is infinite the sum is another value, both without the axis; or null.
  mlir::Value isInfinite, atInfinite;
};

/// A sum of weights: a state of the stream.
struct Sum {
  mlir::Operation *op; // graph.reduce sum, or graph.contract
  Weight weight;
  unsigned operand = 0; // which one of op is the weight
  mlir::Value result() const { return op->getResult(0); }
};

class StreamChain {
public:
  explicit StreamChain(graph::ReduceOp maximum) : maximum(maximum), scores(maximum.getX()) {}

  /// "" when the ops around the maximum are a chain that pays as one kernel, else why they are not.
  std::string find();
  /// What was found, for people.
  std::string describe() const;
  void replace();

private:
  std::string followScores();
  mlir::Value largerShift(mlir::Value shift);
  std::string followShifted(mlir::Value shifted, const Weight &weight);
  std::string followSelect(mlir::Value value, mlir::Operation *user, const Weight &weight);
  mlir::Value totalOf(mlir::Value value, const Weight &weight) const;
  std::string followWeight(mlir::Value value, const Weight &weight);
  std::string addSum(mlir::OpOperand &use, const Weight &weight);
  std::string checkInputs();
  std::string checkCost() const;
  bool guardInfinite(mlir::Value shift, Weight &weight);
  mlir::Value fixedPart(mlir::Value expanded);
  void pull(mlir::Value value, int64_t axis, bool mayContract);

  llvm::SmallVector<graph::DimAttr> keptDims() const { return without(dimsOf(scores), axis); }
  bool isState(mlir::Value value) const;
  unsigned numberOf(mlir::Value state) const;
  mlir::Value spread(graph::GraphBuilder &b, const Sum &sum, mlir::Value kept,
                     llvm::ArrayRef<graph::DimAttr> dims);
  mlir::Value scale(graph::GraphBuilder &b, const Sum &sum, mlir::Value value, bool inside,
                    mlir::ValueRange states);

  bool mayBeZero(graph::DimAttr dim);
  mlir::Value inLift(graph::GraphBuilder &b, mlir::Value value, int64_t axis);
  graph::TensorType liftedType(mlir::Value value, int64_t axis) const;
  void collectInputs(mlir::Value value, int64_t axis);
  void writeLift(mlir::Region &region);
  void writeMerge(mlir::Region &region);
  void writeFinalize(mlir::Region &region, llvm::SmallVectorImpl<mlir::Value> &yielded);

  graph::ReduceOp maximum;
  mlir::Value scores;
  int64_t axis = 0;
  std::vector<Sum> sums;
  llvm::SetVector<mlir::Operation *> members; // forward: the maximum, maps of weights, the sums
  llvm::SetVector<mlir::Operation *> pulled;  // backward: computed again for every block
  llvm::MapVector<mlir::Value, int64_t> inputs;
  graph::DimAttr block; // the extent of a block
  mlir::IRMapping mapping;
};
} // namespace tessera::transforms

#endif
