// The C interface: signatures and what is in a module.
#include "runtime/api/Api.h"
#include "runtime/base/Hash.h"
#include "runtime/module/CpuFeatures.h"

#include <cstring>

using namespace tessera::rt;

static const Variant *findVariant(const tessera_module *module, uint32_t index) {
  const Span<Variant> variants = unwrap(module).variants;
  return index < variants.size ? &variants[index] : nullptr;
}
static const Kernel *findKernel(const tessera_module *module, uint32_t variant, uint32_t kernel) {
  const Variant *v = findVariant(module, variant);
  return v && kernel < v->kernels.size ? &v->kernels[kernel] : nullptr;
}
static const Function *findFunctionOf(const tessera_module *module, uint32_t variant,
                                      uint32_t function) {
  const Variant *v = findVariant(module, variant);
  return v && function < v->functions.size ? &v->functions[function] : nullptr;
}

static void describe(const Function &function, const TensorSignature &signature,
                     tessera_tensor_info &info) {
  info = {};
  info.name = signature.name;
  info.type = tessera_type(signature.type);
  info.rank = uint32_t(signature.dims.size);
  for (size_t d = 0; d < signature.dims.size; ++d) {
    const Dim &dim = signature.dims[d];
    tessera_dim_info &to = info.dims[d];
    to.text = signature.dimText[d];
    to.extent = dim.isRegister ? -1 : dim.value;
    to.min = dim.isRegister ? 0 : dim.value;
    to.max = dim.isRegister ? kMaxElements : dim.value;
    if (dim.isRegister && uint64_t(dim.value) < function.symbols.size) {
      to.min = function.symbols[dim.value].min;
      to.max = function.symbols[dim.value].max;
    }
  }
}

template <typename T> static int32_t findName(Span<T> list, const char *name) {
  for (size_t i = 0; name && i < list.size; ++i)
    if (std::strcmp(list[i].name, name) == 0)
      return int32_t(i);
  return -1;
}

