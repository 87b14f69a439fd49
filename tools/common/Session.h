// A module and a context to run it in, from a module file or a model.
#ifndef TESSERA_TOOLS_COMMON_SESSION_H
#define TESSERA_TOOLS_COMMON_SESSION_H

#include "runtime/api/tessera.h"
#include "tools/common/CompilerLibrary.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tessera::tools {

struct ModuleDeleter {
  void operator()(tessera_module *module) const { tessera_module_destroy(module); }
};
struct ContextDeleter {
  void operator()(tessera_context *context) const { tessera_context_destroy(context); }
};
using ModulePointer = std::unique_ptr<tessera_module, ModuleDeleter>;
using ContextPointer = std::unique_ptr<tessera_context, ContextDeleter>;

struct OpenOptions {
  std::string target;                  // level to compile for or to choose; "": this machine's
  std::map<std::string, int64_t> dims; // symbols that get a value; models only
  std::string device;                  // "": cpu
  std::string quantize;                // how weights are stored; models only
  bool isQuiet = false;                // no progress
  std::string precision;               // what operands of products are rounded to; models only
  std::string convolution;             // how convolutions are computed; models only
  std::string operators;               // file of functions for operators; models only
};

// By content; true also for what cannot be opened: the loader says why.
bool isModule(const std::string &path);

// Loads a module, or compiles a model (recognised by content; with the compile cache of
// tessera-compile) and loads what came out. "" or the message.
[[nodiscard]] std::string openModule(const std::string &path, const OpenOptions &options,
                                     ModulePointer &module);
[[nodiscard]] std::string makeContext(tessera_module *module, uint32_t threads,
                                      ContextPointer &context,
                                      const tessera_allocator *allocator = nullptr);

// The message of a compilation that failed, with its code; "" if it did not.
std::string compileMessage(const CompilerLibrary &compiler, const tessera_compilation *compilation);

// The message of an error, with its code; releases it.
std::string take(tessera_error *error);

// "f32[B, 128]": a signature's type, for people; "string[B]" without the axis of the bytes.
std::string formatType(const tessera_tensor_info &info, bool areStrings = false);
tessera_tensor_info inputInfo(const tessera_module *module, uint32_t function, uint32_t input);
tessera_tensor_info outputInfo(const tessera_module *module, uint32_t function, uint32_t output);
std::vector<std::string> inputNames(const tessera_module *module, uint32_t function);
std::vector<std::string> outputNames(const tessera_module *module, uint32_t function);

// The function's number, or a message. "" is the first function.
[[nodiscard]] std::string findFunction(const tessera_module *module, const std::string &name,
                                       uint32_t &function);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_SESSION_H
