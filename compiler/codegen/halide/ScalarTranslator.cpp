//===- ScalarTranslator.cpp - Scalar operations as nodes of a Halide program -----------===//
#include "compiler/codegen/halide/ScalarTranslator.h"

#include "dialects/common/AnyWhereNan.h"
#include "dialects/kernel/Likely.h"

#include "llvm/ADT/TypeSwitch.h"

#include <bit>

using namespace mlir;

namespace tessera::halide {

static constexpr Type kIndex{TypeKind::Int, 32};
static constexpr Type kF32{TypeKind::Float, 32};
static constexpr Type kU32{TypeKind::UInt, 32};
static constexpr Type kU16{TypeKind::UInt, 16};

FailureOr<Type> ScalarTranslator::storageType(mlir::Type type) {
  if (type.isBF16())
    return kU16;
  if (type.isF16() || type.isF32() || type.isF64())
    return Type{TypeKind::Float, static_cast<uint8_t>(type.getIntOrFloatBitWidth())};
  if (type.isInteger(1))
    return kBool;
  if (type.isIndex())
    return kIndex;
  if (type.isInteger(8) || type.isInteger(16) || type.isInteger(32) || type.isInteger(64))
    return Type{TypeKind::Int, static_cast<uint8_t>(type.getIntOrFloatBitWidth())};
  return failure();
}

/// The type of a value in an expression.
static Type valueType(mlir::Type type) {
  return type.isBF16() ? kF32 : *ScalarTranslator::storageType(type);
}

int32_t ScalarTranslator::add(Op op, Type type, std::vector<int32_t> operands, int64_t number,
                              int32_t detail) {
  program.nodes.push_back({op, type, number, detail, std::move(operands)});
  return static_cast<int32_t>(program.nodes.size()) - 1;
}

int32_t ScalarTranslator::reinterpret(int32_t node, Type type) {
  while (program.nodes[node].type != type && program.nodes[node].op == Op::Reinterpret)
    node = program.nodes[node].operands[0];
  return program.nodes[node].type == type ? node : add(Op::Reinterpret, type, {node});
}

int32_t ScalarTranslator::convert(int32_t node, Type type) {
  return program.nodes[node].type == type ? node : add(Op::Convert, type, {node});
}

/// Halide makes one conversion of two that follow each other; a sum with -0 changes no value and
/// stops it.
int32_t ScalarTranslator::keptConversion(int32_t node) {
  return add(Op::Add, kF32, {node, add(Op::FloatConst, kF32, {}, std::bit_cast<int64_t>(-0.0))});
}

/// Through f32 to f16, which no instruction makes of an integer: what f32 rounds is infinite there.
int32_t ScalarTranslator::realOf(int32_t integer, mlir::Type type) {
  const int32_t number =
      type.isF16() ? keptConversion(convert(integer, kF32)) : convert(integer, valueType(type));
  return rounded(convert(number, valueType(type)), type);
}

int32_t ScalarTranslator::constant(TypedAttr value) {
  Type type = valueType(value.getType());
  if (auto number = dyn_cast<FloatAttr>(value)) {
    double wide = number.getValue().convertToDouble();
    // A NaN or an infinity is no literal of Halide: give its bits.
    if (std::isfinite(wide))
      return add(Op::FloatConst, type, {}, std::bit_cast<int64_t>(wide));
    llvm::APFloat bits = number.getValue();
    bool lost;
    if (value.getType().isBF16())
      bits.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &lost);
    Type raw{TypeKind::UInt, type.bits};
    return reinterpret(integer(raw, static_cast<int64_t>(bits.bitcastToAPInt().getZExtValue())),
                       type);
  }
  return integer(type, cast<IntegerAttr>(value).getValue().getSExtValue());
}

/// bf16 keeps the upper half of an f32.
int32_t ScalarTranslator::fromStorage(int32_t node, mlir::Type type) {
  if (!type.isBF16())
    return reinterpret(node, valueType(type));
  return add(Op::FromBf16, kF32, {convert(node, kU16)});
}

