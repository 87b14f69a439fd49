//===- Lower.h - Attaches the lowering of every category of ops -----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_LOWER_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_LOWER_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

namespace tessera::lower {

/// Attaches a lowering function to an op.
template <typename OpType, FusionClass fusionClass,
          llvm::FailureOr<llvm::SmallVector<mlir::Value>> (*lower)(OpType, KernelEmitter &)>
struct Model : KernelLoweringOpInterface::ExternalModel<Model<OpType, fusionClass, lower>, OpType> {
  FusionClass getFusionClass(mlir::Operation *) const { return fusionClass; }
  llvm::FailureOr<llvm::SmallVector<mlir::Value>> lowerToStages(mlir::Operation *op,
                                                                KernelEmitter &emitter) const {
    return lower(llvm::cast<OpType>(op), emitter);
  }
};

using Tensors = llvm::FailureOr<llvm::SmallVector<mlir::Value>>;

void attachElementwise(mlir::MLIRContext &context);
void attachMovement(mlir::MLIRContext &context);
void attachReductions(mlir::MLIRContext &context);
void attachContractions(mlir::MLIRContext &context);
void attachWindows(mlir::MLIRContext &context);
void attachSampling(mlir::MLIRContext &context);
void attachQuantization(mlir::MLIRContext &context);
void attachStreams(mlir::MLIRContext &context);
void attachSequential(mlir::MLIRContext &context);
void attachSorting(mlir::MLIRContext &context);
void attachRandom(mlir::MLIRContext &context);

/// The neutral element of a reduction ("sum", "prod", "max", "min", "and", "or") as a scalar.
mlir::Value neutralScalar(KernelEmitter &emitter, llvm::StringRef kind, mlir::Type graphElement);
/// One step of a reduction, in the accumulator's type.
mlir::Value combineScalars(mlir::ImplicitLocOpBuilder &b, llvm::StringRef kind,
                           mlir::Type graphElement, mlir::Value x, mlir::Value y);
/// The type a reduction of a kind is kept in: sums and products of small floats accumulate in f32.
mlir::Type accumulatorOf(llvm::StringRef kind, mlir::Type element);

/// As convertScalar, but integers saturate: the result of an accumulator.
mlir::Value convertSaturating(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Type from,
                              mlir::Type to);
/// A scalar in another element type by the rules of graph.convert; the element types are the
/// graph's.
mlir::Value convertScalar(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Type from,
                          mlir::Type to);

/// How many parts of its axis a stream's split form computes side by side: more than one only where
/// its other dimensions make few tasks and the axis is long.
graph::DimExpr getStreamParts(graph::StreamOp op);
/// The extent of the rows that a block is lifted for at a time; null for none.
graph::DimAttr getStreamRows(graph::StreamOp op);

/// Scalar constants and comparisons in bodies.
mlir::Value scalarNumber(mlir::ImplicitLocOpBuilder &b, mlir::Type type, double value);

} // namespace tessera::lower

#endif
