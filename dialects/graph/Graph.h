//===- Graph.h - The graph dialect -------------------------------------------===//
#ifndef TESSERA_DIALECTS_GRAPH_GRAPH_H
#define TESSERA_DIALECTS_GRAPH_GRAPH_H

#include "dialects/common/BlockFormat.h"
#include "dialects/common/ElementTypes.h"
#include "dialects/graph/Dim.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/StringMap.h"

#include <memory>

namespace tessera::graph {

class BindDimOp;
class TensorType;
class WeightStore;

/// Marks ops whose result element i depends only on the operands' elements i.
template <typename ConcreteOp>
class Elementwise : public mlir::OpTrait::TraitBase<ConcreteOp, Elementwise> {};

/// What reading and writing variables touches.
struct VariableResource : mlir::SideEffects::Resource::Base<VariableResource> {
  llvm::StringRef getName() final { return "graph.variable"; }
};

/// Where the dims of a convolution's operands and result are.
struct ConvLayout {
  int64_t xBatch, xChannel, resultBatch, resultChannel;
  /// Weight: output channels (of all groups for conv, of one group for conv_transpose), input
  /// channels.
  int64_t weightOutput, weightInput;
  /// In the order D, H, W.
  llvm::SmallVector<int64_t, 3> xSpatial, weightSpatial, resultSpatial;

  size_t spatialRank() const { return xSpatial.size(); }
};

} // namespace tessera::graph

#include "dialects/graph/GraphDialect.h.inc"
#include "dialects/graph/GraphEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/graph/GraphAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/graph/GraphTypes.h.inc"

namespace tessera::graph {

/// Constant extents.
llvm::SmallVector<DimAttr> getDims(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> values);

/// The tensor of bools of the same dims.
TensorType getBoolTensor(mlir::Type tensor);
/// Whether the types are tensors of the same dims, one by one.
bool haveSameDims(mlir::TypeRange a, mlir::TypeRange b);
inline TensorType getTensorType(mlir::Value value) {
  return llvm::cast<TensorType>(value.getType());
}

/// The type sums are kept in when an op does not say: f32 for small floats, si32 for integers up to
/// 16 bits, else the type itself.
mlir::Type getDefaultAccumulator(mlir::Type elementType);

/// The value of a constant whose elements are all equal, seen through broadcasts and reshapes: an
/// IntegerAttr or FloatAttr; null when it is not one.
mlir::Attribute getSplat(mlir::Value value);

/// A mark (unit attribute) of ops that a pass wrote for a product with weights of 0: they give 0
/// where 0 times a NaN or an infinity would be NaN.
inline constexpr llvm::StringLiteral kIgnoresNonFinite = "graph.ignores_non_finite";

/// Calls back for every symbol in the result types, block arguments and attributes of an op.
void walkSymbols(mlir::Operation *op, llvm::function_ref<void(llvm::StringRef)> callback);

/// The neutral elements and extreme values of the reductions as attributes of a builtin element
/// type.
mlir::TypedAttr getNeutralElement(llvm::StringRef kind, mlir::Type elementType);

} // namespace tessera::graph

#include "dialects/graph/GraphInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/graph/Composite.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Contraction.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Control.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Elementwise.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Movement.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Quantization.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Random.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Reduction.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Sequential.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Shape.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/State.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Stream.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/Window.h.inc"

#endif // TESSERA_DIALECTS_GRAPH_GRAPH_H
