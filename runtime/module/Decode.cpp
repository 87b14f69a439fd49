// FlatBuffer → the structs of Program.h. Checks all that can be checked without looking at
// bytecode: counts against their limits, enumerators, names, sizes, and that variants agree with
// each other.
#include "runtime/base/Checked.h"
#include "runtime/base/ElementType.h"
#include "runtime/module/Module.h"
#include "runtime/schema/module_generated.h"

#include <cstring>

namespace tessera::rt {
namespace {

#define TESSERA_CHECK(condition, ...)                                                              \
  do {                                                                                             \
    if (!(condition))                                                                              \
      return Status::error(Code::Malformed, __VA_ARGS__);                                          \
  } while (false)

class Decoder {
public:
  Decoder(Module &module, Arena &arena) : module(module), arena(arena) {}
  Status run(const fb::Module &root);

private:
  template <typename E> static constexpr size_t alignmentOf(const flatbuffers::Vector<E> *) {
    return alignof(std::remove_pointer_t<E>);
  }
  template <typename T, typename V>
  Status allocate(Span<T> &span, const V *from, uint64_t limit, const char *what) {
    const size_t count = from ? from->size() : 0;
    // FlatBuffers' verifier looks at the place of the length, not of the elements behind it.
    if (count && reinterpret_cast<uintptr_t>(from->Data()) % alignmentOf(from))
      return Status::error(Code::Malformed, "the %s are not aligned", what);
    if (count > limit)
      return Status::error(Code::LimitExceeded, "the module has %zu %s, the limit is %llu", count,
                           what, (unsigned long long)limit);
    span.data = arena.array<T>(count);
    span.size = count;
    return span.data ? Status() : Status::outOfMemory();
  }
  Status name(const char *&result, const flatbuffers::String *text, const char *what);
  Status names(Span<const char *> &result,
               const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *from,
               uint64_t limit, const char *what);
  Status dim(Dim &result, const fb::Dim &from);
  Status dims(Span<Dim> &result, const flatbuffers::Vector<const fb::Dim *> *from);
  Status shape(Span<int64_t> &result, const flatbuffers::Vector<int64_t> *from, uint8_t type,
               uint64_t &bytes);
  Status segmentTable(const fb::Module &root);
  Status constant(Constant &result, const fb::Constant &from);
  Status variable(Variable &result, const fb::Variable &from);
  Status kernel(Kernel &result, const fb::Kernel &from, uint64_t codeBytes);
  Status signature(TensorSignature &result, const fb::TensorSignature &from);
  Status function(Function &result, const fb::Function &from);
  Status variant(Variant &result, const fb::Variant &from);
  Status compare(const Function &a, const Function &b);

