//===- Rules.h - Attaches a rule to every op --------------------*- C++ -*-===//
//
// A rule is a function `Tensors evaluateX(XOp, Operands, Evaluation &)`;
// `attach<evaluateX>(context)` in the function of its category makes it the op's
// ReferenceOpInterface.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_REFERENCE_GRAPH_RULES_H
#define TESSERA_COMPILER_REFERENCE_GRAPH_RULES_H

#include "compiler/reference/graph/Evaluation.h"

namespace tessera::reference {

using Tensors = Evaluation::Tensors;
using Operands = llvm::ArrayRef<Tensor>;

template <typename OpType, Tensors (*rule)(OpType, Operands, Evaluation &)>
struct Model : ReferenceOpInterface::ExternalModel<Model<OpType, rule>, OpType> {
  Tensors evaluate(mlir::Operation *op, Operands operands, Evaluation &evaluation) const {
    return rule(llvm::cast<OpType>(op), operands, evaluation);
  }
};

namespace detail {
template <auto rule> struct RuleOf;
template <typename OpType, Tensors (*rule)(OpType, Operands, Evaluation &)> struct RuleOf<rule> {
  static void attach(mlir::MLIRContext &context) {
    OpType::template attachInterface<Model<OpType, rule>>(context);
  }
};
} // namespace detail

template <auto... rules> void attach(mlir::MLIRContext &context) {
  (detail::RuleOf<rules>::attach(context), ...);
}

inline Tensors single(llvm::FailureOr<Tensor> tensor) {
  if (failed(tensor))
    return mlir::failure();
  return llvm::SmallVector<Tensor>{std::move(*tensor)};
}

/// Element j of `from` by the rules of graph.convert; integers saturate where asked for.
void convertElement(Tensor &to, int64_t i, const Tensor &from, int64_t j,
                    bool saturateIntegers = false);

void attachContraction(mlir::MLIRContext &context);
void attachControl(mlir::MLIRContext &context);
void attachElementwise(mlir::MLIRContext &context);
void attachMovement(mlir::MLIRContext &context);
void attachQuantization(mlir::MLIRContext &context);
void attachRandom(mlir::MLIRContext &context);
void attachReduction(mlir::MLIRContext &context);
void attachSampling(mlir::MLIRContext &context);
void attachSequential(mlir::MLIRContext &context);
void attachShape(mlir::MLIRContext &context);
void attachState(mlir::MLIRContext &context);
void attachStream(mlir::MLIRContext &context);
void attachWindow(mlir::MLIRContext &context);

} // namespace tessera::reference

#endif
