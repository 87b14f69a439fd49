//===- TileMultiply.cpp - What the warps of a block multiply ---------------------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

FailureOr<SmallVector<Value>> BlockTile::multiply(Value buffer, Values sums) {
  if (isMatrix)
    return multiplyMatrices(buffer, sums);
  return multiplyElements(buffer, sums);
}

/// Matrix j of the four covers, of 16 rows (columns) and two chunks of the depth:
///   j & 1: rows 8 ..., j >> 1: the second chunk; of columns the other way round.
/// These are the registers of A for m16n8k16 (f16; k8 of 32 bits, k32 of 8 bits, section
/// 9.7.14.5.8 ...), and those of B for two times 8 columns. `behind` the first row (column) of the
/// warp, a multiple of 16.
SmallVector<Value> BlockTile::loadMatrices(const Factor &factor, Value buffer, int64_t behind,
                                           int64_t step) {
  Value ofWarp = factor.axis == &rows ? warpRow : warpColumn, first = add(ofWarp, behind);
  const bool isRows = factor.axis == &rows, isTf32 = factor.element.isF32();
  if (isTf32 && !factor.alongDepth)
    return roundWords(loadWords(factor, buffer, first, step));
  Value j = div(lane, 8), i = rem(lane, 8);
  Value low = rem(j, 2), high = div(j, 2);
  Value across = isRows ? low : high, along = isRows ? high : low;
  Value byte;
  if (factor.alongDepth) {
    Value line = add(add(ofWarp, mul(across, 8)), i);
    byte = slotBehind(factor.chunks, line, along, 2 * step, behind);
  } else { // 8 steps of the depth are the lines; they come turned.
    Value line = add(add(mul(along, 8), i), 16 * step);
    byte = slot(factor, line, add(div(first, 8), across));
  }
  Values four = loadFour(add(add(buffer, factor.offset), byte), factor.element,
                         /*isTurned=*/!factor.alongDepth);
  return isTf32 ? roundWords(four) : four;
}

/// The same of 32 bits, where 8 steps of the depth are the lines: a lane has, of every matrix, row
/// lane / 4 and step lane % 4.
SmallVector<Value> BlockTile::loadWords(const Factor &factor, Value buffer, Value first,
                                        int64_t step) {
  const bool isRows = factor.axis == &rows;
  Values words;
  for (int64_t j = 0; j < 4; ++j) {
    const int64_t across = isRows ? j % 2 : j / 2, along = isRows ? j / 2 : j % 2;
    Value line = add(rem(lane, 4), 8 * step + 4 * along);
    Value place = add(add(first, div(lane, 4)), 8 * across);
    Value byte = add(slot(factor, line, div(place, 4)), mul(rem(place, 4), 4));
    words.push_back(
        LLVM::LoadOp::create(b, b.getI32Type(), shared(add(add(buffer, factor.offset), byte)), 4));
  }
  return words;
}

/// Sums: for 16 rows and 8 columns four values of a lane, rows outermost.
SmallVector<Value> BlockTile::multiplyMatrices(Value buffer, Values sums) {
  auto typeOf = [](const Factor &factor) {
    if (factor.element.isF16())
      return NVVM::MMATypes::f16;
    if (factor.element.isBF16())
      return NVVM::MMATypes::bf16;
    if (factor.element.isF32())
      return NVVM::MMATypes::tf32;
    return factor.isUnsigned ? NVVM::MMATypes::u8 : NVVM::MMATypes::s8;
  };
  const bool isInteger = sumType.isInteger();
  SmallVector<Type> four(4, sumType);
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), four);
  const int64_t perMatrix = 2 * left.perChunk;
  for (int64_t step = 0; step * perMatrix < int64_t(steps.split.getFactor()); ++step) {
    SmallVector<Values> a, both;
    for (int64_t row = 0; row < warpRows; row += 16)
      a.push_back(loadMatrices(left, buffer, row, step));
    for (int64_t column = 0; column < warpColumns; column += 16)
      both.push_back(loadMatrices(right, buffer, column, step));
    for (auto [row, lhs] : llvm::enumerate(a))
      for (int64_t column = 0; column < warpColumns / 8; ++column) {
        ArrayRef<Value> rhs = ArrayRef<Value>(both[size_t(column / 2)]).slice(column % 2 * 2, 2);
        MutableArrayRef<Value> sum = MutableArrayRef<Value>(sums).slice(
            (row * size_t(warpColumns / 8) + size_t(column)) * 4, 4);
        Value result =
            left.floating
                ? multiplyBytes(type, lhs, rhs, sum)
                : NVVM::MmaOp::create(b, type, lhs, rhs, ValueRange(sum),
                                      ArrayRef<int64_t>{16, 8, perMatrix}, std::nullopt,
                                      isInteger ? std::optional(NVVM::MMAIntOverflow::wrapped)
                                                : std::nullopt,
                                      std::array{typeOf(left), typeOf(right)},
                                      std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
        for (auto [part, value] : llvm::enumerate(sum))
          value = LLVM::ExtractValueOp::create(b, result, int64_t(part));
      }
  }
  return sums;
}

