//===- TileBulk.cpp - Factors of a tile as boxes of tensors ----------------------------------===//
//
// One thread begins the copies of a step (cp.async.bulk.tensor, PTX ISA, section 9.7.9.27): they
// find their own way through the tensor, write chunks in the order that wgmma reads, zeros where
// the tensor ends, and arrive at the mbarrier of their memory, for which all threads wait. What a
// box is, a map says that the runtime makes when launching (DeviceMap).
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/BlockTile.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

static Value callText(ImplicitLocOpBuilder &b, Type result, const Twine &text,
                      StringRef constraints, ValueRange operands) {
  auto call = LLVM::InlineAsmOp::create(
      b, result ? TypeRange(result) : TypeRange(), operands, text.str(), constraints,
      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
      LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? call.getResult(0) : Value();
}

/// Every dimension of the tensor is a loop of its own: a box has one element of all but two.
bool BlockTile::mayBeBoxed(const Factor &factor) {
  if (!factor.argument || factor.axis->parts.size() != 1 || steps.parts.size() != 1 ||
      factor.lines > 256 || (factor.alongDepth && factor.chunks > 8))
    return false;
  const unsigned rank = factor.map.getNumResults();
  return rank >= 2 && rank <= rt::kMaxMapRank && factor.map.isProjectedPermutation();
}

/// Gives the launch a map.
void BlockTile::addMap(Factor &factor) {
  const GpuFunction::Memory &memory = f.arguments.find(factor.argument)->second;
  rt::DeviceMap map{};
  map.launch = uint32_t(f.launch.launches.size() - 1);
  map.arg = memory.argument;
  map.swizzle = uint32_t(std::min<int64_t>(factor.chunks, 8) * 16);
  const unsigned rank = factor.map.getNumResults();
  Value fits = arith::ConstantOp::create(b, b.getBoolAttr(true));
  for (auto [dim, expr] : llvm::enumerate(factor.map.getResults())) {
    const unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    const bool isDepth = isAlong(steps, loop);
    uint32_t &extent = map.box[rank - 1 - dim];
    extent = 1;
    if (isDepth || isAlong(*factor.axis, loop))
      extent = isDepth == factor.alongDepth
                   ? uint32_t(std::min<int64_t>(factor.chunks, 8) * factor.perChunk)
                   : uint32_t(factor.lines);
    // Zeros begin where the tensor ends, not where the sum does.
    if (isDepth) {
      Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, memory.extents[dim],
                                            inner.extents.lookup(loopNames[loop]).value);
      fits = arith::AndIOp::create(b, fits, isWhole);
    }
  }
  f.launch.maps.push_back(map);
  factor.mayBox = fits;
}

/// The parameters of maps stand behind all others: whether there are maps, then the maps.
void BlockTile::addMaps() {
  SmallVector<Type> types(f.function.getArgumentTypes());
  Block &entry = f.function.getBody().front();
  auto append = [&](Type type) {
    types.push_back(type);
    return Value(entry.addArgument(type, b.getLoc()));
  };
  for (Factor *factor : {&left, &right}) {
    addMap(*factor);
    Value isMade = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, append(b.getI64Type()),
                                         f.i64Constant(0));
    factor->mayBox = arith::AndIOp::create(b, factor->mayBox, isMade);
  }
  for (Factor *factor : {&left, &right})
    factor->tensorMap = append(LLVM::LLVMPointerType::get(b.getContext()));
  f.function.setFunctionType(
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types));
  auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 8 * rt::kMapWords);
  for (const Factor *factor : {&left, &right}) {
    const unsigned number = cast<BlockArgument>(factor->tensorMap).getArgNumber();
    f.function.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
    f.function.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
    f.function.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
  }
}

Value BlockTile::sharedAddress(Value byte) {
  return LLVM::PtrToIntOp::create(b, b.getI64Type(), shared(byte));
}

