//===- GradientRules.h - What a rule for derivatives is written with -------------*- C++ -*-===//
//
//   static LogicalResult differentiate(MulOp op, Adjoints &a) {
//     a.give(op.getX(), a.mul(a.of(op), op.getY()));
//     ...
//
// The adjoint of a value is what the sum of the yielded value changes by with each of its elements.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_GRADIENTRULES_H
#define TESSERA_DIALECTS_GRAPH_GRADIENTRULES_H

#include "dialects/graph/GraphBuilder.h"

#include "llvm/ADT/DenseSet.h"

namespace tessera::graph {

/// What is known while a region is differentiated.
struct AdjointTable {
  llvm::DenseSet<mlir::Value> active; ///< depends on what is differentiated by
  llvm::DenseMap<mlir::Value, mlir::Value> adjoints;
  std::string why; ///< the last rule did not apply
};

/// What a rule builds with: at the end of the region, at the location of the op that has the rule.
class Adjoints : public GraphBuilder {
public:
  Adjoints(mlir::OpBuilder &builder, mlir::Location loc, AdjointTable &table)
      : GraphBuilder(builder, loc), table(table) {}

  /// Of a result; null where the yielded value does not depend on it.
  mlir::Value of(mlir::Value value) const { return table.adjoints.lookup(value); }
  /// Adds a part to the adjoint of an operand, which has its type; nothing when it is a constant.
  void give(mlir::Value operand, mlir::Value part);
  /// Whether an operand depends on what is differentiated by.
  bool wants(mlir::Value operand) const { return table.active.contains(operand); }

  mlir::Value neg(mlir::Value x) { return create<NegOp>(x); }
  mlir::Value square(mlir::Value x) { return mul(x, x); }
  mlir::Value zeros(mlir::Value like) { return fillLike(like, 0); }
  mlir::Value ones(mlir::Value like) { return fillLike(like, 1); }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return create<SelectOp>(condition, x, y);
  }

  /// Says why the rule does not apply; always failure.
  llvm::LogicalResult fail(const llvm::Twine &reason) {
    table.why = reason.str();
    return mlir::failure();
  }

private:
  AdjointTable &table;
};

/// The adjoint of a slice: zeros of these extents with x at `starts` + i * `steps`.
mlir::Value placeAtSteps(Adjoints &a, mlir::Value x, llvm::ArrayRef<DimAttr> starts,
                         llvm::ArrayRef<DimAttr> steps, llvm::ArrayRef<DimAttr> extents);

using GradientRule = llvm::LogicalResult (*)(mlir::Operation *, Adjoints &);

/// Rows of the table of rules.
struct GradientRow {
  mlir::TypeID op;
  GradientRule rule;
};

/// A row from a function that takes the op by its class.
template <auto function> struct GradientRuleOf;
template <typename OpType, llvm::LogicalResult (*function)(OpType, Adjoints &)>
struct GradientRuleOf<function> {
  static llvm::LogicalResult apply(mlir::Operation *op, Adjoints &adjoints) {
    return function(llvm::cast<OpType>(op), adjoints);
  }
  static GradientRow row() { return {mlir::TypeID::get<OpType>(), apply}; }
};
template <auto... functions> void addRules(llvm::SmallVectorImpl<GradientRow> &rows) {
  (rows.push_back(GradientRuleOf<functions>::row()), ...);
}

void addElementwiseRules(llvm::SmallVectorImpl<GradientRow> &rows);
void addMovementRules(llvm::SmallVectorImpl<GradientRow> &rows);
void addReductionRules(llvm::SmallVectorImpl<GradientRow> &rows);
void addProductRules(llvm::SmallVectorImpl<GradientRow> &rows);
void addScanRules(llvm::SmallVectorImpl<GradientRow> &rows);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_GRADIENTRULES_H
