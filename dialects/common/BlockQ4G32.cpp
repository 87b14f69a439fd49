//===- BlockQ4G32.cpp - 4-bit integers in groups of 32 -----------------------===//
//
// Layout, 18 bytes: the scale d as little-endian f16, then 16 bytes q. Element i < 16 is the low
// half of q[i], element i >= 16 the high half of q[i - 16]. Value = (half - 8) * d. (The layout of
// ggml's Q4_0.)
//
//===----------------------------------------------------------------------===//

#include "dialects/common/BlockDecode.h"
#include "dialects/common/BlockFormat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/APFloat.h"
#include <algorithm>
#include <cmath>

namespace tessera {
extern const BlockFormat blockQ4G32;
extern const BlockDecoder decoderQ4G32;
} // namespace tessera

static constexpr int64_t kElements = 32;

static float decodeHalf(uint16_t bits) {
  llvm::APFloat value(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
  bool exact;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &exact);
  return value.convertToFloat();
}

static uint16_t encodeHalf(float number) {
  llvm::APFloat value(number);
  bool exact;
  value.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &exact);
  return value.bitcastToAPInt().getZExtValue();
}

static void decode(const uint8_t *block, float *out) {
  float scale = decodeHalf(block[0] | block[1] << 8);
  for (int64_t i = 0; i < kElements / 2; ++i) {
    out[i] = ((block[2 + i] & 15) - 8) * scale;
    out[i + kElements / 2] = ((block[2 + i] >> 4) - 8) * scale;
  }
}

static void encode(const float *values, uint8_t *block) {
  // The element of largest magnitude becomes -8 exactly, which the 16 codes reach on one side only.
  float extreme = 0;
  for (int64_t i = 0; i < kElements; ++i)
    if (std::fabs(values[i]) > std::fabs(extreme))
      extreme = values[i];
  uint16_t bits = encodeHalf(extreme / -8);
  block[0] = bits & 255;
  block[1] = bits >> 8;
  float scale = decodeHalf(bits);
  auto code = [&](float value) -> uint8_t {
    float q = scale == 0 ? 0 : std::nearbyint(value / scale);
    return static_cast<uint8_t>(std::clamp(q, -8.0f, 7.0f) + 8);
  };
  for (int64_t i = 0; i < kElements / 2; ++i)
    block[2 + i] = code(values[i]) | code(values[i + kElements / 2]) << 4;
}

const tessera::BlockFormat tessera::blockQ4G32 = {"q4_g32", kElements, 18, decode, encode};

/// The same in a kernel: two bytes make the scale, half a byte the number.
static mlir::Value decodeInKernel(mlir::ImplicitLocOpBuilder &b, mlir::Value index,
                                  llvm::function_ref<mlir::Value(mlir::Value)> byte) {
  using namespace mlir::arith;
  auto at = [&](int64_t place) -> mlir::Value { return ConstantIndexOp::create(b, place); };
  auto number = [&](mlir::Type type, int64_t value) -> mlir::Value {
    return ConstantOp::create(b, b.getIntegerAttr(type, value));
  };
  mlir::Type i8 = b.getI8Type(), i16 = b.getI16Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  mlir::Value low = ExtUIOp::create(b, i16, byte(at(0))),
              high = ExtUIOp::create(b, i16, byte(at(1)));
  mlir::Value shifted = ShLIOp::create(b, high, number(i16, 8));
  mlir::Value bits = OrIOp::create(b, low, shifted);
  mlir::Value stored = BitcastOp::create(b, b.getF16Type(), bits);
  mlir::Value scale = ExtFOp::create(b, f32, stored);
  mlir::Value half = at(kElements / 2);
  mlir::Value isLow = CmpIOp::create(b, CmpIPredicate::slt, index, half);
  mlir::Value place = RemUIOp::create(b, index, half);
  mlir::Value pair = byte(AddIOp::create(b, place, at(2)));
  mlir::Value first = AndIOp::create(b, pair, number(i8, 15));
  mlir::Value second = ShRUIOp::create(b, pair, number(i8, 4));
  mlir::Value code = SelectOp::create(b, isLow, first, second);
  mlir::Value wide = ExtUIOp::create(b, i32, code);
  mlir::Value centred = SubIOp::create(b, wide, number(i32, 8));
  mlir::Value real = SIToFPOp::create(b, f32, centred);
  return MulFOp::create(b, real, scale);
}

const tessera::BlockDecoder tessera::decoderQ4G32 = decodeInKernel;
