//===- GraphBuilder.h - Short ways to build graph ops -----------------------------------===//
//
// For decompositions and frontends: constants of any element type, numbers as operands, reductions
// that keep their axes. Everything is built at the builder's insertion point with its location.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_GRAPHBUILDER_H
#define TESSERA_DIALECTS_GRAPH_GRAPHBUILDER_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/Builders.h"

namespace tessera::graph {

class GraphBuilder {
public:
  GraphBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  template <typename OpType, typename... Args> mlir::Value create(Args &&...args) {
    if constexpr (infersFrom<OpType, Args...>()) {
      if (misfit) {
        mlir::OperationState state(loc, OpType::getOperationName());
        OpType::build(builder, state, mlir::Type(builder.getNoneType()),
                      std::forward<Args>(args)...);
        return createInferred(state, OpType::inferReturnTypes);
      }
    }
    return OpType::create(builder, loc, std::forward<Args>(args)...).getResult();
  }

  /// Types of results are inferred from operands that may not fit, since they come from a file:
  /// then why is noted here, and the first operand stands in for the result. Without this, operands
  /// have to fit.
  void noteFailures(std::string &why) { misfit = &why; }

  /// A constant of that type (of static shape) with every element this number, rounded to the type.
  mlir::Value splat(TensorType type, double number);
  /// The number at every element of a type of any shape.
  mlir::Value fill(TensorType type, double number);
  mlir::Value fillLike(mlir::Value like, double number) {
    return fill(getTensorType(like), number);
  }
  mlir::Value scalar(mlir::Type elementType, double number) {
    return splat(TensorType::getScalar(elementType), number);
  }
  /// A rank-1 si64 constant, and one of given extents.
  mlir::Value indices(llvm::ArrayRef<int64_t> values);
  mlir::Value extents(llvm::ArrayRef<DimAttr> dims);

  /// x at the dims of the result: operand dim i goes to dims[i].
  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<int64_t> dims,
                        llvm::ArrayRef<DimAttr> resultDims);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<DimAttr> dims);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value convert(mlir::Value x, mlir::Type elementType);
  mlir::Value reduce(ReduceKind kind, mlir::Value x, llvm::ArrayRef<int64_t> axes);
  /// A reduced value back at the dims of x.
  mlir::Value expand(mlir::Value reduced, llvm::ArrayRef<int64_t> axes, mlir::Value x);
  mlir::Value compare(CompareKind kind, mlir::Value x, mlir::Value y);

  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, double y) { return add(x, fillLike(x, y)); }
  mlir::Value mul(mlir::Value x, double y) { return mul(x, fillLike(x, y)); }
  mlir::Value max(mlir::Value x, double y) { return max(x, fillLike(x, y)); }
  mlir::Value min(mlir::Value x, double y) { return min(x, fillLike(x, y)); }
  /// The product of the extents of the axes as a value of x's reduced dims and element type.
  mlir::Value countLike(mlir::Value reduced, mlir::Value x, llvm::ArrayRef<int64_t> axes);

  mlir::OpBuilder &getBuilder() { return builder; }
  mlir::Location getLoc() const { return loc; }

private:
  using Infer = llvm::LogicalResult (*)(mlir::MLIRContext *, std::optional<mlir::Location>,
                                        mlir::ValueRange, mlir::DictionaryAttr,
                                        mlir::OpaqueProperties, mlir::RegionRange,
                                        llvm::SmallVectorImpl<mlir::Type> &);
  mlir::Value createInferred(mlir::OperationState &state, Infer infer);

  /// Whether the op infers its one result, and these arguments do not give its type.
  template <typename OpType, typename First, typename... Rest> static constexpr bool infersFrom() {
    if constexpr (OpType::template hasTrait<mlir::InferTypeOpInterface::Trait>() &&
                  OpType::template hasTrait<mlir::OpTrait::OneResult>() &&
                  !std::is_convertible_v<First, mlir::Type>)
      return requires(mlir::OpBuilder &b, mlir::OperationState &state, mlir::Type type, First first,
                      Rest... rest) { OpType::build(b, state, type, first, rest...); };
    return false;
  }

  mlir::OpBuilder &builder;
  mlir::Location loc;
  std::string *misfit = nullptr;
};

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_GRAPHBUILDER_H
