// Numbers of the module format that are not FlatBuffers tables: the file header, enumerations and
// named limits. Shared by the reader (runtime/module) and the writer (compiler/module); includes
// nothing, so that a compiler does not need FlatBuffers to describe a program.
// Enumerators are only appended; values are never reused (see README.md here).
#ifndef TESSERA_RUNTIME_SCHEMA_MODULEFORMAT_H
#define TESSERA_RUNTIME_SCHEMA_MODULEFORMAT_H

#include <cstddef>
#include <cstdint>

namespace tessera::rt {

// Version of everything in this file, module.fbs and KernelAbi.h together. A reader accepts exactly
// the versions in [kOldestModuleVersion, kModuleVersion].
constexpr uint32_t kModuleVersion = 5;
constexpr uint32_t kOldestModuleVersion = 1;
// Programs for devices with memory of their own: until then they said nothing of copies.
constexpr uint32_t kOldestDeviceVersion = 4;

// The file: FileHeader, metadata (a FlatBuffer, identifier "TSM1"), then segments, each starting at
// the first multiple of kPageBytes after what precedes it. Bytes between are zero. The file ends
// with the last segment. Little-endian.
struct FileHeader {
  char magic[8];           // kFileMagic
  uint32_t version;        // kModuleVersion
  uint32_t headerBytes;    // sizeof(FileHeader)
  uint64_t fileBytes;      // of the whole file
  uint64_t metadataOffset; // sizeof(FileHeader)
  uint64_t metadataBytes;
  uint64_t metadataHash; // XXH3-64 of the metadata
  uint64_t reserved;     // 0
  uint64_t headerHash;   // XXH3-64 of the bytes before this field
};
static_assert(sizeof(FileHeader) == 64 && offsetof(FileHeader, headerHash) == 56);

constexpr char kFileMagic[8] = {'\x89', 'T', 'S', 'M', '\r', '\n', '\x1a', '\n'};
constexpr uint64_t kPageBytes = 4096;
// Segments are hashed (XXH3-64) in chunks of this size, so that a large one can be checked in
// parts.
constexpr uint64_t kChunkBytes = uint64_t(1) << 20;

enum class SegmentKind : uint32_t { Code = 0, Constants = 1 };

enum class ElementType : uint8_t {
  F64 = 0,
  F32 = 1,
  F16 = 2,
  BF16 = 3,
  F8E4M3FN = 4,
  F8E5M2 = 5,
  F8E4M3FNUZ = 6,
  F8E5M2FNUZ = 7,
  I8 = 8,
  I16 = 9,
  I32 = 10,
  I64 = 11,
  U8 = 12,
  U16 = 13,
  U32 = 14,
  U64 = 15,
  Bool = 16, // one byte, 0 or 1
  // Since version 2. Of fewer than 8 bits: one byte each, the code in its low bits, the others 0.
  F8E8M0FNU = 17,
  F4E2M1FN = 18,
  I4 = 19,
  U4 = 20,
  I2 = 21,
  U2 = 22,
  // Since version 5.
  F6E2M3FN = 23,
  F6E3M2FN = 24,
};
constexpr uint8_t kElementTypeCount = 25;

// A size or an offset: a number, or the register that holds it.
enum class DimKind : uint32_t { Constant = 0, Register = 1 };

enum class BufferKind : uint8_t {
  Input = 0,    // source: index of the function's input
  Output = 1,   // source: index of the function's output
  Constant = 2, // source: index of the module's constant
  Temp = 3,     // memory of a plan segment, valid within the live range
  Variable = 4, // source: index of the module's variable
  View = 5, // source: index of a buffer with a smaller number; byte offset, own dims and strides
};

// Where a buffer is. In programs for the host's memory all are in that of kernels.
enum class Space : uint8_t {
  Kernels = 0, // where kernels compute
  Host = 1,    // since version 4. What host operators, LoadScalar and StoreScalar take in programs
            // for devices with memory of their own. An input or output may have a buffer in each.
};

enum class KernelArgKind : uint8_t { Input = 0, Output = 1, Scalar = 2 };

// What a kernel assumes of the strides of a tensor argument.
enum class StrideRule : uint8_t {
  InnerOne = 0, // innermost stride 1, the others are read from the buffer (Halide's default)
  Dense = 1,    // row-major without gaps
  Any = 2,
};

enum class PreconditionKind : uint32_t {
  MinExtent = 0,
  MaxExtent = 1,
  MultipleOf = 2,
  EqualTo = 3,
};

enum class CompareKind : uint16_t { Eq = 0, Ne = 1, Lt = 2, Le = 3, Gt = 4, Ge = 5 };

// Registers are int64, all 0 at the start of a call except the symbols. Every operation that would
// overflow, and division by zero, ends the call with an error.
enum class Opcode : uint16_t {
  Const = 0, // dst = imm
  Move = 1,  // dst = a
  Add = 2,   // dst = a op b, as all up to Max
  Sub = 3,
  Mul = 4,
  FloorDiv = 5, // rounds to minus infinity
  CeilDiv = 6,  // rounds to plus infinity
  Mod = 7,      // a - floordiv(a, b) * b
  Min = 8,
  Max = 9,
  Compare = 10, // dst = a <kind> b, 0 or 1
  Select = 11,  // dst = c != 0 ? a : b
  LoadScalar =
      12, // dst = element number `b` (row-major; b is a register) of buffer a (integer or bool)
  StoreScalar = 13, // element number `b` of buffer dst = register a (integer or bool)
  Launch = 14,      // kernel a; operands[b, b + c): one per kernel argument (buffer or register);
                    // dst: register of the operation count or kNoRegister; d: bytes moved, likewise
  Copy = 15,        // buffer dst = buffer a (same element type and number of elements)
  Fill = 16,        // every element of buffer dst = the low bytes of imm
  Assert = 17,      // register a != 0, else the call ends with messages[b]
  Jump = 18,        // to instruction a
  Branch = 19,      // to instruction b if register a != 0, else to instruction c
  Return = 20,
  Plan = 21, // starts plan segment a: fixes dims and places of its buffers from the registers as
             // they are now; buffers of higher segments become invalid
  BindView = 22, // evaluates the offset, dims and strides of view `a` again
  // Since version 4. Copies between spaces, of the same element type and number of elements. With
  // imm 0 they are in order with launches. With imm 1 (an input to the device, an output to the
  // host) they go beside them: an upload begins now, and launches see it after an Await; a download
  // begins when all launches before it are done, and is done when the call returns.
  Upload = 23,   // buffer dst (of kernels) = buffer a (of the host)
  Download = 24, // buffer dst (of the host) = buffer a (of kernels)
  Await = 25,    // buffer a: of kernels, what follows sees its upload; of the host, its downloads
                 // in order are done
};
constexpr uint16_t kOpcodeCount = 26;
constexpr uint32_t kNoRegister = 0xffffffffu;

// Limits that a reader enforces with the limit's name in the message. They keep every product of
// two counts within 64 bits and bound what a corrupt file can ask for.
constexpr uint32_t kMaxRank = 16;
constexpr uint64_t kMaxMetadataBytes = uint64_t(1) << 28;
constexpr uint32_t kMaxSegments = 1u << 12;
constexpr uint32_t kMaxVariants = 64;
constexpr uint32_t kMaxFunctions = 1u << 12;
constexpr uint32_t kMaxKernels = 1u << 20;
constexpr uint32_t kMaxKernelArgs = 1u << 10;
constexpr uint32_t kMaxRegisters = 1u << 20;
constexpr uint32_t kMaxBuffers = 1u << 20;
constexpr uint32_t kMaxInstructions = 1u << 22;
constexpr uint32_t kMaxPlanSegments = 1u << 10;
constexpr uint32_t kMaxSymbols = 1u << 10;
constexpr uint32_t kMaxTensors = 1u << 16; // inputs, outputs, constants, variables
constexpr uint32_t kMaxNameBytes = 1u << 12;
// Elements of one buffer, and any stride or offset within it: kernels count in int32.
constexpr int64_t kMaxElements = INT64_C(0x7fffffff);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_SCHEMA_MODULEFORMAT_H
