//===- SharedTile.cpp - Tiles in shared memory, and the warps that use them ------------------===//
#include "compiler/codegen/nvgpu/SharedTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

void SharedTile::allocate(const Twine &name, int64_t bytes, int64_t count, unsigned alignment) {
  threads = count;
  {
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPoint(f.function);
    const bool isAsked = bytes > kSharedBytes;
    if (isAsked)
      f.launch.launches.back().sharedBytes = uint32_t(bytes);
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), isAsked ? 0 : unsigned(bytes));
    auto global = LLVM::GlobalOp::create(
        b, type, /*isConstant=*/false, isAsked ? LLVM::Linkage::External : LLVM::Linkage::Internal,
        name.str(), Attribute(), alignment, kShared);
    b.setInsertionPointToStart(&f.function.getBody().front());
    memory = LLVM::AddressOfOp::create(b, global);
  }
  f.function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                      b.getDenseI32ArrayAttr({int32_t(threads)}));
  const uint32_t size = f.numberStep(threads);
  uint32_t &extent = f.launch.launches.back().extents[3];
  extent = extent == rt::kNoStep ? size : f.addStep(rt::DeviceStepKind::Max, extent, size);
  thread = NVVM::ThreadIdXOp::create(b, b.getI32Type());
  lane = rem(thread, 32);
}

Value SharedTile::shared(Value byte) {
  return LLVM::GEPOp::create(b, memory.getType(), b.getI8Type(), memory,
                             ArrayRef<LLVM::GEPArg>{byte});
}

Value SharedTile::slot(int64_t chunks, Value line, Value chunk, bool isByPairs) {
  // 128 bytes pass all banks once. Places are changed within a power of two of chunks.
  const int64_t width = std::min<int64_t>(chunks & -chunks, 8), perPass = 8 / width;
  Value turn = rem(div(line, perPass), width);
  if (isByPairs) // The bits turned by one: the next line is two chunks away.
    turn = add(rem(mul(turn, 2), width), div(mul(turn, 2), width));
  Value moved = arith::XOrIOp::create(b, chunk, turn);
  return mul(add(mul(line, chunks), moved), 16);
}

Value SharedTile::slotOfVectors(int64_t chunks, int64_t vector, Value line, Value chunk) {
  // Chunks change places within the 128 bytes of a pass, which may have several lines.
  if (chunks > 8 || 8 % chunks || vector % (8 / chunks))
    return slot(chunks, line, chunk);
  const int64_t perPass = 8 / chunks;
  Value place = add(mul(rem(line, perPass), chunks), chunk);
  Value moved = arith::XOrIOp::create(b, place, rem(div(line, vector), 8));
  return mul(add(mul(div(line, perPass), 8), moved), 16);
}

Value SharedTile::slotBehind(int64_t chunks, Value line, Value low, int64_t chunk, int64_t lines) {
  const int64_t width = std::min<int64_t>(chunks & -chunks, 8), changed = chunk % width;
  Value turn = rem(div(line, 8 / width), width);
  Value moved = arith::XOrIOp::create(b, arith::XOrIOp::create(b, low, turn), i32(changed));
  return add(mul(add(mul(line, chunks), moved), 16), (chunk - changed + lines * chunks) * 16);
}

/// With ldmatrix (PTX ISA, section 9.7.14.5.15).
SmallVector<Value> SharedTile::loadFour(Value byte, Type element, bool isTurned) {
  SmallVector<Type> registers(4, b.getI32Type());
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), registers);
  Value loaded = NVVM::LdMatrixOp::create(
      b, type, shared(byte), b.getI32IntegerAttr(4),
      NVVM::MMALayoutAttr::get(b.getContext(),
                               isTurned ? NVVM::MMALayout::col : NVVM::MMALayout::row),
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltTypeAttr::get(b.getContext(), NVVM::LdStMatrixEltType::B16));
  Values result;
  for (int64_t part = 0; part < 4; ++part) {
    Value word = LLVM::ExtractValueOp::create(b, loaded, part);
    if (element.isF16())
      word = LLVM::BitcastOp::create(b, VectorType::get({2}, element), word);
    result.push_back(word);
  }
  return result;
}

SmallVector<Value> SharedTile::roundWords(Values words) {
  for (Value &word : words)
    word = LLVM::InlineAsmOp::create(
               b, b.getI32Type(), word, "cvt.rna.tf32.f32 $0, $1;",
               word.getType().isF32() ? "=r,f" : "=r,r", /*has_side_effects=*/false,
               /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
               LLVM::AsmDialectAttr(), ArrayAttr())
               .getResult(0);
  return words;
}

Value SharedTile::opaque(Value number, Value iteration) {
  const bool isWide = number.getType().isInteger(64);
  return LLVM::InlineAsmOp::create(
             b, number.getType(), ValueRange{number, iteration},
             isWide ? "mov.b64 $0, $1;" : "mov.b32 $0, $1;", isWide ? "=l,l,l" : "=r,r,l",
             /*has_side_effects=*/false, /*is_align_stack=*/false,
             LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
      .getResult(0);
}

Value SharedTile::isAligned(const GpuFunction::Memory &from, int64_t bytes, ArrayRef<Value> others,
                            int64_t multiple) {
  Value bits = LLVM::PtrToIntOp::create(b, b.getI64Type(), from.pointer);
  auto require = [&](Value number) {
    Value wide = arith::IndexCastOp::create(b, b.getI64Type(), number);
    Value size = arith::MulIOp::create(b, wide, f.i64Constant(bytes));
    bits = arith::OrIOp::create(b, bits, size);
  };
  for (Value stride : ArrayRef<Value>(from.strides).drop_back())
    require(stride);
  for (Value number : others)
    require(number);
  Value odd = arith::AndIOp::create(b, bits, f.i64Constant(multiple - 1));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, odd, f.i64Constant(0));
}

} // namespace tessera::nvgpu
