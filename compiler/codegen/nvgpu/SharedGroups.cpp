//===- SharedGroups.cpp - What four warps read together, and copies that arrive by themselves -===//
//
// wgmma (PTX ISA, section 9.7.15) reads factors from shared memory itself, in the order that a
// descriptor says. Copies of boxes of tensors (cp.async.bulk.tensor, section 9.7.9.27) write that
// order; who waits for them, or for other threads, does so at an mbarrier (section 9.7.13.15).
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/SharedTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

Value SharedTile::callText(Type result, const Twine &text, StringRef constraints,
                           ValueRange operands) {
  auto call = LLVM::InlineAsmOp::create(
      b, result ? TypeRange(result) : TypeRange(), operands, text.str(), constraints,
      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
      LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? call.getResult(0) : Value();
}

SmallVector<Value> SharedTile::callOnSums(const std::string &text, Values sums,
                                          ArrayRef<Value> others) {
  Type sumType = sums.front().getType();
  SmallVector<std::string> constraints(sums.size(), sumType.isInteger() ? "=r" : "=f");
  for (size_t i = 0; i < sums.size(); ++i)
    constraints.push_back(std::to_string(i));
  for (Value other : others)
    constraints.push_back(other.getType().isInteger(64) ? "l" : "r");
  SmallVector<Type> types(sums.size(), sumType);
  SmallVector<Value> operands(sums);
  operands.append(others.begin(), others.end());
  Value all = callText(LLVM::LLVMStructType::getLiteral(b.getContext(), types), text,
                       llvm::join(constraints, ","), operands);
  for (auto [part, value] : llvm::enumerate(sums))
    value = LLVM::ExtractValueOp::create(b, all, int64_t(part));
  return sums;
}

void SharedTile::fenceProxy() { callText({}, "fence.proxy.async.shared::cta;", "", {}); }

Value SharedTile::groupSlot(const GroupLayout &layout, Value line, Value chunk) {
  if (layout.chunks <= 8)
    return slot(layout.chunks, line, chunk);
  return add(mul(div(chunk, 8), layout.lines * 128), slot(8, line, rem(chunk, 8)));
}

/// Section 9.7.15.5.1.2.2: in bits 16 ... and 32 ... the bytes, in sixteens, from one block of
/// lines to the next and from 8 lines to the next, in bits 62 and 63 within how many chunks they
/// change places.
Value SharedTile::describe(const GroupLayout &layout, Value byte, Value first) {
  const int64_t width = std::min<int64_t>(layout.chunks, 8), lineBytes = width * 16;
  const uint64_t mode = width == 8 ? 1 : width == 4 ? 2 : 3;
  const uint64_t leading = layout.alongDepth ? 1 : uint64_t(layout.lines * lineBytes) / 16,
                 stride = uint64_t(8 * lineBytes) / 16;
  Value behind = layout.alongDepth
                     ? mul(first, lineBytes)
                     : mul(div(first, width * layout.perChunk), layout.lines * lineBytes);
  Value start = arith::ShRUIOp::create(b, sharedAddress(add(byte, behind)), f.i64Constant(4));
  return arith::OrIOp::create(b, start,
                              f.i64Constant(int64_t(leading << 16 | stride << 32 | mode << 62)));
}

int64_t SharedTile::sixteensBehind(const GroupLayout &layout, int64_t step) {
  const int64_t width = std::min<int64_t>(layout.chunks, 8), chunk = 2 * step;
  return layout.alongDepth ? chunk / width * layout.lines * width + chunk % width
                           : 2 * step * layout.perChunk * width;
}

Value SharedTile::sharedAddress(Value byte) {
  return LLVM::PtrToIntOp::create(b, b.getI64Type(), shared(byte));
}

void SharedTile::initBarrier(int64_t byte, Value arrivals) {
  callText({}, "mbarrier.init.shared::cta.b64 [$0], $1;", "l,r",
           {sharedAddress(i32(byte)), arrivals});
}

void SharedTile::fenceBarriers() { callText({}, "fence.mbarrier_init.release.cluster;", "", {}); }

void SharedTile::arriveAt(Value byte) {
  callText({}, "mbarrier.arrive.shared::cta.b64 _, [$0];", "l", sharedAddress(byte));
}

void SharedTile::arriveExpecting(Value byte, int64_t bytes) {
  callText({}, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "l,r",
           {sharedAddress(byte), i32(bytes)});
}

LogicalResult SharedTile::waitFor(Value byte, Value parity) {
  Value barrier = sharedAddress(byte);
  FailureOr<Values> done = f.loopWhile(
      {},
      [&](Values) -> FailureOr<Value> {
        Value isThere = callText(b.getI32Type(),
                                 "{\n.reg .pred p;\n"
                                 "mbarrier.try_wait.parity.shared::cta.b64 p, [$1], $2;\n"
                                 "selp.b32 $0, 1, 0, p;\n}",
                                 "=r,l,r", {barrier, parity});
        return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, isThere, i32(0)));
      },
      [](Values) -> FailureOr<Values> { return Values(); });
  return success(succeeded(done));
}

