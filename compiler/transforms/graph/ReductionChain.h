//===- ReductionChain.h - Reductions of one axis that become one stream ----------*- C++ -*-===//
//
// What the rules have in common: a first reduction, what it reads (PullChain.cpp), what follows
// from it, and the stream that takes their place (WriteStream.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_REDUCTIONCHAIN_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_REDUCTIONCHAIN_H

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

/// A constant that regions of a stream have a copy of: one number. Others are operands.
bool isHeldByRegions(mlir::Operation *op);

class ReductionChain {
public:
  virtual ~ReductionChain() = default;
  /// "" when the ops around the first reduction are a chain that pays as one kernel, else why they
  /// are not.
  virtual std::string find() = 0;
  /// Whether more than the first reduction was found.
  virtual bool isBegun() const { return true; }
  /// What was found, for people.
  virtual std::string describe() const = 0;
  void replace();

protected:
  explicit ReductionChain(graph::ReduceOp first) : first(first), elements(first.getX()) {}

  llvm::SmallVector<graph::DimAttr> keptDims() const { return without(dimsOf(elements), axis); }
  /// What a value repeats along the axis; null when it varies.
  mlir::Value fixedPart(mlir::Value expanded);
  /// Whether a value follows from the first reduction.
  bool isResult(mlir::Value value);

  // Backward, to the inputs.
  void pull(mlir::Value value, int64_t axis, bool mayContract);
  void collectInputs(mlir::Value value, int64_t axis);
  /// The axes of the operands of what computes a value, when it is computed for every block.
  std::optional<llvm::SmallVector<int64_t>> pulledAxes(mlir::Value value, int64_t axis) const;

  // What finalize knows: own results of the chain, made from states, and maps of them.
  virtual bool isOwn(mlir::Value value) const = 0;
  virtual mlir::Value makeOwn(graph::GraphBuilder &b, mlir::Value value,
                              mlir::ValueRange states) = 0;
  bool isKnownInside(mlir::Value kept) const;
  mlir::Value findInside(graph::GraphBuilder &b, mlir::Value kept, mlir::ValueRange states);
  /// Values that are used behind the stream and made in it. What is only a map of results joins the
  /// members; `kept` are used elsewhere.
  llvm::SetVector<mlir::Value> takeMaps(const llvm::SmallPtrSetImpl<mlir::Operation *> &kept);

  // Writing.
  bool mayBeZero(graph::DimAttr dim);
  graph::TensorType liftedType(mlir::Value value, int64_t axis) const;
  mlir::Value inLift(graph::GraphBuilder &b, mlir::Value value, int64_t axis);
  /// The number of elements along the axis, at dims of the elements' type.
  mlir::Value count(graph::GraphBuilder &b, llvm::ArrayRef<graph::DimAttr> dims);

  virtual void prepare(graph::GraphBuilder &b) = 0; ///< what the stream gives, more inputs
  virtual llvm::SmallVector<mlir::Attribute> identity() = 0;
  virtual mlir::Type typeOfState(unsigned number) = 0;
  /// The states of a block, of two lists merged, and what the stream gives.
  virtual llvm::SmallVector<mlir::Value> lift(graph::GraphBuilder &b) = 0;
  virtual llvm::SmallVector<mlir::Value> merge(graph::GraphBuilder &b, mlir::ValueRange x,
                                               mlir::ValueRange y) = 0;
  virtual llvm::SmallVector<mlir::Value> finalize(graph::GraphBuilder &b,
                                                  mlir::ValueRange states) = 0;
  /// Pairs of results of the chain and of what takes their place.
  virtual llvm::SmallVector<std::pair<mlir::Value, mlir::Value>>
  resultsOf(graph::GraphBuilder &b, mlir::ValueRange streamed) = 0;

  graph::ReduceOp first;
  mlir::Value elements; // that it reduces
  int64_t axis = 0;
  llvm::SetVector<mlir::Operation *> members; // forward: the reductions and maps between them
  llvm::SetVector<mlir::Operation *> pulled;  // backward: computed again for every block
  /// Values and the axes along which they are cut, -1 for whole ones. One may be read along
  /// several: positions of queries and of keys.
  using Cut = std::pair<mlir::Value, int64_t>;
  llvm::SetVector<Cut> inputs;
  graph::DimAttr block;                    // the extent of a block
  llvm::DenseMap<Cut, mlir::Value> lifted; // to values of lift
  mlir::IRMapping inside;                  // to values of finalize

private:
  graph::StreamOp writeStream(mlir::OpBuilder &builder, llvm::StringRef symbol);

  llvm::SetVector<mlir::Operation *> results; // the first reduction and all that follows from it
  llvm::SetVector<mlir::Operation *> gone;    // maps of results, which finalize computes
};
} // namespace tessera::transforms

#endif
