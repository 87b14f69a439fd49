//===- Load.cpp - From a model file to the graph --------------------------===//
#include "compiler/api/Load.h"

#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"
#include "frontends/onnx/Import.h"
#include "frontends/onnx/Names.h"

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
  return tessera::onnx::looksLikeOnnx(bytes) || (!bytes.contains('\0') && bytes.contains("graph."));
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

static OwningOpRef<ModuleOp> parseText(StringRef text, StringRef path, MLIRContext &context) {
  if (failed(checkTextNesting(text, path, context)))
    return {};
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, path), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, &context);
}

/// The functions of a file; null after an error.
static OwningOpRef<ModuleOp> parseOperators(const std::string &path, MLIRContext &context) {
  auto file = llvm::MemoryBuffer::getFile(path);
  auto error = [&] {
    return emitError(UnknownLoc::get(&context)) << "--ops: cannot read '" << path << "': ";
  };
  if (!file) {
    error() << file.getError().message();
    return {};
  }
  StringRef text = (*file)->getBuffer();
  if (tessera::onnx::looksLikeOnnx(text) || !looksLikeModel(text)) {
    error() << "expected functions in the textual IR (graph.func @\"com.example.Gate\" ...)";
    return {};
  }
  OwningOpRef<ModuleOp> module = parseText(text, path, context);
  return module && succeeded(verify(*module)) ? std::move(module) : nullptr;
}

OwningOpRef<ModuleOp> tessera::parseModel(StringRef bytes, const std::string &path,
                                          StringRef folder, MLIRContext &context,
                                          tessera::onnx::ImportReport *report,
                                          const std::string &operators,
                                          const std::map<std::string, int64_t> &dims) {
  auto *dialect = context.getOrLoadDialect<graph::GraphDialect>();
  dialect->getWeightStore().setFolder(folder.empty() ? "." : folder);
  OwningOpRef<ModuleOp> module;
  if (tessera::onnx::looksLikeOnnx(bytes)) {
    OwningOpRef<ModuleOp> library;
    if (!operators.empty() && !(library = parseOperators(operators, context)))
      return {};
    module = tessera::onnx::importOnnx(bytes, path, context, report,
                                       library ? *library : ModuleOp(), dims);
  } else if (!operators.empty()) {
    emitError(UnknownLoc::get(&context))
        << "--ops is for ONNX models; in the textual IR graph.call names a function of the file";
    return {};
  } else {
    module = parseText(bytes, path, context);
  }
  if (module && failed(verify(*module)))
    return {};
  return module;
}

void tessera::listOtherUnsupported(StringRef bytes, const std::string &path, StringRef folder,
                                   const std::string &operators,
                                   const std::map<std::string, int64_t> &dims,
                                   std::string &errors) {
  if (!tessera::onnx::looksLikeOnnx(bytes))
    return;
  // Read again, going on where that is possible: only who is refused pays for it.
  MLIRContext context(MLIRContext::Threading::DISABLED);
  std::string again;
  ErrorCollector collector(context, again, path);
  tessera::onnx::ImportReport report;
  parseModel(bytes, path, folder, context, &report, operators, dims);
  for (const tessera::onnx::UnsupportedOperator &row : report.unsupported) {
    std::string line = path + ": node " + tessera::onnx::quoted(row.firstNode) + " (" + row.name +
                       "): " + row.reason;
    if (StringRef(errors).contains(line))
      continue;
    if (row.count > 1)
      line += "; " + std::to_string(row.count - 1) + " more such nodes";
    errors += line + "\n";
  }
}
