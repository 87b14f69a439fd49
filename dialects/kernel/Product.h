//===- Product.h - Stages that sum products -----------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_PRODUCT_H
#define TESSERA_DIALECTS_KERNEL_PRODUCT_H

#include "dialects/kernel/Combiner.h"

#include "llvm/ADT/SmallBitVector.h"

namespace tessera::kernel {

/// `yield acc + lhs * rhs`, with conversions of the product between.
struct Product {
  Combiner combiner;
  mlir::Operation *op = nullptr; ///< the multiplication, or math.fma
  mlir::Value lhs, rhs;          ///< scalars of the body
};
std::optional<Product> matchProduct(mlir::linalg::GenericOp stage);

/// On a stage that sums products of f32 (unit): instructions for matrices may round the factors to
/// tf32. Whoever drops it gets f32.
constexpr llvm::StringLiteral kTf32Attr = "kernel.tf32";

/// On a stage that sums products of 8-bit floats ([lhs, rhs], each f8E4M3FN or f8E5M2):
/// instructions for matrices may sum them with the bits that they keep. Whoever drops it gets sums
/// of f32.
constexpr llvm::StringLiteral kByteFloatsAttr = "kernel.byte_floats";

/// The factors of a product before the extensions that matrix instructions do themselves: both
/// f16 or both bf16, summed in f32; or 8-bit integers, summed in i32. The sum of exact products is
/// the same whoever extends them. Or both f32, which may be rounded.
struct MatrixProduct {
  mlir::Value lhs, rhs;
  bool isTf32 = false;
  bool lhsUnsigned = false, rhsUnsigned = false; ///< of integers
  mlir::Type lhsFloat = {}, rhsFloat = {};       ///< what i8 are codes of, or null
};
/// `byteFloats`: instructions multiply 8-bit floats, where a stage lets them.
std::optional<MatrixProduct> matchMatrixProduct(const Product &product, bool byteFloats = false);

/// What a scalar is extended from without loss; the scalar itself where it is not.
mlir::Value stripExtensions(mlir::Value value);

/// The loops of the stage that a scalar of its body depends on, whether by what it reads or by
/// their numbers.
llvm::SmallBitVector getLoopsOf(mlir::linalg::GenericOp stage, mlir::Value scalar);

} // namespace tessera::kernel

#endif
