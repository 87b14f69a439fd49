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

/// Text whose first operands are all sums, in place.
SmallVector<Value> BlockTile::callOnSums(const std::string &text, Values sums,
                                         ArrayRef<Value> others) {
  const StringRef kind = sumType.isInteger() ? "=r" : "=f";
  SmallVector<std::string> constraints(sums.size(), kind.str());
  for (size_t i = 0; i < sums.size(); ++i)
    constraints.push_back(std::to_string(i));
  constraints.append(others.size(), "l");
  SmallVector<Type> types(sums.size(), sumType);
  SmallVector<Value> operands(sums);
  operands.append(others.begin(), others.end());
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
  Value all = LLVM::InlineAsmOp::create(b, type, operands, text, llvm::join(constraints, ","),
                                        /*has_side_effects=*/true, /*is_align_stack=*/false,
                                        LLVM::tailcallkind::TailCallKind::None,
                                        LLVM::AsmDialectAttr(), ArrayAttr())
                  .getResult(0);
  for (auto [part, value] : llvm::enumerate(sums))
    value = LLVM::ExtractValueOp::create(b, all, int64_t(part));
  return sums;
}

/// What threads wrote to shared memory may be read by instructions that do so themselves.
void BlockTile::fenceProxy() {
  LLVM::InlineAsmOp::create(b, TypeRange(), ValueRange(), "fence.proxy.async.shared::cta;", "",
                            /*has_side_effects=*/true, /*is_align_stack=*/false,
                            LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(),
                            ArrayAttr());
}

/// Lines of more than 8 chunks lie side by side in blocks of so many.
Value BlockTile::slot(const Factor &factor, Value line, Value chunk) {
  if (!isGroup || factor.chunks <= 8)
    return SharedTile::slot(factor.chunks, line, chunk);
  return add(mul(div(chunk, 8), factor.lines * 128), SharedTile::slot(8, line, rem(chunk, 8)));
}

/// Where a factor lies from a row (column) on (section 9.7.15.5.1.2.2), and in what order: in bits
/// 16 ... and 32 ... the bytes, in sixteens, from one block of lines to the next and from 8 lines
/// to the next, in bits 62 and 63 within how many chunks they change places.
Value BlockTile::describe(const Factor &factor, Value buffer, Value first) {
  const int64_t width = std::min<int64_t>(factor.chunks, 8), lineBytes = width * 16;
  const uint64_t mode = width == 8 ? 1 : width == 4 ? 2 : 3;
  const uint64_t leading = factor.alongDepth ? 1 : uint64_t(factor.lines * lineBytes) / 16,
                 stride = uint64_t(8 * lineBytes) / 16;
  Value behind = factor.alongDepth
                     ? mul(first, lineBytes)
                     : mul(div(first, width * factor.perChunk), factor.lines * lineBytes);
  Value byte = add(add(buffer, factor.offset), behind);
  Value address = LLVM::PtrToIntOp::create(b, b.getI64Type(), shared(byte));
  Value start = arith::ShRUIOp::create(b, address, f.i64Constant(4));
  return arith::OrIOp::create(b, start,
                              f.i64Constant(int64_t(leading << 16 | stride << 32 | mode << 62)));
}

/// Begins the products of a step: for every 64 rows of the four warps, and every two chunks of the
/// depth, an instruction for all columns.
SmallVector<Value> BlockTile::beginGroups(Value buffer, Values sums) {
  auto nameOf = [](const Factor &factor) {
    return factor.element.isF16()    ? "f16"
           : factor.element.isBF16() ? "bf16"
           : factor.element.isF32()  ? "tf32"
           : factor.isUnsigned       ? "u8"
                                     : "s8";
  };
  const bool isInteger = sumType.isInteger();
  const int64_t perRow = warpColumns / 2, blocks = warpRows / 16;
  // The first row of the four warps.
  Value group = arith::SubIOp::create(b, warpRow, mul(rem(div(thread, 32), 4), 16));
  Values descriptors;
  for (int64_t block = 0; block < blocks; ++block)
    descriptors.push_back(describe(left, buffer, add(group, block * 64)));
  descriptors.push_back(describe(right, buffer, warpColumn));

  const std::string name =
      ("wgmma.mma_async.sync.aligned.m64n" + Twine(warpColumns) + "k" + Twine(2 * left.perChunk) +
       (isInteger ? ".s32." : ".f32.") + nameOf(left) + "." + nameOf(right))
          .str();
  std::string flags = isInteger ? "" : ", 1, 1";
  if (left.perChunk == 8)
    for (const Factor *factor : {&left, &right})
      flags += factor->alongDepth ? ", 0" : ", 1";
  // Where the chunks of a step begin, in sixteens of bytes.
  auto place = [&](const Factor &factor, int64_t step) {
    const int64_t width = std::min<int64_t>(factor.chunks, 8), chunk = 2 * step;
    return factor.alongDepth ? chunk / width * factor.lines * width + chunk % width
                             : 2 * step * factor.perChunk * width;
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
