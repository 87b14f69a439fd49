//===- Import.h - ONNX models to the graph dialect ------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_IMPORT_H
#define TESSERA_FRONTENDS_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

namespace tessera::onnx {

/// Whether the bytes look like a serialized ModelProto (they begin with its first fields).
bool looksLikeOnnx(llvm::StringRef bytes);

/// The model as one graph.func @main, or null after errors were emitted. Extents that the model leaves open are
/// symbols: its own names (`dim_param`), or made from the input's name. `fileName` is for messages.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef bytes, llvm::StringRef fileName,
                                             mlir::MLIRContext &context);

} // namespace tessera::onnx

#endif
