//===- StreamMultiply.cpp - Scores, and sums of weighted values ------------------------------===//
//
// By matrices (m16n8k16, PTX ISA, section 9.7.14.5.8) a lane has rows lane / 4 and lane / 4 + 8,
// and of each 8 keys or columns two neighbours: the registers of two times 8 scores are those of
// the first operand of the second product. With tf32 (m16n8k8) those of 8 scores are, as steps t
// and t + 4 of whose depth keys 2 t and 2 t + 1 are taken, of weights and values alike. By single
// multiply-adds a lane has four rows, every eighth key, and four neighbours of 32 columns (f64: two
// of 16); weights pass through shared memory.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockStream.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace tessera::nvgpu {

Value BlockStream::initial(const Reduction &reduction) {
  linalg::GenericOp stage = reduction.stage;
  return f.scalars.lookupOrDefault(
      stage.getDpsInits()[0].getDefiningOp<linalg::FillOp>().getInputs()[0]);
}

/// 16 rows x 16 (tf32: 8) by as many x 8.
Value BlockStream::product(Type element, ArrayRef<Value> left, ArrayRef<Value> right,
                           ArrayRef<Value> sums) {
  SmallVector<Type> four(4, b.getF32Type());
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), four);
  const auto kind = element.isF16()   ? NVVM::MMATypes::f16
                    : element.isF32() ? NVVM::MMATypes::tf32
                                      : NVVM::MMATypes::bf16;
  return NVVM::MmaOp::create(b, type, left, right, sums, ArrayRef<int64_t>{16, 8, keysPerStep()},
                             std::nullopt, std::nullopt, std::array{kind, kind},
                             std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
}

/// `yield` of a stage that sums products, as it is.
FailureOr<Value> BlockStream::accumulate(const Reduction &reduction, Value left, Value right,
                                         Value sum) {
  linalg::GenericOp stage = reduction.stage;
  IRMapping known;
  known.map(reduction.left, left);
  known.map(reduction.right, right);
  known.map(stage.getRegionOutputArgs()[0], sum);
  return f.scalar(stage, stage.getRegion().front().getTerminator()->getOperand(0), {}, known);
}

Value BlockStream::loadWord(const Factor &factor, Value line, Value chunk) {
  Value byte = byteOf(factor, slot(factor.chunks, line, chunk));
  return LLVM::LoadOp::create(b, VectorType::get({factor.perChunk}, factor.element), shared(byte),
                              /*alignment=*/16);
}

Value BlockStream::byteOf(const Factor &factor, Value byte) {
  byte = add(byte, factor.offset);
  if (factor.isRing)
    return add(byte, ring);
  return factor.isOwn ? add(byte, mul(warp, ownBytes)) : byte;
}

Value BlockStream::chunkOf(const Factor &factor, Value line, Value chunk) {
  return byteOf(factor, tile.isGroup ? groupSlot(layoutOf(factor), line, chunk)
                                     : slot(factor.chunks, line, chunk));
}

/// Every warp has memory of its own, whose rows are somewhat longer than keys are many. Of the rows
/// that are written together, 4 apart, every other one of 32 bits would meet in a bank, so these
/// change places by 8 keys.
Value BlockStream::weightByte(Value line, Value key) {
  const int64_t size = stream.productBytes, pitch = stream.getWeightPitch(tile);
  if (size == 4 && tile.keys % 16 == 0)
    key = arith::XOrIOp::create(b, key, mul(rem(div(line, 8), 2), 8));
  Value place = add(mul(line, pitch), key);
  const int64_t bytes = tile.keyWarps > 1 ? ownBytes : stream.getWeightBytes(tile);
  return add(add(mul(place, size), mul(warp, bytes)), weightOffset);
}

FailureOr<SmallVector<Value>> BlockStream::multiplyScores() {
  Values all;
  for (const ScoreFactors &both : factors) {
    FailureOr<Values> scores = multiplyScores(both.queries, both.keys);
    if (failed(scores))
      return failure();
    all.append(*scores);
  }
  return all;
}

