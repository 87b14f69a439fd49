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

/// Brackets within brackets of the textual IR; MLIR's parser recurses on them.
static constexpr unsigned kMaxTextNesting = 200;

ErrorCollector::ErrorCollector(MLIRContext &context, std::string &text, const std::string &file)
    : ScopedDiagnosticHandler(&context, [&text, file](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
          return success();
        llvm::raw_string_ostream os(text);
        if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
          os << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn()
             << ": ";
        else if (!file.empty())
          os << file << ": ";
        os << diagnostic << '\n';
        return success();
      }) {}

bool tessera::looksLikeModel(StringRef bytes) {
  // Text has no zero bytes, and a model in text at least one op or type of the graph dialect.
  return onnx::looksLikeOnnx(bytes) || (!bytes.contains('\0') && bytes.contains("graph."));
}

/// Fails where the text nests too deeply. Brackets in strings and comments do not count.
static LogicalResult checkTextNesting(StringRef text, StringRef path, MLIRContext &context) {
  unsigned line = 1, depth = 0;
  size_t lineStart = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\n') {
      ++line;
      lineStart = i + 1;
    } else if (c == '"') {
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
        i += text[i] == '\\';
    } else if (text.substr(i).starts_with("//")) {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (StringRef("([{<").contains(c)) {
      if (++depth > kMaxTextNesting)
        return emitError(FileLineColLoc::get(&context, path, line, unsigned(i - lineStart + 1)))
               << "brackets are nested more than " << kMaxTextNesting << " deep (kMaxTextNesting)";
    } else if (StringRef(")]}>").contains(c) && depth && !(c == '>' && i && text[i - 1] == '-')) {
      --depth;
    }
  }
  return success();
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
    if (failed(checkTextNesting(bytes, path, context)))
      return {};
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(bytes, path), llvm::SMLoc());
    module = parseSourceFile<ModuleOp>(sources, &context);
  }
  if (module && failed(verify(*module)))
    return {};
  return module;
}
