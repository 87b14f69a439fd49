//===- BlockDecode.cpp - Packed blocks in the body of a kernel ---------------===//

#include "dialects/common/BlockDecode.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"

#include <cmath>

using namespace mlir;
using namespace mlir::arith;
using namespace tessera;

namespace {
class Decoder {
public:
  Decoder(ImplicitLocOpBuilder &b, const BlockFormat &format, llvm::function_ref<Value(Value)> byte,
          bool areOrdinary)
      : b(b), format(format), byte(byte), areOrdinary(areOrdinary), i16(b.getI16Type()),
        i32(b.getI32Type()), f32(b.getF32Type()) {}

  Value run(Value index) {
    bool isFloat = format.code.kind == BlockCode::Float;
    Value code = this->code(index, isFloat ? i16 : i32), scale = this->scale();
    if (format.code.kind == BlockCode::Integer) {
      Value number = SIToFPOp::create(b, f32, code);
      if (format.scale != BlockScale::F16)
        return product(SubFOp::create(b, number, real(format.code.bias)), scale);
      // One multiply-add: products with an f16 are exact, and the offset is one for the block.
      Value scaled = MulFOp::create(b, number, scale);
      if (format.hasMinimum)
        return AddFOp::create(b, scaled, half(2));
      return SubFOp::create(b, scaled, product(scale, real(format.code.bias)));
    }
    if (!isFloat)
      return product(tableEntry(format.code.table, code), scale);
    Value number = smallFloat(code);
    int bias = 1 - llvm::APFloat::semanticsMinExponent(format.code.semantics());
    if (bias == 15)
      return product(number, scale);
    // What f16 is off by belongs to the scale of the block, unless that might overflow.
    Value power = real(std::ldexp(1.0, 15 - bias));
    return areOrdinary ? product(number, product(scale, power))
                       : product(product(number, power), scale);
  }

private:
  Value at(int64_t place) { return ConstantIndexOp::create(b, place); }
  Value whole(Type type, int64_t value) {
    return ConstantOp::create(b, b.getIntegerAttr(type, value));
  }
  Value real(double value) { return ConstantOp::create(b, b.getFloatAttr(f32, value)); }

  Value product(Value x, Value y) { return MulFOp::create(b, x, y); }

  Value half(int64_t place) {
    Value low = ExtUIOp::create(b, i16, byte(at(place)));
    Value high = ExtUIOp::create(b, i16, byte(at(place + 1)));
    Value shifted = ShLIOp::create(b, high, whole(i16, 8));
    Value bits = OrIOp::create(b, low, shifted);
    Value stored = BitcastOp::create(b, b.getF16Type(), bits);
    return ExtFOp::create(b, f32, stored);
  }

  /// 2^(e - 127), NaN for 255. The exponent of an f32 has the same bias, and 0 stands for a
  /// subnormal number there.
  Value power() {
    Value exponent = ExtUIOp::create(b, i32, byte(at(0)));
    Value bits = ShLIOp::create(b, exponent, whole(i32, 23));
    bits = MaxUIOp::create(b, bits, whole(i32, 0x00400000));
    if (!areOrdinary) {
      Value isNaN = CmpIOp::create(b, CmpIPredicate::eq, exponent, whole(i32, 255));
      bits = SelectOp::create(b, isNaN, whole(i32, 0x7fc00000), bits);
    }
    return BitcastOp::create(b, f32, bits);
  }

  Value scale() { return format.scale == BlockScale::F16 ? half(0) : power(); }

  Value code(Value index, Type type) {
    Value code;
    int64_t first = format.getCodesOffset();
    unsigned low = 0;
    for (unsigned width : format.getPieces()) {
      int64_t bytes = format.elements * width / 8;
      Value piece;
      if (width == 8) {
        piece = ExtUIOp::create(b, type, byte(AddIOp::create(b, index, at(first))));
      } else {
        Value place = AddIOp::create(b, RemUIOp::create(b, index, at(bytes)), at(first));
        Value shift = MulIOp::create(b, DivUIOp::create(b, index, at(bytes)), at(width));
        Value wide = ExtUIOp::create(b, type, byte(place));
        Value down = IndexCastUIOp::create(b, type, shift);
        piece = ShRUIOp::create(b, wide, down);
        piece = AndIOp::create(b, piece, whole(type, (1 << width) - 1));
      }
      if (low)
        piece = ShLIOp::create(b, piece, whole(type, low));
      code = code ? OrIOp::create(b, code, piece) : piece;
      first += bytes;
      low += width;
    }
    return code;
  }

  /// An f16 holds every number of a type with at most 5 bits of exponent, subnormal ones among
  /// them: with its fields in place it is off by a power of two alone, 2^(15 - bias). The sign goes
  /// to the top bit; where there are fewer bits of exponent, the others follow it by a shift that
  /// copies the sign, and the copies are cleared.
  Value smallFloat(Value code) {
    const llvm::fltSemantics &semantics = format.code.semantics();
    int mantissa = int(llvm::APFloat::semanticsPrecision(semantics)) - 1;
    int magnitudeBits = int(format.codeBits) - 1;
    int gap = 5 - (magnitudeBits - mantissa);
    Value bits = code;
    if (format.codeBits < 16)
      bits = ShLIOp::create(b, bits, whole(i16, 16 - format.codeBits));
    if (gap > 0) {
      bits = ShRSIOp::create(b, bits, whole(i16, gap));
      bits = AndIOp::create(b, bits, whole(i16, ~(((1 << gap) - 1) << (15 - gap))));
    }
    bool hasOneNaN =
        llvm::APFloat::semanticsHasNaN(semantics) && !llvm::APFloat::semanticsHasInf(semantics);
    if (hasOneNaN && !areOrdinary) {
      int64_t most = (1 << magnitudeBits) - 1;
      Value magnitude = AndIOp::create(b, code, whole(i16, most));
      Value isNaN = CmpIOp::create(b, CmpIPredicate::eq, magnitude, whole(i16, most));
      bits = SelectOp::create(b, isNaN, whole(i16, 0x7e00), bits);
    }
    Value stored = BitcastOp::create(b, b.getF16Type(), bits);
    return ExtFOp::create(b, f32, stored);
  }

  Value tableEntry(ArrayRef<float> entries, Value code) {
    auto type = RankedTensorType::get({int64_t(entries.size())}, f32);
    Value table = ConstantOp::create(b, DenseElementsAttr::get(type, entries));
    Value index = IndexCastUIOp::create(b, b.getIndexType(), code);
    return tensor::ExtractOp::create(b, table, index);
  }

  ImplicitLocOpBuilder &b;
  const BlockFormat &format;
  llvm::function_ref<Value(Value)> byte;
  bool areOrdinary;
  Type i16, i32, f32;
};
} // namespace

bool tessera::isOrdinaryBlock(const BlockFormat &format, const BlockCodec &codec,
                              const uint8_t *block) {
  // An f16 times 2^24 is finite, or neither it nor any number of the block is.
  if (format.scale == BlockScale::E8M0 && block[0] > 254 - 24)
    return false;
  std::vector<float> numbers(format.elements);
  codec.decode(block, numbers.data());
  return llvm::all_of(numbers, [](float number) { return std::isfinite(number); });
}

Value tessera::decodeElement(ImplicitLocOpBuilder &b, const BlockFormat &format, Value index,
                             llvm::function_ref<Value(Value place)> byte, bool areOrdinary) {
  return Decoder(b, format, byte, areOrdinary).run(index);
}
