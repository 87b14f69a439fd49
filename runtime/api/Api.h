// What the parts of the C interface share.
#ifndef TESSERA_RUNTIME_API_API_H
#define TESSERA_RUNTIME_API_API_H

#include "runtime/api/tessera.h"
#include "runtime/executor/Context.h"

struct tessera_error {
  tessera_code code;
  char *message; // null: out of memory
};

namespace tessera::rt {

inline Module *unwrap(tessera_module *module) { return reinterpret_cast<Module *>(module); }
inline const Module &unwrap(const tessera_module *module) {
  return *reinterpret_cast<const Module *>(module);
}
inline Context *unwrap(tessera_context *context) { return reinterpret_cast<Context *>(context); }
inline const Context &unwrap(const tessera_context *context) {
  return *reinterpret_cast<const Context *>(context);
}
inline const Function *findFunction(const tessera_module *module, uint32_t index) {
  const Span<Function> functions = unwrap(module).variant().functions;
  return index < functions.size ? &functions[index] : nullptr;
}

// Hands a status to the caller.
tessera_code deliver(Status status, tessera_error **error);

// Fields that a caller compiled with an older header does not have are 0.
template <typename T> T readOptions(const T *options) {
  T result{};
  if (options)
    __builtin_memcpy(&result, options, options->size < sizeof(T) ? options->size : sizeof(T));
  return result;
}

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_API_API_H
