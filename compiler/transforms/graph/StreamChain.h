//===- StreamChain.h - A chain of reductions that becomes a stream --------------*- C++ -*-===//
//
// A maximum along one axis, with what follows from it and what it follows from (FollowChain.cpp and
// PullChain.cpp find it, WriteStream.cpp puts a graph.stream in its place).
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

/// One summand of what is computed for each element of the axis: e^(scores - maximum), or 1; times
/// what varies along the axis; times what does not.
struct Term {
  enum class How { multiplies, divides, keepsWhere, zerosWhere };
  struct Factor {
    mlir::Value value;
    How how;
    bool operator==(const Factor &) const = default;
  };
  bool isWeight = false; // has the exponential
  bool isNegative = false;
  llvm::SmallVector<Factor> varying, fixed; // fixed ones lack the axis
  /// Where the maximum is infinite the sum is another value, both without the axis; or null.
  mlir::Value isInfinite, atInfinite;
};
/// What is summed up: e^(s - m) for a softmax, s - m - log l for its logarithm.
using Terms = llvm::SmallVector<Term, 2>;

/// A sum along the axis that the chain ends in, as sums of its terms. Fixed factors left them
/// (distributivity).
struct Sum {
  mlir::Operation *op; // graph.reduce sum, or graph.contract
  unsigned operand;    // which one of op is summed up
  Terms terms;
  llvm::SmallVector<std::optional<unsigned>, 2> states; // per term; nothing: the number of elements
  mlir::Value result() const { return op->getResult(0); }
};

class StreamChain {
public:
  /// `mayRound`: weights may be rounded for a product before factors that do not vary are applied.
  explicit StreamChain(graph::ReduceOp maximum, bool mayRound = false)
      : maximum(maximum), scores(maximum.getX()), mayRound(mayRound) {}

  /// "" when the ops around the maximum are a chain that pays as one kernel, else why they are not.
  std::string find();
  /// What was found, for people.
  std::string describe() const;
  void replace();

private:
  /// A sum of what varies: a state besides the maximum.
  struct State {
    mlir::Operation *op; // of the first sum that has it
    unsigned operand;
    bool isWeight;
    llvm::SmallVector<Term::Factor> varying;
  };

  // Forward, from the scores to the sums.
  std::string followScores();
  mlir::Value largerShift(mlir::Value shift);
  std::string followShifted(mlir::Value shifted, mlir::Value shift, const Term &weight);
  std::string followSelect(mlir::Value value, mlir::Operation *user, const Terms &terms);
  mlir::Value totalOf(mlir::Value value, const Terms &terms) const;
  std::string followValue(mlir::Value value, const Terms &terms);
  std::string followUse(mlir::OpOperand &use, const Terms &terms);
  std::string followSummand(mlir::OpOperand &use, const Terms &terms);
  std::string followFactor(mlir::OpOperand &use, const Terms &terms);
  std::string goOn(mlir::Operation *user, const Terms &terms);
  std::string addSum(mlir::OpOperand &use, const Terms &terms);
  std::string addPlace(graph::ArgReduceOp place);
  bool guardInfinite(mlir::Value shift, Term &weight);
  bool isResult(mlir::Value value);
  mlir::Value fixedPart(mlir::Value expanded);

  // Backward, from the scores and factors to the inputs.
  void pullAll();
  void pull(mlir::Value value, int64_t axis, bool mayContract);
  std::string checkInputs();
  std::string checkCost() const;
  void collectInputs(mlir::Value value, int64_t axis);

  llvm::SmallVector<graph::DimAttr> keptDims() const { return without(dimsOf(scores), axis); }
  unsigned addState(mlir::Operation *op, unsigned operand, const Term &term);

  // Writing. States are the maximum, the sums, the places of the maximum, in this order.
  unsigned countStates() const { return 1 + states.size() + places.size(); }
  bool hasWeights() const;
  mlir::Type typeOfState(unsigned number) const;
  const Sum *sumOf(mlir::Value value) const;
  mlir::Value spread(graph::GraphBuilder &b, mlir::Operation *op, unsigned operand,
                     mlir::Value kept, llvm::ArrayRef<graph::DimAttr> dims);
  bool isKnownInside(mlir::Value kept) const;
  bool isWholeInside(const Sum &sum) const;
  mlir::Value findInside(graph::GraphBuilder &b, mlir::Value kept, mlir::ValueRange stateValues);
  mlir::Value findOutside(graph::GraphBuilder &b, mlir::Value value, mlir::ValueRange streamed);
  mlir::Value scale(graph::GraphBuilder &b, const Sum &sum, const Term &term, mlir::Value value,
                    llvm::function_ref<mlir::Value(mlir::Value)> find);
  mlir::Value scaleInside(graph::GraphBuilder &b, const Sum &sum, unsigned term,
                          mlir::ValueRange stateValues);
  mlir::Value count(graph::GraphBuilder &b, const Sum &sum);
  mlir::Value addTerms(graph::GraphBuilder &b, const Sum &sum,
                       llvm::function_ref<mlir::Value(unsigned)> get);

  bool mayBeZero(graph::DimAttr dim);
  mlir::Value inLift(graph::GraphBuilder &b, mlir::Value value, int64_t axis);
  graph::TensorType liftedType(mlir::Value value, int64_t axis) const;
  mlir::Value liftSummand(graph::GraphBuilder &b, const State &state, mlir::Value s,
                          mlir::Value weight);
  void writeLift(mlir::Region &region);
  void writeMerge(mlir::Region &region);
  void chooseOutputs();
  void writeFinalize(mlir::Region &region);
  graph::StreamOp writeStream(mlir::OpBuilder &builder, llvm::StringRef symbol);

  graph::ReduceOp maximum;
  mlir::Value scores;
  bool mayRound;
  int64_t axis = 0;
  std::vector<Sum> sums;
  std::vector<State> states;
  llvm::SmallVector<graph::ArgReduceOp> places;
  llvm::SmallPtrSet<mlir::Operation *, 8> maps; // of the scores, which sums of them read
  llvm::SetVector<mlir::Operation *> members;   // forward: the maximum, maps of weights, the sums
  llvm::SetVector<mlir::Operation *> pulled;    // backward: computed again for every block
  llvm::SetVector<mlir::Operation *> results;   // the maximum and all that follows from it
  llvm::MapVector<mlir::Value, int64_t> inputs;
  graph::DimAttr block; // the extent of a block
  llvm::SmallVector<mlir::Value> positionsOfPlaces;
  struct Output {
    mlir::Value value;            // of the chain
    std::optional<unsigned> term; // of a sum that is added up behind the stream
  };
  llvm::SmallVector<Output> outputs;
  mlir::IRMapping mapping, inside; // to values of lift, of finalize
  llvm::DenseMap<mlir::Value, mlir::Value> outside;
};
} // namespace tessera::transforms

#endif
