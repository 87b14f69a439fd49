//===- ByteProducts.cpp - Products of bytes that one instruction sums in groups -------------===//
#include "compiler/codegen/loops/ByteProducts.h"

#include "dialects/kernel/Product.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tessera::loops {

std::optional<ByteProduct> matchByteProduct(linalg::GenericOp stage) {
  std::optional<kernel::Product> product = kernel::matchProduct(stage);
  if (!product || !product->combiner.op->getResult(0).getType().isInteger(32))
    return std::nullopt;
  std::optional<kernel::MatrixProduct> factors = kernel::matchMatrixProduct(*product);
  if (!factors)
    return std::nullopt;
  auto operandOf = [&](Value factor) -> OpOperand * {
    auto argument = dyn_cast<BlockArgument>(factor);
    return argument && argument.getOwner() == &stage.getRegion().front() && argument.hasOneUse() &&
                   argument.getArgNumber() < unsigned(stage.getNumDpsInputs())
               ? stage.getDpsInputOperand(argument.getArgNumber())
               : nullptr;
  };
  ByteProduct result{operandOf(factors->lhs), operandOf(factors->rhs), factors->lhsUnsigned,
                     factors->rhsUnsigned};
  return result.lhs && result.rhs && result.lhs != result.rhs ? std::optional(result)
                                                              : std::nullopt;
}

int64_t getGroupSize(bool otherUnsigned, bool weightUnsigned, bool sumsFours) {
  return sumsFours && otherUnsigned && !weightUnsigned ? 4 : 2;
}

std::optional<ByteGroups> findByteGroups(linalg::GenericOp stage, unsigned column,
                                         const VectorUnit &unit) {
  std::optional<ByteProduct> product = matchByteProduct(stage);
  if (!product)
    return std::nullopt;
  auto dependsOn = [&](OpOperand *operand, unsigned loop) {
    return stage.getMatchingIndexingMap(operand).isFunctionOfDim(loop);
  };
  ByteGroups result{product->rhs,
                    product->lhs,
                    product->rhsUnsigned,
                    product->lhsUnsigned,
                    stage.getNumLoops() - 1,
                    0};
  if (!dependsOn(result.weight, column)) {
    std::swap(result.weight, result.other);
    std::swap(result.weightUnsigned, result.otherUnsigned);
  }
  if (dependsOn(result.other, column) || result.loop == 0)
    return std::nullopt;
  ArrayRef<AffineExpr> packed = stage.getMatchingIndexingMap(result.weight).getResults();
  ArrayRef<AffineExpr> plain = stage.getMatchingIndexingMap(result.other).getResults();
  auto type = dyn_cast<MemRefType>(result.weight->get().getType());
  AffineExpr group = getAffineDimExpr(result.loop, stage.getContext());
  AffineExpr before = getAffineDimExpr(result.loop - 1, stage.getContext());
  if (!type || !type.getLayout().isIdentity() || packed.size() < 2 || plain.empty() ||
      packed.back() != group || !packed.drop_back().back().isFunctionOfDim(column))
    return std::nullopt;
  result.size = type.getShape().back();
  if (plain.back() != before * result.size + group ||
      result.size != getGroupSize(result.otherUnsigned, result.weightUnsigned, unit.sumsFours))
    return std::nullopt;
  for (AffineExpr expr : plain.drop_back())
    if (expr.isFunctionOfDim(result.loop) || expr.isFunctionOfDim(result.loop - 1))
      return std::nullopt;
  return result;
}

static Value broadcastBits(ImplicitLocOpBuilder &b, Value bits, VectorType type) {
  Value word = vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), bits);
  Value number = vector::ExtractOp::create(b, word, ArrayRef<int64_t>{0});
  const int64_t words = type.getNumElements() * type.getElementTypeBitWidth() / 32;
  Value all = vector::BroadcastOp::create(b, VectorType::get({words}, b.getI32Type()), number);
  return vector::BitCastOp::create(b, type, all);
}

static Value extend(ImplicitLocOpBuilder &b, Value bytes, bool isUnsigned) {
  auto type = cast<VectorType>(bytes.getType()).clone(b.getI16Type());
  return isUnsigned ? Value(arith::ExtUIOp::create(b, type, bytes))
                    : Value(arith::ExtSIOp::create(b, type, bytes));
}

/// The instruction for sums that fill a register, or the lower half or quarter of one.
static Value addNative(ImplicitLocOpBuilder &b, const ByteGroups &groups, Value sums, Value weight,
                       Value other) {
  auto type = cast<VectorType>(sums.getType());
  auto call = [&](StringRef name, ValueRange operands) -> Value {
    return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), operands).getResult(0);
  };
  auto pick = [&](StringRef four, StringRef eight, StringRef sixteen) {
    return type.getNumElements() == 4 ? four : type.getNumElements() == 8 ? eight : sixteen;
  };
  auto packed = VectorType::get({type.getNumElements() * groups.size}, b.getI8Type());
  if (groups.size == 4)
    return call(pick("llvm.x86.avx512.vpdpbusd.128", "llvm.x86.avx512.vpdpbusd.256",
                     "llvm.x86.avx512.vpdpbusd.512"),
                {sums, broadcastBits(b, other, packed), weight});
  Value products =
      call(pick("llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512"),
           {broadcastBits(b, extend(b, other, groups.otherUnsigned), packed.clone(b.getI16Type())),
            extend(b, weight, groups.weightUnsigned)});
  return arith::AddIOp::create(b, sums, products);
}

Value addGroups(ImplicitLocOpBuilder &b, const ByteGroups &groups, const VectorUnit &unit,
                Value sums, Value weight, Value other) {
  const int64_t lanes = cast<VectorType>(sums.getType()).getNumElements();
  const int64_t native = std::min<int64_t>(lanes, unit.nativeBytes / 4);
  if (native == lanes)
    return addNative(b, groups, sums, weight, other);
  auto part = [&](Value whole, int64_t first, int64_t count) -> Value {
    return vector::ExtractStridedSliceOp::create(b, whole, ArrayRef<int64_t>{first},
                                                 ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
  };
  for (int64_t first = 0; first < lanes; first += native) {
    Value sum = addNative(b, groups, part(sums, first, native),
                          part(weight, first * groups.size, native * groups.size), other);
    sums = vector::InsertStridedSliceOp::create(b, sum, sums, ArrayRef<int64_t>{first},
                                                ArrayRef<int64_t>{1});
  }
  return sums;
}

} // namespace tessera::loops