FailureOr<SmallVector<Value>> BlockStream::multiplyScores(const Factor &queries,
                                                          const Factor &keys) {
  if (tile.isGroup)
    return groupScores(queries, keys);
  const Reduction &scores = *queries.reduction;
  Values sums(size_t(keyUnits() * rowsOfLane() * keyWidth()), initial(scores));
  Value first = firstRow();
  if (stream.isMatrix) {
    Value j = div(lane, 8), i = rem(lane, 8), low = rem(j, 2), high = div(j, 2);
    for (int64_t step = 0; step < queries.chunks / 2; ++step) {
      Value line = add(add(first, mul(low, 8)), i);
      Value byte = slotBehind(queries.chunks, line, high, 2 * step, 0);
      Values a = loadFour(byteOf(queries, byte), queries.element, /*isTurned=*/false);
      if (stream.isTf32)
        a = roundWords(a);
      for (int64_t unit = 0; unit < keyUnits(); unit += 2) {
        byte = slotBehind(keys.chunks, add(mul(high, 8), i), low, 2 * step, 8 * unit);
        Values both = loadFour(byteOf(keys, byte), keys.element, /*isTurned=*/false);
        if (stream.isTf32)
          both = roundWords(both);
        for (int64_t part = 0; part < 2; ++part) {
          MutableArrayRef<Value> four =
              MutableArrayRef<Value>(sums).slice(size_t((unit + part) * 4), 4);
          Value result =
              product(queries.element, a, ArrayRef<Value>(both).slice(size_t(2 * part), 2), four);
          for (auto [number, value] : llvm::enumerate(four))
            value = LLVM::ExtractValueOp::create(b, result, int64_t(number));
        }
      }
    }
    return sums;
  }
  // A loop over the depth: written out it would be thousands of instructions.
  return f.loop(index(queries.chunks), sums, [&](Value step, Values running) -> FailureOr<Values> {
    Value chunk = arith::IndexCastUIOp::create(b, b.getI32Type(), step);
    Values x, y;
    for (int64_t row = 0; row < rowsOfLane(); ++row)
      x.push_back(loadWord(queries, rowOfLane(row), chunk));
    for (int64_t unit = 0; unit < keyUnits(); ++unit)
      y.push_back(loadWord(keys, keyOfLane(unit, 0), chunk));
    for (int64_t k = 0; k < stream.perWord(); ++k)
      for (int64_t unit = 0; unit < keyUnits(); ++unit)
        for (int64_t row = 0; row < rowsOfLane(); ++row) {
          Value &sum = running[size_t(unit * rowsOfLane() + row)];
          FailureOr<Value> next =
              accumulate(scores, LLVM::ExtractElementOp::create(b, x[size_t(row)], i32(k)),
                         LLVM::ExtractElementOp::create(b, y[size_t(unit)], i32(k)), sum);
          if (failed(next))
            return failure();
          sum = *next;
        }
    return running;
  });
}

/// Neighbours in a register: what two times 8 scores are as an operand.
SmallVector<Value> BlockStream::packWeights(ArrayRef<Value> weights) {
  Values result;
  if (stream.isTf32) {
    for (size_t unit = 0; unit < weights.size(); unit += 4)
      result.append({weights[unit], weights[unit + 2], weights[unit + 1], weights[unit + 3]});
    return roundWords(result);
  }
  for (size_t pair = 0; pair < weights.size(); pair += 2) {
    Type type = weights[pair].getType();
    Value both = LLVM::PoisonOp::create(b, VectorType::get({2}, type));
    for (size_t element = 0; element < 2; ++element)
      both = LLVM::InsertElementOp::create(b, both, weights[pair + element], i32(int64_t(element)));
    result.push_back(type.isF16() ? both : Value(LLVM::BitcastOp::create(b, b.getI32Type(), both)));
  }
  return result;
}

/// A warp's weights, for its lanes: rows, in the order of keys.
void BlockStream::writeWeights(ArrayRef<Value> weights) {
  // The last ones may still be read.
  NVVM::SyncWarpOp::create(b, i32(-1));
  for (int64_t unit = 0; unit < keyUnits(); ++unit)
    for (int64_t row = 0; row < rowsOfLane(); ++row) {
      LLVM::StoreOp::create(b, weights[size_t(unit * rowsOfLane() + row)],
                            shared(weightByte(lineOfLane(row), keyOfLane(unit, 0))),
                            unsigned(stream.productBytes));
    }
  NVVM::SyncWarpOp::create(b, i32(-1));
}

