//===- ScalarTranslator.h - Scalar operations as nodes of a Halide program ----*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_SCALARTRANSLATOR_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_SCALARTRANSLATOR_H

#include "compiler/codegen/halide/HalideProgram.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseMap.h"

namespace tessera::halide {

/// Whether an addition or multiplication is known not to overflow.
template <typename ArithOp> bool fitsSigned(ArithOp op) {
  return bitEnumContainsAny(op.getOverflowFlags(), mlir::arith::IntegerOverflowFlags::nsw);
}

/// Translates arith and math operations. Values that are no such operations (block arguments,
/// reads) are bound by the caller beforehand.
///
/// Representation: signless integers are {Int, n}; an operation that reads them as unsigned
/// reinterprets its operands. f16, bf16 and f64 values are what their name says, except that bf16
/// lives as f32 in expressions and as {UInt, 16} in memory.
class ScalarTranslator {
public:
  explicit ScalarTranslator(HalideProgram &program) : program(program) {}

  /// How elements of a type lie in memory.
  static mlir::FailureOr<Type> storageType(mlir::Type type);

  void bind(mlir::Value value, int32_t node) { nodes[value] = node; }
  int32_t lookup(mlir::Value value) const { return nodes.lookup(value); }
  bool has(mlir::Value value) const { return nodes.count(value); }

  /// Translates one operation and binds its result.
  mlir::LogicalResult translate(mlir::Operation *op);

  /// A value as it was read from memory, and as it is to be written there: with the bits of its
  /// storage type, as a type of the same width.
  int32_t fromStorage(int32_t node, mlir::Type type);
  int32_t toStorage(int32_t node, mlir::Type type, Type held);

  int32_t add(Op op, Type type, std::vector<int32_t> operands, int64_t number = 0,
              int32_t detail = 0);
  int32_t constant(mlir::TypedAttr value);
  int32_t integer(Type type, int64_t value) { return add(Op::IntConst, type, {}, value); }

private:
  int32_t reinterpret(int32_t node, Type type);
  int32_t convert(int32_t node, Type type);
  int32_t keptConversion(int32_t node);
  int32_t realOf(int32_t integer, mlir::Type type);
  int32_t wrapping(Op op, mlir::Type type, int32_t a, int32_t b);
  int32_t asUnsigned(Op op, mlir::Type type, int32_t a, int32_t b);
  int32_t floatCompare(mlir::arith::CmpFPredicate predicate, int32_t a, int32_t b);
  int32_t integerCompare(mlir::arith::CmpIPredicate predicate, mlir::Type type, int32_t a,
                         int32_t b);
  int32_t isNaN(int32_t a) { return add(Op::NotEqual, kBool, {a, a}); }
  int32_t floatToStored16(int32_t node);
  int32_t rounded(int32_t node, mlir::Type type);

  static constexpr Type kBool{TypeKind::UInt, 1};

  HalideProgram &program;
  llvm::DenseMap<mlir::Value, int32_t> nodes;
};

} // namespace tessera::halide

#endif
