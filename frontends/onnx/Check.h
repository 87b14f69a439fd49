//===- Check.h - What every model has to be ------------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_CHECK_H
#define TESSERA_FRONTENDS_ONNX_CHECK_H

#include "frontends/onnx/onnx-ml.pb.h"

#include "mlir/IR/Diagnostics.h"

#include "llvm/ADT/DenseMap.h"

namespace tessera::onnx {

/// Subgraphs within subgraphs, and functions within functions: hostile files nest deeper than any
/// model.
constexpr unsigned kMaxNesting = 32;
/// Nodes after functions were inlined: a function that calls another twice, many levels deep, is a
/// small file.
constexpr size_t kMaxInlinedNodes = size_t(1) << 20;
constexpr size_t kMaxInlinedBytes = size_t(1) << 28;
/// Nodes of bodies that are imported once for each element or iteration, all together, and elements
/// that one operator makes.
constexpr size_t kMaxUnrolledNodes = size_t(1) << 16;
constexpr size_t kMaxSequence = size_t(1) << 12;
/// Each becomes a symbol of the function; a module takes fewer.
constexpr size_t kMaxDataExtents = size_t(1) << 11;

/// Nodes of a graph and its subgraphs.
size_t countNodes(const ::onnx::GraphProto &graph);

/// Nesting of subgraphs, and names that nothing later could hold. Everything behind it may recurse.
mlir::LogicalResult checkNesting(const ::onnx::ModelProto &model, mlir::Location loc);

/// The operator sets of nodes that came out of functions, where they differ from the model's.
using NodeOpsets = llvm::DenseMap<const ::onnx::NodeProto *, int64_t>;

/// Replaces every call of a function of the model by the function's nodes, with the attributes of
/// the call. Values and nodes get the call's name in front. Fails for functions that call
/// themselves.
mlir::LogicalResult inlineFunctions(::onnx::ModelProto &model, int64_t opset, NodeOpsets &opsets,
                                    mlir::Location loc);

/// Puts nodes behind those whose results they, or their subgraphs, read; else they keep their
/// order. Fails for a cycle.
mlir::LogicalResult orderNodes(::onnx::GraphProto &graph, mlir::Location loc);

/// Renames inputs of subgraphs that have a name which is seen from outside: the input is meant
/// inside. Names of the graph itself stay.
void separateScopes(::onnx::GraphProto &graph);

/// Every value is defined once, before its first use, and outputs are values.
mlir::LogicalResult checkGraph(const ::onnx::GraphProto &graph, mlir::Location loc);

} // namespace tessera::onnx

#endif