  Module &module;
  Arena &arena;
};

Status Decoder::name(const char *&result, const flatbuffers::String *text, const char *what) {
  TESSERA_CHECK(text, "a %s has no text", what);
  if (text->size() > kMaxNameBytes)
    return Status::error(Code::LimitExceeded, "a %s has %u bytes, the limit is %u", what,
                         text->size(), kMaxNameBytes);
  // The verifier checked the terminator.
  TESSERA_CHECK(std::strlen(text->c_str()) == text->size(), "a %s contains a zero byte", what);
  result = text->c_str();
  return {};
}

Status Decoder::names(Span<const char *> &result,
                      const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *from,
                      uint64_t limit, const char *what) {
  TESSERA_TRY(allocate(result, from, limit, what));
  for (size_t i = 0; i < result.size; ++i)
    TESSERA_TRY(name(result[i], from->Get(uint32_t(i)), what));
  return {};
}

Status Decoder::dim(Dim &result, const fb::Dim &from) {
  TESSERA_CHECK(from.kind() <= uint32_t(DimKind::Register) && from.reserved() == 0,
                "a size has unknown kind %u", from.kind());
  result = {from.value(), from.kind() == uint32_t(DimKind::Register)};
  // Against the number of registers: VerifyFunction.cpp.
  TESSERA_CHECK(!result.isRegister || (result.value >= 0 && result.value < kMaxRegisters),
                "a size names register %lld", (long long)result.value);
  return {};
}

Status Decoder::dims(Span<Dim> &result, const flatbuffers::Vector<const fb::Dim *> *from) {
  TESSERA_TRY(allocate(result, from, kMaxRank, "dimensions of a tensor"));
  for (size_t i = 0; i < result.size; ++i)
    TESSERA_TRY(dim(result[i], *from->Get(uint32_t(i))));
  return {};
}

Status Decoder::shape(Span<int64_t> &result, const flatbuffers::Vector<int64_t> *from, uint8_t type,
                      uint64_t &bytes) {
  TESSERA_CHECK(type < kElementTypeCount, "unknown element type %u", type);
  TESSERA_TRY(allocate(result, from, kMaxRank, "dimensions of a tensor"));
  for (size_t i = 0; i < result.size; ++i)
    result[i] = from->Get(uint32_t(i));
  int64_t count;
  if (!countElements(result.data, result.size, count))
    return Status::error(Code::TooLarge, "more than %lld elements, or a negative extent",
                         (long long)kMaxElements);
  bytes = uint64_t(count) * info(ElementType(type)).bytes;
  return {};
}

Status Decoder::segmentTable(const fb::Module &root) {
  TESSERA_TRY(allocate(module.segments, root.segments(), kMaxSegments, "segments"));
  for (size_t i = 0; i < module.segments.size; ++i) {
    const fb::Segment &from = *root.segments()->Get(uint32_t(i));
    TESSERA_CHECK(from.kind() <= uint32_t(SegmentKind::Constants) && from.reserved() == 0,
                  "segment %zu has unknown kind %u", i, from.kind());
    module.segments[i] = {SegmentKind(from.kind()), from.offset(), from.size(), 0};
  }
  TESSERA_CHECK(root.chunk_hashes()->size() == 0 ||
                    reinterpret_cast<uintptr_t>(root.chunk_hashes()->Data()) % alignof(uint64_t) ==
                        0,
                "the chunk hashes are not aligned");
  module.chunkHashes = {root.chunk_hashes()->data(), root.chunk_hashes()->size()};
  return {};
}

Status Decoder::constant(Constant &result, const fb::Constant &from) {
  TESSERA_TRY(name(result.name, from.name(), "constant's name"));
  result.layout = "";
  if (from.layout())
    TESSERA_TRY(name(result.layout, from.layout(), "layout class"));
  uint64_t bytes = 0;
  TESSERA_TRY(shape(result.dims, from.dims(), from.type(), bytes).at("constant '%s'", result.name));
  result.type = ElementType(from.type());
  result.segment = from.segment();
  result.offset = from.offset();
  result.bytes = from.bytes();
  TESSERA_CHECK(result.segment < module.segments.size &&
                    module.segments[result.segment].kind == SegmentKind::Constants,
                "constant '%s' lies in segment %u, which holds no constants", result.name,
                result.segment);
  const uint64_t size = module.segments[result.segment].size;
  TESSERA_CHECK(result.offset <= size && result.bytes <= size - result.offset &&
                    result.offset % kBufferAlignment == 0,
                "constant '%s' lies outside its segment", result.name);
  TESSERA_CHECK(bytes == result.bytes, "constant '%s' has %llu bytes, its shape needs %llu",
                result.name, (unsigned long long)result.bytes, (unsigned long long)bytes);
  return {};
}

Status Decoder::variable(Variable &result, const fb::Variable &from) {
  TESSERA_TRY(name(result.name, from.name(), "variable's name"));
  TESSERA_TRY(
      shape(result.dims, from.dims(), from.type(), result.bytes).at("variable '%s'", result.name));
  result.type = ElementType(from.type());
  result.initial = from.initial();
  if (result.initial == -1)
    return {};
  TESSERA_CHECK(result.initial >= 0 && uint64_t(result.initial) < module.constants.size,
                "variable '%s' starts with constant %d, which does not exist", result.name,
                result.initial);
  const Constant &initial = module.constants[result.initial];
  TESSERA_CHECK(initial.type == result.type && initial.bytes == result.bytes,
                "variable '%s' starts with constant '%s' of another type or size", result.name,
                initial.name);
  return {};
}

Status Decoder::kernel(Kernel &result, const fb::Kernel &from, uint64_t codeBytes) {
  TESSERA_TRY(name(result.name, from.name(), "kernel's name"));
  result.entry = from.entry();
  if (from.host())
    TESSERA_TRY(name(result.host, from.host(), "kernel's host operator"));
  result.options = "";
  if (from.options())
    TESSERA_TRY(name(result.options, from.options(), "host operator's options"));
  TESSERA_CHECK(result.host ? result.entry == 0 : result.entry < codeBytes,
                "the entry of kernel '%s' lies outside its code", result.name);
  TESSERA_TRY(allocate(result.args, from.args(), kMaxKernelArgs, "arguments of a kernel"));
  bool isOutput = false;
  for (size_t i = 0; i < result.args.size; ++i) {
    const fb::KernelArg &arg = *from.args()->Get(uint32_t(i));
    TESSERA_CHECK(arg.kind() <= uint8_t(KernelArgKind::Scalar) && arg.type() < kElementTypeCount &&
                      arg.rank() <= kMaxRank && arg.strides() <= uint8_t(StrideRule::Any),
                  "argument %zu of kernel '%s' is of unknown kind", i, result.name);
    result.args[i] = {KernelArgKind(arg.kind()), ElementType(arg.type()), arg.rank(),
                      StrideRule(arg.strides())};
    const bool output = result.args[i].kind == KernelArgKind::Output;
    TESSERA_CHECK(output || !isOutput, "kernel '%s' has an input after an output", result.name);
    isOutput = output;
  }
  if (result.host) {
    bool isDense = isOutput && result.args.size <= kMaxHostTensors;
    for (const KernelArg &arg : result.args)
      isDense &= arg.kind != KernelArgKind::Scalar && arg.strides == StrideRule::Dense;
    TESSERA_CHECK(isDense,
                  "host operator '%s' needs dense tensors, up to %u, and one result at "
                  "least",
                  result.host, kMaxHostTensors);
  }
  TESSERA_TRY(allocate(result.preconditions, from.preconditions(), kMaxKernelArgs * kMaxRank,
                       "preconditions of a kernel"));
  for (size_t i = 0; i < result.preconditions.size; ++i) {
    const fb::Precondition &p = *from.preconditions()->Get(uint32_t(i));
    TESSERA_CHECK(p.kind() <= uint32_t(PreconditionKind::EqualTo) && p.reserved() == 0 &&
                      p.arg() < result.args.size &&
                      result.args[p.arg()].kind != KernelArgKind::Scalar &&
                      p.dim() < result.args[p.arg()].rank &&
                      (p.kind() != uint32_t(PreconditionKind::MultipleOf) || p.value() > 0),
                  "precondition %zu of kernel '%s' makes no sense", i, result.name);
    result.preconditions[i] = {p.arg(), p.dim(), PreconditionKind(p.kind()), p.value()};
  }
  TESSERA_TRY(allocate(result.sums, from.sums(), kElementTypeCount, "types of sums of a kernel"));
  for (size_t i = 0; i < result.sums.size; ++i) {
    const uint8_t type = from.sums()->Get(uint32_t(i));
    TESSERA_CHECK(type < kElementTypeCount, "kernel '%s' sums in unknown element type %u",
                  result.name, type);
    result.sums[i] = ElementType(type);
  }
  return names(result.sources, from.sources(), kMaxTensors, "sources of a kernel");
}

Status Decoder::signature(TensorSignature &result, const fb::TensorSignature &from) {
  TESSERA_TRY(name(result.name, from.name(), "tensor's name"));
  TESSERA_CHECK(from.type() < kElementTypeCount, "unknown element type %u", from.type());
  result.type = ElementType(from.type());
  TESSERA_TRY(dims(result.dims, from.dims()));
  TESSERA_TRY(names(result.dimText, from.dim_text(), kMaxRank, "dimension texts"));
  TESSERA_CHECK(result.dimText.size == result.dims.size, "'%s' has %zu dimensions and %zu texts",
                result.name, result.dims.size, result.dimText.size);
  result.areStrings = from.strings();
  TESSERA_CHECK(!result.areStrings || (result.type == ElementType::U8 && result.dims.size),
                "'%s' holds strings, but no bytes along an axis", result.name);
  result.squeezed = from.squeezed();
  TESSERA_CHECK(uint64_t(result.squeezed) >> result.dims.size == 0,
                "'%s' leaves out axes that it has not", result.name);
  return {};
}

Status Decoder::function(Function &result, const fb::Function &from) {
  TESSERA_TRY(name(result.name, from.name(), "function's name"));
  TESSERA_TRY(allocate(result.symbols, from.symbols(), kMaxSymbols, "symbols"));
  for (size_t i = 0; i < result.symbols.size; ++i) {
    const fb::Symbol &symbol = *from.symbols()->Get(uint32_t(i));
    TESSERA_TRY(name(result.symbols[i].name, symbol.name(), "symbol's name"));
    result.symbols[i].min = symbol.min();
    result.symbols[i].max = symbol.max();
    TESSERA_CHECK(symbol.min() >= 0 && symbol.min() <= symbol.max(), "the range of '%s' is empty",
                  result.symbols[i].name);
  }
  TESSERA_TRY(allocate(result.inputs, from.inputs(), kMaxTensors, "inputs"));
  for (size_t i = 0; i < result.inputs.size; ++i)
    TESSERA_TRY(signature(result.inputs[i], *from.inputs()->Get(uint32_t(i))));
  TESSERA_TRY(allocate(result.outputs, from.outputs(), kMaxTensors, "outputs"));
  for (size_t i = 0; i < result.outputs.size; ++i)
    TESSERA_TRY(signature(result.outputs[i], *from.outputs()->Get(uint32_t(i))));
  result.registers = from.registers();
  result.prologue = from.prologue();
  if (result.registers > kMaxRegisters || from.plan_segments() > kMaxPlanSegments)
    return Status::error(Code::LimitExceeded, "too many registers (%u) or plan segments (%u)",
                         result.registers, from.plan_segments());
  TESSERA_CHECK(from.plan_segments() >= 1, "no plan segment");
  result.segments.size = from.plan_segments();
  result.segments.data = arena.array<PlanSegment>(result.segments.size);
  if (!result.segments.data)
    return Status::outOfMemory();
  TESSERA_TRY(allocate(result.buffers, from.buffers(), kMaxBuffers, "buffers"));
  for (size_t i = 0; i < result.buffers.size; ++i) {
    const fb::Buffer &buffer = *from.buffers()->Get(uint32_t(i));
    Buffer &to = result.buffers[i];
    TESSERA_CHECK(buffer.kind() <= uint8_t(BufferKind::View) && buffer.type() < kElementTypeCount &&
                      buffer.space() < kSpaces,
                  "buffer %zu is of unknown kind", i);
    to.kind = BufferKind(buffer.kind());
    to.type = ElementType(buffer.type());
    to.space = Space(buffer.space());
    to.source = buffer.source();
    TESSERA_TRY(dims(to.dims, buffer.dims()));
    TESSERA_TRY(dims(to.strides, buffer.strides()));
    if (buffer.offset())
      TESSERA_TRY(dim(to.offset, *buffer.offset()));
    to.segment = buffer.segment();
    to.first = buffer.first();
    to.last = buffer.last();
  }
  TESSERA_TRY(allocate(result.instructions, from.instructions(), kMaxInstructions, "instructions"));
  for (size_t i = 0; i < result.instructions.size; ++i) {
    const fb::Instruction &x = *from.instructions()->Get(uint32_t(i));
    TESSERA_CHECK(x.op() < kOpcodeCount && x.kind() <= uint16_t(CompareKind::Ge),
                  "instruction %zu has unknown opcode %u", i, x.op());
    result.instructions[i] = {
        Opcode(x.op()), CompareKind(x.kind()), x.dst(), x.a(), x.b(), x.c(), x.d(), x.imm()};
  }
  TESSERA_TRY(allocate(result.operands, from.operands(), UINT64_MAX, "operands"));
  for (size_t i = 0; i < result.operands.size; ++i)
    result.operands[i] = from.operands()->Get(uint32_t(i));
  return names(result.messages, from.messages(), kMaxInstructions, "messages");
}

Status Decoder::variant(Variant &result, const fb::Variant &from) {
  TESSERA_TRY(name(result.family, from.family(), "variant's family"));
  TESSERA_TRY(name(result.level, from.level(), "variant's level"));
  TESSERA_TRY(names(result.features, from.features(), 256, "features of a variant"));
  result.codeSegment = from.code_segment();
  TESSERA_CHECK(result.codeSegment < module.segments.size &&
                    module.segments[result.codeSegment].kind == SegmentKind::Code,
                "the code of variant '%s' lies in segment %u, which holds no code", result.level,
                result.codeSegment);
  TESSERA_TRY(allocate(result.kernels, from.kernels(), kMaxKernels, "kernels"));
  for (size_t i = 0; i < result.kernels.size; ++i)
    TESSERA_TRY(kernel(result.kernels[i], *from.kernels()->Get(uint32_t(i)),
                       module.segments[result.codeSegment].size));
  TESSERA_TRY(allocate(result.functions, from.functions(), kMaxFunctions, "functions"));
  for (size_t i = 0; i < result.functions.size; ++i) {
    TESSERA_TRY(
        function(result.functions[i], *from.functions()->Get(uint32_t(i))).at("function %zu", i));
    TESSERA_TRY(verifyFunction(result.functions[i], result.kernels, module.constants,
                               module.variables, arena)
                    .at("function '%s'", result.functions[i].name));
  }
  return {};
}

// Variants may compute differently, but users see one signature.
Status Decoder::compare(const Function &a, const Function &b) {
  const auto same = [](const Span<TensorSignature> &x, const Span<TensorSignature> &y) {
    if (x.size != y.size)
      return false;
    for (size_t i = 0; i < x.size; ++i) {
      if (std::strcmp(x[i].name, y[i].name) != 0 || x[i].type != y[i].type ||
          x[i].dims.size != y[i].dims.size || x[i].areStrings != y[i].areStrings ||
          x[i].squeezed != y[i].squeezed)
        return false;
      for (size_t d = 0; d < x[i].dims.size; ++d)
        if (std::strcmp(x[i].dimText[d], y[i].dimText[d]) != 0 ||
            (!x[i].dims[d].isRegister && !(x[i].dims[d] == y[i].dims[d])))
          return false;
    }
    return true;
  };
  TESSERA_CHECK(std::strcmp(a.name, b.name) == 0 && same(a.inputs, b.inputs) &&
                    same(a.outputs, b.outputs),
                "variants disagree about the signature of '%s'", a.name);
  return {};
}

Status Decoder::run(const fb::Module &root) {
  TESSERA_CHECK(root.version() == module.version, "header and metadata differ in their version");
  TESSERA_TRY(name(module.compiler, root.compiler(), "compiler's name"));
  TESSERA_TRY(segmentTable(root));
  TESSERA_TRY(allocate(module.constants, root.constants(), kMaxTensors, "constants"));
  for (size_t i = 0; i < module.constants.size; ++i)
    TESSERA_TRY(constant(module.constants[i], *root.constants()->Get(uint32_t(i))));
  TESSERA_TRY(allocate(module.variables, root.variables(), kMaxTensors, "variables"));
  for (size_t i = 0; i < module.variables.size; ++i)
    TESSERA_TRY(variable(module.variables[i], *root.variables()->Get(uint32_t(i))));
  TESSERA_TRY(allocate(module.variants, root.variants(), kMaxVariants, "variants"));
  TESSERA_CHECK(module.variants.size, "no variant");
  for (size_t i = 0; i < module.variants.size; ++i)
    TESSERA_TRY(variant(module.variants[i], *root.variants()->Get(uint32_t(i))));
  const Variant &first = module.variants[0];
  for (const Variant &other : module.variants) {
    TESSERA_CHECK(other.functions.size == first.functions.size,
                  "variants have different numbers of functions");
    for (size_t i = 0; i < first.functions.size; ++i)
      TESSERA_TRY(compare(first.functions[i], other.functions[i]));
  }
  for (size_t i = 0; i < first.functions.size; ++i)
    for (size_t j = 0; j < i; ++j)
      TESSERA_CHECK(std::strcmp(first.functions[i].name, first.functions[j].name) != 0,
                    "two functions are named '%s'", first.functions[i].name);
  return {};
}

} // namespace

Status Module::decode(const uint8_t *metadata, uint64_t size) {
  // Limits of the verifier: nesting of our tables is 4; tables can be as many as the bytes allow.
  flatbuffers::Verifier verifier(metadata, size, 8, uint32_t(kMaxMetadataBytes / 4));
  TESSERA_CHECK(size >= 8 && fb::VerifyModuleBuffer(verifier),
                "the module's metadata is not well formed");
  return Decoder(*this, arena)
      .run(*fb::GetModule(metadata))
      .at("the module makes no sense (compiler bug or corruption)");
}

} // namespace tessera::rt
