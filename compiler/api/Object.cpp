//===- Object.cpp - Modules become objects ---------------------------------------------------===//
#include "compiler/api/Compiler.h"
#include "compiler/standalone/EmitObject.h"

using namespace tessera;

CompileResult tessera::compileObject(std::string_view module, const ObjectOptions &options) {
  CompileResult result;
  llvm::Expected<standalone::ObjectFile> made =
      standalone::emitObject(module, {options.prefix, options.dims, options.level});
  if (!made) {
    result.code = CompileCode::Unsupported;
    result.error = llvm::toString(made.takeError()) + "\n";
    return result;
  }
  result.bytes.assign(made->object.begin(), made->object.end());
  result.header = std::move(made->header);
  return result;
}
