// Writes a compiled module (.tsm): plain structs in, file out. No MLIR here, so that tests of the
// runtime can write modules, and the format stays visible in one place.
//
// The caller fills a ModuleDesc; writeModule checks what the format needs (sizes, indexes that it
// would have to invent otherwise) and leaves the rest to the reader's verifier, which is the judge:
// a test reads back everything that is written. Same description, same bytes.
#ifndef TESSERA_COMPILER_MODULE_MODULEWRITER_H
#define TESSERA_COMPILER_MODULE_MODULEWRITER_H

#include "runtime/schema/ModuleFormat.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera::module {

using rt::BufferKind;
using rt::CompareKind;
using rt::ElementType;
using rt::KernelArgKind;
using rt::Opcode;
using rt::PreconditionKind;
using rt::StrideRule;

// An extent, stride or offset: a number or a register.
struct Dim {
  int64_t value = 0;
  bool isRegister = false;

  static Dim constant(int64_t value) { return {value, false}; }
  static Dim reg(uint32_t index) { return {int64_t(index), true}; }
  bool operator==(const Dim &) const = default;
};

// Symbol i of a function is register i.
struct Symbol {
  std::string name;
  int64_t min = 0;
  int64_t max = rt::kMaxElements;
};

// An input or output of a function. A dimension of an input that is exactly a symbol's register
// binds the symbol; other register dimensions are checked after the prologue. Every symbol must be
// bound.
struct TensorSignature {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<Dim> dims;
  std::vector<std::string> dimText; // for people: "B", "H + 1", "128"; empty = made from dims
  bool areStrings = false;          // of ui8: the last axis holds the bytes of one each
  uint32_t squeezed = 0;            // bit d: axis d is left out of results where its extent is 1
};

// Bytes shared by all variants; identical contents are stored once. `data` must stay valid until
// it is released; it is streamed, never copied as a whole.
struct Constant {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<int64_t> dims;
  std::string layout; // layout class, for people; "" = plain row-major
  const void *data = nullptr;
  uint64_t bytes = 0;
  std::function<void()> release; // may be empty; called when the bytes are in the module
};

struct Variable {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<int64_t> dims;
  int32_t initial = -1; // index of a constant with the same type and dims; -1 = zero
};

struct KernelArg {
  KernelArgKind kind = KernelArgKind::Input;
  ElementType type = ElementType::F32; // of tensors
  uint8_t rank = 0;                    // of tensors
  StrideRule strides = StrideRule::InnerOne;
};

// A condition on extent `dim` (outermost first) of tensor argument `arg`, checked once per shape.
struct Precondition {
  uint32_t arg = 0;
  uint32_t dim = 0;
  PreconditionKind kind = PreconditionKind::MaxExtent;
  int64_t value = 0;
};

// One kernel: a flat image (position independent, no imports, no relocations). Images are placed
// one after the other, aligned to kernelImageAlignment; identical images are stored once.
struct Kernel {
  std::string name;
  std::vector<uint8_t> image;
  uint64_t entry = 0;          // offset of the entry function in the image
  std::vector<KernelArg> args; // order of the entry's `args`
  std::vector<Precondition> preconditions;
  std::vector<std::string> sources; // model nodes
  std::vector<ElementType> sums;    // types of running sums, for people
  std::string host, options;        // a host operator: it has no image, and dense tensors only
};
// Read-only data of an image may want a cache line; page-relative addressing is not used.
constexpr uint64_t kKernelImageAlignment = 64;

struct Buffer {
  BufferKind kind = BufferKind::Temp;
  ElementType type = ElementType::F32;
  uint32_t source = 0; // see BufferKind
  std::vector<Dim> dims;
  std::vector<Dim> strides; // views only, in elements; empty = row-major
  Dim offset;               // views only, in bytes
  uint32_t segment = 0;     // plan segment that fixes dims and place
  uint32_t first = 0;       // temps: first and last instruction that uses it (or a view of it);
  uint32_t last = 0;        // widened over loops that it lives through
  bool onHost = false;      // in programs for devices with memory of their own
};

