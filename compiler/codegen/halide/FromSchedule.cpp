//===- FromSchedule.cpp - From the schedule dialect to directives ----------------------===//
#include "compiler/codegen/halide/FromKernel.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tessera::halide {

static Directive::Tail convert(schedule::Tail tail) {
  switch (tail) {
  case schedule::Tail::Auto: return Directive::Auto;
  case schedule::Tail::Guard: return Directive::Guard;
  case schedule::Tail::ShiftInwards: return Directive::ShiftInwards;
  case schedule::Tail::RoundUp: return Directive::RoundUp;
  case schedule::Tail::Predicate: return Directive::Predicate;
  }
  llvm_unreachable("unknown tail");
}

static LogicalResult describe(Operation *op, const HalideProgram &program, Directive &to) {
  auto set = [&](Directive::Kind kind, std::initializer_list<StringRef> names, int64_t number = 0) {
    to.kind = kind;
    for (StringRef name : names)
      to.names.push_back(name.str());
    to.number = number;
    return success();
  };
  using namespace schedule;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](SplitOp op) {
        to.tail = convert(op.getTail());
        return set(Directive::Split, {op.getLoop(), op.getOuter(), op.getInner()}, op.getFactor());
      })
      .Case([&](FuseOp op) {
        return set(Directive::Fuse, {op.getInner(), op.getOuter(), op.getFused()});
      })
      .Case([&](ReorderOp op) {
        for (auto name : op.getLoops().getAsRange<StringAttr>())
          to.names.push_back(name.str());
        return set(Directive::Reorder, {});
      })
      .Case([&](VectorizeOp op) {
        to.tail = convert(op.getTail());
        return set(Directive::Vectorize, {op.getLoop()}, op.getWidth().value_or(0));
      })
      .Case([&](UnrollOp op) {
        to.tail = convert(op.getTail());
        return set(Directive::Unroll, {op.getLoop()}, op.getWidth().value_or(0));
      })
      .Case([&](ParallelOp op) { return set(Directive::Parallel, {op.getLoop()}); })
      .Case([&](InOrderOp op) { return set(Directive::InOrder, {op.getLoop()}); })
      .Case([&](TileMultiplyOp op) {
        return set(Directive::TileMultiply, {op.getRows(), op.getColumns()});
      })
      .Case([&](AtomicOp op) { return set(Directive::Atomic, {}); })
      .Case([&](ComputeAtOp op) {
        return set(Directive::ComputeAt, {op.getConsumer(), op.getLoop()});
      })
      .Case([&](ComputeRootOp op) { return set(Directive::ComputeRoot, {}); })
      .Case([&](StoreOp op) {
        switch (op.getStorage()) {
        case Storage::Stack: return set(Directive::StoreStack, {});
        case Storage::Register: return set(Directive::StoreRegister, {});
        case Storage::Tile: return set(Directive::StoreTile, {});
        }
      })
      .Case([&](BoundStorageOp op) {
        return set(Directive::BoundStorage, {op.getLoop()}, op.getExtent());
      })
      .Case([&](PrefetchOp op) {
        auto tensor = llvm::find_if(program.tensors, [&](const TensorArgument &tensor) {
          return tensor.name == argumentName(op.getArgument());
        });
        if (tensor == program.tensors.end())
          return LogicalResult(op.emitOpError() << "names argument " << op.getArgument()
                                                << ", which is no tensor of the kernel");
        to.tensor = static_cast<int32_t>(tensor - program.tensors.begin());
        return set(Directive::Prefetch, {op.getLoop()}, op.getDistance());
      })
      .Case([&](BoundExtentOp op) {
        return set(Directive::BoundExtent, {op.getLoop()}, op.getExtent());
      })
      .Default([&](Operation *op) {
        return op->emitOpError() << "is no directive that the Halide generator knows";
      });
}

LogicalResult describeSchedule(schedule::FuncOp schedule, HalideProgram &program) {
  for (Operation &container : schedule.getBody().front()) {
    bool onUpdate = isa<schedule::UpdateOp>(container);
    StringRef stage = onUpdate ? cast<schedule::UpdateOp>(container).getStage()
                               : cast<schedule::StageOp>(container).getStage();
    for (Operation &op : container.getRegion(0).front()) {
      Directive directive;
      directive.stage = stage.str();
      directive.onUpdate = onUpdate;
      if (failed(describe(&op, program, directive)))
        return failure();
      program.directives.push_back(std::move(directive));
    }
  }
  return success();
}

} // namespace tessera::halide
