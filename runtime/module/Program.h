// A loaded program: the tables of a module after every number in them was checked, as plain structs
// that point into the module's memory. The executor relies on what VerifyFunction.cpp promises.
#ifndef TESSERA_RUNTIME_MODULE_PROGRAM_H
#define TESSERA_RUNTIME_MODULE_PROGRAM_H

#include "runtime/base/Allocator.h"
#include "runtime/base/HostAbi.h"
#include "runtime/base/KernelAbi.h"
#include "runtime/schema/ModuleFormat.h"

namespace tessera::rt {

// A number, or the register that holds it.
struct Dim {
  int64_t value;
  bool isRegister;

  bool operator==(const Dim &) const = default;
  int64_t get(const int64_t *registers) const { return isRegister ? registers[value] : value; }
};

struct Symbol {
  const char *name;
  int64_t min, max;
};

struct TensorSignature {
  const char *name;
  ElementType type;
  Span<Dim> dims;
  Span<const char *> dimText;
  bool areStrings;
  uint32_t squeezed; // bit d: axis d is left out of results where its extent is 1
};

struct Constant {
  const char *name;
  const char *layout; // "" = row-major
  ElementType type;
  uint32_t segment;
  Span<int64_t> dims;
  uint64_t offset, bytes;
  const uint8_t *data; // in the host's memory
  const uint8_t *seen; // by kernels; null where the active variant has no use for it
};

struct Variable {
  const char *name;
  ElementType type;
  Span<int64_t> dims;
  int32_t initial; // constant, -1 = zero
  uint64_t bytes;
};

struct KernelArg {
  KernelArgKind kind;
  ElementType type;
  uint8_t rank;
  StrideRule strides;
};

struct Precondition {
  uint32_t arg, dim;
  PreconditionKind kind;
  int64_t value;
};

inline bool holds(const Precondition &condition, int64_t extent) {
  switch (condition.kind) {
  case PreconditionKind::MinExtent: return extent >= condition.value;
  case PreconditionKind::MaxExtent: return extent <= condition.value;
  case PreconditionKind::MultipleOf: return extent % condition.value == 0;
  case PreconditionKind::EqualTo: return extent == condition.value;
  }
  return false;
}

// Code, or a host operator: then its operands are dense tensors, and it has no code.
struct Kernel {
  const char *name;
  uint64_t entry; // offset in the code segment
  Span<KernelArg> args;
  Span<Precondition> preconditions;
  Span<const char *> sources;
  Span<ElementType> sums; // types of running sums, for people
  void *function; // what the device launches; null unless the variant is active and has code for it
  const char *host;                 // the host operator; null: none
  const char *options;              // of the host operator
  const HostFunction *hostFunction; // null unless the variant is active on a device that computes
};

struct Buffer {
  BufferKind kind;
  ElementType type;
  Space space;
  uint32_t source;
  Span<Dim> dims;
  Span<Dim> strides; // views; empty = row-major
  Dim offset;        // views, bytes from the start of the source
  uint32_t segment;
  uint32_t first, last;
  uint32_t root;     // the buffer below a chain of views, itself otherwise
  bool isRebound;    // a view with a BindView instruction: bound by that only
  bool isReadOnHost; // by other instructions than copies between spaces; of roots
};

struct Instruction {
  Opcode op;
  CompareKind kind;
  uint32_t dst, a, b, c, d;
  int64_t imm;
};

// Buffers of one plan segment, and the registers that fix their dims and places.
struct PlanSegment {
  Span<uint32_t> buffers; // ascending
  Span<uint32_t> keys;    // registers; of segment 0: the symbols
};

constexpr uint32_t kNoBuffer = 0xffffffffu;
constexpr uint32_t kSpaces = 2;

struct Function {
  const char *name;
  Span<Symbol> symbols;
  Span<TensorSignature> inputs, outputs;
  uint32_t registers;
  uint32_t prologue;
  Span<PlanSegment> segments;
  Span<Buffer> buffers;
  Span<Instruction> instructions;
  Span<uint32_t> operands;
  Span<const char *> messages;
  uint32_t maxArgs; // of any launch
  // By space: the buffer of each input and output, kNoBuffer where there is none.
  Span<uint32_t> inputBuffers[kSpaces], outputBuffers[kSpaces];
};

struct Variant {
  const char *family, *level;
  Span<const char *> features;
  uint32_t codeSegment;
  Span<Kernel> kernels;
  Span<Function> functions;
};

struct Segment {
  SegmentKind kind;
  uint64_t offset, size;
  uint64_t firstHash; // index of its first chunk's hash
};

// Elements of a shape; false on negative extents or more than kMaxElements. 0 extents are fine.
[[nodiscard]] inline bool countElements(const int64_t *dims, size_t rank, int64_t &count) {
  count = 1;
  bool isEmpty = false;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0 || dims[i] > kMaxElements)
      return false;
    isEmpty |= dims[i] == 0;
  }
  for (size_t i = 0; i < rank && !isEmpty; ++i)
    if (__builtin_mul_overflow(count, dims[i], &count) || count > kMaxElements)
      return false;
  if (isEmpty)
    count = 0;
  return true;
}

// Checks one function against its module and fills root, isRebound, isReadOnHost, segments, maxArgs
// and the buffers of inputs and outputs. After it:
//  - every register, buffer, kernel, message and jump target exists; control never runs off the
//  end;
//  - the prologue is straight scalar code that writes all that segment 0 reads;
//  - a launch passes what its kernel takes, strides included, and writes only outputs, temporaries
//  and
//    variables; everything else works on row-major buffers;
//  - a temporary is used only within its live range, and lives through loops that it enters;
//  - every output has exactly one buffer in a space, and at least one; inputs, outputs, constants
//    and variables agree with theirs;
//  - kernels with code take no buffers of the host, and only copies between spaces mix them.
Status verifyFunction(Function &function, Span<Kernel> kernels, Span<Constant> constants,
                      Span<Variable> variables, Arena &arena);

// For devices with memory of their own: what the host reads and writes are buffers of the host.
Status verifySpaces(const Function &function, Span<Kernel> kernels);

// Const to Select. An overflow and a division by zero are errors.
Status evaluate(const Instruction &instruction, int64_t *registers);

// Listings; like snprintf.
size_t formatBuffer(const Function &function, uint32_t buffer, char *text, size_t size);
size_t formatInstruction(const Variant &variant, const Function &function, uint32_t instruction,
                         char *text, size_t size);
size_t formatKernelArg(const KernelArg &arg, char *text, size_t size);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_MODULE_PROGRAM_H
