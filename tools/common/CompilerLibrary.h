// libtessera_compiler.so, opened when a model has to be compiled: a tool that only runs modules
// starts without MLIR and LLVM.
#ifndef TESSERA_TOOLS_COMMON_COMPILERLIBRARY_H
#define TESSERA_TOOLS_COMMON_COMPILERLIBRARY_H

#include "compiler/api/tessera_compiler.h"

#include <memory>
#include <string>

namespace tessera::tools {

// The functions of the C interface, by the names they have there without `tessera_`.
struct CompilerLibrary {
  decltype(&tessera_compile_code_name) compile_code_name;
  decltype(&tessera_compiler_version) compiler_version;
  decltype(&tessera_compiler_host_target) compiler_host_target;
  decltype(&tessera_compile_file) compile_file;
  decltype(&tessera_compile_bytes) compile_bytes;
  decltype(&tessera_compile_object) compile_object;
  decltype(&tessera_compilation_header) compilation_header;
  decltype(&tessera_compilation_destroy) compilation_destroy;
  decltype(&tessera_compilation_code) compilation_code;
  decltype(&tessera_compilation_message) compilation_message;
  decltype(&tessera_compilation_bytes) compilation_bytes;
  decltype(&tessera_compilation_size) compilation_size;
  decltype(&tessera_compilation_target) compilation_target;
  decltype(&tessera_compilation_kernel_count) compilation_kernel_count;
  decltype(&tessera_compilation_cached_kernel_count) compilation_cached_kernel_count;
  decltype(&tessera_compilation_step) compilation_step;
  decltype(&tessera_compilation_unsupported_count) compilation_unsupported_count;
  decltype(&tessera_compilation_unsupported) compilation_unsupported;
  decltype(&tessera_compilation_node_count) compilation_node_count;
  decltype(&tessera_compilation_weight_count) compilation_weight_count;
  decltype(&tessera_compilation_weight) compilation_weight;
  decltype(&tessera_compilation_layer_count) compilation_layer_count;
  decltype(&tessera_compilation_layer) compilation_layer;
  decltype(&tessera_compilation_accuracy_count) compilation_accuracy_count;
  decltype(&tessera_compilation_accuracy) compilation_accuracy;
  decltype(&tessera_compilation_kernel_types_count) compilation_kernel_types_count;
  decltype(&tessera_compilation_kernel_types) compilation_kernel_types;
  decltype(&tessera_compilation_report) compilation_report;
  decltype(&tessera_compilation_records) compilation_records;
  decltype(&tessera_reference_load_operators) reference_load_operators;
  decltype(&tessera_reference_quantize) reference_quantize;
  decltype(&tessera_reference_lower_precision) reference_lower_precision;
  decltype(&tessera_reference_destroy) reference_destroy;
  decltype(&tessera_reference_message) reference_message;
  decltype(&tessera_reference_input) reference_input;
  decltype(&tessera_reference_output) reference_output;
  decltype(&tessera_reference_run) reference_run;
  decltype(&tessera_reference_result) reference_result;
};

// Looked for beside this program or library, in ../lib, and where the system looks;
// $TESSERA_COMPILER_LIBRARY names another. Null, and one sentence in `error`, when there is none.
// Stays open.
const CompilerLibrary *openCompiler(std::string &error);

struct CompilationDeleter {
  void operator()(tessera_compilation *compilation) const;
};
using Compilation = std::unique_ptr<tessera_compilation, CompilationDeleter>;

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_COMPILERLIBRARY_H