extern "C" {

// ---- signature

uint32_t tessera_function_count(const tessera_module *module) {
  return uint32_t(unwrap(module).variant().functions.size);
}
const char *tessera_function_name(const tessera_module *module, uint32_t function) {
  const Function *f = findFunction(module, function);
  return f ? f->name : nullptr;
}
uint32_t tessera_input_count(const tessera_module *module, uint32_t function) {
  const Function *f = findFunction(module, function);
  return f ? uint32_t(f->inputs.size) : 0;
}
uint32_t tessera_output_count(const tessera_module *module, uint32_t function) {
  const Function *f = findFunction(module, function);
  return f ? uint32_t(f->outputs.size) : 0;
}
tessera_code tessera_input_info(const tessera_module *module, uint32_t function, uint32_t input,
                                tessera_tensor_info *info) {
  const Function *f = findFunction(module, function);
  if (!f || input >= f->inputs.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  describe(*f, f->inputs[input], *info);
  return TESSERA_OK;
}
tessera_code tessera_output_info(const tessera_module *module, uint32_t function, uint32_t output,
                                 tessera_tensor_info *info) {
  const Function *f = findFunction(module, function);
  if (!f || output >= f->outputs.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  describe(*f, f->outputs[output], *info);
  return TESSERA_OK;
}
uint32_t tessera_input_is_strings(const tessera_module *module, uint32_t function, uint32_t input) {
  const Function *f = findFunction(module, function);
  return f && input < f->inputs.size && f->inputs[input].areStrings;
}
uint32_t tessera_output_is_strings(const tessera_module *module, uint32_t function,
                                   uint32_t output) {
  const Function *f = findFunction(module, function);
  return f && output < f->outputs.size && f->outputs[output].areStrings;
}
uint32_t tessera_output_squeezed(const tessera_module *module, uint32_t function, uint32_t output) {
  const Function *f = findFunction(module, function);
  return f && output < f->outputs.size ? f->outputs[output].squeezed : 0;
}
int32_t tessera_find_function(const tessera_module *module, const char *name) {
  return findName(unwrap(module).variant().functions, name);
}
int32_t tessera_find_input(const tessera_module *module, uint32_t function, const char *name) {
  const Function *f = findFunction(module, function);
  return f ? findName(f->inputs, name) : -1;
}
int32_t tessera_find_output(const tessera_module *module, uint32_t function, const char *name) {
  const Function *f = findFunction(module, function);
  return f ? findName(f->outputs, name) : -1;
}

// ---- variables

uint32_t tessera_variable_count(const tessera_module *module) {
  return uint32_t(unwrap(module).variables.size);
}
tessera_code tessera_variable_info(const tessera_module *module, uint32_t variable,
                                   tessera_tensor_info *info) {
  const Span<Variable> variables = unwrap(module).variables;
  if (variable >= variables.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  const Variable &v = variables[variable];
  *info = {};
  info->name = v.name;
  info->type = tessera_type(v.type);
  info->rank = uint32_t(v.dims.size);
  for (size_t d = 0; d < v.dims.size; ++d)
    info->dims[d] = {v.dims[d], "", v.dims[d], v.dims[d]};
  return TESSERA_OK;
}
int32_t tessera_find_variable(const tessera_module *module, const char *name) {
  return findName(unwrap(module).variables, name);
}

// ---- contents

uint32_t tessera_module_format_version(const tessera_module *module) {
  return unwrap(module).version;
}
const char *tessera_module_compiler(const tessera_module *module) {
  return unwrap(module).compiler;
}
uint64_t tessera_module_bytes(const tessera_module *module) { return unwrap(module).fileBytes; }
uint32_t tessera_variant_count(const tessera_module *module) {
  return uint32_t(unwrap(module).variants.size);
}
uint32_t tessera_active_variant(const tessera_module *module) { return unwrap(module).active; }
const char *tessera_module_note(const tessera_module *module) { return unwrap(module).note; }

tessera_code tessera_get_variant(const tessera_module *module, uint32_t variant,
                                 tessera_variant_info *info) {
  const Variant *v = findVariant(module, variant);
  if (!v || !info)
    return TESSERA_INVALID_ARGUMENT;
  bool usable = true;
  for (const char *feature : v->features)
    usable &= hasCpuFeature(feature);
  *info = {v->family,
           v->level,
           uint32_t(v->features.size),
           uint32_t(v->kernels.size),
           unwrap(module).segments[v->codeSegment].size,
           variant == unwrap(module).active,
           usable};
  return TESSERA_OK;
}
const char *tessera_variant_feature(const tessera_module *module, uint32_t variant,
                                    uint32_t feature) {
  const Variant *v = findVariant(module, variant);
  return v && feature < v->features.size ? v->features[feature] : nullptr;
}
tessera_code tessera_get_kernel(const tessera_module *module, uint32_t variant, uint32_t kernel,
                                tessera_kernel_info *info) {
  const Kernel *k = findKernel(module, variant, kernel);
  if (!k || !info)
    return TESSERA_INVALID_ARGUMENT;
  *info = {k->name, k->entry, uint32_t(k->args.size), uint32_t(k->sources.size)};
  return TESSERA_OK;
}
const char *tessera_kernel_source(const tessera_module *module, uint32_t variant, uint32_t kernel,
                                  uint32_t source) {
  const Kernel *k = findKernel(module, variant, kernel);
  return k && source < k->sources.size ? k->sources[source] : nullptr;
}
const char *tessera_kernel_host_operator(const tessera_module *module, uint32_t variant,
                                         uint32_t kernel) {
  const Kernel *k = findKernel(module, variant, kernel);
  return k ? k->host : nullptr;
}
uint32_t tessera_kernel_types(const tessera_module *module, uint32_t variant, uint32_t kernel,
                              tessera_type_use use, tessera_type *types, uint32_t capacity) {
  const Kernel *k = findKernel(module, variant, kernel);
  if (!k)
    return 0;
  uint32_t count = 0;
  bool seen[kElementTypeCount] = {};
  const auto add = [&](ElementType type) {
    if (seen[size_t(type)])
      return;
    seen[size_t(type)] = true;
    if (types && count < capacity)
      types[count] = tessera_type(type);
    ++count;
  };
  if (use == TESSERA_TYPES_SUMMED_IN)
    for (const ElementType type : k->sums)
      add(type);
  for (const KernelArg &arg : k->args)
    if ((use == TESSERA_TYPES_READ && arg.kind == KernelArgKind::Input) ||
        (use == TESSERA_TYPES_WRITTEN && arg.kind == KernelArgKind::Output))
      add(arg.type);
  return count;
}
uint64_t tessera_kernel_arg_text(const tessera_module *module, uint32_t variant, uint32_t kernel,
                                 uint32_t arg, char *text, uint64_t size) {
  const Kernel *k = findKernel(module, variant, kernel);
  return k && arg < k->args.size ? formatKernelArg(k->args[arg], text, size) : 0;
}
uint32_t tessera_constant_count(const tessera_module *module) {
  return uint32_t(unwrap(module).constants.size);
}
tessera_code tessera_get_constant(const tessera_module *module, uint32_t constant,
                                  tessera_constant_info *info) {
  const Span<Constant> constants = unwrap(module).constants;
  if (constant >= constants.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  const Constant &c = constants[constant];
  *info = {};
  info->name = c.name;
  info->layout = c.layout;
  info->type = tessera_type(c.type);
  info->rank = uint32_t(c.dims.size);
  for (size_t d = 0; d < c.dims.size; ++d)
    info->dims[d] = c.dims[d];
  info->bytes = c.bytes;
  info->offset = c.offset;
  info->segment = c.segment;
  info->data = c.data;
  return TESSERA_OK;
}
uint32_t tessera_segment_count(const tessera_module *module) {
  return uint32_t(unwrap(module).segments.size);
}
tessera_code tessera_get_segment(const tessera_module *module, uint32_t segment,
                                 tessera_segment_info *info) {
  const Module &m = unwrap(module);
  if (segment >= m.segments.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  const Segment &s = m.segments[segment];
  const uint64_t chunks = (s.size + kChunkBytes - 1) / kChunkBytes;
  *info = {s.kind == SegmentKind::Code ? "code" : "constants", s.offset, s.size,
           hashBytes(m.chunkHashes.data + s.firstHash, chunks * sizeof(uint64_t))};
  return TESSERA_OK;
}
tessera_code tessera_get_program(const tessera_module *module, uint32_t variant, uint32_t function,
                                 tessera_program_info *info) {
  const Function *f = findFunctionOf(module, variant, function);
  if (!f || !info)
    return TESSERA_INVALID_ARGUMENT;
  *info = {f->registers,
           f->prologue,
           uint32_t(f->segments.size),
           uint32_t(f->buffers.size),
           uint32_t(f->instructions.size),
           uint32_t(f->symbols.size)};
  return TESSERA_OK;
}
tessera_code tessera_get_symbol(const tessera_module *module, uint32_t function, uint32_t symbol,
                                tessera_symbol_info *info) {
  const Function *f = findFunction(module, function);
  if (!f || symbol >= f->symbols.size || !info)
    return TESSERA_INVALID_ARGUMENT;
  *info = {f->symbols[symbol].name, f->symbols[symbol].min, f->symbols[symbol].max};
  return TESSERA_OK;
}
uint64_t tessera_buffer_text(const tessera_module *module, uint32_t variant, uint32_t function,
                             uint32_t buffer, char *text, uint64_t size) {
  const Function *f = findFunctionOf(module, variant, function);
  return f && buffer < f->buffers.size ? formatBuffer(*f, buffer, text, size) : 0;
}
uint64_t tessera_instruction_text(const tessera_module *module, uint32_t variant, uint32_t function,
                                  uint32_t instruction, char *text, uint64_t size) {
  const Function *f = findFunctionOf(module, variant, function);
  return f && instruction < f->instructions.size
             ? formatInstruction(*findVariant(module, variant), *f, instruction, text, size)
             : 0;
}

} // extern "C"
