// Fuzzes the ONNX frontend: bytes to the graph dialect, which has to be valid when there is no
// error.
#include "frontends/onnx/Import.h"

#include "dialects/graph/Graph.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  unsigned errors = 0;
  ScopedDiagnosticHandler count(&context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
    (void)diagnostic.str();
    return success();
  });
  OwningOpRef<ModuleOp> module = tessera::onnx::importOnnx(
      {reinterpret_cast<const char *>(data), size}, "fuzzed.onnx", context);
  // Failing without a word, or a graph that is not legal, is a bug as well.
  if (module ? errors || failed(verify(*module)) : !errors)
    __builtin_trap();
  return 0;
}