/// Rounds an f32 to bf16, to nearest even; a NaN stays one (its quiet bit is set).
int32_t ScalarTranslator::floatToStored16(int32_t node) {
  int32_t bits = reinterpret(node, kU32);
  int32_t odd =
      add(Op::And, kU32, {add(Op::Shr, kU32, {bits, integer(kU32, 16)}), integer(kU32, 1)});
  int32_t bias = add(Op::Add, kU32, {odd, integer(kU32, 0x7fff)});
  int32_t up = add(Op::Shr, kU32, {add(Op::Add, kU32, {bits, bias}), integer(kU32, 16)});
  int32_t quiet =
      add(Op::Or, kU32, {add(Op::Shr, kU32, {bits, integer(kU32, 16)}), integer(kU32, 0x40)});
  return convert(add(Op::Select, kU32, {isNaN(node), quiet, up}), kU16);
}

int32_t ScalarTranslator::toStorage(int32_t node, mlir::Type type, Type held) {
  return reinterpret(type.isBF16() ? floatToStored16(node) : node, held);
}

/// Every operation on f16 and bf16 rounds to its type; f32 arithmetic in between is exact enough
/// for + - * / and sqrt (2p + 2 bits), so rounding twice changes nothing.
int32_t ScalarTranslator::rounded(int32_t node, mlir::Type type) {
  if (type.isBF16())
    return fromStorage(floatToStored16(node), type);
  if (type.isF16())
    return convert(node, valueType(type));
  return node;
}

/// Integer data wraps; indices do not overflow, which lets Halide reason about them.
int32_t ScalarTranslator::wrapping(Op op, mlir::Type type, int32_t a, int32_t b) {
  Type plain = valueType(type);
  if (type.isIndex() || plain.bits < 32)
    return add(op, plain, {a, b});
  return asUnsigned(op, type, a, b);
}

int32_t ScalarTranslator::asUnsigned(Op op, mlir::Type type, int32_t a, int32_t b) {
  Type plain = valueType(type);
  if (type.isIndex()) // Indices are never negative where they are read as unsigned.
    return add(op, plain, {a, b});
  Type raw{TypeKind::UInt, plain.bits};
  return reinterpret(add(op, raw, {reinterpret(a, raw), reinterpret(b, raw)}), plain);
}

int32_t ScalarTranslator::floatCompare(arith::CmpFPredicate predicate, int32_t a, int32_t b) {
  using P = arith::CmpFPredicate;
  auto make = [&](Op op, int32_t x, int32_t y) { return add(op, kBool, {x, y}); };
  auto orUnordered = [&](int32_t value) {
    return make(Op::Or, make(Op::Or, isNaN(a), isNaN(b)), value);
  };
  // Halide computes x <= y as not (y < x), also of NaNs. LLVM makes one comparison of these two.
  auto lessOrEqual = [&](int32_t x, int32_t y) {
    return make(Op::Or, make(Op::Less, x, y), make(Op::Equal, x, y));
  };
  switch (predicate) {
  case P::AlwaysFalse: return integer(kBool, 0);
  case P::AlwaysTrue: return integer(kBool, 1);
  case P::OEQ: return make(Op::Equal, a, b);
  case P::OGT: return make(Op::Less, b, a);
  case P::OGE: return lessOrEqual(b, a);
  case P::OLT: return make(Op::Less, a, b);
  case P::OLE: return lessOrEqual(a, b);
  case P::ONE: return make(Op::Or, make(Op::Less, a, b), make(Op::Less, b, a));
  case P::ORD: return make(Op::And, make(Op::Equal, a, a), make(Op::Equal, b, b));
  case P::UEQ: return orUnordered(make(Op::Equal, a, b));
  case P::UGT: return orUnordered(make(Op::Less, b, a));
  case P::UGE: return orUnordered(lessOrEqual(b, a));
  case P::ULT: return orUnordered(make(Op::Less, a, b));
  case P::ULE: return orUnordered(lessOrEqual(a, b));
  case P::UNE: return make(Op::NotEqual, a, b);
  case P::UNO: return make(Op::Or, isNaN(a), isNaN(b));
  }
  llvm_unreachable("unknown predicate");
}

