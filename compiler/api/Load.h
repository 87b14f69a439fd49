//===- Load.h - From a model's bytes to the graph -------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_LOAD_H
#define TESSERA_COMPILER_API_LOAD_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <string>

namespace tessera::onnx {
struct ImportReport;
}

namespace tessera {

/// Whether the bytes are of a format that parseModel reads: ONNX, or the textual IR.
bool looksLikeModel(llvm::StringRef bytes);

/// The verified graph of a model, null after an error was emitted. Files that it refers to are
/// looked for in `folder`. A report (or null) collects what of an ONNX model is unsupported.
/// `operators` is a file of functions for operators of an ONNX model, or "". Extents of an ONNX
/// model with a value in `dims` are read as it, so that what depends on them is known; fixDims
/// checks the values, and replaces the symbols in the textual IR.
mlir::OwningOpRef<mlir::ModuleOp> parseModel(llvm::StringRef bytes, const std::string &path,
                                             llvm::StringRef folder, mlir::MLIRContext &context,
                                             onnx::ImportReport *report = nullptr,
                                             const std::string &operators = {},
                                             const std::map<std::string, int64_t> &dims = {});

/// After an ONNX model was refused: appends to the errors, one a line, what else in the whole model
/// is not supported.
void listOtherUnsupported(llvm::StringRef bytes, const std::string &path, llvm::StringRef folder,
                          const std::string &operators, const std::map<std::string, int64_t> &dims,
                          std::string &errors);

/// Appends the errors of a context to a text while it lives: "file:line:column: sentence", one a
/// line; "file: sentence" where there are no lines.
class ErrorCollector : public mlir::ScopedDiagnosticHandler {
public:
  ErrorCollector(mlir::MLIRContext &context, std::string &text, const std::string &file);
};

} // namespace tessera

#endif
