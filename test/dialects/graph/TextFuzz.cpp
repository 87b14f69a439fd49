// Fuzzes the textual IR: what parses prints, and parses again.
#include "dialects/graph/Graph.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<tessera::graph::GraphDialect>();
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  // The parser reads up to the zero behind the text.
  const std::string text(reinterpret_cast<const char *>(data), size);
  // As tessera-compile asks; MLIR's own parser is not what is tested with bytes that are no text.
  if (StringRef(text).contains('\0') || size > 4096)
    return 0;
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return 0;
  std::string printed;
  llvm::raw_string_ostream os(printed);
  module->print(os);
  if (!parseSourceString<ModuleOp>(printed, &context))
    __builtin_trap();
  return 0;
}