Value SharedTile::turnSlot(Value slot, Value &parity, int64_t slots) {
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, slot, i32(slots - 1));
  parity = arith::SelectOp::create(b, isLast, arith::XOrIOp::create(b, parity, i32(1)), parity);
  return arith::SelectOp::create(b, isLast, i32(0), add(slot, 1));
}

LogicalResult SharedTile::settle(Value pending, int64_t copies) {
  NVVM::CpAsyncWaitGroupOp::create(b, b.getI32IntegerAttr(int32_t(copies)));
  fenceProxy();
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, pending, i32(0));
  FailureOr<Values> done = f.guard(isThere, {}, [&](Values) -> FailureOr<Values> {
    arriveAt(pending);
    return Values();
  });
  return success(succeeded(done));
}

void SharedTile::giveRegisters(bool copies, int64_t left) {
  // 128 threads of the one kind and 256 of the other have 504 times 128.
  callText({},
           copies ? "setmaxnreg.dec.sync.aligned.u32 " + Twine(left) + ";"
                  : "setmaxnreg.inc.sync.aligned.u32 " + Twine((504 - left) / 2) + ";",
           "", {});
}

SmallVector<SharedTile::Map> SharedTile::addMaps(ArrayRef<MapRequest> requests) {
  SmallVector<Type> types(f.function.getArgumentTypes());
  Block &entry = f.function.getBody().front();
  auto append = [&](Type type) {
    types.push_back(type);
    return Value(entry.addArgument(type, b.getLoc()));
  };
  SmallVector<Map> maps;
  for (const MapRequest &request : requests) {
    rt::DeviceMap map{};
    map.launch = uint32_t(f.launch.launches.size() - 1);
    map.arg = f.arguments.find(request.argument)->second.argument;
    map.swizzle = request.swizzle;
    llvm::copy(request.box, map.box);
    f.launch.maps.push_back(map);
    maps.push_back({{},
                    arith::CmpIOp::create(b, arith::CmpIPredicate::ne, append(b.getI64Type()),
                                          f.i64Constant(0))});
  }
  for (Map &map : maps)
    map.pointer = append(LLVM::LLVMPointerType::get(b.getContext()));
  f.function.setFunctionType(
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types));
  auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 8 * rt::kMapWords);
  for (const Map &map : maps) {
    const unsigned number = cast<BlockArgument>(map.pointer).getArgNumber();
    f.function.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
    f.function.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
    f.function.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
  }
  return maps;
}

void SharedTile::copyBox(const Map &map, Value byte, ArrayRef<Value> place, Value barrier) {
  Values operands = {sharedAddress(byte), map.pointer, sharedAddress(barrier)};
  std::string coordinates, constraints = "l,l,l";
  for (Value at : llvm::reverse(place)) {
    coordinates += (coordinates.empty() ? "$" : ", $") + std::to_string(operands.size());
    constraints += ",r";
    operands.push_back(arith::IndexCastOp::create(b, b.getI32Type(), at));
  }
  callText({},
           "cp.async.bulk.tensor." + Twine(place.size()) +
               "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, {" +
               coordinates + "}], [$2];",
           constraints, operands);
}

} // namespace tessera::nvgpu