/// Both factors of a step, to the memory of a slot. Boxes that begin behind the end, of columns
/// that nobody stores, bring anything.
void BlockTile::beginBoxes(Value step, Value slot) {
  Value barrier = sharedAddress(add(mul(slot, 8), barrierOffset));
  callText(b, {}, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "l,r",
           {barrier, i32(stepBytes)});
  for (Factor *factor : {&left, &right}) {
    const unsigned rank = factor->map.getNumResults();
    for (int64_t chunk = 0; chunk < factor->chunks; chunk += 8) {
      Value to = add(mul(slot, stepBytes), factor->offset + chunk * factor->lines * 16);
      Values loops = place(placeOf(*factor, step, i32(0), i32(chunk), 0));
      Values operands = {sharedAddress(to), factor->tensorMap, barrier};
      std::string coordinates, constraints = "l,l,l";
      for (unsigned dim = rank; dim-- > 0;) {
        Value at = affine::expandAffineExpr(b, b.getLoc(), factor->map.getResult(dim), loops, {});
        coordinates += (coordinates.empty() ? "$" : ", $") + std::to_string(operands.size());
        constraints += ",r";
        operands.push_back(arith::IndexCastOp::create(b, b.getI32Type(), at));
      }
      callText(b, {},
               "cp.async.bulk.tensor." + Twine(rank) +
                   "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, {" +
                   coordinates + "}], [$2];",
               constraints, operands);
    }
  }
}

/// As runCopies, but one thread begins what the others wait for.
LogicalResult BlockTile::runBulk(Value count) {
  const int64_t stages = directive.getStages();
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, i32(0));
  auto copyIf = [&](Value step, Value slot) {
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, step, count);
    return f.guard(arith::AndIOp::create(b, isFirst, isThere), {},
                   [&](Values) -> FailureOr<Values> {
                     beginBoxes(step, slot);
                     return Values();
                   });
  };
  FailureOr<Values> done = f.guard(isFirst, {}, [&](Values) -> FailureOr<Values> {
    for (int64_t slot = 0; slot < stages; ++slot)
      callText(b, {}, "mbarrier.init.shared::cta.b64 [$0], 1;", "l",
               sharedAddress(i32(barrierOffset + 8 * slot)));
    callText(b, {}, "fence.mbarrier_init.release.cluster;", "", {});
    return Values();
  });
  if (failed(done))
    return failure();
  for (int64_t step = 0; step + 1 < stages; ++step)
    if (failed(copyIf(index(step), i32(step))))
      return failure();
  Values carried = {i32(0), i32(0)};
  carried.append(sums);
  FailureOr<Values> end =
      f.loop(count, carried, [&](Value step, Values values) -> FailureOr<Values> {
        Value slot = values[0], parity = values[1];
        // Barriers are there for all, and what the last step read is free.
        NVVM::Barrier0Op::create(b);
        Value barrier = sharedAddress(add(mul(slot, 8), barrierOffset));
        FailureOr<Values> arrived = f.loopWhile(
            {},
            [&](Values) -> FailureOr<Value> {
              Value isThere = callText(b, b.getI32Type(),
                                       "{\n.reg .pred p;\n"
                                       "mbarrier.try_wait.parity.shared::cta.b64 p, [$1], $2;\n"
                                       "selp.b32 $0, 1, 0, p;\n}",
                                       "=r,l,r", {barrier, parity});
              return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, isThere, i32(0)));
            },
            [](Values) -> FailureOr<Values> { return Values(); });
        if (failed(arrived))
          return failure();
        Values next = beginGroups(mul(slot, stepBytes), Values(llvm::drop_begin(values, 2)));
        Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, slot, i32(0));
        Value previous = arith::SelectOp::create(b, isZero, i32(stages - 1), add(slot, -1));
        if (failed(copyIf(arith::AddIOp::create(b, step, index(stages - 1)), previous)))
          return failure();
        next = finishGroups(next);
        Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, slot, i32(stages - 1));
        Value turned = arith::XOrIOp::create(b, parity, i32(1));
        Values result = {arith::SelectOp::create(b, isLast, i32(0), add(slot, 1)),
                         arith::SelectOp::create(b, isLast, turned, parity)};
        result.append(next);
        return result;
      });
  if (failed(end))
    return failure();
  sums.assign(std::next(end->begin(), 2), end->end());
  return success();
}

} // namespace tessera::nvgpu
