//===- Import.h - ONNX models to the graph dialect ------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_IMPORT_H
#define TESSERA_FRONTENDS_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <string>
#include <vector>

namespace tessera::onnx {

/// Whether the bytes look like a serialized ModelProto (they begin with its first fields).
bool looksLikeOnnx(llvm::StringRef bytes);

/// Nodes that cannot be imported for the same reason.
struct UnsupportedOperator {
  std::string name; ///< "ai.onnx" is left out: "Foo", "com.microsoft.Foo"
  int64_t opset = 0;
  size_t count = 0;
  std::string firstNode, reason;
};

/// What a whole model asks for, supported or not.
struct ImportReport {
  std::vector<UnsupportedOperator> unsupported;
  size_t nodes = 0;      ///< subgraphs included
  size_t unexamined = 0; ///< nodes that read what an unsupported node computes
  int64_t opset = 0;
  llvm::StringMap<int64_t> domains;       ///< versions of the operator sets of other domains
  llvm::StringMap<std::string> operators; ///< of nodes, by the name their location has

  /// Of an operator as it is named here, which stands in a node of this version of the default
  /// domain; 0 when the model does not say.
  int64_t opsetOf(llvm::StringRef name, int64_t ofDefault) const;
};

/// The model as one graph.func @main, or null after errors were emitted. Extents that the model
/// leaves open are symbols: its own names (`dim_param`), or made from the input's name. `fileName`
/// is for messages. With a report the import goes on after nodes that are not supported, as far as
/// what they compute is not needed; it gives null when there were any, without errors. `operators`
/// (or null) has functions for operators, named as they are: @"com.example.Gate"; such a function
/// hides an operator of Tessera's. Symbols with a value in `dims` are read as it: they stay
/// declared, and nothing uses them.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef bytes, llvm::StringRef fileName,
                                             mlir::MLIRContext &context,
                                             ImportReport *report = nullptr,
                                             mlir::ModuleOp operators = nullptr,
                                             const std::map<std::string, int64_t> &dims = {});

} // namespace tessera::onnx

#endif
