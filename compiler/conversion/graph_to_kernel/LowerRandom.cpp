//===- LowerRandom.cpp - Random bits as integer arithmetic -----------------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"

#include <array>

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;

using BodyBuilder = ImplicitLocOpBuilder;

namespace {
/// Philox-4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1,
/// 2, 3", 2011, section 3.3 and table 2 (constants).
class Philox {
public:
  explicit Philox(BodyBuilder &b) : b(b) {}

  std::array<Value, 4> block(std::array<Value, 4> counter, std::array<Value, 2> key) {
    for (int round = 0; round < 10; ++round) {
      if (round > 0) {
        key[0] = arith::AddIOp::create(b, key[0], word(0x9E3779B9));
        key[1] = arith::AddIOp::create(b, key[1], word(0xBB67AE85));
      }
      auto [high0, low0] = multiply(counter[0], 0xD2511F53);
      auto [high1, low1] = multiply(counter[2], 0xCD9E8D57);
      counter = {mix(high1, counter[1], key[0]), low1, mix(high0, counter[3], key[1]), low0};
    }
    return counter;
  }
  Value word(uint32_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(value)));
  }
  /// The upper and the lower word of 64 bits.
  std::pair<Value, Value> split(Value wide) {
    Value shift = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
    Value high = arith::TruncIOp::create(b, b.getI32Type(), arith::ShRUIOp::create(b, wide, shift));
    return {high, arith::TruncIOp::create(b, b.getI32Type(), wide)};
  }

private:
  Value mix(Value x, Value y, Value z) {
    return arith::XOrIOp::create(b, arith::XOrIOp::create(b, x, y), z);
  }
  std::pair<Value, Value> multiply(Value x, uint32_t factor) {
    Value wide = arith::ExtUIOp::create(b, b.getI64Type(), x);
    Value by = arith::ConstantOp::create(b, b.getI64IntegerAttr(factor));
    return split(arith::MulIOp::create(b, wide, by));
  }
  BodyBuilder &b;
};
} // namespace

static Tensors lowerRandomBits(graph::RandomBitsOp op, KernelEmitter &emitter) {
  ArrayRef<graph::DimAttr> dims = op.getType().getDims();
  SmallVector<Value> extents;
  for (graph::DimAttr dim : dims)
    extents.push_back(emitter.extent(dim));
  Value key = emitter.lookup(op.getKey());
  Type i32 = emitter.getBuilder().getI32Type(), i64 = emitter.getBuilder().getI64Type();
  return SmallVector<Value>{
      emitter.mapIndexed("bits", dims, i32, [&](BodyBuilder &b, ValueRange i) {
        // The place is counted in 64 bits: indices of kernels have 32.
        Value place = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
        for (auto [index, extent] : llvm::zip(i, extents)) {
          Value wide = arith::IndexCastOp::create(b, i64, extent);
          place = arith::AddIOp::create(b, arith::MulIOp::create(b, place, wide),
                                        arith::IndexCastOp::create(b, i64, index));
        }
        Philox philox(b);
        Value two = arith::ConstantOp::create(b, b.getI64IntegerAttr(2));
        auto [high, low] = philox.split(arith::ShRUIOp::create(b, place, two));
        Value zero = philox.word(0);
        std::array<Value, 4> words =
            philox.block({low, high, zero, zero},
                         {extract(b, key, Value(arith::ConstantIndexOp::create(b, 0))),
                          extract(b, key, Value(arith::ConstantIndexOp::create(b, 1)))});
        Value which =
            arith::AndIOp::create(b, arith::TruncIOp::create(b, i32, place), philox.word(3));
        Value chosen = words[0];
        for (uint32_t k = 1; k < 4; ++k) {
          Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, which, philox.word(k));
          chosen = arith::SelectOp::create(b, isThis, words[k], chosen);
        }
        return chosen;
      })};
}

void tessera::lower::attachRandom(MLIRContext &context) {
  graph::RandomBitsOp::attachInterface<
      Model<graph::RandomBitsOp, FusionClass::Costly, lowerRandomBits>>(context);
}
