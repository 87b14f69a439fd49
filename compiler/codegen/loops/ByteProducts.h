//===- ByteProducts.h - Products of bytes that one instruction sums in groups ----*- C++ -*-===//
//
// Four products of u8 and s8 are summed by `vpdpbusd`, two of any bytes, extended to 16 bits, by
// `vpmaddwd`. Neighbours along the innermost reduction are then neighbours in both operands:
// PackLoopOperands lays the weight out so and makes the group a loop of its own,
//
//   sum[m, g] += x[m, k * 4 + i] * weight[g floordiv 64, k, g mod 64, i]
//
// and StageLoops computes that loop by the instruction. Sums of integers wrap the same way in any
// order.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_BYTEPRODUCTS_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_BYTEPRODUCTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera::loops {

/// The vectors of a processor.
struct VectorUnit {
  unsigned bytes = 0;       ///< of the vectors that stages are computed on; 0: none
  unsigned nativeBytes = 0; ///< of a register, where that is less
  bool sumsFours = false;   ///< vpdpbusd
};

/// A stage that adds products of bytes in 32 bits.
struct ByteProduct {
  mlir::OpOperand *lhs, *rhs; ///< the factors, of which each is read once
  bool lhsUnsigned, rhsUnsigned;
};
std::optional<ByteProduct> matchByteProduct(mlir::linalg::GenericOp stage);

/// How many products of the stage an instruction sums.
int64_t getGroupSize(bool otherUnsigned, bool weightUnsigned, bool sumsFours);

/// A stage on buffers whose last loop is a group, as above.
struct ByteGroups {
  mlir::OpOperand *weight, *other;
  bool weightUnsigned, otherUnsigned;
  unsigned loop; ///< of the group
  int64_t size;
};
/// `column`: the loop of the columns. Nothing where the unit has no instruction for it.
std::optional<ByteGroups> findByteGroups(mlir::linalg::GenericOp stage, unsigned column,
                                         const VectorUnit &unit);

/// sums (vector of i32) + the products of a group for each: `weight` has the groups of all side by
/// side (i8), `other` one group that all share (i8).
mlir::Value addGroups(mlir::ImplicitLocOpBuilder &b, const ByteGroups &groups,
                      const VectorUnit &unit, mlir::Value sums, mlir::Value weight,
                      mlir::Value other);

} // namespace tessera::loops

#endif
