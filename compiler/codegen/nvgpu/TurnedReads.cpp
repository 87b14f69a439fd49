//===- TurnedReads.cpp - Reads across the result, by tiles in shared memory -----------------===//
//
// Where a tensor is read along one loop and the result written along another (a transpose, and all
// that is fused with it), a block takes a square of both. Its threads read along the first, keep
// what they read in shared memory, and take it from there along the second: neighbouring threads
// always touch neighbouring elements. Lines of the square are a word of 4 bytes, or an element,
// longer than it is wide, so that neither of the two meets in a bank.
//
//===----------------------------------------------------------------------===//
#include "dialects/kernel/TurnedReads.h"
#include "compiler/codegen/nvgpu/GpuFunction.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// Blocks are those of one output, so that none leaves: all their threads meet.
LogicalResult GpuFunction::emitTurned(schedule::GpuTurnOp directive) {
  const StringRef row = directive.getRows(), column = directive.getColumns();
  const int64_t extent = loops.widths.lookup(row);
  if (outputs.size() != 1 || extent == 0 || loops.widths.lookup(column) != extent)
    return fail(directive, "needs one output, and loops of equal extents that splits made");
  const SmallVector<std::string> names = kernel::getLoopNames(output);
  SmallVector<kernel::TurnedRead> reads =
      kernel::findTurnedReads(output, [&](Value tensor) { return arguments.count(tensor) != 0; });
  llvm::erase_if(reads, [&](const kernel::TurnedRead &read) {
    return names[read.loop] != directive.getLoop();
  });
  if (reads.empty())
    return fail(directive, "has no read across the result along '" + directive.getLoop() + "'");
  const Loops own = loops;
  const SmallVector<std::string> serial = loops.serial();
  Value lane = special(/*isThread=*/true, 0);
  auto widthOf = [&](Type element) {
    return extent + std::max<int64_t>(32 / stored(element).getIntOrFloatBitWidth(), 1);
  };
  auto at = [&](const Turned &turned, Value r, Value c) -> Value {
    Value width = arith::ConstantIndexOp::create(b, widthOf(turned.element));
    Value number = arith::AddIOp::create(b, arith::MulIOp::create(b, r, width), c);
    Value memory = LLVM::AddressOfOp::create(b, turned.memory);
    return LLVM::GEPOp::create(
        b, memory.getType(), stored(turned.element), memory,
        ArrayRef<LLVM::GEPArg>{Value(arith::IndexCastOp::create(b, b.getI64Type(), number))});
  };
  for (const kernel::TurnedRead &read : reads) {
    Type element = cast<RankedTensorType>(read.operand->get().getType()).getElementType();
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPoint(function);
    auto type = LLVM::LLVMArrayType::get(stored(element), unsigned(extent * widthOf(element)));
    turned[read.operand] = {
        LLVM::GlobalOp::create(b, type, /*isConstant=*/false, LLVM::Linkage::Internal,
                               "turned" + std::to_string(numTurned++), Attribute(),
                               /*alignment=*/16, kShared),
        element,
        {}};
  }
  FailureOr<Values> brought = loopSerial(serial, {}, [&](Values) -> FailureOr<Values> {
    // Which row of the square this thread brings is what its column would be.
    (void)place(/*clamp=*/false);
    Value r = loops.positions[column];
    Loops there = own;
    for (Operation *each : own.applied)
      if (auto split = dyn_cast<schedule::SplitOp>(each); split && split.getLoop() == column)
        for (StringRef part : {split.getOuter(), split.getInner()})
          there.positions.erase(part);
    there.positions[row] = r;
    there.positions[column] = lane;
    const Loops before = loops;
    loops = there;
    (void)place(/*clamp=*/true);
    Values indices;
    for (const std::string &name : names)
      indices.push_back(loops.positions.lookup(name));
    for (const kernel::TurnedRead &read : reads) {
      InStage inside(*this, read.operand->getOwner());
      const Memory &memory = arguments.find(read.operand->get())->second;
      const Turned &to = turned[read.operand];
      Values from;
      for (AffineExpr expr : read.map.getResults())
        from.push_back(affine::expandAffineExpr(b, b.getLoc(), expr, indices, {}));
      Value value = LLVM::LoadOp::create(b, stored(to.element), address(memory, to.element, from));
      LLVM::StoreOp::create(b, value, at(to, r, lane));
    }
    loops = before;
    return Values();
  });
  if (failed(brought))
    return failure();
  NVVM::Barrier0Op::create(b);
  loops = own;
  FailureOr<Values> stored = loopSerial(serial, {}, [&](Values) -> FailureOr<Values> {
    Value isHere = place();
    for (const kernel::TurnedRead &read : reads)
      turned[read.operand].address =
          at(turned[read.operand], loops.positions[row], loops.positions[column]);
    return guard(isHere, {}, [&](Values) -> FailureOr<Values> {
      if (failed(storeResults()))
        return failure();
      return Values();
    });
  });
  turned.clear();
  return success(succeeded(stored));
}

} // namespace tessera::nvgpu
