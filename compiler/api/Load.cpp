//===- Load.cpp - From a model file to the graph --------------------------===//
#include "compiler/api/Load.h"

#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"
#include "frontends/onnx/Import.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace tessera;

ErrorCollector::ErrorCollector(MLIRContext &context, std::string &text)
    : ScopedDiagnosticHandler(&context, [&text](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
          return success();
        llvm::raw_string_ostream os(text);
        if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
          os << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn()
             << ": ";
        os << diagnostic << '\n';
        return success();
      }) {}

bool tessera::looksLikeModel(StringRef bytes) {
  // Text has no zero bytes.
  return onnx::looksLikeOnnx(bytes) || (!bytes.contains('\0') && !bytes.trim().empty());
}

OwningOpRef<ModuleOp> tessera::parseModel(StringRef bytes, const std::string &path,
                                          StringRef folder, MLIRContext &context,
                                          onnx::ImportReport *report) {
  auto *dialect = context.getOrLoadDialect<graph::GraphDialect>();
  dialect->getWeightStore().setFolder(folder.empty() ? "." : folder);
  OwningOpRef<ModuleOp> module;
  if (onnx::looksLikeOnnx(bytes)) {
    module = onnx::importOnnx(bytes, path, context, report);
  } else {
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(bytes, path), llvm::SMLoc());
    module = parseSourceFile<ModuleOp>(sources, &context);
  }
  if (module && failed(verify(*module)))
    return {};
  return module;
}
