// The C interface: errors, tensors, modules, contexts, calls, state, profile.
#include "runtime/api/Api.h"
#include "runtime/api/OpenHost.h"
#include "runtime/base/ElementType.h"

#include <cstdlib>
#include <cstring>

using namespace tessera::rt;

namespace tessera::rt {

tessera_code deliver(Status status, tessera_error **error) {
  const tessera_code code = tessera_code(status.code());
  if (code == TESSERA_OK || !error)
    return code;
  auto *made = static_cast<tessera_error *>(std::malloc(sizeof(tessera_error)));
  if (made)
    *made = {code, ::strdup(status.message())};
  *error = made;
  return code;
}

} // namespace tessera::rt

static_assert(sizeof(tessera_record_kind) == sizeof(uint32_t) && TESSERA_MAX_RANK == kMaxRank);

extern "C" {

// ---- errors

tessera_code tessera_error_code(const tessera_error *error) {
  return error ? error->code : TESSERA_OUT_OF_MEMORY;
}
const char *tessera_error_message(const tessera_error *error) {
  return error && error->message ? error->message : "out of memory";
}
void tessera_error_destroy(tessera_error *error) {
  if (!error)
    return;
  std::free(error->message);
  std::free(error);
}
const char *tessera_code_name(tessera_code code) { return codeName(Code(code)); }
const char *tessera_version(void) { return "0.1.0"; }
uint32_t tessera_api_version(void) { return TESSERA_API_VERSION; }

// ---- tensors

const char *tessera_type_name(tessera_type type) {
  return type < kElementTypeCount ? kElementTypes[type].name : nullptr;
}
uint32_t tessera_type_bytes(tessera_type type) {
  return type < kElementTypeCount ? kElementTypes[type].bytes : 0;
}

void tessera_tensor_init(tessera_tensor *tensor, tessera_type type, uint32_t rank,
                         const int64_t *dims, void *data) {
  *tensor = {};
  tensor->data = data;
  tensor->type = type;
  tensor->rank = rank;
  int64_t stride = 1;
  for (uint32_t d = rank < TESSERA_MAX_RANK ? rank : TESSERA_MAX_RANK; d-- > 0;) {
    tensor->dims[d] = dims[d];
    tensor->strides[d] = stride;
    if (__builtin_mul_overflow(stride, dims[d] > 0 ? dims[d] : 1, &stride))
      stride = INT64_MAX; // Too large for any input: refused there.
  }
}

// ---- modules

static Status toAllocator(const tessera_allocator *from, Allocator &to) {
  if (!from->allocate || !from->release)
    return Status::error(Code::InvalidArgument, "the allocator has no functions");
  to = {from->allocate, from->release, from->user};
  return {};
}

static Status toLoadOptions(const tessera_load_options &from, Allocator &allocator,
                            LoadOptions &to) {
  if (from.allocator) {
    TESSERA_TRY(toAllocator(from.allocator, allocator));
    to.allocator = &allocator;
  }
  to.variant = from.variant;
  to.verifyAll = from.verify_all != 0;
  to.offset = from.offset;
  to.bytes = from.bytes;
  to.openHost = openHost;
  if (from.device && !(to.device = findDevice(from.device))) {
    char known[128] = "";
    listDevices(known, sizeof(known));
    return Status::error(Code::UnknownName, "unknown device '%s'; known are %s", from.device,
                         known);
  }
  return {};
}

tessera_code tessera_module_load_file(const char *path, const tessera_load_options *options,
                                      tessera_module **module, tessera_error **error) {
  if (!path || !module)
    return deliver(Status::error(Code::InvalidArgument, "path and module must not be null"), error);
  Allocator allocator;
  LoadOptions load;
  if (Status status = toLoadOptions(readOptions(options), allocator, load); !status.ok())
    return deliver(std::move(status), error);
  Result<Module *> result = Module::loadFile(path, load);
  if (!result.ok())
    return deliver(result.takeStatus(), error);
  *module = reinterpret_cast<tessera_module *>(*result);
  return TESSERA_OK;
}

tessera_code tessera_module_load_memory(const void *data, uint64_t size,
                                        const tessera_load_options *options,
                                        tessera_module **module, tessera_error **error) {
  if (!data || !module)
    return deliver(Status::error(Code::InvalidArgument, "data and module must not be null"), error);
  Allocator allocator;
  LoadOptions load;
  if (Status status = toLoadOptions(readOptions(options), allocator, load); !status.ok())
    return deliver(std::move(status), error);
  Result<Module *> result = Module::loadMemory(data, size, load);
  if (!result.ok())
    return deliver(result.takeStatus(), error);
  *module = reinterpret_cast<tessera_module *>(*result);
  return TESSERA_OK;
}

tessera_code tessera_add_device(const tessera_device *device, uint32_t abi, tessera_error **error) {
  if (!device)
    return deliver(Status::error(Code::InvalidArgument, "device must not be null"), error);
  if (abi != kDeviceAbi)
    return deliver(Status::error(Code::NewerVersion,
                                 "the device is for another version of the runtime: its table has "
                                 "version %u, expected %u",
                                 abi, kDeviceAbi),
                   error);
  if (!addDevice(*reinterpret_cast<const Device *>(device)))
    return deliver(
        Status::error(Code::LimitExceeded, "there are %u devices already", kMaxAddedDevices),
        error);
  return TESSERA_OK;
}

void tessera_module_destroy(tessera_module *module) {
  if (module)
    unwrap(module)->release();
}

// ---- contexts

tessera_code tessera_context_create(tessera_module *module, const tessera_context_options *options,
                                    tessera_context **context, tessera_error **error) {
  if (!module || !context)
    return deliver(Status::error(Code::InvalidArgument, "module and context must not be null"),
                   error);
  const tessera_context_options from = readOptions(options);
  Allocator allocator;
  ContextOptions to;
  to.threads = from.threads;
  to.memoryLimit = from.memory_limit;
  to.maxPlans = from.max_plans;
  if (from.allocator) {
    if (Status status = toAllocator(from.allocator, allocator); !status.ok())
      return deliver(std::move(status), error);
    to.allocator = &allocator;
  }
  Result<Context *> result = Context::make(*unwrap(module), to);
  if (!result.ok())
    return deliver(result.takeStatus(), error);
  *context = reinterpret_cast<tessera_context *>(*result);
  return TESSERA_OK;
}

void tessera_context_destroy(tessera_context *context) {
  if (!context)
    return;
  const Allocator allocator = unwrap(context)->allocator;
  destroy(allocator, unwrap(context));
}

uint32_t tessera_context_threads(const tessera_context *context) {
  return unwrap(context).pool.threads();
}

static Status isNull(const char *what) {
  return Status::error(Code::InvalidArgument, "the %s must not be null", what);
}

static Status badIndex(const char *what, uint32_t index) {
  return Status::error(Code::InvalidArgument, "there is no %s %u", what, index);
}

static Status toView(const tessera_tensor &from, TensorView &to) {
  if (from.rank > kMaxRank)
    return Status::error(Code::WrongRank, "a tensor has %u dimensions, at most %u are possible",
                         from.rank, kMaxRank);
  if (from.type >= kElementTypeCount)
    return Status::error(Code::WrongType, "%u is no element type", from.type);
  to.data = from.data;
  to.type = ElementType(from.type);
  to.rank = from.rank;
  for (uint32_t d = 0; d < from.rank; ++d) {
    to.dims[d] = from.dims[d];
    to.strides[d] = from.strides[d];
  }
  return {};
}

static const Function *functionOf(tessera_context *context, uint32_t index) {
  const Span<Function> functions = unwrap(context)->module.variant().functions;
  return index < functions.size ? &functions[index] : nullptr;
}

static tessera_code setInput(tessera_context *context, uint32_t function, uint32_t input,
                             const tessera_tensor *tensor, bool isOnDevice, tessera_error **error) {
  if (!context)
    return deliver(isNull("context"), error);
  const Function *f = functionOf(context, function);
  if (!f || input >= f->inputs.size)
    return deliver(badIndex(f ? "input" : "function", f ? input : function), error);
  if (!tensor)
    return deliver(isNull("tensor").at("input '%s'", f->inputs[input].name), error);
  TensorView view;
  if (Status status = toView(*tensor, view); !status.ok())
    return deliver(std::move(status).at("input '%s'", f->inputs[input].name), error);
  view.isOnDevice = isOnDevice;
  return deliver(unwrap(context)->setInput(function, input, view), error);
}

static tessera_code setOutput(tessera_context *context, uint32_t function, uint32_t output,
                              const tessera_tensor *tensor, bool staysOnDevice,
                              tessera_error **error) {
  if (!context)
    return deliver(isNull("context"), error);
  const Function *f = functionOf(context, function);
  if (!f || output >= f->outputs.size)
    return deliver(badIndex(f ? "output" : "function", f ? output : function), error);
  TensorView view;
  if (tensor)
    if (Status status = toView(*tensor, view); !status.ok())
      return deliver(std::move(status).at("output '%s'", f->outputs[output].name), error);
  return deliver(
      unwrap(context)->setOutput(function, output, tensor ? &view : nullptr, staysOnDevice), error);
}

tessera_code tessera_set_input(tessera_context *context, uint32_t function, uint32_t input,
                               const tessera_tensor *tensor, tessera_error **error) {
  return setInput(context, function, input, tensor, /*isOnDevice=*/false, error);
}
tessera_code tessera_set_output(tessera_context *context, uint32_t function, uint32_t output,
                                const tessera_tensor *tensor, tessera_error **error) {
  return setOutput(context, function, output, tensor, /*staysOnDevice=*/false, error);
}
tessera_code tessera_set_device_input(tessera_context *context, uint32_t function, uint32_t input,
                                      const tessera_tensor *tensor, tessera_error **error) {
  return setInput(context, function, input, tensor, /*isOnDevice=*/true, error);
}
tessera_code tessera_set_device_output(tessera_context *context, uint32_t function, uint32_t output,
                                       const tessera_tensor *tensor, tessera_error **error) {
  return setOutput(context, function, output, tensor, /*staysOnDevice=*/true, error);
}

tessera_code tessera_run(tessera_context *context, uint32_t function,
                         const tessera_run_options *options, tessera_error **error) {
  if (!context)
    return deliver(isNull("context"), error);
  if (!functionOf(context, function))
    return deliver(badIndex("function", function), error);
  const tessera_run_options given = readOptions(options);
  return deliver(unwrap(context)->run(function, given.timeout, given.stream, given.wait_each != 0),
                 error);
}

static tessera_code getOutput(tessera_context *context, uint32_t function, uint32_t output,
                              tessera_tensor *tensor, uint64_t *taken, tessera_error **error) {
  if (!context)
    return deliver(isNull("context"), error);
  const Function *f = functionOf(context, function);
  if (!f || output >= f->outputs.size)
    return deliver(badIndex(f ? "output" : "function", f ? output : function), error);
  if (!tensor)
    return deliver(isNull("tensor").at("output '%s'", f->outputs[output].name), error);
  TensorView view;
  Status status = taken ? unwrap(context)->takeOutput(function, output, view, *taken)
                        : unwrap(context)->getOutput(function, output, view);
  if (!status.ok())
    return deliver(std::move(status), error);
  *tensor = {};
  tensor->data = view.data;
  tensor->type = tessera_type(view.type);
  tensor->rank = view.rank;
  for (uint32_t d = 0; d < view.rank; ++d) {
    tensor->dims[d] = view.dims[d];
    tensor->strides[d] = view.strides[d];
  }
  return TESSERA_OK;
}

tessera_code tessera_get_output(tessera_context *context, uint32_t function, uint32_t output,
                                tessera_tensor *tensor, tessera_error **error) {
  return getOutput(context, function, output, tensor, nullptr, error);
}

tessera_code tessera_take_output(tessera_context *context, uint32_t function, uint32_t output,
                                 tessera_tensor *tensor, uint64_t *bytes, tessera_error **error) {
  if (!bytes)
    return deliver(isNull("bytes"), error);
  *bytes = 0;
  return getOutput(context, function, output, tensor, bytes, error);
}

void tessera_cancel(tessera_context *context) {
  if (context)
    unwrap(context)->cancel();
}
uint64_t tessera_context_memory(const tessera_context *context) {
  return unwrap(context).memoryBytes();
}

// ---- state

static Status checkVariable(tessera_context *context, uint32_t variable, const void *data,
                            uint64_t bytes) {
  if (!context)
    return isNull("context");
  const Span<Variable> variables = unwrap(context)->module.variables;
  if (variable >= variables.size)
    return badIndex("variable", variable);
  const Variable &v = variables[variable];
  if (bytes != v.bytes)
    return Status::error(Code::WrongShape, "variable '%s' has %llu bytes, not %llu", v.name,
                         (unsigned long long)v.bytes, (unsigned long long)bytes);
  return bytes && !data ? isNull("data").at("variable '%s'", v.name) : Status();
}

tessera_code tessera_read_variable(tessera_context *context, uint32_t variable, void *data,
                                   uint64_t bytes, tessera_error **error) {
  if (Status status = checkVariable(context, variable, data, bytes); !status.ok())
    return deliver(std::move(status), error);
  return deliver(unwrap(context)->readVariable(variable, data), error);
}
tessera_code tessera_write_variable(tessera_context *context, uint32_t variable, const void *data,
                                    uint64_t bytes, tessera_error **error) {
  if (Status status = checkVariable(context, variable, data, bytes); !status.ok())
    return deliver(std::move(status), error);
  return deliver(unwrap(context)->writeVariable(variable, data), error);
}
tessera_code tessera_reset(tessera_context *context, tessera_error **error) {
  return deliver(context ? unwrap(context)->resetVariables() : isNull("context"), error);
}

// ---- profile

tessera_code tessera_profile_start(tessera_context *context, uint64_t capacity,
                                   tessera_error **error) {
  return deliver(context ? unwrap(context)->startProfile(capacity) : isNull("context"), error);
}
uint64_t tessera_profile_count(const tessera_context *context) {
  return unwrap(context).records.size();
}
uint64_t tessera_profile_dropped(const tessera_context *context) {
  return unwrap(context).recordsDropped;
}
tessera_code tessera_profile_get(const tessera_context *context, uint64_t index,
                                 tessera_record *record) {
  const Context &c = unwrap(context);
  if (index >= c.records.size() || !record)
    return TESSERA_INVALID_ARGUMENT;
  const Record &from = c.records[index];
  *record = {tessera_record_kind(from.kind),
             from.function,
             from.instruction,
             from.kernel,
             uint32_t(from.lane),
             0,
             from.start,
             from.duration,
             from.operations,
             from.bytes};
  return TESSERA_OK;
}
void tessera_profile_clear(tessera_context *context) {
  unwrap(context)->records.clear();
  unwrap(context)->recordsDropped = 0;
}

} // extern "C"
