//===- Emitter.h - Builds the stages of one kernel ------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_EMITTER_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_EMITTER_H

#include "dialects/graph/Graph.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

namespace tessera {

/// What computing an op inside another kernel costs.
enum class FusionClass {
  Unpack,      ///< a map that gives much more than it reads: never worth storing
  Map,         ///< each element from a few reads: recomputing it is cheap
  Costly,      ///< a map with elementary functions: computed once for each element
  Reduction,   ///< many reads for each element
  Contraction, ///< a product sum: worth a kernel of its own
  Sequential   ///< a loop that carries tensors: nothing joins it
};

/// The builtin type of an element: signless, bool is i1.
mlir::Type getKernelElementType(mlir::Type graphElement);
/// The builtin type of a tensor.
mlir::RankedTensorType getKernelType(graph::TensorType type);

/// Builds stages at the end of one kernel.func. Knows the tensors that stand for graph values, and
/// gives every extent that is not constant an `index` argument.
class KernelEmitter {
public:
  /// One tensor that a stage reads at `map` of its loops.
  struct Read {
    mlir::Value tensor;
    mlir::AffineMap map;
  };
  using Scalars = mlir::ValueRange;
  using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, Scalars)>;
  using Bodies = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ImplicitLocOpBuilder &,
                                                                   Scalars, Scalars)>;

  KernelEmitter(mlir::OpBuilder &builder, kernel::FuncOp kernel);

  /// The tensor of a graph value, and the type it has in the graph.
  mlir::Value lookup(mlir::Value graphValue) const { return tensors.lookup(graphValue); }
  void bind(mlir::Value graphValue, mlir::Value tensor) { tensors[graphValue] = tensor; }

  /// An extent as an index value.
  mlir::Value extent(graph::DimAttr dim);
  /// From now on that extent is this value, which tells more of it than an argument would.
  void setExtent(graph::DimAttr dim, mlir::Value value) { knownExtents[dim] = value; }
  mlir::Value constantIndex(int64_t value);
  /// A scalar constant of a builtin element type.
  mlir::Value constant(mlir::TypedAttr value);
  mlir::Value number(mlir::Type elementType, double value);

  mlir::Value empty(llvm::ArrayRef<graph::DimAttr> dims, mlir::Type elementType);
  /// A stage in which every element is the scalar.
  mlir::Value fill(llvm::StringRef name, llvm::ArrayRef<graph::DimAttr> dims, mlir::Value scalar);

  /// A stage with one parallel loop for each dim: the body takes the scalars that were read.
  mlir::Value map(llvm::StringRef name, llvm::ArrayRef<graph::DimAttr> dims, mlir::Type elementType,
                  llvm::ArrayRef<Read> reads, Body body);
  /// As map, but the body takes the indices (type index) of its element; it reads with `extract`.
  mlir::Value mapIndexed(llvm::StringRef name, llvm::ArrayRef<graph::DimAttr> dims,
                         mlir::Type elementType, Body body);

  /// A stage that reduces: `loops` = parallel then reduction extents; `inits` have the parallel
  /// extents, in the order `outputMap` says. The body takes the scalars read, then the running
  /// values.
  llvm::SmallVector<mlir::Value> reduce(llvm::StringRef name, unsigned parallelLoops,
                                        unsigned reductionLoops, llvm::ArrayRef<Read> reads,
                                        llvm::ArrayRef<mlir::Value> inits,
                                        mlir::AffineMap outputMap, Bodies body);

  /// Builds the stages of an op and binds its results; on failure the op has emitted an error.
  mlir::LogicalResult lower(mlir::Operation *op);
  /// The model asks for sums in this type, though others have more bits.
  void askForSumsIn(mlir::Type elementType);
  /// Names an outermost loop.
  void nameLoop(mlir::scf::ForOp loop, llvm::StringRef name);

  /// Whether streams take their split form (`getStreamParts`).
  bool splitsStreams() const { return isSplit; }
  void splitStreams() { isSplit = true; }

  /// Whether loops shall leave iterations to many threads, where that takes more work.
  bool isForGpu() const { return forGpu; }
  void setForGpu(bool value) { forGpu = value; }

  mlir::OpBuilder &getBuilder() { return builder; }
  void setLoc(mlir::Location location) { loc = location; }
  mlir::Location getLoc() const { return loc; }
  /// A stage name that is not taken: the name, or with a number behind it.
  std::string uniqueName(llvm::StringRef name);
  /// The extents that became index arguments, in their order.
  llvm::ArrayRef<graph::DimAttr> getIndexArguments() const { return indexArguments; }

private:
  mlir::OpBuilder &builder;
  kernel::FuncOp kernel;
  mlir::Location loc;
  bool isSplit = false, forGpu = false;
  llvm::DenseMap<mlir::Value, mlir::Value> tensors;
  llvm::SmallVector<graph::DimAttr> indexArguments;
  llvm::DenseMap<mlir::Attribute, mlir::Value> knownExtents;
  llvm::StringMap<unsigned> names;
};

/// tensor.extract in the body of a stage.
mlir::Value extract(mlir::ImplicitLocOpBuilder &b, mlir::Value tensor, mlir::ValueRange indices);

} // namespace tessera

#include "compiler/conversion/graph_to_kernel/LoweringInterface.h.inc"

#endif