int32_t ScalarTranslator::integerCompare(arith::CmpIPredicate predicate, mlir::Type type, int32_t a,
                                         int32_t b) {
  using P = arith::CmpIPredicate;
  Type plain = valueType(type);
  bool isUnsigned =
      predicate == P::ult || predicate == P::ule || predicate == P::ugt || predicate == P::uge;
  if (isUnsigned && !type.isIndex() && plain != kBool) {
    Type raw{TypeKind::UInt, plain.bits};
    a = reinterpret(a, raw);
    b = reinterpret(b, raw);
  }
  switch (predicate) {
  case P::eq: return add(Op::Equal, kBool, {a, b});
  case P::ne: return add(Op::NotEqual, kBool, {a, b});
  case P::slt:
  case P::ult: return add(Op::Less, kBool, {a, b});
  case P::sle:
  case P::ule: return add(Op::LessEqual, kBool, {a, b});
  case P::sgt:
  case P::ugt: return add(Op::Less, kBool, {b, a});
  case P::sge:
  case P::uge: return add(Op::LessEqual, kBool, {b, a});
  }
  llvm_unreachable("unknown predicate");
}

LogicalResult ScalarTranslator::translate(Operation *op) {
  if (op->getNumResults() != 1)
    return op->emitOpError() << "is no scalar operation that the Halide generator knows";
  mlir::Type type = op->getResult(0).getType();
  if (failed(storageType(type)))
    return op->emitOpError() << "has type " << type << ", which the Halide generator does not know";
  SmallVector<int32_t> x;
  for (Value operand : op->getOperands()) {
    if (!has(operand))
      return op->emitOpError() << "reads a value that is not visible in its stage";
    x.push_back(lookup(operand));
  }
  Type result = valueType(type);
  auto plain = [&](Op kind) { return rounded(add(kind, result, {x.begin(), x.end()}), type); };
  // Halide's own way to functions of f16 makes infinities of NaNs that have a small payload.
  auto function = [&](Op kind) {
    return type.isF16() ? convert(add(kind, kF32, {convert(x[0], kF32)}), result) : plain(kind);
  };
  auto floatPick = [&](bool larger, bool propagate) {
    int32_t better =
        larger ? add(Op::Less, kBool, {x[1], x[0]}) : add(Op::Less, kBool, {x[0], x[1]});
    int32_t picked = add(Op::Select, result, {better, x[0], x[1]});
    if (op->hasAttr(kernel::kAnyWhereNan))
      return picked;
    // `better` is false when one is a NaN, which picks the second operand.
    int32_t otherwise = propagate ? x[0] : x[1];
    int32_t first = add(Op::Select, result, {isNaN(x[0]), otherwise, picked});
    return propagate ? first : add(Op::Select, result, {isNaN(x[1]), x[0], first});
  };

  int32_t node =
      llvm::TypeSwitch<Operation *, int32_t>(op)
          .Case([&](arith::ConstantOp op) { return constant(cast<TypedAttr>(op.getValue())); })
          .Case([&](arith::AddFOp) { return plain(Op::Add); })
          .Case([&](arith::SubFOp) { return plain(Op::Sub); })
          .Case([&](arith::MulFOp) { return plain(Op::Mul); })
          .Case([&](arith::DivFOp) { return plain(Op::Div); })
          .Case([&](arith::NegFOp) {
            // A negation that keeps the sign of zero and NaN's payload.
            Type raw{TypeKind::UInt, result.bits};
            int32_t sign = integer(raw, static_cast<int64_t>(uint64_t(1) << (result.bits - 1)));
            return reinterpret(add(Op::Xor, raw, {reinterpret(x[0], raw), sign}), result);
          })
          .Case([&](arith::MaximumFOp) { return floatPick(true, true); })
          .Case([&](arith::MinimumFOp) { return floatPick(false, true); })
          .Case([&](arith::MaxNumFOp) { return floatPick(true, false); })
          .Case([&](arith::MinNumFOp) { return floatPick(false, false); })
          .Case([&](arith::CmpFOp op) { return floatCompare(op.getPredicate(), x[0], x[1]); })
          .Case([&](arith::CmpIOp op) {
            int32_t holds = integerCompare(op.getPredicate(), op.getLhs().getType(), x[0], x[1]);
            return op->hasAttr(kernel::kLikelyAttr) ? add(Op::Likely, kBool, {holds}) : holds;
          })
          .Case([&](arith::SelectOp) { return add(Op::Select, result, {x[0], x[1], x[2]}); })
          .Case([&](arith::AddIOp op) {
            if (fitsSigned(op))
              return add(Op::Add, result, {x[0], x[1]});
            return result == kBool ? add(Op::Xor, result, {x[0], x[1]})
                                   : wrapping(Op::Add, type, x[0], x[1]);
          })
          .Case([&](arith::SubIOp) { return wrapping(Op::Sub, type, x[0], x[1]); })
          .Case([&](arith::MulIOp op) {
            return fitsSigned(op) ? add(Op::Mul, result, {x[0], x[1]})
                                  : wrapping(Op::Mul, type, x[0], x[1]);
          })
          .Case([&](arith::DivSIOp) { return add(Op::DivTrunc, result, {x[0], x[1]}); })
          .Case([&](arith::RemSIOp) { return add(Op::RemTrunc, result, {x[0], x[1]}); })
          .Case([&](arith::DivUIOp) { return asUnsigned(Op::DivFloor, type, x[0], x[1]); })
          .Case([&](arith::RemUIOp) { return asUnsigned(Op::RemFloor, type, x[0], x[1]); })
          .Case([&](arith::FloorDivSIOp) {
            // Halide's division rounds so that the remainder is not negative: for a negative
            // divisor negate both.
            int32_t zero = integer(result, 0);
            int32_t negative = add(Op::Less, kBool, {x[1], zero});
            auto flip = [&](int32_t v) {
              return add(Op::Select, result, {negative, wrapping(Op::Sub, type, zero, v), v});
            };
            bool known = program.nodes[x[1]].op == Op::IntConst && program.nodes[x[1]].number > 0;
            return known || type.isIndex() ? add(Op::DivFloor, result, {x[0], x[1]})
                                           : add(Op::DivFloor, result, {flip(x[0]), flip(x[1])});
          })
          .Case([&](arith::CeilDivSIOp) {
            int32_t one = integer(result, 1);
            int32_t last = add(Op::Sub, result, {x[1], one});
            return add(Op::DivFloor, result, {add(Op::Add, result, {x[0], last}), x[1]});
          })
          .Case([&](arith::CeilDivUIOp) {
            int32_t last = wrapping(Op::Sub, type, x[1], integer(result, 1));
            return asUnsigned(Op::DivFloor, type, wrapping(Op::Add, type, x[0], last), x[1]);
          })
          .Case([&](arith::MinSIOp op) {
            int32_t first =
                op->hasAttr(kernel::kLikelyAttr) ? add(Op::Likely, result, {x[0]}) : x[0];
            return add(Op::Min, result, {first, x[1]});
          })
          .Case([&](arith::MaxSIOp) { return add(Op::Max, result, {x[0], x[1]}); })
          .Case([&](arith::MinUIOp) { return asUnsigned(Op::Min, type, x[0], x[1]); })
          .Case([&](arith::MaxUIOp) { return asUnsigned(Op::Max, type, x[0], x[1]); })
          .Case([&](arith::AndIOp) { return add(Op::And, result, {x[0], x[1]}); })
          .Case([&](arith::OrIOp) { return add(Op::Or, result, {x[0], x[1]}); })
          .Case([&](arith::XOrIOp) { return add(Op::Xor, result, {x[0], x[1]}); })
          .Case([&](arith::ShLIOp) { return asUnsigned(Op::Shl, type, x[0], x[1]); })
          .Case([&](arith::ShRUIOp) { return asUnsigned(Op::Shr, type, x[0], x[1]); })
          .Case([&](arith::ShRSIOp) {
            Type raw{TypeKind::UInt, result.bits};
            return add(Op::Shr, result, {x[0], reinterpret(x[1], raw)});
          })
          .Case([&](arith::ExtFOp) { return convert(x[0], result); })
          .Case([&](arith::TruncFOp) {
            if (type.isBF16())
              return rounded(x[0], type);
            // f64 -> f32 -> f16 rounds twice, also where the second step is another stage's.
            return type.isF32() ? keptConversion(convert(x[0], result)) : convert(x[0], result);
          })
          .Case([&](arith::SIToFPOp) { return realOf(x[0], type); })
          .Case([&](arith::UIToFPOp) {
            Type from = program.nodes[x[0]].type;
            return realOf(reinterpret(x[0], {TypeKind::UInt, from.bits}), type);
          })
          .Case([&](arith::FPToSIOp) { return convert(x[0], result); })
          .Case([&](arith::FPToUIOp) {
            if (result == kBool)
              return add(Op::NotEqual, kBool,
                         {x[0], convert(integer(kIndex, 0), program.nodes[x[0]].type)});
            // Short ones through 32 bits. Halide makes one conversion to a signed integer of every
            // chain of them, which saturates too early; a mask stops it, and costs nothing in the
            // end.
            if (result.bits < 32) {
              Type wide{TypeKind::Int, 32};
              int32_t mask = integer(wide, (int64_t(1) << result.bits) - 1);
              return convert(add(Op::And, wide, {convert(x[0], wide), mask}), result);
            }
            return reinterpret(convert(x[0], {TypeKind::UInt, result.bits}), result);
          })
          .Case([&](arith::ExtSIOp) {
            Type from = program.nodes[x[0]].type;
            if (from == kBool) // true is -1
              return add(Op::Select, result, {x[0], integer(result, -1), integer(result, 0)});
            return convert(x[0], result);
          })
          .Case([&](arith::ExtUIOp) {
            Type from = program.nodes[x[0]].type;
            return reinterpret(convert(reinterpret(x[0], {TypeKind::UInt, from.bits}),
                                       {TypeKind::UInt, result.bits}),
                               result);
          })
          .Case([&](arith::TruncIOp) {
            if (result == kBool) {
              Type from = program.nodes[x[0]].type;
              int32_t low = add(Op::And, from, {x[0], integer(from, 1)});
              return add(Op::NotEqual, kBool, {low, integer(from, 0)});
            }
            return convert(x[0], result);
          })
          .Case([&](arith::IndexCastOp) { return convert(x[0], result); })
          .Case([&](arith::IndexCastUIOp) { return convert(x[0], result); })
          .Case([&](arith::BitcastOp op) {
            mlir::Type from = op.getIn().getType();
            int32_t raw = toStorage(x[0], from, *storageType(from));
            return type.isBF16() ? fromStorage(reinterpret(raw, kU16), type)
                                 : reinterpret(raw, result);
          })
          .Case([&](math::FmaOp) {
            // LLVM contracts it on every target with FMA.
            return rounded(add(Op::Add, result, {add(Op::Mul, result, {x[0], x[1]}), x[2]}), type);
          })
          .Case([&](math::CopySignOp) {
            Type raw{TypeKind::UInt, result.bits};
            int32_t sign = integer(raw, static_cast<int64_t>(uint64_t(1) << (result.bits - 1)));
            int32_t rest = add(Op::Sub, raw, {sign, integer(raw, 1)});
            int32_t magnitude = add(Op::And, raw, {reinterpret(x[0], raw), rest});
            int32_t taken = add(Op::And, raw, {reinterpret(x[1], raw), sign});
            return reinterpret(add(Op::Or, raw, {magnitude, taken}), result);
          })
          .Case([&](math::AbsFOp) { return add(Op::Abs, result, {x[0]}); })
          .Case([&](math::FloorOp) { return function(Op::Floor); })
          .Case([&](math::CeilOp) { return function(Op::Ceil); })
          .Case([&](math::TruncOp) { return function(Op::Trunc); })
          .Case([&](math::RoundEvenOp) { return function(Op::RoundEven); })
          .Case([&](math::SqrtOp) { return function(Op::Sqrt); })
          .Case([&](math::AbsIOp) {
            int32_t zero = integer(result, 0);
            return add(
                Op::Select, result,
                {add(Op::Less, kBool, {x[0], zero}), wrapping(Op::Sub, type, zero, x[0]), x[0]});
          })
          .Default([](Operation *) { return -1; });
  if (node < 0)
    return op->emitOpError() << "is not known to the Halide generator";
  bind(op->getResult(0), node);
  return success();
}

} // namespace tessera::halide
