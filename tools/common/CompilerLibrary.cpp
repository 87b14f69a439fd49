#include "tools/common/CompilerLibrary.h"

#include "tools/common/ThisProgram.h"

#include <cstdlib>
#include <dlfcn.h>
#include <vector>

namespace tessera::tools {
namespace {

struct Opened {
  CompilerLibrary functions{};
  std::string error;

  Opened() {
    std::vector<std::string> candidates;
    const char *const name = "libtessera_compiler.so";
    if (const char *given = std::getenv("TESSERA_COMPILER_LIBRARY")) {
      candidates = {given};
    } else {
      if (const std::string path = findBesideThis(name); !path.empty())
        candidates.push_back(path);
      candidates.push_back(name);
    }
    void *library = nullptr;
    for (const std::string &candidate : candidates) {
      library = ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library)
        break;
      if (const char *reason = ::dlerror(); reason && error.empty())
        error = "the compiler cannot be opened: " + std::string(reason);
    }
    if (!library) {
      if (error.empty())
        error = "the compiler, " + std::string(name) +
                ", was not found beside this program; set "
                "TESSERA_COMPILER_LIBRARY to its path";
      return;
    }
    error.clear();
#define TESSERA_RESOLVE(function)                                                                  \
  functions.function =                                                                             \
      reinterpret_cast<decltype(functions.function)>(::dlsym(library, "tessera_" #function));      \
  if (!functions.function)                                                                         \
    error = "the compiler library is of another version: it has no tessera_" #function;
    TESSERA_RESOLVE(compile_code_name)
    TESSERA_RESOLVE(compiler_version)
    TESSERA_RESOLVE(compiler_host_target)
    TESSERA_RESOLVE(compile_file)
    TESSERA_RESOLVE(compile_bytes)
    TESSERA_RESOLVE(compile_object)
    TESSERA_RESOLVE(compilation_header)
    TESSERA_RESOLVE(compilation_destroy)
    TESSERA_RESOLVE(compilation_code)
    TESSERA_RESOLVE(compilation_message)
    TESSERA_RESOLVE(compilation_bytes)
    TESSERA_RESOLVE(compilation_size)
    TESSERA_RESOLVE(compilation_target)
    TESSERA_RESOLVE(compilation_kernel_count)
    TESSERA_RESOLVE(compilation_cached_kernel_count)
    TESSERA_RESOLVE(compilation_step)
    TESSERA_RESOLVE(compilation_unsupported_count)
    TESSERA_RESOLVE(compilation_unsupported)
    TESSERA_RESOLVE(compilation_node_count)
    TESSERA_RESOLVE(compilation_weight_count)
    TESSERA_RESOLVE(compilation_weight)
    TESSERA_RESOLVE(compilation_layer_count)
    TESSERA_RESOLVE(compilation_layer)
    TESSERA_RESOLVE(compilation_accuracy_count)
    TESSERA_RESOLVE(compilation_accuracy)
    TESSERA_RESOLVE(compilation_kernel_types_count)
    TESSERA_RESOLVE(compilation_kernel_types)
    TESSERA_RESOLVE(compilation_report)
    TESSERA_RESOLVE(compilation_records)
    TESSERA_RESOLVE(reference_load_operators)
    TESSERA_RESOLVE(reference_quantize)
    TESSERA_RESOLVE(reference_lower_precision)
    TESSERA_RESOLVE(reference_destroy)
    TESSERA_RESOLVE(reference_message)
    TESSERA_RESOLVE(reference_input)
    TESSERA_RESOLVE(reference_output)
    TESSERA_RESOLVE(reference_run)
    TESSERA_RESOLVE(reference_result)
#undef TESSERA_RESOLVE
  }
};

const Opened &opened() {
  static const Opened library;
  return library;
}

} // namespace

const CompilerLibrary *openCompiler(std::string &error) {
  error = opened().error;
  return error.empty() ? &opened().functions : nullptr;
}

void CompilationDeleter::operator()(tessera_compilation *compilation) const {
  opened().functions.compilation_destroy(compilation);
}

} // namespace tessera::tools
