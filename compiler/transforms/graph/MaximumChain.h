//===- MaximumChain.h - A maximum and what follows from it ------------------------*- C++ -*-===//
//
// A maximum along one axis, with what follows from it (FollowChain.cpp) and what it follows from.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_MAXIMUMCHAIN_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_MAXIMUMCHAIN_H

#include "compiler/transforms/graph/ReductionChain.h"

namespace tessera::transforms {

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

class MaximumChain : public ReductionChain {
public:
  /// `mayRound`: weights may be rounded for a product before factors that do not vary are applied.
  explicit MaximumChain(graph::ReduceOp maximum, bool mayRound = false)
      : ReductionChain(maximum), maximum(maximum), scores(maximum.getX()), mayRound(mayRound) {}
  std::string find() override;
  std::string describe() const override;

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
  unsigned addState(mlir::Operation *op, unsigned operand, const Term &term);

  // Backward.
  void pullAll();
  std::string checkInputs();
  Cut otherFactor(graph::ContractOp sum, unsigned weights) const;
  std::string checkCost() const;

  // Writing. States are the maximum, the sums, the places of the maximum, in this order.
  bool hasWeights() const;
  bool outputsShowNan();
  bool showsNanIn(mlir::Value value);
  mlir::Value mark(mlir::Value larger) const;
  mlir::Value makeFinite(graph::GraphBuilder &b, mlir::Value maximum) const;
  const Sum *sumOf(mlir::Value value) const;
  mlir::Value spread(graph::GraphBuilder &b, mlir::Operation *op, unsigned operand,
                     mlir::Value kept, llvm::ArrayRef<graph::DimAttr> dims);
  bool isWholeInside(const Sum &sum) const;
  mlir::Value findOutside(graph::GraphBuilder &b, mlir::Value value, mlir::ValueRange streamed);
  mlir::Value scale(graph::GraphBuilder &b, const Sum &sum, const Term &term, mlir::Value value,
                    llvm::function_ref<mlir::Value(mlir::Value)> find);
  mlir::Value scaleInside(graph::GraphBuilder &b, const Sum &sum, unsigned term,
                          mlir::ValueRange states);
  mlir::Value addTerms(graph::GraphBuilder &b, const Sum &sum,
                       llvm::function_ref<mlir::Value(unsigned)> get);
  mlir::Value liftSummand(graph::GraphBuilder &b, const State &state, mlir::Value s,
                          mlir::Value weight);

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

  graph::ReduceOp maximum;
  mlir::Value scores;
  bool mayRound;
  bool showsNan = false; // without the maximum's help
  std::vector<Sum> sums;
  std::vector<State> states;
  llvm::SmallVector<graph::ArgReduceOp> places;
  llvm::SmallVector<mlir::Value> positionsOfPlaces;
  llvm::SmallPtrSet<mlir::Operation *, 8> maps; // of the scores, which sums of them read
  struct Output {
    mlir::Value value;            // of the chain
    std::optional<unsigned> term; // of a sum that is added up behind the stream
  };
  llvm::SmallVector<Output> outputs;
  llvm::DenseMap<mlir::Value, mlir::Value> outside;
};

/// Computes a product with the axis that its maps are reduced along last, and once for each axis
/// when there are two, where a stream along either then pays. What was done, for people, or "".
/// (OrientScores.cpp)
std::string orientScores(graph::ContractOp product, bool mayRound);
} // namespace tessera::transforms

#endif
