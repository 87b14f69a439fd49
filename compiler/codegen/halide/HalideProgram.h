//===- HalideProgram.h - A kernel on its way to Halide ----------------------*- C++ -*-===//
// A plain description between the two halves of the translation: one is written against MLIR, the
// other against Halide, and neither can be compiled with the other's flags.
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_HALIDEPROGRAM_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_HALIDEPROGRAM_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::halide {

enum class TypeKind : uint8_t { Int, UInt, Float };

/// An element or expression type. bool is {UInt, 1}; an index is {Int, 32}; bf16 and the 8-bit
/// floats are stored as unsigned integers and converted by explicit bit operations.
struct Type {
  TypeKind kind = TypeKind::Int;
  uint8_t bits = 32;
  bool operator==(const Type &) const = default;
};

enum class Op : uint8_t {
  // Leaves. `number` selects.
  IntConst,   ///< number: the value
  FloatConst, ///< number: the bits of an f64
  Extent,     ///< number: which index argument
  ArgExtent,  ///< number: which tensor argument, detail: which dimension
  Loop,       ///< number: which loop of the stage
  Carried,    ///< number: which result of a reducing stage, as it was before
  // Reads; operands are coordinates, outermost first.
  LoadArg,   ///< number: which tensor argument
  LoadStage, ///< number: which stage, detail: which of its results
  LoadTable, ///< number: which constant table
  // Arithmetic. Integers of 32 bits and more must not overflow unless they are unsigned.
  Add,
  Sub,
  Mul,
  Div,
  DivTrunc,
  RemTrunc,
  DivFloor,
  RemFloor,
  Min,
  Max,
  And,
  Or,
  Xor,
  Shl,
  Shr,
  Less,
  LessEqual,
  Equal,
  NotEqual,
  Select,
  Neg,
  Abs,
  Floor,
  Ceil,
  Trunc,
  RoundEven,
  Sqrt,
  Convert,     ///< value to `type`
  Reinterpret, ///< bits as `type`
  FromBf16,    ///< the bits of a bf16 as f32
  Likely,      ///< the value, which mostly decides a condition or a minimum
};

struct Node {
  Op op;
  Type type;
  int64_t number = 0;
  int32_t detail = 0;
  std::vector<int32_t> operands; ///< earlier nodes
};

struct TensorArgument {
  std::string name;
  Type type;
  std::vector<int64_t> shape; ///< outermost first, -1 where dynamic
};

/// A Func. Loops are listed outermost first; the output dimensions are some of them.
struct Stage {
  std::string name;
  std::vector<std::string> loops;
  std::vector<bool> isReduction;        ///< per loop
  std::vector<int32_t> extents;         ///< per loop, a node; -1 of copies made for results
  std::vector<int32_t> outputDims;      ///< loop number per output dimension, outermost first
  std::vector<Type> types;              ///< per result
  std::vector<int32_t> init;            ///< per result, a node; empty when nothing is reduced
  std::vector<int32_t> body;            ///< per result, a node
  int32_t predicate = -1;               ///< a node: where it is false nothing is reduced
  std::vector<std::vector<bool>> alike; ///< per loop and result: the same in all iterations
  bool reduces() const { return !init.empty(); }
};

/// One directive of the schedule dialect, on stage `stage`.
struct Directive {
  enum Kind : uint8_t {
    Split,
    Fuse,
    Reorder,
    Vectorize,
    Unroll,
    Parallel,
    Atomic,
    InOrder,
    ComputeAt,
    ComputeRoot,
    StoreStack,
    StoreRegister,
    StoreTile,
    BoundExtent,
    BoundStorage,
    Prefetch,
    TileMultiply
  } kind;
  enum Tail : uint8_t { Auto, Guard, ShiftInwards, RoundUp, Predicate } tail = Auto;
  std::string stage;
  bool onUpdate = false;
  std::vector<std::string> names; ///< loops; ComputeAt: consumer stage, then its loop
  int64_t number = 0;             ///< factor, width, extent or distance; 0 = none
  int32_t tensor = -1;            ///< Prefetch: which tensor argument
};

struct Output {
  int32_t stage = 0;
  std::vector<int64_t> shape; ///< outermost first, -1 where dynamic
  std::vector<int64_t> whole; ///< of the tensor in memory of which it is a part; empty: the same
};

struct HalideProgram {
  std::string name;
  std::vector<TensorArgument> tensors;
  uint32_t extents = 0; ///< number of index arguments
  std::vector<std::vector<float>> tables;
  std::vector<Node> nodes;
  std::vector<Stage> stages;
  std::vector<Output> outputs; ///< in the order of the kernel's results; each stage once
  std::vector<Directive> directives;
};

/// What Halide should make code for.
struct HalideTarget {
  bool avx512 = false;
  bool vnni = false; ///< vpdpbusd, on vectors of any length
  bool bf16 = false; ///< vdpbf16ps, too
};

/// Lowers the program and gives LLVM bitcode (of Halide's own LLVM). On failure `error` is one
/// sentence and the result is empty. The function takes, in this order: the context, the tensors,
/// the index arguments (i32), the outputs; its name is `program.name`. `loops`: takes the loop nest
/// as text, unless null.
std::string buildBitcode(const HalideProgram &program, const HalideTarget &target,
                         std::string &error, std::string *loops = nullptr);

} // namespace tessera::halide

#endif