/// 8-bit floats (section 9.7.14.5.11), which NVVM's operation does not have.
Value BlockTile::multiplyBytes(Type type, ArrayRef<Value> lhs, ArrayRef<Value> rhs,
                               ArrayRef<Value> sum) {
  Values operands(lhs);
  operands.append(rhs.begin(), rhs.end());
  operands.append(sum.begin(), sum.end());
  const std::string name =
      ("llvm.nvvm.mma.m16n8k32.row.col.f32." + nameOf(left) + "." + nameOf(right) + ".f32").str();
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), operands).getResults();
}

/// The elements of a lane for `perChunk` steps of the depth: `result[k * number + i]`. A lane
/// has vectors of rows (columns), `lanes` vectors apart. `first`: its first row (column).
SmallVector<Value> BlockTile::loadElements(const Factor &factor, Value buffer, Value first,
                                           int64_t number, int64_t lanes, int64_t step) {
  const int64_t width = factor.perChunk;
  Values result(size_t(number * width));
  auto load = [&](Value line, Value chunk) -> Value {
    Value at = shared(add(add(buffer, factor.offset), slot(factor, line, chunk)));
    return LLVM::LoadOp::create(b, VectorType::get({width}, factor.element), at, /*alignment=*/16);
  };
  auto part = [&](Value loaded, int64_t element) -> Value {
    return LLVM::ExtractElementOp::create(b, loaded, i32(element));
  };
  for (int64_t i = 0; i < number; ++i) {
    const int64_t across = i / vector * vector * lanes + i % vector;
    if (factor.alongDepth) {
      Value loaded = load(add(first, across), i32(step));
      for (int64_t k = 0; k < width; ++k)
        result[size_t(k * number + i)] = part(loaded, k);
    } else if (i % vector == 0) {
      for (int64_t k = 0; k < width; ++k) {
        Value loaded = load(i32(step * width + k), div(add(first, across), width));
        for (int64_t element = 0; element < vector; ++element)
          result[size_t(k * number + i + element)] = part(loaded, element);
      }
    }
  }
  return result;
}

/// Lanes stand in 4 rows of 8; sums lie with rows outermost.
FailureOr<SmallVector<Value>> BlockTile::multiplyElements(Value buffer, Values sums) {
  const int64_t tall = warpRows / 4, wide = warpColumns / 8;
  Value firstRow = add(warpRow, mul(div(lane, 8), vector));
  Value firstColumn = add(warpColumn, mul(rem(lane, 8), vector));
  const Value carried = stage.getRegionOutputArgs()[0];
  const Value yielded = stage.getRegion().front().getTerminator()->getOperand(0);
  for (int64_t step = 0; step * left.perChunk < int64_t(steps.split.getFactor()); ++step) {
    Values x = loadElements(left, buffer, firstRow, tall, 4, step);
    Values y = loadElements(right, buffer, firstColumn, wide, 8, step);
    for (int64_t k = 0; k < left.perChunk; ++k)
      for (int64_t row = 0; row < tall; ++row)
        for (int64_t column = 0; column < wide; ++column) {
          Value &sum = sums[size_t(row * wide + column)];
          IRMapping known;
          known.map(left.scalar, x[size_t(k * tall + row)]);
          known.map(right.scalar, y[size_t(k * wide + column)]);
          known.map(carried, sum);
          FailureOr<Value> next = f.scalar(stage, yielded, {}, known);
          if (failed(next))
            return failure();
          sum = *next;
        }
  }
  return sums;
}

/// Where two rows are a warp's, they have different banks as they are, and rows that are written
/// together by changing places of 8 columns.
Value BlockTile::sumPlace(Value row, Value column) {
  if (pitch == kNarrowColumns)
    column = arith::XOrIOp::create(b, column, mul(rem(div(row, 2), 2), kNarrowColumns / 2));
  return add(mul(row, pitch), column);
}

/// Of 16 rows a lane has, for every 8 columns, two neighbours in row lane / 4 and two in row 8 +
/// lane / 4 (section 9.7.14.5.8); of rows by single elements, `vector` rows of vectors.
void BlockTile::writeSums(int64_t pass, Value first) {
  const int64_t bytes = sumType.getIntOrFloatBitWidth() / 8;
  auto write = [&](Value row, Value column, ArrayRef<Value> values) {
    auto type = VectorType::get({int64_t(values.size())}, sumType);
    Value all = LLVM::PoisonOp::create(b, type);
    for (auto [number, value] : llvm::enumerate(values))
      all = LLVM::InsertElementOp::create(b, all, value, i32(int64_t(number)));
    Value byte = add(first, mul(sumPlace(row, column), bytes));
    LLVM::StoreOp::create(b, all, shared(byte), unsigned(bytes * int64_t(values.size())));
  };
  ArrayRef<Value> all = sums;
  if (isMatrix) {
    for (int64_t column = 0; column < warpColumns; column += 8) {
      ArrayRef<Value> four = all.slice(size_t((pass * warpColumns + column) / 8 * 4), 4);
      Value at = add(mul(rem(lane, 4), 2), column);
      write(div(lane, 4), at, four.take_front(2));
      write(add(div(lane, 4), 8), at, four.drop_front(2));
    }
    return;
  }
  const int64_t wide = warpColumns / 8;
  for (int64_t row = 0; row < vector; ++row)
    for (int64_t column = 0; column < wide; column += vector)
      write(add(mul(div(lane, 8), vector), row), add(mul(rem(lane, 8), vector), column * 8),
            all.slice(size_t((pass * vector + row) * wide + column), size_t(vector)));
}

} // namespace tessera::nvgpu
