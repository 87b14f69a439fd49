// Apart from Session.cpp, so that a program which takes no models has no compiler to open.
#include "runtime/api/tessera_cuda.h"
#include "tools/common/CommandLine.h"
#include "tools/common/CompilerLibrary.h"
#include "tools/common/Devices.h"
#include "tools/common/RecordsFile.h"
#include "tools/common/Session.h"

#include <cstdio>

namespace tessera::tools {

bool isModule(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return true; // The loader says why it cannot be read.
  unsigned char magic[4] = {};
  const size_t size = std::fread(magic, 1, 4, file);
  std::fclose(file);
  return size == 4 && magic[0] == 0x89 && magic[1] == 'T' && magic[2] == 'S' && magic[3] == 'M';
}

namespace {

std::string compileModel(const std::string &path, const OpenOptions &options,
                         Compilation &compilation) {
  std::string problem;
  const CompilerLibrary *compiler = openCompiler(problem);
  if (!compiler)
    return problem;
  std::vector<tessera_compile_dim> dims;
  for (const auto &[name, value] : options.dims)
    dims.push_back({name.c_str(), value});
  const char *target = options.target.c_str();
  Progress progress(options.isQuiet);
  tessera_compile_options compile{};
  compile.size = sizeof(compile);
  compile.targets = &target;
  compile.target_count = !options.target.empty();
  compile.dims = dims.data();
  compile.dim_count = uint32_t(dims.size());
  compile.quantize = options.quantize.empty() ? nullptr : options.quantize.c_str();
  compile.precision = options.precision.empty() ? nullptr : options.precision.c_str();
  compile.convolution = options.convolution.empty() ? nullptr : options.convolution.c_str();
  compile.operators_file = options.operators.empty() ? nullptr : options.operators.c_str();
  const FoundRecords records = findRecords(path);
  if (!records.note.empty() && !options.isQuiet)
    std::fprintf(stderr, "%s\n", records.note.c_str());
  compile.records_file = records.path.empty() ? nullptr : records.path.c_str();
  compile.progress = Progress::show;
  compile.user = &progress;
  compilation.reset(compiler->compile_file(path.c_str(), &compile));
  if (!compilation)
    return "out of memory";
  return compileMessage(*compiler, compilation.get());
}

} // namespace

std::string compileMessage(const CompilerLibrary &compiler,
                           const tessera_compilation *compilation) {
  const tessera_compile_code code = compiler.compilation_code(compilation);
  if (code == TESSERA_COMPILE_OK)
    return "";
  std::string text = compiler.compilation_message(compilation);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text + " [" + compiler.compile_code_name(code) + "]";
}

std::string openModule(const std::string &path, const OpenOptions &options, ModulePointer &module) {
  tessera_load_options load{};
  load.size = sizeof(load);
  load.variant =
      options.target.empty() || options.target == "host" ? nullptr : options.target.c_str();
  load.device = options.device.empty() ? nullptr : options.device.c_str();
  tessera_module *loaded = nullptr;
  tessera_error *error = nullptr;
  tessera_code code;
  if (isCuda(options.device) && tessera_cuda_enable(&error))
    return take(error);
  if (isModule(path)) {
    if (!options.quantize.empty())
      return "--quantize is for models; the weights of the module '" + path +
             "' were stored when it was compiled";
    if (!options.precision.empty())
      return "--precision is for models; that of the module '" + path +
             "' was chosen when it was compiled";
    if (!options.convolution.empty())
      return "--convolution is for models; that of the module '" + path +
             "' was chosen when it was compiled";
    if (!options.operators.empty())
      return "--ops is for models; the operators of the module '" + path +
             "' were compiled with it";
    if (!options.dims.empty())
      return "--dim is for models; the extents of the module '" + path +
             "' were chosen when it was "
             "compiled";
    code = tessera_module_load_file(path.c_str(), &load, &loaded, &error);
  } else {
    Compilation compilation;
    if (std::string problem = compileModel(path, options, compilation); !problem.empty())
      return problem;
    std::string none;
    const CompilerLibrary *compiler = openCompiler(none);
    code = tessera_module_load_memory(compiler->compilation_bytes(compilation.get()),
                                      compiler->compilation_size(compilation.get()), &load, &loaded,
                                      &error);
  }
  if (code)
    return take(error);
  module.reset(loaded);
  return "";
}

} // namespace tessera::tools