SmallVector<Value> BlockStream::loadValues(int64_t step, int64_t unit) {
  // Columns of a warp along columns begin at a multiple of 8 chunks.
  auto ofWarp = [&](Value byte) {
    if (tile.columnWarps > 1)
      byte = add(byte, mul(rem(warp, tile.columnWarps), columnUnits() * 128 / values.perChunk));
    return byteOf(values, byte);
  };
  if (!stream.isTf32) {
    // 8 keys are the lines of a matrix, which comes turned.
    Value j = div(lane, 8), i = rem(lane, 8), low = rem(j, 2), high = div(j, 2);
    Value byte = slotBehind(values.chunks, add(mul(low, 8), i), high, unit, 16 * step);
    return loadFour(ofWarp(byte), values.element, /*isTurned=*/true);
  }
  // Words would not be turned: one by one, two chunks of columns for each unit.
  Values words;
  Value column = div(lane, 4), inChunk = mul(rem(column, 4), 4);
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t key = 0; key < 2; ++key) {
      Value byte = slotBehind(values.chunks, add(mul(rem(lane, 4), 2), key), div(column, 4),
                              2 * (unit + part), 8 * step);
      words.push_back(LLVM::LoadOp::create(b, b.getI32Type(), shared(ofWarp(add(byte, inChunk))),
                                           /*alignment=*/4));
    }
  return roundWords(words);
}

FailureOr<SmallVector<Value>> BlockStream::multiplyWeights(ArrayRef<Value> weights, int64_t unit,
                                                           int64_t units) {
  if (tile.isGroup)
    return groupColumns(weights, unit, units);
  const Reduction &sums = *stream.sums();
  Values running(size_t(units * rowsOfLane() * columnWidth()), initial(sums));
  if (stream.isMatrix) {
    for (int64_t step = 0; step * keysPerStep() < tile.keys; ++step) {
      Values both = loadValues(step, unit);
      for (int64_t part = 0; part < units; ++part) {
        MutableArrayRef<Value> four = MutableArrayRef<Value>(running).slice(size_t(part * 4), 4);
        Value result = product(values.element, weights.slice(size_t(step * 4), 4),
                               ArrayRef<Value>(both).slice(size_t(2 * part), 2), four);
        for (auto [number, value] : llvm::enumerate(four))
          value = LLVM::ExtractValueOp::create(b, result, int64_t(number));
      }
    }
    return running;
  }
  const int64_t width = stream.perWord();
  auto word = VectorType::get({width}, sums.left.getType());
  return f.loop(
      index(tile.keys / width), running, [&](Value step, Values current) -> FailureOr<Values> {
        Value key = mul(arith::IndexCastUIOp::create(b, b.getI32Type(), step), width);
        Values x;
        for (int64_t row = 0; row < rowsOfLane(); ++row) {
          x.push_back(LLVM::LoadOp::create(b, word, shared(weightByte(lineOfLane(row), key)), 16));
        }
        for (int64_t k = 0; k < width; ++k)
          for (int64_t part = 0; part < units; ++part) {
            Value chunk = add(rem(lane, 8), 8 * (unit + part));
            if (tile.columnWarps > 1)
              chunk = add(chunk, mul(rem(warp, tile.columnWarps), 8 * columnUnits()));
            Value y = loadWord(values, add(key, k), chunk);
            for (int64_t row = 0; row < rowsOfLane(); ++row)
              for (int64_t element = 0; element < width; ++element) {
                Value &sum = current[size_t((part * rowsOfLane() + row) * width + element)];
                FailureOr<Value> next =
                    accumulate(sums, LLVM::ExtractElementOp::create(b, x[size_t(row)], i32(k)),
                               LLVM::ExtractElementOp::create(b, y, i32(element)), sum);
                if (failed(next))
                  return failure();
                sum = *next;
              }
          }
        return current;
      });
}

} // namespace tessera::nvgpu
