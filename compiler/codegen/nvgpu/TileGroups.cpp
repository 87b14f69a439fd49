//===- TileGroups.cpp - What four warps multiply together (wgmma) ----------------------------===//
//
// PTX ISA, section 9.7.15. The instructions read both factors from shared memory, while the threads
// begin the next copies. Registers with sums may not be touched between, so they pass from the text
// that begins the products of a step to the one that waits for them, and nothing reads them else.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

SharedTile::GroupLayout BlockTile::layoutOf(const Factor &factor) {
  return {factor.lines, factor.chunks, factor.perChunk, factor.alongDepth};
}

StringRef BlockTile::nameOf(const Factor &factor) {
  if (factor.floating)
    return isa<Float8E4M3FNType>(factor.floating) ? "e4m3" : "e5m2";
  return factor.element.isF16()    ? "f16"
         : factor.element.isBF16() ? "bf16"
         : factor.element.isF32()  ? "tf32"
         : factor.isUnsigned       ? "u8"
                                   : "s8";
}

Value BlockTile::slot(const Factor &factor, Value line, Value chunk) {
  if (isGroup)
    return groupSlot(layoutOf(factor), line, chunk);
  if (!isMatrix && factor.alongDepth)
    return slotOfVectors(factor.chunks, vector, line, chunk);
  // Words across the depth are loaded from four lines (TileMultiply.cpp, loadWords).
  const bool isByPairs = isMatrix && factor.element.isF32() && !factor.alongDepth;
  return SharedTile::slot(factor.chunks, line, chunk, isByPairs);
}

/// Begins the products of a step: for every 64 rows of the four warps, and every two chunks of the
/// depth, an instruction for all columns.
SmallVector<Value> BlockTile::beginGroups(Value buffer, Values sums) {
  const bool isInteger = sumType.isInteger();
  const int64_t perRow = warpColumns / 2, blocks = warpRows / 16;
  // The first row of the four warps.
  Value group = arith::SubIOp::create(b, warpRow, mul(rem(div(thread, 32), 4), 16));
  Values descriptors;
  auto put = [&](const Factor &factor, Value first) {
    descriptors.push_back(describe(layoutOf(factor), add(buffer, factor.offset), first));
  };
  for (int64_t block = 0; block < blocks; ++block)
    put(left, add(group, block * 64));
  put(right, warpColumn);

  const std::string name =
      ("wgmma.mma_async.sync.aligned.m64n" + Twine(warpColumns) + "k" + Twine(2 * left.perChunk) +
       (isInteger ? ".s32." : ".f32.") + nameOf(left) + "." + nameOf(right))
          .str();
  std::string flags = isInteger ? "" : ", 1, 1";
  if (left.perChunk == 8)
    for (const Factor *factor : {&left, &right})
      flags += factor->alongDepth ? ", 0" : ", 1";
  auto place = [&](const Factor &factor, int64_t step) {
    return sixteensBehind(layoutOf(factor), step);
  };
  std::string text = "{\n.reg .pred p;\n.reg .b64 x, y;\nsetp.ne.b32 p, 1, 0;\n"
                     "wgmma.fence.sync.aligned;\n";
  const size_t next = 2 * sums.size();
  for (int64_t step = 0; step * 2 * left.perChunk < int64_t(steps.split.getFactor()); ++step) {
    text +=
        ("add.s64 y, $" + Twine(next + size_t(blocks)) + ", " + Twine(place(right, step)) + ";\n")
            .str();
    for (int64_t block = 0; block < blocks; ++block) {
      text += ("add.s64 x, $" + Twine(next + size_t(block)) + ", " + Twine(place(left, step)) +
               ";\n" + name + " {")
                  .str();
      for (int64_t sum = 0; sum < perRow; ++sum)
        text += (sum ? ", $" : "$") + std::to_string(block * perRow + sum);
      text += "}, x, y, p" + flags + ";\n";
    }
  }
  text += "wgmma.commit_group.sync.aligned;\n}";
  return callOnSums(text, std::move(sums), descriptors);
}

SmallVector<Value> BlockTile::finishGroups(Values sums) {
  return callOnSums("wgmma.wait_group.sync.aligned 0;", std::move(sums), {});
}

} // namespace tessera::nvgpu