struct Instruction {
  Opcode op = Opcode::Return;
  CompareKind kind = CompareKind::Eq;
  uint32_t dst = 0, a = 0, b = 0, c = 0, d = 0;
  int64_t imm = 0;
};

// Operands as described at rt::Opcode. Use the builder functions below; they also keep `operands`
// and `messages` in step.
struct Function {
  std::string name;
  std::vector<Symbol> symbols; // registers [0, symbols.size())
  std::vector<TensorSignature> inputs;
  std::vector<TensorSignature> outputs;
  uint32_t registers = 0; // number of registers, symbols included
  uint32_t prologue =
      0; // instructions [0, prologue) compute sizes from symbols: scalar and assert only
  uint32_t planSegments = 1;
  std::vector<Buffer> buffers;
  std::vector<Instruction> instructions;
  std::vector<uint32_t> operands;
  std::vector<std::string> messages;

  // Builders. Registers and buffers are numbers; each returns the instruction's index.
  uint32_t newRegister() { return registers++; }
  uint32_t addBuffer(Buffer buffer) {
    buffers.push_back(std::move(buffer));
    return uint32_t(buffers.size() - 1);
  }
  uint32_t emit(Instruction instruction) {
    instructions.push_back(instruction);
    return uint32_t(instructions.size() - 1);
  }
  uint32_t constant(uint32_t dst, int64_t value);
  uint32_t binary(Opcode op, uint32_t dst, uint32_t a, uint32_t b); // Add ... Max
  uint32_t move(uint32_t dst, uint32_t a);
  uint32_t compare(CompareKind kind, uint32_t dst, uint32_t a, uint32_t b);
  uint32_t select(uint32_t dst, uint32_t condition, uint32_t ifTrue, uint32_t ifFalse);
  uint32_t loadScalar(uint32_t dst, uint32_t buffer, uint32_t indexRegister);
  uint32_t storeScalar(uint32_t buffer, uint32_t indexRegister, uint32_t value);
  // args: one buffer or register number per kernel argument, in order.
  uint32_t launch(uint32_t kernel, const std::vector<uint32_t> &args,
                  uint32_t flopsRegister = rt::kNoRegister,
                  uint32_t bytesRegister = rt::kNoRegister);
  uint32_t copy(uint32_t dstBuffer, uint32_t srcBuffer);
  uint32_t fill(uint32_t buffer, int64_t pattern);
  uint32_t upload(uint32_t dstBuffer, uint32_t srcBuffer, bool beside = false);
  uint32_t download(uint32_t dstBuffer, uint32_t srcBuffer, bool beside = false);
  uint32_t await(uint32_t buffer);
  uint32_t assertTrue(uint32_t reg, std::string message);
  uint32_t jump(uint32_t target);
  uint32_t branch(uint32_t condition, uint32_t ifTrue, uint32_t ifFalse);
  uint32_t plan(uint32_t segment);
  uint32_t bindView(uint32_t buffer);
  uint32_t ret();
};

// Variants are tried in order at load: list the most demanding first.
struct Variant {
  std::string family = "cpu";
  std::string level;                 // "x86-64-v3", "x86-64-v4", ...
  std::vector<std::string> features; // all that the code needs, LLVM names; see featuresOfLevel
  std::vector<Kernel> kernels;
  std::vector<Function> functions; // every variant has the same functions, by name and signature
};

struct ModuleDesc {
  std::string compiler; // version string of the compiler
  std::vector<Constant> constants;
  std::vector<Variable> variables;
  std::vector<Variant> variants;
};

// The features of a level (compiler/codegen/CpuLevels.h), for Variant::features; empty for an
// unknown one.
std::vector<std::string> featuresOfLevel(const std::string &level);

// Writes to a temporary name in the same folder, flushes it to the disk and renames it, so that a
// failed or interrupted write leaves no half file. Returns an empty string, or one sentence that
// says what is wrong.
[[nodiscard]] std::string writeModule(const ModuleDesc &module, const std::string &path);

// The same bytes in memory.
[[nodiscard]] std::string writeModule(const ModuleDesc &module, std::vector<uint8_t> &bytes);

} // namespace tessera::module

#endif // TESSERA_COMPILER_MODULE_MODULEWRITER_H
