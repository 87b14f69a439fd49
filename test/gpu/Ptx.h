//===- Ptx.h - PTX text as decoded instructions -----------------------------*- C++ -*-===//
//
// The subset of PTX that the compiler emits. Section numbers are those of NVIDIA's "Parallel Thread
// Execution ISA", version 8.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_TEST_GPU_PTX_H
#define TESSERA_TEST_GPU_PTX_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::ptx {

// clang-format off
enum class Type : uint8_t {
  None, Pred, B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, U16x2, S16x2,
  F16, F16x2, BF16, BF16x2, TF32, F32, F64, E4M3, E5M2, E4M3x2, E5M2x2
};

enum class Op : uint8_t {
  Add, Sub, Mul, Mad, Fma, Div, Rem, Abs, Neg, Min, Max, Rcp, Sqrt, Rsqrt, Ex2, Lg2, Sin, Cos, Tanh,
  Testp, Copysign,
  And, Or, Xor, Not, Cnot, Lop3, Shl, Shr, Shf, Bfe, Bfi, Bfind, Brev, Clz, Popc, Prmt, Dp4a,
  Setp, Selp, Mov, Cvt, Cvta,
  Ld, St, Atom, Red, CpAsync, CpAsyncCommit, CpAsyncWaitGroup, CpAsyncWaitAll, Nothing,
  Bra, Exit, Trap, Barrier, WarpBarrier, Shfl, Vote, Redux, LdMatrix, Mma,
  BarrierInit, BarrierFence, BarrierArrive, BarrierArriveExpect, BarrierExpect, BarrierWait, BulkTensor,
  ProxyFence, Wgmma, WgmmaFence, WgmmaCommit, WgmmaWait, GroupRegisters
};
// clang-format on

enum class Space : uint8_t { Generic, Global, Shared, Local, Param, Const };
enum class Round : uint8_t { Nearest, Zero, Down, Up, Away }; ///< Away: nearest, halves outwards
enum class Compare : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
/// What `mul`, `shfl`, `vote`, `redux`, `atom`, `testp`, `setp`'s combination, `shf` do.
// clang-format off
enum class Mode : uint8_t {
  None, Lo, Hi, Wide, Up, Down, Bfly, Idx, All, Any, Uni, Ballot,
  Add, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec,
  Finite, Infinite, Number, NotANumber, Normal, Subnormal, Left, Right
};
enum class Special : uint8_t {
  TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaidX, CtaidY, CtaidZ, NctaidX, NctaidY, NctaidZ,
  LaneId, WarpId, LaneMaskEq, LaneMaskLt, LaneMaskLe, LaneMaskGt, LaneMaskGe
};
// clang-format on

struct Operand {
  enum Kind : uint8_t { None, Register, Immediate, Special, Sink } kind = None;
  bool negated = false; ///< predicates
  uint32_t reg = 0;
  uint64_t value = 0; ///< of an immediate; of an address, the offset
};

struct Instruction {
  Op op = Op::Nothing;
  Type type = Type::None, from = Type::None; ///< cvt: to and from; mma: of D (C has it) and A
  Type typeB = Type::None;
  Space space = Space::Generic;
  Round round = Round::Nearest;
  Compare compare = Compare::Eq;
  Mode mode = Mode::None, combine = Mode::None;
  bool ftz = false, sat = false, nan = false, relu = false, approx = false, toInteger = false;
  bool clamp = false, trans = false, aligned = false, toSpace = false, wrap = false;
  bool isStrong = false;            ///< a load that may meet atomics
  bool isConstant = false;          ///< a load of what nobody writes meanwhile (nc)
  uint8_t vector = 1;               ///< elements of a load or store; registers of ldmatrix
  uint8_t counts[4] = {1, 1, 1, 1}; ///< registers of each operand
  uint16_t n = 0, k = 0;            ///< of wgmma, or of a tensor; of mma and wgmma
  int32_t guard = -1;
  bool guardNegated = false;
  uint32_t target = 0; ///< of a branch
  uint32_t line = 0;
  uint32_t stage = 0; ///< its number in Program::stages, from 1 on; 0: of none
  uint32_t first = 0; ///< in Kernel::operands
  uint16_t operands = 0;
};

struct Variable {
  std::string name;
  uint64_t offset = 0, size = 0, align = 1;
  Space space = Space::Global;
};

struct Kernel {
  std::string name;
  std::vector<Variable> params;
  uint64_t paramBytes = 0, localBytes = 0;
  uint64_t sharedBytes = 0;           ///< of what is declared within it
  std::vector<std::string> registers; ///< their names
  std::vector<Type> registerTypes;
  std::vector<Instruction> code;
  std::vector<Operand> operands;
  uint32_t requiredThreads[3] = {0, 0, 0}, maxThreads[3] = {0, 0, 0}; ///< 0: any
};

struct Program {
  std::string target;
  unsigned version = 0; ///< 84 of 8.4
  std::vector<Kernel> kernels;
  std::vector<Variable> variables; ///< of the module: shared, global, const
  std::vector<uint8_t> initial;    ///< of global and const variables
  std::vector<std::string> stages; ///< of the kernel that this was compiled from
  uint64_t sharedBytes = 0;        ///< static ones; dynamic ones begin behind them
  std::string error;               ///< "line 3: ...", empty: none

  const Kernel *find(std::string_view name) const {
    for (const Kernel &kernel : kernels)
      if (kernel.name == name)
        return &kernel;
    return nullptr;
  }
};

/// Program::error says what is wrong, with its line: bad text, an unknown instruction, register,
/// label or type.
Program parse(std::string_view text);

inline constexpr uint8_t kTypeBytes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
                                         4, 4, 2, 4, 2, 4, 4, 4, 8, 1, 1, 2, 2};
inline unsigned getBytes(Type type) { return kTypeBytes[size_t(type)]; }
inline bool isFloat(Type type) { return type >= Type::F16; }
inline bool isSigned(Type type) { return type >= Type::S8 && type <= Type::S64; }

} // namespace tessera::ptx

#endif
